package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// pushedAt finds a pushed request by the hash of its name: whoever reads the store cannot name it.
func pushedAt(name string) place[iam.PushedRequest] {
	h := hashID(name)
	return place[iam.PushedRequest]{pushedUnit(h), pushedRequests, h}
}

// PushedRequest returns a pushed request by its name, nil when there is none, or a code was issued for it.
func (s *Store) PushedRequest(ctx context.Context, name string) (*iam.PushedRequest, error) {
	p, _, err := find(ctx, s, pushedAt(name))
	return p, err
}

// CreatePushedRequest keeps a pushed request until its KeptUntil.
func (s *Store) CreatePushedRequest(ctx context.Context, name string, p *iam.PushedRequest) error {
	return create(ctx, s, pushedAt(name), p, p.KeptUntil)
}

// TakePushedRequest removes a pushed request and reports whether it was there. Of those who take one at once, one is told true.
func (s *Store) TakePushedRequest(ctx context.Context, name string) (taken bool, err error) {
	err = revise(ctx, s, pushedAt(name), func(*iam.PushedRequest) time.Time { return time.Time{} }, func(p *iam.PushedRequest) (step, error) {
		taken = p != nil
		return drop, nil
	})
	return taken && err == nil, err
}
