package authserver

import (
	"context"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
)

// noHasher and noFetcher stand where fosite would put its own: secrets are compared by clientauth, and nothing is fetched here.
type noHasher struct{}

func (noHasher) Compare(context.Context, []byte, []byte) error { return fosite.ErrInvalidClient }
func (noHasher) Hash(context.Context, []byte) ([]byte, error)  { return nil, fosite.ErrServerError }

type noFetcher struct{}

func (noFetcher) Resolve(context.Context, string, bool) (*jose.JSONWebKeySet, error) {
	return nil, fosite.ErrServerError
}
