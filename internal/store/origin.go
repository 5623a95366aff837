package store

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// originUse counts the clients that list an origin: all that the preflight of a browser, which names no client, can be told.
type originUse struct {
	Clients int `json:"n"`
}

// OriginListed reports whether any client lists an origin among those whose pages may ask.
func (s *Store) OriginListed(ctx context.Context, origin string) (bool, error) {
	u, err := cached(ctx, s, origins, hashID(origin))
	return u != nil, err
}

// indexOrigins keeps the count true when a client is created, changed or removed.
func (tx *Tx) indexOrigins(before, after *iam.Client) error {
	had, has := originsOf(before), originsOf(after)
	for _, o := range had {
		if !slices.Contains(has, o) {
			if err := tx.countOrigin(o, -1); err != nil {
				return err
			}
		}
	}
	for _, o := range has {
		if !slices.Contains(had, o) {
			if err := tx.countOrigin(o, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// originsOf returns what a client lists, each once.
func originsOf(c *iam.Client) []string {
	if c == nil || c.Web == nil {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(c.Web.AllowedOrigins)))
}

func (tx *Tx) countOrigin(origin string, by int) error {
	id := hashID(origin)
	u, err := read(tx, origins, id)
	if err != nil {
		return err
	}
	if u == nil {
		u = &originUse{}
	}
	if u.Clients += by; u.Clients <= 0 {
		remove(tx, origins, id)
		return nil
	}
	return put(tx, origins, id, u)
}
