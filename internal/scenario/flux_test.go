package scenario

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// A project that nobody has opened is private, whoever makes it.
func TestScenario127NewProjectIsPrivate(t *testing.T) {
	t.Parallel()
	w := facts(t, "3-flux").open(t)
	want(t, w.call("user:om", "POST", "/nodes", map[string]any{"name": "fresh", "level": "project", "parent": w.path("labs")}), http.StatusCreated, "")
	w.paths["fresh"] = w.path("labs") + "/fresh"
	for _, who := range []string{"anyone", "user:zed"} {
		if got := w.decide(who, "content_view", "fresh"); got != "not_found" {
			t.Errorf("%s: got %s, want not_found", who, got)
		}
	}
	if got := w.decide("user:om", "content_view", "fresh"); got != "allow" {
		t.Errorf("om, who made it: got %s, want allow", got)
	}
	for _, s := range w.items("user:om", "/nodes/"+w.node("fresh")+"/settings") {
		if s["name"] == "visibility" && (s["value"] != "private" || s["source"] != "default") {
			t.Errorf("visibility: got %v, want the default, private", s)
		}
	}
}

// A grant to an address waits for whoever proves to have it, and an address that is only claimed proves nothing.
func TestScenario155GrantByAddressWaitsForThePerson(t *testing.T) {
	t.Parallel()
	w := facts(t, "3-flux").open(t)
	const address = "nina@example.test"
	at := "/nodes/" + w.node("plab")
	given := want(t, w.call("user:oo", "POST", at+"/members", map[string]any{"email": address, "role": "comment"}), http.StatusCreated, "")
	if given["pending"] != true {
		t.Errorf("got %v, want it pending", given)
	}
	want(t, w.call("operator", "POST", "/users", map[string]any{"name": userName("nina"), "email": address}), http.StatusCreated, "")
	if got := w.decide("user:nina", "content_view", "plab"); got != "not_found" {
		t.Errorf("an unverified address: got %s, want not_found", got)
	}
	want(t, w.call("operator", "PUT", "/users/"+userName("nina"), map[string]any{"email": address, "email_verified": true}), http.StatusOK, "")
	if got := w.roles("user:nina", "plab"); !slices.Equal(got, []string{"comment"}) {
		t.Errorf("the verified address: got %v, want comment", got)
	}
	if left := w.items("user:oo", at+"/invitations"); len(left) != 0 {
		t.Errorf("pending afterwards: got %v, want nothing", left)
	}
}

// Who was lowered learns by what, and who may change it.
func TestScenario161ExplainNamesTheGrantThatLowers(t *testing.T) {
	t.Parallel()
	w := facts(t, "3-flux").open(t)
	want(t, w.call("user:oo", "POST", "/nodes/"+w.node("plab")+"/assignments", w.assignment("user:om", "view")), http.StatusOK, "")
	got := w.explain("user:om", map[string]any{"action": "design_modify", "resource": map[string]any{"id": w.path("plab")}})["access"].(map[string]any)
	if got["decision"] != false || got["decided_by"] != "direct" {
		t.Errorf("got decision %v by %v, want a denial by direct", got["decision"], got["decided_by"])
	}
	findings := strings.Join(strs(got["findings"]), "\n")
	for _, part := range []string{"role view at labs/plab counts", "role edit at labs/plab", "layer direct decides before layer builtin"} {
		if !strings.Contains(findings, part) {
			t.Errorf("the findings do not say %q:\n%s", part, findings)
		}
	}
	var who []string
	for _, c := range got["changes"].([]any) {
		who = append(who, names(c.(map[string]any)["who"])...)
	}
	if !slices.Contains(who, userName("oo")) || !slices.Contains(who, userName("eo")) || slices.Contains(who, userName("om")) {
		t.Errorf("who may change it: got %v, want oo and eo, not om", who)
	}
}

// explain asks why, as somebody.
func (w *world) explain(who string, question map[string]any) map[string]any {
	w.t.Helper()
	return w.must(who, "POST", "/access/explain", question)
}

// names lists the names of subjects.
func names(subjects any) (out []string) {
	list, _ := subjects.([]any)
	for _, s := range list {
		name, _ := s.(map[string]any)["name"].(string)
		out = append(out, name)
	}
	return out
}
