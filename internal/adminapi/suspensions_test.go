package adminapi_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// A suspended member keeps the roles and has nothing of them, from the answer on: the tokens that are out end with it (94).
func TestASuspendedMemberIsOut(t *testing.T) {
	b := start(t)
	b.tests()
	ctx := t.Context()
	ada, mel, free := b.person("ada", "acme"), b.person("mel", "acme"), b.person("mel", "")
	check(t, errorOf(b.as("operator").Assign(ctx, "acme/web", apiv1.Assignment{User: "mel", Role: "editor"})))
	b.steps([]step{
		{mel, "GET", "/organizations/acme", "", 200, ""},
		{mel, "POST", "/organizations/acme/members/ada/suspend", "", 403, "forbidden"},
		{mel, "GET", "/organizations/acme/suspensions", "", 403, "forbidden"},
		{b.person("zed", ""), "POST", "/organizations/acme/members/mel/suspend", "", 404, "not_found"},
		{b.person("eddy", ""), "POST", "/nodes/acme:api/members/eve/suspend", "", 422, "not_offered"}, // projects know none
		{ada, "POST", "/organizations/acme/members/nobody/suspend", "", 404, "not_found"},
	})
	m, err := b.as(ada).SuspendMember(ctx, "acme", "mel")
	check(t, err)
	if !m.Suspended || len(m.Roles) != 1 {
		t.Errorf("got %+v, want a suspended member with the role", m)
	}
	b.steps([]step{{mel, "GET", "/organizations/acme", "", 401, "invalid_token"}})
	for _, by := range []string{free, b.person("mel", "")} {
		b.steps([]step{
			{by, "GET", "/organizations/acme", "", 404, "not_found"},
			{by, "GET", "/nodes/acme:web", "", 404, "not_found"},
			{by, "POST", "/organizations/acme/members/me/resume", "", 404, "not_found"},
		})
	}
	list, err := b.as(ada).ListSuspensions(ctx, "acme", apiv1.PageOptions{})
	check(t, err)
	if len(list.Items) != 1 || list.Items[0].Name != "mel" || !list.Items[0].Suspended {
		t.Errorf("suspended are %+v, want mel", list.Items)
	}
	b.wantSeated("ada", "eddy", "eve", "mel", "mia")
	ex, err := b.as(ada).ExplainAccess(ctx, apiv1.ExplainQuestion{Subject: about("user", "mel"), Action: "results_view", Resource: &apiv1.Resource{ID: "acme/web"}})
	check(t, err)
	if s := ex.Access.Steps; len(s) == 0 || s[0].Restricted != "suspended" || s[0].RestrictedAt != "acme" {
		t.Errorf("explained by %+v, want suspended at acme", s)
	}
	b.steps([]step{
		{ada, "PUT", "/nodes/acme:web/settings/visibility", `{"value":"public"}`, 200, ""},
		{b.person("mel", ""), "GET", "/nodes/acme:web", "", 200, ""}, // like anybody
		{b.person("mia", "acme"), "POST", "/organizations/acme/members/mel/resume", "", 403, "forbidden"},
		{ada, "POST", "/organizations/acme/members/mel/resume", "", 200, ""},
		{b.person("mel", "acme"), "GET", "/organizations/acme", "", 200, ""},
	})
	b.wantRoles("acme", "mel", "member")
	b.wantRoles("acme/web", "mel", "editor")
}

// Whoever is suspended is no holder of a role that somebody must hold, and the last one who is not suspended stays.
func TestASuspendedHolderDoesNotCount(t *testing.T) {
	b := start(t)
	ctx, api := t.Context(), b.as("operator")
	check(t, errorOf(api.CreateModel(ctx, later("1", "    join_role: turner", "    join_role: turner\n    restrict: [suspended]"))))
	for _, name := range []string{"ann", "bob"} {
		b.person(name, "")
	}
	check(t, errorOf(api.CreateOrganization(ctx, apiv1.NewNode{
		Name: "shop", NodeSpec: apiv1.NodeSpec{Model: "gears"}, Assignments: []apiv1.Assignment{{User: "ann", Role: "smith"}, {User: "bob", Role: "smith"}},
	})))
	const at = "/organizations/shop/members/"
	b.steps([]step{
		{b.person("ann", "shop"), "POST", at + "bob/suspend", "", 200, ""},
		{"operator", "POST", at + "ann/suspend", "", 409, "last_holder"},
		{"operator", "DELETE", at + "ann", "", 409, "last_holder"},
		{"operator", "PUT", at + "ann", `{"role":"turner"}`, 409, "last_holder"},
		{"operator", "DELETE", "/users/ann", "", 409, "last_holder"},
		{b.person("ann", "shop"), "POST", at + "bob/resume", "", 200, ""},
	})
	b.steps([]step{
		{b.person("bob", "shop"), "POST", at + "ann/suspend", "", 200, ""},
		{"operator", "DELETE", at + "bob", "", 409, "last_holder"},
		{"operator", "DELETE", at + "ann", "", 204, ""},
	})
	b.wantRoles("shop", "ann")
	b.wantRoles("shop", "bob", "smith")
}
