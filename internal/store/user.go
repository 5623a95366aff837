package store

import (
	"context"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// User returns a user, nil when there is none. It is shared: read only.
func (s *Store) User(ctx context.Context, id iam.UserID) (*iam.User, error) {
	return cached(ctx, s, users, string(id))
}

// UserNamed returns the user with this name, nil when there is none.
func (s *Store) UserNamed(ctx context.Context, name string) (*iam.User, error) {
	r, err := cached(ctx, s, userNames, name)
	if err != nil || r == nil {
		return nil, err
	}
	return s.User(ctx, iam.UserID(r.ID))
}

// UserAddressed returns the user whose verified address this is, nil when it is nobody's.
func (s *Store) UserAddressed(ctx context.Context, address string) (*iam.User, error) {
	address = strings.ToLower(address)
	r, err := cached(ctx, s, loginNames, join(iam.ConnectorEmail, address))
	if err != nil || r == nil {
		return nil, err
	}
	u, err := s.User(ctx, r.User)
	if err != nil || u == nil || u.VerifiedAddress() != address {
		return nil, err
	}
	return u, nil
}

// Users lists users by name.
func (s *Store) Users(ctx context.Context, p PageOptions) (Page[*iam.User], error) {
	return listRefs(ctx, s, userNames, "", p, users)
}

// User returns a user as the transaction sees it, nil when there is none.
func (tx *Tx) User(id iam.UserID) (*iam.User, error) { return read(tx, users, string(id)) }

// UserNamed is Store.UserNamed inside the transaction.
func (tx *Tx) UserNamed(name string) (*iam.User, error) {
	r, err := read(tx, userNames, name)
	if err != nil || r == nil {
		return nil, err
	}
	return tx.User(iam.UserID(r.ID))
}

// PutUser creates or changes a user. A verified address is known as the user's from then on.
func (tx *Tx) PutUser(u *iam.User) error {
	old, err := tx.User(u.ID)
	if err != nil {
		return err
	}
	from := ""
	if old != nil {
		from = old.Name
	}
	if err := tx.rename(userNames, from, u.Name, string(u.ID), "user", u.Name); err != nil {
		return err
	}
	if err := put(tx, users, string(u.ID), u); err != nil {
		return err
	}
	return tx.nameLogin(iam.ConnectorEmail, u.VerifiedAddress(), &loginName{User: u.ID})
}

// DeleteUser removes a user who holds nothing and is in no group, and the links to upstream accounts.
func (tx *Tx) DeleteUser(id iam.UserID) error {
	u, err := tx.User(id)
	if err != nil || u == nil {
		return err
	}
	h, err := tx.Holding(id.Subject())
	if err != nil {
		return err
	}
	if len(h.Nodes)+len(h.Groups) > 0 {
		return iam.Refuse(iam.Conflict, "not_empty", "user %q still holds roles or is in groups", u.Name)
	}
	accounts, err := tx.Logins(id)
	if err != nil {
		return err
	}
	for _, l := range accounts {
		if err := tx.DeleteLogin(l); err != nil {
			return err
		}
	}
	remove(tx, userNames, u.Name)
	remove(tx, users, string(id))
	return nil
}
