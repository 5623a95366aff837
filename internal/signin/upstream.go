package signin

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Upstream answers the pages by which people sign in at a provider: /login/{connector} sends them there, its callback takes them back,
// and its link makes an account there one more way into the account of somebody who is signed in.
type Upstream struct {
	Providers *authn.Upstreams
	Trips     *authn.Trips
	Tickets   *authn.Tickets
	People    *authn.Sessions
	Cookies   *web.Cookies
	// Connector returns a connector, nil when there is none.
	Connector func(ctx context.Context, name string) (*iam.Connector, error)
	// Arrive returns whose account it is that somebody has come with, and what waits of what he was to get.
	Arrive func(ctx context.Context, c *iam.Connector, id *iam.Identity) (*iam.User, []error, error)
	// Link makes the account that of a user.
	Link  func(ctx context.Context, c *iam.Connector, id *iam.Identity, u iam.UserID) ([]error, error)
	Limit *web.Limiter
	Now   func() time.Time
	Log   *slog.Logger
}

// linkFresh is how long ago somebody may have signed in who adds an account: a browser left alone is no proof.
const linkFresh = 10 * time.Minute

// Routes returns the pages.
func (u *Upstream) Routes() []web.Route {
	get := func(path string, h web.Handler) web.Route {
		return web.Route{Methods: []string{http.MethodGet}, Path: path, Handler: h, Errors: page.WriteError, Limit: u.Limit}
	}
	return []web.Route{
		get("/login/{connector}", u.start),
		get("/login/{connector}/callback", u.callback),
		get("/login/{connector}/link", u.showLink),
		{
			Methods: []string{http.MethodPost}, Path: "/login/{connector}/link", Handler: u.startLink,
			Errors: page.WriteError, Limit: u.Limit, Form: &web.FormOptions{Limit: 16 << 10},
		},
	}
}

// connector finds the connector of the path.
func (u *Upstream) connector(r *http.Request) (*iam.Connector, error) {
	c, err := u.Connector(r.Context(), web.Var(r.Context(), "connector"))
	if err == nil && (c == nil || c.Disabled) {
		err = iam.Errorf(iam.NotFound, "nobody signs in this way here")
	}
	return c, err
}

// start sends the browser to the provider.
func (u *Upstream) start(w http.ResponseWriter, r *http.Request) error {
	c, err := u.connector(r)
	if err != nil {
		return err
	}
	query, err := web.ReadQuery(r)
	if err != nil {
		return err
	}
	trip := &authn.Trip{Connector: c.Name}
	if query.Has("ticket") {
		if trip.Ticket, err = u.Tickets.Open(query.Get("ticket")); err != nil {
			return err
		}
	}
	to, err := u.leave(w, r, c, trip)
	if err != nil {
		return err
	}
	return web.SeeOther(w, to)
}

// leave begins a trip and returns where the browser goes.
func (u *Upstream) leave(w http.ResponseWriter, r *http.Request, c *iam.Connector, trip *authn.Trip) (string, error) {
	sealed, err := u.Trips.Start(trip)
	if err != nil {
		return "", err
	}
	fresh, strong, hint := time.Time{}, false, ""
	if t := trip.Ticket; t != nil {
		fresh, strong, hint = t.SignedInAfter, t.ACR == acrStrong, t.LoginHint
	}
	to, err := u.Providers.Begin(r.Context(), c, trip, fresh, strong, hint)
	if err != nil {
		return "", err
	}
	u.Cookies.SetTrip(w, sealed, trip.StartedAt.Add(authn.TripLife))
	return to, nil
}

// The context classes of a sign-in at a provider: by one factor, as far as we know, and by two.
const (
	acrPlain  = "1"
	acrStrong = "2"
)

