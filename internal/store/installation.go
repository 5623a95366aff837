package store

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// An Installation is the record that makes a store ours: it exists from the first set-up on and says how that was done.
type Installation struct {
	ID          string    `json:"id"`
	Dev         bool      `json:"dev,omitempty"`          // made by serve --dev, which seeds it and allows http
	Seeded      bool      `json:"seeded,omitempty"`       // what serve --dev brings has been put in
	CommandLine bool      `json:"command_line,omitempty"` // its client was made; once, so that it stays away where it is deleted
	Issuer      string    `json:"issuer"`
	Pepper      []byte    `json:"pepper"` // sealed; the key of the keyed hashes of client secrets
	CreatedAt   time.Time `json:"created_at"`
}

// Installation returns the record of the first set-up, nil when the store was never set up. It bypasses the cache.
func (s *Store) Installation(ctx context.Context) (*Installation, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	items, err := s.kv.Get(ctx, directoryUnit(), installations.key(installationID))
	if err != nil {
		return nil, unavailable(err)
	}
	if items[0].Version == 0 {
		return nil, nil
	}
	return installations.decode(installationID, items[0].Value)
}

// Installation is Store.Installation inside the transaction.
func (tx *Tx) Installation() (*Installation, error) { return read(tx, installations, installationID) }

// PutInstallation writes the record of the first set-up.
func (tx *Tx) PutInstallation(i *Installation) error {
	return put(tx, installations, installationID, i)
}

// leader is the record of a lease.
type leader struct {
	Holder string `json:"holder"`
}

// Lead tries to hold the lease of a periodic duty for ttl, and reports whether this holder has it now. A duty must be harmless
// when two do it: a lease can end while its holder is still at work.
func (s *Store) Lead(ctx context.Context, duty, holder string, ttl time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	k := leases.key(duty)
	items, err := s.kv.Get(ctx, leaseUnit, k)
	if err != nil {
		return false, unavailable(err)
	}
	if items[0].Version != 0 {
		l, err := leases.decode(duty, items[0].Value)
		if err != nil || l.Holder != holder {
			return false, err
		}
	}
	value, err := leases.encode(&leader{Holder: holder})
	if err != nil {
		return false, err
	}
	_, err = s.kv.Apply(ctx, leaseUnit, kv.Tx{
		ID:     kv.NewTxID(),
		Checks: []kv.Check{{Key: k, Version: items[0].Version}},
		Puts:   []kv.Put{{Key: k, Value: value, ExpiresAt: s.now().Add(ttl)}},
	})
	if errors.Is(err, kv.ErrConflict) {
		return false, nil
	}
	return err == nil, unavailable(err)
}

// A SigningKey is a key of the ring as it is kept: sealed whole by package keys.
type SigningKey struct {
	ID     string `json:"id"` // kid
	Sealed []byte `json:"sealed"`
}

// SigningKeys returns every key of the ring, bypassing the cache.
func (s *Store) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	var out []SigningKey
	for p := (PageOptions{Limit: kv.MaxPage}); ; {
		page, err := list(ctx, s, directoryUnit(), signingKeys, "", p, func(_ string, k *SigningKey) (SigningKey, bool, error) { return *k, true, nil })
		if err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.Next == "" {
			return out, nil
		}
		p.After = page.Next
	}
}

// SigningKey returns a key as the transaction sees it, nil when there is none.
func (tx *Tx) SigningKey(id string) (*SigningKey, error) { return read(tx, signingKeys, id) }

// PutSigningKey creates or changes a key of the ring.
func (tx *Tx) PutSigningKey(k *SigningKey) error { return put(tx, signingKeys, k.ID, k) }

// DeleteSigningKey forgets a key.
func (tx *Tx) DeleteSigningKey(id string) { remove(tx, signingKeys, id) }

// Ping reads the store once, to tell whether it answers.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Installation(ctx)
	return err
}
