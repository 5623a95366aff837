package scenario

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

func TestScenario069NewProjectIsOpenToItsOrganizationAtOnce(t *testing.T) {
	t.Parallel()
	w := facts(t, "2-flakiness").open(t)
	want(t, w.call("user:ada", "POST", "/nodes", map[string]any{"name": "fresh", "level": "project", "parent": w.path("acme")}), http.StatusCreated, "")
	w.paths["fresh"] = w.path("acme") + "/fresh"
	for who, role := range map[string]string{"user:ada": "editor", "user:mel": "viewer"} {
		if got := w.roles(who, "fresh"); !slices.Equal(got, []string{role}) {
			t.Errorf("%s: got %v, want %s", who, got, role)
		}
		out := w.claims(who, "acme", []string{"fresh"})
		if !strings.HasSuffix(out, fmt.Sprintf(" project:fresh=[%s]", role)) {
			t.Errorf("token of %s: got %s, want %s on fresh", who, out, role)
		}
	}
}

// What somebody may not know of answers like what does not exist, at every door and to every method.
func TestScenario075PrivateIsLikeMissing(t *testing.T) {
	t.Parallel()
	w := facts(t, "2-flakiness").open(t)
	for _, ask := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/nodes/NODE", nil}, {"GET", "/nodes/NODE/access", nil}, {"GET", "/nodes/NODE/audit", nil}, {"GET", "/nodes/NODE/members", nil},
		{"GET", "/nodes/NODE/settings", nil}, {"GET", "/nodes/NODE/clients", nil}, {"DELETE", "/nodes/NODE", nil},
		{"POST", "/nodes/NODE/assignments", map[string]any{"user": userName("zed"), "role": "editor"}},
		{"PUT", "/nodes/NODE/settings/visibility", map[string]any{"value": "public"}},
		{"POST", "/access/check", map[string]any{"action": "results_view", "resource": map[string]any{"id": "PATH"}}},
		{"POST", "/access/explain", map[string]any{"action": "results_view", "resource": map[string]any{"id": "PATH"}}},
		{"POST", "/access/v1/evaluation", map[string]any{
			"subject": map[string]any{"type": "user", "id": userName("zed")}, "action": map[string]any{"name": "results_view"},
			"resource": map[string]any{"type": "project", "id": "PATH"},
		}},
	} {
		answer := func(name string) apptest.Answer {
			path := w.path("acme") + "/" + name
			body := ask.body
			if m, ok := body.(map[string]any); ok && m["resource"] != nil {
				m["resource"].(map[string]any)["id"] = path
			}
			a := w.call("user:zed", ask.method, strings.ReplaceAll(ask.path, "NODE", strings.ReplaceAll(path, "/", ":")), body)
			a.Body = strings.NewReplacer(path, "PATH", strings.ReplaceAll(path, "/", ":"), "PATH").Replace(a.Body)
			return a
		}
		t.Run(ask.method+" "+ask.path, func(t *testing.T) {
			private, missing := answer("web"), answer("nix")
			if strings.HasPrefix(ask.path, "/nodes") && private.Status != http.StatusNotFound {
				t.Errorf("got %s, want 404", private)
			}
			if strings.Contains(ask.path, "/access/v1") {
				if private.Body != missing.Body || private.Status != missing.Status {
					t.Errorf("got %s and %s, want the same answer", private, missing)
				}
				return
			}
			delete(private.Header, "Content-Length")
			if x, y := fmt.Sprint(without(private.JSON(t))), fmt.Sprint(without(missing.JSON(t))); x != y || private.Status != missing.Status {
				t.Errorf("got %s and %s, want the same answer", private, missing)
			}
		})
	}
}

// without leaves out of an answer what every request has of its own.
func without(body map[string]any) map[string]any {
	delete(body, "request_id")
	return body
}

