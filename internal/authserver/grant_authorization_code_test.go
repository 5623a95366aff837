package authserver_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A code brings an access token that says who, an ID token that says how, and a refresh token (OIDC Core §3.1.3.3; OID-01).
func TestCodeBringsTokensOfAPerson(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	a := r.redeem(s.code("spa"))
	got := issued(t, a)
	if a.Header.Get("Cache-Control") != "no-store" || got.ExpiresIn != 900 || got.Scope != "openid offline_access read write" || got.Refresh == "" {
		t.Errorf("answer: got %s, headers %v", a, a.Header)
	}
	c := part(t, got.Access, 1)
	if c["sub"] != "u_ann" || c["client_id"] != "spa" || c["org_name"] != "acme" || c["sid"] != "sid_1" || c["acr"] != "1" || c["auth_time"] == nil {
		t.Errorf("access token: got %v", c)
	}
	if aud, _ := c["aud"].([]any); len(aud) != 2 || aud[0] != hub || aud[1] != peopleIssuer+"/userinfo" {
		t.Errorf("aud: got %v, want the audience and userinfo", c["aud"])
	}
	id := part(t, got.ID, 1)
	sum := sha256.Sum256([]byte(got.Access))
	if id["iss"] != peopleIssuer || id["sub"] != "u_ann" || id["aud"] != "spa" || id["nonce"] != "n-1" || id["auth_time"] != c["auth_time"] ||
		id["org_name"] != "acme" || id["at_hash"] != base64.RawURLEncoding.EncodeToString(sum[:16]) || id["email"] != nil {
		t.Errorf("ID token: got %v", id)
	}
	if h := part(t, got.ID, 0); h["alg"] != "RS256" {
		t.Errorf("ID token: got the header %v, want RS256", h)
	}
}

// What was not granted does not come: no ID token without openid, no refresh token without offline_access (REF-14) or for a client
// that may not use it, and no scope that the grant has not.
func TestCodeBringsNoMoreThanWasGranted(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	if got := issued(t, r.redeem(s.code("spa", scopes("read")))); got.ID != "" || got.Refresh != "" || got.Scope != "read" {
		t.Errorf("scope read: got %+v", got)
	}
	s.client("spa", func(c *iam.Client) { c.Scopes = []string{"openid", "offline_access", "read", "write"} })
	if got := issued(t, r.redeem(s.code("spa", scopes()))); got.Scope != "" {
		t.Errorf("no scope: got %q, want none of those that the client lists", got.Scope)
	}
	wantError(t, r.redeem(s.code("spa", scopes("openid")), "scope", "openid read"), http.StatusBadRequest, "invalid_scope")
	wantError(t, r.redeem(s.code("spa"), "audience", other), http.StatusBadRequest, "invalid_target")
	wantError(t, r.redeem(s.code("spa"), "organization", "beta"), http.StatusBadRequest, "invalid_request")
	s.client("spa", func(c *iam.Client) { c.GrantTypes = []iam.GrantType{iam.GrantAuthorizationCode} })
	if got := issued(t, r.redeem(s.code("spa"), "organization", "acme")); got.Refresh != "" {
		t.Error("a client without the grant refresh_token got a refresh token")
	}
	wantError(t, r.redeem("x", "client_id", "api", "client_secret", webSecret), http.StatusBadRequest, "unauthorized_client")
}

// COD-01: a code that comes again, at once or after it has expired, is refused, and what came of it the first time is dead.
func TestCodeReuseEndsTheGrant(t *testing.T) {
	for _, after := range []time.Duration{0, 5 * time.Minute} {
		s := embedded(t)
		r := s.replicas[0]
		code := s.code("spa")
		first := issued(t, r.redeem(code))
		if !r.active(first.Access) {
			t.Fatal("a new token is not active")
		}
		s.pass(after)
		wantError(t, r.redeem(code), http.StatusBadRequest, "invalid_grant")
		if r.active(first.Access) {
			t.Errorf("after %s: the access token of the first is active", after)
		}
		if a := r.userinfo(first.Access); a.Status != http.StatusUnauthorized {
			t.Errorf("after %s: userinfo: got %s", after, a)
		}
		wantError(t, r.refresh(first.Refresh), http.StatusBadRequest, "invalid_grant")
		wantError(t, r.redeem(code), http.StatusBadRequest, "invalid_grant")
	}
}

