package authserver

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// consentTo is what the person has to consent to: the scopes that will be granted, and those whose claims are asked for one by one.
func (x *interaction) consentTo(a *token.Authorization) []string {
	scopes := slices.Clone(a.Scopes)
	for _, s := range x.claimScopes {
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// mustConsent reports whether the person has to be asked. The operator may have consented for everybody; prompt=consent asks all the
// same. What was consented to once is not asked again, but for a client that cannot prove who it is: any program may take its name,
// and must not get, unseen, what works while the person is away (OIDC Core §11, RFC 8252 §8.6).
func (s *Server) mustConsent(ctx context.Context, x *interaction, scopes []string) (bool, error) {
	if !x.ticket.Consented || !within(scopes, x.ticket.Scopes) {
		if x.prompt(promptConsent) {
			return true, nil
		}
		if w := x.client.Web; w != nil && w.Consent == "implicit" && (x.proven() || x.just()) {
			return false, nil
		}
		if x.client.Public() && slices.Contains(scopes, token.ScopeOfflineAccess) {
			return true, nil
		}
	}
	// What was decided for this very request was written down before: if it is not there, it was taken back since.
	before, err := s.Grants.Consent(ctx, x.person.User.ID, x.client.ID)
	return before == nil || !within(scopes, before.Scopes), err
}

// proven reports whether an answer reaches nobody but the client: it has a secret, or its address is a site. What listens on the person's
// device may be any program of anybody who uses it, so that a link which somebody has followed must not be all that it takes
// (RFC 8252 §8.6): there, a person who was not asked to sign in is asked whether to go on, whatever the operator has consented to.
func (x *interaction) proven() bool {
	return !x.client.Public() || strings.HasPrefix(x.to, "https://")
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// asked are the scopes that every application may know, in plain words.
var asked = map[string]string{
	token.ScopeOpenID:        "know who you are",
	"profile":                "see your name and your profile",
	"email":                  "see your e-mail address",
	"address":                "see your postal address",
	"phone":                  "see your phone number",
	token.ScopeOfflineAccess: "keep this access while you are away, until you take it back",
	token.ScopeEntitlements:  "see what you may do in the organization",
}

// consentPage is GET /consent.
func (s *Server) consentPage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.interaction(r, r.URL.Query().Get("ticket"))
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if x.ticket.Session == "" { // opened in another session than it was made for
		return s.goOn(w, r, x, PathResume)
	}
	ctx := r.Context()
	choices, err := s.toChoose(ctx, x)
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if len(choices) > 0 {
		return s.goOn(w, r, x, PathResume)
	}
	a, err := s.grantable(ctx, x)
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	p := &page.Consent{Application: x.client.Name, Site: site(x.to)}
	if p.Head, err = s.head(w, r, x, x.client.Name+" wants access"); err != nil {
		return err
	}
	if p.SwitchTo, err = s.elsewhere(x); err != nil {
		return err
	}
	if a.Organization != nil {
		p.Organization = page.NodeName(a.Organization)
	}
	for _, scope := range x.ticket.Scopes {
		if words, ok := asked[scope]; ok {
			p.Asks = append(p.Asks, page.Ask{Words: words})
		} else {
			p.Asks = append(p.Asks, page.Ask{Words: "use what is called", Scope: scope})
		}
	}
	if len(p.Asks) == 0 {
		p.Asks = []page.Ask{{Words: "act for you, with no permission beyond what it has itself"}}
	}
	return page.Write(w, http.StatusOK, p)
}

// head is what the pages of an interaction have in common.
func (s *Server) head(w http.ResponseWriter, r *http.Request, x *interaction, title string) (page.Head, error) {
	sealed, err := s.Tickets.Seal(x.ticket)
	return page.Head{
		Title: title, Person: nameOf(x.person), FormToken: s.People.Cookies.FormToken(w, r), Ticket: sealed,
		FormAction: []string{x.ticket.Leaves},
	}, err
}

// site is where an answer goes, as a person knows it; "" for an application on the person's own device.
func site(redirectURI string) string {
	if _, _, local := loopbackURI(redirectURI); local {
		return ""
	}
	u, err := url.Parse(redirectURI)
	if err != nil {
		return ""
	}
	return u.Host
}

var (
	errNotAllowed = iam.Refuse(iam.Forbidden, "access_denied", "the person does not allow it")
	errDecision   = iam.Refuse(iam.Invalid, "invalid_request", "the form does not say what was decided: go back and press one of the buttons")
)

// consent is POST /consent.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) error {
	if err := s.People.Cookies.CheckForm(r); err != nil {
		return err
	}
	ctx := r.Context()
	form := web.FormOf(ctx)
	x, err := s.interaction(r, form.Get("ticket"))
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if x.ticket.Session == "" {
		return s.goOn(w, r, x, PathResume)
	}
	switch form.Get("decision") {
	case "accept":
		if err := s.remember(ctx, x); err != nil {
			return err
		}
		x.ticket.Consented = true
		return s.goOn(w, r, x, PathResume)
	case "deny":
		return s.refuse(w, r, x.authorizeRequest, errNotAllowed)
	}
	return errDecision
}

// remember adds what the person has just allowed to what the client was allowed before.
func (s *Server) remember(ctx context.Context, x *interaction) error {
	user := x.person.User.ID
	before, err := s.Grants.Consent(ctx, user, x.client.ID)
	if err != nil {
		return err
	}
	c := &iam.Consent{Client: x.client.ID, Scopes: slices.Clone(x.ticket.Scopes), At: x.at}
	if before != nil {
		c.Scopes = append(c.Scopes, before.Scopes...)
	}
	slices.Sort(c.Scopes)
	c.Scopes = slices.Compact(c.Scopes)
	return s.Grants.PutConsent(ctx, user, c)
}
