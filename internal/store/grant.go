package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

func grantAt(id string) place[iam.Grant] { return place[iam.Grant]{grantUnit(id), grants, id} }

// Grant returns a grant as the store holds it, nil when there is none, or it has ended.
func (s *Store) Grant(ctx context.Context, id string) (*iam.Grant, error) {
	if !kv.ValidID(id) {
		return nil, nil
	}
	g, _, err := find(ctx, s, grantAt(id))
	return g, err
}

// CreateGrant writes a new grant until its ExpiresAt. When it returns nil, the grant is durable.
func (s *Store) CreateGrant(ctx context.Context, g *iam.Grant) error {
	return create(ctx, s, grantAt(g.ID), g, g.ExpiresAt)
}

// ChangeGrant has fn look at a grant and change it; fn reports whether what it changed is to be written, and is called again when
// somebody was faster. It gets nil when there is no such grant. Of those who spend a grant at once, one does: the others see it spent.
// When ChangeGrant returns nil, what fn decided is durable; iam.Unavailable says that it is not known whether it was written.
func (s *Store) ChangeGrant(ctx context.Context, id string, fn func(g *iam.Grant) (write bool, err error)) error {
	if !kv.ValidID(id) {
		_, err := fn(nil)
		return err
	}
	return revise(ctx, s, grantAt(id), func(g *iam.Grant) time.Time { return g.ExpiresAt }, func(g *iam.Grant) (step, error) {
		write, err := fn(g)
		if write {
			return save, err
		}
		return keep, err
	})
}

// DeleteGrant removes a grant. Its tokens are ended by its mark, which is written first.
func (s *Store) DeleteGrant(ctx context.Context, id string) error {
	return discard(ctx, s, grantAt(id))
}

// PutUserGrant lists a grant among what its user has allowed, until expires. It is written before the grant itself: an entry without
// a grant is harmless, a grant that its user cannot find is not.
func (s *Store) PutUserGrant(ctx context.Context, u iam.UserID, g iam.UserGrant, expires time.Time) error {
	return set(ctx, s, place[iam.UserGrant]{userUnit(u), userGrants, g.ID}, &g, expires)
}

// UserGrants lists what a user has allowed. Entries whose grant has ended may still be there.
func (s *Store) UserGrants(ctx context.Context, u iam.UserID) ([]iam.UserGrant, error) {
	return listAll(ctx, s, userUnit(u), userGrants)
}

// DeleteUserGrant takes a grant off the list.
func (s *Store) DeleteUserGrant(ctx context.Context, u iam.UserID, id string) error {
	return discard(ctx, s, place[iam.UserGrant]{userUnit(u), userGrants, id})
}

// listAll returns the records of a collection in a unit, by id.
func listAll[T any](ctx context.Context, s *Store, u kv.Unit, c collection[T]) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	var out []T
	for after := ""; ; {
		page, err := s.kv.List(ctx, u, c.Coll, kv.ListOptions{After: after, Limit: kv.MaxPage})
		if err != nil {
			return nil, unavailable(err)
		}
		if s.lost.Load() {
			return nil, errLost
		}
		for _, it := range page.Items {
			v, err := c.decode(it.ID, it.Value)
			if err != nil {
				return nil, err
			}
			out = append(out, *v)
		}
		if page.Next == "" {
			return out, nil
		}
		after = page.Next
	}
}
