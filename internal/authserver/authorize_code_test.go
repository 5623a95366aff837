package authserver_test

import (
	"net/http"
	"strings"
	"testing"
)

// What was authorized is what the client gets for the code: the nonce exactly (AUT-19), the organization, by the verifier of the
// challenge alone (PKC-05); and the ID token says who is meant the next time.
func TestTheCodeBringsWhatWasAuthorized(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	v.signIn("ada")
	nonce := strings.Repeat("n", 384)
	redeem := func(code string, pairs ...string) map[string]any {
		t.Helper()
		a := b.Post("/oauth/token", append([]string{
			"grant_type", "authorization_code", "client_id", "shop", "client_secret", "shop-secret-0123456789abcdef0123456789", "code", code,
			"redirect_uri", "https://shop.example/cb",
		}, pairs...)...)
		m := a.JSON(t)
		m["status"] = a.Status
		return m
	}
	code := wantCode(t, b, v.press("/consent", v.authorize(ask("nonce", nonce, "scope", "openid email unknown", "organization", "north")...), "decision", "accept"), "https://shop.example/cb?")
	got := redeem(code)
	id, _ := got["id_token"].(string)
	if id == "" {
		t.Fatalf("got %v", got)
	}
	claims := part(t, id, 1)
	if claims["nonce"] != nonce || claims["aud"] != "shop" || claims["acr"] != "1" || claims["sid"] == nil || claims["org_name"] != "north" || got["scope"] != "openid email" {
		t.Errorf("got %v with %v", claims, got["scope"])
	}

	if got := redeem(wantCode(t, b, v.authorize(ask()...), "https://shop.example/cb?"), "code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got["error"] != "invalid_grant" {
		t.Errorf("PKC-05: a verifier without a challenge: got %v", got)
	}
	challenged := ask("code_challenge", challenge, "code_challenge_method", "S256")
	if got := redeem(wantCode(t, b, v.authorize(challenged...), "https://shop.example/cb?")); got["error"] != "invalid_grant" {
		t.Errorf("a challenge without a verifier: got %v", got)
	}
	if got := redeem(wantCode(t, b, v.authorize(challenged...), "https://shop.example/cb?"), "code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got["status"] != http.StatusOK {
		t.Errorf("the right verifier: got %v", got)
	}

	hint := ask("prompt", "none", "id_token_hint", id)
	wantCode(t, b, v.authorize(hint...), "https://shop.example/cb?")
	other := visit(t, b)
	other.signIn("bob")
	other.press("/consent", other.authorize(ask()...), "decision", "accept")
	wantRefusal(t, b, other.authorize(hint...), "https://shop.example/cb?", "login_required")
	a := other.authorize(ask("id_token_hint", id)...)
	if !strings.HasPrefix(a.Header.Get("Location"), "/login?") {
		t.Errorf("the hint names somebody else: got %s to %q, want /login", a, a.Header.Get("Location"))
	}
	wantRefusal(t, b, v.authorize(ask("prompt", "none", "id_token_hint", got["access_token"].(string))...), "https://shop.example/cb?", "invalid_request")
	for _, m := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		doc := b.Get(m).JSON(t)
		if doc["authorization_endpoint"] != b.Issuer+"/authorize" || doc["pushed_authorization_request_endpoint"] != b.Issuer+"/oauth/par" ||
			doc["authorization_response_iss_parameter_supported"] != true || doc["request_parameter_supported"] != false || !contains(doc["scopes_supported"], "openid") {
			t.Errorf("%s: got %v", m, doc)
		}
	}
}
