package signin

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// A Server answers the pages of signing in and of one's account. Fill in the exported fields, then call Routes once.
type Server struct {
	// Passwords checks passwords; nil: nobody signs in by one.
	Passwords *authn.Passwords
	People    *authn.Sessions
	Browsers  *authn.Browsers
	Tickets   *authn.Tickets
	Cookies   *web.Cookies
	// Client returns a client, nil when there is none: the page says for what somebody signs in.
	Client func(ctx context.Context, id iam.ClientID) (*iam.Client, error)
	// Connectors lists by whom people can sign in beside a password; nil: by nobody.
	Connectors func(ctx context.Context) ([]Connector, error)
	// Limit sheds load on what costs a password's hash.
	Limit   *web.Limiter
	Account *Account
	Links   *Links
}

// A Connector is a provider by which people can sign in, at /login/{Name}.
type Connector struct{ Name, DisplayName string }

// The paths of the pages.
const (
	PathLogin   = "/login"
	PathAccount = "/account"
)

var form = &web.FormOptions{Limit: 16 << 10}

// Routes returns the pages.
func (s *Server) Routes() []web.Route {
	get := func(path string, h web.Handler) web.Route {
		return web.Route{Methods: []string{http.MethodGet}, Path: path, Handler: h, Errors: page.WriteError}
	}
	post := func(path string, h web.Handler) web.Route {
		return web.Route{Methods: []string{http.MethodPost}, Path: path, Handler: h, Errors: page.WriteError, Form: form, Limit: s.Limit}
	}
	routes := []web.Route{get(PathLogin, s.showLogin), post(PathLogin, s.login)}
	if s.Account != nil {
		routes = append(routes, get(PathAccount, s.showAccount), post(PathAccount, s.changeAccount))
	}
	if s.Links != nil {
		routes = append(routes, get(PathLink, s.showLink), post(PathLink, s.followLink), get(PathVerify, s.showVerify), post(PathVerify, s.verify),
			get(PathForgot, s.showForgot), post(PathForgot, s.forgot), get(PathReset, s.showReset), post(PathReset, s.reset),
			get(PathInvitation, s.showInvitation), post(PathInvitation, s.acceptInvitation))
	}
	return routes
}

// signIn begins the session and sends the browser on.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, ticket *authn.Ticket, a authn.Authentication) error {
	if _, err := s.People.SignIn(w, r, a); err != nil {
		return err
	}
	s.Browsers.Remember(w, r, a.User.ID)
	return s.goOn(w, r, ticket)
}

// goOn sends the browser to where the ticket says: a path of ours, which only we can have written.
func (s *Server) goOn(w http.ResponseWriter, r *http.Request, ticket *authn.Ticket) error {
	to := PathAccount
	if ticket != nil {
		sealed, err := s.Tickets.Seal(ticket)
		if err != nil {
			return err
		}
		to = authn.URL(ticket.Path, sealed)
	}
	return web.SeeOther(w, to)
}

// ticket opens the ticket of a request, nil when it has none.
func (s *Server) ticket(f web.Form) (*authn.Ticket, error) {
	if !f.Has("ticket") {
		return nil, nil
	}
	return s.Tickets.Open(f.Get("ticket"))
}

// head is what every page of ours begins with.
func (s *Server) head(w http.ResponseWriter, r *http.Request, title string, f web.Form, ticket *authn.Ticket, who *authn.Person) page.Head {
	h := page.Head{Title: title, FormToken: s.Cookies.FormToken(w, r), Ticket: f.Get("ticket")}
	if ticket != nil && ticket.Leaves != "" {
		h.FormAction = []string{ticket.Leaves}
	}
	if who != nil {
		h.Person = page.PersonName(who.User)
	}
	return h
}
