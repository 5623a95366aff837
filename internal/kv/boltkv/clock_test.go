package boltkv_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
)

var (
	things = &kv.Coll{Name: "things", Indexed: true}
	thing  = kv.Key{Coll: things, ID: "thing"}
)

// A clock is moved by the test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func apply(t testing.TB, s kv.Store, tx kv.Tx) kv.Result {
	t.Helper()
	tx.ID = kv.NewTxID()
	res, err := s.Apply(t.Context(), "u", tx)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return res
}

func read(t testing.TB, s kv.Store, k kv.Key) kv.Item {
	t.Helper()
	items, err := s.Get(t.Context(), "u", k)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return items[0]
}

// Versions and cursors grow when the clock goes back, over a delete, an expiry and a restart too: an old version never
// matches again.
func TestVersionsGrowWhenTheClockGoesBack(t *testing.T) {
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	c := &clock{at: start}
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, boltkv.Options{Now: c.now})

	var lastVersion kv.Version
	var cursors []kv.Cursor
	write := func(what string, expires time.Time) {
		t.Helper()
		res := apply(t, s, kv.Tx{Puts: []kv.Put{{Key: thing, ExpiresAt: expires}}, Events: [][]byte{[]byte(what)}})
		if res.Version <= lastVersion {
			t.Errorf("%s: got version %d, want above %d", what, res.Version, lastVersion)
		}
		lastVersion = res.Version
		cursors = append(cursors, res.Cursor)
	}
	write("first", time.Time{})
	if want := kv.Version(start.UnixMicro()); lastVersion != want {
		t.Errorf("got version %d, want microseconds %d", lastVersion, want)
	}
	c.set(start.Add(-time.Hour))
	write("an hour back", time.Time{})
	apply(t, s, kv.Tx{Deletes: []kv.Key{thing}})
	c.set(start.Add(-24 * time.Hour))
	write("deleted and a day back", start.Add(-23*time.Hour))
	c.set(start.Add(-22 * time.Hour))
	if it := read(t, s, thing); it.Version != 0 {
		t.Errorf("got %+v, want expired", it)
	}
	write("expired", time.Time{})
	apply(t, s, kv.Tx{Deletes: []kv.Key{thing}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.set(start.Add(-48 * time.Hour))
	s = open(t, path, boltkv.Options{Now: c.now})
	write("restarted two days back", time.Time{})
	c.set(time.Unix(0, 0).Add(-time.Hour))
	write("before 1970", time.Time{})
	c.set(start.Add(time.Hour))
	write("forward", time.Time{})
	if want := kv.Version(start.Add(time.Hour).UnixMicro()); lastVersion < want || lastVersion > want+10 {
		t.Errorf("got version %d, want microseconds again, about %d", lastVersion, want)
	}

	entries, err := s.ReadLog(t.Context(), "u", "", 100, 0)
	if err != nil || len(entries) != len(cursors) {
		t.Fatalf("got %d events, %v; want %d", len(entries), err, len(cursors))
	}
	for i, e := range entries {
		if e.Cursor != cursors[i] {
			t.Errorf("event %d: got cursor %q, want %q", i, e.Cursor, cursors[i])
		}
	}
}

// A record lives up to the millisecond before its expiry, by the clock that the store was given, and is not revived by a
// clock that goes back after it was overwritten.
func TestExpiryIsByTheGivenClock(t *testing.T) {
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	c := &clock{at: start}
	s := open(t, filepath.Join(t.TempDir(), "store.db"), boltkv.Options{Now: c.now})
	expires := start.Add(time.Second + 700*time.Microsecond)
	v := apply(t, s, kv.Tx{Puts: []kv.Put{{Key: thing, Value: []byte("v"), ExpiresAt: expires}}}).Version
	for _, step := range []struct {
		at   time.Duration
		live bool
	}{
		{0, true}, {time.Second - time.Millisecond, true}, {time.Second - time.Nanosecond, true},
		{time.Second, false}, {time.Hour, false},
	} {
		c.set(start.Add(step.at))
		it := read(t, s, thing)
		if live := it.Version == v; live != step.live {
			t.Errorf("%v after the start: got live %t, want %t", step.at, live, step.live)
		}
		page, err := s.List(t.Context(), "u", things, kv.ListOptions{Limit: 1})
		if err != nil || (len(page.Items) == 1) != step.live {
			t.Errorf("%v after the start: List: got %d items, %v; want live %t", step.at, len(page.Items), err, step.live)
		}
	}
	_, err := s.Apply(t.Context(), "u", kv.Tx{ID: kv.NewTxID(), Checks: []kv.Check{{Key: thing, Version: v}}, Deletes: []kv.Key{thing}})
	if conflict := (*kv.ConflictError)(nil); !errors.As(err, &conflict) || conflict.Current != 0 {
		t.Errorf("check of an expired record: got %v, want a conflict with version 0", err)
	}
	_, err = s.Apply(t.Context(), "u", kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{{Key: thing, ExpiresAt: expires}}})
	if !errors.Is(err, kv.ErrInvalid) {
		t.Errorf("put with an expiry that has passed: got %v, want ErrInvalid", err)
	}
}

// stored counts the keys of a bucket of a closed store.
func stored(t *testing.T, path, bucket string) (n int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		n = tx.Bucket([]byte(bucket)).Inspect().KeyN
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}

// What has expired leaves the file within seconds, however much it is and although nobody writes; what was given another
// expiry or none stays.
func TestSweepRemovesWhatHasExpired(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := boltkv.Open(path, boltkv.Options{})
		if err != nil {
			t.Fatal(err)
		}
		put := func(id string, life time.Duration) kv.Put {
			p := kv.Put{Key: kv.Key{Coll: things, ID: id}}
			if life != 0 {
				p.ExpiresAt = time.Now().Add(life)
			}
			return p
		}
		for range 50 {
			var tx kv.Tx
			for range 50 {
				tx.Puts = append(tx.Puts, put(kv.NewTxID(), time.Minute))
			}
			apply(t, s, tx)
		}
		apply(t, s, kv.Tx{Puts: []kv.Put{put("kept", time.Minute), put("prolonged", time.Minute), put("shortened", time.Hour), put("never", 0)}})
		apply(t, s, kv.Tx{Puts: []kv.Put{put("kept", 0), put("prolonged", time.Hour), put("shortened", time.Second)}})
		time.Sleep(61*time.Second + 500*time.Millisecond)
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if records, expiries := stored(t, path, "records"), stored(t, path, "expiry"); records != 3 || expiries != 1 {
		t.Errorf("got %d records and %d expiries, want kept, prolonged and never, and one expiry", records, expiries)
	}
	if err := boltkv.Check(path); err != nil {
		t.Error(err)
	}
}
