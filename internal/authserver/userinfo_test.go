package authserver_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// OID-14: userinfo says what the scopes stand for, what was asked for by the parameter claims, and no more.
func TestUserinfoSaysWhatWasGranted(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	asks := func(g *iam.Grant) {
		g.Claims = `{"userinfo":{"email":{"essential":true},"password_hash":null,"sub":{"value":"u_bob"}},"id_token":{"name":null}}`
	}
	for _, c := range []struct {
		scope string
		ask   func(*iam.Grant)
		want  map[string]any
	}{
		{"openid", func(*iam.Grant) {}, map[string]any{"sub": "u_ann"}},
		{"openid profile", func(*iam.Grant) {}, map[string]any{
			"sub": "u_ann", "name": "Ann Example", "preferred_username": "ann", "updated_at": 1772368200.0,
		}},
		{"openid email", func(*iam.Grant) {}, map[string]any{"sub": "u_ann", "email": "ann@acme.example", "email_verified": true}},
		{"openid address phone", func(*iam.Grant) {}, map[string]any{
			"sub": "u_ann", "address": map[string]any{"country": "CH"}, "phone_number": "+41 1 234",
		}},
		{"openid", asks, map[string]any{"sub": "u_ann", "email": "ann@acme.example"}},
	} {
		got := issued(t, r.redeem(s.code("spa", scopes(strings.Fields(c.scope)...), c.ask)))
		a := r.userinfo(got.Access)
		if a.Status != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: got %s, %v", c.scope, a, a.Header)
		}
		if diff := cmp.Diff(c.want, a.JSON(t)); diff != "" {
			t.Errorf("%s: %s", c.scope, diff)
		}
		if b := r.post("/userinfo", "access_token", got.Access); b.Body != a.Body {
			t.Errorf("%s: a POST with the token in the body: got %s", c.scope, b)
		}
		if name := part(t, got.ID, 1)["name"]; (name == "Ann Example") != (c.want["email"] != nil && c.scope == "openid") {
			t.Errorf("%s: the ID token has the name %v", c.scope, name)
		}
	}
}

// A client that may not ask for a scope does not get its claims one by one.
func TestClaimsParameterIsNoWayRoundScopes(t *testing.T) {
	s := embedded(t)
	s.client("spa", func(c *iam.Client) { c.Scopes = []string{"openid", "profile"} })
	asks := func(g *iam.Grant) {
		g.Claims = `{"userinfo":{"email":null,"name":null},"id_token":{"email":null}}`
	}
	got := issued(t, s.replicas[0].redeem(s.code("spa", scopes("openid"), asks)))
	if diff := cmp.Diff(map[string]any{"sub": "u_ann", "name": "Ann Example"}, s.replicas[0].userinfo(got.Access).JSON(t)); diff != "" {
		t.Error(diff)
	}
	if id := part(t, got.ID, 1); id["email"] != nil {
		t.Errorf("ID token: got %v", id)
	}
}

// OID-04 to OID-07: who brings no token, one that does not hold, one for something else, or two, is told so as RFC 6750 §3 has it.
func TestUserinfoRefuses(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	good := s.family()
	reader := issued(t, r.redeem(s.code("spa", scopes("read"))))
	machine := issued(t, r.post("/oauth/token", "grant_type", "client_credentials", "client_id", "api", "client_secret", webSecret, "audience", hub))
	twice := func() apptest.Answer {
		request, _ := http.NewRequest(http.MethodPost, r.url+"/userinfo", strings.NewReader("access_token="+good.Access))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Authorization", "Bearer "+good.Access)
		return do(request)
	}
	address := func() apptest.Answer {
		request, _ := http.NewRequest(http.MethodGet, r.url+"/userinfo?access_token="+good.Access, nil)
		return do(request)
	}
	bare := func() apptest.Answer {
		request, _ := http.NewRequest(http.MethodPost, r.url+"/userinfo", nil)
		request.Header.Set("Authorization", "bearer "+good.Access)
		return do(request)
	}
	if a := bare(); a.Status != http.StatusOK {
		t.Errorf("a POST with the header and no body: got %s", a)
	}
	want := func(name string, a apptest.Answer, status int, code string) {
		t.Helper()
		challenge := a.Header.Get("WWW-Authenticate")
		if a.Status != status || !strings.HasPrefix(challenge, "Bearer ") || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %s, %v, want %d", name, a, a.Header, status)
		}
		if got := strings.Contains(challenge, `error="`+code+`"`); got != (code != "") || code == "" && strings.Contains(challenge, "error") {
			t.Errorf("%s: got WWW-Authenticate: %s, want error %q", name, challenge, code)
		}
	}
	want("no token", r.userinfo(""), http.StatusUnauthorized, "")
	want("garbage", r.userinfo("x"), http.StatusUnauthorized, "invalid_token")
	want("without openid", r.userinfo(reader.Access), http.StatusForbidden, "insufficient_scope")
	want("of a machine", r.userinfo(machine.Access), http.StatusForbidden, "insufficient_scope")
	want("in the address", address(), http.StatusBadRequest, "invalid_request")
	want("twice", twice(), http.StatusBadRequest, "invalid_request")
	r.engine.unread.Store(ofUnit("g:", kv.ErrUnavailable))
	if a := r.userinfo(good.Access); a.Status != http.StatusServiceUnavailable {
		t.Errorf("during an outage: got %s", a)
	}
	r.engine.unread.Store(nil)
	must(t, r.revoke(t.Context(), iam.RevocationRef{Kind: iam.RevokedSession, ID: "sid_1"}))
	want("revoked with its session", r.userinfo(good.Access), http.StatusUnauthorized, "invalid_token")
	later := issued(t, r.redeem(s.code("spa", func(g *iam.Grant) { g.SessionID = "sid_2" })))
	s.pass(16 * time.Minute)
	want("expired", r.userinfo(later.Access), http.StatusUnauthorized, "invalid_token")
}

