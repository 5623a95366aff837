package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// An Alg is a JWS signature algorithm by its registered name (RFC 7518 §3.1, RFC 8037 §3.1).
type Alg string

// The algorithms that Gatehouse signs with. EdDSA is Ed25519.
const (
	ES256 Alg = "ES256"
	RS256 Alg = "RS256"
	EdDSA Alg = "EdDSA"
)

// rsaBits is the size of new RSA keys and the least that is accepted: RFC 7518 §3.3.
const rsaBits = 2048

// maxSignature is the size in bytes of the largest signature that a key may make: RSA with 4096 bits.
const maxSignature = 4096 / 8

// generate makes a private key for alg.
func (alg Alg) generate() (crypto.Signer, error) {
	switch alg {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("algorithm %q is not one of ES256, RS256, EdDSA", alg)
}

// fits says whether public is a key for alg, and for alg alone: a key never serves two algorithms (RFC 8725 §3.1).
func (alg Alg) fits(public crypto.PublicKey) bool {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return alg == ES256 && public.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return alg == RS256 && public.N.BitLen() >= rsaBits && public.Size() <= maxSignature
	case ed25519.PublicKey:
		return alg == EdDSA && len(public) == ed25519.PublicKeySize
	}
	return false
}

// appendSignature appends the JWS signature of input to dst. The random source is nil: ES256 is then deterministic (RFC 6979),
// which is faster than the randomized form and does not depend on entropy at signing time; the others use no randomness.
func (alg Alg) appendSignature(dst []byte, private crypto.Signer, input []byte) ([]byte, error) {
	if alg == EdDSA {
		sig, err := private.Sign(nil, input, crypto.Hash(0))
		return append(dst, sig...), err
	}
	digest := sha256.Sum256(input)
	sig, err := private.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	if alg == ES256 {
		return appendFixed(dst, sig)
	}
	return append(dst, sig...), nil
}

// verify says whether sig is public's signature of input.
func (alg Alg) verify(public crypto.PublicKey, input, sig []byte) bool {
	switch public := public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, sig)
	case *ecdsa.PublicKey:
		if len(sig) != es256Size {
			return false
		}
		var der [es256Size + 8]byte
		digest := sha256.Sum256(input)
		return ecdsa.VerifyASN1(public, digest[:], appendDER(der[:0], sig))
	case *rsa.PublicKey:
		digest := sha256.Sum256(input)
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig) == nil
	}
	return false
}

// es256Size is the size of an ES256 signature: R and S, 32 bytes each (RFC 7518 §3.4).
const es256Size = 64

var errDER = errors.New("ECDSA signature is not in the expected encoding")

// appendFixed appends to dst the fixed-width form of a P-256 signature in DER: SEQUENCE { INTEGER r, INTEGER s }.
func appendFixed(dst, der []byte) ([]byte, error) {
	if len(der) < 2 || der[0] != 0x30 || int(der[1]) != len(der)-2 {
		return nil, errDER
	}
	rest := der[2:]
	for range 2 {
		if len(rest) < 2 || rest[0] != 0x02 || int(rest[1]) > len(rest)-2 {
			return nil, errDER
		}
		n := rest[2 : 2+rest[1]]
		rest = rest[2+len(n):]
		for len(n) > 0 && n[0] == 0 {
			n = n[1:]
		}
		if len(n) > es256Size/2 {
			return nil, errDER
		}
		var zeros [es256Size / 2]byte
		dst = append(dst, zeros[len(n):]...)
		dst = append(dst, n...)
	}
	if len(rest) != 0 {
		return nil, errDER
	}
	return dst, nil
}

// appendDER is the inverse of appendFixed. It writes at most es256Size+8 bytes, so every length fits one byte.
func appendDER(dst, sig []byte) []byte {
	dst = append(dst, 0x30, 0)
	start := len(dst)
	for _, n := range [2][]byte{sig[:es256Size/2], sig[es256Size/2:]} {
		for len(n) > 1 && n[0] == 0 {
			n = n[1:]
		}
		if n[0]&0x80 != 0 { // the leading zero keeps the INTEGER positive
			dst = append(dst, 0x02, byte(len(n)+1), 0)
		} else {
			dst = append(dst, 0x02, byte(len(n)))
		}
		dst = append(dst, n...)
	}
	dst[start-1] = byte(len(dst) - start)
	return dst
}
