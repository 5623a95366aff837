package kvtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A model is what a unit should hold, as plain maps.
type model struct {
	records map[kv.Key]record
	events  []string
	floor   map[kv.Key]kv.Version // the highest version that a key ever had
	last    *kv.Tx                // the last transaction that was applied, for retries
}

type record struct {
	txID    string
	version kv.Version
	value   string
	expires time.Time
}

// conflict returns the index of the first check of tx that fails, -1 when all hold.
func (m *model) conflict(tx kv.Tx) int {
	return slices.IndexFunc(tx.Checks, func(c kv.Check) bool { return m.records[c.Key].version != c.Version })
}

// replayed returns the version under which one of tx's puts stands, 0 when none does.
func (m *model) replayed(tx kv.Tx) kv.Version {
	for _, p := range tx.Puts {
		if r := m.records[p.Key]; r.txID == tx.ID {
			return r.version
		}
	}
	return 0
}

func (m *model) apply(tx kv.Tx, v kv.Version) {
	for _, p := range tx.Puts {
		m.records[p.Key] = record{tx.ID, v, string(p.Value), p.ExpiresAt}
		m.floor[p.Key] = v
	}
	for _, k := range tx.Deletes {
		delete(m.records, k)
	}
	for _, e := range tx.Events {
		m.events = append(m.events, string(e))
	}
	m.last = &tx
}

// randomTransactionsFollowTheModel runs random transactions, with checks that hold and that fail, retries, deletes and
// moving expiries, and compares every record, page and event with the model.
func randomTransactionsFollowTheModel(t *testing.T, s kv.Store) {
	colls := []*kv.Coll{indexed, plain}
	var keys []kv.Key
	for _, c := range colls {
		for _, id := range []string{"a", "ab", "b", "A", "~"} {
			keys = append(keys, key(c, id))
		}
	}
	later := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	var runs atomic.Int64

	rapid.Check(t, func(rt *rapid.T) {
		unit := kv.Unit(fmt.Sprintf("model:%d", runs.Add(1)))
		m := model{records: map[kv.Key]record{}, floor: map[kv.Key]kv.Version{}}
		draw := func(rt *rapid.T) kv.Tx {
			tx := kv.Tx{ID: kv.NewTxID()}
			for _, k := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 3, rapid.ID).Draw(rt, "checks") {
				v := m.records[k].version
				switch rapid.IntRange(0, 9).Draw(rt, "check") {
				case 0:
					v = 0
				case 1:
					v++
				}
				tx.Checks = append(tx.Checks, kv.Check{Key: k, Version: v})
			}
			for _, k := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 4, rapid.ID).Draw(rt, "writes") {
				if rapid.IntRange(0, 3).Draw(rt, "write") == 0 {
					tx.Deletes = append(tx.Deletes, k)
					continue
				}
				p := kv.Put{Key: k, Value: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "value")}
				if rapid.Bool().Draw(rt, "expires") {
					p.ExpiresAt = later
				}
				tx.Puts = append(tx.Puts, p)
			}
			for range rapid.IntRange(0, 2).Draw(rt, "events") {
				tx.Events = append(tx.Events, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "event"))
			}
			if len(tx.Puts) == 0 {
				// Only a put tells an engine that lost the answer that the transaction was applied: without one it may be applied
				// twice (kv.Tx). Then there is nothing in it that the second time would change or fail.
				tx.Events = nil
				tx.Checks = slices.DeleteFunc(tx.Checks, func(c kv.Check) bool { return slices.Contains(tx.Deletes, c.Key) })
			}
			if len(tx.Puts)+len(tx.Deletes)+len(tx.Checks) == 0 {
				tx.Puts = []kv.Put{{Key: keys[0], Value: []byte("at least one")}}
				tx.Events = event("at least one")
			}
			return tx
		}
		step := func(rt *rapid.T, tx kv.Tx) {
			res, err := s.Apply(t.Context(), unit, tx)
			var conflict *kv.ConflictError
			standing, failing := m.replayed(tx), m.conflict(tx)
			switch {
			case standing != 0:
				if err != nil || !res.Replayed || res.Version != standing {
					rt.Fatalf("retry: got %+v, %v; want a replay of version %d", res, err, standing)
				}
			case failing >= 0:
				if !errors.As(err, &conflict) || conflict.Check != failing || conflict.Current != m.records[tx.Checks[failing].Key].version {
					rt.Fatalf("got %+v, %v; want a conflict at check %d with version %d", res, err, failing, m.records[tx.Checks[failing].Key].version)
				}
			case err != nil || res.Replayed:
				rt.Fatalf("got %+v, %v; want success", res, err)
			default:
				for _, p := range tx.Puts {
					if res.Version <= m.floor[p.Key] {
						rt.Fatalf("%q: got version %d, want above %d", p.Key.ID, res.Version, m.floor[p.Key])
					}
				}
				m.apply(tx, res.Version)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"transact": func(rt *rapid.T) { step(rt, draw(rt)) },
			"retry": func(rt *rapid.T) {
				// A retry that would be no replay and has nothing to check would be a second application, by contract.
				if m.last == nil || m.replayed(*m.last) == 0 && m.conflict(*m.last) < 0 {
					rt.Skip()
				}
				step(rt, *m.last)
			},
			"": func(rt *rapid.T) { m.compare(rt, t, s, unit, keys) },
		})
		m.compareLists(rt, t, s, unit)
	})
}

func (m *model) compare(rt *rapid.T, t *testing.T, s kv.Store, unit kv.Unit, keys []kv.Key) {
	items, err := s.Get(t.Context(), unit, keys...)
	if err != nil {
		rt.Fatalf("Get: %v", err)
	}
	for i, it := range items {
		want := m.records[keys[i]]
		if it.Version != want.version || string(it.Value) != want.value || !it.ExpiresAt.Equal(want.expires) {
			rt.Fatalf("%s %q: got %+v, want %+v", keys[i].Coll.Name, keys[i].ID, it, want)
		}
	}
}

func (m *model) compareLists(rt *rapid.T, t *testing.T, s kv.Store, unit kv.Unit) {
	var want []string
	for _, k := range slices.Collect(maps.Keys(m.records)) {
		if k.Coll.Indexed {
			want = append(want, k.ID)
		}
	}
	slices.Sort(want)
	if got := listAll(t, s, unit, indexed, kv.ListOptions{Limit: 3}); !slices.Equal(got, want) {
		rt.Fatalf("List: got %q, want %q", got, want)
	}
	var events []string
	for _, e := range readAll(t, s, unit, "") {
		events = append(events, string(e.Data))
	}
	if !slices.Equal(events, m.events) {
		rt.Fatalf("log: got %q, want %q", events, m.events)
	}
}
