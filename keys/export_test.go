package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
)

// SignRaw signs payload under any header at all: what an attacker cannot do and a careless colleague can.
func SignRaw(k *Key, header, payload string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	sig, err := k.Alg.appendSignature(nil, k.private(), []byte(input))
	if err != nil {
		panic(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// HasPrivate says whether k can still sign.
func HasPrivate(k *Key) bool { return k.private != nil }

// PrivateBytes returns the numbers of k that nobody may see.
func PrivateBytes(k *Key) [][]byte {
	switch private := k.private().(type) {
	case *ecdsa.PrivateKey:
		d, err := private.Bytes()
		if err != nil {
			panic(err)
		}
		return [][]byte{d}
	case ed25519.PrivateKey:
		return [][]byte{private.Seed()}
	case *rsa.PrivateKey:
		return [][]byte{private.D.Bytes(), private.Primes[0].Bytes(), private.Primes[1].Bytes()}
	}
	panic("unknown key type")
}
