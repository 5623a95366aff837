package kvtest

import (
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// expiryIsExact reads a record over and over across its expiry: each read that ended before it sees the record, each that
// began after it does not.
func expiryIsExact(t *testing.T, s kv.Store) {
	for _, c := range []*kv.Coll{indexed, plain, ephemeral} {
		k := key(c, "k")
		expires := time.Now().Add(60*time.Millisecond + 123*time.Microsecond)
		apply(t, s, "u", kv.Tx{Puts: []kv.Put{{Key: k, Value: []byte("v"), ExpiresAt: expires}}})
		millisecond := expires.Truncate(time.Millisecond)
		for before := true; before; {
			began := time.Now()
			it := get(t, s, "u", k)
			ended := time.Now()
			switch live := it.Version != 0; {
			case live && began.After(expires.Add(rounding)):
				t.Fatalf("%s: read that began %v after the expiry sees the record", c.Name, began.Sub(expires))
			case !live && ended.Before(millisecond.Add(-rounding)):
				t.Fatalf("%s: read that ended %v before the expiry misses the record", c.Name, expires.Sub(ended))
			case live && !it.ExpiresAt.Equal(millisecond):
				t.Fatalf("%s: got expiry %v, want %v", c.Name, it.ExpiresAt, millisecond)
			}
			before = began.Before(expires.Add(2 * rounding))
		}
	}
}

func expiredIsAbsent(t *testing.T, s kv.Store) {
	for _, c := range []*kv.Coll{indexed, plain, ephemeral} {
		unit := kv.Unit("u:" + c.Name)
		a, b, d := key(c, "a"), key(c, "b"), key(c, "d")
		expires := time.Now().Add(30 * time.Millisecond)
		first := kv.Tx{ID: kv.NewTxID(), Events: event("first")}
		for _, k := range []kv.Key{a, b, d} {
			first.Puts = append(first.Puts, kv.Put{Key: k, Value: []byte("old"), ExpiresAt: expires})
		}
		v := apply(t, s, unit, first).Version
		passed(expires)

		wantAbsent(t, s, unit, a)
		wantConflict(t, s, unit, kv.Tx{Checks: []kv.Check{{Key: a, Version: v}}, Deletes: []kv.Key{b}}, 0, 0)
		if c.Indexed {
			for _, keysOnly := range []bool{false, true} {
				if got := listAll(t, s, unit, c, kv.ListOptions{Limit: 10, KeysOnly: keysOnly}); len(got) != 0 {
					t.Errorf("List %s: got %q, want none", c.Name, got)
				}
			}
		}
		later := time.Now().Add(time.Hour)
		next := apply(t, s, unit, kv.Tx{Checks: []kv.Check{{Key: a}}, Puts: []kv.Put{{Key: a, Value: []byte("new"), ExpiresAt: later}}})
		wantValue(t, s, unit, a, next.Version, "new")

		// Deleting what has expired is no fault, and what expired no longer makes a retry a replay.
		apply(t, s, unit, kv.Tx{Deletes: []kv.Key{d}})
		wantAbsent(t, s, unit, d)
		stale := first
		stale.Puts = []kv.Put{{Key: b, Value: []byte("again"), ExpiresAt: later}}
		if res := apply(t, s, unit, stale); res.Replayed {
			t.Errorf("%s: an expired record made a replay", c.Name)
		}
	}
}

// overwritingMovesExpiry: the expiry of an earlier value never strikes a later one.
func overwritingMovesExpiry(t *testing.T, s kv.Store) {
	soon := time.Now().Add(40 * time.Millisecond)
	later := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	apply(t, s, "u", kv.Tx{Puts: []kv.Put{
		{Key: key(indexed, "to-later"), ExpiresAt: soon},
		{Key: key(indexed, "to-never"), ExpiresAt: soon},
		{Key: key(indexed, "recreated"), ExpiresAt: soon},
		{Key: key(indexed, "to-soon")},
	}})
	apply(t, s, "u", kv.Tx{Deletes: []kv.Key{key(indexed, "recreated")}})
	v := apply(t, s, "u", kv.Tx{Puts: []kv.Put{
		{Key: key(indexed, "to-later"), Value: []byte("2"), ExpiresAt: later},
		{Key: key(indexed, "to-never"), Value: []byte("2")},
		{Key: key(indexed, "recreated"), Value: []byte("2")},
		{Key: key(indexed, "to-soon"), Value: []byte("2"), ExpiresAt: time.Now().Add(20 * time.Millisecond)},
	}}).Version
	passed(soon)
	// Writes and time for an engine's own sweep: what it removes must be only what has expired.
	time.Sleep(1200 * time.Millisecond)
	for range 10 {
		apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(indexed, "z", "v")}})
	}
	wantValue(t, s, "u", key(indexed, "to-later"), v, "2")
	wantValue(t, s, "u", key(indexed, "to-never"), v, "2")
	wantValue(t, s, "u", key(indexed, "recreated"), v, "2")
	wantAbsent(t, s, "u", key(indexed, "to-soon"))
	if got := get(t, s, "u", key(indexed, "to-later")).ExpiresAt; !got.Equal(later) {
		t.Errorf("got expiry %v, want %v", got, later)
	}
	if got := get(t, s, "u", key(indexed, "to-never")).ExpiresAt; !got.IsZero() {
		t.Errorf("got expiry %v, want none", got)
	}
	if got := len(listAll(t, s, "u", indexed, kv.ListOptions{Limit: 10})); got != 4 {
		t.Errorf("List: got %d ids, want 4", got)
	}
}
