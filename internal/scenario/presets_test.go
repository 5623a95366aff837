package scenario

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// What the page of an organization says a role may do is what the engine answers for somebody who holds that role, and whom it names as
// giving a role may give it.
func TestScenario246AccessPageAgreesWithTheEngine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		table, org string
		nodes      map[string]string // by level
		holders    map[string]string // by role: somebody who holds nothing else
	}{
		{"1-floxhub", "acme", map[string]string{"organization": "acme"}, map[string]string{"owner": "alice", "writer": "bob", "reader": "cara"}},
		{"2-flakiness", "acme", map[string]string{"organization": "acme", "project": "web"}, map[string]string{"admin": "ada", "member": "mel", "superadmin": "root"}},
		{"3-flux", "labs", map[string]string{"organization": "labs", "project": "plab"}, map[string]string{"org_owner": "oo", "org_member": "om", "ent_owner": "eo"}},
		{"4-flowx", "bank", map[string]string{"organization": "bank", "workspace": "retail"}, map[string]string{"org_admin": "ora", "workspace_admin": "wa", "theme_editor": "te", "workspace_user": "wu"}},
	} {
		t.Run(c.table, func(t *testing.T) {
			t.Parallel()
			w := facts(t, c.table).open(t)
			page := want(t, w.call("operator", "GET", "/nodes/"+w.node(c.org)+"/model/render", nil), http.StatusOK, "")
			cells := 0
			for _, l := range page["levels"].([]any) {
				level := l.(map[string]any)
				id := level["id"].(string)
				node := c.nodes[id]
				if node == "" {
					continue
				}
				var questions []any
				var held []bool
				for _, r := range level["rights"].([]any) {
					right := r.(map[string]any)
					for _, cell := range right["roles"].([]any) {
						cell := cell.(map[string]any)
						if who := c.holders[cell["role"].(string)]; who != "" {
							questions = append(questions, w.evaluation("user:"+who, right["permission"].(string), id, node))
							held = append(held, cell["held"] == true)
						}
					}
				}
				answers := want(t, w.call("operator", "POST", "/access/v1/evaluations", map[string]any{"evaluations": questions}), http.StatusOK, "")["evaluations"].([]any)
				for i, a := range answers {
					cells++
					if a.(map[string]any)["decision"] != held[i] {
						t.Errorf("%v: the page says %v, the engine %v", questions[i], held[i], a)
					}
				}
				for _, r := range level["roles"].([]any) {
					role := r.(map[string]any)
					if !strings.Contains(page["markdown"].(string), role["id"].(string)) {
						t.Errorf("the text of the page does not have role %s", role["id"])
					}
					if !slices.Contains(strs(role["holders"]), "user") {
						continue
					}
					for holder, who := range c.holders {
						gives := slices.Contains(strs(role["assigned_by"]), holder)
						if can := slices.Contains(w.assignable(row{act: act{Actor: "user:" + who, On: node}}), role["id"].(string)); can != gives {
							t.Errorf("%s given by %s at %s: the page says %v, the engine %v", role["id"], holder, node, gives, can)
						}
					}
				}
			}
			if cells == 0 {
				t.Error("the page has no cells")
			}
		})
	}
}

// four is an organization of each preset, on one server.
const four = `[
{"kind": "Node", "metadata": {"name": "cloud"}, "spec": {"level": "deployment", "model": "flakiness", "assignments": [{"user": "t-dan", "role": "superadmin"}]}},
{"kind": "Node", "metadata": {"name": "tests", "parent": "cloud"}, "spec": {"level": "organization", "assignments": [{"user": "t-bob", "role": "admin"}]}},
{"kind": "Node", "metadata": {"name": "studio"}, "spec": {"level": "organization", "model": "flux", "assignments": [{"user": "t-cara", "role": "org_owner"}]}},
{"kind": "Node", "metadata": {"name": "bank"}, "spec": {"level": "organization", "model": "flowx", "assignments": [{"user": "t-zed", "role": "org_admin"}]}},
{"kind": "Node", "metadata": {"name": "retail", "parent": "bank"}, "spec": {"level": "workspace"}},
{"kind": "Group", "metadata": {"name": "tellers", "parent": "bank/retail"}, "spec": {"members": ["t-dan"]}}
]`

// Four organizations with four access systems on one server know nothing of one another.
func TestScenario249PresetsDoNotMix(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	want(t, w.call("operator", "POST", "/apply", map[string]any{"documents": json.RawMessage(four)}), http.StatusOK, "")
	organizations := []struct{ node, model, who, role, permission string }{
		{"acme", "floxhub", "user:alice", "reader", "env_view"},
		{"tests", "flakiness", "user:bob", "member", "users_manage"},
		{"studio", "flux", "user:cara", "org_member", "members_manage"},
		{"bank", "flowx", "user:zed", "org_admin", "org_roles_assign"},
	}
	for _, o := range organizations {
		m, ok := access.Preset(o.model)
		if !ok {
			t.Fatalf("there is no preset %s", o.model)
		}
		own := map[string]bool{}
		for _, l := range m.Schema().Levels {
			for _, r := range l.Roles {
				own[string(r.ID)] = true
			}
		}
		listed := w.items(o.who, "/nodes/"+w.node(o.node)+"/roles")
		if len(listed) == 0 {
			t.Errorf("%s: no roles", o.node)
		}
		for _, r := range listed {
			if !own[r["id"].(string)] {
				t.Errorf("%s lists role %v, which %s does not have", o.node, r["id"], o.model)
			}
			for _, p := range strs(r["permissions"]) {
				if !m.HasPermission(iam.Permission(p)) {
					t.Errorf("%s lists permission %s, which %s does not have", o.node, p, o.model)
				}
			}
		}
		for _, other := range organizations {
			if other.node == o.node {
				continue
			}
			if other.node != "acme" { // whose members two of them are
				want(t, w.call(o.who, "GET", "/nodes/"+w.node(other.node), nil), http.StatusNotFound, "not_found")
			}
			if !own[other.role] {
				want(t, w.call(o.who, "POST", "/nodes/"+w.node(o.node)+"/assignments", map[string]any{"user": userName("dan"), "role": other.role}), http.StatusUnprocessableEntity, "role_not_available_here")
			}
			if !m.HasPermission(iam.Permission(other.permission)) {
				a := w.call(o.who, "POST", "/access/check", map[string]any{"action": other.permission, "resource": map[string]any{"id": w.path(o.node)}})
				if a.Status != http.StatusUnprocessableEntity && a.Status != http.StatusBadRequest || a.JSON(t)["code"] != "unknown_permission" {
					t.Errorf("%s of %s at %s: got %s, want unknown_permission", other.permission, other.model, o.node, a)
				}
			}
		}
		if o.node != "bank" {
			for _, g := range w.items(o.who, "/nodes/"+w.node(o.node)+"/groups?search=t") {
				if g["name"] == "tellers" {
					t.Errorf("%s finds the group of bank", o.node)
				}
			}
			a := w.call(o.who, "POST", "/nodes/"+w.node(o.node)+"/assignments", map[string]any{"group": "tellers", "role": o.role})
			if a.Status < 400 {
				t.Errorf("%s gives a role to the group of bank: %s", o.node, a)
			}
		}
	}
}
