package adminapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// AtSession names a session of a user in a path.
type AtSession struct {
	AtUser
	Session string `path:"session" doc:"The id of the session."`
}

// AtGrant names a grant of a user in a path.
type AtGrant struct {
	AtUser
	Grant string `path:"grant" doc:"The id of the grant."`
}

// AtConsent names a client that a user lets have something.
type AtConsent struct {
	AtUser
	Client string `path:"client" doc:"The client id."`
}

// sessions are the operations on where somebody is signed in, and on what somebody has let in: of operators, and of people about
// themselves. What they end is no part of the directory, so the line of the audit log is written first: nothing ends without one.
func (a *api) sessions() {
	const tag = "sessions"
	add(a, op{http.MethodGet, "/users/{user}/sessions", "list-sessions", "List where a user is signed in", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtUser) (*plain[apiv1.Page[apiv1.Session]], error) {
			user, err := a.account(ctx, by, in.User)
			if err != nil {
				return nil, err
			}
			all, err := a.Endings.Sessions(ctx, user)
			return pageOf(all, err, func(s *iam.Session) (apiv1.Session, error) {
				return showSession(s, by.claims.SessionID == s.ID), nil
			})
		})
	add(a, op{http.MethodDelete, "/users/{user}/sessions", "end-sessions", "Sign a user out everywhere", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *AtUser) (*none, error) {
			user, err := a.account(ctx, by, in.User)
			if err != nil {
				return nil, err
			}
			if err := a.Directory.Note(ctx, by.by(), "sessions.end", user.Subject().String(), "", nil); err != nil {
				return nil, err
			}
			return nil, a.Endings.Everything(ctx, iam.RevocationRef{Kind: iam.RevokedUser, ID: string(user)})
		})
	add(a, op{http.MethodDelete, "/users/{user}/sessions/{session}", "end-session", "Sign a user out in one browser", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *AtSession) (*none, error) {
			user, err := a.account(ctx, by, in.User)
			if err != nil {
				return nil, err
			}
			s, err := a.Store.Session(ctx, in.Session)
			if err != nil {
				return nil, err
			}
			if s == nil || s.User != user {
				return nil, iam.Errorf(iam.NotFound, "the user has no session %q", in.Session)
			}
			if err := a.noteEnd(ctx, by, "session.end", user, map[string]any{"session": s.ID}); err != nil {
				return nil, err
			}
			return nil, a.Endings.Session(ctx, s)
		})
	a.grants()
	a.consents()
}

func (a *api) grants() {
	const tag = "sessions"
	add(a, op{http.MethodGet, "/users/{user}/grants", "list-grants", "List what applications and devices a user has let in", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtUser) (*plain[apiv1.Page[apiv1.Grant]], error) {
			user, err := a.account(ctx, by, in.User)
			if err != nil {
				return nil, err
			}
			all, err := a.Endings.Grants(ctx, user)
			return pageOf(all, err, func(g *iam.Grant) (apiv1.Grant, error) {
				name, err := a.clientName(ctx, g.Client)
				return showGrant(g, name), err
			})
		})
	add(a, op{http.MethodDelete, "/users/{user}/grants/{grant}", "end-grant", "End what a user has let in", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *AtGrant) (*none, error) {
			user, err := a.account(ctx, by, in.User)
			if err != nil {
				return nil, err
			}
			g, err := a.Store.Grant(ctx, in.Grant)
			if err != nil {
				return nil, err
			}
			if g == nil || g.User != user {
				return nil, iam.Errorf(iam.NotFound, "the user has no grant %q", in.Grant)
			}
			if err := a.noteEnd(ctx, by, "grant.end", user, map[string]any{"grant": g.ID, "client": g.Client}); err != nil {
				return nil, err
			}
			return nil, a.Endings.Grant(ctx, user, g.ID)
		})
}

