package secret

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
	"runtime"
	"strings"
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// MinKeyed is the least number of bytes of an imported secret that is stored as a keyed hash like a generated one.
const MinKeyed = 32

// PepperSize is the size of a pepper in bytes.
const PepperSize = sha256.Size

// The stored form of a keyed hash is "v1$hmac-sha256$<pepper id>$<mac>", both in unpadded base64url. The id tells a wrong
// pepper from a wrong secret and gives nothing away of either.
const (
	keyedPrefix   = "v1$hmac-sha256$"
	pepperIDChars = 8
	macChars      = 43 // base64 of 32 bytes
	keyedLength   = len(keyedPrefix) + pepperIDChars + 1 + macChars
)

// The errors of Verify and VerifyPassword that are the operator's to mend. Neither carries anything of the stored hash.
var (
	// ErrMalformed: what is stored is no hash that this package made or reads.
	ErrMalformed = errors.New("secret: stored hash is malformed")
	// ErrOtherPepper: the stored hash was made under another pepper, so no secret can match it.
	ErrOtherPepper = errors.New("secret: stored hash was made under another pepper: is the key-encryption key the right one?")
)

// A Hasher hashes secrets for the store and checks those that are presented. It is safe for concurrent use.
type Hasher struct {
	keyed sync.Pool // of *keyedState
	head  string    // keyedPrefix + pepper id + "$"
	gate  gate
	memo  memo

	derive func(label string) ([]byte, error)
}

// NewHasher returns a Hasher under a pepper of PepperSize bytes. At most parallel argon2id computations of 19 MiB run at once
// (0: half the processors, at least one) and at most 32 times as many callers wait for them.
func NewHasher(pepper []byte, parallel int) (*Hasher, error) {
	if len(pepper) != PepperSize {
		return nil, errors.New("secret: a pepper has 32 bytes")
	}
	if parallel <= 0 {
		parallel = max(1, runtime.GOMAXPROCS(0)/2)
	}
	key := append([]byte(nil), pepper...)
	id := hmac.New(sha256.New, key)
	id.Write([]byte("gatehouse pepper id"))
	h := &Hasher{
		head: keyedPrefix + base64.RawURLEncoding.EncodeToString(id.Sum(nil))[:pepperIDChars] + "$",
		gate: newGate(parallel),
	}
	h.keyed.New = func() any { return &keyedState{mac: hmac.New(sha256.New, key)} }
	h.derive = func(label string) ([]byte, error) { return hkdf.Key(sha256.New, key, nil, label, sha256.Size) }
	return h, nil
}

// Derive returns a key of 32 bytes for a purpose of its own, the same on every replica. No stored hash of a secret is ever equal
// to it: HKDF (RFC 5869) puts another key between the pepper and what it makes.
func (h *Hasher) Derive(label string) ([]byte, error) { return h.derive(label) }

// Hash returns what to store of a client secret or token. Of a generated secret, and of one with MinKeyed bytes or more, it is
// a keyed hash, always the same for the same secret, so that a leaked secret can be looked up; of a shorter one it is argon2id
// with a salt of its own. An empty secret and one over MaxLength are iam.Invalid; iam.Unavailable ("busy") when too many
// argon2id computations wait already or ctx ends first.
func (h *Hasher) Hash(ctx context.Context, secret string) (string, error) {
	switch {
	case secret == "":
		return "", iam.Errorf(iam.Invalid, "secret: is empty")
	case len(secret) > MaxLength:
		return "", iam.Errorf(iam.Invalid, "secret: %d bytes are more than %d", len(secret), MaxLength)
	case len(secret) >= MinKeyed:
		state := h.keyed.Get().(*keyedState)
		defer h.keyed.Put(state)
		return h.head + string(state.encode(secret)), nil
	}
	return h.slowHash(ctx, secret)
}

