package token

import (
	"crypto/sha256"
	"sync"

	"github.com/gatehouse-id/gatehouse/keys"
)

// memory remembers tokens whose signature was verified under the current ring. It is two generations of a map: when the young
// one is full it becomes the old one and the old one is dropped, so that what is asked about again and again stays.
type memory struct {
	shards [16]memoryShard
}

type memoryShard struct {
	mu         sync.Mutex
	ring       *keys.Ring
	young, old map[[sha256.Size]byte]*inspected
}

// memoryGeneration bounds one generation of one shard: 16 shards of two generations hold 32,768 tokens of about 1 KiB.
const memoryGeneration = 1024

func (m *memory) get(ring *keys.Ring, hash [sha256.Size]byte) *inspected {
	s := &m.shards[hash[0]%16]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring != ring {
		return nil
	}
	if t := s.young[hash]; t != nil {
		return t
	}
	t := s.old[hash]
	if t != nil {
		s.add(hash, t)
	}
	return t
}

func (m *memory) put(ring *keys.Ring, hash [sha256.Size]byte, t *inspected) {
	s := &m.shards[hash[0]%16]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring != ring { // keys have changed: a key that is gone proves nothing any more
		s.ring, s.young, s.old = ring, nil, nil
	}
	s.add(hash, t)
}

func (s *memoryShard) add(hash [sha256.Size]byte, t *inspected) {
	if s.young == nil {
		s.young = make(map[[sha256.Size]byte]*inspected)
	}
	if len(s.young) >= memoryGeneration {
		s.old, s.young = s.young, make(map[[sha256.Size]byte]*inspected)
	}
	s.young[hash] = t
}
