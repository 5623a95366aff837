package authserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// metadata is what both documents say: OpenID Connect Discovery 1.0 §3 and RFC 8414 §2. A member is there when what it names is
// there; a list without elements is left out (RFC 8414 §3.2).
type metadata struct {
	Issuer                     string   `json:"issuer"`
	JWKSURI                    string   `json:"jwks_uri"`
	TokenEndpoint              string   `json:"token_endpoint,omitempty"`
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
	for _, r := range routes {
		url := s.Issuer + r.Path
		switch r.Path {
		case PathJWKS:
			m.JWKSURI = url
		case PathToken:
			m.TokenEndpoint, m.TokenAuthMethods = url, secrets
		case PathDeviceCode:
			m.DeviceAuthorization = url
		case PathIntrospect:
			m.IntrospectionEndpoint, m.IntrospectionAuthMethods = url, secrets
		case PathRevoke:
			m.RevocationEndpoint, m.RevocationAuthMethods = url, append(slices.Clone(secrets), string(iam.AuthNone))
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