// Verify reports whether secret is the one that hash was made of, in time that does not depend on how much of it is right. An
// empty hash never matches, nor does an empty secret or one over MaxLength. After its first success an argon2id hash is
// answered from a keyed hash in memory as long as the secret is right; a wrong one always costs an argon2id, so that time does
// not tell which clients were here before. The errors are ErrMalformed, ErrOtherPepper, and iam.Unavailable ("busy") when
// too many argon2id computations wait already or ctx ends first: then it is not known whether the secret is right.
func (h *Hasher) Verify(ctx context.Context, hash, secret string) (bool, error) {
	if secret == "" || len(secret) > MaxLength {
		return false, nil
	}
	if !Slow(hash) {
		return h.verifyKeyed(hash, secret)
	}
	state := h.keyed.Get().(*keyedState)
	defer h.keyed.Put(state)
	mac := state.encode(secret)
	if h.memo.matches(hash, mac) {
		return true, nil
	}
	ok, err := h.slowVerify(ctx, hash, secret)
	if ok {
		h.memo.remember(hash, mac)
	}
	return ok, err
}

// Remembers is Verify without the argon2id: it reports whether secret has been found to be the one that hash was made of. Its error
// is nil.
func (h *Hasher) Remembers(_ context.Context, hash, secret string) (bool, error) {
	if secret == "" || len(secret) > MaxLength {
		return false, nil
	}
	state := h.keyed.Get().(*keyedState)
	defer h.keyed.Put(state)
	return h.memo.matches(hash, state.encode(secret)), nil
}

// Dummy does what Verify would have done, had there been a client with a generated secret: call it when there is none, or none
// with a secret, and refuse the caller in the same words. It costs a keyed hash, whatever is stored, so a flood of unknown ids
// costs no more than one of known ids. What it does not hide is a client with a short imported secret, whose wrong secrets cost
// an argon2id.
func (h *Hasher) Dummy(secret string) {
	if secret == "" || len(secret) > MaxLength {
		return
	}
	_, _ = h.verifyKeyed("", secret) // an absent hash is no fault
}

func (h *Hasher) verifyKeyed(hash, secret string) (bool, error) {
	state := h.keyed.Get().(*keyedState)
	defer h.keyed.Put(state)
	mac := state.encode(secret) // before any look at the hash: an absent one costs the same
	if len(hash) != keyedLength || !strings.HasPrefix(hash, h.head) {
		switch {
		case hash == "":
			return false, nil
		case len(hash) == keyedLength && strings.HasPrefix(hash, keyedPrefix):
			return false, ErrOtherPepper
		}
		return false, ErrMalformed
	}
	return subtle.ConstantTimeCompare(mac, []byte(hash[len(h.head):])) == 1, nil
}

// A keyedState is an HMAC under the pepper with all the memory that one computation needs. The HMAC keeps its two padded key
// blocks hashed, so a computation costs three blocks of SHA-256 and allocates nothing.
type keyedState struct {
	mac    hash.Hash
	secret [MaxLength]byte
	raw    [sha256.Size]byte
	text   [macChars]byte
}

// sum returns the MAC of s, which is cut at MaxLength; the result is good until the next call.
func (k *keyedState) sum(s string) []byte {
	n := copy(k.secret[:], s)
	k.mac.Reset()
	k.mac.Write(k.secret[:n])
	clear(k.secret[:n]) // the pool outlives the request
	return k.mac.Sum(k.raw[:0])
}

// encode returns the MAC of s in base64url; the result is good until the next call.
func (k *keyedState) encode(s string) []byte {
	base64.RawURLEncoding.Encode(k.text[:], k.sum(s))
	return k.text[:]
}

// A memo remembers keyed hashes of the secrets that argon2id hashes were found to be made of. A stored hash has its own salt,
// so it names one secret of one client, and when that ends nobody asks for it any more.
type memo struct {
	mu      sync.RWMutex
	entries map[string][macChars]byte
}

// maxMemo bounds the memo to about one MiB.
const maxMemo = 4096

func (m *memo) matches(hash string, mac []byte) bool {
	m.mu.RLock()
	known, ok := m.entries[hash]
	m.mu.RUnlock()
	return ok && subtle.ConstantTimeCompare(known[:], mac) == 1
}

func (m *memo) remember(hash string, mac []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = make(map[string][macChars]byte)
	}
	if len(m.entries) >= maxMemo {
		for victim := range m.entries { // in random order: nobody can choose who is forgotten
			delete(m.entries, victim)
			break
		}
	}
	m.entries[strings.Clone(hash)] = [macChars]byte(mac)
}