// The pages of a client may read its answers, and those of nobody else: a preflight is told of any client's origin, the answer is
// for the client's own.
func TestPagesOfAClientMayAsk(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	s.client("cli", func(c *iam.Client) { c.Web.AllowedOrigins = []string{"https://cli.example"} })
	preflight := func(path, origin string) string {
		request, _ := http.NewRequest(http.MethodOptions, r.url+path, nil)
		request.Header.Set("Origin", origin)
		request.Header.Set("Access-Control-Request-Method", http.MethodPost)
		return do(request).Header.Get("Access-Control-Allow-Origin")
	}
	for _, path := range []string{"/oauth/token", "/oauth/revoke", "/userinfo"} {
		for origin, want := range map[string]string{appOrigin: appOrigin, "https://cli.example": "https://cli.example", "https://evil.example": "", "null": ""} {
			if got := preflight(path, origin); got != want {
				t.Errorf("preflight of %s from %s: got %q", path, origin, got)
			}
		}
	}
	got := s.family()
	for origin, want := range map[string]string{appOrigin: appOrigin, "https://cli.example": "", "https://evil.example": ""} {
		a := r.userinfo(got.Access, "Origin", origin)
		if h := a.Header.Get("Access-Control-Allow-Origin"); a.Status != http.StatusOK || h != want {
			t.Errorf("userinfo from %s: got %s with %q", origin, a, h)
		}
	}
	s.client("cli", func(c *iam.Client) { c.Web.AllowedOrigins = nil })
	if got := preflight("/oauth/token", "https://cli.example"); got != "" {
		t.Error("an origin that no client lists any more is still told that it may")
	}
}

// A client introspects and revokes its own refresh tokens; to others they are inactive, and stay as they are.
func TestRefreshTokenIsInspectedAndRevokedByItsClient(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	web := []string{"client_id", "web", "client_secret", webSecret}
	got := issued(t, r.redeem(s.code("web"), web...))
	inspect := func(value string, as ...string) map[string]any {
		return r.post("/oauth/introspect", append([]string{"token", value, "token_type_hint", "access_token"}, as...)...).JSON(t)
	}
	m := inspect(got.Refresh, web...)
	exp, _ := m["exp"].(float64)
	if m["active"] != true || m["sub"] != "u_ann" || m["client_id"] != "web" || m["scope"] != got.Scope || m["token_type"] != nil {
		t.Errorf("got %v", m)
	}
	if left := time.Until(time.Unix(int64(exp), 0)); left < 55*time.Minute || left > time.Hour {
		t.Errorf("exp is in %s, want the end of the refresh token", left)
	}
	if m := inspect(got.Refresh, "client_id", "api", "client_secret", webSecret); len(m) != 1 || m["active"] != false {
		t.Errorf("another client: got %v", m)
	}
	next := issued(t, r.refresh(got.Refresh, web...))
	s.pass(time.Minute)
	if m := inspect(got.Refresh, web...); m["active"] != false {
		t.Errorf("a used one: got %v", m)
	}
	wantError(t, r.post("/oauth/revoke", "client_id", "spa", "token", next.Refresh), http.StatusBadRequest, "invalid_request")
	if !r.active(next.Access) || inspect(next.Refresh, web...)["active"] != true {
		t.Fatal("another client's attempt to revoke ended the grant")
	}
	if a := r.post("/oauth/revoke", append(web, "token", next.Refresh)...); a.Status != http.StatusOK {
		t.Fatalf("revocation: got %s", a)
	}
	if r.active(next.Access) || inspect(next.Refresh, web...)["active"] != false {
		t.Error("the refresh token was revoked: it, or an access token of its grant, is active")
	}
	wantError(t, r.refresh(next.Refresh, web...), http.StatusBadRequest, "invalid_grant")

	public := s.family()
	if a := r.post("/oauth/revoke", "client_id", "spa", "token", public.Refresh); a.Status != http.StatusOK || r.active(public.Access) {
		t.Errorf("a public client: got %s, access token active: %v", a, r.active(public.Access))
	}
}
