package apptest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// Every page, of a mistake or an outage too, forbids what it does not need: no script but its own, no frame, no trace of where a
// browser was, no copy in a cache, no foreign window; and it refers to nothing beyond this server (security catalogue LOG-02,
// RFC 9700 §4.16).
func TestEveryPageHasItsPolicy(t *testing.T) {
	t.Parallel()
	b := apptest.Start(t)
	follow := func(a apptest.Answer) apptest.Answer {
		for range 3 {
			to := strings.TrimPrefix(a.Header.Get("Location"), b.URL)
			if !strings.HasPrefix(to, "/") {
				break
			}
			a = b.Get(to)
		}
		return a
	}
	pages := map[string]apptest.Answer{}
	for _, path := range []string{
		"/login", "/login?ticket=forged", "/account", "/activate", "/activate?user_code=BCDF-GHJK", "/consent", "/organization",
		"/authorize", "/authorize?client_id=nobody&redirect_uri=https://evil.example", "/authorize/resume?ticket=forged", "/oidc/logout",
	} {
		pages["GET "+path] = follow(b.Get(path))
	}
	for _, path := range []string{"/login", "/activate", "/consent", "/organization", "/authorize", "/oidc/logout"} {
		pages["POST "+path] = follow(b.Post(path, "x", "y"))
	}
	for name, a := range pages {
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: got %s, want a page", name, a)
			continue
		}
		for header, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
			"X-Frame-Options":         "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			if got := a.Header.Get(header); got != want {
				t.Errorf("%s: %s: got %q, want %q", name, header, got, want)
			}
		}
		if strings.Contains(a.Body, "evil.example") || strings.Contains(a.Body, "<script") || strings.Contains(a.Body, `src="http`) {
			t.Errorf("%s: the page refers to somewhere else:\n%s", name, a.Body)
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: another site may read it", name)
		}
		for reference := range strings.SplitSeq(a.Body, `href="`) {
			path, _, _ := strings.Cut(reference, `"`)
			if !strings.HasPrefix(path, "/assets/") {
				continue
			}
			if got := b.Get(path); got.Status != http.StatusOK || !strings.Contains(got.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %s: got %s", name, path, got)
			}
		}
	}
}
