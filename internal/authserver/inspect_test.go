package authserver_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

const (
	hubAPISecret  = "hub-api-secret-0123456789abcdef0123456789"
	betaAPISecret = "beta-api-secret-0123456789abcdef0123456789"
)

func introspect(b *apptest.Broker, client, secret, token string, more ...string) apptest.Answer {
	return b.Post("/oauth/introspect", append([]string{"client_id", client, "client_secret", secret, "token", token}, more...)...)
}

// Introspection tells the token's own client and the resource servers of its audience, and nobody else (RFC 7662 §4, INT-02).
func TestIntrospectionTellsOnlyWhomItConcerns(t *testing.T) {
	b := start(t)
	jwt := b.Token("release", releaseSecret, "audience", rs256, "scope", "catalog:read")
	for _, c := range []struct {
		client, secret string
		active         bool
	}{
		{"release", releaseSecret, true},     // its own token
		{"hub-api", hubAPISecret, true},      // a resource server of the audience
		{"beta-api", betaAPISecret, false},   // a resource server of another audience, of another organization
		{"nightly", nightlySecret, false},    // same organization, no business
		{"strict", "wrong-secret-xx", false}, // does not even get in
	} {
		a := introspect(b, c.client, c.secret, jwt)
		switch {
		case c.client == "strict":
			wantError(t, a, 401, "invalid_client")
		case c.active:
			m := a.JSON(t)
			for name, want := range part(t, jwt, 1) {
				if got := m[name]; got == nil {
					t.Errorf("%s: member %s: got none, want %v", c.client, name, want)
				}
			}
			if m["active"] != true || m["token_type"] != "Bearer" {
				t.Errorf("%s: got %s, want active", c.client, a)
			}
		case a.Status != http.StatusOK || a.Body != `{"active":false}`:
			t.Errorf("%s: got %s, want exactly inactive", c.client, a)
		}
		if a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("INT-08: %s: cache control %q", c.client, a.Header.Get("Cache-Control"))
		}
	}
}

// What is no live access token of ours is inactive, whatever it is (INT-03, the rows of group L).
func TestEverythingElseIsInactive(t *testing.T) {
	b := start(t)
	jwt := b.Token("release", releaseSecret)
	parts := strings.Split(jwt, ".")
	for name, token := range map[string]string{
		"garbage":              "garbage",
		"empty parts":          "..",
		"three million dots":   strings.Repeat(".", 30_000),
		"no signature":         parts[0] + "." + parts[1] + ".",
		"none":                 "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"other header":         "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9." + parts[1] + "." + parts[2],
		"changed payload":      parts[0] + "." + parts[1][:len(parts[1])-2] + "AA." + parts[2],
		"signature of another": parts[0] + "." + parts[1] + "." + strings.Split(b.Token("nightly", nightlySecret), ".")[2],
		"refresh-like":         "gate_rt_0000000000",
		"padding":              jwt + "=",
		"white space":          jwt[:20] + " " + jwt[20:],
	} {
		if a := introspect(b, "release", releaseSecret, token); a.Status != http.StatusOK || a.Body != `{"active":false}` {
			t.Errorf("%s: got %s, want exactly inactive", name, a)
		}
	}
	for _, hint := range []string{"access_token", "refresh_token", "nonsense"} {
		if a := introspect(b, "release", releaseSecret, jwt, "token_type_hint", hint); a.JSON(t)["active"] != true {
			t.Errorf("INT-09 hint %s: got %s", hint, a)
		}
	}
}

// Who does not authenticate learns nothing (INT-01, INT-07).
func TestIntrospectionNeedsAConfidentialClient(t *testing.T) {
	b := start(t)
	jwt := b.Token("release", releaseSecret)
	wantError(t, b.Post("/oauth/introspect", "token", jwt), 401, "invalid_client")
	wantError(t, b.Post("/oauth/introspect", "token", jwt, "client_id", "spa"), 401, "invalid_client")
	wantError(t, b.Post("/oauth/introspect", "client_id", "release", "client_secret", releaseSecret), 400, "invalid_request")
	if a := b.Get("/oauth/introspect?token=" + jwt); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("INT-07 GET: got %s", a)
	}
	r := b.Form("/oauth/introspect", "token", jwt)
	r.Header.Set("Authorization", "Bearer "+jwt)
	wantError(t, b.Do(r), 401, "invalid_client")
}

