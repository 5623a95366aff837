package store

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// What lives for a while and belongs to one person or one grant has a unit of its own: sessions, grants, what is used once. None of it
// is cached: it is read from the store each time, so that every replica sees what any has acknowledged.

// A place is where one such record lies.
type place[T any] struct {
	unit kv.Unit
	coll collection[T]
	id   string
}

// find reads a record, nil when there is none.
func find[T any](ctx context.Context, s *Store, p place[T]) (*T, kv.Version, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	items, err := s.kv.Get(ctx, p.unit, p.coll.key(p.id))
	if err != nil {
		return nil, 0, unavailable(err)
	}
	if s.lost.Load() {
		return nil, 0, errLost
	}
	if items[0].Version == 0 {
		return nil, 0, nil
	}
	v, err := p.coll.decode(p.id, items[0].Value)
	return v, items[0].Version, err
}

// replace puts a record, or removes it when v is nil, if it still has the version. What was decided is carried out even if the caller
// has gone. The error is kv.ErrConflict when somebody was faster.
func replace[T any](ctx context.Context, s *Store, p place[T], version kv.Version, v *T, expires time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.budget)
	defer cancel()
	k := p.coll.key(p.id)
	tx := kv.Tx{ID: kv.NewTxID(), Checks: []kv.Check{{Key: k, Version: version}}, Ack: kv.AckSafe}
	if v == nil {
		tx.Deletes = []kv.Key{k}
	} else {
		value, err := p.coll.encode(v)
		if err != nil {
			return err
		}
		tx.Puts = []kv.Put{{Key: k, Value: value, ExpiresAt: expires}}
	}
	if s.lost.Load() {
		return errLost
	}
	_, err := apply(ctx, s.kv, p.unit, tx)
	return unavailable(err)
}

// set writes a record whatever was there.
func set[T any](ctx context.Context, s *Store, p place[T], v *T, expires time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.budget)
	defer cancel()
	value, err := p.coll.encode(v)
	if err != nil {
		return err
	}
	if s.lost.Load() {
		return errLost
	}
	_, err = apply(ctx, s.kv, p.unit, kv.Tx{
		ID: kv.NewTxID(), Puts: []kv.Put{{Key: p.coll.key(p.id), Value: value, ExpiresAt: expires}}, Ack: kv.AckSafe,
	})
	return unavailable(err)
}

// errTaken is for ids that we draw at random: it does not happen.
var errTaken = iam.Errorf(iam.Internal, "a random identifier was drawn twice")

// create writes a record that is not there yet.
func create[T any](ctx context.Context, s *Store, p place[T], v *T, expires time.Time) error {
	err := replace(ctx, s, p, 0, v, expires)
	if errors.Is(err, kv.ErrConflict) {
		return errTaken
	}
	return err
}

// errBusy is for a record that so many change at once that the caller never gets his turn.
var errBusy = iam.Refuse(iam.Unavailable, "busy", "too many changes at once; try again")

// A step says what becomes of a record after it was looked at.
type step int

// The steps: it stays as it is, it is written as it was changed, it is removed.
const (
	keep step = iota
	save
	drop
)

// revise reads a record, has fn look at it and change it, and carries out what fn says; with whoever was faster it begins again. fn
// gets nil when there is no record, and can only keep that.
func revise[T any](ctx context.Context, s *Store, p place[T], expires func(*T) time.Time, fn func(v *T) (step, error)) error {
	const attempts = 100
	for range attempts {
		v, version, err := find(ctx, s, p)
		if err != nil {
			return err
		}
		what, err := fn(v)
		if err != nil || what == keep || v == nil {
			return err
		}
		if what == save {
			err = replace(ctx, s, p, version, v, expires(v))
		} else {
			err = replace(ctx, s, p, version, nil, time.Time{})
		}
		if !errors.Is(err, kv.ErrConflict) {
			return err
		}
	}
	return errBusy
}

// discard removes a record whatever it is. An absent one is no fault.
func discard[T any](ctx context.Context, s *Store, p place[T]) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.budget)
	defer cancel()
	if s.lost.Load() {
		return errLost
	}
	_, err := apply(ctx, s.kv, p.unit, kv.Tx{ID: kv.NewTxID(), Deletes: []kv.Key{p.coll.key(p.id)}, Ack: kv.AckSafe})
	return unavailable(err)
}
