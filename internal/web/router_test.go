package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Every path has one spelling; all others are not there, and nothing redirects.
func TestRouterKnowsOneSpellingOfAPath(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.WriteString(w, web.Var(r.Context(), "id"))
		return err
	}
	router := newRouter(t, web.RouterConfig{},
		get("/", ok), get("/admin/x", ok), get("/oauth/token", ok), get("/users/{id}", echo), get("/users/me", ok),
		web.Route{Path: "/api/v1/", Prefix: true, Handler: ok})
	for _, c := range []struct {
		path string
		want int
		body string
	}{
		{"/", 200, "ok"},
		{"/admin/x", 200, "ok"},
		{"/oauth/token", 200, "ok"},
		{"/users/me", 200, "ok"},
		{"/users/bob", 200, "bob"},
		{"/users/ci%40acme", 200, "ci@acme"},
		{"/users/a%20b", 200, "a b"},
		{"/api/v1/", 200, "ok"},
		{"/api/v1/a/b", 200, "ok"},
		{"//admin/x", 404, ""},
		{"/admin//x", 404, ""},
		{"/./admin/x", 404, ""},
		{"/admin/./x", 404, ""},
		{"/y/../admin/x", 404, ""},
		{"/y/%2e%2e/admin/x", 404, ""},
		{"/%2E%2E/admin/x", 404, ""},
		{"/admin/x/", 404, ""},
		{"/Admin/x", 404, ""},
		{"/OAUTH/TOKEN", 404, ""},
		{"/oauth%2Ftoken", 404, ""},
		{"/oauth/t%6Fken", 404, ""},
		{"/admin/x%00", 404, ""},
		{"/admin\\x", 404, ""},
		{"/users/", 404, ""},
		{"/users/b%6Fb", 404, ""},
		{"/users/a%2Fb", 404, ""},
		{"/users/%2e%2e", 404, ""},
		{"/users/..", 404, ""},
		{"/users/.", 404, ""},
		{"/users/a%5Cb", 404, ""},
		{"/users/a%00b", 404, ""},
		{"/users/a%0Ab", 404, ""},
		{"/users/%ff", 404, ""},
		{"/api/v1", 404, ""},
		{"/api/v1//a", 404, ""},
		{"/api/v1/a/", 404, ""},
		{"/api/v1/a/../b", 404, ""},
		{"/api/v1/%61", 404, ""},
		{"/api/v1/a%2fb", 404, ""},
		{"/API/v1/a", 404, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		var err error
		if r.URL, err = url.ParseRequestURI(c.path); err != nil {
			t.Fatal(err)
		}
		w := do(router, r)
		if w.Code != c.want || (c.want == 200 && w.Body.String() != c.body) {
			t.Errorf("GET %s: got %d %s, want %d %s", c.path, w.Code, w.Body, c.want, c.body)
		}
	}
}

// A strange path is never redirected nor resolved to a route other than by its exact spelling.
func FuzzRouterPath(f *testing.F) {
	for _, s := range []string{"/a", "/v/x", "//a", "/v/%2e%2e/a", "/v/a%2fb", "/./a", "/v/\xff", "*", "/p/q/r"} {
		f.Add(s)
	}
	var variable string
	router := newRouter(f, web.RouterConfig{},
		get("/a", ok),
		get("/v/{id}", func(_ http.ResponseWriter, r *http.Request) error { variable = web.Var(r.Context(), "id"); return nil }),
		web.Route{Path: "/p/", Prefix: true, Handler: ok})
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.URL, variable = u, ""
		w := do(router, r)
		if w.Code == 404 {
			return
		}
		if w.Code != 200 {
			t.Fatalf("%q: got %d", path, w.Code)
		}
		escaped := u.EscapedPath()
		switch {
		case escaped == "/a":
		case strings.HasPrefix(escaped, "/v/"):
			if variable == "" || variable == "." || variable == ".." || strings.ContainsAny(variable, "/\\\x00") {
				t.Fatalf("%q: the variable is %q", path, variable)
			}
		case strings.HasPrefix(escaped, "/p/"):
			if strings.Contains(u.Path, "//") || strings.Contains(u.Path+"/", "/../") {
				t.Fatalf("%q reached a prefix", path)
			}
		default:
			t.Fatalf("%q is answered", path)
		}
	})
}

