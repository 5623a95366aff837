package scenario

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// owners are those who were assigned project_owner at a node, and not those whom a role above makes that.
func (w *world) owners(node string) (out []string) {
	w.t.Helper()
	for _, a := range w.items("operator", "/nodes/"+w.node(node)+"/assignments") {
		if a["role"] == made {
			out = append(out, fmt.Sprint(a["user"]))
		}
	}
	return out
}

// No path leads to a second owner of a project.
func TestScenario184OneOwnerByEveryPath(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	at, above := "/nodes/"+w.node("loans"), "/nodes/"+w.node("retail")
	const system = "role_is_system_assigned"
	owner := map[string]any{"role": made}
	for _, who := range []string{"user:po", "user:wa", "user:ora", "operator"} {
		want(t, w.call(who, "POST", at+"/assignments", w.assignment("user:wu", made)), http.StatusConflict, system)
		want(t, w.call(who, "POST", at+"/members", map[string]any{"user": userName("wu"), "role": made}), http.StatusConflict, system)
		want(t, w.call(who, "POST", at+"/members", map[string]any{"email": "n@example.test", "role": made}), http.StatusConflict, system)
		want(t, w.call(who, "PUT", at+"/members/"+userName("pe"), owner), http.StatusConflict, system)
		want(t, w.call(who, "POST", at+"/invitations", map[string]any{"email": "n@example.test", "role": made}), http.StatusConflict, system)
	}
	want(t, w.call("user:wa", "POST", above+"/roles", map[string]any{"id": "boss", "base": made}), http.StatusConflict, "role_not_duplicable")
	want(t, w.call("user:wu", "POST", above+"/operations/"+making, map[string]any{"name": "loans"}), http.StatusConflict, "name_taken")
	want(t, w.call("user:pe", "POST", at+"/operations/import_version_existing", map[string]any{}), http.StatusOK, "")
	want(t, w.call("operator", "POST", "/apply", map[string]any{"documents": []any{map[string]any{
		"kind": "Node", "metadata": map[string]any{"name": "loans", "parent": w.path("retail")},
		"spec": map[string]any{"level": "project", "assignments": []any{w.assignment("user:wu", made)}},
	}}}), http.StatusConflict, system)
	plan := want(t, w.call("user:wa", "POST", above+"/migrations", map[string]any{"source": "flowx-4", "holders": []any{
		map[string]any{"user": userName("wu"), "role": "ROLE_OWNER", "where": w.path("loans")},
	}}), http.StatusCreated, "")
	one := above + "/migrations/" + plan["id"].(string)
	if a := w.call("user:wa", "PUT", one+"/items/1", map[string]any{"role": made, "node": w.path("loans")}); a.Status < 300 {
		w.must("user:wa", "POST", one+"/apply", nil)
	}
	if got := w.owners("loans"); !slices.Equal(got, []string{userName("po")}) {
		t.Errorf("owners of loans: got %v, want po alone", got)
	}
}

// The author of a role gives away no more than he holds, when he makes it and when he changes it.
func TestScenario191CustomRoleWithinItsAuthor(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	at := "/nodes/" + w.node("retail")
	role := func(id, base string, permissions ...string) map[string]any {
		return map[string]any{"id": id, "base": base, "permissions": permissions}
	}
	want(t, w.call("user:wa", "POST", at+"/roles", role("author", "workspace_user", "wks_view", "custom_roles_manage")), http.StatusCreated, "")
	want(t, w.call("user:wa", "POST", at+"/assignments", w.assignment("user:wu", "author")), http.StatusOK, "")

	want(t, w.call("user:wu", "POST", at+"/roles", role("stylist", "theme_editor", "themes_edit")), http.StatusForbidden, "exceeds_own_permissions")
	want(t, w.call("user:wu", "POST", at+"/roles", role("spy", "project_viewer", "process_view")), http.StatusForbidden, "exceeds_own_permissions")
	want(t, w.call("user:wu", "POST", at+"/roles", role("maker", "workspace_user", "project_create")), http.StatusCreated, "")
	wider := map[string]any{"permissions": []string{"project_create", "wks_roles_assign"}}
	want(t, w.call("user:wu", "PUT", at+"/roles/maker", wider), http.StatusForbidden, "exceeds_own_permissions")
	if got := strs(w.must("user:wa", "GET", at+"/roles/maker", nil)["permissions"]); !slices.Equal(got, []string{"project_create"}) {
		t.Errorf("the role after the refusal: got %v, want project_create", got)
	}
}

