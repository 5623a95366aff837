package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

func newHasher(t testing.TB, parallel int) *Hasher {
	t.Helper()
	h, err := NewHasher(bytes.Repeat([]byte{7}, PepperSize), parallel)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func hashOf(t testing.TB, h *Hasher, secret string) string {
	t.Helper()
	stored, err := h.Hash(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// takesArgon2id reports whether call needs an argon2id computation: with the gate closed, such a call is busy.
func takesArgon2id(t *testing.T, h *Hasher, call func(context.Context) error) bool {
	t.Helper()
	for range cap(h.gate.waiting) {
		h.gate.waiting <- struct{}{}
	}
	defer func() {
		for range cap(h.gate.waiting) {
			<-h.gate.waiting
		}
	}()
	err := call(t.Context())
	if err != nil && (iam.KindOf(err) != iam.Unavailable || iam.CodeOf(err) != "busy") {
		t.Fatalf("got %v, want busy or nothing", err)
	}
	return err != nil
}

const long, short = "0123456789abcdef0123456789abcdef", "hunter2"

func TestVerifyAcceptsOnlyTheSecretThatWasHashed(t *testing.T) {
	h := newHasher(t, 1)
	for _, secret := range []string{New(ClientSecret).Reveal(), long, short, "pass word:%+é", strings.Repeat("x", MaxLength)} {
		stored := hashOf(t, h, secret)
		for _, presented := range []string{secret, secret + "x", "x" + secret[1:], secret[:len(secret)-1], strings.ToUpper(secret)} {
			got, err := h.Verify(t.Context(), stored, presented)
			if want := presented == secret; got != want || err != nil {
				t.Errorf("Verify(hash of %q, %q) = %v, %v, want %v", secret, presented, got, err, want)
			}
		}
	}
}

func TestKeyedHashNeedsThePepper(t *testing.T) {
	h := newHasher(t, 1)
	other, err := NewHasher(bytes.Repeat([]byte{8}, PepperSize), 1)
	if err != nil {
		t.Fatal(err)
	}
	stored := hashOf(t, h, long)
	if ok, err := other.Verify(t.Context(), stored, long); ok || !errors.Is(err, ErrOtherPepper) {
		t.Errorf("under another pepper: got %v, %v, want ErrOtherPepper", ok, err)
	}
	if got := hashOf(t, other, long); got[len(got)-macChars:] == stored[len(stored)-macChars:] {
		t.Error("two peppers give the same MAC")
	}
}

func TestLengthDecidesTheHash(t *testing.T) {
	h := newHasher(t, 1)
	for secret, prefix := range map[string]string{
		New(ClientSecret).Reveal(): keyedPrefix, long: keyedPrefix, long[1:]: argonPrefix, short: argonPrefix,
	} {
		if got := hashOf(t, h, secret); !strings.HasPrefix(got, prefix) {
			t.Errorf("hash of %d characters is %q, want %s…", len(secret), got, prefix)
		}
		if got := Slow(hashOf(t, h, secret)); got != (prefix == argonPrefix) {
			t.Errorf("Slow of the hash of %d characters is %v", len(secret), got)
		}
	}
	if first, second := hashOf(t, h, long), hashOf(t, h, long); first != second {
		t.Error("a keyed hash differs from call to call: a leaked secret could not be looked up")
	}
	if first, second := hashOf(t, h, short), hashOf(t, h, short); first == second {
		t.Error("two argon2id hashes of one secret are equal: the salt is missing")
	}
	if got := hashOf(t, h, short); !strings.HasPrefix(got, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("argon2id hash is %q, want 19 MiB, 2 passes, 1 lane", got)
	}
}

func TestEmptyAndOversizedSecretsAreRefused(t *testing.T) {
	h := newHasher(t, 1)
	tooLong := strings.Repeat("x", MaxLength+1)
	for _, secret := range []string{"", tooLong} {
		if _, err := h.Hash(t.Context(), secret); iam.KindOf(err) != iam.Invalid {
			t.Errorf("Hash of %d bytes: got %v, want invalid", len(secret), err)
		}
		if _, err := h.HashPassword(t.Context(), secret); iam.KindOf(err) != iam.Invalid {
			t.Errorf("HashPassword of %d bytes: got %v, want invalid", len(secret), err)
		}
		for _, stored := range []string{"", hashOf(t, h, long), hashOf(t, h, short)} {
			if slow := takesArgon2id(t, h, func(ctx context.Context) error {
				ok, err := h.Verify(ctx, stored, secret)
				if ok {
					t.Errorf("Verify of %d bytes matches", len(secret))
				}
				return err
			}); slow {
				t.Errorf("Verify of %d bytes computes a hash", len(secret))
			}
		}
	}
}

func TestEmptyHashNeverMatches(t *testing.T) {
	h := newHasher(t, 1)
	for _, secret := range []string{long, short} {
		if ok, err := h.Verify(t.Context(), "", secret); ok || err != nil {
			t.Errorf("Verify(%q) against an empty hash = %v, %v, want false", secret, ok, err)
		}
		if ok, _, err := h.VerifyPassword(t.Context(), "", secret); ok || err != nil {
			t.Errorf("VerifyPassword(%q) against an empty hash = %v, %v, want false", secret, ok, err)
		}
	}
}

func TestMalformedHashIsAnError(t *testing.T) {
	h := newHasher(t, 1)
	argon := hashOf(t, h, short)
	for _, stored := range []string{
		"x", "v1$hmac-sha256$", hashOf(t, h, long) + "x", hashOf(t, h, long)[1:], long, "$2a$12$abcdefghijklmnopqrstuv",
		argonPrefix, argon[:len(argon)-40], argon + "$", strings.Replace(argon, "v=19", "v=16", 1),
		strings.Replace(argon, "m=19456", "m=4294967295", 1), strings.Replace(argon, "t=2", "t=0", 1),
		strings.Replace(argon, "t=2", "t=4000000000", 1), strings.Replace(argon, "p=1", "p=0", 1),
		strings.Replace(argon, "p=1", "p=255", 1), strings.Replace(argon, "m=19456,t=2", "t=2,m=19456", 1),
		strings.Replace(argon, "m=19456,t=2,p=1", "m=8,t=1,p=2", 1),
	} {
		ok, err := h.Verify(t.Context(), stored, short)
		if ok || !errors.Is(err, ErrMalformed) {
			t.Errorf("Verify(%q) = %v, %v, want ErrMalformed", stored, ok, err)
		}
		if err != nil && len(stored) > 20 && strings.Contains(err.Error(), stored) {
			t.Errorf("the error carries the hash: %v", err)
		}
	}
}

// After one success the right secret is fast; a wrong one still costs an argon2id, or time would tell who has been here.
func TestRightSecretIsRememberedWrongOneStaysSlow(t *testing.T) {
	h := newHasher(t, 1)
	stored := hashOf(t, h, short)
	verify := func(secret string) bool {
		return takesArgon2id(t, h, func(ctx context.Context) error { _, err := h.Verify(ctx, stored, secret); return err })
	}
	if !verify(short) {
		t.Fatal("the first check takes no argon2id")
	}
	if ok, err := h.Verify(t.Context(), stored, short); !ok || err != nil {
		t.Fatalf("got %v, %v, want true", ok, err)
	}
	if verify(short) {
		t.Error("the second check of the right secret takes an argon2id")
	}
	if !verify("wrong") {
		t.Error("a wrong secret after a right one takes no argon2id")
	}
	if ok, _ := h.Verify(t.Context(), hashOf(t, h, "other"), short); ok {
		t.Error("a remembered secret matches the hash of another")
	}
}

func TestMemoIsBounded(t *testing.T) {
	var m memo
	for i := range maxMemo + 100 {
		m.remember(fmt.Sprint(i), make([]byte, macChars))
	}
	if len(m.entries) != maxMemo {
		t.Errorf("memo has %d entries, want %d", len(m.entries), maxMemo)
	}
}

// An unknown client costs a keyed hash and never an argon2id, whatever secrets are stored.
func TestDummyTakesNoArgon2id(t *testing.T) {
	h := newHasher(t, 1)
	if _, err := h.Verify(t.Context(), hashOf(t, h, short), short); err != nil {
		t.Fatal(err)
	}
	for _, presented := range []string{"guess", strings.Repeat("g", MinKeyed), string(New(ClientSecret).Reveal())} {
		if takesArgon2id(t, h, func(context.Context) error { h.Dummy(presented); return nil }) {
			t.Errorf("Dummy takes an argon2id for %d bytes", len(presented))
		}
	}
}

func TestUnknownPersonCostsAnArgon2id(t *testing.T) {
	h := newHasher(t, 1)
	if !takesArgon2id(t, h, func(ctx context.Context) error { _, _, err := h.VerifyPassword(ctx, "", "guess"); return err }) {
		t.Error("VerifyPassword of nobody takes no argon2id")
	}
}

func TestFloodOfPasswordsIsTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, 2)
		for range 2 { // two computations run and do not end
			if err := h.gate.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // whoever gave up waiting leaves the place to the next
			ctx, cancel := context.WithCancel(t.Context())
			var waiters sync.WaitGroup
			for range 2 * waitersPerRunner {
				waiters.Go(func() {
					if _, err := h.HashPassword(ctx, "x"); iam.CodeOf(err) != "busy" || !errors.Is(err, context.Canceled) {
						t.Errorf("waiter: got %v, want busy because it was cancelled", err)
					}
				})
			}
			synctest.Wait()
			if _, err := h.HashPassword(t.Context(), "x"); iam.KindOf(err) != iam.Unavailable {
				t.Errorf("beyond the queue: got %v, want unavailable at once", err)
			}
			cancel()
			waiters.Wait()
		}
		h.gate.leave()
		if _, err := h.HashPassword(t.Context(), "x"); err != nil {
			t.Errorf("after the flood: %v", err)
		}
	})
}

