package authserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// metadata is what both documents say: OpenID Connect Discovery 1.0 §3 and RFC 8414 §2. A member is there when what it names is
// there; a list without elements is left out (RFC 8414 §3.2).
type metadata struct {
	Issuer                     string   `json:"issuer"`
	JWKSURI                    string   `json:"jwks_uri"`
	AuthorizationEndpoint      string   `json:"authorization_endpoint,omitempty"`
	PushEndpoint               string   `json:"pushed_authorization_request_endpoint,omitempty"` // RFC 9126 §5
	TokenEndpoint              string   `json:"token_endpoint,omitempty"`
	UserinfoEndpoint           string   `json:"userinfo_endpoint,omitempty"`
	IntrospectionEndpoint      string   `json:"introspection_endpoint,omitempty"`
	RevocationEndpoint         string   `json:"revocation_endpoint,omitempty"`
	DeviceAuthorization        string   `json:"device_authorization_endpoint,omitempty"` // RFC 8628 §4
	GrantTypes                 []string `json:"grant_types_supported,omitempty"`
	TokenAuthMethods           []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	IntrospectionAuthMethods   []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	RevocationAuthMethods      []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	Scopes                     []string `json:"scopes_supported,omitempty"`
	Claims                     []string `json:"claims_supported,omitempty"`
	AuthorizationDetailTypes   []string `json:"authorization_details_types_supported,omitempty"` // RFC 9396 §10
	SubjectTypes               []string `json:"subject_types_supported,omitempty"`
	IDTokenSigningAlgs         []string `json:"id_token_signing_alg_values_supported,omitempty"`
	EndSessionEndpoint         string   `json:"end_session_endpoint,omitempty"`                 // RP-Initiated Logout §2.1
	BackchannelLogout          bool     `json:"backchannel_logout_supported,omitempty"`         // Back-Channel Logout §2.1
	BackchannelLogoutSession   bool     `json:"backchannel_logout_session_supported,omitempty"` // a logout token names the session
	ResponseTypes              []string `json:"response_types_supported,omitempty"`
	ResponseModes              []string `json:"response_modes_supported,omitempty"`
	ChallengeMethods           []string `json:"code_challenge_methods_supported,omitempty"`
	ACRValues                  []string `json:"acr_values_supported,omitempty"`
	Prompts                    []string `json:"prompt_values_supported,omitempty"`
	ClaimsParameterSupported   bool     `json:"claims_parameter_supported,omitempty"`
	IssuerInResponse           bool     `json:"authorization_response_iss_parameter_supported,omitempty"` // RFC 9207 §3
	RequestParameterSupported  bool     `json:"request_parameter_supported"`
	RequestURIParameterSupport bool     `json:"request_uri_parameter_supported"`
}

// metadataMaxAge is how long a client may keep the documents. They change with the program, not with the keys.
const metadataMaxAge = 5 * time.Minute

// metadata builds the two documents from the routes that are mounted and the grants that are handled.
func (s *Server) metadata(routes []web.Route) ([]web.Route, error) {
	m := metadata{
		Issuer: s.Issuer,
		Claims: []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "org_id", "org_name", "roles", "groups", "entitlements", "access_rev", "authorization_details"},
		Scopes: []string{"entitlements"},

		AuthorizationDetailTypes: s.DetailTypes,
	}
	secrets := []string{string(iam.AuthBasic), string(iam.AuthPost)}
	anyClient := append(slices.Clone(secrets), string(iam.AuthNone))
	for _, r := range routes {
		url := s.Issuer + r.Path
		switch r.Path {
		case PathJWKS:
			m.JWKSURI = url
		case PathToken:
			m.TokenEndpoint, m.TokenAuthMethods = url, anyClient
		case PathUserinfo:
			m.UserinfoEndpoint = url
		case PathDeviceCode:
			m.DeviceAuthorization = url
		case PathIntrospect:
			m.IntrospectionEndpoint, m.IntrospectionAuthMethods = url, secrets
		case PathAuthorize:
			m.AuthorizationEndpoint, m.IssuerInResponse, m.ClaimsParameterSupported = url, true, true
			m.ResponseTypes, m.ResponseModes, m.ChallengeMethods = []string{"code"}, []string{modeQuery, modeFormPost}, []string{"S256"}
			m.ACRValues, m.Prompts = acrValues, prompts
			m.Scopes = append(token.OpenIDScopes(), m.Scopes...)
			m.Claims = append(m.Claims, personClaims()...)
		case PathPush:
			m.PushEndpoint = url
		case PathRevoke:
			m.RevocationEndpoint, m.RevocationAuthMethods = url, anyClient
		}
	}
	for _, g := range slices.Sorted(maps.Keys(s.grants)) {
		m.GrantTypes = append(m.GrantTypes, string(g))
	}
	openid := m
	openid.SubjectTypes = []string{"public"}
	openid.EndSessionEndpoint, openid.BackchannelLogout, openid.BackchannelLogoutSession = s.Issuer+PathLogout, true, true
	for _, a := range s.Algorithms {
		openid.IDTokenSigningAlgs = append(openid.IDTokenSigningAlgs, string(a))
	}
	var out []web.Route
	for path, doc := range map[string]metadata{PathOpenIDConfiguration: openid, PathOAuthMetadata: m} {
		body, err := json.Marshal(doc)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", path, err)
		}
		static := web.NewStatic("application/json", metadataMaxAge)
		static.Set(body)
		out = append(out, web.Route{Methods: []string{http.MethodGet}, Path: path, Handler: static.Handle, Errors: writeError, CORS: &web.CORS{Public: true}})
	}
	return out, nil
}

// personClaims are what can be said about a person: in ID tokens, and by scope or one by one.
func personClaims() []string {
	out := []string{"auth_time", "acr", "amr", "sid", "nonce", "at_hash"}
	for _, scope := range slices.Sorted(maps.Keys(scopeClaims)) {
		out = append(out, scopeClaims[scope]...)
	}
	return out
}
