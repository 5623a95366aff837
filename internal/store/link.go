package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

func linkAt(id string) place[iam.Link] { return place[iam.Link]{linkUnit(id), links, id} }

// Link returns a one-time link, nil when there is none, or it was used.
func (s *Store) Link(ctx context.Context, id string) (*iam.Link, error) {
	if !kv.ValidID(id) {
		return nil, nil
	}
	l, _, err := find(ctx, s, linkAt(id))
	return l, err
}

// CreateLink keeps a one-time link until its ExpiresAt.
func (s *Store) CreateLink(ctx context.Context, l *iam.Link) error {
	return create(ctx, s, linkAt(l.ID), l, l.ExpiresAt)
}

// TakeLink removes a one-time link and reports whether it was there. Of those who take one at once, one is told true.
func (s *Store) TakeLink(ctx context.Context, id string) (taken bool, err error) {
	err = revise(ctx, s, linkAt(id), func(*iam.Link) time.Time { return time.Time{} }, func(l *iam.Link) (step, error) {
		taken = l != nil
		return drop, nil
	})
	return taken && err == nil, err
}