func (a *api) consents() {
	const tag = "sessions"
	add(a, op{http.MethodGet, "/users/{user}/consents", "list-consents", "List what a user lets applications have", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtUser) (*plain[apiv1.Page[apiv1.Consent]], error) {
			user, err := a.account(ctx, by, in.User)
			if err != nil {
				return nil, err
			}
			all, err := a.Store.Consents(ctx, user)
			return pageOf(all, err, func(c iam.Consent) (apiv1.Consent, error) {
				name, err := a.clientName(ctx, c.Client)
				return apiv1.Consent{Client: string(c.Client), ClientName: name, Scopes: c.Scopes, At: c.At}, err
			})
		})
	add(a, op{http.MethodDelete, "/users/{user}/consents/{client}", "end-consent", "Take back what a user lets an application have", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *AtConsent) (*none, error) {
			user, err := a.account(ctx, by, in.User)
			if err != nil {
				return nil, err
			}
			all, err := a.Store.Consents(ctx, user)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(all, func(c iam.Consent) bool { return string(c.Client) == in.Client }) {
				return nil, iam.Errorf(iam.NotFound, "the user has consented to nothing for client %q", in.Client)
			}
			if err := a.noteEnd(ctx, by, "consent.end", user, map[string]any{"client": in.Client}); err != nil {
				return nil, err
			}
			return nil, a.Endings.Consent(ctx, user, iam.ClientID(in.Client))
		})
}

// account resolves a user for those who may know where it is signed in: whoever has a platform role, and the user. To anybody else
// there is no such user, whether or not there is.
func (a *api) account(ctx context.Context, by *caller, ref string) (iam.UserID, error) {
	id, err := a.Directory.UserID(ctx, ref)
	switch {
	case by.role != "", err != nil && iam.KindOf(err) != iam.NotFound:
		return id, err
	case err == nil && by.claims.Person() && by.claims.Subject == string(id):
		return id, nil
	}
	return "", iam.Errorf(iam.NotFound, "there is no user %q", ref)
}

// noteEnd writes the line of an ending at a user, before it is carried out.
func (a *api) noteEnd(ctx context.Context, by *caller, action string, user iam.UserID, what map[string]any) error {
	return a.Directory.Note(ctx, by.by(), action, user.Subject().String(), "", what)
}

// clientName is what people call a client, "" when it is gone.
func (a *api) clientName(ctx context.Context, id iam.ClientID) (string, error) {
	c, err := a.Store.Client(ctx, id)
	if err != nil || c == nil {
		return "", err
	}
	return c.Name, nil
}

// pageOf shows a list that is short enough for one answer.
func pageOf[T, U any](all []T, err error, show func(T) (U, error)) (*plain[apiv1.Page[U]], error) {
	out := &plain[apiv1.Page[U]]{Body: apiv1.Page[U]{Items: make([]U, 0, len(all))}}
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		shown, err := show(v)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, shown)
	}
	return out, nil
}

func showSession(s *iam.Session, current bool) apiv1.Session {
	out := apiv1.Session{
		ID: s.ID, Current: current, Connector: s.Connector, ACR: s.ACR, AMR: s.AMR, Network: s.Network, Agent: s.Agent,
		CreatedAt: s.CreatedAt, SignedInAt: s.AuthTime, SeenAt: s.SeenAt, EndsAt: s.EndsAt,
	}
	for _, c := range s.Clients {
		out.Clients = append(out.Clients, string(c))
	}
	return out
}

func showGrant(g *iam.Grant, clientName string) apiv1.Grant {
	out := apiv1.Grant{
		ID: g.ID, Client: string(g.Client), ClientName: clientName, Scopes: g.Scopes, Organization: string(g.Organization), Session: g.SessionID,
		CreatedAt: g.CreatedAt, ExpiresAt: g.ExpiresAt,
	}
	if d := g.Device; d != nil {
		out.Device, out.Network = true, d.Network
	}
	if f := g.Refresh; f != nil {
		out.Offline = true
		if f.Generation > 1 {
			out.RefreshedAt = f.TurnedAt
		}
	}
	return out
}
