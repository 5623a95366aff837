package store

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// An Intent is a request that a caller has named, so that it is carried out once however often it comes.
type Intent struct {
	Print  string `json:"print"`            // of the request: the name is good for this one only
	Claim  string `json:"claim"`            // who carries it out
	Answer []byte `json:"answer,omitempty"` // sealed; nil: it is under way
}

// Claim makes an intent the caller's to carry out until life is over, and returns nil. When somebody has it already, nothing is
// written and that one is returned. When it returns nil, the claim is durable.
func (s *Store) Claim(ctx context.Context, id string, i Intent, life time.Duration) (*Intent, error) {
	k := intents.key(id)
	for {
		old, version, err := s.intent(ctx, id)
		if err != nil || old != nil {
			return old, err
		}
		err = s.putIntent(ctx, kv.Check{Key: k, Version: version}, i, life)
		if !errors.Is(err, kv.ErrConflict) {
			return nil, unavailable(err)
		}
	}
}

// Answered keeps the answer to an intent for life. A claim that has run out is not answered: it may be somebody else's by now.
func (s *Store) Answered(ctx context.Context, id string, i Intent, life time.Duration) error {
	old, version, err := s.intent(ctx, id)
	if err != nil || old == nil || old.Claim != i.Claim {
		return err
	}
	err = s.putIntent(ctx, kv.Check{Key: intents.key(id), Version: version}, i, life)
	if errors.Is(err, kv.ErrConflict) {
		return nil
	}
	return unavailable(err)
}

// Release gives a claim up: the intent was not carried out.
func (s *Store) Release(ctx context.Context, id, claim string) error {
	old, version, err := s.intent(ctx, id)
	if err != nil || old == nil || old.Claim != claim {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	k := intents.key(id)
	_, err = apply(ctx, s.kv, intentUnit(id), kv.Tx{ID: kv.NewTxID(), Checks: []kv.Check{{Key: k, Version: version}}, Deletes: []kv.Key{k}})
	if errors.Is(err, kv.ErrConflict) {
		return nil
	}
	return unavailable(err)
}

func (s *Store) intent(ctx context.Context, id string) (*Intent, kv.Version, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	items, err := s.kv.Get(ctx, intentUnit(id), intents.key(id))
	if err != nil {
		return nil, 0, unavailable(err)
	}
	if s.lost.Load() {
		return nil, 0, errLost
	}
	if items[0].Version == 0 {
		return nil, 0, nil
	}
	i, err := intents.decode(id, items[0].Value)
	return i, items[0].Version, err
}

func (s *Store) putIntent(ctx context.Context, check kv.Check, i Intent, life time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	value, err := intents.encode(&i)
	if err != nil {
		return err
	}
	_, err = apply(ctx, s.kv, intentUnit(check.Key.ID), kv.Tx{
		ID: kv.NewTxID(), Checks: []kv.Check{check},
		Puts: []kv.Put{{Key: check.Key, Value: value, ExpiresAt: s.now().Add(life)}},
	})
	return err
}
