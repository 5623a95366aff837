package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

// MIS-04: what is dynamic is not stored, errors too; what is static may be for its max-age, by anybody.
func TestCacheHeaders(t *testing.T) {
	jwks := web.NewStatic("application/json", 10*time.Minute)
	router := newRouter(t, web.RouterConfig{HTTPS: true}, get("/dynamic", ok), get("/jwks", jwks.Handle))
	header := func(path string) http.Header { return do(router, httptest.NewRequest("GET", path, nil)).Header() }

	for _, path := range []string{"/dynamic", "/nowhere", "/jwks"} { // jwks has no document yet
		h := header(path)
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Strict-Transport-Security") != "max-age=63072000" {
			t.Errorf("%s: got %v", path, h)
		}
	}
	jwks.Set([]byte("{}"))
	h := header("/jwks")
	if h.Get("Cache-Control") != "public, max-age=600" || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("X-Content-Type-Options") != "nosniff" ||
		h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Content-Type") != "application/json" {
		t.Errorf("got %v", h)
	}
	plain := do(newRouter(t, web.RouterConfig{}, get("/", ok)), httptest.NewRequest("GET", "/", nil))
	if got := plain.Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("an http issuer sends HSTS %q", got)
	}
}

// A document is sent once to those who keep it (RFC 9110 §13.1.2), and again when it changes.
func TestStaticHonoursIfNoneMatch(t *testing.T) {
	doc := web.NewStatic("application/json", time.Minute)
	router := newRouter(t, web.RouterConfig{}, get("/doc", doc.Handle))
	if w := do(router, httptest.NewRequest("GET", "/doc", nil)); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("before Set: got %d %v", w.Code, w.Header())
	}
	doc.Set([]byte(`{"v":1}`))
	etag := do(router, httptest.NewRequest("GET", "/doc", nil)).Header().Get("Etag")
	for _, c := range []struct {
		method string
		match  string
		status int
		body   string
	}{
		{"GET", "", 200, `{"v":1}`},
		{"HEAD", "", 200, ""},
		{"GET", etag, 304, ""},
		{"HEAD", etag, 304, ""},
		{"GET", `"other", W/` + etag, 304, ""},
		{"GET", "*", 304, ""},
		{"GET", `"other"`, 200, `{"v":1}`},
	} {
		r := httptest.NewRequest(c.method, "/doc", nil)
		if c.match != "" {
			r.Header.Set("If-None-Match", c.match)
		}
		w := do(router, r)
		if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Etag") != etag {
			t.Errorf("%s %q: got %d %q %v", c.method, c.match, w.Code, w.Body, w.Header())
		}
		if c.status == 200 && w.Header().Get("Content-Length") != "7" {
			t.Errorf("%s %q: got Content-Length %q", c.method, c.match, w.Header().Get("Content-Length"))
		}
	}
	doc.Set([]byte(`{"v":2}`))
	r := httptest.NewRequest("GET", "/doc", nil)
	r.Header.Set("If-None-Match", etag)
	if w := do(router, r); w.Code != 200 || w.Body.String() != `{"v":2}` || web.MatchesETag(r, w.Header().Get("Etag")) || !web.MatchesETag(r, etag) {
		t.Errorf("after a change: got %d %s", w.Code, w.Body)
	}
}
