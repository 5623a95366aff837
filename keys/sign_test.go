package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/keys"
)

var types = []string{keys.TypeAccessToken, keys.TypeIDToken, keys.TypeIntrospection, keys.TypeRevocations, keys.TypeLogoutToken}

// An independent library reads every kind of token with the published JWK set, and finds the header of RFC 9068 §2.1.
func TestTokensVerifyElsewhere(t *testing.T) {
	ring, set := newRing(t)
	body, _ := ring.JWKS()
	var jwks jose.JSONWebKeySet
	if err := json.Unmarshal(body, &jwks); err != nil {
		t.Fatal(err)
	}
	for _, alg := range algs {
		for _, typ := range types {
			token := sign(t, ring, alg, typ, `{"sub":"x"}`)
			jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatalf("%s %s: %v", alg, typ, err)
			}
			payload, err := jws.Verify(jwks)
			if err != nil || string(payload) != `{"sub":"x"}` {
				t.Errorf("%s %s: got %q, %v", alg, typ, payload, err)
			}
			h := jws.Signatures[0].Header
			kid := keyOf(t, set, alg, keys.Active).ID
			if h.Algorithm != string(alg) || h.KeyID != kid || h.ExtraHeaders["typ"] != typ || len(h.ExtraHeaders) != 1 {
				t.Errorf("%s %s: got header %+v, want alg, kid %s, typ and no more", alg, typ, h, kid)
			}
		}
	}
}

// Sign appends, as append does: what was in dst stays, and a buffer with room is used.
func TestSignAppends(t *testing.T) {
	ring, _ := newRing(t)
	for _, alg := range algs {
		signer := mustSigner(t, ring, alg, keys.TypeAccessToken)
		buf := append(make([]byte, 0, 4096), "access_token="...)
		out, err := signer.Sign(buf, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if &out[0] != &buf[0] {
			t.Errorf("%s: a buffer with room was not used", alg)
		}
		token, ok := strings.CutPrefix(string(out), "access_token=")
		if _, _, err := ring.Verify(token, keys.TypeAccessToken); !ok || err != nil {
			t.Errorf("%s: got %q: %v", alg, out, err)
		}
		if signer.Key().Alg != alg {
			t.Errorf("got key %v, want %s", signer.Key(), alg)
		}
	}
}

// The same claims give the same token: ES256 takes its nonce from RFC 6979 and no randomness at signing time.
func TestSignIsDeterministic(t *testing.T) {
	ring, _ := newRing(t)
	for _, alg := range algs {
		if a, b := sign(t, ring, alg, "JWT", "{}"), sign(t, ring, alg, "JWT", "{}"); a != b {
			t.Errorf("%s: got two tokens for the same claims", alg)
		}
	}
}

// Signatures whose R or S has leading zeros keep their width. One in 128 has one; 2,000 miss them all once in 10^6 runs.
func TestES256SignaturesHaveFixedWidth(t *testing.T) {
	ring := ringOf(t, setUp(t, keys.ES256))
	signer := mustSigner(t, ring, keys.ES256, "JWT")
	size := len(sign(t, ring, keys.ES256, "JWT", "0000"))
	for i := range 2000 {
		token, err := signer.Sign(nil, []byte{'0' + byte(i/1000%10), '0' + byte(i/100%10), '0' + byte(i/10%10), '0' + byte(i%10)})
		if err != nil || len(token) != size {
			t.Fatalf("payload %d: got %d bytes, %v, want %d", i, len(token), err, size)
		}
		if _, _, err := ring.Verify(string(token), "JWT"); err != nil {
			t.Fatalf("payload %d: %v", i, err)
		}
	}
}

// Signing needs little beyond the signature itself, and without a buffer little beyond the token. (The race detector adds one
// to what slices.Grow takes.)
func TestSignAllocatesLittle(t *testing.T) {
	ring, _ := newRing(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(claims)
	raw := testing.AllocsPerRun(20, func() {
		if _, err := private.Sign(nil, digest[:], crypto.SHA256); err != nil {
			t.Error(err)
		}
	})
	buf := make([]byte, 0, 4096)
	for alg, most := range map[keys.Alg]float64{keys.ES256: raw + 3, keys.EdDSA: 2} {
		signer := mustSigner(t, ring, alg, keys.TypeAccessToken)
		allocs := func(dst []byte) float64 {
			return testing.AllocsPerRun(20, func() {
				if _, err := signer.Sign(dst, claims); err != nil {
					t.Error(err)
				}
			})
		}
		if got := allocs(buf); got > most {
			t.Errorf("%s: got %v allocations, want at most %v", alg, got, most)
		}
		if got, with := allocs(nil), allocs(buf); got > with+2 {
			t.Errorf("%s without a buffer: got %v allocations, with one %v", alg, got, with)
		}
	}
}

// A ring is shared by all requests without a lock.
func TestRingIsSharedWithoutLock(t *testing.T) {
	ring, _ := newRing(t)
	var wg sync.WaitGroup
	for _, alg := range []keys.Alg{keys.ES256, keys.ES256, keys.EdDSA, keys.EdDSA} {
		wg.Go(func() {
			for range 20 {
				signer, err := ring.Signer(alg, "JWT")
				if err != nil {
					t.Error(err)
					return
				}
				token, err := signer.Sign(nil, []byte("{}"))
				if err != nil {
					t.Error(err)
				}
				if _, _, err := ring.Verify(string(token), "JWT"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
