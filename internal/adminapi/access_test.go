package adminapi_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An operation as the API describes it.
type operation struct{ method, path string }

// operations are read from the description that the server generates from its routes.
func (b *broker) operations() []operation {
	b.t.Helper()
	a := b.send("GET", "/api/openapi.json", "", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	check(b.t, json.Unmarshal([]byte(a.body), &doc))
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		b.t.Errorf("got OpenAPI %q, want 3.1", doc.OpenAPI)
	}
	var out []operation
	for path, methods := range doc.Paths {
		for method := range methods {
			out = append(out, operation{strings.ToUpper(method), path})
		}
	}
	if len(out) < 60 {
		b.t.Fatalf("the description has %d operations", len(out))
	}
	return out
}

var variable = regexp.MustCompile(`\{[a-z]+\}`)

// forAnybody are the operations that answer whoever has a token for the API: about himself, or what is the same for all.
var forAnybody = []string{"GET /api/v1/whoami", "GET /api/v1/models", "GET /api/v1/organizations", "GET /api/v1/clients", "GET /api/v1/audiences"}

// asking are the operations that change nothing though their method says otherwise: an auditor may.
var asking = []string{"POST /api/v1/leaks", "POST /api/v1/access/check", "POST /api/v1/access/explain", "POST /api/v1/access/preview", "POST /api/v1/access/who", "POST /api/v1/models/validate"}

// Every operation wants a token for the API, a platform role or rights where it acts, and of auditors that they only read.
func TestEveryOperationAsksForRights(t *testing.T) {
	b := start(t)
	foreign := b.issue("operator", "http://127.0.0.1:8080/api/v1")
	for _, o := range b.operations() {
		path := variable.ReplaceAllString(o.path, "nothing")
		body := ""
		if o.method == "POST" || o.method == "PUT" {
			body = "{}"
		}
		name := o.method + " " + o.path
		if a := b.send(o.method, path, "", body); a.status != 401 || a.code() != "unauthenticated" || a.header.Get("WWW-Authenticate") != `Bearer realm="gatehouse"` {
			t.Errorf("%s without a token: got %d %s %q", name, a.status, a.body, a.header.Get("WWW-Authenticate"))
		}
		for what, header := range map[string]string{
			"a broken token": "Bearer " + foreign[:len(foreign)-6] + "AAAAAA", "Basic": "Basic b3BlcmF0b3I6eA==", "no token": "Bearer ",
		} {
			if a := b.send(o.method, path, "", body, "Authorization", header); a.status != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s with %s: got %d %s", name, what, a.status, a.body)
			}
		}
		switch a := b.send(o.method, path, "stranger", body); {
		case a.status == 403 && a.code() == "forbidden": // for those with a platform role
		case a.status == 404 || a.status == 400: // the rights at the node decide, and there is none
		case a.status == 200 && slices.Contains(forAnybody, name):
		default:
			t.Errorf("%s by a stranger: got %d %s", name, a.status, a.body)
		}
		a := b.send(o.method, path, "auditor", body)
		if reads := o.method == http.MethodGet || slices.Contains(asking, name); reads == (a.status == 403) {
			t.Errorf("%s by an auditor: got %d %s", name, a.status, a.body)
		}
		if a := b.send(o.method, path, "operator", body); a.status == 401 || a.status == 403 || a.status >= 500 {
			t.Errorf("%s by an operator: got %d %s", name, a.status, a.body)
		}
	}
}

// A token for another audience opens nothing here, whoever it speaks for.
func TestTokensForOtherAudiencesAreRefused(t *testing.T) {
	b := start(t)
	check(t, b.store.Update(t.Context(), putOther))
	a := b.send("GET", "/api/v1/whoami", "", "", "Authorization", "Bearer "+b.issue("other"))
	if a.status != 401 || a.code() != "invalid_token" || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("got %d %s %v", a.status, a.body, a.header)
	}
}

// A right that was taken away is gone for tokens that are out.
func TestRightsAreThoseOfToday(t *testing.T) {
	b := start(t)
	api := b.as("operator")
	if a := b.send("GET", "/api/v1/users", "auditor", ""); a.status != 200 {
		t.Fatalf("an auditor reads: got %d %s", a.status, a.body)
	}
	c, err := api.GetClient(t.Context(), "auditor")
	check(t, err)
	c.PlatformRole = ""
	_, err = api.UpdateClient(t.Context(), "auditor", c.ClientSpec, c.ETag)
	check(t, err)
	if a := b.send("GET", "/api/v1/users", "auditor", ""); a.status != 401 {
		t.Errorf("a former auditor's token: got %d %s, want it dead", a.status, a.body)
	}
}

// Other spellings of a path, and methods that it does not know, open nothing.
func TestPathsAndMethodsAreExact(t *testing.T) {
	b := start(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/api/v1/nothing", 404},
		{"GET", "/api/v1/", 404},
		{"GET", "/api/v1/users/", 404},
		{"GET", "/api/v1//users", 404},
		{"GET", "/api/v1/./users", 404},
		{"GET", "/api/v1/Users", 404},
		{"GET", "/api/v1/users/a%2Fb", 404},
		{"GET", "/api/v1/users/%00", 404},
		{"GET", "/api/v1/users/%0a", 404},
		{"GET", "/api/v1/users/%ff", 404},
		{"DELETE", "/api/v1/users", 405},
		{"PATCH", "/api/v1/users", 405},
		{"HEAD", "/api/v1/users", 200},
		{"GET", "/api/v1/users?surprise=1", 400},
	} {
		if a := b.send(c.method, c.path, "operator", ""); a.status != c.status {
			t.Errorf("%s %s: got %d %s, want %d", c.method, c.path, a.status, a.body, c.status)
		} else if c.status == 405 && a.header.Get("Allow") == "" {
			t.Errorf("%s %s: a 405 without Allow", c.method, c.path)
		}
	}
}
