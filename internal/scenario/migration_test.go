package scenario

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// plan makes a plan from old roles: user, role and, where it is known, the node.
func (w *world) plan(who, node string, holders ...[3]string) map[string]any {
	w.t.Helper()
	var list []any
	for _, h := range holders {
		entry := map[string]any{"user": userName(h[0]), "role": h[1]}
		if h[2] != "" {
			entry["where"] = w.path(h[2])
		}
		list = append(list, entry)
	}
	return w.must(who, "POST", "/nodes/"+w.node(node)+"/migrations", map[string]any{"source": "flowx-4", "holders": list})
}

func planned(plan map[string]any) (out []map[string]any) {
	for _, it := range plan["items"].([]any) {
		out = append(out, it.(map[string]any))
	}
	return out
}

func (w *world) decidePlan(who, node string, plan map[string]any, number int, decision map[string]any) {
	w.t.Helper()
	w.must(who, "PUT", fmt.Sprintf("/nodes/%s/migrations/%s/items/%d", w.node(node), plan["id"], number), decision)
}

func (w *world) applyPlan(who, node string, plan map[string]any) []map[string]any {
	w.t.Helper()
	return planned(w.must(who, "POST", fmt.Sprintf("/nodes/%s/migrations/%s/apply", w.node(node), plan["id"]), nil))
}

// The old global roles become a role somewhere, and the plan asks where.
func TestScenario226OldRolesAskWhere(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	for i, it := range planned(w.plan("user:ora", "bank", [3]string{"n", "FLOWX_ADMIN"}, [3]string{"n", "FLOWX_UI_DESIGNER"}, [3]string{"n", "FLOWX_VIEWER"})) {
		role, asks := []string{"workspace_admin", "theme_editor", "project_viewer"}[i], []string{"which workspace", "which workspace", "which project"}[i]
		if it["state"] != "proposed" || it["role"] != role || it["node"] != nil || !strings.Contains(fmt.Sprint(it["reason"]), asks) {
			t.Errorf("%v: got %v, want %s proposed, asking %s", it["old"], it, role, asks)
		}
	}
}

// A configurator may become either of two, and becomes nothing until somebody chooses.
func TestScenario227ConfiguratorWaitsForAChoice(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	plan := w.plan("user:ora", "bank", [3]string{"n", "FLOWX_CONFIGURATOR", "retail"})
	item := planned(plan)[0]
	var choices []string
	for _, c := range item["choices"].([]any) {
		choices = append(choices, c.(map[string]any)["role"].(string))
	}
	if item["state"] != "choose" || item["role"] != nil || !slices.Equal(choices, []string{"workspace_user", "project_editor"}) {
		t.Errorf("got %v, want a choice of workspace_user and project_editor", item)
	}
	if got := w.applyPlan("user:ora", "bank", plan)[0]["state"]; got != "choose" {
		t.Errorf("applied without a choice: got state %v, want choose", got)
	}
	if got := w.access("retail")["user:n"]; got != nil {
		t.Errorf("applied without a choice: got %v, want nothing", got)
	}
	w.decidePlan("user:ora", "bank", plan, 1, map[string]any{"role": "workspace_user", "node": w.path("retail")})
	if got := w.access("retail")["user:n"]; got != nil {
		t.Errorf("chosen, not applied: got %v, want nothing", got)
	}
	w.applyPlan("user:ora", "bank", plan)
	if got := w.access("retail")["user:n"]; !slices.Equal(got, []string{"workspace_user"}) {
		t.Errorf("chosen and applied: got %v, want workspace_user", got)
	}
}

// What a custom role of the old system meant only people know: it is listed, and grants nothing.
func TestScenario228CustomOldRoleIsReviewed(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	before := w.everything()
	plan := w.plan("user:ora", "bank", [3]string{"n", "ROLE_LICENSE_READ", "retail"})
	for when, items := range map[string][]map[string]any{"planned": planned(plan), "applied": w.applyPlan("user:ora", "bank", plan)} {
		if it := items[0]; it["state"] != "review" || it["old"] != "ROLE_LICENSE_READ" || it["role"] != nil {
			t.Errorf("%s: got %v, want it listed for review", when, it)
		}
	}
	if after := w.everything(); !reflect.DeepEqual(before, after) {
		t.Errorf("it has granted something: got %v, want %v", after, before)
	}
}

// A plan alone changes nobody's access.
func TestScenario229APlanChangesNothing(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	before := w.everything()
	w.plan("user:ora", "bank", [3]string{"n", "FLOWX_ADMIN", "retail"}, [3]string{"n", "FLOWX_UI_DESIGNER", "corp"}, [3]string{"cu", "FLOWX_VIEWER", "loans"},
		[3]string{"n", "FLOWX_CONFIGURATOR"}, [3]string{"n", "ROLE_LICENSE_READ"})
	if after := w.everything(); !reflect.DeepEqual(before, after) {
		t.Errorf("access after the plan: got %v, want %v", after, before)
	}
}

// everything is who has access to each node of the facts.
func (w *world) everything() map[string]map[string][]string {
	w.t.Helper()
	out := map[string]map[string][]string{}
	for _, n := range w.table.Facts.Nodes {
		out[n.ID] = w.access(n.ID)
	}
	return out
}

// Who cannot enter because the old role waits for review is told that, with the role; whoever reviews is told which plan it is.
func TestScenario235ExplainNamesThePendingMigration(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	plan := w.plan("user:wa", "retail", [3]string{"cu", "ROLE_LICENSE_READ"})
	got := w.explain("user:wa", w.about("user:cu", "wks_view", "retail"))["access"].(map[string]any)
	pending, _ := got["migration"].(map[string]any)
	if got["decision"] != false || pending["old"] != "ROLE_LICENSE_READ" || pending["state"] != "review" || pending["migration"] != plan["id"] {
		t.Errorf("got decision %v, migration %v; want it pending for review, with the old role", got["decision"], pending)
	}
	if findings := strings.Join(strs(got["findings"]), "\n"); !strings.Contains(findings, "migration pending: the role ROLE_LICENSE_READ") {
		t.Errorf("the findings do not say so:\n%s", findings)
	}
	want(t, w.call("user:cu", "POST", "/access/explain", w.about("", "wks_view", "retail")), http.StatusNotFound, "not_found")
	w.decidePlan("user:wa", "retail", plan, 1, map[string]any{"role": "workspace_user", "node": w.path("retail")})
	w.applyPlan("user:wa", "retail", plan)
	if got := w.explain("user:wa", w.about("user:cu", "wks_view", "retail"))["access"].(map[string]any); got["decision"] != true || got["migration"] != nil {
		t.Errorf("brought over: got decision %v, migration %v", got["decision"], got["migration"])
	}
}