// Revocation (RFC 7009): the own token dies at once, another's does not, what is unknown is fine (REV-01, 03, 04, 05).
func TestRevocation(t *testing.T) {
	b := start(t)
	revoke := func(client, secret, token string, more ...string) apptest.Answer {
		return b.Post("/oauth/revoke", append([]string{"client_id", client, "client_secret", secret, "token", token}, more...)...)
	}
	jwt := b.Token("release", releaseSecret)
	sibling := b.Token("release", releaseSecret)
	wantError(t, revoke("nightly", nightlySecret, jwt), 400, "invalid_request")
	if a := introspect(b, "release", releaseSecret, jwt); a.JSON(t)["active"] != true {
		t.Errorf("REV-04: another client's attempt ended the token: %s", a)
	}
	if a := revoke("release", releaseSecret, jwt, "token_type_hint", "refresh_token"); a.Status != http.StatusOK || a.Body != "" {
		t.Errorf("REV-05: got %s, want 200 and nothing", a)
	}
	if a := introspect(b, "release", releaseSecret, jwt); a.Body != `{"active":false}` {
		t.Errorf("REV-01: got %s after the revocation", a)
	}
	if a := introspect(b, "release", releaseSecret, sibling); a.JSON(t)["active"] != true {
		t.Errorf("another token of the client: got %s, want it alive", a)
	}
	for _, token := range []string{"garbage", jwt, "gate_rt_x"} {
		if a := revoke("release", releaseSecret, token); a.Status != http.StatusOK {
			t.Errorf("REV-03 %.10q: got %s", token, a)
		}
	}
	wantError(t, b.Post("/oauth/revoke", "token", jwt), 401, "invalid_client")
	if a := b.Post("/oauth/revoke", "token", "x", "client_id", "spa"); a.Status != http.StatusOK {
		t.Errorf("REV-10 public client: got %s", a)
	}
}

// However fast marks follow each other, tokens stay near the clock, and every mark outlives what it hits (MIS-03).
func TestManyMarksMoveNothingIntoTheFuture(t *testing.T) {
	b := start(t)
	for range 60 {
		a := b.Post("/oauth/token", cc("audience", hub)...)
		if a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" {
			continue
		}
		if a.Status != http.StatusOK {
			t.Fatalf("got %s", a)
		}
		c := part(t, a.JSON(t)["access_token"].(string), 1)
		if ahead := c["iat"].(float64) - float64(time.Now().Unix()); ahead > 2 {
			t.Fatalf("iat is %v s ahead", ahead)
		}
		if a := b.Admin("POST", "/revocations", `{"kind":"client","id":"release"}`); a.Status >= 300 {
			t.Fatalf("mark: got %s", a)
		}
	}
}

// A mark on a client or an organization ends what was issued so far, and nothing that is issued after it.
func TestMarksEndWhatWasIssuedSoFar(t *testing.T) {
	b := start(t)
	for _, body := range []string{`{"kind":"client","id":"release"}`, `{"kind":"organization","id":"acme"}`} {
		before := b.Token("release", releaseSecret)
		if a := b.Admin("POST", "/revocations", body); a.Status >= 300 {
			t.Fatalf("%s: got %s", body, a)
		}
		after := b.Token("release", releaseSecret)
		if a := introspect(b, "release", releaseSecret, before); a.Body != `{"active":false}` {
			t.Errorf("%s: token from before: got %s", body, a)
		}
		if a := introspect(b, "release", releaseSecret, after); a.JSON(t)["active"] != true {
			t.Errorf("%s: token from after: got %s", body, a)
		}
	}
}
