package adminapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func roleIDs(roles []apiv1.Role) string {
	var out []string
	for _, r := range roles {
		out = append(out, r.ID)
	}
	return strings.Join(out, " ")
}

// Roles are listed as the model has them, with what they permit and who assigns them, and those that the caller may give are
// exactly those.
func TestRolesAreListed(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	for _, c := range []struct{ who, node, kind, want string }{
		{"ora", "bank", "", "org_admin SA_FLOWX"},
		{"ora", "bank", "user", "org_admin"},
		{"ora", "bank", "client", "SA_FLOWX"},
		{"wa", "bank/retail", "user", "workspace_admin workspace_user theme_editor"},
		{"wu", "bank/retail", "user", ""},
		{"wa", "bank/retail", "client", ""},
		{"po", "bank/retail/loans", "user", "project_editor project_viewer"},
		{"po", "bank/retail/loans", "group", "project_editor project_viewer"},
		{"pe", "bank/retail/loans", "user", ""},
		{"xc", "bank/retail/loans", "", "project_owner project_editor project_viewer"},
	} {
		page, err := b.who(c.who).ListRoles(ctx, c.node, apiv1.RoleFilter{AssignableTo: c.kind})
		check(t, err)
		if got := roleIDs(page.Items); got != c.want {
			t.Errorf("%s at %s for %q: got %q, want %q", c.who, c.node, c.kind, got, c.want)
		}
	}
	owner, err := b.user("xc").GetRole(ctx, "bank/retail/loans", "project_owner")
	check(t, err)
	if owner.Assigned != "operations" || owner.Max != 1 || owner.Custom || owner.Duplicable || !slices.Contains(owner.Permissions, "access_grant") {
		t.Errorf("got %+v", owner)
	}
	viewer, err := b.user("xc").GetRole(ctx, "bank/retail/loans", "project_viewer")
	check(t, err)
	if viewer.Assigned != "people" || !slices.Equal(viewer.AssignedBy, []string{"access_grant"}) || !viewer.Duplicable || !slices.Equal(viewer.Holders, []string{"user", "group"}) {
		t.Errorf("got %+v", viewer)
	}
	b.try("a kind that is none", trial{"wa", "invalid", func(api *apiv1.Client) error {
		return errorOf(api.ListRoles(ctx, "bank/retail", apiv1.RoleFilter{AssignableTo: "robot"}))
	}})
	b.try("a level that is none", trial{"wa", "not_offered", func(api *apiv1.Client) error {
		return errorOf(api.ListRoles(ctx, "bank/retail", apiv1.RoleFilter{Level: "galaxy"}))
	}})
}

