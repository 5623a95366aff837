package authserver_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// The request that FloxHub's users send gets a token that says which organization and roles it speaks for (RFC 9068; scenarios 31
// and 32).
func TestMachineTokenSaysWhoseItIs(t *testing.T) {
	b := start(t)
	a := b.Post("/oauth/token", cc("audience", hub)...)
	if a.Status != http.StatusOK {
		t.Fatalf("got %s", a)
	}
	m := a.JSON(t)
	if m["token_type"] != "Bearer" || m["expires_in"] != float64(900) {
		t.Errorf("answer: got %v, want Bearer for 900 s", m)
	}
	if _, ok := m["refresh_token"]; ok {
		t.Error("TOK-12: a machine got a refresh token (RFC 6749 §4.4.3)")
	}
	if got := [2]string{a.Header.Get("Cache-Control"), a.Header.Get("Content-Type")}; got != [2]string{"no-store", "application/json"} {
		t.Errorf("TOK-11: headers: got %v", got)
	}
	jwt := m["access_token"].(string)
	if h := part(t, jwt, 0); h["typ"] != "at+jwt" || h["alg"] != "ES256" || h["kid"] == nil {
		t.Errorf("header: got %v", h)
	}
	c := part(t, jwt, 1)
	want := map[string]any{
		"iss": b.Issuer, "sub": "release", "client_id": "release", "aud": hub, "org_name": "acme",
		"roles": []any{"writer"}, "groups": []any{}, "https://flox.dev/handle": "acme",
	}
	for name, v := range want {
		if diff := cmp.Diff(v, c[name]); diff != "" {
			t.Errorf("claim %s: %s", name, diff)
		}
	}
	for _, name := range []string{"auth_time", "email", "name", "sid", "act"} {
		if v, ok := c[name]; ok {
			t.Errorf("claim %s: got %v, want none: no person is involved", name, v)
		}
	}
	if c["exp"].(float64)-c["iat"].(float64) != 900 {
		t.Errorf("lifetime: got %v to %v", c["iat"], c["exp"])
	}
	if _, random, ok := strings.Cut(c["jti"].(string), "."); !ok || len(random) < 16 {
		t.Errorf("jti: got %v, want <grant>.<random>", c["jti"])
	}
}

// A client that names no audience gets its first one; one that has none gets a token for userinfo.
func TestDefaultAudience(t *testing.T) {
	b := start(t)
	if c := part(t, b.Token("release", releaseSecret), 1); c["aud"] != rs256 {
		t.Errorf("aud: got %v, want the client's first audience", c["aud"])
	}
	c := part(t, b.Token("hub-api", "hub-api-secret-0123456789abcdef0123456789"), 1)
	if c["aud"] != b.Issuer+"/userinfo" || c["org_id"] != nil || c["roles"] != nil {
		t.Errorf("platform client: got %v, want userinfo and no organization", c)
	}
}

// Each audience has its own algorithm and lifetime (RFC 8707); several at once share the shortest life and must agree on the
// algorithm.
func TestAudienceDecidesAlgorithmAndLifetime(t *testing.T) {
	b := start(t)
	jwt := b.Token("release", releaseSecret, "audience", rs256)
	h, c := part(t, jwt, 0), part(t, jwt, 1)
	if h["alg"] != "RS256" || c["exp"].(float64)-c["iat"].(float64) != 300 {
		t.Errorf("rs256: got %v, %v", h, c)
	}
	jwt = b.Token("release", releaseSecret, "audience", other, "resource", hub)
	c = part(t, jwt, 1)
	if diff := cmp.Diff([]any{other, hub}, c["aud"]); diff != "" || c["exp"].(float64)-c["iat"].(float64) != 900 {
		t.Errorf("two audiences: got %v for %v s", c["aud"], c["exp"].(float64)-c["iat"].(float64))
	}
	wantError(t, b.Post("/oauth/token", cc("audience", rs256+" "+other)...), 400, "invalid_target")
}

