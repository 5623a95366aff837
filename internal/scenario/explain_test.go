package scenario

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// about is the question whether somebody may do something; who "" is whoever asks.
func (w *world) about(who, action, node string) map[string]any {
	out := map[string]any{"action": action, "resource": map[string]any{"id": w.path(node)}}
	if kind, _, ok := strings.Cut(who, ":"); ok {
		out["subject"] = map[string]any{"type": kind, "id": w.name(who)}
	}
	return out
}

// Who cannot enter lacks an assignment, a role, and the groups that have access.
func TestScenario232ExplainWhySomebodyCannotEnter(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	got := w.explain("user:wa", w.about("user:cu", "projects_view", "retail"))["access"].(map[string]any)
	if got["decision"] != false || got["reason"] != "404" {
		t.Errorf("got decision %v for reason %v, want a denial for 404", got["decision"], got["reason"])
	}
	findings := strings.Join(strs(got["findings"]), "\n")
	for _, part := range []string{"no role is assigned to the user at bank/retail or above it", "in none of the groups with access: finance_analysts"} {
		if !strings.Contains(findings, part) {
			t.Errorf("the findings do not say %q:\n%s", part, findings)
		}
	}
	if at := got["steps"].([]any)[0].(map[string]any); at["node"] != "bank/retail" || len(strs(at["roles"])) != 0 {
		t.Errorf("got %v, want no role at bank/retail", at)
	}
}

// Why a role cannot be given: the permission that is missing, who has it, and whether the role is given there at all.
func TestScenario233ExplainWhyARoleCannotBeGiven(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	ask := func(who, role string) map[string]any {
		return w.explain(who, map[string]any{"assign": map[string]any{
			"node": w.path("retail"), "subject": map[string]any{"type": "user", "id": userName("cu")}, "role": role,
			"actor": map[string]any{"type": "user", "id": userName("wu")},
		}})["assignment"].(map[string]any)
	}
	want(t, w.call("user:wu", "POST", "/nodes/"+w.node("retail")+"/assignments", w.assignment("user:cu", "theme_editor")), http.StatusForbidden, "forbidden")
	for _, who := range []string{"user:wu", "user:wa"} {
		got := ask(who, "theme_editor")
		if got["allowed"] != false || got["code"] != "forbidden" || got["missing"] != true || got["assignable"] != true {
			t.Errorf("%s: got %v, want it forbidden for a missing permission, and assignable", who, got)
		}
		if needs := strs(got["needs"]); !slices.Equal(needs, []string{"wks_roles_assign"}) {
			t.Errorf("%s: needs: got %v, want wks_roles_assign", who, needs)
		}
	}
	able := names(ask("user:wa", "theme_editor")["who"])
	slices.Sort(able)
	if !slices.Equal(able, []string{userName("ora"), userName("wa")}) {
		t.Errorf("who could: got %v, want ora and wa", able)
	}
	for role, code := range map[string]string{"org_admin": "role_not_available_here", "project_editor": "role_not_available_here"} {
		if got := ask("user:wa", role); got["assignable"] != false || got["code"] != code {
			t.Errorf("%s at a workspace: got %v, want %s and not assignable", role, got, code)
		}
	}
}

// A token that was issued before a change does not know of it; explain says so, and a new token does know.
func TestScenario234TokenOlderThanTheChange(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	issue := func() map[string]any {
		return decode(t, w.Person(userName("wu"), apptest.For("app", api), apptest.In("bank"),
			apptest.Details([]token.DetailRequest{{Type: "workspace", Identifier: "retail"}})))
	}
	roles := func(claims map[string]any) []string {
		return strs(claims["authorization_details"].([]any)[0].(map[string]any)["privileges"])
	}
	older := func(claims map[string]any) any {
		q := w.about("", "themes_edit", "retail")
		q["access_rev"] = claims["access_rev"]
		return w.explain("user:wu", q)["access"].(map[string]any)["token"].(map[string]any)["older"]
	}
	before := issue()
	if got := older(before); got != false {
		t.Errorf("before the change: got older %v, want false", got)
	}
	want(t, w.call("user:wa", "POST", "/nodes/"+w.node("retail")+"/assignments", w.assignment("user:wu", "theme_editor")), http.StatusOK, "")
	after := issue()
	if older(before) != true || older(after) != false {
		t.Errorf("got older %v of the old token and %v of the new one, want true and false", older(before), older(after))
	}
	if got := roles(before); !slices.Equal(got, []string{"workspace_user"}) {
		t.Errorf("the old token: got %v, want workspace_user", got)
	}
	if got := roles(after); !slices.Equal(got, []string{"workspace_user", "theme_editor"}) {
		t.Errorf("the new token: got %v, want theme_editor too", got)
	}
}
