package kvtest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

func absentIsVersionZero(t *testing.T, s kv.Store) {
	wantAbsent(t, s, "u", key(plain, "nobody"))
	if items, err := s.Get(t.Context(), "u"); err != nil || len(items) != 0 {
		t.Errorf("Get of no keys: got %d items, %v", len(items), err)
	}
}

func putGetDelete(t *testing.T, s kv.Store) {
	for _, c := range []*kv.Coll{indexed, plain} {
		a, b := key(c, "a"), key(c, "b")
		res := apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(c, "a", "1"), put(c, "b", "2")}})
		if res.Version == 0 || res.Replayed || res.Cursor != "" {
			t.Errorf("put: got %+v, want a version alone", res)
		}
		items, err := s.Get(t.Context(), "u", b, key(c, "absent"), a, b)
		if err != nil || len(items) != 4 {
			t.Fatalf("Get: %d items, %v", len(items), err)
		}
		got := make([]string, 0, 4)
		for _, it := range items {
			got = append(got, it.ID+"="+string(it.Value))
		}
		if strings.Join(got, " ") != "b=2 absent= a=1 b=2" {
			t.Errorf("Get: got %v, want the order of the keys", got)
		}
		if items[1].Version != 0 || items[0].Version != res.Version {
			t.Errorf("Get: got versions %d and %d, want 0 for absent and %d", items[1].Version, items[0].Version, res.Version)
		}
		apply(t, s, "u", kv.Tx{Deletes: []kv.Key{a, key(c, "absent")}})
		wantAbsent(t, s, "u", a)
		wantValue(t, s, "u", b, res.Version, "2")
	}
}

func valuesAreBinarySafe(t *testing.T, s kv.Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, v := range []string{"", string(all), "\x00", "\r\n$-1\r\n", "0000000000000001", strings.Repeat("\xff", 5000)} {
		res := apply(t, s, "bin", kv.Tx{Puts: []kv.Put{put(plain, "k", v)}, Events: [][]byte{[]byte(v)}})
		wantValue(t, s, "bin", key(plain, "k"), res.Version, v)
		entries := readAll(t, s, "bin", "")
		if last := entries[len(entries)-1]; string(last.Data) != v || last.Cursor != res.Cursor {
			t.Errorf("event: got %q at %q, want %q at %q", last.Data, last.Cursor, v, res.Cursor)
		}
	}
}

func versionsGrowAndNeverRepeat(t *testing.T, s kv.Store) {
	k := key(plain, "k")
	var last kv.Version
	grow := func(what string, v kv.Version) {
		t.Helper()
		if v <= last {
			t.Errorf("%s: version %d is not above %d", what, v, last)
		}
		last = v
	}
	for range 50 {
		grow("overwrite", apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(plain, "k", "v")}}).Version)
	}
	for range 20 {
		before := last
		apply(t, s, "u", kv.Tx{Deletes: []kv.Key{k}})
		grow("create after delete", apply(t, s, "u", kv.Tx{Checks: []kv.Check{{Key: k}}, Puts: []kv.Put{put(plain, "k", "v")}}).Version)
		wantConflict(t, s, "u", kv.Tx{Checks: []kv.Check{{Key: k, Version: before}}, Puts: []kv.Put{put(plain, "k", "stale")}}, 0, last)
	}
	expires := time.Now().Add(20 * time.Millisecond)
	grow("write with expiry", apply(t, s, "u", kv.Tx{Puts: []kv.Put{{Key: k, ExpiresAt: expires}}}).Version)
	passed(expires)
	grow("create after expiry", apply(t, s, "u", kv.Tx{Checks: []kv.Check{{Key: k}}, Puts: []kv.Put{put(plain, "k", "v")}}).Version)

	// A key that another one's check saw gets a version above it.
	apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(plain, "other", "v")}})
	seen := get(t, s, "u", key(plain, "other")).Version
	if v := apply(t, s, "u", kv.Tx{Checks: []kv.Check{{Key: key(plain, "other"), Version: seen}}, Puts: []kv.Put{put(plain, "k", "v")}}).Version; v <= seen {
		t.Errorf("version %d is not above the checked %d", v, seen)
	}
}

func failedCheckAppliesNothing(t *testing.T, s kv.Store) {
	a, b := key(indexed, "a"), key(indexed, "b")
	v1 := apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(indexed, "a", "1")}}).Version
	v2 := apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(indexed, "b", "1")}}).Version
	write := kv.Tx{Puts: []kv.Put{put(indexed, "c", "new"), put(indexed, "b", "new")}, Deletes: []kv.Key{a}, Events: [][]byte{[]byte("e")}}

	for _, c := range []struct {
		name    string
		checks  []kv.Check
		index   int
		current kv.Version
	}{
		{"exists", []kv.Check{{Key: a}}, 0, v1},
		{"other version", []kv.Check{{Key: a, Version: v1}, {Key: b, Version: v1}}, 1, v2},
		{"later version", []kv.Check{{Key: a, Version: v1 + 1}}, 0, v1},
		{"absent", []kv.Check{{Key: a, Version: v1}, {Key: b, Version: v2}, {Key: key(indexed, "c"), Version: v1}}, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			tx := write
			tx.Checks = c.checks
			wantConflict(t, s, "u", tx, c.index, c.current)
			wantValue(t, s, "u", a, v1, "1")
			wantValue(t, s, "u", b, v2, "1")
			wantAbsent(t, s, "u", key(indexed, "c"))
			if got := strings.Join(listAll(t, s, "u", indexed, kv.ListOptions{Limit: 10}), " "); got != "a b" {
				t.Errorf("List: got %q, want \"a b\"", got)
			}
			wantEvents(t, s, "u")
		})
	}

	tx := write
	tx.Checks = []kv.Check{{Key: a, Version: v1}, {Key: b, Version: v2}, {Key: key(indexed, "c")}}
	v := apply(t, s, "u", tx).Version
	wantAbsent(t, s, "u", a)
	wantValue(t, s, "u", b, v, "new")
	wantValue(t, s, "u", key(indexed, "c"), v, "new")
	wantEvents(t, s, "u", "e")
}

