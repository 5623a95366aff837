package keys

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// SecretSize is the size of a Secret in bytes.
const SecretSize = 32

const redacted = "[redacted]"

// A Secret is 32 secret bytes: a key-encryption key, or a root from which peppers are derived. Printing, logging or marshalling
// it shows [redacted]. The zero Secret is none: NewSealer refuses it, Derive and Bytes panic.
type Secret struct {
	b hidden[*[SecretSize]byte]
}

// A hidden value is had by calling it. Of a function fmt shows an address at most, while it walks unexported fields without
// asking their methods, and even follows a pointer there when the verb does not suit it.
type hidden[T any] func() T

func hide[T any](v T) hidden[T] { return func() T { return v } }

// NewSecret returns a random Secret.
func NewSecret() Secret {
	b := new([SecretSize]byte)
	rand.Read(b[:])
	return Secret{hide(b)}
}

// SecretFrom returns the Secret with these 32 bytes, which it copies.
func SecretFrom(b []byte) (Secret, error) {
	if len(b) != SecretSize {
		return Secret{}, fmt.Errorf("secret has %d bytes, want %d", len(b), SecretSize)
	}
	return Secret{hide((*[SecretSize]byte)(bytes.Clone(b)))}, nil
}

// ParseKEK reads a key-encryption key: 32 bytes in base64, standard or URL alphabet, padded or not, white space around it
// ignored. Its errors say what is wrong and never show the text.
func ParseKEK(text string) (Secret, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Secret{}, errors.New("key-encryption key is empty, want 32 bytes in base64 (openssl rand -base64 32)")
	}
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	b, err := base64.RawStdEncoding.Strict().DecodeString(plain)
	if err != nil || strings.ContainsAny(plain, "\r\n") {
		return Secret{}, errors.New("key-encryption key is not base64, want 32 bytes in base64 (openssl rand -base64 32)")
	}
	if len(b) != SecretSize {
		return Secret{}, fmt.Errorf("key-encryption key has %d bytes, want %d in base64 (openssl rand -base64 32)", len(b), SecretSize)
	}
	if [SecretSize]byte(b) == [SecretSize]byte{} {
		return Secret{}, errors.New("key-encryption key is all zeros, want 32 random bytes in base64 (openssl rand -base64 32)")
	}
	return Secret{hide((*[SecretSize]byte)(b))}, nil
}

// Derive returns the Secret for one use, named by label (HKDF-SHA-256, RFC 5869): nothing about s or about other labels follows
// from it. What must outlive a change of the key-encryption key, a pepper of stored hashes for one, is derived from a root
// that lies sealed in the store, not from the key-encryption key.
func (s Secret) Derive(label string) Secret { return s.derive("gatehouse derived key v1 " + label) }

func (s Secret) derive(info string) Secret {
	b, err := hkdf.Key(sha256.New, s.b()[:], nil, info, SecretSize)
	if err != nil {
		panic(err) // only when more than 255 hashes of output are asked for
	}
	return Secret{hide((*[SecretSize]byte)(b))}
}

// Bytes returns a copy of the secret bytes.
func (s Secret) Bytes() []byte { return bytes.Clone(s.b()[:]) }

// String returns [redacted].
func (s Secret) String() string { return redacted }

// GoString returns [redacted].
func (s Secret) GoString() string { return redacted }

// LogValue returns [redacted].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns [redacted]: a Secret is written by Bytes or not at all.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
