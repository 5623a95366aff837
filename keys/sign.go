package keys

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// The values of the JWS header member typ (RFC 7515 §4.1.9) that Gatehouse signs. They keep one kind of token from being taken
// for another (RFC 8725 §3.11).
const (
	TypeAccessToken   = "at+jwt"                    // RFC 9068 §2.1
	TypeIDToken       = "JWT"                       // OpenID Connect Core, which names no type of its own
	TypeIntrospection = "token-introspection+jwt"   // RFC 9701 §5
	TypeRevocations   = "gatehouse-revocations+jwt" // the revocation feed
	TypeLogoutToken   = "logout+jwt"                // OpenID Connect Back-Channel Logout §2.4
)

var types = [...]string{TypeAccessToken, TypeIDToken, TypeIntrospection, TypeRevocations, TypeLogoutToken}

// A Signer signs one type of token with one key. Ring.Signer hands it out; it is safe for concurrent use and takes no lock.
type Signer struct {
	key    *Key
	prefix string // the header in base64url and the dot after it
}

func newSigner(k *Key, typ string) *Signer {
	return &Signer{key: k, prefix: encodeHeader(k, typ) + "."}
}

// encodeHeader returns the JWS header of tokens of this type in base64url.
func encodeHeader(k *Key, typ string) string {
	header, err := json.Marshal(struct {
		Alg Alg    `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{k.Alg, k.ID, typ})
	if err != nil {
		panic(err) // three strings always marshal
	}
	return base64.RawURLEncoding.EncodeToString(header)
}

// Key returns the key that signs.
func (s *Signer) Key() *Key { return s.key }

// Sign appends to dst the JWS of payload in compact serialization (RFC 7515 §7.1) and returns the longer slice, like append.
// The payload must not lie in dst's spare capacity.
func (s *Signer) Sign(dst, payload []byte) ([]byte, error) {
	var buf [maxSignature]byte
	start := len(dst)
	size := len(s.prefix) + base64.RawURLEncoding.EncodedLen(len(payload)) + 1
	// Room for an ES256 or EdDSA signature; the larger ones of RSA grow once more, which does not show beside their price.
	dst = slices.Grow(dst, size+base64.RawURLEncoding.EncodedLen(es256Size))
	dst = append(dst, s.prefix...)
	dst = base64.RawURLEncoding.AppendEncode(dst, payload)
	sig, err := s.key.Alg.appendSignature(buf[:0], s.key.private(), dst[start:])
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", s.key.ID, err)
	}
	dst = append(dst, '.')
	return base64.RawURLEncoding.AppendEncode(dst, sig), nil
}