// Custom roles begin as a duplicable role, carry nothing that their author lacks, and roles of the model are nobody's to change.
func TestCustomRoles(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	duplicate := func(id, base string, permissions ...string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error {
			return errorOf(api.CreateRole(ctx, "bank/retail", apiv1.NewRole{ID: id, CustomRoleSpec: apiv1.CustomRoleSpec{Base: base, Permissions: permissions}}))
		}
	}
	b.try("duplicate", trial{"wa", "", duplicate("members", "workspace_user")}, trial{"wa", "", duplicate("themes", "theme_editor")},
		trial{"wa", "", duplicate("editors", "project_editor")}, trial{"wa", "", duplicate("viewers", "project_viewer")},
		trial{"wa", "name_taken", duplicate("viewers", "project_viewer")}, trial{"wa", "invalid", duplicate("A B", "project_viewer")},
		trial{"wa", "role_not_available_here", duplicate("admins", "org_admin")}, trial{"wa", "role_not_duplicable", duplicate("wks", "workspace_admin")},
		trial{"ora", "role_not_duplicable", duplicate("owners", "project_owner")}, trial{"wu", "forbidden", duplicate("mine", "project_viewer")},
		trial{"wa", "unknown_permission", duplicate("odd", "project_viewer", "themes_edit")}, trial{"wa", "unknown_permission", duplicate("odd", "project_viewer", "no_such")},
		trial{"zed", "not_found", duplicate("x", "project_viewer")}, trial{"olga", "not_found", duplicate("x", "project_viewer")}, trial{"engine", "not_found", duplicate("x", "project_viewer")},
		trial{"operator", "", duplicate("deployer", "project_viewer", "process_view", "runtime_deploy")})

	page, err := b.user("po").ListRoles(ctx, "bank/retail/loans", apiv1.RoleFilter{AssignableTo: "user"})
	check(t, err)
	if got := roleIDs(page.Items); got != "project_editor project_viewer editors viewers deployer" {
		t.Errorf("assignable: got %q", got)
	}
	copied, err := b.user("wa").GetRole(ctx, "bank/retail", "editors")
	check(t, err)
	original, err := b.user("wa").GetRole(ctx, "bank/retail/loans", "project_editor")
	check(t, err)
	if !slices.Equal(copied.Permissions, original.Permissions) || copied.Parent != "bank/retail" || copied.Base != "project_editor" || !copied.Custom {
		t.Errorf("got %+v, want a copy of %+v", copied, original)
	}

	for what, do := range map[string]func(api *apiv1.Client) error{
		"edit": func(api *apiv1.Client) error {
			return errorOf(api.UpdateRole(ctx, "bank/retail", "workspace_user", apiv1.RoleChange{Permissions: []string{}}, ""))
		},
		"delete": func(api *apiv1.Client) error { return api.DeleteRole(ctx, "bank/retail", "workspace_user") },
	} {
		b.try(what+" a role of the model", each(do, map[string]string{"wa": "role_is_predefined", "ora": "role_is_predefined", "operator": "role_is_predefined", "zed": "not_found"})...)
	}
	edit := func(permissions ...string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error {
			return errorOf(api.UpdateRole(ctx, "bank/retail", "deployer", apiv1.RoleChange{Permissions: append([]string{}, permissions...)}, ""))
		}
	}
	b.try("edit", trial{"wu", "forbidden", edit()}, trial{"wa", "unknown_permission", edit("no_such")}, trial{"cu", "not_found", edit()}, trial{"wa", "", edit("runtime_deploy", "process_view")})
	check(t, errorOf(b.as("operator").Assign(ctx, "bank/retail/loans", apiv1.Assignment{User: "wu", Role: "deployer"})))
	end := func(api *apiv1.Client) error { return api.DeleteRole(ctx, "bank/retail", "deployer") }
	b.try("delete what is held", trial{"wa", "role_in_use", end}, trial{"operator", "role_in_use", end})
	if a := b.send("DELETE", "/api/v1/nodes/bank:retail/roles/deployer", b.person("wa", ""), ""); a.status != http.StatusConflict || !strings.Contains(a.body, `{"path":"bank/retail/loans","detail":"user:wu"}`) {
		t.Errorf("the holders: got %d %s", a.status, a.body)
	}
	old, err := b.user("wa").GetRole(ctx, "bank/retail", "deployer")
	check(t, err)
	check(t, errorOf(b.user("wa").UpdateRole(ctx, "bank/retail", "deployer", apiv1.RoleChange{Permissions: []string{"process_view"}}, old.ETag)))
	if _, err := b.user("wa").UpdateRole(ctx, "bank/retail", "deployer", apiv1.RoleChange{Permissions: []string{}}, old.ETag); codeOf(err) != "stale" {
		t.Errorf("an old version: got %v, want stale", err)
	}
	check(t, b.as("operator").Unassign(ctx, "bank/retail/loans", apiv1.Assignment{User: "wu", Role: "deployer"}))
	b.try("delete", trial{"wu", "forbidden", end}, trial{"wa", "", end}, trial{"wa", "not_found", end})
}

