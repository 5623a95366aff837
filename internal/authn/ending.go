package authn

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// EndingStore keeps what ends: sessions, grants, consents. ChangeGrant calls fn again when somebody was faster, with nil when there is
// no such grant.
type EndingStore interface {
	Session(ctx context.Context, id string) (*iam.Session, error)
	Sessions(ctx context.Context, u iam.UserID) ([]*iam.Session, error)
	DeleteSession(ctx context.Context, u iam.UserID, id string) error
	PutLogoutNotice(ctx context.Context, n *iam.LogoutNotice) error
	Grant(ctx context.Context, id string) (*iam.Grant, error)
	ChangeGrant(ctx context.Context, id string, fn func(g *iam.Grant) (write bool, err error)) error
	DeleteGrant(ctx context.Context, id string) error
	UserGrants(ctx context.Context, u iam.UserID) ([]iam.UserGrant, error)
	DeleteUserGrant(ctx context.Context, u iam.UserID, id string) error
	Consents(ctx context.Context, u iam.UserID) ([]iam.Consent, error)
	DeleteConsent(ctx context.Context, u iam.UserID, c iam.ClientID) error
	User(ctx context.Context, id iam.UserID) (*iam.User, error)
	Client(ctx context.Context, id iam.ClientID) (*iam.Client, error)
	Revoked(ctx context.Context, iat time.Time, refs ...iam.RevocationRef) (bool, error)
}

// Endings ends sessions and grants, with all that came of them. There is no other way to: whoever signs out, is signed out, is
// disabled or deleted comes through here.
//
// The mark that ends the tokens is durable before a record goes, so that a crash in between leaves a record that opens nothing; and
// the notice to the clients is durable before the mark, so that none is forgotten. Ending what has ended is no fault: whoever was
// interrupted repeats it.
type Endings struct {
	Store EndingStore
	// Mark ends every token issued so far to what ref names, and returns when that is durable.
	Mark func(ctx context.Context, ref iam.RevocationRef) error
	// Noticed is told that there are notices to send. It returns at once.
	Noticed func()
	// Idle is how long a session lasts without being used.
	Idle time.Duration
	Now  func() time.Time
}

// noticeLife is how long it is tried to tell a client: a process that was down for as long tells of nothing any more.
const noticeLife = time.Hour

// SignOut ends a session of a browser. What the person has allowed for when nobody is there (offline_access), and devices, go on
// without the session; everything else that came of it ends.
func (e *Endings) SignOut(ctx context.Context, s *iam.Session) error { return e.session(ctx, s, true) }

// Session ends a session, and every grant that came of it.
func (e *Endings) Session(ctx context.Context, s *iam.Session) error { return e.session(ctx, s, false) }

func (e *Endings) session(ctx context.Context, s *iam.Session, spare bool) error {
	if err := e.notify(ctx, s); err != nil {
		return err
	}
	listed, err := e.Store.UserGrants(ctx, s.User)
	if err != nil {
		return err
	}
	var ends []string
	for _, l := range listed {
		if l.SessionID != s.ID {
			continue
		}
		spared := false
		if spare { // before the mark, which would end it too
			if spared, err = e.detach(ctx, l.ID); err != nil {
				return err
			}
		}
		if !spared {
			ends = append(ends, l.ID)
		}
	}
	if err := e.Mark(ctx, iam.RevocationRef{Kind: iam.RevokedSession, ID: s.ID}); err != nil {
		return err
	}
	for _, id := range ends {
		if err := e.Grant(ctx, s.User, id); err != nil {
			return err
		}
	}
	return e.Store.DeleteSession(ctx, s.User, s.ID)
}

// detach takes a grant that outlives the session out of it, and reports whether the grant is one.
func (e *Endings) detach(ctx context.Context, id string) (spared bool, err error) {
	err = e.Store.ChangeGrant(ctx, id, func(g *iam.Grant) (bool, error) {
		spared = g != nil && g.Refresh != nil && (g.Device != nil || slices.Contains(g.Scopes, "offline_access"))
		if !spared || g.SessionID == "" {
			return false, nil
		}
		g.SessionID = ""
		return true, nil
	})
	return spared, err
}

// notify writes down which clients are to be told that the session ends.
func (e *Endings) notify(ctx context.Context, s *iam.Session) error {
	now, any := e.Now(), false
	for _, id := range s.Clients {
		c, err := e.Store.Client(ctx, id)
		if err != nil {
			return err
		}
		if c == nil || c.Disabled || c.Web == nil || c.Web.BackchannelLogoutURI == "" {
			continue
		}
		n := &iam.LogoutNotice{Client: id, User: s.User, SessionID: s.ID, DueAt: now, ExpiresAt: now.Add(noticeLife)}
		if err := e.Store.PutLogoutNotice(ctx, n); err != nil {
			return err
		}
		any = true
	}
	if any {
		e.Noticed()
	}
	return nil
}

// Grant ends what a person has allowed a client, with every token that came of it.
func (e *Endings) Grant(ctx context.Context, u iam.UserID, id string) error {
	if err := e.Mark(ctx, iam.RevocationRef{Kind: iam.RevokedGrant, ID: id}); err != nil {
		return err
	}
	if err := e.Store.DeleteGrant(ctx, id); err != nil {
		return err
	}
	if u == "" {
		return nil
	}
	return e.Store.DeleteUserGrant(ctx, u, id)
}

