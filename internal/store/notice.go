package store

import (
	"context"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

func noticeAt(id string) place[iam.LogoutNotice] {
	return place[iam.LogoutNotice]{noticeUnit, logoutNotices, id}
}

// PutLogoutNotice writes that a client has to be told of the end of a session. Whoever writes it again tells the client again.
func (s *Store) PutLogoutNotice(ctx context.Context, n *iam.LogoutNotice) error {
	n.ID = hashID(strings.Join([]string{n.SessionID, string(n.Client)}, "/"))
	return set(ctx, s, noticeAt(n.ID), n, n.ExpiresAt)
}

// LogoutNotices lists what clients have still to be told.
func (s *Store) LogoutNotices(ctx context.Context) ([]iam.LogoutNotice, error) {
	return listAll(ctx, s, noticeUnit, logoutNotices)
}

// ClaimLogoutNotice takes a notice that is due for one try, until when, and reports whether it was there to take: of all that try at
// once, on any replica, one is told so. Whoever took it and has ended before it was sent leaves it to others from then on.
func (s *Store) ClaimLogoutNotice(ctx context.Context, id string, now, until time.Time) (claimed *iam.LogoutNotice, err error) {
	err = revise(ctx, s, noticeAt(id), func(n *iam.LogoutNotice) time.Time { return n.ExpiresAt }, func(n *iam.LogoutNotice) (step, error) {
		claimed = nil
		if n == nil || now.Before(n.DueAt) {
			return keep, nil
		}
		n.Tries, n.DueAt = n.Tries+1, until
		claimed = n
		return save, nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// DeferLogoutNotice leaves a notice that was claimed to whoever looks at due or later.
func (s *Store) DeferLogoutNotice(ctx context.Context, claimed *iam.LogoutNotice, due time.Time) error {
	return s.changeClaimed(ctx, claimed, func(n *iam.LogoutNotice) step {
		n.DueAt = due
		return save
	})
}

// DropLogoutNotice forgets a notice that was claimed: the client was told, or never will be.
func (s *Store) DropLogoutNotice(ctx context.Context, claimed *iam.LogoutNotice) error {
	return s.changeClaimed(ctx, claimed, func(*iam.LogoutNotice) step { return drop })
}

// changeClaimed changes a notice unless it was written anew, or claimed by somebody else, since.
func (s *Store) changeClaimed(ctx context.Context, claimed *iam.LogoutNotice, do func(*iam.LogoutNotice) step) error {
	return revise(ctx, s, noticeAt(claimed.ID), func(n *iam.LogoutNotice) time.Time { return n.ExpiresAt }, func(n *iam.LogoutNotice) (step, error) {
		if n == nil || n.Tries != claimed.Tries || !n.DueAt.Equal(claimed.DueAt) {
			return keep, nil
		}
		return do(n), nil
	})
}