// keysAreInjective writes every combination of names that a careless key builder would confuse.
func keysAreInjective(t *testing.T, s kv.Store) {
	units := []kv.Unit{"a", "a:", ":a", "a:b", "a/b", "ab", "r:c", "l", "a|b", "a\\x00b"}
	colls := []*kv.Coll{{Name: "c", Indexed: true}, {Name: "cc", Indexed: true}, {Name: "r", Indexed: true}, {Name: "l", Indexed: true}}
	ids := []string{"a", "b", "a:b", ":", "c:a", "r:c:a", "l", "~", "!"}
	for _, u := range units {
		var tx kv.Tx
		for _, c := range colls {
			for _, id := range ids {
				tx.Puts = append(tx.Puts, put(c, id, string(u)+" "+c.Name+" "+id))
			}
		}
		apply(t, s, u, tx)
	}
	for _, u := range units {
		for _, c := range colls {
			for _, id := range ids {
				if got, want := string(get(t, s, u, key(c, id)).Value), string(u)+" "+c.Name+" "+id; got != want {
					t.Errorf("got value %q, want %q", got, want)
				}
			}
			if got := listAll(t, s, u, c, kv.ListOptions{Limit: 100}); len(got) != len(ids) {
				t.Errorf("List %q in %q: got %q, want %d ids", c.Name, u, got, len(ids))
			}
		}
	}
}

func replayIsFoundBeforeChecks(t *testing.T, s kv.Store) {
	tx := kv.Tx{
		ID:     kv.NewTxID(),
		Checks: []kv.Check{{Key: key(plain, "k")}},
		Puts:   []kv.Put{put(plain, "k", "v"), put(indexed, "second", "v")},
		Events: [][]byte{[]byte("once")},
	}
	first := apply(t, s, "u", tx)
	for _, ack := range []kv.Ack{kv.AckPrimary, kv.AckSafe} {
		tx.Ack = ack
		again := apply(t, s, "u", tx)
		if !again.Replayed || again.Version != first.Version || again.Cursor != "" {
			t.Errorf("retry: got %+v, want a replay of version %d", again, first.Version)
		}
	}
	wantValue(t, s, "u", key(plain, "k"), first.Version, "v")
	wantEvents(t, s, "u", "once")

	other := tx
	other.ID = kv.NewTxID()
	wantConflict(t, s, "u", other, 0, first.Version)
	if first.Replayed {
		t.Error("first attempt is called a replay")
	}
}

func replayNeedsAStandingPut(t *testing.T, s kv.Store) {
	tx := kv.Tx{
		ID:     kv.NewTxID(),
		Checks: []kv.Check{{Key: key(plain, "a")}},
		Puts:   []kv.Put{put(plain, "a", "v"), put(plain, "b", "v")},
		Events: [][]byte{[]byte("once")},
	}
	first := apply(t, s, "u", tx)
	v := apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(plain, "a", "later")}}).Version
	if again := apply(t, s, "u", tx); !again.Replayed || again.Version != first.Version {
		t.Errorf("retry while b stands: got %+v, want a replay of version %d", again, first.Version)
	}
	wantValue(t, s, "u", key(plain, "a"), v, "later")

	apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(plain, "b", "later")}})
	wantConflict(t, s, "u", tx, 0, v)
	wantEvents(t, s, "u", "once")
}

func sameTransactionAtOnceAppliesOnce(t *testing.T, s kv.Store) {
	tx := kv.Tx{
		ID:     kv.NewTxID(),
		Checks: []kv.Check{{Key: key(plain, "k")}},
		Puts:   []kv.Put{put(plain, "k", "v")},
		Events: [][]byte{[]byte("once")},
	}
	var wg sync.WaitGroup
	results := make([]kv.Result, 8)
	errs := make([]error, len(results))
	for i := range results {
		wg.Go(func() { results[i], errs[i] = s.Apply(t.Context(), "u", tx) })
	}
	wg.Wait()
	fresh := 0
	for i, err := range errs {
		if err != nil {
			t.Errorf("attempt %d: %v", i, err)
		}
		if !results[i].Replayed {
			fresh++
		}
		if results[i].Version != results[0].Version {
			t.Errorf("attempt %d: got version %d, want %d", i, results[i].Version, results[0].Version)
		}
	}
	if fresh != 1 {
		t.Errorf("got %d first attempts, want 1", fresh)
	}
	wantEvents(t, s, "u", "once")
}
