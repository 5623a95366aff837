package authserver_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// basic sends client credentials in the Authorization header, form-encoded as RFC 6749 §2.3.1 wants unless raw.
func basic(b *apptest.Broker, id, secret string, raw bool, pairs ...string) apptest.Answer {
	r := b.Form("/oauth/token", append([]string{"grant_type", "client_credentials"}, pairs...)...)
	if !raw {
		id, secret = url.QueryEscape(id), url.QueryEscape(secret)
	}
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
	return b.Do(r)
}

// The rows of the catalogue on client authentication.
func TestClientAuthentication(t *testing.T) {
	b := start(t)
	ok := func(t *testing.T, a apptest.Answer) {
		t.Helper()
		if a.Status != http.StatusOK {
			t.Errorf("got %s, want a token", a)
		}
	}
	t.Run("basic and post are both accepted", func(t *testing.T) {
		ok(t, basic(b, "release", releaseSecret, false))
		ok(t, b.Post("/oauth/token", cc()...))
	})
	t.Run("any of several secrets", func(t *testing.T) {
		ok(t, basic(b, "strict", strictSecret, false))
		ok(t, basic(b, "strict", "spare-secret-0123456789abcdef0123456789", false))
	})
	t.Run("CLI-05 strict method", func(t *testing.T) {
		wantError(t, b.Post("/oauth/token", cc("client_id", "strict", "client_secret", strictSecret)...), 401, "invalid_client")
	})
	t.Run("CLI-07 special characters", func(t *testing.T) {
		ok(t, basic(b, "nightly", nightlySecret, false))
		ok(t, basic(b, "nightly", nightlySecret, true)) // curl -u does not encode
		ok(t, b.Post("/oauth/token", cc("client_id", "nightly", "client_secret", nightlySecret)...))
	})
	t.Run("short imported secret", func(t *testing.T) {
		ok(t, basic(b, "short", "hunter2-imported", false))
		ok(t, basic(b, "short", "hunter2-imported", false))
		wantError(t, basic(b, "short", "hunter2-imporTed", false), 401, "invalid_client")
	})
	t.Run("CLI-02 two methods", func(t *testing.T) {
		wantError(t, basic(b, "release", releaseSecret, false, "client_secret", releaseSecret), 400, "invalid_request")
		wantError(t, basic(b, "release", releaseSecret, false, "client_assertion", "x", "client_assertion_type", "y"), 400, "invalid_request")
		wantError(t, b.Post("/oauth/token", cc("client_assertion", "x", "client_assertion_type", "y")...), 400, "invalid_request")
	})
	t.Run("CLI-03 two ids", func(t *testing.T) {
		wantError(t, basic(b, "release", releaseSecret, false, "client_id", "nightly"), 400, "invalid_request")
		ok(t, basic(b, "release", releaseSecret, false, "client_id", "release"))
	})
	t.Run("CLI-06 public client with a secret", func(t *testing.T) {
		wantError(t, b.Post("/oauth/token", cc("client_id", "spa", "client_secret", "x")...), 401, "invalid_client")
	})
	t.Run("CLI-22 assertion", func(t *testing.T) {
		wantError(t, b.Post("/oauth/token", cc("client_secret", "", "client_assertion", "x")...), 400, "invalid_request")
		wantError(t, b.Post("/oauth/token", cc("client_secret", "", "client_assertion_type", "x")...), 400, "invalid_request")
		wantError(t, b.Post("/oauth/token", cc("client_secret", "", "client_assertion", "x", "client_assertion_type", "x")...), 401, "invalid_client")
	})
	for name, header := range map[string]string{
		"no client at all": "", "bearer": "Bearer x", "not base64": "Basic %%%", "no colon": "Basic " + base64.StdEncoding.EncodeToString([]byte("release")),
		"empty id": "Basic " + base64.StdEncoding.EncodeToString([]byte(":x")), "empty secret": "Basic " + base64.StdEncoding.EncodeToString([]byte("release:")),
	} {
		t.Run(name, func(t *testing.T) {
			r := b.Form("/oauth/token", "grant_type", "client_credentials")
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			wantError(t, b.Do(r), 401, "invalid_client")
		})
	}
	t.Run("confidential client without its secret", func(t *testing.T) {
		wantError(t, b.Post("/oauth/token", cc("client_secret", "")...), 401, "invalid_client")
	})
}