// The rows of the catalogue that refuse a request by what it asks.
func TestTokenEndpointRefuses(t *testing.T) {
	b := start(t)
	for _, c := range []struct {
		name   string
		form   []string
		status int
		code   string
	}{
		{"TOK-05 unknown grant", cc("grant_type", "foo"), 400, "unsupported_grant_type"},
		{"TOK-05 no grant", cc("grant_type", ""), 400, "invalid_request"},
		{"TOK-05 two grants in one", cc("grant_type", "client_credentials refresh_token"), 400, "unsupported_grant_type"},
		{"TOK-06 grant that is not the client's", []string{"grant_type", "client_credentials", "client_id", "spa"}, 400, "unauthorized_client"},
		{"TOK-07 password", cc("grant_type", "password", "username", "owner", "password", "x"), 400, "unsupported_grant_type"},
		{"TOK-08 scope that the client does not hold", cc("client_id", "nightly", "client_secret", nightlySecret, "scope", "admin"), 400, "invalid_scope"},
		{"TOK-08 scope of another audience", cc("audience", hub, "scope", "catalog:read"), 400, "invalid_scope"},
		{"TOK-08 scope in other case", cc("audience", rs256, "scope", "Catalog:Read"), 400, "invalid_scope"},
		{"TOK-09 audience that is not the client's", cc("client_id", "nightly", "client_secret", nightlySecret, "audience", rs256), 400, "invalid_target"},
		{"TOK-09 audience that does not exist", cc("audience", "https://nowhere.example"), 400, "invalid_target"},
		{"TOK-09 a prefix of an audience", cc("audience", hub+"/more"), 400, "invalid_target"},
		{"TOK-09 the admin API", cc("audience", b.Issuer+"/api/v1"), 400, "invalid_target"},
		{"relative resource", cc("resource", "/api"), 400, "invalid_target"},
		{"resource with fragment", cc("resource", hub+"#x"), 400, "invalid_target"},
		{"organization of others", cc("organization", "beta"), 400, "access_denied"},
		{"organization that does not exist", cc("organization", "nowhere"), 400, "access_denied"},
		{"organization with a control character", cc("organization", "be\x01ta"), 400, "access_denied"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, b.Post("/oauth/token", c.form...), c.status, c.code) })
	}
}

// An organization that does not exist and one that is none of the client's cannot be told apart.
func TestForeignOrganizationLooksLikeNone(t *testing.T) {
	b := start(t)
	foreign := b.Post("/oauth/token", cc("organization", "beta")...)
	none := b.Post("/oauth/token", cc("organization", "nowhere")...)
	if foreign.Status != none.Status || foreign.Body != none.Body {
		t.Errorf("foreign: %s\nnone: %s", foreign, none)
	}
}

// Scopes: those asked, in the order asked; without a request what the client lists; entitlements on request only.
func TestScopes(t *testing.T) {
	b := start(t)
	a := b.Post("/oauth/token", cc("audience", rs256, "scope", "catalog:write catalog:read catalog:write")...)
	if m := a.JSON(t); m["scope"] != "catalog:write catalog:read" || part(t, m["access_token"].(string), 1)["scope"] != "catalog:write catalog:read" {
		t.Errorf("asked twice: got %s", a)
	}
	if c := part(t, b.Token("nightly", nightlySecret), 1); c["scope"] != "jobs:run" {
		t.Errorf("default scope: got %v, want what the client lists", c["scope"])
	}
	if c := part(t, b.Token("release", releaseSecret, "scope", "entitlements"), 1); !contains(c["entitlements"], "package_create") || contains(c["entitlements"], "members_manage") {
		t.Errorf("entitlements: got %v, want a writer's", c["entitlements"])
	}
	if c := part(t, b.Token("release", releaseSecret), 1); c["entitlements"] != nil {
		t.Errorf("entitlements unasked: got %v", c["entitlements"])
	}
}

func contains(list any, want string) bool {
	items, _ := list.([]any)
	for _, v := range items {
		if v == want {
			return true
		}
	}
	return false
}

// Every single-valued parameter may be sent once (TOK-03); audience and resource may repeat.
func TestRepeatedParametersAreRefused(t *testing.T) {
	b := start(t)
	for _, name := range []string{"grant_type", "client_id", "client_secret", "scope", "organization", "code", "redirect_uri", "code_verifier", "refresh_token", "assertion", "subject_token"} {
		form := cc(name, "x")
		if name == "grant_type" || name == "client_id" || name == "client_secret" {
			form = cc()
		}
		for i := 0; i < len(form); i += 2 {
			if form[i] == name {
				form = append(form, name, form[i+1])
				break
			}
		}
		t.Run(name, func(t *testing.T) { wantError(t, b.Post("/oauth/token", form...), 400, "invalid_request") })
	}
	if a := b.Post("/oauth/token", append(cc(), "audience", other, "audience", hub)...); a.Status != 200 {
		t.Errorf("two audiences: got %s", a)
	}
}