// TOK-01, MIS-05: another method is 405 with Allow and a JSON body (RFC 9110 §15.5.6).
func TestRouterAnswers405WithAllow(t *testing.T) {
	router := newRouter(t, web.RouterConfig{},
		web.Route{Methods: []string{"POST"}, Path: "/oauth/token", Handler: ok},
		web.Route{Methods: []string{"GET"}, Path: "/things/{id}", Handler: ok},
		web.Route{Methods: []string{"DELETE"}, Path: "/things/{id}", Handler: ok})
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/oauth/token?grant_type=client_credentials", "POST, OPTIONS"},
		{"HEAD", "/oauth/token", "POST, OPTIONS"},
		{"PUT", "/things/1", "GET, HEAD, OPTIONS, DELETE"},
		{"BREW", "/things/1", "GET, HEAD, OPTIONS, DELETE"},
	} {
		w := do(router, httptest.NewRequest(c.method, c.path, nil))
		if got := w.Header().Get("Allow"); w.Code != 405 || got != c.allow {
			t.Errorf("%s %s: got %d with Allow %q, want 405 with %q", c.method, c.path, w.Code, got, c.allow)
		}
		if p := problem(t, w); p.Code != web.CodeMethodNotAllowed {
			t.Errorf("%s %s: got code %q", c.method, c.path, p.Code)
		}
	}
	w := do(router, httptest.NewRequest("OPTIONS", "/oauth/token", nil))
	if w.Code != 204 || w.Header().Get("Allow") != "POST, OPTIONS" || w.Body.Len() != 0 {
		t.Errorf("OPTIONS: got %d %v %q", w.Code, w.Header(), w.Body)
	}
	for _, m := range []string{"GET", "HEAD", "DELETE"} {
		if w := do(router, httptest.NewRequest(m, "/things/1", nil)); w.Code != 200 {
			t.Errorf("%s: got %d, want 200", m, w.Code)
		}
	}
}

// A fault in the list of routes is found when the router is built.
func TestNewRouterRefusesFaultyRoutes(t *testing.T) {
	limit := web.NewLimiter("x")
	for name, routes := range map[string][]web.Route{
		"no method":               {{Path: "/a", Handler: ok}},
		"no handler":              {{Path: "/a", Methods: []string{"GET"}}},
		"relative":                {get("a", ok)},
		"trailing slash":          {get("/a/", ok)},
		"bad template":            {get("/a/{id", ok)},
		"prefix without slash":    {{Path: "/a", Prefix: true, Handler: ok}},
		"twice":                   {get("/a", ok), get("/a", ok)},
		"path and prefix":         {get("/", ok), {Path: "/", Prefix: true, Handler: ok}},
		"limit on unread body":    {{Path: "/a", Methods: []string{"POST"}, Handler: ok, Limit: limit}},
		"limit on unknown bodies": {{Path: "/a/", Prefix: true, Handler: ok, Limit: limit}},
	} {
		if _, err := web.NewRouter(web.RouterConfig{Log: new(lines).handler()}, routes...); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if _, err := web.NewRouter(web.RouterConfig{}); err == nil {
		t.Error("no log: got no error")
	}
}

// The list of routes can be read back, to hold discovery against it (MIS-07).
func TestRouterListsItsRoutes(t *testing.T) {
	router := newRouter(t, web.RouterConfig{}, get("/a", ok), get("/b/{id}", ok))
	var got []string
	for _, r := range router.Routes() {
		got = append(got, fmt.Sprint(r.Methods, r.Path, r.Name))
	}
	if want := []string{"[GET]/a/a", "[GET]/b/{id}/b/{id}"}; !slices.Equal(got, want) {
		t.Errorf("got %q want %q", got, want)
	}
}

// A limited route reads the whole body first, within bounds, and the handler gets all of it (R32, DOS-01).
func TestRouterBuffersBody(t *testing.T) {
	router := newRouter(t, web.RouterConfig{}, web.Route{
		Methods: []string{"POST"}, Path: "/a", MaxBody: 10, Limit: web.NewLimiter("a"),
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			_, err := io.Copy(w, r.Body)
			return err
		},
	})
	if w := do(router, httptest.NewRequest("POST", "/a", strings.NewReader("0123456789"))); w.Code != 200 || w.Body.String() != "0123456789" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	long := httptest.NewRequest("POST", "/a", io.MultiReader(strings.NewReader("0123456789"), strings.NewReader("x")))
	if w := do(router, long); w.Code != 413 || w.Header().Get("Connection") != "close" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}
