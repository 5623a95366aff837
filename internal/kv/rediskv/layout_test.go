package rediskv_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// The layout on the server is a promise to the next version.
func TestLayoutIsAsWritten(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := open(t, srv.URL()+"?namespace=ns:")
	res, err := s.Apply(t.Context(), "d", kv.Tx{
		ID: "ABCDEFGHIJKL",
		Puts: []kv.Put{
			{Key: kv.Key{Coll: indexed, ID: "a:b"}, Value: []byte("x"), ExpiresAt: time.UnixMilli(4_102_444_800_123)},
			{Key: kv.Key{Coll: plain, ID: "p"}, Value: []byte("y")},
		},
		Events: [][]byte{[]byte("e")},
	})
	if err != nil {
		t.Fatal(err)
	}
	keys := strings.Split(srv.Do("keys", "*"), "\n")
	slices.Sort(keys)
	want := []string{"ns:layout", "ns:{d}i:idx", "ns:{d}l", "ns:{d}r:idx:a:b", "ns:{d}r:plain:p", "ns:{d}x:idx"}
	if !slices.Equal(keys, want) {
		t.Errorf("got keys %q, want %q", keys, want)
	}
	for _, c := range []struct{ command, pattern string }{
		{"get ns:layout", `^gatehouse 1$`},
		{"get ns:{d}r:idx:a:b", `^1\d{16}4102444800123ABCDEFGHIJKLx$`},
		{"get ns:{d}r:plain:p", `^1\d{16}0000000000000ABCDEFGHIJKLy$`},
		{"pexpiretime ns:{d}r:idx:a:b", `^4102444800123$`},
		{"pexpiretime ns:{d}r:plain:p", `^-1$`},
		{"zrange ns:{d}i:idx 0 -1 withscores", `^a:b\n0$`},
		{"zrange ns:{d}x:idx 0 -1 withscores", `^a:b\n4102444800123$`},
		{"xrange ns:{d}l - +", `^\d+-0\nd\nABCDEFGHIJKLe$`},
	} {
		if got := srv.Do(words(c.command)...); !regexp.MustCompile(c.pattern).MatchString(got) {
			t.Errorf("%s: got %q, want %s", c.command, got, c.pattern)
		}
	}
	if now := time.Now().UnixMicro(); int64(res.Version) > now || int64(res.Version) < now-60e6 {
		t.Errorf("got version %d, want about %d microseconds", res.Version, now)
	}
}

// The server's clock may go back, or be behind that of the primary before it: versions grow all the same.
func TestVersionsGrowWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	future := kv.Version(time.Now().Add(time.Hour).UnixMicro())
	record := func(v kv.Version) string { return "1" + pad(v) + "0000000000000ABCDEFGHIJKLx" }
	srv.Do("set", "gh1:{u}r:plain:k", record(future))
	for _, tx := range []kv.Tx{
		{Checks: []kv.Check{{Key: key("k"), Version: future}}, Puts: []kv.Put{{Key: key("other")}}},
		{Puts: []kv.Put{{Key: key("k")}}},
		{Puts: []kv.Put{{Key: key("k")}}},
		{Deletes: []kv.Key{key("k")}, Puts: []kv.Put{{Key: key("other")}}},
	} {
		tx.ID = kv.NewTxID()
		res, err := s.Apply(t.Context(), "u", tx)
		if err != nil || res.Version <= future {
			t.Errorf("got version %d, %v; want above %d", res.Version, err, future)
		}
		if len(tx.Checks) == 0 {
			future = res.Version
		}
	}
}

func pad(v kv.Version) string {
	digits := make([]byte, 16)
	for i := len(digits) - 1; i >= 0; i, v = i-1, v/10 {
		digits[i] = byte('0' + v%10)
	}
	return string(digits)
}