// A custom role that is held stays, and whoever would end it is told by whom.
func TestScenario193CustomRoleInUseNamesItsHolders(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	at, role := "/nodes/"+w.node("loans")+"/assignments", "/nodes/"+w.node("retail")+"/roles/deployer"
	holders := []string{"user:wu", "group:sales_team"}
	for _, who := range holders {
		want(t, w.call("user:po", "POST", at, w.assignment(who, "deployer")), http.StatusOK, "")
	}
	a := w.call("user:wa", "DELETE", role, nil)
	want(t, a, http.StatusConflict, "role_in_use")
	for _, part := range []string{userName("wu"), "sales_team", w.path("loans")} {
		if !strings.Contains(a.Body, part) {
			t.Errorf("got %s, want it to name %s", a, part)
		}
	}
	for _, who := range holders {
		want(t, w.call("user:po", "POST", at+"/remove", w.assignment(who, "deployer")), http.StatusNoContent, "")
	}
	want(t, w.call("user:wa", "DELETE", role, nil), http.StatusNoContent, "")
}

// No organization begins without its first administrator.
func TestScenario202FirstAdministratorIsNamed(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	organization := map[string]any{"name": "fund", "model": "flowx"}
	for _, path := range []string{"/organizations", "/nodes"} {
		want(t, w.call("operator", "POST", path, organization), http.StatusUnprocessableEntity, "owner_required")
	}
	want(t, w.call("operator", "POST", "/apply", map[string]any{"documents": []any{map[string]any{
		"kind": "Organization", "metadata": map[string]any{"name": "fund"}, "spec": map[string]any{"model": "flowx"},
	}}}), http.StatusUnprocessableEntity, "owner_required")
	want(t, w.call("operator", "GET", "/organizations/fund", nil), http.StatusNotFound, "not_found")
	organization["assignments"] = []any{w.assignment("user:ora", "org_admin")}
	want(t, w.call("operator", "POST", "/organizations", organization), http.StatusCreated, "")
}

// The group of all who may enter is computed: nobody changes it, and it is found where access is granted.
func TestScenario208ComputedGroupIsNobodysToChange(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	const all, code = "all_users_retail", "group_is_system"
	list := "/nodes/" + w.node("retail") + "/groups"
	one := list + "/" + all
	for _, who := range []string{"user:wa", "user:ora", "operator"} {
		want(t, w.call(who, "DELETE", one, nil), http.StatusConflict, code)
		want(t, w.call(who, "POST", list, map[string]any{"name": all}), http.StatusConflict, code)
		want(t, w.call(who, "PUT", one+"/members/"+userName("zed"), nil), http.StatusConflict, code)
		want(t, w.call(who, "DELETE", one+"/members/"+userName("wu"), nil), http.StatusConflict, code)
	}
	want(t, w.call("operator", "POST", "/apply", map[string]any{"documents": []any{map[string]any{
		"kind": "Group", "metadata": map[string]any{"name": all, "parent": w.path("retail")}, "spec": map[string]any{"members": []string{userName("zed")}},
	}}}), http.StatusConflict, code)
	found := func(path string) (out []string) {
		for _, g := range w.items("user:wa", path) {
			out = append(out, g["name"].(string))
		}
		return out
	}
	if got := found(list); !slices.Equal(got, []string{"finance_analysts", "sales_team"}) {
		t.Errorf("group management: got %v, want the two that people made", got)
	}
	if got := found("/nodes/" + w.node("cards") + "/groups?search=all_"); !slices.Equal(got, []string{all}) {
		t.Errorf("search: got %v, want %s", got, all)
	}
}

// Who is added without a role named gets the least one of the level.
func TestScenario236NoRoleNamedIsTheLeast(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	for node, role := range map[string]string{"loans": "project_viewer", "retail": "workspace_user"} {
		at := "/nodes/" + w.node(node)
		added := want(t, w.call("user:wa", "POST", at+"/members", map[string]any{"user": userName("cu")}), http.StatusCreated, "")
		if got := strs(added["roles"]); !slices.Equal(got, []string{role}) {
			t.Errorf("added to %s: got %v, want %s", node, got, role)
		}
		if got := w.access(node)["user:cu"]; !slices.Equal(got, []string{role}) {
			t.Errorf("access to %s: got %v, want %s", node, got, role)
		}
		if got := want(t, w.call("user:wa", "POST", at+"/assignments", w.assignment("user:n", "")), http.StatusOK, "")["role"]; got != role {
			t.Errorf("assigned at %s: got %v, want %s", node, got, role)
		}
		invited := want(t, w.call("user:wa", "POST", at+"/invitations", map[string]any{"email": "i@example.test"}), http.StatusCreated, "")
		if got := strs(invited["roles"]); !slices.Equal(got, []string{role}) {
			t.Errorf("invited to %s: got %v, want %s", node, got, role)
		}
	}
}
