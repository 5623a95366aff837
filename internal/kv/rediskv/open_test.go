package rediskv_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/kvtest"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// wantRefused checks that Open fails with a kind and a sentence.
func wantRefused(t *testing.T, url string, kind error, sentence string, change ...func(*rediskv.Config)) {
	t.Helper()
	s, err := rediskv.Open(t.Context(), config(t, url, change...))
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, kind) || !strings.Contains(fmt.Sprint(err), sentence) {
		t.Errorf("Open: got %v, want %v with %q", err, kind, sentence)
	}
}

// wantWarning checks that Health warns with a sentence, or that no warning has it.
func wantWarning(t *testing.T, s *rediskv.Store, want bool, sentence string) {
	t.Helper()
	h, err := s.Health(t.Context())
	if err != nil {
		t.Fatalf("Health: %v", err)
	}
	if got := strings.Contains(strings.Join(h.Warnings, "\n"), sentence); got != want {
		t.Errorf("warning %q: got %t in %q, want %t", sentence, got, h.Warnings, want)
	}
}

func TestEvictionIsRefused(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	wantWarning(t, s, false, "evict")
	for _, policy := range []string{"allkeys-lru", "volatile-ttl"} {
		srv.Conf("maxmemory-policy", policy)
		wantRefused(t, srv.URL(), kv.ErrUnavailable, "(maxmemory-policy "+policy+")")
	}
	if _, err := s.Health(t.Context()); !errors.Is(err, kv.ErrUnavailable) {
		t.Errorf("Health after the policy changed: got %v, want ErrUnavailable", err)
	}
	wantWarning(t, open(t, srv.URL()+"?allow_eviction=true"), true, "by your override")
}

func TestRisksAreWarnedOf(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	s := open(t, primary.URL()+"?replicas_ack=1")
	h, err := s.Health(t.Context())
	if err != nil || !regexp.MustCompile(`^(redis|valkey) \d+\.\d+\.\d+ standalone$`).MatchString(h.Engine) {
		t.Errorf("Health: got %+v, %v", h, err)
	}
	wantWarning(t, s, false, "append-only file")
	wantWarning(t, s, true, "has 0 replicas, but 1 must confirm")
	wantWarning(t, s, true, "min-replicas-to-write")
	primary.Conf("appendonly", "no")
	wantWarning(t, s, true, "keeps no append-only file")
	primary.Conf("min-replicas-to-write", "1")
	wantWarning(t, s, false, "min-replicas-to-write")
	redistest.StartReplica(t, primary)
	wantWarning(t, s, false, "must confirm")
	wantWarning(t, open(t, primary.URL()), true, "need not confirm")
}

func TestWrongServersAreRefused(t *testing.T) {
	t.Parallel()
	sentinel := redistest.StartSentinel(t, 1)
	cluster := redistest.StartCluster(t)
	wantRefused(t, sentinel.Replicas[0].URL(), kv.ErrUnavailable, "is a replica")
	wantRefused(t, sentinel.Watchers[0].URL(), kv.ErrUnavailable, "write redis+sentinel://")
	wantRefused(t, cluster.Nodes[0].URL(), kv.ErrUnavailable, "write redis+cluster://")
	wantRefused(t, "redis+cluster://"+sentinel.Primary.Addr(), kv.ErrUnavailable, "cluster support disabled")
	wantRefused(t, "redis://127.0.0.1:1", kv.ErrUnavailable, "refused")
}

// Without the right password nothing is reached, nor does an error tell it.
func TestWrongPasswordIsRefused(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, "--requirepass", "right-secret")
	open(t, "redis://:right-secret@"+srv.Addr())
	wantRefused(t, srv.URL(), kv.ErrUnavailable, "NOAUTH")
	_, err := rediskv.Open(t.Context(), config(t, "redis://:wrong-secret@"+srv.Addr()))
	if !errors.Is(err, kv.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("Open: got %v, want ErrUnavailable without the password", err)
	}
}

func TestForeignLayoutIsRefused(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	open(t, srv.URL())
	open(t, srv.URL()) // the same installation again
	srv.Do("set", "gh1:layout", "gatehouse 2")
	wantRefused(t, srv.URL(), kv.ErrCorrupt, `namespace "gh1:" has layout "gatehouse 2"`)
	open(t, srv.URL()+"?namespace=other:")
	srv.Do("del", "gh1:layout")
	srv.Do("lpush", "gh1:layout", "x")
	wantRefused(t, srv.URL(), kv.ErrCorrupt, "WRONGTYPE")
}

// leastRights is what the package comment tells an operator to give.
const leastRights = "~gh1:* -@all +evalsha +eval +mget +get +getrange +set +setrange +del +zadd +zrem +zrange +zrangebyscore +xadd " +
	"+xrange +xrevrange +xread +xtrim +time +scan +info +hello +auth +client|setname +wait"

func TestLeastRightsSuffice(t *testing.T) {
	t.Parallel()
	rules := append([]any{"acl", "setuser", "gatehouse", "on", ">pw"}, words(leastRights)...)
	t.Run("standalone", func(t *testing.T) {
		primary := redistest.Start(t)
		redistest.StartReplica(t, primary)
		primary.Do(rules...)
		kvtest.Run(t, func(t *testing.T) kv.Store {
			primary.Do("flushall")
			return open(t, "redis://gatehouse:pw@"+primary.Addr()+"?replicas_ack=1&ack_timeout=5s")
		})
	})
	t.Run("cluster", func(t *testing.T) {
		c := redistest.StartCluster(t)
		for _, node := range c.Nodes {
			node.Do(append(rules, words("+cluster|slots +cluster|info +asking")...)...)
		}
		s := open(t, strings.Replace(c.URL(), "//", "//gatehouse:pw@", 1)+"?replicas_ack=1&ack_timeout=1ms")
		for _, u := range units(8, "") {
			if err := set(s, u, kv.AckPrimary); err != nil {
				t.Errorf("Apply: %v", err)
			}
			if err := set(s, u, kv.AckSafe); !errors.Is(err, kv.ErrUnconfirmed) {
				t.Errorf("safe Apply without replicas: got %v, want ErrUnconfirmed", err)
			}
		}
		unit := kv.Unit("u:0")
		c.Migrate(c.Slot("gh1:{"+string(unit)+"}l"), func() {
			if err := set(s, unit, kv.AckPrimary); err != nil {
				t.Errorf("Apply while its slot moves: %v", err)
			}
			if err := set(s, unit, kv.AckSafe); !errors.Is(err, kv.ErrUnconfirmed) {
				t.Errorf("safe Apply while its slot moves: got %v, want ErrUnconfirmed", err)
			}
		})
		if err := set(s, unit, kv.AckSafe); !errors.Is(err, kv.ErrUnconfirmed) {
			t.Errorf("safe Apply after its slot moved: got %v, want ErrUnconfirmed", err)
		}
	})
}

func words(s string) (list []any) {
	for w := range strings.FieldsSeq(s) {
		list = append(list, w)
	}
	return list
}
