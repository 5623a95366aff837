package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

func invalidCallsAreRefused(t *testing.T, s kv.Store) {
	ctx, ok := t.Context(), put(plain, "k", "v")
	refused := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, kv.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	tx := func(name string, u kv.Unit, tx kv.Tx) {
		t.Helper()
		if tx.ID == "" {
			tx.ID = kv.NewTxID()
		}
		_, err := s.Apply(ctx, u, tx)
		refused("Apply: "+name, err)
	}

	badNames := []string{"", " ", "a b", "a{b", "a}b", "a;b", "a\x00b", "a\nb", "ä", "a\x7f", "\xff"}
	for _, bad := range append(badNames, strings.Repeat("u", 129)) {
		u := kv.Unit(bad)
		tx(fmt.Sprintf("unit %q", bad), u, kv.Tx{Puts: []kv.Put{ok}})
		_, err := s.Get(ctx, u, key(plain, "k"))
		refused(fmt.Sprintf("Get: unit %q", bad), err)
		_, err = s.List(ctx, u, indexed, kv.ListOptions{Limit: 1})
		refused(fmt.Sprintf("List: unit %q", bad), err)
		_, err = s.ReadLog(ctx, u, "", 1, 0)
		refused(fmt.Sprintf("ReadLog: unit %q", bad), err)
		_, err = s.LogTail(ctx, u)
		refused(fmt.Sprintf("LogTail: unit %q", bad), err)
		refused(fmt.Sprintf("TrimLog: unit %q", bad), s.TrimLog(ctx, u, time.Now()))
	}
	var badKeys []kv.Key
	for _, bad := range append(badNames, strings.Repeat("k", 257)) {
		badKeys = append(badKeys, key(plain, bad))
	}
	badKeys = append(badKeys, kv.Key{ID: "k"})
	for _, name := range []string{"", "A", "a1", "a:b", "a b", "ä", strings.Repeat("c", 17)} {
		c := &kv.Coll{Name: name, Indexed: true}
		badKeys = append(badKeys, key(c, "k"))
		_, err := s.List(ctx, "u", c, kv.ListOptions{Limit: 1})
		refused(fmt.Sprintf("List: collection %q", name), err)
	}
	for _, k := range badKeys {
		_, err := s.Get(ctx, "u", key(plain, "k"), k)
		refused(fmt.Sprintf("Get: key %q", k.ID), err)
		tx(fmt.Sprintf("check of key %q", k.ID), "u", kv.Tx{Checks: []kv.Check{{Key: k}}, Puts: []kv.Put{ok}})
		tx(fmt.Sprintf("put of key %q", k.ID), "u", kv.Tx{Puts: []kv.Put{ok, {Key: k}}})
		tx(fmt.Sprintf("delete of key %q", k.ID), "u", kv.Tx{Puts: []kv.Put{ok}, Deletes: []kv.Key{k}})
	}

	for _, id := range []string{"short", "elevenchars", "thirteenchars", "with a space"} {
		tx(fmt.Sprintf("id %q", id), "u", kv.Tx{ID: id, Puts: []kv.Put{ok}})
	}
	tx("nothing to do", "u", kv.Tx{})
	tx("too many operations", "u", kv.Tx{Puts: []kv.Put{ok}, Events: make([][]byte, kv.MaxOps)})
	tx("value too large", "u", kv.Tx{Puts: []kv.Put{ok, {Key: key(plain, "big"), Value: make([]byte, kv.MaxValue+1)}}})
	tx("event too large", "u", kv.Tx{Puts: []kv.Put{ok}, Events: [][]byte{make([]byte, kv.MaxValue+1)}})
	tx("key put twice", "u", kv.Tx{Puts: []kv.Put{ok, ok}})
	tx("key put and deleted", "u", kv.Tx{Puts: []kv.Put{ok}, Deletes: []kv.Key{ok.Key}})
	tx("key deleted twice", "u", kv.Tx{Deletes: []kv.Key{ok.Key, ok.Key}})
	tx("ephemeral without expiry", "u", kv.Tx{Puts: []kv.Put{put(ephemeral, "k", "v")}})
	tx("expiry in the past", "u", kv.Tx{Puts: []kv.Put{{Key: ok.Key, ExpiresAt: time.Now().Add(-time.Second)}}})

	_, err := s.List(ctx, "u", plain, kv.ListOptions{Limit: 1})
	refused("List: no index", err)
	_, err = s.List(ctx, "u", nil, kv.ListOptions{Limit: 1})
	refused("List: no collection", err)
	for _, limit := range []int{-1, 0, kv.MaxPage + 1} {
		_, err = s.List(ctx, "u", indexed, kv.ListOptions{Limit: limit})
		refused(fmt.Sprintf("List: limit %d", limit), err)
		_, err = s.ReadLog(ctx, "u", "", limit, 0)
		refused(fmt.Sprintf("ReadLog: limit %d", limit), err)
	}

	wantAbsent(t, s, "u", ok.Key)
	wantEvents(t, s, "u")
}

