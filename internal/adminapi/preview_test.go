package adminapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func (b *broker) preview(by string, changes ...apiv1.PreviewChange) apiv1.Effect {
	b.t.Helper()
	e, err := b.as(by).PreviewAccess(b.t.Context(), apiv1.Preview{Changes: changes})
	check(b.t, err)
	return e
}

func assignAt(node, user, role string) *apiv1.AssignmentAt {
	return &apiv1.AssignmentAt{Node: node, Assignment: apiv1.Assignment{User: user, Role: role}}
}

func linesOf(e apiv1.Effect) (out []string) {
	for _, l := range e.Access {
		out = append(out, fmt.Sprint(l.Node, " ", l.Name, " ", l.Before, " -> ", l.After))
	}
	slices.Sort(out)
	return out
}

// Scenario 90 (S2:65): the dry run of an assignment to a new external names the seat that it would take; nothing is written.
func TestPreviewTellsTheSeat(t *testing.T) {
	b := start(t)
	ctx, op := t.Context(), b.as("operator")
	for _, name := range []string{"ada", "ext"} {
		_, err := op.CreateUser(ctx, apiv1.NewUser{Name: name})
		check(t, err)
	}
	for _, n := range []apiv1.NewNode{
		{Name: "lab", NodeSpec: apiv1.NodeSpec{Model: "flakiness"}, Assignments: []apiv1.Assignment{{User: "ada", Role: "admin"}}},
		{Name: "web", Parent: "lab", NodeSpec: apiv1.NodeSpec{Level: "project"}},
	} {
		_, err := op.CreateNode(ctx, n)
		check(t, err)
	}
	limit := func(seats int) {
		check(t, b.store.Update(ctx, func(tx *store.Tx) error {
			n, err := tx.NodeNamed("", "lab")
			if err != nil {
				return err
			}
			n.Seats = seats
			return tx.PutNode(n)
		}))
	}
	ada := b.person("ada", "lab")
	external := apiv1.PreviewChange{Assign: assignAt("lab/web", "ext", "viewer")}
	limit(2)
	for range 2 { // the first wrote nothing
		e := b.preview(ada, external)
		if e.Refused != nil || e.Seats == nil || *e.Seats != (apiv1.SeatEffect{Node: "lab", Before: 1, After: 2, Limit: 2}) {
			t.Errorf("got %+v %+v, want a seat taken of 2", e.Refused, e.Seats)
		}
		if got := linesOf(e); !slices.Equal(got, []string{"lab/web ext [] -> [viewer]"}) {
			t.Errorf("got %q", got)
		}
	}
	limit(1)
	if e := b.preview(ada, external); e.Refused == nil || e.Refused.Code != "seat_limit_reached" || e.Seats == nil || e.Seats.Before != 1 || e.Seats.Limit != 1 {
		t.Errorf("with one seat: got %+v %+v, want it refused", e.Refused, e.Seats)
	}
	limit(0)
	public := b.preview(ada, apiv1.PreviewChange{Set: &apiv1.SettingAt{Node: "lab/web", Key: "visibility", Value: "public"}})
	if !slices.Equal(public.Public, []apiv1.PublicEffect{{Node: "lab/web", After: true}}) {
		t.Errorf("a project made public: got %+v refused %+v, want that anyone sees it", public.Public, public.Refused)
	}
	// Scenario 113 (S3:51) in this model: a value that the setting does not take.
	bad := b.preview(ada, apiv1.PreviewChange{Set: &apiv1.SettingAt{Node: "lab/web", Key: "visibility", Value: "admin"}})
	if bad.Refused == nil || bad.Refused.Code != "value_not_allowed" {
		t.Errorf("got %+v, want value_not_allowed", bad.Refused)
	}
	suspended := b.preview(ada, apiv1.PreviewChange{Assign: assignAt("lab", "ext", "member")}, apiv1.PreviewChange{Suspend: assignAt("lab", "ext", "")},
		apiv1.PreviewChange{Resume: assignAt("lab", "ext", "")})
	if got := linesOf(suspended); suspended.Refused != nil || !slices.Equal(got, []string{"lab ext [] -> [member]", "lab/web ext [] -> [viewer]"}) {
		t.Errorf("got %q refused %+v", got, suspended.Refused)
	}
}

