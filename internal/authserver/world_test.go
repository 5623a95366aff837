package authserver_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// world is two organizations of one installation: acme with a writer, a reader and a resource server; beta with a client of its own.
const world = `
kind: Audience
metadata: {name: rs256}
spec: {identifier: https://rs256.example/api, signingAlg: RS256, tokenLifetime: 5m, scopes: [catalog:read, catalog:write], resourceServers: [hub-api]}
---
kind: Audience
metadata: {name: other}
spec: {identifier: https://other.example/api, tokenLifetime: 1h, scopes: [other:read], resourceServers: [beta-api]}
---
kind: User
metadata: {name: dan}
spec: {email: dan@beta.example}
---
kind: Organization
metadata: {name: beta}
spec: {model: floxhub, assignments: [{user: dan, role: owner}]}
---
kind: Client
metadata: {name: release, organization: acme}
spec:
  clientId: release
  grantTypes: [client_credentials]
  role: writer
  audiences: [https://rs256.example/api, https://other.example/api, https://hub.flox.dev/api]
  secrets: [{name: ci, value: release-secret-0123456789abcdef0123456789}]
---
kind: Client
metadata: {name: nightly, organization: acme}
spec:
  clientId: nightly
  grantTypes: [client_credentials]
  audiences: [https://hub.flox.dev/api]
  scopes: [jobs:run]
  secrets: [{name: ci, value: "pa:ss%wo+rd über {}[] 0123456789"}]
---
kind: Client
metadata: {name: strict, organization: acme}
spec:
  clientId: strict
  grantTypes: [client_credentials]
  tokenEndpointAuthMethod: client_secret_basic
  strictAuthMethod: true
  audiences: [https://hub.flox.dev/api]
  secrets: [{name: ci, value: strict-secret-0123456789abcdef0123456789}, {name: spare, value: spare-secret-0123456789abcdef0123456789}]
---
kind: Client
metadata: {name: short, organization: acme}
spec:
  clientId: short
  grantTypes: [client_credentials]
  audiences: [https://hub.flox.dev/api]
  secrets: [{name: ci, value: hunter2-imported}]
---
kind: Client
metadata: {name: hub-api}
spec: {clientId: hub-api, grantTypes: [client_credentials], secrets: [{name: s, value: hub-api-secret-0123456789abcdef0123456789}]}
---
kind: Client
metadata: {name: beta-api, organization: beta}
spec: {clientId: beta-api, grantTypes: [client_credentials], secrets: [{name: s, value: beta-api-secret-0123456789abcdef0123456789}]}
---
kind: Client
metadata: {name: spa}
spec: {clientId: spa, grantTypes: [authorization_code], tokenEndpointAuthMethod: none, redirectUris: ["http://127.0.0.1:5556/callback"]}
`

const (
	releaseSecret = "release-secret-0123456789abcdef0123456789"
	nightlySecret = "pa:ss%wo+rd über {}[] 0123456789"
	strictSecret  = "strict-secret-0123456789abcdef0123456789"
	rs256         = "https://rs256.example/api"
	other         = "https://other.example/api"
	hub           = apptest.Audience
)

func start(t *testing.T, opts ...apptest.Option) *apptest.Broker {
	t.Helper()
	return apptest.Start(t, append(opts, apptest.Apply(apptest.File(t, "world.yaml", world)))...)
}

// cc is the form of a client_credentials request for client release, with changes: name, value; "" takes the parameter out.
func cc(changes ...string) []string {
	form := [][2]string{{"grant_type", "client_credentials"}, {"client_id", "release"}, {"client_secret", releaseSecret}}
	for i := 0; i+1 < len(changes); i += 2 {
		found := false
		for k := range form {
			if form[k][0] == changes[i] {
				form[k][1], found = changes[i+1], true
			}
		}
		if !found {
			form = append(form, [2]string{changes[i], changes[i+1]})
		}
	}
	var out []string
	for _, p := range form {
		if p[1] != "" {
			out = append(out, p[0], p[1])
		}
	}
	return out
}

// wantError checks an OAuth error answer: status, code, and all that RFC 6749 §5.2 says of its form.
func wantError(t *testing.T, a apptest.Answer, status int, code string) {
	t.Helper()
	if a.Status != status {
		t.Errorf("status: got %s, want %d", a, status)
	}
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type: got %q", got)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("cache control: got %q", got)
	}
	m := a.JSON(t)
	if m["error"] != code {
		t.Errorf("error: got %v, want %s (%s)", m["error"], code, a)
	}
	description, _ := m["error_description"].(string)
	if description == "" || strings.ContainsFunc(description, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
		t.Errorf("error_description: got %q, want a sentence in the characters of RFC 6749 §5.2", description)
	}
	if _, ok := m["access_token"]; ok {
		t.Error("an error answer carries a token")
	}
	if status == http.StatusUnauthorized && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("401 without WWW-Authenticate: %v", a.Header)
	}
}

// part decodes the header (0) or the claims (1) of a JWT.
func part(t *testing.T, jwt string, n int) map[string]any {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("not a compact JWS: %q", jwt)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[n])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
