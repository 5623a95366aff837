package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

func (c *cache) size() int {
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].entries)
	}
	return n
}

// Reads that take their time, writes, invalidations that come late and in order, reloads: in whatever order they interleave, what
// the cache answers is never older than an invalidation that it has seen.
func TestCacheIsNeverOlderThanAnInvalidation(t *testing.T) {
	keys := []kv.Key{nodes.key("a"), nodes.key("b"), clients.key("a"), users.key("c")}
	aKey := rapid.SampledFrom(keys)
	type read struct {
		key    kv.Key
		ticket uint64
		entry  *entry // nil: the store has not been read yet
	}
	rapid.Check(t, func(t *rapid.T) {
		c := newCache(1)
		truth, seen := map[kv.Key]kv.Version{}, map[kv.Key]kv.Version{} // what the store holds; what is the least that may be answered
		var log []kv.Key
		var written []kv.Version
		var reads []*read
		pick := func(t *rapid.T) *read {
			if len(reads) == 0 {
				t.Skip("no read is under way")
			}
			return reads[rapid.IntRange(0, len(reads)-1).Draw(t, "read")]
		}
		hits := 0
		t.Repeat(map[string]func(*rapid.T){
			"begin a read": func(t *rapid.T) {
				k := aKey.Draw(t, "key")
				reads = append(reads, &read{key: k, ticket: c.ticket(k)})
			},
			"read the store": func(t *rapid.T) {
				if r := pick(t); r.entry == nil {
					r.entry = &entry{version: truth[r.key]}
				}
			},
			"end a read": func(t *rapid.T) {
				r := pick(t)
				if r.entry == nil {
					t.Skip("not read yet")
				}
				c.put(r.key, r.entry, r.ticket)
			},
			"write": func(t *rapid.T) {
				k := aKey.Draw(t, "key")
				truth[k]++
				log, written = append(log, k), append(written, truth[k])
			},
			"follow the log": func(t *rapid.T) {
				if len(log) == 0 {
					t.Skip("nothing new")
				}
				c.invalidate(log[0])
				seen[log[0]] = written[0]
				log, written = log[1:], written[1:]
			},
			"reload": func(*rapid.T) {
				c.clear()
				for k, v := range truth {
					seen[k] = v
				}
			},
			"": func(t *rapid.T) {
				for _, k := range keys {
					e := c.get(k)
					if e == nil {
						continue
					}
					hits++
					if e.version < seen[k] || e.version > truth[k] {
						t.Fatalf("%s %s: got version %d, want %d to %d", k.Coll.Name, k.ID, e.version, seen[k], truth[k])
					}
				}
			},
		})
	})
}

// What was read is answered from memory, absent records too, until it changes; a change of another record leaves it alone.
func TestCacheKeepsWhatWasRead(t *testing.T) {
	c := newCache(1000)
	here, absent := &entry{value: new(int), version: 1}, &entry{}
	a, b, other := nodes.key("a"), nodes.key("b"), clients.key("a")
	c.put(a, here, c.ticket(a))
	c.put(b, absent, c.ticket(b))
	if c.get(a) != here || c.get(b) != absent || c.get(other) != nil {
		t.Errorf("got %v %v %v, want what was put and nothing of another collection", c.get(a), c.get(b), c.get(other))
	}
	c.invalidate(other)
	if c.get(a) != here {
		t.Error("a change in another collection took the record away")
	}
	c.invalidate(a)
	if c.get(a) != nil || c.get(b) != absent {
		t.Errorf("after a change of a: got %v %v, want nothing and what was put", c.get(a), c.get(b))
	}
}

// The cache is bounded, and a record that is read again and again stays.
func TestCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	const limit = 64 * 32
	c := newCache(limit)
	hot, used := nodes.key("hot"), &entry{}
	c.put(hot, used, c.ticket(hot))
	most := 0
	for i := range 20 * limit {
		if c.get(hot) != used {
			t.Fatalf("after %d others, a record in use is gone", i)
		}
		k := nodes.key(fmt.Sprintf("n_%d", i))
		c.put(k, &entry{}, c.ticket(k))
		most = max(most, c.size())
	}
	if most > limit || most < limit*3/4 {
		t.Errorf("%d records are kept at once, want %d to %d", most, limit*3/4, limit)
	}
	// When all are in use, something has to go nevertheless.
	for i := range 500 {
		for s := range c.shards {
			for _, e := range c.shards[s].entries {
				e.used.Store(true)
			}
		}
		k := nodes.key(fmt.Sprintf("m_%d", i))
		c.put(k, &entry{}, c.ticket(k))
		if got := c.size(); got > limit {
			t.Fatalf("%d records in use are kept at once, want at most %d", got, limit)
		}
	}
}

// Readers on many goroutines never see less than what was invalidated before they asked.
func TestCacheUnderConcurrency(t *testing.T) {
	c := newCache(1)
	k := nodes.key("a")
	var truth, invalidated atomic.Uint64
	var writer, readers sync.WaitGroup
	var done atomic.Bool
	writer.Go(func() {
		for range 20_000 {
			v := truth.Add(1)
			c.invalidate(k)
			invalidated.Store(v)
		}
		done.Store(true)
	})
	for range 4 {
		readers.Go(func() {
			for !done.Load() {
				least := invalidated.Load()
				e := c.get(k)
				if e == nil {
					ticket := c.ticket(k)
					e = &entry{version: kv.Version(truth.Load())}
					c.put(k, e, ticket)
				}
				if uint64(e.version) < least {
					t.Errorf("got version %d, %d was invalidated before", e.version, least)
					return
				}
			}
		})
	}
	writer.Wait()
	readers.Wait()
}
