package store

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Audience returns the audience with this identifier, nil when there is none. It is shared: read only.
func (s *Store) Audience(ctx context.Context, identifier string) (*iam.Audience, error) {
	return cached(ctx, s, audiences, identifier)
}

// AudienceNamed returns the audience with this name, nil when there is none.
func (s *Store) AudienceNamed(ctx context.Context, name string) (*iam.Audience, error) {
	r, err := cached(ctx, s, audienceNames, name)
	if err != nil || r == nil {
		return nil, err
	}
	return s.Audience(ctx, r.ID)
}

// Audiences lists audiences by name.
func (s *Store) Audiences(ctx context.Context, p PageOptions) (Page[*iam.Audience], error) {
	return listRefs(ctx, s, audienceNames, "", p, audiences)
}

// Audience returns an audience as the transaction sees it, nil when there is none.
func (tx *Tx) Audience(identifier string) (*iam.Audience, error) {
	return read(tx, audiences, identifier)
}

// AudienceNamed is Store.AudienceNamed inside the transaction.
func (tx *Tx) AudienceNamed(name string) (*iam.Audience, error) {
	r, err := read(tx, audienceNames, name)
	if err != nil || r == nil {
		return nil, err
	}
	return tx.Audience(r.ID)
}

// PutAudience creates or changes an audience. Its identifier never changes.
func (tx *Tx) PutAudience(a *iam.Audience) error {
	old, err := tx.Audience(a.Identifier)
	if err != nil {
		return err
	}
	from := ""
	if old != nil {
		from = old.Name
	}
	if err := tx.rename(audienceNames, from, a.Name, a.Identifier, "audience", a.Name); err != nil {
		return err
	}
	return put(tx, audiences, a.Identifier, a)
}

// DeleteAudience removes an audience. Clients that list it can no longer ask for it.
func (tx *Tx) DeleteAudience(identifier string) error {
	a, err := tx.Audience(identifier)
	if err != nil || a == nil {
		return err
	}
	remove(tx, audienceNames, a.Name)
	remove(tx, audiences, identifier)
	return nil
}