// Whoever loses a right by the edit of a role loses the tokens that say so; an edit that only adds ends none.
func TestEditsOfRolesEndTokens(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	wa := b.user("wa")
	check(t, errorOf(wa.CreateRole(ctx, "bank/retail", apiv1.NewRole{ID: "deployer", CustomRoleSpec: apiv1.CustomRoleSpec{Base: "project_viewer", Permissions: []string{"process_view"}}})))
	check(t, errorOf(b.as("operator").Assign(ctx, "bank/retail/loans", apiv1.Assignment{User: "wu", Role: "deployer"})))
	out := map[string]string{"wu": b.person("wu", "bank"), "pv": b.person("pv", "bank")} // tokens that are out before the edits
	alive := func(who string) int { return b.send("GET", "/api/v1/whoami", out[who], "").status }
	for _, who := range []string{"wu", "pv"} {
		if got := alive(who); got != http.StatusOK {
			t.Fatalf("%s before: got %d", who, got)
		}
	}
	check(t, errorOf(wa.UpdateRole(ctx, "bank/retail", "deployer", apiv1.RoleChange{Permissions: []string{"process_view", "runtime_deploy"}}, "")))
	if got := alive("wu"); got != http.StatusOK {
		t.Errorf("after an addition: got %d, want the token alive", got)
	}
	check(t, errorOf(wa.UpdateRole(ctx, "bank/retail", "deployer", apiv1.RoleChange{Permissions: []string{"process_view"}}, "")))
	if got := alive("wu"); got != http.StatusUnauthorized {
		t.Errorf("after a removal: got %d, want the token dead", got)
	}
	if got := alive("pv"); got != http.StatusOK {
		t.Errorf("somebody without the role: got %d, want the token alive", got)
	}
}

// Custom roles are documents: applied twice they change nothing, exported they are what was applied, and pruned they end.
func TestCustomRolesAreDocuments(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	docs := documents(t, bank+`
---
kind: CustomRole
metadata: {name: deployer, parent: bank/retail}
spec: {base: project_viewer, level: project, permissions: [runtime_deploy, process_view]}
---
kind: CustomRole
metadata: {name: members, parent: bank/retail}
spec: {base: workspace_user}
---
kind: Node
metadata: {name: cards, parent: bank/retail}
spec: {level: project, assignments: [{user: wu, role: deployer}]}
`)
	for i, want := range []int{len(docs), 0} {
		plan, err := api.Apply(ctx, docs, apiv1.ApplyOptions{})
		check(t, err)
		if len(plan.Changes) != want {
			t.Errorf("apply %d: got %d changes, want %d: %+v", i, len(plan.Changes), want, plan.Changes)
		}
	}
	exported, err := api.Export(ctx)
	check(t, err)
	plan, err := api.Apply(ctx, exported, apiv1.ApplyOptions{Prune: true})
	check(t, err)
	if len(plan.Changes) != 0 {
		t.Errorf("the export: got %+v", plan.Changes)
	}
	var roles, rest []apiv1.Document
	for _, d := range exported {
		if d.Kind == apiv1.KindCustomRole {
			roles = append(roles, d)
			continue
		}
		rest = append(rest, d)
	}
	if len(roles) != 2 || roles[0].Path() != "bank/retail/deployer" || fmt.Sprint(roles[0].Spec.(*apiv1.CustomRoleSpec).Permissions) != "[runtime_deploy process_view]" {
		t.Errorf("exported %+v", roles)
	}
	if _, err := api.Apply(ctx, rest, apiv1.ApplyOptions{Prune: true}); codeOf(err) == "" {
		t.Error("a role that a document still gives was pruned")
	}
	for i := range rest {
		if n, ok := rest[i].Spec.(*apiv1.NodeDoc); ok && rest[i].Metadata.Name == "cards" {
			n.Assignments = []apiv1.Assignment{}
		}
	}
	check(t, errorOf(api.Apply(ctx, rest, apiv1.ApplyOptions{Prune: true})))
	page, err := api.ListRoles(ctx, "bank/retail", apiv1.RoleFilter{Level: "project"})
	check(t, err)
	if got := roleIDs(page.Items); got != "project_owner project_editor project_viewer" {
		t.Errorf("after pruning: got %q", got)
	}
	changed := documents(t, "kind: CustomRole\nmetadata: {name: x, parent: bank/retail}\nspec: {base: project_owner}\n")
	if _, err := api.Apply(ctx, changed, apiv1.ApplyOptions{}); codeOf(err) != "role_not_duplicable" {
		t.Errorf("got %v, want role_not_duplicable", err)
	}
}
