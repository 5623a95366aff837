package secret

import (
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/big"
	"strings"
)

// A Kind is what a secret is for. Its value is the prefix of its text form.
type Kind string

// The kinds of secret that Gatehouse makes.
const (
	ClientSecret Kind = "gate_cs_" // RFC 6749 §2.3.1
	RefreshToken Kind = "gate_rt_" // RFC 6749 §1.5
	DeviceCode   Kind = "gate_dc_" // RFC 8628 §3.2
	OneTimeLink  Kind = "gate_ot_" // invitations, enrolment, first sign-in
)

// MaxLength is the longest secret or password in bytes. What is longer is refused before anything is computed of it.
const MaxLength = 512

const (
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomChars = 43 // 43 · log2(62) = 256.03 bits
	sumChars    = 6  // 62^6 > 2^32
	maxID       = 64
	prefixChars = len("gate_xx_")
)

// A Secret is the text of a secret. However it is printed, logged or marshalled it reads [redacted]; Reveal is the one way
// to its text, so that the places which show a secret can be found.
type Secret string

const redacted = "[redacted]"

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format prints "[redacted]" whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", which is what JSON and YAML then hold.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// New returns a new secret: the kind's prefix, 256 random bits in base62 and a checksum of six characters, 57 in all.
func New(kind Kind) Secret { return seal(string(kind)) }

// NewFor returns a new secret that carries id in clear, "gate_rt_<id>.<random><checksum>", so that whoever is shown it knows
// which record to read. It panics unless id is 1 to 64 of A-Z a-z 0-9 _ -, since identifiers are made by us.
func NewFor(kind Kind, id string) Secret {
	if !validID(id) {
		panic("secret: identifier does not fit into a secret")
	}
	return seal(string(kind) + id + ".")
}

// Derived returns the secret of a kind that carries id and is made of 32 bytes, which nobody can guess, instead of random ones: the same
// for the same bytes, so that it need not be kept to be known again. Id is as in NewFor.
func Derived(kind Kind, id string, of [32]byte) Secret {
	if !validID(id) {
		panic("secret: identifier does not fit into a secret")
	}
	head := string(kind) + id + "."
	text := make([]byte, len(head)+randomChars, len(head)+randomChars+sumChars)
	copy(text, head)
	n, digit, base := new(big.Int).SetBytes(of[:]), new(big.Int), big.NewInt(int64(len(alphabet)))
	for i := len(text) - 1; i >= len(head); i-- {
		n.DivMod(n, base, digit)
		text[i] = alphabet[digit.Int64()]
	}
	return Secret(appendSum(text, crc32.ChecksumIEEE(text)))
}

func seal(head string) Secret {
	text := make([]byte, 0, len(head)+randomChars+sumChars)
	text = append(text, head...)
	var pool [randomChars + 21]byte
	for want := len(head) + randomChars; len(text) < want; {
		rand.Read(pool[:]) // never fails: it ends the program instead
		for _, b := range pool {
			// 248 = 4 · 62: what lies above would make the first eight characters likelier than the others.
			if b < 248 && len(text) < want {
				text = append(text, alphabet[b%62])
			}
		}
	}
	return Secret(appendSum(text, crc32.ChecksumIEEE(text)))
}

// Parse takes a secret apart that New or NewFor may have made: its kind and, from NewFor, its id. The checksum is no proof of
// anything; it keeps typing errors and strings that only look alike away from the store and out of leak reports.
func Parse(s string) (kind Kind, id string, ok bool) {
	if len(s) < prefixChars+randomChars+sumChars || len(s) > prefixChars+maxID+1+randomChars+sumChars {
		return "", "", false
	}
	switch kind = Kind(s[:prefixChars]); kind {
	case ClientSecret, RefreshToken, DeviceCode, OneTimeLink:
	default:
		return "", "", false
	}
	random := s[prefixChars:]
	if before, after, found := strings.Cut(random, "."); found {
		if !validID(before) {
			return "", "", false
		}
		id, random = before, after
	}
	if len(random) != randomChars+sumChars || !all(random, isBase62) {
		return "", "", false
	}
	var sum [sumChars]byte
	body := s[:len(s)-sumChars]
	if string(appendSum(sum[:0], crc32.ChecksumIEEE([]byte(body)))) != s[len(body):] {
		return "", "", false
	}
	return kind, id, true
}

// WellFormed reports whether s has the form of a secret that Gatehouse made.
func WellFormed(s string) bool {
	_, _, ok := Parse(s)
	return ok
}

// appendSum appends sum in base62, most significant character first, padded to its fixed width.
func appendSum(b []byte, sum uint32) []byte {
	var c [sumChars]byte
	for i := sumChars - 1; i >= 0; i-- {
		c[i] = alphabet[sum%62]
		sum /= 62
	}
	return append(b, c[:]...)
}

func validID(id string) bool {
	return id != "" && len(id) <= maxID && all(id, func(c byte) bool { return isBase62(c) || c == '_' || c == '-' })
}

func isBase62(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}
