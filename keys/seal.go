package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
)

// ErrWrongKEK means that a record was sealed with a key-encryption key that the Sealer does not have. At start it must stop the
// program: the configured key is wrong, and what it cannot open is still good.
var ErrWrongKEK = errors.New("sealed with a key-encryption key that is not configured")

// ErrSealed means that a sealed record was changed, cut, or moved from where it belongs.
var ErrSealed = errors.New("sealed record is damaged or belongs elsewhere")

// A Sealer encrypts small records before they are stored and binds each to its place. It is safe for concurrent use.
//
// An envelope is: version (1 byte, 1), id of the key-encryption key (8 bytes), nonce (12), AES-256-GCM ciphertext and tag (16).
// The AES key is derived from the key-encryption key for each version and purpose, and the record id is associated data. Nonces
// are random: a purpose is good for 2^32 records per key-encryption key.
type Sealer struct {
	keks []kek // the first seals, all open
}

type kek struct {
	id     kekID
	secret Secret
}

// kekID tells key-encryption keys apart. It is derived from the key and tells nothing about it.
type kekID [8]byte

const (
	sealVersion  = 1
	sealHeader   = 1 + len(kekID{})
	sealOverhead = sealHeader + 12 + 16
)

// NewSealer returns a Sealer that seals with the first key-encryption key and opens what any of them sealed.
func NewSealer(keks ...Secret) (*Sealer, error) {
	if len(keks) == 0 {
		return nil, errors.New("no key-encryption key is configured")
	}
	s := &Sealer{}
	for _, secret := range keks {
		if secret.b == nil {
			return nil, errors.New("key-encryption key is missing")
		}
		s.keks = append(s.keks, kek{id: kekID(secret.derive("gatehouse kek id v1").b()[:]), secret: secret})
	}
	return s, nil
}

// Seal encrypts plaintext for the record with this id among those of this purpose ("signing-key", "totp"). Open must be given
// the same purpose and id.
func (s *Sealer) Seal(purpose, id string, plaintext []byte) ([]byte, error) {
	aead, err := s.keks[0].aead(purpose)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", purpose, err)
	}
	sealed := make([]byte, 0, sealOverhead+len(plaintext))
	sealed = append(sealed, sealVersion)
	sealed = append(sealed, s.keks[0].id[:]...)
	return aead.Seal(sealed, nil, plaintext, []byte(id)), nil
}

// Open decrypts what Seal made. The error is ErrWrongKEK when the key is not among the Sealer's, ErrSealed otherwise.
func (s *Sealer) Open(purpose, id string, sealed []byte) ([]byte, error) {
	k, err := s.kekOf(sealed)
	if err != nil {
		return nil, err
	}
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", purpose, err)
	}
	plain, err := aead.Open(nil, nil, sealed[sealHeader:], []byte(id))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Stale says whether sealed was made with another key-encryption key than the one that seals now, so that it should be opened,
// sealed again and written back. Once nothing is stale, the older key can leave the configuration.
func (s *Sealer) Stale(sealed []byte) bool {
	k, err := s.kekOf(sealed)
	return err != nil || k.id != s.keks[0].id
}

// String returns [redacted].
func (s *Sealer) String() string { return redacted }

// GoString returns [redacted].
func (s *Sealer) GoString() string { return redacted }

// LogValue returns [redacted].
func (s *Sealer) LogValue() slog.Value { return slog.StringValue(redacted) }

func (s *Sealer) kekOf(sealed []byte) (kek, error) {
	if len(sealed) < sealOverhead || sealed[0] != sealVersion {
		return kek{}, ErrSealed
	}
	id := kekID(sealed[1:sealHeader])
	for _, k := range s.keks {
		if k.id == id {
			return k, nil
		}
	}
	return kek{}, fmt.Errorf("%w (record %x, configured %x first)", ErrWrongKEK, id, s.keks[0].id)
}

func (k kek) aead(purpose string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.secret.derive("gatehouse seal v1 " + purpose).b()[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
