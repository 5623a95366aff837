package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/keys"
)

// A keyring holds the ring that this replica signs and verifies with, keeps it true to the store, and turns it over: the
// replica that holds the lease carries out what keys.Plan says is due. Every change is one transaction on the keys that it was
// decided on, so a second leader, or a crash between any two, does no harm.
type keyring struct {
	store   *store.Store
	sealer  *keys.Sealer
	policy  keys.Policy
	algs    []keys.Alg
	settle  func(ctx context.Context) error // writes the revocations that are owed
	publish func(*keys.Ring)                // called with each new ring
	now     func() time.Time
	log     *slog.Logger
	holder  string

	ring    atomic.Pointer[keys.Ring]
	mu      sync.Mutex // loads happen one after the other, so that an older set never replaces a newer one
	digest  [sha256.Size]byte
	loaded  time.Time
	changed chan struct{}
}

const keyLease = 30 * time.Second

// Ring returns the ring in force.
func (k *keyring) Ring() *keys.Ring { return k.ring.Load() }

// watch makes changes by any replica known here.
func (k *keyring) watch() {
	k.changed = make(chan struct{}, 1)
	k.store.WatchKeys(func() {
		select {
		case k.changed <- struct{}{}:
		default:
		}
	})
}

// load reads the keys and puts them in force. An installation has keys from its first moment, so none means that the store has
// lost them: the ring in force stays.
func (k *keyring) load(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.loadLocked(ctx)
}

func (k *keyring) loadLocked(ctx context.Context) error {
	now := k.now()
	all, records, err := k.read(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("the store holds no signing key any more: restore it")
	}
	digest := digestOf(records)
	if k.ring.Load() == nil || digest != k.digest {
		ring, err := keys.NewRing(all)
		if err != nil {
			return err
		}
		k.ring.Store(ring)
		k.publish(ring)
	}
	k.digest, k.loaded = digest, now
	return nil
}

// refresh loads the keys unless that was done within the last second, so that a flood of unknown keys costs one read a second.
func (k *keyring) refresh(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now().Sub(k.loaded) < time.Second {
		return nil
	}
	return k.loadLocked(ctx)
}

func digestOf(records []store.SigningKey) [sha256.Size]byte {
	h := sha256.New()
	for _, r := range records {
		fmt.Fprintf(h, "%s %d ", r.ID, len(r.Sealed))
		h.Write(r.Sealed)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (k *keyring) read(ctx context.Context) ([]*keys.Key, []store.SigningKey, error) {
	records, err := k.store.SigningKeys(ctx)
	if err != nil {
		return nil, nil, err
	}
	all := make([]*keys.Key, 0, len(records))
	for _, r := range records {
		key, err := k.sealer.OpenKey(r.ID, r.Sealed)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, key)
	}
	return all, records, nil
}

// run keeps the ring true and turns it over until ctx ends.
func (k *keyring) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.changed: // by an operator, it may be, with a date on which something is due
			timer.Reset(k.turn(ctx))
		case <-timer.C:
			timer.Reset(k.turn(ctx))
		}
	}
}

// turn does what is due, if this replica leads, and returns when to look again.
func (k *keyring) turn(ctx context.Context) time.Duration {
	const soon = time.Second
	if err := k.load(ctx); err != nil {
		k.log.ErrorContext(ctx, "loading signing keys", "error", err)
		return soon
	}
	leads, err := k.store.Lead(ctx, "keys", k.holder, keyLease)
	if err != nil {
		k.log.WarnContext(ctx, "asking for the lease of key rotation", "error", err)
		return soon
	}
	if !leads {
		return keyLease / 3
	}
	var next time.Time
	_, err = k.change(ctx, "", func(all []*keys.Key) ([]keys.Change, error) {
		changes, at := keys.Plan(all, k.algs, k.policy, k.now())
		next = at
		return changes, nil
	})
	if err != nil {
		k.log.ErrorContext(ctx, "rotating signing keys", "error", err)
		return soon
	}
	if next.IsZero() {
		return keyLease / 3
	}
	return min(max(next.Sub(k.now()), 0)+10*time.Millisecond, keyLease/3)
}

