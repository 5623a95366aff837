package token

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/keys"
)

func hashNumber(n int) [sha256.Size]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func (m *memory) size() int {
	n := 0
	for i := range m.shards {
		n += len(m.shards[i].young) + len(m.shards[i].old)
	}
	return n
}

// However many tokens are shown, memory is bounded, and a token that is shown again and again is not forgotten for it.
func TestMemoryIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	const bound = 16 * 2 * memoryGeneration
	var m memory
	ring, regular := new(keys.Ring), new(inspected)
	m.put(ring, hashNumber(-1), regular)
	most := 0
	for n := range 10 * bound {
		m.put(ring, hashNumber(n), new(inspected))
		if n%(bound/4) == 0 {
			if m.get(ring, hashNumber(-1)) != regular {
				t.Fatalf("after %d others, a token in regular use is forgotten", n)
			}
			most = max(most, m.size())
		}
	}
	if most > bound || most < bound/2 {
		t.Errorf("%d tokens are remembered at once, want %d to %d", most, bound/2, bound)
	}
	if m.get(ring, hashNumber(0)) != nil {
		t.Error("a token that was shown once is never forgotten")
	}
}

// What one ring proved, another does not answer for; a new ring makes room.
func TestMemoryBelongsToOneRing(t *testing.T) {
	var m memory
	first, second, a, b := new(keys.Ring), new(keys.Ring), new(inspected), new(inspected)
	for n := range 100 {
		m.put(first, hashNumber(n), a)
	}
	for n := range 100 {
		if m.get(second, hashNumber(n)) != nil {
			t.Fatal("the new ring answers with what the old one proved")
		}
		m.put(second, hashNumber(n), b)
		if m.get(first, hashNumber(n)) != nil {
			t.Fatal("the old ring answers with what the new one proved")
		}
	}
	if got := m.size(); got != 100 {
		t.Errorf("%d tokens are remembered, want the 100 of the new ring", got)
	}
}

// With readers of two rings at once, each gets only what its own ring proved.
func TestMemoryNeverMixesRingsUnderConcurrency(t *testing.T) {
	var m memory
	rings := [2]*keys.Ring{new(keys.Ring), new(keys.Ring)}
	proved := [2]*inspected{{kid: "0"}, {kid: "1"}}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			mine := g % 2
			for n := range 20_000 {
				h := hashNumber(n % 512)
				if got := m.get(rings[mine], h); got != nil && got != proved[mine] {
					t.Errorf("ring %d answers with what ring %s proved", mine, got.kid)
					return
				}
				m.put(rings[mine], h, proved[mine])
			}
		})
	}
	wg.Wait()
}
