package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// An interaction is an authorization request on its way through a browser: what was asked, by whom it is answered, and what that
// person has decided so far.
type interaction struct {
	*authorizeRequest
	ticket *authn.Ticket
	at     time.Time     // before it was looked who is signed in: whoever is signed out later, is so after this
	person *authn.Person // nil: nobody is signed in
}

var errOtherTicket = iam.Refuse(iam.Invalid, "invalid_ticket", "this page is no part of signing in to an application: start again where you came from")

// interaction opens a ticket and reads the request in it anew, against the client as it is now. What the person has decided holds in
// the session in which it was decided. With an error, the request that it returns says where the error may be told.
func (s *Server) interaction(r *http.Request, sealed string) (*interaction, error) {
	x := &interaction{authorizeRequest: new(authorizeRequest), at: s.People.Now()}
	var err error
	if x.ticket, err = s.Tickets.Open(sealed); err != nil {
		return x, err
	}
	t := x.ticket
	if t.Path != PathResume {
		return x, errOtherTicket
	}
	if x.authorizeRequest, err = s.readAuthorize(r.Context(), web.NewForm(t.Form), t.StartedAt); err != nil {
		return x, err
	}
	web.Add(r.Context(), slog.String("client_id", string(x.client.ID)))
	if x.person, err = s.People.Current(r); err != nil {
		return x, err
	}
	if x.person == nil || t.Session != x.person.Session.ID {
		t.Session, t.Organization, t.Consented, t.Scopes = "", "", false, nil
	}
	return x, nil
}

// goOn sends the browser to a page of ours with the interaction.
func (s *Server) goOn(w http.ResponseWriter, r *http.Request, x *interaction, path string) error {
	sealed, err := s.Tickets.Seal(x.ticket)
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	return web.SeeOther(w, authn.URL(path, sealed))
}

// resume is GET /authorize/resume: it sends the browser wherever something is missing, and answers the client when nothing is.
func (s *Server) resume(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	x, err := s.interaction(r, r.URL.Query().Get("ticket"))
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}

	// 1. Who it is.
	again, err := x.mustSignIn()
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if again {
		return s.signIn(w, r, x)
	}

	// 2. For which organization.
	choices, err := s.toChoose(ctx, x)
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if len(choices) > 0 {
		return s.ask(w, r, x, PathOrganization, errInteraction)
	}

	// 3. What may be issued, and whether the person lets the client have it.
	a, err := s.grantable(ctx, x)
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	scopes := x.consentTo(a)
	ask, err := s.mustConsent(ctx, x, scopes)
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if ask {
		x.ticket.Scopes, x.ticket.Consented = scopes, false
		return s.ask(w, r, x, PathConsent, errConsent)
	}

	// 4. The code.
	if err := s.issue(ctx, x, a); err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	return s.write(w, r, x.answer, map[string]string{"code": s.Handles.Code(a.Grant)})
}

// Refusals of OIDC Core §3.1.2.6: what the client gets where nobody may be asked.
var (
	errLogin       = iam.Refuse(iam.Forbidden, "login_required", "nobody is signed in, or not recently enough, or somebody else is")
	errConsent     = iam.Refuse(iam.Forbidden, "consent_required", "the person has to be asked whether the client may have this")
	errInteraction = iam.Refuse(iam.Forbidden, "interaction_required", "the person has to choose the organization to work in")
	errUnmet       = iam.Refuse(iam.Forbidden, "unmet_authentication_requirements", "the person cannot sign in in the way that the client requires")
)

// just reports whether the person has signed in for this very request.
func (x *interaction) just() bool { return !x.person.Session.AuthTime.Before(x.ticket.StartedAt) }

// mustSignIn reports whether the person has to sign in, for the first time or again. Whoever has just done so is not sent there again
// for something that another time would not mend.
func (x *interaction) mustSignIn() (bool, error) {
	if x.person == nil || x.person.Session.AuthTime.Before(x.ticket.SignedInAfter) {
		return true, nil
	}
	switch {
	case x.hinted != "" && x.hinted != x.person.User.ID:
		if x.just() {
			return false, errLogin
		}
		return true, nil
	case x.hintUnread && x.prompt(promptNone):
		return true, nil
	case x.acr == "" || x.person.Session.ACR >= x.acr:
		return false, nil
	case !x.just() && (x.acrEssential || !x.prompt(promptNone)):
		return true, nil
	case x.acrEssential:
		return false, errUnmet
	}
	return false, nil // what was asked for was a wish (OIDC Core §5.5.1.1)
}