// Consent takes back that a client may have what its person let it, and ends the grants that came of it.
func (e *Endings) Consent(ctx context.Context, u iam.UserID, c iam.ClientID) error {
	listed, err := e.Store.UserGrants(ctx, u)
	if err != nil {
		return err
	}
	for _, l := range listed {
		if l.Client != c {
			continue
		}
		if err := e.Grant(ctx, u, l.ID); err != nil {
			return err
		}
	}
	return e.Store.DeleteConsent(ctx, u, c)
}

// Everything ends all that a ref names: the tokens by its mark; of a session or a grant the record as well; of a user every session
// and every grant, and what the user has consented to once there is no such user any more.
func (e *Endings) Everything(ctx context.Context, ref iam.RevocationRef) error {
	switch ref.Kind {
	case iam.RevokedSession:
		s, err := e.Store.Session(ctx, ref.ID)
		if err != nil {
			return err
		}
		if s != nil {
			return e.Session(ctx, s)
		}
	case iam.RevokedGrant:
		g, err := e.Store.Grant(ctx, ref.ID)
		if err != nil {
			return err
		}
		if g != nil {
			return e.Grant(ctx, g.User, g.ID)
		}
	case iam.RevokedUser:
		return e.user(ctx, iam.UserID(ref.ID))
	}
	return e.Mark(ctx, ref)
}

// user ends all of a person. The one mark ends all at once; what follows leaves nothing that could come back when the mark is over.
func (e *Endings) user(ctx context.Context, id iam.UserID) error {
	sessions, err := e.Store.Sessions(ctx, id)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if err := e.notify(ctx, s); err != nil {
			return err
		}
	}
	if err := e.Mark(ctx, iam.RevocationRef{Kind: iam.RevokedUser, ID: string(id)}); err != nil {
		return err
	}
	// One that began since, under the mark's eyes, is younger than it and stays.
	for _, s := range sessions {
		if err := e.Store.DeleteSession(ctx, id, s.ID); err != nil {
			return err
		}
	}
	listed, err := e.Store.UserGrants(ctx, id)
	if err != nil {
		return err
	}
	for _, l := range listed {
		if err := e.leftOver(ctx, id, l.ID); err != nil {
			return err
		}
	}
	u, err := e.Store.User(ctx, id)
	if err != nil || u != nil {
		return err
	}
	given, err := e.Store.Consents(ctx, id)
	if err != nil {
		return err
	}
	for _, c := range given {
		if err := e.Store.DeleteConsent(ctx, id, c.Client); err != nil {
			return err
		}
	}
	return nil
}

// leftOver removes a grant that the user's mark has ended.
func (e *Endings) leftOver(ctx context.Context, u iam.UserID, id string) error {
	g, err := e.Store.Grant(ctx, id)
	if err != nil {
		return err
	}
	if g != nil {
		ended, err := e.Store.Revoked(ctx, g.CreatedAt, iam.RevocationRef{Kind: iam.RevokedUser, ID: string(u)})
		if err != nil || !ended {
			return err
		}
		if err := e.Store.DeleteGrant(ctx, id); err != nil {
			return err
		}
	}
	return e.Store.DeleteUserGrant(ctx, u, id)
}

// Sessions lists the sessions of a user that still let somebody in.
func (e *Endings) Sessions(ctx context.Context, u iam.UserID) ([]*iam.Session, error) {
	all, err := e.Store.Sessions(ctx, u)
	if err != nil {
		return nil, err
	}
	now, out := e.Now(), make([]*iam.Session, 0, len(all))
	for _, s := range all {
		if !now.Before(s.EndsAt) || now.Sub(s.SeenAt) > e.Idle {
			continue
		}
		ended, err := e.Store.Revoked(ctx, s.AuthTime,
			iam.RevocationRef{Kind: iam.RevokedUser, ID: string(u)}, iam.RevocationRef{Kind: iam.RevokedSession, ID: s.ID})
		if err != nil {
			return nil, err
		}
		if !ended {
			out = append(out, s)
		}
	}
	return out, nil
}

// Grants lists what a user has allowed clients, as far as anything can still come of it.
func (e *Endings) Grants(ctx context.Context, u iam.UserID) ([]*iam.Grant, error) {
	listed, err := e.Store.UserGrants(ctx, u)
	if err != nil {
		return nil, err
	}
	now, out := e.Now(), make([]*iam.Grant, 0, len(listed))
	for _, l := range listed {
		g, err := e.Store.Grant(ctx, l.ID)
		if err != nil {
			return nil, err
		}
		if g == nil || g.User != u || !now.Before(g.ExpiresAt) {
			continue
		}
		ended, err := e.Store.Revoked(ctx, g.CreatedAt, iam.RevocationRef{Kind: iam.RevokedGrant, ID: g.ID},
			iam.RevocationRef{Kind: iam.RevokedUser, ID: string(u)}, iam.RevocationRef{Kind: iam.RevokedClient, ID: string(g.Client)},
			iam.RevocationRef{Kind: iam.RevokedSession, ID: g.SessionID})
		if err != nil {
			return nil, err
		}
		if !ended {
			out = append(out, g)
		}
	}
	return out, nil
}
