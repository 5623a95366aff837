package adminapi_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// What is called the same in two organizations is two things: changes of one leave the other as it was, and what a new node brings
// is the group of its own side.
func TestSameNamesAreStrangers(t *testing.T) {
	b := inBank(t)
	ctx, op := t.Context(), b.as("operator")
	for _, at := range []string{"bank/retail", "bank/corp", "rival/vault"} {
		check(t, errorOf(op.CreateGroup(ctx, at, apiv1.NewGroup{Name: "sales", GroupSpec: apiv1.GroupSpec{Members: []string{"zed"}}})))
		check(t, errorOf(op.CreateRole(ctx, at, apiv1.NewRole{ID: "lead", CustomRoleSpec: apiv1.CustomRoleSpec{Base: "theme_editor", Permissions: []string{"wks_view"}}})))
		check(t, errorOf(op.Assign(ctx, at, apiv1.Assignment{Group: "sales", Role: "lead"})))
	}
	foreign, err := op.GetGroup(ctx, "rival/vault", "sales")
	check(t, err)
	sibling, err := op.GetGroup(ctx, "bank/corp", "sales")
	check(t, err)
	for _, id := range []string{foreign.ID, sibling.ID} {
		_, err := op.CreateNode(ctx, apiv1.NewNode{
			Name: "fresh", Parent: "bank/retail", NodeSpec: apiv1.NodeSpec{Level: "project", Kind: "project"},
			Assignments: []apiv1.Assignment{{Group: id, Role: "project_viewer"}},
		})
		wantCode(t, err, "group_cannot_hold_role_here")
	}

	ora, olga := b.user("ora"), b.user("olga")
	check(t, ora.DeleteGroup(ctx, "bank/retail", "sales"))
	check(t, errorOf(ora.UpdateRole(ctx, "bank/retail", "lead", apiv1.RoleChange{Permissions: []string{"wks_view", "themes_edit"}}, "")))
	check(t, ora.DeleteRole(ctx, "bank/retail", "lead"))
	role, err := olga.GetRole(ctx, "rival/vault", "lead")
	check(t, err)
	if len(role.Permissions) != 1 {
		t.Errorf("the other organization's role permits %v", role.Permissions)
	}
	members, err := olga.ListMembers(ctx, "rival/vault", "sales", apiv1.PageOptions{})
	check(t, err)
	held, err := olga.ListAssignments(ctx, "rival/vault", apiv1.PageOptions{})
	check(t, err)
	if len(members.Items) != 1 || len(held.Items) != 1 || held.Items[0].Group != "sales" || held.Items[0].Role != "lead" {
		t.Errorf("the other organization's group has %+v and holds %+v", members.Items, held.Items)
	}
}
