package redistest_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

func TestServerIsDurableAndNeverEvicts(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for setting, want := range map[string]string{
		"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": "",
	} {
		if got := s.Do("config", "get", setting); got != setting+"\n"+want {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	if got := redistest.Start(t, "--appendonly", "no").Do("config", "get", "appendonly"); got != "appendonly\nno" {
		t.Errorf("extra options do not win: got %q", got)
	}
}

func TestRestartKeepsPortAndData(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	addr := s.Addr()
	s.Do("set", "k", "v")
	s.Kill()
	if _, err := s.TryDo("ping"); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart()
	if got := s.Do("get", "k"); got != "v" || s.Addr() != addr {
		t.Errorf("got %q at %s, want v at %s", got, s.Addr(), addr)
	}
}

func TestPausedServerHangs(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
	defer c.Close()
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var timeout interface{ Timeout() bool }
	if err := c.Ping(ctx).Err(); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("paused: got %v, want a time-out", err)
	}
	s.Resume()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("resumed: %v", err)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	var s *redistest.Server
	t.Run("started", func(t *testing.T) {
		s = redistest.Start(t)
		s.Pause()
	})
	if _, err := s.TryDo("ping"); err == nil {
		t.Error("the server outlives its test")
	}
	if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory outlives its test: %v", err)
	}
}

func TestSentinelsElectAReplica(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	s.Primary.Do("set", "k", "v")
	s.Primary.Do("wait", 1, 1000)
	s.Primary.Kill()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := s.Replicas[0].TryDo("set", "k", "later"); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("no replica took over")
		}
	}
}

func TestClusterAgreesOnAMovedSlot(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	slot := c.Slot("{tag}k")
	from := c.Owner(slot)
	from.Do("set", "{tag}k", "v")
	c.Migrate(slot, nil)
	to := c.Owner(slot)
	if to == from {
		t.Fatal("the slot did not move")
	}
	if got := to.Do("get", "{tag}k"); got != "v" {
		t.Errorf("got %q from the new owner, want v", got)
	}
}

// A wire is cut at the command that was named, before or after the server has carried it out, and not before it.
func TestWireIsCutAtOneCommand(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := redistest.StartWire(t, s)
	c := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(w.URL(), "redis://"), MaxRetries: -1, DialerRetries: 1})
	defer c.Close()
	add := func() error { return c.Eval(t.Context(), `return redis.call("incr", KEYS[1])`, []string{"n"}).Err() }
	for _, x := range []struct {
		cut  redistest.Cut
		then bool   // it passes again at once
		want string // how often it was carried out
	}{
		{redistest.Cut{Executed: true, Once: true}, true, "3"}, {redistest.Cut{Once: true}, true, "2"},
		{redistest.Cut{Executed: true}, false, "2"}, {redistest.Cut{}, false, "1"},
	} {
		s.Do("del", "n")
		w.CutAt(2, x.cut)
		if err := add(); err != nil {
			t.Fatalf("%+v: the first: %v", x.cut, err)
		}
		if err := add(); err == nil {
			t.Errorf("%+v: the second was answered", x.cut)
		}
		if err := add(); (err == nil) != x.then {
			t.Errorf("%+v: the third: got %v", x.cut, err)
		}
		if !w.Mend() {
			t.Errorf("%+v: the wire does not know that it was cut", x.cut)
		}
		if got := s.Do("get", "n"); got != x.want {
			t.Errorf("%+v: carried out %s times, want %s", x.cut, got, x.want)
		}
		if err := c.Ping(t.Context()).Err(); err != nil {
			t.Errorf("%+v: mended: %v", x.cut, err)
		}
	}
}
