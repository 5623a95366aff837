package authserver

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/clientauth"
	"github.com/gatehouse-id/gatehouse/internal/iam"
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
	Algorithms []keys.Alg    // that the key ring signs with
	JWKSMaxAge time.Duration // how long verifiers may keep the JWK set; rotation respects it
	// DetailTypes are what authorization_details may name: the levels below the organization, and the kinds, of all access models
	// that come with the program. Which of them an organization knows is up to its model.
	DetailTypes []string
	// Issued is told of every token that speaks for a subject in an organization; Denied of every token request of an authenticated
	// client that is refused. Both return at once. Nil: nobody wants to know.
	Issued func(org iam.NodeID, subject iam.Subject)
	Denied func(iam.DeniedRequest)
	// TokenLimit sheds load on issuance; InspectLimit on introspection and revocation, so that neither starves the other.
	TokenLimit, InspectLimit *web.Limiter

	fosite *fosite.Fosite
	grants map[iam.GrantType]fosite.TokenEndpointHandlers
	jwks   *web.Static
}

// The paths of the endpoints; Auth0's where it has them, so that existing scripts change the host only.
const (
	PathOpenIDConfiguration = "/.well-known/openid-configuration"
	PathOAuthMetadata       = "/.well-known/oauth-authorization-server"
	PathJWKS                = "/.well-known/jwks.json"
	PathToken               = "/oauth/token"
	PathIntrospect          = "/oauth/introspect"
	PathRevoke              = "/oauth/revoke"
)

// formOptions is what every OAuth endpoint reads: audience and resource may repeat (RFC 8707 §2), nothing else.
var formOptions = &web.FormOptions{Limit: 64 << 10, Repeatable: []string{"audience", "resource"}}

// Routes returns the endpoints. They, and the metadata that names them, come from this one list.
func (s *Server) Routes() ([]web.Route, error) {
	s.grants = map[iam.GrantType]fosite.TokenEndpointHandlers{
		iam.GrantClientCredentials: {clientCredentials{s}},
	}
	s.fosite = newFosite(s)
	s.jwks = web.NewStatic("application/jwk-set+json", s.JWKSMaxAge)
	public := &web.CORS{Public: true}
	routes := []web.Route{
		{Methods: []string{http.MethodGet}, Path: PathJWKS, Handler: s.jwks.Handle, Errors: writeError, CORS: public},
		{Methods: []string{http.MethodPost}, Path: PathToken, Handler: s.token, Errors: writeError, Form: formOptions, Limit: s.TokenLimit},
		{Methods: []string{http.MethodPost}, Path: PathIntrospect, Handler: s.introspect, Errors: writeError, Form: formOptions, Limit: s.InspectLimit},
		{Methods: []string{http.MethodPost}, Path: PathRevoke, Handler: s.revoke, Errors: writeError, Form: formOptions, Limit: s.InspectLimit},
	}
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
