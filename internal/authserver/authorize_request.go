package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/keys"
)

// An authorizeRequest is an authorization request (RFC 6749 §4.1.1, OIDC Core §3.1.2.1) that has been read and checked.
type authorizeRequest struct {
	answer // where an answer goes; zero until it is known that it may go there

	client  *iam.Client
	pushed  string   // the name by which a browser brought it (RFC 9126); "": it brought it itself
	form    web.Form // its parameters
	named   string   // the redirect URI as the request names it; "": it does not
	request token.Request
	details string

	challenge     string
	nonce, claims string
	prompts       []string
	maxAge        time.Duration // -1: none was sent
	hinted        iam.UserID    // who has to be signed in; "": anybody
	hintUnread    bool          // a hint is by a key that is gone: it says nothing about who is meant
	acr           string        // the least context class that will do; "": any
	acrEssential  bool
	claimScopes   []string // that the claims belong to which are asked for one by one
	loginHint     string
}

// The values of prompt (OIDC Core §3.1.2.1).
const (
	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	promptSelect  = "select_account"
)

var prompts = []string{promptNone, promptLogin, promptConsent, promptSelect}

func (q *authorizeRequest) prompt(value string) bool { return slices.Contains(q.prompts, value) }

// authorizeParameters are those that an interrupted request takes along: all that a later step reads.
var authorizeParameters = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"prompt", "max_age", "id_token_hint", "login_hint", "acr_values", "claims", "audience", "resource", "organization",
	"authorization_details", "request", "request_uri",
}

var (
	errUnknownClient = iam.Refuse(iam.Invalid, "invalid_client", "the application that sent you here is not known: its client_id is not registered, or the client is out of service")
	errRedirectURI   = iam.Refuse(iam.Invalid, "invalid_redirect_uri", "the application that sent you here has not registered this redirect_uri: it must be the same, character by character")
	errNoRedirectURI = iam.Refuse(iam.Invalid, "invalid_redirect_uri", "the request names no redirect_uri: it must, with the scope openid, or when the client has not registered exactly one")
	errRepeated      = iam.Refuse(iam.Invalid, "invalid_request", "a parameter appears more than once: only audience and resource may")
)

// readAuthorize reads and checks a request that a browser has brought. With an error, the request that it returns says where the
// error may be told: to the client if it has an answer's address, else only to the person.
func (s *Server) readAuthorize(ctx context.Context, form web.Form, now time.Time) (*authorizeRequest, error) {
	q := &authorizeRequest{form: form}
	if name, ours := strings.CutPrefix(form.Get("request_uri"), pushedPrefix); ours {
		if err := s.readPushed(ctx, q, name, now); err != nil {
			return q, err
		}
	}
	return q, s.checkAuthorize(ctx, q)
}

