package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/clientauth"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/keys"
)

// A Server answers the OAuth endpoints of one issuer. Fill in the exported fields, then call Routes once.
type Server struct {
	Issuer     string
	Clients    *clientauth.Authenticator
	Policy     *token.Policy
	Tokens     *token.Issuer
	Inspector  *token.Inspector
	Revoker    *token.Revoker
	Handles    *token.Handles
	Grants     GrantStore
	Pushed     PushedStore
	People     *authn.Sessions
	Tickets    *authn.Tickets
	Endings    *authn.Endings
	Lives      Lives
	Algorithms []keys.Alg    // that the key ring signs with
	JWKSMaxAge time.Duration // how long verifiers may keep the JWK set; rotation respects it
	// DetailTypes are what authorization_details may name: the levels below the organization, and the kinds, of all access models
	// that come with the program. Which of them an organization knows is up to its model.
	DetailTypes []string
	// Origin reports whether pages of an origin may ask: whether any client lists it.
	Origin func(ctx context.Context, origin string) bool
	// Issued is told of every token that speaks for a subject in an organization; Denied of every token request of an authenticated
	// client that is refused. Both return at once. Nil: nobody wants to know.
	Issued func(org iam.NodeID, subject iam.Subject)
	Denied func(iam.DeniedRequest)
	// TokenLimit sheds load on issuance; InspectLimit on introspection and revocation, so that neither starves the other.
	TokenLimit, InspectLimit *web.Limiter
	AuthorizeLimit           *web.Limiter // sheds load of browsers that are asked for a person

	fosite *fosite.Fosite
	grants map[iam.GrantType]fosite.TokenEndpointHandlers
	jwks   *web.Static
}

// GrantStore keeps grants, and what people have consented to. ChangeGrant calls fn again when somebody was faster, with nil when there
// is no such grant; what it has decided is durable when it returns nil.
type GrantStore interface {
	Grant(ctx context.Context, id string) (*iam.Grant, error)
	CreateGrant(ctx context.Context, g *iam.Grant) error
	ChangeGrant(ctx context.Context, id string, fn func(g *iam.Grant) (write bool, err error)) error
	DeleteGrant(ctx context.Context, id string) error
	PutUserGrant(ctx context.Context, u iam.UserID, g iam.UserGrant, expires time.Time) error
	Consent(ctx context.Context, u iam.UserID, c iam.ClientID) (*iam.Consent, error)
	PutConsent(ctx context.Context, u iam.UserID, c *iam.Consent) error
	Once(ctx context.Context, kind, id string, until time.Time) (bool, error)
	// CreateUserCode says of which grant a user code is, by its hash; false: it is another one's. UserCode finds the grant, "" for none.
	CreateUserCode(ctx context.Context, hash, grant string, until time.Time) (bool, error)
	UserCode(ctx context.Context, hash string) (grant string, err error)
	// Take counts one more of what is limited, unless it would be too many: then it returns how long there is no room for it. GiveBack
	// undoes a Take of this now.
	Take(ctx context.Context, kind, key string, l iam.Limit, now time.Time) (wait time.Duration, err error)
	GiveBack(ctx context.Context, kind, key string, l iam.Limit, now time.Time) error
}

// Lives are how long what a person allows lasts.
type Lives struct {
	Code, Device              time.Duration
	RefreshIdle, RefreshWhole time.Duration // unused, and in all
	RefreshGrace              time.Duration // in which a used refresh token brings the same successor
	IDToken                   time.Duration
}

// The paths of the endpoints; Auth0's where it has them, so that existing scripts change the host only.
const (
	PathOpenIDConfiguration = "/.well-known/openid-configuration"
	PathOAuthMetadata       = "/.well-known/oauth-authorization-server"
	PathJWKS                = "/.well-known/jwks.json"
	PathToken               = "/oauth/token"
	PathIntrospect          = "/oauth/introspect"
	PathRevoke              = "/oauth/revoke"
	PathUserinfo            = "/userinfo"
	PathDeviceCode          = "/oauth/device/code"
	PathActivate            = "/activate"
)