// callback takes the browser back from the provider.
func (u *Upstream) callback(w http.ResponseWriter, r *http.Request) error {
	sealed := u.Cookies.Trip(r)
	u.Cookies.ClearTrip(w)
	c, err := u.connector(r)
	if err != nil {
		return err
	}
	query, err := web.ReadQuery(r) // which refuses a parameter that is there twice
	if err != nil {
		return err
	}
	trip, err := u.Trips.Finish(r.Context(), sealed, c.Name, query.Get("state"))
	if err != nil {
		return err
	}
	var fresh time.Time
	if trip.Ticket != nil {
		fresh = trip.Ticket.SignedInAfter
	}
	answer := make(url.Values)
	for _, name := range []string{"code", "iss", "error", "error_description"} {
		if query.Has(name) {
			answer.Set(name, query.Get(name))
		}
	}
	id, err := u.Providers.Complete(r.Context(), c, trip, answer, fresh)
	if err != nil {
		return err
	}
	if trip.User != "" {
		return u.link(w, r, c, trip, id)
	}
	user, waits, err := u.Arrive(r.Context(), c, id)
	if err != nil {
		return err
	}
	u.tell(r.Context(), c, user.ID, waits)
	how := authn.Authentication{User: user, ACR: acrPlain, AMR: id.AMR, Connector: c.Name}
	if c.Strong(id) {
		how.ACR = acrStrong
	}
	if _, err := u.People.SignIn(w, r, how); err != nil {
		return err
	}
	if trip.Ticket == nil {
		return web.SeeOther(w, PathAccount)
	}
	ticket, err := u.Tickets.Seal(trip.Ticket)
	if err != nil {
		return err
	}
	return web.SeeOther(w, authn.URL(trip.Ticket.Path, ticket))
}

// tell puts into the log what somebody was to get and the access model refused.
func (u *Upstream) tell(ctx context.Context, c *iam.Connector, user iam.UserID, waits []error) {
	for _, err := range waits {
		u.Log.WarnContext(ctx, "a mapping was not carried out", "connector", c.Name, "user", string(user), "error", err)
	}
}

// owner returns who is signed in, and has been for no longer than linkFresh; nil after sending anybody else to sign in first.
func (u *Upstream) owner(w http.ResponseWriter, r *http.Request) (*authn.Person, error) {
	who, err := u.People.Current(r)
	if err != nil {
		return nil, err
	}
	after := u.Now().Add(-linkFresh)
	if who != nil && !who.Session.AuthTime.Before(after) {
		return who, nil
	}
	ticket, err := u.Tickets.Seal(&authn.Ticket{Path: r.URL.Path, SignedInAfter: after})
	if err != nil {
		return nil, err
	}
	return nil, web.SeeOther(w, authn.URL(PathLogin, ticket))
}

// showLink asks whether the account at the provider is to be added.
func (u *Upstream) showLink(w http.ResponseWriter, r *http.Request) error {
	c, err := u.connector(r)
	if err != nil {
		return err
	}
	who, err := u.owner(w, r)
	if err != nil || who == nil {
		return err
	}
	p := &page.AddAccount{Provider: c.Title(), Action: r.URL.Path}
	p.Title, p.Person, p.FormToken = "Add a way to sign in", page.PersonName(who.User), u.Cookies.FormToken(w, r)
	return page.Write(w, http.StatusOK, p)
}

// startLink sends the browser to the provider to prove whose the account there is. It goes there by a page of ours: browsers hold the
// whole way that follows a form to the form's policy, and the provider may send people on to hosts that we do not know.
func (u *Upstream) startLink(w http.ResponseWriter, r *http.Request) error {
	if err := u.Cookies.CheckForm(r); err != nil {
		return err
	}
	c, err := u.connector(r)
	if err != nil {
		return err
	}
	who, err := u.owner(w, r)
	if err != nil || who == nil {
		return err
	}
	to, err := u.leave(w, r, c, &authn.Trip{Connector: c.Name, User: who.User.ID, Session: who.Session.ID})
	if err != nil {
		return err
	}
	p := &page.Onward{Provider: c.Title(), To: to}
	p.Title, p.Person = "To "+c.Title(), page.PersonName(who.User)
	w.Header().Set("Refresh", "0;url="+to)
	return page.Write(w, http.StatusOK, p)
}

// link makes the account that somebody has proved to have that of whoever began the trip, who must be the one who ends it.
func (u *Upstream) link(w http.ResponseWriter, r *http.Request, c *iam.Connector, trip *authn.Trip, id *iam.Identity) error {
	who, err := u.People.Current(r)
	if err != nil {
		return err
	}
	if who == nil || who.User.ID != trip.User || who.Session.ID != trip.Session {
		return iam.Refuse(iam.Invalid, "invalid_state", "you were signed out, or signed in as somebody else, meanwhile: start again on your account page")
	}
	waits, err := u.Link(r.Context(), c, id, who.User.ID)
	if err != nil {
		return err
	}
	u.tell(r.Context(), c, who.User.ID, waits)
	return web.SeeOther(w, PathAccount)
}