func TestPasswordIsTheSameInEitherUnicodeForm(t *testing.T) {
	h := newHasher(t, 1)
	stored, err := h.HashPassword(t.Context(), "caf\u00e9 au lait, please, thank you very much")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, argonPrefix) {
		t.Errorf("a long password is stored as %q, want argon2id", stored)
	}
	ok, upgrade, err := h.VerifyPassword(t.Context(), stored, "cafe\u0301 au lait, please, thank you very much")
	if !ok || upgrade || err != nil {
		t.Errorf("decomposed form: got %v, %v, %v, want true, false", ok, upgrade, err)
	}
}

// The first line is what the reference implementation prints for password "password", salt "somesalt", 2 passes, 64 MiB.
func TestForeignArgon2idHashVerifiesAndAsksForUpgradeWhenWeaker(t *testing.T) {
	h := newHasher(t, 1)
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, upgrade, err := h.VerifyPassword(t.Context(), reference, "password"); !ok || upgrade || err != nil {
		t.Errorf("reference vector: got %v, %v, %v, want true, false", ok, upgrade, err)
	}
	weak := argonParams{memory: 4096, passes: 1, lanes: 1}
	salt := []byte("somesalt")
	stored := encodeArgon(weak, salt, weak.key("password", salt, 32))
	if ok, upgrade, err := h.VerifyPassword(t.Context(), stored, "password"); !ok || !upgrade || err != nil {
		t.Errorf("weaker hash: got %v, %v, %v, want true, true", ok, upgrade, err)
	}
	if ok, upgrade, _ := h.VerifyPassword(t.Context(), stored, "Password"); ok || upgrade {
		t.Errorf("wrong password: got %v, %v, want false, false", ok, upgrade)
	}
}