// signIn sends the browser to sign in. A session that there is does not do.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, x *interaction) error {
	if x.prompt(promptNone) {
		return s.refuse(w, r, x.authorizeRequest, errLogin)
	}
	if t := x.ticket; x.person != nil && t.SignedInAfter.Before(t.StartedAt) {
		t.SignedInAfter = t.StartedAt
	}
	return s.goOn(w, r, x, PathLogin)
}

// ask sends the browser to a page on which the person decides, unless nobody may be asked, which the client is then told.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, x *interaction, path string, refusal error) error {
	if x.prompt(promptNone) {
		return s.refuse(w, r, x.authorizeRequest, refusal)
	}
	x.ticket.Session = x.person.Session.ID
	return s.goOn(w, r, x, path)
}

// elsewhere is the address at which somebody else signs in for the same request.
func (s *Server) elsewhere(x *interaction) (string, error) {
	t := *x.ticket
	t.SignedInAfter, t.LoginHint = x.at, ""
	t.Session, t.Organization, t.Consented, t.Scopes = "", "", false, nil
	sealed, err := s.Tickets.Seal(&t)
	return authn.URL(PathLogin, sealed), err
}

// grantable has the policy say what the client may have on behalf of the person, in the organization that was named or chosen.
func (s *Server) grantable(ctx context.Context, x *interaction) (*token.Authorization, error) {
	session := x.person.Session
	x.request.Person = &token.Person{User: x.person.User, AuthTime: session.AuthTime, ACR: session.ACR, AMR: session.AMR, SessionID: session.ID}
	a, err := s.Policy.Authorize(ctx, x.request)
	if err != nil {
		return nil, s.denied(ctx, x.form, x.request, err)
	}
	return a, nil
}

// issue makes the grant. The entry in the person's list comes first, and the session knows of the client before there is a code:
// whatever the client may get by it, the person finds, and ends by signing out.
func (s *Server) issue(ctx context.Context, x *interaction, a *token.Authorization) error {
	if x.pushed != "" {
		taken, err := s.Pushed.TakePushedRequest(ctx, x.pushed)
		if err != nil {
			return err
		}
		if !taken {
			return errPushed
		}
	}
	session, client := x.person.Session, x.client
	// The grant is older than any mark that comes while it is made, and younger than those that the session has outlived.
	created := x.at
	if created.Before(session.AuthTime) {
		created = session.AuthTime
	}
	if after := s.Policy.IssuedAfter(created, iam.RevocationRef{Kind: iam.RevokedClient, ID: string(client.ID)}); after.After(created) {
		created = after
	}
	ends := s.Policy.Now().Add(s.Lives.Code)
	g := &iam.Grant{
		ID: a.Grant, Client: client.ID, User: x.person.User.ID, CreatedAt: created, ExpiresAt: ends.Add(codeRemembered),
		Scopes: a.Scopes, Audiences: x.request.Audiences, Details: x.details, Claims: x.claims, Nonce: x.nonce,
		AuthTime: session.AuthTime, ACR: session.ACR, AMR: session.AMR, SessionID: session.ID, Connector: session.Connector,
		Code: &iam.CodeGrant{RedirectURI: x.named, Challenge: x.challenge, ExpiresAt: ends},
	}
	if a.Organization != nil {
		g.Organization = a.Organization.ID
		web.Add(ctx, slog.String("org_id", string(a.Organization.ID)))
	}
	if err := s.People.Uses(ctx, session, client.ID); err != nil {
		return err
	}
	entry := iam.UserGrant{ID: g.ID, Client: client.ID, SessionID: session.ID, CreatedAt: x.at}
	listed := ends.Add(iam.MaxTokenLifetime)
	if slices.Contains(a.Scopes, token.ScopeOfflineAccess) && slices.Contains(client.GrantTypes, iam.GrantRefreshToken) {
		entry.Offline, listed = true, ends.Add(s.Lives.RefreshWhole)
	}
	if err := s.Grants.PutUserGrant(ctx, x.person.User.ID, entry, listed); err != nil {
		return err
	}
	return s.Grants.CreateGrant(ctx, g)
}

// codeRemembered is how long a code that nobody has redeemed is remembered after its end.
const codeRemembered = time.Minute
