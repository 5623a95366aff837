package authserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Both documents say what is mounted and nothing else: every endpoint answers, every grant and method works (MIS-07).
func TestMetadataIsTrue(t *testing.T) {
	b := start(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		a := b.Get(path)
		if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: got %s", path, a)
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(a.Header.Get("Cache-Control"), "public, max-age=") {
			t.Errorf("%s: headers %v", path, a.Header)
		}
		m := a.JSON(t)
		if m["issuer"] != b.Issuer {
			t.Errorf("%s: issuer: got %v, want %s", path, m["issuer"], b.Issuer)
		}
		named := map[string]bool{}
		for member, v := range m {
			switch v := v.(type) {
			case nil:
				t.Errorf("%s: %s is null", path, member)
			case []any:
				if len(v) == 0 {
					t.Errorf("%s: %s is empty: RFC 8414 §3.2 leaves it out", path, member)
				}
			case string:
				if v == "" {
					t.Errorf("%s: %s is empty", path, member)
				}
			}
			if !strings.HasSuffix(member, "_endpoint") && member != "jwks_uri" {
				continue
			}
			endpoint := strings.TrimPrefix(m[member].(string), b.Issuer)
			named[endpoint] = true
			if a := b.Get(endpoint); a.Status == http.StatusNotFound {
				t.Errorf("%s: %s names %s, which is not there", path, member, endpoint)
			}
		}
		for _, endpoint := range []string{
			"/oauth/token", "/oauth/introspect", "/oauth/revoke", "/authorize", "/oauth/par", "/oauth/device/code", "/userinfo", "/.well-known/jwks.json",
		} {
			if !named[endpoint] {
				t.Errorf("%s does not name %s", path, endpoint)
			}
		}
		known := []any{"authorization_code", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code",
			"urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer", "password", "implicit"}
		var works []any
		for _, g := range known {
			if a := b.Post("/oauth/token", cc("grant_type", g.(string))...); a.JSON(t)["error"] != "unsupported_grant_type" {
				works = append(works, g)
			}
		}
		if diff := cmp.Diff(works, m["grant_types_supported"]); diff != "" {
			t.Errorf("%s: grant types (- work, + advertised): %s", path, diff)
		}
		methods := m["token_endpoint_auth_methods_supported"].([]any)
		if !slices.Contains(methods, any("none")) {
			t.Errorf("%s: token endpoint: %v, want none for public clients among them", path, methods)
		}
		for _, method := range methods {
			switch method {
			case "client_secret_basic":
				if a := basic(b, "release", releaseSecret, false); a.Status != http.StatusOK {
					t.Errorf("%s: got %s", method, a)
				}
			case "client_secret_post":
				if a := b.Post("/oauth/token", cc()...); a.Status != http.StatusOK {
					t.Errorf("%s: got %s", method, a)
				}
			case "none":
				// A public client is known by its id: what is wrong is the token, not the client.
				a := b.Post("/oauth/token", "grant_type", "refresh_token", "client_id", "gatehouse-cli", "refresh_token", "x")
				if a.JSON(t)["error"] != "invalid_grant" {
					t.Errorf("%s: got %s", method, a)
				}
			default:
				t.Errorf("%s: advertised and not tried here", method)
			}
		}
	}
}

// The key set has public members only, one kid each, and is cacheable (JWT-19, RFC 7517).
func TestKeySet(t *testing.T) {
	b := start(t)
	a := b.Get("/.well-known/jwks.json")
	if a.Status != http.StatusOK || a.Header.Get("ETag") == "" || a.Header.Get("Cache-Control") != "public, max-age=900" {
		t.Fatalf("got %s, %v", a, a.Header)
	}
	kids := map[any]bool{}
	for _, k := range a.JSON(t)["keys"].([]any) {
		key := k.(map[string]any)
		if key["kid"] == nil || kids[key["kid"]] || key["use"] != "sig" || key["alg"] == nil {
			t.Errorf("key: got %v", key)
		}
		kids[key["kid"]] = true
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if key[private] != nil {
				t.Errorf("the key set shows the private member %s", private)
			}
		}
	}
	if len(kids) != 3 {
		t.Errorf("keys: got %d, want ES256, RS256 and EdDSA", len(kids))
	}
	r, err := http.NewRequest(http.MethodGet, b.URL+"/.well-known/jwks.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("If-None-Match", a.Header.Get("ETag"))
	if a := b.Do(r); a.Status != http.StatusNotModified || a.Body != "" {
		t.Errorf("with its ETag: got %s", a)
	}
}

// Paths are what they are, and what is not there says so in JSON (MIS-05, ADM-20, ADM-24).
func TestUnknownPaths(t *testing.T) {
	b := start(t)
	for _, path := range []string{"/", "/oauth/token/", "/OAuth/Token", "//oauth/token", "/oauth/./token", "/oauth/%74oken", "/metrics", "/debug/pprof/", "/healthz", "/readyz"} {
		if a := b.Get(path); a.Status != http.StatusNotFound || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/") {
			t.Errorf("%s: got %s %v", path, a, a.Header.Get("Content-Type"))
		}
	}
}