func TestPepperMustHave32Bytes(t *testing.T) {
	for _, size := range []int{0, 31, 33} {
		if _, err := NewHasher(make([]byte, size), 1); err == nil {
			t.Errorf("a pepper of %d bytes is accepted", size)
		}
	}
}

func TestKeyedHashingIsSafeFromManyGoroutines(t *testing.T) {
	h := newHasher(t, 1)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			mine, other := fmt.Sprintf("%032d", i), fmt.Sprintf("%032d", i+1)
			stored, err := h.Hash(t.Context(), mine)
			for range 500 {
				ok, err1 := h.Verify(t.Context(), stored, mine)
				wrong, err2 := h.Verify(t.Context(), stored, other)
				if !ok || wrong || errors.Join(err, err1, err2) != nil {
					t.Errorf("got %v, %v, %v, want true, false", ok, wrong, errors.Join(err, err1, err2))
					return
				}
			}
		})
	}
	group.Wait()
}

func TestVerifyOfAKeyedHashAllocatesAtMostTwice(t *testing.T) {
	h := newHasher(t, 1)
	secret := New(ClientSecret).Reveal()
	stored := hashOf(t, h, secret)
	if n := testing.AllocsPerRun(1000, func() { _, _ = h.Verify(t.Context(), stored, secret) }); n > 2 {
		t.Errorf("%.1f allocations, want at most 2", n)
	}
}

func TestNoSecretStaysInThePool(t *testing.T) {
	h := newHasher(t, 1)
	state := h.keyed.Get().(*keyedState)
	state.encode(long)
	if state.secret != [MaxLength]byte{} {
		t.Error("the secret is still in memory after its hash was computed")
	}
}

func TestVerifyAgreesWithHash(t *testing.T) {
	h := newHasher(t, 1)
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.StringN(MinKeyed, 120, 480).Draw(rt, "secret")
		other := rapid.StringN(MinKeyed, 120, 480).Draw(rt, "other")
		stored := hashOf(t, h, secret)
		if ok, err := h.Verify(t.Context(), stored, other); ok != (secret == other) || err != nil {
			rt.Fatalf("got %v, %v", ok, err)
		}
		if ok, err := h.Verify(t.Context(), stored, secret); !ok || err != nil {
			rt.Fatalf("got %v, %v, want true", ok, err)
		}
	})
}

func FuzzParseArgon(f *testing.F) {
	f.Add(dummyHash)
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Fuzz(func(t *testing.T, stored string) {
		p, salt, key, ok := parseArgon(stored)
		if !ok {
			return
		}
		if p.memory > highest.memory || p.passes > highest.passes || p.lanes > highest.lanes || p.passes == 0 || p.lanes == 0 {
			t.Errorf("%q asks for %+v", stored, p)
		}
		if q, salt2, key2, ok := parseArgon(encodeArgon(p, salt, key)); !ok || q != p || !bytes.Equal(salt, salt2) || !bytes.Equal(key, key2) {
			t.Errorf("%q does not survive a round trip", stored)
		}
	})
}

func BenchmarkVerifyKeyed(b *testing.B) {
	h := newHasher(b, 1)
	secret := New(ClientSecret).Reveal()
	stored := hashOf(b, h, secret)
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := h.Verify(b.Context(), stored, secret); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkVerifyRemembered(b *testing.B) {
	h := newHasher(b, 1)
	stored := hashOf(b, h, short)
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := h.Verify(b.Context(), stored, short); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		New(ClientSecret)
	}
}