// change decides on the keys as they are and writes what follows, in one transaction; then it loads the result. It reports
// whether there was anything to change. With the id of a key that is removed in an emergency, the revocation of what it signed is
// owed by the same transaction.
func (k *keyring) change(ctx context.Context, emergency string, decide func([]*keys.Key) ([]keys.Change, error)) (bool, error) {
	all, records, err := k.read(ctx)
	if err != nil {
		return false, err
	}
	changes, err := decide(all)
	if err != nil || len(changes) == 0 {
		return false, err
	}
	_, written, err := keys.Apply(all, changes, k.now())
	if err != nil {
		return false, err
	}
	sealed, err := sealKeys(k.sealer, written)
	if err != nil {
		return false, err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		tx.Safe()
		if inst, err := tx.Installation(); err != nil || inst == nil { // never keys for a store that lost its own
			return errors.Join(err, errKeysMoved)
		}
		for _, r := range records { // the decision stands on all of them
			now, err := tx.SigningKey(r.ID)
			if err != nil {
				return err
			}
			if now == nil || !bytes.Equal(now.Sealed, r.Sealed) {
				return errKeysMoved
			}
		}
		for i := range sealed {
			if err := tx.PutSigningKey(&sealed[i]); err != nil {
				return err
			}
		}
		if emergency == "" {
			return nil
		}
		return tx.Owe(iam.RevocationRef{Kind: iam.RevokedKey, ID: emergency})
	})
	if err != nil {
		return false, fmt.Errorf("write signing keys: %w", err)
	}
	for _, c := range changes {
		k.log.InfoContext(ctx, "signing key changed", "alg", c.Alg, "kid", c.KeyID, "to", c.To, "reason", c.Reason)
	}
	return true, k.load(ctx)
}

var errKeysMoved = iam.Refuse(iam.Unavailable, "busy", "the signing keys were changed by somebody else at the same moment; try again")

func sealKeys(sealer *keys.Sealer, all []*keys.Key) ([]store.SigningKey, error) {
	records := make([]store.SigningKey, len(all))
	for i, key := range all {
		sealed, err := sealer.SealKey(key)
		if err != nil {
			return nil, err
		}
		records[i] = store.SigningKey{ID: key.ID, Sealed: sealed}
	}
	return records, nil
}

// List describes the keys, newest first.
func (k *keyring) List(ctx context.Context) ([]*keys.Key, error) {
	all, _, err := k.read(ctx)
	slices.SortFunc(all, func(a, b *keys.Key) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, err
}

// Rotate begins a rotation of the algorithm before its time. The successor signs when it has been published long enough.
func (k *keyring) Rotate(ctx context.Context, alg keys.Alg) error {
	if !slices.Contains(k.algs, alg) {
		return iam.Errorf(iam.Invalid, "algorithm %q: the ring signs with %v", alg, k.algs)
	}
	_, err := k.change(ctx, "", func(all []*keys.Key) ([]keys.Change, error) {
		return keys.RotateNow(all, alg, k.policy, k.now()), nil
	})
	return err
}

// Remove takes a key out of the JWK set at once, because it is lost. What it signed is dead everywhere: here by the ring, for
// those who verify by themselves by the revocation feed. If it was signing, a new key signs from now on.
func (k *keyring) Remove(ctx context.Context, kid string) error {
	_, err := k.change(ctx, kid, func(all []*keys.Key) ([]keys.Change, error) {
		changes, err := keys.Remove(all, kid, k.now())
		if errors.Is(err, keys.ErrUnknownKey) {
			return nil, iam.Errorf(iam.NotFound, "there is no signing key %q", kid)
		}
		return changes, err
	})
	return errors.Join(err, k.settle(context.WithoutCancel(ctx)))
}
