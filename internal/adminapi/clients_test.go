package adminapi_test

import (
	"errors"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// A redirect URI is exact, is nothing that a browser could be talked into running, and leaves the machine encrypted
// (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §4.1).
func TestRedirectURIs(t *testing.T) {
	api := start(t).as("operator")
	const web, native = "", "native"
	for _, c := range []struct {
		uri, kind string
		good      bool
	}{
		{"https://a.test/cb", web, true},
		{"https://a.test:8443/cb?tenant=1", web, true},
		{"http://127.0.0.1:5556/callback", web, true},
		{"http://[::1]/cb", native, true},
		{"http://localhost/cb", native, true},
		{"com.example.app:/oauth", native, true},
		{"com.example.app:/oauth", web, false},
		{"https://*.a.test/cb", web, false},
		{"https://a.test/*", web, false},
		{"https://a.test/cb#f", web, false},
		{"https://a.test/cb#", web, false},
		{"https://user@a.test/cb", web, false},
		{"https://a.test/a/../cb", web, false},
		{"https://a.test/a/%2e%2E/cb", web, false},
		{`https://a.test\@evil.test/cb`, web, false},
		{"https:a.test", web, false},
		{"https:///cb", web, false},
		{"/cb", web, false},
		{"", web, false},
		{"http://a.test/cb", web, false},
		{"http://foo.localhost/cb", web, false},
		{"http://localhost.evil.test/cb", web, false},
		{"http://127.0.0.1.evil.test/cb", web, false},
		{"javascript:alert(1)", native, false},
		{"JaVaScRiPt://x", native, false},
		{"data:text/html,x", native, false},
		{"vbscript:x", native, false},
		{"file:///x", native, false},
		{"blob:https://a.test/x", native, false},
		{"about:blank", native, false},
		{"myapp://cb", native, false},
		{"https://a.test/c b", web, false},
		{"https://a.test/\ncb", web, false},
		{"https://ä.test/cb", web, false},
	} {
		_, err := api.CreateClient(t.Context(), apiv1.NewClient{Name: "c", ClientSpec: apiv1.ClientSpec{
			ClientID: "c", GrantTypes: []string{"authorization_code"}, ApplicationType: c.kind, RedirectURIs: []string{c.uri},
		}})
		if c.good {
			if err != nil {
				t.Errorf("%q (%s): %v", c.uri, c.kind, err)
				continue
			}
			check(t, api.DeleteClient(t.Context(), "c"))
			continue
		}
		var e *apiv1.Error
		if !errors.As(err, &e) || e.Code != "invalid_redirect_uri" || e.Status != 400 {
			t.Errorf("%q (%s): got %v, want 400 invalid_redirect_uri", c.uri, c.kind, err)
		}
	}
}

// What a client's fields say must be possible, each alone and together.
func TestImpossibleClients(t *testing.T) {
	api := start(t).as("operator")
	check(t, errorOf(api.Apply(t.Context(), documents(t, acme), apiv1.ApplyOptions{})))
	yes, no := true, false
	cc := []string{"client_credentials"}
	for name, c := range map[string]struct {
		organization string
		spec         apiv1.ClientSpec
		code, path   string
	}{
		"public machine":                  {"", apiv1.ClientSpec{GrantTypes: cc, TokenEndpointAuthMethod: "none"}, "invalid", "token_endpoint_auth_method"},
		"unknown method":                  {"", apiv1.ClientSpec{GrantTypes: cc, TokenEndpointAuthMethod: "private_key_jwt"}, "invalid", "token_endpoint_auth_method"},
		"unknown grant":                   {"", apiv1.ClientSpec{GrantTypes: []string{"password"}}, "invalid", "grant_types[0]"},
		"no grant":                        {"", apiv1.ClientSpec{GrantTypes: []string{}}, "invalid_redirect_uri", "redirect_uris"}, // the default wants one
		"code without redirect URI":       {"", apiv1.ClientSpec{GrantTypes: []string{"authorization_code"}}, "invalid_redirect_uri", "redirect_uris"},
		"refresh alone":                   {"", apiv1.ClientSpec{GrantTypes: []string{"refresh_token", "client_credentials"}}, "invalid", "grant_types"},
		"machine that signs people in":    {"acme", apiv1.ClientSpec{GrantTypes: []string{"authorization_code"}, RedirectURIs: []string{"https://a.test"}}, "invalid", "grant_types[0]"},
		"operator of an organization":     {"acme", apiv1.ClientSpec{PlatformRole: "operator"}, "invalid", "platform_role"},
		"public operator":                 {"", apiv1.ClientSpec{GrantTypes: []string{"authorization_code"}, RedirectURIs: []string{"https://a.test"}, TokenEndpointAuthMethod: "none", PlatformRole: "operator"}, "invalid", "platform_role"},
		"platform client with a role":     {"", apiv1.ClientSpec{GrantTypes: cc, Role: "reader"}, "invalid", "role"},
		"public without PKCE":             {"", apiv1.ClientSpec{GrantTypes: []string{"authorization_code"}, RedirectURIs: []string{"https://a.test"}, TokenEndpointAuthMethod: "none", RequirePKCE: &no}, "invalid", "require_pkce"},
		"public with a secret":            {"", apiv1.ClientSpec{GrantTypes: []string{"authorization_code"}, RedirectURIs: []string{"https://a.test"}, TokenEndpointAuthMethod: "none", RequirePKCE: &yes, Secrets: []apiv1.SecretSpec{{Name: "s", SecretRef: apiv1.SecretRef{Value: "0123456789"}}}}, "invalid", "secrets"},
		"secret without value":            {"", apiv1.ClientSpec{GrantTypes: cc, Secrets: []apiv1.SecretSpec{{Name: "s"}}}, "invalid", "secrets[0]"},
		"secret with a line feed":         {"", apiv1.ClientSpec{GrantTypes: cc, Secrets: []apiv1.SecretSpec{{Name: "s", SecretRef: apiv1.SecretRef{Value: "a\nb"}}}}, "invalid", "secrets[0]"},
		"secrets of one name":             {"", apiv1.ClientSpec{GrantTypes: cc, Secrets: []apiv1.SecretSpec{{Name: "s", SecretRef: apiv1.SecretRef{Value: "a"}}, {Name: "s", SecretRef: apiv1.SecretRef{Value: "b"}}}}, "invalid", "secrets[1].name"},
		"unknown audience":                {"", apiv1.ClientSpec{GrantTypes: cc, Audiences: []string{"nowhere"}}, "unknown_reference", "audiences[0]"},
		"scope with a space":              {"", apiv1.ClientSpec{GrantTypes: cc, Scopes: []string{"a b"}}, "invalid", "scopes[0]"},
		"origin with a path":              {"", apiv1.ClientSpec{GrantTypes: cc, AllowedOrigins: []string{"https://a.test/"}}, "invalid", "allowed_origins[0]"},
		"any origin":                      {"", apiv1.ClientSpec{GrantTypes: cc, AllowedOrigins: []string{"*"}}, "invalid", "allowed_origins[0]"},
		"bad id":                          {"", apiv1.ClientSpec{GrantTypes: cc, ClientID: "a b"}, "invalid", "client_id"},
		"a role that is not for machines": {"acme", apiv1.ClientSpec{Role: "owner"}, "holder_not_allowed", "role"},
		"a role of nowhere":               {"acme", apiv1.ClientSpec{Role: "king"}, "role_not_available_here", "role"},
	} {
		_, err := api.CreateClient(t.Context(), apiv1.NewClient{Name: "c", Organization: c.organization, ClientSpec: c.spec})
		var e *apiv1.Error
		if !errors.As(err, &e) || e.Code != c.code || len(e.Errors) == 0 || e.Errors[0].Path != c.path {
			t.Errorf("%s: got %#v, want %s at %s", name, err, c.code, c.path)
		}
	}
	_, err := api.CreateClient(t.Context(), apiv1.NewClient{Name: "c", ClientSpec: apiv1.ClientSpec{ClientID: "release", GrantTypes: cc}})
	wantCode(t, err, "client_id_taken")
	_, err = api.CreateClient(t.Context(), apiv1.NewClient{Name: "release", Organization: "acme"})
	wantCode(t, err, "name_taken")
}
