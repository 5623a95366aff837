package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxTokenSize is the size in bytes above which Verify refuses a token before it looks at it.
const MaxTokenSize = 16 << 10

// maxHeaderSize bounds the encoded JWS header. Ours take about 150 bytes.
const maxHeaderSize = 2 << 10

// Why Verify refuses a token, for errors.Is. The details in the error's text are for logs and repeat nothing of the token.
var (
	ErrMalformed  = errors.New("token is malformed")
	ErrWrongType  = errors.New("token is of another type")
	ErrUnknownKey = errors.New("signing key is not known") // also of a removed key; a verifier may look for a newer JWK set
	ErrSignature  = errors.New("token signature is wrong")
)

// strict is base64url without padding in which every byte string has one spelling (RFC 7515 §2), but for line ends, which
// decodeSegment refuses.
var strict = base64.RawURLEncoding.Strict()

// Verify checks that token is a compact JWS (RFC 7515 §7.1) of type typ, one of the Type constants, by one of the published
// keys, and returns its payload and the key. It says nothing about the claims: issuer, audience and times are the caller's.
//
// The key is chosen by kid among ours alone and dictates the algorithm. The header members jku, jwk, x5u and x5c are ignored;
// crit and b64 are refused, since no extension is understood here (RFC 7515 §4.1.11).
func (r *Ring) Verify(token, typ string) (payload []byte, key *Key, err error) {
	if len(token) > MaxTokenSize {
		return nil, nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxTokenSize)
	}
	head, rest, ok := strings.Cut(token, ".")
	body, tail, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(tail, ".") {
		return nil, nil, fmt.Errorf("%w: not three parts", ErrMalformed)
	}
	h, ok := r.headers[head] // a header that we wrote needs no parsing
	if !ok {
		if h, err = parseHeader(head); err != nil {
			return nil, nil, err
		}
	}
	if !sameType(h.typ, typ) {
		return nil, nil, ErrWrongType
	}
	k := r.published[h.kid]
	if k == nil {
		return nil, nil, ErrUnknownKey
	}
	if h.alg != string(k.Alg) {
		return nil, nil, fmt.Errorf("%w: algorithm is not the key's", ErrSignature)
	}
	var buf [maxSignature]byte
	sig, err := decodeSegment(buf[:0], tail)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: signature is not base64url", ErrMalformed)
	}
	if !k.Alg.verify(k.public, []byte(token[:len(head)+1+len(body)]), sig) {
		return nil, nil, ErrSignature
	}
	if payload, err = decodeSegment(nil, body); err != nil {
		return nil, nil, fmt.Errorf("%w: payload is not base64url", ErrMalformed)
	}
	return payload, k, nil
}

// parsedHeader is what Verify wants to know of a JWS header.
type parsedHeader struct{ alg, kid, typ string }

// parseHeader reads a JWS header of any origin. Member names are compared exactly and may not repeat (RFC 7515 §4).
func parseHeader(encoded string) (parsedHeader, error) {
	var h parsedHeader
	if len(encoded) > maxHeaderSize {
		return h, fmt.Errorf("%w: header is longer than %d bytes", ErrMalformed, maxHeaderSize)
	}
	raw, err := decodeSegment(nil, encoded)
	if err != nil || !utf8.Valid(raw) {
		return h, fmt.Errorf("%w: header is not UTF-8 in base64url", ErrMalformed)
	}
	members, err := parseObject(raw)
	if err != nil {
		return h, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, name := range []string{"crit", "b64"} {
		if _, ok := members[name]; ok {
			return h, fmt.Errorf("%w: header has %s, no extension is understood", ErrMalformed, name)
		}
	}
	for name, field := range map[string]*string{"alg": &h.alg, "kid": &h.kid, "typ": &h.typ} {
		value, ok := members[name]
		if !ok || json.Unmarshal(value, field) != nil || *field == "" {
			return h, fmt.Errorf("%w: header member %s is not a non-empty string", ErrMalformed, name)
		}
	}
	return h, nil
}

// parseObject splits one JSON object into its members; encoding/json alone would let the last of two equal names win.
func parseObject(raw []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("header is not a JSON object")
	}
	members := make(map[string]json.RawMessage)
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errors.New("header is not valid JSON")
		}
		if _, twice := members[name]; twice {
			return nil, errors.New("header has a member twice")
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, errors.New("header is not valid JSON")
		}
		members[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("header is not valid JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("header is more than one JSON object")
	}
	return members, nil
}

// decodeSegment appends to dst the bytes of one part of a JWS. Line ends are refused since encoding/base64 skips them.
func decodeSegment(dst []byte, segment string) ([]byte, error) {
	if strings.ContainsAny(segment, "\r\n") {
		return nil, base64.CorruptInputError(0)
	}
	return strict.AppendDecode(dst, []byte(segment))
}

// sameType compares media types as RFC 7515 §4.1.9 has it: ASCII letters in either case, "application/" may be left out when
// no other slash is there.
func sameType(a, b string) bool {
	a, b = trimApplication(a), trimApplication(b)
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func trimApplication(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) && !strings.Contains(typ[len(prefix):], "/") {
		return typ[len(prefix):]
	}
	return typ
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
