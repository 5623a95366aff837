package keys_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/keys"
)

// The clock and the algorithms that the tests of this package share.
var (
	start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	algs  = []keys.Alg{keys.ES256, keys.RS256, keys.EdDSA}
)

// setUp returns the first keys of an installation, all active.
func setUp(t rapid.TB, algs ...keys.Alg) []*keys.Key {
	t.Helper()
	changes, _ := keys.Plan(nil, algs, keys.DefaultPolicy(), start)
	return apply(t, nil, changes, start)
}

func apply(t rapid.TB, set []*keys.Key, changes []keys.Change, now time.Time) []*keys.Key {
	t.Helper()
	after, _, err := keys.Apply(set, changes, now)
	if err != nil {
		t.Fatalf("Apply(%v): %v", changes, err)
	}
	return after
}

// newRing returns a ring with one active key of each algorithm.
func newRing(t rapid.TB) (*keys.Ring, []*keys.Key) {
	t.Helper()
	set := setUp(t, algs...)
	return ringOf(t, set), set
}

func ringOf(t rapid.TB, set []*keys.Key) *keys.Ring {
	t.Helper()
	ring, err := keys.NewRing(set)
	if err != nil {
		t.Fatalf("NewRing: %v", err)
	}
	return ring
}

func mustSigner(t rapid.TB, ring *keys.Ring, alg keys.Alg, typ string) *keys.Signer {
	t.Helper()
	signer, err := ring.Signer(alg, typ)
	if err != nil {
		t.Fatalf("Signer(%s, %s): %v", alg, typ, err)
	}
	return signer
}

func sign(t rapid.TB, ring *keys.Ring, alg keys.Alg, typ, payload string) string {
	t.Helper()
	token, err := mustSigner(t, ring, alg, typ).Sign(nil, []byte(payload))
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return string(token)
}

// keyOf returns the key of alg in this state; there must be exactly one.
func keyOf(t rapid.TB, set []*keys.Key, alg keys.Alg, state keys.State) *keys.Key {
	t.Helper()
	var found *keys.Key
	for _, k := range set {
		if k.Alg == alg && k.State == state {
			if found != nil {
				t.Fatalf("two %s keys of %s in %v", state, alg, set)
			}
			found = k
		}
	}
	if found == nil {
		t.Fatalf("no %s key of %s in %v", state, alg, set)
	}
	return found
}
