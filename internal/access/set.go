package access

import "math/bits"

// A roleSet holds roles of one model by index: file order, so the lowest bit of a level is the top of its ladder.
type roleSet uint64

func (s roleSet) has(r *role) bool { return s&r.bit() != 0 }

// highest keeps the first role in file order.
func (s roleSet) highest() roleSet { return s & -s }

// first returns the index of the first role in file order; the set must not be empty.
func (s roleSet) first() int { return bits.TrailingZeros64(uint64(s)) }

func (s roleSet) len() int { return bits.OnesCount64(uint64(s)) }

// A permSet holds permissions of one model by index.
type permSet [maxPermissions / 64]uint64

func (s *permSet) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *permSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s *permSet) union(o *permSet) { // by pointer: the sets are 32 bytes and this is the hot loop
	for i := range s {
		s[i] |= o[i]
	}
}

func (s *permSet) meets(o *permSet) bool {
	for i := range s {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// beyond returns the first permission of s that is not in o, -1 when o covers s.
func (s *permSet) beyond(o *permSet) int {
	for i := range s {
		if d := s[i] &^ o[i]; d != 0 {
			return i*64 + bits.TrailingZeros64(d)
		}
	}
	return -1
}

func (s *permSet) len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// layerIn returns the layer of a set of one.
func layerIn(s layerSet) layerID { return layerID(bits.TrailingZeros16(uint16(s))) }