func TestScenario090PreviewNamesTheSeat(t *testing.T) {
	t.Parallel()
	w := facts(t, "2-flakiness").open(t)
	assign := map[string]any{"changes": []any{map[string]any{"assign": map[string]any{"node": w.path("web"), "user": userName("zed"), "role": "viewer"}}}}
	// All five seats are taken: the preview says what would be refused.
	body := want(t, w.call("user:ada", "POST", "/access/preview", assign), http.StatusOK, "")
	if refused, _ := body["refused"].(map[string]any); refused["code"] != "seat_limit_reached" {
		t.Errorf("with all seats taken: got %v, want seat_limit_reached", body)
	}
	want(t, w.call("user:ada", "DELETE", "/nodes/"+w.node("acme")+"/members/"+userName("mia"), nil), http.StatusNoContent, "")
	body = want(t, w.call("user:ada", "POST", "/access/preview", assign), http.StatusOK, "")
	seats, _ := body["seats"].(map[string]any)
	if fmt.Sprint(seats["before"], seats["after"], seats["limit"]) != "4 5 5" || seats["node"] != w.path("acme") {
		t.Errorf("seats: got %v, want one more of acme's five taken, none left", seats)
	}
	if got := w.access("web")["user:zed"]; got != nil {
		t.Errorf("zed after the preview: got %v, want nothing written", got)
	}
}

// The machine of a project uploads with a token for the project alone. The exchange of an identity of a CI system for such a token
// needs trusted outside issuers.
func TestScenario099MachineOfOneProject(t *testing.T) {
	t.Parallel()
	w := facts(t, "2-flakiness").open(t)
	if got, want := w.claims("client:gh-web", "acme", []string{"web"}), "roles=[] groups=[] project:web=[uploader]"; got != want {
		t.Errorf("for web: got %s, want %s", got, want)
	}
	if got := w.claims("client:gh-web", "acme", []string{"api"}); got != "invalid_authorization_details" {
		t.Errorf("for api: got %s, want invalid_authorization_details", got)
	}
}

func TestScenario100RemovedMemberLosesProjectRoles(t *testing.T) {
	t.Parallel()
	w := facts(t, "2-flakiness").open(t)
	seats := func() any {
		return want(t, w.call("user:ada", "GET", "/nodes/"+w.node("acme")+"/seats", nil), http.StatusOK, "")["used"]
	}
	for _, project := range []string{"web", "api"} {
		want(t, w.call("user:ada", "POST", "/nodes/"+w.node(project)+"/assignments", map[string]any{"user": userName("mia"), "role": "editor"}), http.StatusOK, "")
	}
	if seats() != 5.0 {
		t.Fatalf("seats before: got %v, want 5", seats())
	}
	want(t, w.call("user:ada", "DELETE", "/nodes/"+w.node("acme")+"/members/"+userName("mia"), nil), http.StatusNoContent, "")
	for _, project := range []string{"web", "api"} {
		if got := w.decide("user:mia", "results_view", project); got != "not_found" {
			t.Errorf("mia on %s: got %s, want not_found", project, got)
		}
	}
	if seats() != 4.0 {
		t.Errorf("seats after: got %v, want 4", seats())
	}
	if _, refused := w.tokenClaims("user:mia", "acme", nil); refused != "access_denied" {
		t.Errorf("token of mia: got %q, want access_denied", refused)
	}
}

func TestScenario108SubStaysWhenTheLoginChanges(t *testing.T) {
	t.Parallel()
	w := facts(t, "2-flakiness").open(t)
	sub := func() any {
		claims, refused := w.tokenClaims("user:mel", "acme", nil)
		if refused != "" {
			t.Fatal(refused)
		}
		return claims["sub"]
	}
	w.link("mel", "4711", "mel-gh")
	before := sub()
	w.link("mel", "4711", "melanie-gh")
	if after := sub(); after != before || before == nil {
		t.Errorf("sub: got %v, then %v, want the same", before, after)
	}
	logins := w.items("operator", "/users/"+userName("mel")+"/logins")
	if len(logins) != 1 || logins[0]["subject"] != "4711" || logins[0]["name"] != "melanie-gh" {
		t.Errorf("logins: got %v, want one account under its new name", logins)
	}
}
