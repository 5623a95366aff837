package apptest_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// unsignedJWT is a JWT with the algorithm none.
func unsignedJWT(claims []byte) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
}

// Modules oidcc-discovery-endpoint-verification, oidcc-idtoken-signature and oidcc-idtoken-unsigned: the metadata says what the suite
// wants to be said, of the types of RFC 8414, and the key set has public keys with names.
func TestConformanceDiscovery(t *testing.T) {
	t.Parallel()
	b := apptest.StartTLS(t)
	a := b.Get("/.well-known/openid-configuration")
	m := a.JSON(t)
	if a.Status != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") || m["issuer"] != b.Issuer {
		t.Fatalf("got %v %v, want the metadata of %s", a, a.Header, b.Issuer)
	}
	for name, value := range m {
		text, isText := value.(string)
		list, isList := value.([]any)
		if value == nil || isText && text == "" || isList && len(list) == 0 {
			t.Errorf("%s is %v: nothing may be null or empty", name, value)
		}
		if (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") && !strings.HasPrefix(text, "https://") {
			t.Errorf("%s: got %q, want an https address", name, text)
		}
	}
	for name, want := range map[string][]string{
		"response_types_supported": {"code"}, "response_modes_supported": {"query", "form_post"}, "subject_types_supported": {"public"},
		"grant_types_supported":                 {"authorization_code", "refresh_token", "client_credentials"},
		"scopes_supported":                      {"openid", "profile", "email", "address", "phone", "offline_access"},
		"id_token_signing_alg_values_supported": {"RS256"}, "code_challenge_methods_supported": {"S256"},
		"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post"},
		"claims_supported":                      {"sub", "iss", "auth_time", "acr", "name", "updated_at", "email_verified", "address", "phone_number"},
	} {
		got, _ := m[name].([]any)
		for _, one := range want {
			if !slices.Contains(got, any(one)) {
				t.Errorf("%s: got %v, want %s in it", name, got, one)
			}
		}
		if slices.Contains(got, any("none")) && name == "id_token_signing_alg_values_supported" {
			t.Errorf("%s offers none", name)
		}
	}
	for name, want := range map[string]any{
		"authorization_endpoint": b.Issuer + "/authorize", "token_endpoint": b.Issuer + "/oauth/token", "userinfo_endpoint": b.Issuer + "/userinfo",
		"end_session_endpoint": b.Issuer + "/oidc/logout", "pushed_authorization_request_endpoint": b.Issuer + "/oauth/par",
		"device_authorization_endpoint": b.Issuer + "/oauth/device/code",
		"request_parameter_supported":   false, "request_uri_parameter_supported": false, "claims_parameter_supported": true,
		"authorization_response_iss_parameter_supported": true, "backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
	} {
		if m[name] != want {
			t.Errorf("%s: got %v, want %v", name, m[name], want)
		}
	}
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	decode(t, b.Get(strings.TrimPrefix(m["jwks_uri"].(string), b.Issuer)).Body, &set)
	seen := make(map[string]bool)
	for _, k := range set.Keys {
		if k["kid"] == "" || seen[k["kid"]] || k["d"] != "" || k["kty"] == "" {
			t.Errorf("key %v: want a public key with a kid of its own", k)
		}
		seen[k["kid"]] = true
	}
	if !slices.ContainsFunc(set.Keys, func(k map[string]string) bool { return k["kty"] == "RSA" && k["use"] == "sig" }) {
		t.Errorf("got %v, want an RSA key for signatures", set.Keys)
	}
}
