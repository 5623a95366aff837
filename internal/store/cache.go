package store

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// shardCount keeps readers on different cores out of each other's way.
const shardCount = 64

// A cache holds decoded records, absent ones too. It never holds a record older than an invalidation that it has seen: a reader
// asks for a ticket before it reads the store, and put refuses the record when the shard was invalidated since.
type cache struct {
	seed   maphash.Seed
	limit  int // entries per shard
	shards [shardCount]shard
}

type shard struct {
	mu      sync.RWMutex
	epoch   uint64 // counts invalidations
	entries map[kv.Key]*entry
}

// An entry is immutable but for used, its second chance before eviction.
type entry struct {
	value   any // *T, nil when the record is absent
	version kv.Version
	used    atomic.Bool
}

func newCache(limit int) *cache {
	c := &cache{seed: maphash.MakeSeed(), limit: max(limit/shardCount, 16)}
	for i := range c.shards {
		c.shards[i].entries = make(map[kv.Key]*entry)
	}
	return c
}

func (c *cache) shard(k kv.Key) *shard {
	return &c.shards[maphash.String(c.seed, k.ID)%shardCount]
}

func (c *cache) get(k kv.Key) *entry {
	s := c.shard(k)
	s.mu.RLock()
	e := s.entries[k]
	s.mu.RUnlock()
	if e != nil && !e.used.Load() {
		e.used.Store(true)
	}
	return e
}

func (c *cache) ticket(k kv.Key) uint64 {
	s := c.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.epoch
}

func (c *cache) put(k kv.Key, e *entry, ticket uint64) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != ticket {
		return
	}
	if len(s.entries) >= c.limit {
		s.evict()
	}
	s.entries[k] = e
}

// evict drops an entry that was not used since the last look, or after a few tries any. The map's random order picks them.
func (s *shard) evict() {
	tries := 16
	for k, e := range s.entries {
		if tries--; !e.used.Swap(false) || tries == 0 {
			delete(s.entries, k)
			return
		}
	}
}

func (c *cache) invalidate(k kv.Key) {
	s := c.shard(k)
	s.mu.Lock()
	s.epoch++
	delete(s.entries, k)
	s.mu.Unlock()
}

func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.epoch++
		clear(s.entries)
		s.mu.Unlock()
	}
}
