package directory

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// SetPassword gives a user a new password, at the user's own wish, and ends every session and token from before: whoever knew the old
// one is out. was is the hash that the wish was checked against: if that is another by now, the error is iam.Stale.
func (s *Service) SetPassword(ctx context.Context, by By, user iam.UserID, was, password string) error {
	return s.storePassword(ctx, by, user, was, password, true)
}

// RehashPassword stores the same password as a hash of today's cost. It does nothing when the password was changed meanwhile.
func (s *Service) RehashPassword(ctx context.Context, user iam.UserID, was, password string) error {
	by := By{Actor: access.Actor{Subject: user.Subject(), Authority: access.ByConfiguration}}
	err := s.storePassword(ctx, by, user, was, password, false)
	if iam.KindOf(err) == iam.Stale {
		return nil
	}
	return err
}

func (s *Service) storePassword(ctx context.Context, by By, user iam.UserID, was, password string, isNew bool) error {
	if isNew {
		u, err := s.Store.User(ctx, user)
		if err != nil {
			return err
		}
		if u == nil {
			return missing("user", string(user))
		}
		if err := secret.CheckPassword(password, u.Name, u.Email); err != nil {
			return err
		}
	}
	hash, err := s.Secrets.HashPassword(ctx, password) // outside of the transaction, which may run more than once
	if err != nil {
		return err
	}
	return s.update(ctx, by, func(w *work) error {
		u, err := w.User(user)
		if err != nil {
			return err
		}
		if u == nil {
			return missing("user", string(user))
		}
		if u.PasswordHash != was {
			return iam.Errorf(iam.Stale, "the password was changed by somebody else at this moment")
		}
		u.PasswordHash = hash
		if isNew {
			w.end(iam.RevocationRef{Kind: iam.RevokedUser, ID: string(user)})
			w.Safe()
		}
		return w.PutUser(u)
	})
}