// checkAuthorize checks the parameters of q: first what says where answers go, then all else.
func (s *Server) checkAuthorize(ctx context.Context, q *authorizeRequest) error {
	if err := s.checkAddress(ctx, q); err != nil {
		return err
	}
	switch {
	case q.form.Repeated("audience", "resource") != "":
		return errRepeated
	case q.form.Has("request"):
		return iam.Refuse(iam.Invalid, "request_not_supported", "request objects are not supported: send the parameters themselves")
	case q.form.Has("request_uri") && q.pushed == "":
		return iam.Refuse(iam.Invalid, "request_uri_not_supported", "request_uri may only be one from the pushed authorization request endpoint")
	}
	for _, check := range []func(context.Context, *authorizeRequest) error{s.checkResponse, s.checkPKCE, s.checkTarget, s.checkLogin, s.checkClaims} {
		if err := check(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// checkAddress finds out who asks and where the answer goes. Nothing is ever told to an address that is not registered.
func (s *Server) checkAddress(ctx context.Context, q *authorizeRequest) error {
	form := q.form
	if len(form.Values("client_id")) > 1 || len(form.Values("redirect_uri")) > 1 {
		return errRepeated
	}
	id := iam.ClientID(form.Get("client_id"))
	if id == "" {
		return errUnknownClient
	}
	client, err := s.Clients.Known(ctx, id)
	if err != nil {
		return err
	}
	if client == nil {
		return errUnknownClient
	}
	q.client, q.named = client, form.Get("redirect_uri")
	uri := q.named
	switch {
	case uri == "" && (len(client.RedirectURIs) != 1 || slices.Contains(strings.Fields(form.Get("scope")), token.ScopeOpenID)):
		return errNoRedirectURI
	case uri == "":
		uri = client.RedirectURIs[0]
	case !registered(client, uri):
		return errRedirectURI
	}
	q.answer = answer{to: uri}
	if len(form.Values("state")) == 1 { // which of several is meant cannot be known
		q.state = form.Get("state")
	}
	q.post = slices.Equal(form.Values("response_mode"), []string{modeFormPost})
	return nil
}

func (s *Server) checkResponse(_ context.Context, q *authorizeRequest) error {
	switch form := q.form; {
	case !form.Has("response_type"):
		return iam.Refuse(iam.Invalid, "invalid_request", "the parameter response_type is missing")
	case form.Get("response_type") != "code":
		return iam.Refuse(iam.Invalid, "unsupported_response_type", "response_type must be code: no token is given to a browser's address bar")
	case form.Has("response_mode") && form.Get("response_mode") != modeQuery && form.Get("response_mode") != modeFormPost:
		return iam.Refuse(iam.Invalid, "invalid_request", "response_mode must be query or form_post")
	}
	return allowed(q.client, iam.GrantAuthorizationCode)
}

// challengeChars is the length of a SHA-256 hash in base64url.
const challengeChars = 43

// checkPKCE wants a challenge of RFC 7636 by S256, from all but the confidential clients that are registered to do without.
func (s *Server) checkPKCE(_ context.Context, q *authorizeRequest) error {
	q.challenge = q.form.Get("code_challenge")
	method := q.form.Get("code_challenge_method")
	if q.challenge == "" && method == "" {
		if w := q.client.Web; !q.client.Public() && w != nil && w.OptionalPKCE {
			return nil
		}
		return iam.Refuse(iam.Invalid, "invalid_request", "code_challenge is missing: this client has to use PKCE (RFC 7636)")
	}
	if method != "S256" {
		return iam.Refuse(iam.Invalid, "invalid_request", "code_challenge_method must be S256")
	}
	if len(q.challenge) != challengeChars || strings.ContainsFunc(q.challenge, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	}) {
		return iam.Refuse(iam.Invalid, "invalid_request", "code_challenge must be a SHA-256 hash in base64url: 43 characters")
	}
	return nil
}

// checkTarget reads what is asked for, as the token endpoint does, and refuses what nobody could get.
func (s *Server) checkTarget(ctx context.Context, q *authorizeRequest) error {
	q.request = token.Request{
		Client: q.client, Grant: iam.GrantAuthorizationCode, Scopes: strings.Fields(q.form.Get("scope")), Organization: q.form.Get("organization"),
	}
	var err error
	if q.request.Audiences, err = audiencesOf(q.form); err != nil {
		return err
	}
	q.details = q.form.Get("authorization_details")
	if q.request.Details, err = token.ParseDetails(q.details); err != nil {
		return err
	}
	asked := q.request
	asked.Organization = "" // who is not signed in learns of no organization whether it exists
	_, err = s.Policy.Offer(ctx, asked)
	return err
}

const (
	maxNonce = 2 << 10
	// maxLoginHint is longer than any name that one signs in by.
	maxLoginHint = 256
)

// checkLogin reads what the client wants of the person's signing in.
func (s *Server) checkLogin(_ context.Context, q *authorizeRequest) error {
	q.prompts = strings.Fields(q.form.Get("prompt"))
	for _, p := range q.prompts {
		if !slices.Contains(prompts, p) {
			return iam.Refuse(iam.Invalid, "invalid_request", "prompt must be of none, login, consent and select_account")
		}
	}
	if q.prompt(promptNone) && len(q.prompts) > 1 {
		return iam.Refuse(iam.Invalid, "invalid_request", "prompt=none goes with no other value")
	}
	q.maxAge = -1
	if age := q.form.Get("max_age"); age != "" {
		n, err := strconv.ParseUint(age, 10, 31)
		if err != nil {
			return iam.Refuse(iam.Invalid, "invalid_request", "max_age must be a whole number of seconds")
		}
		q.maxAge = time.Duration(n) * time.Second
	}
	if q.nonce = q.form.Get("nonce"); len(q.nonce) > maxNonce {
		return iam.Refuse(iam.Invalid, "invalid_request", "nonce is longer than %d bytes", maxNonce)
	}
	if hint := q.form.Get("login_hint"); len(hint) <= maxLoginHint {
		q.loginHint = hint
	}
	q.acr = leastACR(strings.Fields(q.form.Get("acr_values")))
	return s.readHint(q)
}

// readHint reads id_token_hint: an ID token that we have given this client. One that has expired still says who is meant.
func (s *Server) readHint(q *authorizeRequest) error {
	hint := q.form.Get("id_token_hint")
	if hint == "" {
		return nil
	}
	payload, _, err := s.Tokens.Ring().Verify(hint, keys.TypeIDToken)
	if errors.Is(err, keys.ErrUnknownKey) {
		q.hintUnread = true // our keys go as they age
		return nil
	}
	var claims struct {
		Issuer   string     `json:"iss"`
		Subject  iam.UserID `json:"sub"`
		Audience string     `json:"aud"`
	}
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil || claims.Issuer != s.Issuer || claims.Audience != string(q.client.ID) || claims.Subject == "" {
		return iam.Refuse(iam.Invalid, "invalid_request", "id_token_hint must be an ID token that this server has issued to this client")
	}
	q.hinted = claims.Subject
	return nil
}

const maxClaims = 4 << 10

// A claimRequest is what a client says of a claim that it asks for (OIDC Core §5.5.1).
type claimRequest struct {
	Essential bool  `json:"essential"`
	Value     any   `json:"value"`
	Values    []any `json:"values"`
}

func (c *claimRequest) accepts() []string {
	var out []string
	for _, v := range append([]any{c.Value}, c.Values...) {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// checkClaims reads the parameter claims (OIDC Core §5.5): that it has its form, who has to sign in, and how.
func (s *Server) checkClaims(_ context.Context, q *authorizeRequest) error {
	raw := q.form.Get("claims")
	if raw == "" {
		return nil
	}
	var asked struct {
		Userinfo map[string]*claimRequest `json:"userinfo"`
		IDToken  map[string]*claimRequest `json:"id_token"`
	}
	if len(raw) > maxClaims || raw[0] != '{' || json.Unmarshal([]byte(raw), &asked) != nil {
		return iam.Refuse(iam.Invalid, "invalid_request", "claims must be a JSON object of at most %d bytes with the members userinfo and id_token (OIDC Core, section 5.5)", maxClaims)
	}
	q.claims = raw
	if sub := asked.IDToken["sub"]; sub != nil {
		if id, ok := sub.Value.(string); ok {
			if q.hinted != "" && q.hinted != iam.UserID(id) {
				return iam.Refuse(iam.Invalid, "invalid_request", "claims and id_token_hint name different people")
			}
			q.hinted = iam.UserID(id)
		}
	}
	if acr := asked.IDToken["acr"]; acr != nil && len(acr.accepts()) > 0 {
		q.acr, q.acrEssential = leastACR(acr.accepts()), acr.Essential
		if q.acr == "" && q.acrEssential {
			return errUnmet
		}
	}
	for _, member := range []map[string]*claimRequest{asked.Userinfo, asked.IDToken} {
		for _, name := range slices.Sorted(maps.Keys(member)) {
			scope := scopeOfClaim(name)
			if scope != "" && !slices.Contains(q.claimScopes, scope) && (len(q.client.Scopes) == 0 || slices.Contains(q.client.Scopes, scope)) {
				q.claimScopes = append(q.claimScopes, scope)
			}
		}
	}
	return nil
}

// acrValues are the authentication context classes: one factor, and two. A higher one does where a lower one was asked for.
var acrValues = []string{"1", "2"}

// leastACR returns the lowest of the classes that a client accepts and we know, "" for none.
func leastACR(accepted []string) string {
	for _, acr := range acrValues {
		if slices.Contains(accepted, acr) {
			return acr
		}
	}
	return ""
}