// CLI-01: a wrong secret, an unknown client and a disabled one get the same answer to the letter.
func TestWrongSecretLooksLikeUnknownClient(t *testing.T) {
	b := start(t)
	if a := b.Admin("POST", "/clients/nightly/disable", ""); a.Status >= 300 {
		t.Fatalf("disable: got %s", a)
	}
	wrong := b.Post("/oauth/token", cc("client_secret", "wrong-secret-0123456789abcdef0123456789")...)
	wantError(t, wrong, 401, "invalid_client")
	for name, form := range map[string][]string{
		"unknown":           cc("client_id", "nobody"),
		"disabled":          cc("client_id", "nightly", "client_secret", nightlySecret),
		"malformed id":      cc("client_id", "no body{};\x7f"),
		"very long id":      cc("client_id", strings.Repeat("x", 5000)),
		"very long secret":  cc("client_secret", strings.Repeat("x", 5000)),
		"secret of another": cc("client_secret", strictSecret),
	} {
		a := b.Post("/oauth/token", form...)
		if a.Status != wrong.Status || a.Body != wrong.Body || a.Header.Get("WWW-Authenticate") != wrong.Header.Get("WWW-Authenticate") {
			t.Errorf("%s: got %s, want the answer to a wrong secret: %s", name, a, wrong)
		}
	}
}

// CLI-20: rotation with an overlap keeps the old secret until its end, and not past it.
func TestRotatedSecretEndsAtItsDeadline(t *testing.T) {
	b := start(t)
	a := b.Admin("POST", "/clients/release/secrets", `{"name":"next","expire_old_after":"2s"}`)
	if a.Status >= 300 {
		t.Fatalf("rotate: got %s", a)
	}
	next, _ := a.JSON(t)["value"].(string)
	if !strings.HasPrefix(next, "gate_cs_") {
		t.Fatalf("new secret: got %s", a)
	}
	for name, secret := range map[string]string{"old": releaseSecret, "new": next} {
		if a := b.Post("/oauth/token", cc("client_secret", secret)...); a.Status != http.StatusOK {
			t.Errorf("%s during the overlap: got %s", name, a)
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for b.Post("/oauth/token", cc()...).Status == http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("CLI-23: the old secret works past its end")
		}
		time.Sleep(50 * time.Millisecond)
	}
	wantError(t, b.Post("/oauth/token", cc()...), 401, "invalid_client")
	if a := b.Post("/oauth/token", cc("client_secret", next)...); a.Status != http.StatusOK {
		t.Errorf("new after the overlap: got %s", a)
	}
}

// CLI-24: a flood of wrong secrets is slowed down and never locks the client out.
func TestFloodOfWrongSecretsLocksNobodyOut(t *testing.T) {
	b := start(t)
	if a := basic(b, "short", "hunter2-imported", false); a.Status != http.StatusOK {
		t.Fatalf("short secret before the flood: got %s", a)
	}
	var statuses []int
	for range 200 {
		statuses = append(statuses, b.Post("/oauth/token", cc("client_secret", "wrong-secret-0123456789abcdef0123456789")...).Status)
	}
	if !slices.Contains(statuses, http.StatusTooManyRequests) {
		t.Error("200 failures from one address were never slowed down")
	}
	a := b.Post("/oauth/token", cc("client_secret", "wrong-secret-0123456789abcdef0123456789")...)
	if a.Status == http.StatusTooManyRequests && a.Header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	if a := b.Post("/oauth/token", cc()...); a.Status != http.StatusOK {
		t.Errorf("the right secret during the flood: got %s", a)
	}
	if a := basic(b, "short", "hunter2-imported", false); a.Status != http.StatusOK {
		t.Errorf("the right short secret during the flood: got %s", a)
	}
}
