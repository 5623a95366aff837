package store

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

func sessionAt(id string) place[iam.Session] {
	return place[iam.Session]{sessionUnit(id), sessions, id}
}

// Session returns a session as the store holds it, nil when there is none, or it has ended.
func (s *Store) Session(ctx context.Context, id string) (*iam.Session, error) {
	if !kv.ValidID(id) {
		return nil, nil
	}
	session, _, err := find(ctx, s, sessionAt(id))
	return session, err
}

// CreateSession writes a new session until its EndsAt and lists it among its user's.
func (s *Store) CreateSession(ctx context.Context, session *iam.Session) error {
	p := place[ref]{userUnit(session.User), userSessions, session.ID}
	if err := create(ctx, s, p, &ref{ID: session.ID}, session.EndsAt); err != nil {
		return err
	}
	return create(ctx, s, sessionAt(session.ID), session, session.EndsAt)
}

// ChangeSession is to sessions what ChangeGrant is to grants.
func (s *Store) ChangeSession(ctx context.Context, id string, fn func(*iam.Session) (write bool, err error)) error {
	return revise(ctx, s, sessionAt(id), func(v *iam.Session) time.Time { return v.EndsAt }, func(v *iam.Session) (step, error) {
		write, err := fn(v)
		if write {
			return save, err
		}
		return keep, err
	})
}

// DeleteSession ends a session: nobody gets in with its cookie any more.
func (s *Store) DeleteSession(ctx context.Context, u iam.UserID, id string) error {
	if err := discard(ctx, s, sessionAt(id)); err != nil {
		return err
	}
	return discard(ctx, s, place[ref]{userUnit(u), userSessions, id})
}

// Sessions lists the sessions of a user that have not ended.
func (s *Store) Sessions(ctx context.Context, u iam.UserID) ([]*iam.Session, error) {
	refs, err := listAll(ctx, s, userUnit(u), userSessions)
	if err != nil {
		return nil, err
	}
	out := make([]*iam.Session, 0, len(refs))
	for _, r := range refs {
		session, err := s.Session(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		if session != nil && session.User == u {
			out = append(out, session)
		}
	}
	return out, nil
}

// Consent returns what a user lets a client have, nil when the user was never asked or has taken it back.
func (s *Store) Consent(ctx context.Context, u iam.UserID, c iam.ClientID) (*iam.Consent, error) {
	v, _, err := find(ctx, s, place[iam.Consent]{userUnit(u), consents, string(c)})
	return v, err
}

// Consents lists what a user lets clients have, by client.
func (s *Store) Consents(ctx context.Context, u iam.UserID) ([]iam.Consent, error) {
	return listAll(ctx, s, userUnit(u), consents)
}

// PutConsent remembers what a user lets a client have.
func (s *Store) PutConsent(ctx context.Context, u iam.UserID, c *iam.Consent) error {
	return set(ctx, s, place[iam.Consent]{userUnit(u), consents, string(c.Client)}, c, time.Time{})
}

// DeleteConsent forgets what a user lets a client have. The grants that came of it are ended by their marks.
func (s *Store) DeleteConsent(ctx context.Context, u iam.UserID, c iam.ClientID) error {
	return discard(ctx, s, place[iam.Consent]{userUnit(u), consents, string(c)})
}

// Once reports whether this is the first time that id, of a kind of things that are used once, is seen until then. When it returns
// true, nobody else is told so, on any replica. The id may be anything; only its hash is kept.
func (s *Store) Once(ctx context.Context, kind, id string, until time.Time) (bool, error) {
	h := hashID(id)
	err := create(ctx, s, place[none]{onceUnit(kind, h), onces, h}, &none{}, until)
	if errors.Is(err, errTaken) {
		return false, nil
	}
	return err == nil, err
}
