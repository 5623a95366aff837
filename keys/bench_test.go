package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/gatehouse-id/gatehouse/keys"
)

// claims is the size of a usual access token's payload.
var claims = bytes.Repeat([]byte(`{"a":"bcdefghi"},`), 30)

// BenchmarkSign is the price of a token; BenchmarkRaw that of the signature in it.
func BenchmarkSign(b *testing.B) {
	for _, alg := range algs {
		b.Run(string(alg), func(b *testing.B) {
			ring, _ := newRing(b)
			signer := mustSigner(b, ring, alg, keys.TypeAccessToken)
			buf := make([]byte, 0, 2048)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signer.Sign(buf, claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range algs {
		b.Run(string(alg), func(b *testing.B) {
			ring, _ := newRing(b)
			token := sign(b, ring, alg, keys.TypeAccessToken, string(claims))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ring.Verify(token, keys.TypeAccessToken); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRaw(b *testing.B) {
	digest := sha256.Sum256(claims)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	b.Run("ES256/sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ec.Sign(nil, digest[:], crypto.SHA256); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ES256/verify", func(b *testing.B) {
		sig, _ := ec.Sign(nil, digest[:], crypto.SHA256)
		b.ReportAllocs()
		for b.Loop() {
			if !ecdsa.VerifyASN1(&ec.PublicKey, digest[:], sig) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("EdDSA/sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ed25519.Sign(ed, claims)
		}
	})
	b.Run("EdDSA/verify", func(b *testing.B) {
		sig := ed25519.Sign(ed, claims)
		b.ReportAllocs()
		for b.Loop() {
			if !ed25519.Verify(ed.Public().(ed25519.PublicKey), claims, sig) {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkNewRing(b *testing.B) {
	_, set := newRing(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.NewRing(set); err != nil {
			b.Fatal(err)
		}
	}
}