// COD-02: another client gets nothing for a code, before and after its own has redeemed it, and ends nothing by that.
func TestCodeIsItsClientsAlone(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	code := s.code("spa")
	theft := []string{"client_id", "web", "client_secret", webSecret}
	wantError(t, r.redeem(code, theft...), http.StatusBadRequest, "invalid_grant")
	first := issued(t, r.redeem(code))
	wantError(t, r.redeem(code, theft...), http.StatusBadRequest, "invalid_grant")
	if !r.active(first.Access) {
		t.Error("another client's attempt ended the grant")
	}
	issued(t, r.refresh(first.Refresh))
}

// COD-03: a code lives for a minute.
func TestCodeExpires(t *testing.T) {
	s := embedded(t)
	code := s.code("spa")
	s.pass(time.Minute)
	wantError(t, s.replicas[0].redeem(code), http.StatusBadRequest, "invalid_grant")
}

// PKC-03, -04, -05 and -08: the verifier belongs to the challenge, is there if and only if there was one, and has the form of RFC
// 7636 §4.1. A wrong one leaves the code to whoever has the right one.
func TestCodeNeedsItsVerifier(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	code := s.code("spa")
	for name, v := range map[string]string{
		"wrong": strings.Repeat("a", 43), "none": "", "of 42 characters": verifier[1:], "of 129 characters": strings.Repeat("a", 129),
		"with %": verifier[:42] + "%", "the challenge": challenge,
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, r.redeem(code, "code_verifier", v), http.StatusBadRequest, "invalid_grant")
		})
	}
	issued(t, r.redeem(code))
	bare := s.code("web", func(g *iam.Grant) { g.Code.Challenge = "" })
	as := []string{"client_id", "web", "client_secret", webSecret}
	wantError(t, r.redeem(bare, as...), http.StatusBadRequest, "invalid_grant")
	issued(t, r.redeem(bare, append(as, "code_verifier", "")...))
}

// The redirect URI of the authorization request is sent again, byte for byte (RFC 6749 §4.1.3).
func TestCodeNeedsItsRedirectURI(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	code := s.code("spa")
	for _, uri := range []string{"", redirectURI + "/", "https://evil.example/"} {
		wantError(t, r.redeem(code, "redirect_uri", uri), http.StatusBadRequest, "invalid_grant")
	}
	issued(t, r.redeem(code))
	unnamed := func(g *iam.Grant) { g.Code.RedirectURI = "" }
	issued(t, r.redeem(s.code("spa", unnamed), "redirect_uri", ""))
	wantError(t, r.redeem(s.code("spa", unnamed), "redirect_uri", "https://evil.example/"), http.StatusBadRequest, "invalid_grant")
}

// COD-04: of fifty who redeem a code at once over two replicas one gets tokens, and everybody else invalid_grant.
func TestCodeIsRedeemedOnceOverReplicas(t *testing.T) {
	t.Parallel()
	s := replicated(t, 2)
	for range 4 {
		code := s.code("spa", scopes("read"))
		answers := make([]apptest.Answer, 50)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = s.replicas[i%2].redeem(code) })
		}
		all.Wait()
		won := 0
		for _, a := range answers {
			if a.Status == http.StatusOK {
				won++
				continue
			}
			wantError(t, a, http.StatusBadRequest, "invalid_grant")
		}
		if won != 1 {
			t.Fatalf("%d of 50 got tokens, want one", won)
		}
	}
}

// A store that does not answer is 503 at whatever step, never a wrong invalid_grant, and the code is good afterwards if it was not
// spent.
func TestCodeSurvivesAnOutage(t *testing.T) {
	s := embedded(t, func(s *realm) { s.budget = 300 * time.Millisecond })
	r := s.replicas[0]
	code := s.code("spa")
	r.engine.unread.Store(ofUnit("g:", kv.ErrUnavailable))
	wantError(t, r.redeem(code), http.StatusServiceUnavailable, "temporarily_unavailable")
	r.engine.unread.Store(ofUnit("rev", kv.ErrUnavailable))
	wantError(t, r.redeem(code), http.StatusServiceUnavailable, "temporarily_unavailable")
	r.engine.unread.Store(nil)
	r.engine.refuse.Store(ofUnit("g:", kv.ErrUnavailable))
	wantError(t, r.redeem(code), http.StatusServiceUnavailable, "temporarily_unavailable")
	r.engine.refuse.Store(nil)
	first := issued(t, r.redeem(code))
	// What ends a grant is not said to be done before it is.
	r.engine.refuse.Store(ofUnit("rev", kv.ErrUnavailable))
	wantError(t, r.redeem(code), http.StatusServiceUnavailable, "temporarily_unavailable")
	r.engine.refuse.Store(nil)
	wantError(t, r.redeem(code), http.StatusBadRequest, "invalid_grant")
	if r.active(first.Access) {
		t.Error("the code was used again: the first access token is active")
	}
}
