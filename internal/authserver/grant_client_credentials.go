package authserver

import (
	"context"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// clientCredentials is the grant of RFC 6749 §4.4: the client speaks for itself. It stores nothing, and there is no refresh token
// (§4.4.3).
type clientCredentials struct{ server *Server }

// CanHandleTokenEndpointRequest is asked after the grant type has chosen this handler.
func (clientCredentials) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(string(iam.GrantClientCredentials))
}

// CanSkipClientAuth is never.
func (clientCredentials) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

// HandleTokenEndpointRequest checks that the client may use the grant.
func (clientCredentials) HandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) error {
	client := r.GetClient().(fositeClient)
	if client.Public() {
		return iam.Refuse(iam.Invalid, "unauthorized_client", "a public client cannot use client_credentials: it has nothing to prove who it is")
	}
	return allowed(client.Client, iam.GrantClientCredentials)
}

// PopulateTokenEndpointResponse mints the token that the policy has authorized.
func (g clientCredentials) PopulateTokenEndpointResponse(_ context.Context, r fosite.AccessRequester, w fosite.AccessResponder) error {
	return g.server.mint(r, w)
}

// allowed refuses a grant that the client is not registered for.
func allowed(client *iam.Client, grant iam.GrantType) error {
	if slices.Contains(client.GrantTypes, grant) {
		return nil
	}
	return iam.Refuse(iam.Invalid, "unauthorized_client", "this client is not registered for the grant type %s", grant)
}

// mint signs the access token for what the request's session says was authorized.
func (s *Server) mint(r fosite.AccessRequester, w fosite.AccessResponder) error {
	a := r.GetSession().(*session).authorization
	t, err := s.Tokens.AccessToken(a)
	if err != nil {
		return err
	}
	w.SetAccessToken(t.Value)
	w.SetTokenType("Bearer")
	w.SetExpiresIn(t.ExpiresIn)
	if t.Scope != "" {
		w.SetScopes(strings.Fields(t.Scope))
	}
	if len(a.Details) > 0 { // RFC 9396 §7
		w.SetExtra("authorization_details", a.Details)
	}
	return nil
}