// Expired records leave the index with later writes, so that it does not grow for ever; those that expired just now stay for a
// clock that is a little behind.
func TestWritesSweepTheIndex(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	now := time.Now()
	for i := range 20 {
		id := string(rune('A' + i))
		srv.Do("zadd", "gh1:{u}i:idx", 0, id)
		srv.Do("zadd", "gh1:{u}x:idx", now.Add(-2*time.Minute).UnixMilli(), id)
	}
	srv.Do("zadd", "gh1:{u}i:idx", 0, "k") // expired too, and then written again for good
	srv.Do("zadd", "gh1:{u}x:idx", now.Add(-time.Minute-time.Second).UnixMilli(), "k")
	srv.Do("zadd", "gh1:{u}i:idx", 0, "recent")
	srv.Do("zadd", "gh1:{u}x:idx", now.Add(-10*time.Second).UnixMilli(), "recent")
	for _, want := range []string{"14", "6", "2", "2"} {
		tx := kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{{Key: kv.Key{Coll: indexed, ID: "k"}}}}
		if _, err := s.Apply(t.Context(), "u", tx); err != nil {
			t.Fatal(err)
		}
		if got := srv.Do("zcard", "gh1:{u}i:idx"); got != want {
			t.Errorf("index has %s ids, want %s", got, want)
		}
	}
	if got := srv.Do("zrange", "gh1:{u}x:idx", 0, -1); got != "recent" {
		t.Errorf("expiries: got %q, want the recent one", got)
	}
}

// After a failover the new primary may give the id of an entry that was lost to another: the cursor of the lost one is a gap.
func TestCursorOfALostEntryIsAGap(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	lost := puts("k")
	res, err := s.Apply(t.Context(), "u", lost)
	if err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(string(res.Cursor), ".")
	srv.Do("del", "gh1:{u}l")
	srv.Do("xadd", "gh1:{u}l", id, "d", "OTHEROTHER00another history")
	srv.Do("xadd", "gh1:{u}l", "*", "d", "OTHEROTHER01goes on")
	if entries, err := s.ReadLog(t.Context(), "u", res.Cursor, 10, 0); !errors.Is(err, kv.ErrGap) {
		t.Errorf("got %d entries, %v; want ErrGap", len(entries), err)
	}
	srv.Do("del", "gh1:{u}l")
	if entries, err := s.ReadLog(t.Context(), "u", res.Cursor, 10, time.Minute); !errors.Is(err, kv.ErrGap) {
		t.Errorf("log gone: got %d entries, %v; want ErrGap at once", len(entries), err)
	}
}

func TestForeignDataIsCorrupt(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	k := kv.Key{Coll: indexed, ID: "k"}
	write := func() error {
		_, err := s.Apply(t.Context(), "u", kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{{Key: k}}})
		return err
	}
	read := func() error { _, err := s.Get(t.Context(), "u", k); return err }
	list := func() error {
		_, err := s.List(t.Context(), "u", indexed, kv.ListOptions{Limit: 1})
		return err
	}
	heads := func() error {
		_, err := s.List(t.Context(), "u", indexed, kv.ListOptions{Limit: 1, KeysOnly: true})
		return err
	}
	scan := func() error { return s.Scan(t.Context(), func(kv.Unit, string, kv.Item) error { return nil }) }
	log := func() error { _, err := s.ReadLog(t.Context(), "u", "", 1, 0); return err }
	for _, c := range []struct {
		setup string
		calls map[string]func() error
	}{
		{"set gh1:{u}r:idx:k garbage", map[string]func() error{"Get": read, "Apply": write, "List": list, "List of keys": heads, "Scan": scan}},
		{"set gh1:{u}r:idx:k 2000000000000000000000000000000ABCDEFGHIJKL", map[string]func() error{"Get": read, "Apply": write, "Scan": scan}},
		{"lpush gh1:{u}r:idx:k x", map[string]func() error{"Apply": write, "List of keys": heads}},
		{"set gh1:{u}i:idx x", map[string]func() error{"List": list}},
		{"set gh1:{u}l x", map[string]func() error{"ReadLog": log}},
		{"xadd gh1:{u}l * other x", map[string]func() error{"ReadLog": log}},
	} {
		srv.Do("flushall")
		if !strings.Contains(c.setup, "i:idx") {
			srv.Do("zadd", "gh1:{u}i:idx", 0, "k")
		}
		srv.Do(words(c.setup)...)
		for name, call := range c.calls {
			if err := call(); !errors.Is(err, kv.ErrCorrupt) {
				t.Errorf("%s: %s: got %v, want ErrCorrupt", c.setup, name, err)
			}
		}
	}
}