func limitsAreReached(t *testing.T, s kv.Store) {
	big := bytes.Repeat([]byte{0xa5}, kv.MaxValue)
	longUnit, longID := kv.Unit(strings.Repeat("u", 128)), strings.Repeat("~", 256)
	longColl := &kv.Coll{Name: "abcdefghijklmnop", Indexed: true}
	v := apply(t, s, longUnit, kv.Tx{Puts: []kv.Put{{Key: key(longColl, longID), Value: big}}, Events: [][]byte{big}}).Version
	wantValue(t, s, longUnit, key(longColl, longID), v, string(big))
	wantEvents(t, s, longUnit, string(big))
	if got := listAll(t, s, longUnit, longColl, kv.ListOptions{Prefix: longID[:255], Limit: 10}); len(got) != 1 {
		t.Errorf("List: got %d ids, want 1", len(got))
	}

	var tx kv.Tx
	for i := range kv.MaxOps / 4 {
		k := key(indexed, fmt.Sprintf("k%d", i))
		tx.Checks = append(tx.Checks, kv.Check{Key: k})
		tx.Puts = append(tx.Puts, kv.Put{Key: k, Value: big[:20_000]})
		tx.Deletes = append(tx.Deletes, key(indexed, fmt.Sprintf("d%d", i)))
		tx.Events = append(tx.Events, []byte("e"))
	}
	v = apply(t, s, "full", tx).Version
	for _, c := range tx.Checks {
		wantValue(t, s, "full", c.Key, v, string(big[:20_000]))
	}
}

func scanSeesEveryLiveRecord(t *testing.T, s kv.Store) {
	want := map[string]kv.Item{}
	later := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	for u := range 7 {
		unit := kv.Unit(fmt.Sprintf("unit:%d", u))
		for _, c := range []*kv.Coll{indexed, plain, ephemeral} {
			var tx kv.Tx
			for i := range 50 {
				tx.Puts = append(tx.Puts, kv.Put{Key: key(c, fmt.Sprintf("id:%d", i)), Value: []byte(fmt.Sprint(u, c.Name, i)), ExpiresAt: later})
			}
			v := apply(t, s, unit, tx).Version
			for _, p := range tx.Puts {
				want[string(unit)+" "+c.Name+" "+p.Key.ID] = kv.Item{ID: p.Key.ID, Version: v, Value: p.Value, ExpiresAt: later}
			}
		}
		apply(t, s, unit, kv.Tx{Events: event("no record")})
	}
	expires := time.Now().Add(20 * time.Millisecond)
	apply(t, s, "unit:0", kv.Tx{Puts: []kv.Put{{Key: key(plain, "dead"), ExpiresAt: expires}}})
	passed(expires)

	seen := map[string]bool{}
	err := s.Scan(t.Context(), func(u kv.Unit, coll string, it kv.Item) error {
		name := string(u) + " " + coll + " " + it.ID
		w, ok := want[name]
		if !ok || it.Version != w.Version || !bytes.Equal(it.Value, w.Value) || !it.ExpiresAt.Equal(w.ExpiresAt) {
			return fmt.Errorf("%s: got %+v, want %+v", name, it, w)
		}
		if len(seen)%100 == 0 { // the store is free for others meanwhile
			apply(t, s, "elsewhere", kv.Tx{Events: event("from within")})
		}
		seen[name] = true
		return nil
	})
	if err != nil || len(seen) != len(want) {
		t.Errorf("Scan: saw %d records, %v; want %d", len(seen), err, len(want))
	}

	stop, calls := errors.New("enough"), 0
	err = s.Scan(t.Context(), func(kv.Unit, string, kv.Item) error {
		calls++
		return stop
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("Scan: got %v after %d calls, want fn's error after 1", err, calls)
	}
}
