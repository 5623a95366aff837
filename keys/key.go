package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A State is where a key stands in its life. A key only ever moves forward: pending, active, retired, removed.
type State string

// The states of a key. Pending, active and retired keys are published and verify; only active ones sign.
const (
	Pending State = "pending" // published, does not sign yet
	Active  State = "active"  // published, signs
	Retired State = "retired" // published for the tokens that it signed; its private part is erased
	Removed State = "removed" // no longer published: its tokens are refused
)

// rank orders the states; 0 is no state at all.
func (s State) rank() int {
	switch s {
	case Pending:
		return 1
	case Active:
		return 2
	case Retired:
		return 3
	case Removed:
		return 4
	}
	return 0
}

// published says whether the JWK set holds keys in this state.
func (s State) published() bool { return s == Pending || s == Active || s == Retired }

// A Key is a signing key. It is made by Generate or OpenKey, changed by Apply only (which makes a copy), and safe to share.
// Printing, logging or marshalling it never shows the private part.
type Key struct {
	ID        string    `json:"id"` // the kid: the key's RFC 7638 thumbprint with SHA-256
	Alg       Alg       `json:"alg"`
	State     State     `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	ActiveAt  time.Time `json:"active_at,omitzero"`  // pending: when it may begin to sign; later: when it began; zero if it never did
	RetiredAt time.Time `json:"retired_at,omitzero"` // when it stopped signing
	RemoveAt  time.Time `json:"remove_at,omitzero"`  // retired: when its last token is dead; removed: when it was removed

	public  crypto.PublicKey
	private hidden[crypto.Signer] // nil once retired or removed
}

// Generate makes a pending key for alg.
func Generate(alg Alg, now time.Time) (*Key, error) {
	signer, err := alg.generate()
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	id, err := thumbprint(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	return &Key{
		ID: id, Alg: alg, State: Pending, CreatedAt: wall(now),
		public: signer.Public(), private: hide(signer),
	}, nil
}

// Public returns the public part: *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey. The caller must not change it.
func (k *Key) Public() crypto.PublicKey { return k.public }

// String names the key for logs: algorithm, id and state.
func (k Key) String() string { return fmt.Sprintf("%s %s (%s)", k.Alg, k.ID, k.State) }

// jwk returns the public key as it is published.
func (k *Key) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.public, KeyID: k.ID, Algorithm: string(k.Alg), Use: "sig"}
}

// thumbprint is the RFC 7638 thumbprint of public, in base64url.
func thumbprint(public crypto.PublicKey) (string, error) {
	jwk := jose.JSONWebKey{Key: public}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// wall drops the monotonic reading and the zone, so that a time compares the same before and after it was stored.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }

// purposeKey is what key records are sealed for.
const purposeKey = "signing-key"

// keyRecord is the plaintext of a sealed key. V is 1; a new shape raises it and OpenKey keeps reading the old one.
type keyRecord struct {
	V int `json:"v"`
	Key
	Public  []byte `json:"public"`            // PKIX, DER
	Private []byte `json:"private,omitempty"` // PKCS #8, DER
}

// SealKey returns the record in which k is kept: all of it is encrypted and authenticated, the state and the times too, so that
// whoever can write to the store can neither publish a key of their own nor bring one back. The record is bound to k.ID.
func (s *Sealer) SealKey(k *Key) ([]byte, error) {
	r := keyRecord{V: 1, Key: *k}
	var err error
	if r.Public, err = x509.MarshalPKIXPublicKey(k.public); err != nil {
		return nil, fmt.Errorf("seal signing key %s: %w", k.ID, err)
	}
	if k.private != nil {
		if r.Private, err = x509.MarshalPKCS8PrivateKey(k.private()); err != nil {
			return nil, fmt.Errorf("seal signing key %s: %w", k.ID, err)
		}
	}
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("seal signing key %s: %w", k.ID, err)
	}
	return s.Seal(purposeKey, k.ID, plain)
}

// OpenKey reads the record that SealKey made for the key with this id. Its errors are those of Sealer.Open, or say what in the
// record does not fit together.
func (s *Sealer) OpenKey(id string, record []byte) (*Key, error) {
	plain, err := s.Open(purposeKey, id, record)
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", id, err)
	}
	k, err := parseKey(id, plain)
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", id, err)
	}
	return k, nil
}

func parseKey(id string, plain []byte) (*Key, error) {
	var r keyRecord
	// The cause is dropped on purpose: errors of encoding/json and crypto/x509 may quote what they read, which is a secret.
	if json.Unmarshal(plain, &r) != nil {
		return nil, errors.New("record is not JSON of the expected shape")
	}
	if r.V != 1 {
		return nil, fmt.Errorf("record has version %d, this build reads 1", r.V)
	}
	k := r.Key
	var err error
	if k.public, err = x509.ParsePKIXPublicKey(r.Public); err != nil {
		return nil, errors.New("public part is not a PKIX key")
	}
	if r.Private != nil {
		private, err := x509.ParsePKCS8PrivateKey(r.Private)
		signer, ok := private.(crypto.Signer)
		if err != nil || !ok {
			return nil, errors.New("private part is not a PKCS #8 signing key")
		}
		if !samePublic(signer.Public(), r.Public) {
			return nil, errors.New("private and public part belong to different keys")
		}
		k.private = hide(signer)
	}
	if k.ID != id {
		return nil, errors.New("record is of another key")
	}
	return &k, k.check()
}

func samePublic(public crypto.PublicKey, pkix []byte) bool {
	der, err := x509.MarshalPKIXPublicKey(public)
	return err == nil && bytes.Equal(der, pkix)
}

// check says what about k does not fit together.
func (k *Key) check() error {
	if k.State.rank() == 0 {
		return fmt.Errorf("state %q is not one of pending, active, retired, removed", k.State)
	}
	if !k.Alg.fits(k.public) {
		return fmt.Errorf("key of type %T does not fit algorithm %q", k.public, k.Alg)
	}
	if id, err := thumbprint(k.public); err != nil || id != k.ID {
		return errors.New("key id is not the key's RFC 7638 thumbprint")
	}
	if signs := k.State == Pending || k.State == Active; signs && k.private == nil {
		return fmt.Errorf("%s key lacks its private part", k.State)
	}
	return nil
}
