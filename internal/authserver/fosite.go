package authserver

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// newFosite returns the pipeline. Every field that fosite would fill in lazily is set: its getters write without a lock.
func newFosite(s *Server) *fosite.Fosite {
	return &fosite.Fosite{
		Store: clientStore{},
		Config: &fositeConfig{server: s, Config: &fosite.Config{
			IDTokenIssuer:            s.Issuer,
			AccessTokenIssuer:        s.Issuer,
			ScopeStrategy:            fosite.ExactScopeStrategy,
			AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
			ClientSecretsHasher:      noHasher{},
			JWKSFetcherStrategy:      noFetcher{},
			RefreshTokenScopes:       []string{"offline_access"},
			ClientAuthenticationStrategy: func(_ context.Context, r *http.Request, _ url.Values) (fosite.Client, error) {
				client, err := s.authenticate(r)
				if err != nil {
					return nil, err
				}
				return fositeClient{client}, nil
			},
		}},
	}
}

// fositeConfig chooses the handlers by grant type, so that a request runs through its own grant's code and no other.
type fositeConfig struct {
	*fosite.Config
	server *Server
}

// GetTokenEndpointHandlers returns the handlers of the request's grant type. fosite has put the request into ctx by then.
func (c *fositeConfig) GetTokenEndpointHandlers(ctx context.Context) fosite.TokenEndpointHandlers {
	if r, ok := ctx.Value(fosite.AccessRequestContextKey).(fosite.AccessRequester); ok && len(r.GetGrantTypes()) == 1 {
		if handlers, ok := c.server.grants[iam.GrantType(r.GetGrantTypes()[0])]; ok {
			return handlers
		}
	}
	return unsupported
}

// fositeClient shows fosite a client of ours. It is no fosite.OpenIDConnectClient on purpose: request objects stay off.
type fositeClient struct{ *iam.Client }

func (c fositeClient) GetID() string                      { return string(c.ID) }
func (c fositeClient) GetHashedSecret() []byte            { return nil }
func (c fositeClient) GetRedirectURIs() []string          { return c.RedirectURIs }
func (c fositeClient) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }
func (c fositeClient) GetScopes() fosite.Arguments        { return c.Scopes }
func (c fositeClient) IsPublic() bool                     { return c.Public() }
func (c fositeClient) GetAudience() fosite.Arguments      { return c.Audiences }

func (c fositeClient) GetGrantTypes() fosite.Arguments {
	out := make(fosite.Arguments, len(c.GrantTypes))
	for i, g := range c.GrantTypes {
		out[i] = string(g)
	}
	return out
}

// session carries what a grant's handler has found to the policy, and what was authorized back to the handler, which mints. fosite's
// own fields stay empty.
type session struct {
	grant         *iam.Grant    // that a person's token comes of; nil: the client asks for itself
	person        *token.Person // who allowed it
	nonce         string        // of the first ID token
	generation    uint64        // of the refresh token that was sent
	switched      bool          // the client asks for another organization than the grant is for
	authorization *token.Authorization
	expires       map[fosite.TokenType]time.Time
}

func (s *session) SetExpiresAt(key fosite.TokenType, at time.Time) {
	if s.expires == nil {
		s.expires = make(map[fosite.TokenType]time.Time)
	}
	s.expires[key] = at
}

func (s *session) GetExpiresAt(key fosite.TokenType) time.Time { return s.expires[key] }
func (s *session) GetUsername() string                         { return "" }

func (s *session) GetSubject() string {
	if s.authorization == nil {
		return ""
	}
	return s.authorization.Subject
}

func (s *session) Clone() fosite.Session {
	c := *s
	c.expires = nil
	for k, v := range s.expires {
		c.SetExpiresAt(k, v)
	}
	return &c
}

// clientStore is fosite's storage. Clients are read by clientauth, so nothing is left for it to find.
type clientStore struct{}

func (clientStore) GetClient(context.Context, string) (fosite.Client, error) {
	return nil, fosite.ErrNotFound
}
func (clientStore) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrNotFound }
func (clientStore) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrNotFound
}