// formOptions is what every OAuth endpoint reads: audience and resource may repeat (RFC 8707 §2), nothing else.
var formOptions = &web.FormOptions{Limit: 64 << 10, Repeatable: []string{"audience", "resource"}}

// Routes returns the endpoints. They, and the metadata that names them, come from this one list.
func (s *Server) Routes() ([]web.Route, error) {
	s.grants = map[iam.GrantType]fosite.TokenEndpointHandlers{
		iam.GrantClientCredentials: {clientCredentials{s}},
		iam.GrantAuthorizationCode: {authorizationCode{s}},
		iam.GrantRefreshToken:      {refreshToken{s}},
		iam.GrantDeviceCode:        {deviceCode{s}},
	}
	s.fosite = newFosite(s)
	s.jwks = web.NewStatic("application/jwk-set+json", s.JWKSMaxAge)
	public := &web.CORS{Public: true}
	registered := &web.CORS{Registered: s.Origin, Headers: []string{"Authorization"}}
	routes := []web.Route{
		{Methods: []string{http.MethodGet}, Path: PathJWKS, Handler: s.jwks.Handle, Errors: writeError, CORS: public},
		{Methods: []string{http.MethodPost}, Path: PathToken, Handler: s.token, Errors: writeError, Form: formOptions, Limit: s.TokenLimit, CORS: registered},
		{Methods: []string{http.MethodPost}, Path: PathIntrospect, Handler: s.introspect, Errors: writeError, Form: formOptions, Limit: s.InspectLimit},
		{Methods: []string{http.MethodPost}, Path: PathRevoke, Handler: s.revoke, Errors: writeError, Form: formOptions, Limit: s.InspectLimit, CORS: registered},
		{Methods: []string{http.MethodGet, http.MethodPost}, Path: PathUserinfo, Handler: s.userinfo, Errors: writeBearerError, MaxBody: formOptions.Limit, Limit: s.InspectLimit, CORS: registered},
		{Methods: []string{http.MethodPost}, Path: PathDeviceCode, Handler: s.deviceCode, Errors: writeError, Form: formOptions, Limit: s.TokenLimit},
		{Methods: []string{http.MethodGet}, Path: PathActivate, Handler: s.showActivate, Errors: page.WriteError},
		{Methods: []string{http.MethodPost}, Path: PathActivate, Handler: s.activate, Errors: page.WriteError, Form: &web.FormOptions{}},
	}
	pageForm := &web.FormOptions{}
	routes = append(routes,
		web.Route{Methods: []string{http.MethodGet}, Path: PathLogout, Handler: s.logout, Errors: page.WriteError, Limit: s.TokenLimit},
		web.Route{Methods: []string{http.MethodPost}, Path: PathLogout, Handler: s.logout, Errors: page.WriteError, Form: pageForm, Limit: s.TokenLimit},
	)
	routes = append(routes, s.authorizeRoutes()...)
	documents, err := s.metadata(routes)
	if err != nil {
		return nil, err
	}
	return append(documents, routes...), nil
}

// PublishKeys makes the ring's JWK set what is answered from now on.
func (s *Server) PublishKeys(ring *keys.Ring) {
	body, _ := ring.JWKS()
	s.jwks.Set(body)
}

// allowOrigin lets a page of the client read the answer (Fetch §3.2).
func allowOrigin(w http.ResponseWriter, r *http.Request, c *iam.Client) {
	if c.Web != nil {
		web.AllowOrigin(w, r, c.Web.AllowedOrigins)
	}
}

// authenticate finds out which client sends the request.
func (s *Server) authenticate(r *http.Request) (*iam.Client, error) {
	if len(r.Header["Authorization"]) > 1 { // a proxy may have judged by another one than we would
		return nil, iam.Refuse(iam.Invalid, "invalid_request", "the request has more than one Authorization header")
	}
	cred, err := clientauth.Parse(r.Header.Get("Authorization"), r.PostForm)
	if err != nil {
		return nil, err
	}
	client, err := s.Clients.Authenticate(r.Context(), cred, web.Peer(r.Context()).String())
	if err != nil {
		return nil, err
	}
	web.Add(r.Context(), slog.String("client_id", string(client.ID)))
	return client, nil
}
