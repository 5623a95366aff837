package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

// MIS-06: only an origin that is registered, byte for byte, is let in, by preflight and by answer; never with credentials, and
// no cache mixes origins up.
func TestCORSAdmitsRegisteredOriginsOnly(t *testing.T) {
	registered := []string{"https://a.test", "null", "*"} // a careless registration of the last two must do nothing
	router := newRouter(t, web.RouterConfig{}, web.Route{
		Methods: []string{"POST"}, Path: "/oauth/token",
		CORS: &web.CORS{
			Registered: func(_ context.Context, origin string) bool {
				return origin == "https://a.test" || origin == "null" || origin == "*"
			},
			Headers: []string{"Authorization", "DPoP"},
		},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			if web.AllowOrigin(w, r, registered) != (r.Header.Get("Origin") == "" || r.Header.Get("Origin") == "https://a.test") {
				t.Errorf("AllowOrigin is wrong about %q", r.Header.Get("Origin"))
			}
			return nil
		},
	})
	for _, origin := range []string{"https://a.test", "https://evil", "null", "*", "https://a.test.evil", "https://A.TEST", "http://a.test", "https://a.test:443", "https://a.test/", ""} {
		for _, method := range []string{"OPTIONS", "POST"} {
			r := httptest.NewRequest(method, "/oauth/token", nil)
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			if method == "OPTIONS" {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			h := do(router, r).Header()
			want := ""
			if origin == "https://a.test" {
				want = origin
			}
			if got := h.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %q: got %q want %q", method, origin, got, want)
			}
			if h.Get("Access-Control-Allow-Credentials") != "" || len(h["Vary"]) != 1 || h.Get("Vary") != "Origin" {
				t.Errorf("%s from %q: got %v", method, origin, h)
			}
			if want != "" && method == "OPTIONS" && (h.Get("Access-Control-Allow-Methods") != "POST, OPTIONS" || h.Get("Access-Control-Allow-Headers") != "Authorization, DPoP" || h.Get("Access-Control-Max-Age") != "600") {
				t.Errorf("preflight: got %v", h)
			}
		}
	}
	two := httptest.NewRequest("POST", "/oauth/token", nil)
	two.Header["Origin"] = []string{"https://a.test", "https://evil"}
	if got := do(newRouter(t, web.RouterConfig{}, web.Route{Methods: []string{"POST"}, Path: "/oauth/token", Handler: func(w http.ResponseWriter, r *http.Request) error {
		web.AllowOrigin(w, r, registered)
		return nil
	}}), two).Header().Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("two origins: got %q", got)
	}
}

// MIS-06: a route that says nothing of CORS answers no page, and a public one all of them, without credentials.
func TestCORSIsOffUnlessARouteHasIt(t *testing.T) {
	router := newRouter(t, web.RouterConfig{}, get("/login", ok), web.Route{Methods: []string{"GET"}, Path: "/public", CORS: &web.CORS{Public: true}, Handler: ok})
	for path, want := range map[string]string{"/login": "", "/public": "*"} {
		for _, method := range []string{"OPTIONS", "GET"} {
			r := httptest.NewRequest(method, path, nil)
			r.Header.Set("Origin", "https://evil")
			r.Header.Set("Access-Control-Request-Method", "GET")
			h := do(router, r).Header()
			if got := h.Get("Access-Control-Allow-Origin"); got != want || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: got %q want %q", method, path, got, want)
			}
		}
	}
}