// Only a form-encoded body is read (TOK-01, TOK-02, TOK-04), and nothing of the query.
func TestOnlyAFormInTheBodyIsRead(t *testing.T) {
	b := start(t)
	form := "grant_type=client_credentials&client_id=release&client_secret=" + releaseSecret
	send := func(method, path, contentType, body string) apptest.Answer {
		r, err := http.NewRequest(method, b.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		return b.Do(r)
	}
	a := send("GET", "/oauth/token?"+form, "", "")
	if a.Status != http.StatusMethodNotAllowed || !strings.Contains(a.Header.Get("Allow"), "POST") {
		t.Errorf("TOK-01: got %s, Allow %q", a, a.Header.Get("Allow"))
	}
	a = send("POST", "/oauth/token?"+form, "application/x-www-form-urlencoded", "")
	wantError(t, a, 400, "invalid_request")
	if strings.Contains(b.Log.String(), releaseSecret) {
		t.Error("TOK-02: the query is in the log")
	}
	for contentType, body := range map[string]string{
		"application/json": `{"grant_type":"client_credentials","client_id":"release","client_secret":"` + releaseSecret + `"}`,
		"text/plain":       form,
		"":                 form,
	} {
		if a := send("POST", "/oauth/token", contentType, body); a.Status != 415 && a.Status != 400 || strings.Contains(a.Body, "access_token") {
			t.Errorf("TOK-04 %q: got %s", contentType, a)
		}
	}
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	for _, kv := range [][2]string{{"grant_type", "client_credentials"}, {"client_id", "release"}, {"client_secret", releaseSecret}} {
		if err := w.WriteField(kv[0], kv[1]); err != nil {
			t.Fatal(err)
		}
	}
	file, err := w.CreateFormFile("file", "big")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(make([]byte, 20<<20)) // a bytes.Buffer takes all
	_ = w.Close()
	before := tempFiles(t)
	if a := send("POST", "/oauth/token", w.FormDataContentType(), parts.String()); a.Status != 415 && a.Status != 400 && a.Status != 413 {
		t.Errorf("TOK-04 multipart: got %s", a)
	}
	if after := tempFiles(t); after > before {
		t.Errorf("TOK-04: %d files were left in the temporary folder", after-before)
	}
}

func tempFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "multipart-") {
			n++
		}
	}
	return n
}

// Bodies and parameters are bounded (DOS-01, DOS-02) and unknown parameters ignored (TOK-15).
func TestFormsAreBounded(t *testing.T) {
	b := start(t)
	if a := b.Post("/oauth/token", cc("filler", strings.Repeat("x", 64<<10))...); a.Status != 413 && a.Status != 400 {
		t.Errorf("65 KiB: got %s", a)
	}
	many := cc()
	for i := range 1000 {
		many = append(many, fmt.Sprintf("p%d", i), "x")
	}
	start := time.Now()
	if a := b.Post("/oauth/token", many...); a.Status != 400 {
		t.Errorf("1,000 parameters: got %s", a)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("refusing 1,000 parameters took %s", took)
	}
	if a := b.Post("/oauth/token", cc("foo", "bar", "connection", "x")...); a.Status != 200 {
		t.Errorf("TOK-15: got %s", a)
	}
}

// What was disabled or deleted gets no token, and its tokens are dead (TOK-17, TOK-18, scenario 51).
func TestDisabledMeansNoTokenAndDeadTokens(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		end  func(api *apiv1.Client) error
	}{
		{"client disabled", func(api *apiv1.Client) error { _, err := api.DisableClient(ctx, "release"); return err }},
		{"client deleted", func(api *apiv1.Client) error { return api.DeleteClient(ctx, "release") }},
		{"organization disabled", func(api *apiv1.Client) error {
			org, err := api.GetOrganization(ctx, "acme")
			if err != nil {
				return err
			}
			org.Disabled = true
			_, err = api.UpdateOrganization(ctx, "acme", org.NodeSpec, org.ETag)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := start(t)
			jwt := b.Token("release", releaseSecret, "audience", rs256)
			if err := c.end(b.API()); err != nil {
				t.Fatal(err)
			}
			wantError(t, b.Post("/oauth/token", cc()...), 401, "invalid_client")
			a := b.Post("/oauth/introspect", "client_id", "hub-api", "client_secret", "hub-api-secret-0123456789abcdef0123456789", "token", jwt)
			if a.Body != `{"active":false}` {
				t.Errorf("old token: got %s, want inactive", a)
			}
		})
	}
}
