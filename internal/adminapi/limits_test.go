package adminapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// What is one intention is one transaction of the store, which has room for so many steps: these are the largest that are allowed.

// Somebody who holds much in many places, and is owner of some of them, is disabled at once.
func TestSomebodyInManyPlacesIsDisabled(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	op := b.as("operator")
	for i := range 70 {
		_, err := op.CreateNode(ctx, apiv1.NewNode{
			Name: fmt.Sprintf("p%d", i), Parent: "acme/wks", NodeSpec: apiv1.NodeSpec{Level: "project", Kind: "project"},
			Assignments: []apiv1.Assignment{{User: "pete", Role: "project_viewer"}},
		})
		check(t, err)
	}
	for i := range 20 {
		_, err := op.CreateNode(ctx, apiv1.NewNode{
			Name: fmt.Sprintf("org%d", i), NodeSpec: apiv1.NodeSpec{Model: "flowx"},
			Assignments: []apiv1.Assignment{{User: "pete", Role: "org_admin"}, {User: "gu1", Role: "org_admin"}},
		})
		check(t, err)
	}
	check(t, errorOf(op.UpdateUser(ctx, "pete", apiv1.UserSpec{Disabled: true}, "")))
	u, err := op.GetUser(ctx, "pete")
	check(t, err)
	if !u.Disabled {
		t.Errorf("got %+v, want disabled", u)
	}
}

// A node is deleted with all that is written there: more holders, groups, ended invitations and suspensions of those who left than
// one transaction removes. So by its admin, and by an operator.
func TestANodeGoesWithAllThatIsWrittenThere(t *testing.T) {
	for _, by := range []string{"wanda", "operator"} {
		t.Run(by, func(t *testing.T) {
			b := reviewed(t)
			ctx := t.Context()
			op := b.as("operator")
			const at = "acme/wks/loans"
			node, err := op.GetNode(ctx, at)
			check(t, err)
			for i := range 30 {
				name := fmt.Sprintf("u%d", i)
				u, err := op.CreateUser(ctx, apiv1.NewUser{Name: name})
				check(t, err)
				check(t, errorOf(op.Invite(ctx, at, apiv1.NewInvitation{Email: name + "@bank.example", Role: "project_viewer"})))
				if i%2 == 0 {
					check(t, errorOf(op.Assign(ctx, at, apiv1.Assignment{User: name, Role: "project_viewer"})))
					check(t, errorOf(op.CreateGroup(ctx, "acme/wks", apiv1.NewGroup{Name: "g" + name, GroupSpec: apiv1.GroupSpec{Members: []string{name}}})))
					check(t, errorOf(op.Assign(ctx, at, apiv1.Assignment{Group: "g" + name, Role: "project_editor"})))
					continue
				}
				check(t, b.store.Update(ctx, func(tx *store.Tx) error {
					return tx.Suspend(iam.NodeID(node.ID), iam.UserID(u.ID).Subject(), true)
				}))
			}
			later := time.Now().Add(15 * 24 * time.Hour)
			b.stopped.Store(&later)
			caller := by
			if by != "operator" {
				caller = b.person(by, "acme")
			}
			check(t, b.as(caller).DeleteNode(ctx, at))
			_, err = op.GetNode(ctx, at)
			wantCode(t, err, "not_found")
		})
	}
}

// A node brings as many first assignments as it may, in one change with it.
func TestANodeBringsItsFirstAssignments(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	op := b.as("operator")
	var first []apiv1.Assignment
	for i := range 6 {
		name := fmt.Sprintf("u%d", i)
		check(t, errorOf(op.CreateUser(ctx, apiv1.NewUser{Name: name})))
		check(t, errorOf(op.Assign(ctx, "acme/wks", apiv1.Assignment{User: name, Role: "workspace_user"})))
		first = append(first, apiv1.Assignment{User: name, Role: "project_viewer"})
	}
	_, err := op.CreateNode(ctx, apiv1.NewNode{
		Name: "car", Parent: "acme/wks", Assignments: first, NodeSpec: apiv1.NodeSpec{Level: "project", Kind: "project"},
	})
	check(t, err)
}