// A change that would be refused is named with its code, and so is none that comes after it.
func TestPreviewNamesTheRefusal(t *testing.T) {
	b := reviewed(t)
	boss := b.person("boss", "acme")
	e := b.preview(boss, apiv1.PreviewChange{Unassign: assignAt("acme/wks/loans", "pete", "project_viewer")}, apiv1.PreviewChange{Unassign: assignAt("acme", "boss", "org_admin")})
	if e.Refused == nil || e.Refused.Index != 1 || e.Refused.Code != "last_holder" || len(e.Access) != 0 {
		t.Errorf("got %+v, want the second refused as last_holder", e)
	}
	e = b.preview(b.person("pete", "acme"), apiv1.PreviewChange{Assign: assignAt("acme/wks/loans", "boss", "project_editor")})
	if e.Refused == nil || e.Refused.Code != "forbidden" {
		t.Errorf("by pete: got %+v, want forbidden", e.Refused)
	}
	// What the caller may not know of is refused as what does not exist.
	stranger := b.preview("stranger", apiv1.PreviewChange{Assign: assignAt("acme", "boss", "org_admin")})
	nowhere := b.preview("stranger", apiv1.PreviewChange{Assign: assignAt("nowhere", "boss", "org_admin")})
	if stranger.Refused == nil || nowhere.Refused == nil || stranger.Refused.Code != "not_found" ||
		stranger.Refused.Detail != strings.Replace(nowhere.Refused.Detail, "nowhere", "acme", 1) || stranger.Seats != nil || len(stranger.Warnings) != 0 {
		t.Errorf("by a stranger: got %+v, want it as %+v", stranger, nowhere)
	}
	for _, body := range []string{`{"changes":[]}`, `{"changes":[{}]}`, `{"changes":[{"set":{"node":"acme","key":"a"},"delete_role":{"node":"acme","role":"b"}}]}`} {
		a := b.send("POST", "/api/v1/access/preview", boss, body)
		if a.status != 400 && !strings.Contains(a.body, `"refused":{"index":0,"code":"invalid"`) {
			t.Errorf("%s: got %d %s", body, a.status, a.body)
		}
	}
}

// The effect is told for each node and person whose roles would differ, below too and through groups; each change builds on those
// before it, and nothing of it is written.
func TestPreviewTellsWhoWouldHoldWhat(t *testing.T) {
	b := reviewed(t)
	boss := b.person("boss", "acme")
	revision := b.store.Revision()
	for _, c := range []struct {
		what    string
		changes []apiv1.PreviewChange
		want    []string
	}{
		{"assignment", []apiv1.PreviewChange{{Assign: assignAt("acme/wks", "pete", "workspace_admin")}}, []string{
			"acme/wks pete [] -> [workspace_admin]", "acme/wks/loans pete [project_viewer] -> [project_owner project_viewer]",
		}},
		{"group member", []apiv1.PreviewChange{{RemoveGroupMember: &apiv1.GroupMemberAt{Node: "acme/wks", Group: "sales", User: "gu1"}}}, []string{
			"acme/wks/loans gu1 [project_editor] -> []",
		}},
		{"two that cancel out", []apiv1.PreviewChange{
			{AddGroupMember: &apiv1.GroupMemberAt{Node: "acme/wks", Group: "sales", User: "pete"}},
			{RemoveGroupMember: &apiv1.GroupMemberAt{Node: "acme/wks", Group: "sales", User: "pete"}},
		}, nil},
		{"group", []apiv1.PreviewChange{{DeleteGroup: &apiv1.GroupAt{Node: "acme/wks", Group: "sales"}}}, []string{
			"acme/wks/loans gu1 [project_editor] -> []", "acme/wks/loans gu2 [project_editor] -> []",
		}},
		{"all that somebody holds", []apiv1.PreviewChange{{Unassign: assignAt("acme", "pete", "")}}, []string{"acme/wks/loans pete [project_viewer] -> []"}},
	} {
		e := b.preview(boss, c.changes...)
		if got := linesOf(e); e.Refused != nil || !slices.Equal(got, c.want) || e.AccessCount != len(c.want) {
			t.Errorf("%s: got %q refused %+v, want %q", c.what, got, e.Refused, c.want)
		}
	}
	if now := b.store.Revision(); now != revision {
		t.Errorf("the directory went from revision %d to %d by previews", revision, now)
	}
}

// S4:113 and S4:114: one holder of the top role, more than three, and grants that repeat are worth a thought, and no refusal.
func TestWarningsAboutAssignments(t *testing.T) {
	b := reviewed(t)
	ctx, op := t.Context(), b.as("operator")
	boss := b.person("boss", "acme")
	codes := func(w []apiv1.Warning) (out []string) {
		for _, w := range w {
			out = append(out, w.Code+" "+w.Node)
		}
		slices.Sort(out)
		return out
	}
	if got := codes(b.openReview(boss, "acme").Warnings); !slices.Equal(got, []string{"one_top_holder acme"}) {
		t.Errorf("got %v, want that boss is alone", got)
	}
	var changes []apiv1.PreviewChange
	for _, name := range []string{"wanda", "gu1", "gu2"} {
		changes = append(changes, apiv1.PreviewChange{Assign: assignAt("acme", name, "org_admin")})
	}
	if got := codes(b.preview(boss, changes[:1]...).Warnings); len(got) != 0 {
		t.Errorf("with two: got %v, want none", got)
	}
	if got := codes(b.preview(boss, changes...).Warnings); !slices.Equal(got, []string{"many_top_holders acme"}) {
		t.Errorf("with four: got %v, want that they are many", got)
	}
	for i := range 5 {
		name := fmt.Sprint("viewer", i)
		_, err := op.CreateUser(ctx, apiv1.NewUser{Name: name})
		check(t, err)
		_, err = op.Assign(ctx, "acme/wks/loans", apiv1.Assignment{User: name, Role: "project_editor"})
		check(t, err)
	}
	if got := codes(b.openReview(boss, "acme").Warnings); !slices.Equal(got, []string{"one_top_holder acme", "repeated_grants acme/wks/loans"}) {
		t.Errorf("got %v, want that five hold the same one by one", got)
	}
}
