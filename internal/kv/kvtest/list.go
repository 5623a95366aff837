package kvtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

func listIsOrderedAndPaged(t *testing.T, s kv.Store) {
	want := make([]string, 0, 1520)
	for i := range 1500 {
		want = append(want, fmt.Sprintf("n-%06d", i*7919%1500))
	}
	// Bytewise order is neither alphabetical nor case-blind, and a prefix sorts before what it begins.
	want = append(want, "!", "A", "B", "a", "aa", "ab", "a!", "a~", "b", "~", "~~", "n", "n-", "o")
	values := make(map[string]kv.Version)
	for chunk := range slices.Chunk(want, 60) {
		var tx kv.Tx
		for _, id := range chunk {
			tx.Puts = append(tx.Puts, put(indexed, id, "value of "+id))
		}
		v := apply(t, s, "u", tx).Version
		for _, id := range chunk {
			values[id] = v
		}
	}
	apply(t, s, "other", kv.Tx{Puts: []kv.Put{put(indexed, "n-foreign", "x")}})
	apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(&kv.Coll{Name: "idxx", Indexed: true}, "n-foreign", "x")}})
	slices.Sort(want)

	for _, limit := range []int{1000, 100, 7} {
		if got := listAll(t, s, "u", indexed, kv.ListOptions{Limit: limit}); !slices.Equal(got, want) {
			t.Fatalf("limit %d: got %d ids, want %d in order", limit, len(got), len(want))
		}
	}
	for _, c := range []struct{ prefix, after string }{
		{"n-", ""}, {"a", ""}, {"a", "a"}, {"a", "a!"}, {"", "n-001498"}, {"n-0014", "n-001449"}, {"n-0014", "a"}, {"n-0014", "z"},
		{"~", ""}, {"~", "~"}, {"none", ""}, {"", "~~"}, {"", "\xff"}, {"\xff", ""}, {"[", ""}, {"n-", "\x00"}, {"+", ""}, {"", "+"}, {"-", "-"},
	} {
		var sub []string
		for _, id := range want {
			if strings.HasPrefix(id, c.prefix) && id > c.after {
				sub = append(sub, id)
			}
		}
		if got := listAll(t, s, "u", indexed, kv.ListOptions{Prefix: c.prefix, After: c.after, Limit: 50}); !slices.Equal(got, sub) {
			t.Errorf("prefix %q after %q: got %q, want %q", c.prefix, c.after, got, sub)
		}
	}

	page, err := s.List(t.Context(), "u", indexed, kv.ListOptions{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range page.Items {
		if string(it.Value) != "value of "+it.ID || it.Version != values[it.ID] {
			t.Fatalf("item %q: got version %d value %q, want version %d", it.ID, it.Version, it.Value, values[it.ID])
		}
	}
	page, err = s.List(t.Context(), "u", indexed, kv.ListOptions{Limit: 10, KeysOnly: true})
	if err != nil || len(page.Items) != 10 {
		t.Fatalf("keys only: got %d items, %v", len(page.Items), err)
	}
	for i, it := range page.Items {
		if it.ID != want[i] || it.Value != nil || (it.Version != 0 && it.Version != values[it.ID]) {
			t.Errorf("keys only: got %+v, want id %q and no value", it, want[i])
		}
	}
}

func listFollowsWrites(t *testing.T, s kv.Store) {
	if got := listAll(t, s, "u", indexed, kv.ListOptions{Limit: 5}); len(got) != 0 {
		t.Errorf("empty: got %q", got)
	}
	want := func(ids ...string) {
		t.Helper()
		if got := listAll(t, s, "u", indexed, kv.ListOptions{Limit: 5}); !slices.Equal(got, ids) {
			t.Errorf("got %q, want %q", got, ids)
		}
	}
	apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(indexed, "b", "1"), put(indexed, "a", "1")}})
	want("a", "b")
	apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(indexed, "b", "2")}})
	want("a", "b")
	apply(t, s, "u", kv.Tx{Deletes: []kv.Key{key(indexed, "a")}})
	want("b")
	apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(indexed, "a", "3")}, Deletes: []kv.Key{key(indexed, "b")}})
	want("a")
}

// listPassesExpired: a run of expired records longer than a page hides nothing behind it.
func listPassesExpired(t *testing.T, s kv.Store) {
	var expires time.Time
	for chunk := range 20 {
		expires = time.Now().Add(200 * time.Millisecond)
		var tx kv.Tx
		for i := range 60 {
			tx.Puts = append(tx.Puts, kv.Put{Key: key(ephemeral, fmt.Sprintf("dead-%04d", chunk*60+i)), ExpiresAt: expires})
		}
		apply(t, s, "u", tx)
	}
	live := time.Now().Add(time.Hour)
	apply(t, s, "u", kv.Tx{Puts: []kv.Put{
		{Key: key(ephemeral, "a"), ExpiresAt: live}, {Key: key(ephemeral, "dead-0600-not"), ExpiresAt: live}, {Key: key(ephemeral, "z"), ExpiresAt: live},
	}})
	passed(expires)
	for _, limit := range []int{1, 10, 1000} {
		for _, keysOnly := range []bool{false, true} {
			got := listAll(t, s, "u", ephemeral, kv.ListOptions{Limit: limit, KeysOnly: keysOnly})
			if !slices.Equal(got, []string{"a", "dead-0600-not", "z"}) {
				t.Errorf("limit %d, keys only %t: got %q, want the three live records", limit, keysOnly, got)
			}
		}
	}
}
