package authserver

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// The authorization endpoint, its pages, and the endpoint that requests are pushed to.
const (
	PathAuthorize    = "/authorize"
	PathResume       = "/authorize/resume"
	PathConsent      = "/consent"
	PathOrganization = "/organization"
	PathPush         = "/oauth/par"
	PathLogin        = "/login" // package signin's
)

// authorizeForm lets every parameter of an authorization request repeat: where that may be told depends on which it is.
var authorizeForm = &web.FormOptions{Limit: 64 << 10, Repeatable: []string{web.Any}}

// authorize is GET and POST /authorize (RFC 6749 §3.1, OIDC Core §3.1.2). It checks the request and sends the browser on to
// /authorize/resume, so that a request which another site's form has posted goes on as a navigation, with our cookies.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	form := web.FormOf(r.Context())
	if r.Method != http.MethodPost {
		var err error
		if form, err = web.ReadQuery(r, web.Any); err != nil {
			return err
		}
	}
	now := s.People.Now()
	q, err := s.readAuthorize(r.Context(), form, now)
	if err != nil {
		return s.refuse(w, r, q, err)
	}
	web.Add(r.Context(), slog.String("client_id", string(q.client.ID)))
	sealed, err := s.Tickets.Seal(s.ticket(q, form, now))
	if iam.KindOf(err) == iam.Invalid { // too long
		err = iam.Refuse(iam.Invalid, "invalid_request", "the request is too long for a browser's address: push it (RFC 9126)")
	}
	if err != nil {
		return s.refuse(w, r, q, err)
	}
	return web.SeeOther(w, authn.URL(PathResume, sealed))
}

// ticket begins the interaction of a request. A pushed request travels by its name.
func (s *Server) ticket(q *authorizeRequest, form web.Form, now time.Time) *authn.Ticket {
	t := &authn.Ticket{
		Path: PathResume, Form: form.Only(authorizeParameters...), Client: q.client.ID, StartedAt: now, ACR: q.acr, LoginHint: q.loginHint,
		Leaves: leaves(q.to),
	}
	if q.pushed != "" {
		t.Form = form.Only("client_id", "request_uri")
	}
	if q.maxAge >= 0 {
		t.SignedInAfter = now.Add(-q.maxAge)
	}
	if q.prompt(promptLogin) {
		t.SignedInAfter = now
	}
	return t
}

// refuse tells a refusal where it may be told: to the client if the request has shown where that is, else to the person alone. A
// fault of ours is told to the person, who can try again; whoever cannot, because nobody is asked, hears of it from the client.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, q *authorizeRequest, err error) error {
	kind := iam.KindOf(err)
	fault := kind == iam.Unavailable || kind == iam.Internal || kind == iam.TooMany
	if q == nil || q.to == "" || fault && !q.prompt(promptNone) {
		return err
	}
	code, description := authorizeError(err)
	web.Add(r.Context(), slog.String("oauth_error", code), slog.String("cause", err.Error()))
	return s.write(w, r, q.answer, map[string]string{"error": code, "error_description": description})
}

// authorizeRoutes are the authorization endpoint with its pages, and the endpoint that requests are pushed to.
func (s *Server) authorizeRoutes() []web.Route {
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	return []web.Route{
		{Methods: append(get, post...), Path: PathAuthorize, Handler: s.authorize, Errors: page.WriteError, Form: authorizeForm, Limit: s.AuthorizeLimit},
		{Methods: get, Path: PathResume, Handler: s.resume, Errors: page.WriteError, Limit: s.AuthorizeLimit},
		{Methods: get, Path: PathConsent, Handler: s.consentPage, Errors: page.WriteError, Limit: s.AuthorizeLimit},
		{Methods: post, Path: PathConsent, Handler: s.consent, Errors: page.WriteError, Form: formOptions, Limit: s.AuthorizeLimit},
		{Methods: get, Path: PathOrganization, Handler: s.organizationPage, Errors: page.WriteError, Limit: s.AuthorizeLimit},
		{Methods: post, Path: PathOrganization, Handler: s.organization, Errors: page.WriteError, Form: formOptions, Limit: s.AuthorizeLimit},
		{Methods: post, Path: PathPush, Handler: s.par, Errors: writeError, Form: formOptions, Limit: s.AuthorizeLimit},
	}
}
