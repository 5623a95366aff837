package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// PathLogout is the end session endpoint (OpenID Connect RP-Initiated Logout 1.0 §2).
const PathLogout = "/oidc/logout"

// A logoutRequest is what a client asked for, after everything about it that does not depend on the browser was checked.
type logoutRequest struct {
	client   iam.ClientID
	redirect string // where the browser goes afterwards; "": to a page of ours
	state    string
	// user and session are whom an ID token of ours named; "": there was none.
	user    iam.UserID
	session string
}

var (
	errLogoutURI    = iam.Refuse(iam.Invalid, "invalid_request", "the address to go to after signing out is not registered for this application, so nobody is sent there")
	errLogoutClient = iam.Refuse(iam.Invalid, "invalid_request", "client_id is not the client that the ID token was issued to")
)

// logout is GET and POST /oidc/logout. Whoever shows an ID token of the person who is signed in here is believed to be asked by that
// person; anybody else, such as a link in another site's page, only gets a question to the person.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	form, err := logoutForm(r)
	if err != nil {
		return err
	}
	if sealed := form.Get("ticket"); sealed != "" {
		return s.logoutGoesOn(w, r, sealed)
	}
	q, err := s.logoutRequest(r.Context(), form)
	if err != nil {
		return err
	}
	if q.client != "" {
		web.Add(r.Context(), slog.String("client_id", string(q.client)))
	}
	if r.Method == http.MethodPost {
		// Another site's form comes without our cookies; the navigation that follows it brings them (SameSite=Lax).
		sealed, err := s.Tickets.Seal(q.ticket())
		if err != nil {
			return err
		}
		return web.SeeOther(w, authn.URL(PathLogout, sealed))
	}
	return s.endOrAsk(w, r, q)
}

func logoutForm(r *http.Request) (web.Form, error) {
	if r.Method == http.MethodPost {
		return web.FormOf(r.Context()), nil
	}
	return web.ReadQuery(r)
}

// logoutRequest checks what a client asks for. Only an ID token tells which client really asks, so without one the browser is sent
// nowhere; what is wrong with it beyond that is no reason to keep somebody from signing out.
func (s *Server) logoutRequest(ctx context.Context, form web.Form) (*logoutRequest, error) {
	q := &logoutRequest{client: iam.ClientID(form.Get("client_id"))}
	if shown := form.Get("id_token_hint"); shown != "" {
		hint, err := s.Inspector.Hint(ctx, shown)
		if err != nil {
			return nil, err
		}
		if hint != nil {
			if q.client != "" && q.client != hint.Client {
				return nil, errLogoutClient
			}
			q.client, q.user, q.session = hint.Client, hint.User, hint.SessionID
		}
	}
	uri := form.Get("post_logout_redirect_uri")
	if uri == "" || q.client == "" {
		return q, nil
	}
	registered, err := s.isLogoutURI(ctx, q.client, uri)
	if err != nil {
		return nil, err
	}
	if !registered {
		return nil, errLogoutURI
	}
	if q.user != "" {
		q.redirect, q.state = uri, form.Get("state")
	}
	return q, nil
}

// isLogoutURI reports whether a client has registered an address to go to after signing out, to the letter.
func (s *Server) isLogoutURI(ctx context.Context, id iam.ClientID, uri string) (bool, error) {
	c, err := s.Policy.Directory.Client(ctx, id)
	if err != nil || c == nil || c.Disabled || c.Web == nil {
		return false, err
	}
	return slices.Contains(c.Web.PostLogoutRedirectURIs, uri), nil
}

// ticket is the request on its way through the browser. What was checked travels, the ID token itself does not.
func (q *logoutRequest) ticket() *authn.Ticket {
	form := url.Values{}
	for name, value := range map[string]string{"uri": q.redirect, "state": q.state, "sub": string(q.user), "sid": q.session} {
		if value != "" {
			form.Set(name, value)
		}
	}
	t := &authn.Ticket{Path: PathLogout, Form: form, Client: q.client}
	if q.redirect != "" {
		t.Leaves = leaves(q.redirect)
	}
	return t
}

// logoutGoesOn takes up a request that the browser brings back: from a client's form, or from ours with the person's answer.
func (s *Server) logoutGoesOn(w http.ResponseWriter, r *http.Request, sealed string) error {
	t, err := s.Tickets.Open(sealed)
	if err != nil {
		return err
	}
	if t.Path != PathLogout {
		return iam.Refuse(iam.Invalid, "invalid_request", "this page belongs to something else: start again where you came from")
	}
	q := &logoutRequest{
		client: t.Client, redirect: t.Form.Get("uri"), state: t.Form.Get("state"), user: iam.UserID(t.Form.Get("sub")), session: t.Form.Get("sid"),
	}
	if q.redirect != "" { // as it is now: it may have been taken back since
		registered, err := s.isLogoutURI(r.Context(), q.client, q.redirect)
		if err != nil {
			return err
		}
		if !registered {
			return errLogoutURI
		}
	}
	if r.Method != http.MethodPost {
		return s.endOrAsk(w, r, q)
	}
	if err := s.People.Cookies.CheckForm(r); err != nil {
		return err
	}
	p, err := s.People.Current(r)
	if err != nil {
		return err
	}
	if p != nil {
		if err := s.signOut(r, p); err != nil {
			return err
		}
	}
	return s.signedOut(w, q)
}

// endOrAsk signs the person out whom the ID token names, and asks anybody else.
func (s *Server) endOrAsk(w http.ResponseWriter, r *http.Request, q *logoutRequest) error {
	p, err := s.People.Current(r)
	if err != nil {
		return err
	}
	switch {
	case p == nil:
		return s.signedOut(w, q)
	case q.user == p.User.ID && (q.session == "" || q.session == p.Session.ID):
		if err := s.signOut(r, p); err != nil {
			return err
		}
		return s.signedOut(w, q)
	}
	t := q.ticket()
	sealed, err := s.Tickets.Seal(t)
	if err != nil {
		return err
	}
	ask := &page.Logout{Action: PathLogout}
	ask.Title, ask.Person, ask.Ticket = "Sign out?", nameOf(p), sealed
	ask.FormToken = s.People.Cookies.FormToken(w, r)
	if t.Leaves != "" {
		ask.FormAction = []string{t.Leaves}
	}
	return page.Write(w, http.StatusOK, ask)
}

func (s *Server) signOut(r *http.Request, p *authn.Person) error {
	web.Add(r.Context(), slog.String("sub", string(p.User.ID)), slog.String("sid", p.Session.ID))
	return s.Endings.SignOut(r.Context(), p.Session)
}

// signedOut is the answer when nobody is signed in any more.
func (s *Server) signedOut(w http.ResponseWriter, q *logoutRequest) error {
	s.People.Cookies.ClearSession(w)
	if q.redirect == "" {
		done := &page.SignedOut{}
		done.Title = "You are signed out"
		return page.Write(w, http.StatusOK, done)
	}
	if q.state == "" {
		return web.SeeOther(w, q.redirect)
	}
	return web.SeeOther(w, withQuery(q.redirect, url.Values{"state": {q.state}}))
}
