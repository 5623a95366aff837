package store_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// household fills a store: acme below holding, with the user ann in a group, a suspended user bob, and the client ci, which also
// holds a role in beta.
func household(t *testing.T, s *store.Store) {
	t.Helper()
	ci, ann, bob := iam.ClientID("ci"), iam.UserID("u_ann"), iam.UserID("u_bob")
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(
			tx.PutNode(&iam.Node{ID: "n_holding", Name: "holding", Level: "enterprise", Model: "flux"}),
			tx.PutNode(&iam.Node{ID: "n_acme", Name: "acme", Level: iam.LevelOrganization, Parent: "n_holding", Seats: 3}),
			tx.PutNode(&iam.Node{ID: "n_beta", Name: "beta", Level: iam.LevelOrganization, Parent: "n_holding"}),
			tx.PutClient(&iam.Client{ID: ci, Name: "ci", Organization: "n_acme"}),
			tx.PutCustomRoles("n_acme", []*iam.CustomRole{{ID: "lead", Node: "n_acme", Level: iam.LevelOrganization, Base: "writer"}}),
		)
	}))
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(
			tx.PutGroup(&iam.Group{ID: "g_1", Node: "n_acme", Name: "team"}),
			tx.SetMember("g_1", ann, true),
			tx.Assign("n_acme", ann.Subject(), []iam.RoleID{"owner", "writer"}),
			tx.Assign("n_acme", iam.GroupID("g_1").Subject(), []iam.RoleID{"reader"}),
			tx.Suspend("n_acme", bob.Subject(), true),
			tx.Assign("n_acme", ci.Subject(), []iam.RoleID{"writer"}),
			tx.Assign("n_beta", ci.Subject(), []iam.RoleID{"reader"}),
		)
	}))
}

// asked are the questions that access models ask, by name.
func asked(f *store.Facts) map[string]any {
	names := func(path []*iam.Node) (out []string) {
		for _, n := range path {
			out = append(out, string(n.ID))
		}
		return out
	}
	groups := []string{}
	for _, g := range f.Groups("u_ann") {
		groups = append(groups, string(g.ID)+" "+g.Name)
	}
	var group string
	if g := f.Group("g_1"); g != nil {
		group = g.Name
	}
	var custom []iam.RoleID
	for _, r := range f.CustomRoles("n_acme") {
		custom = append(custom, r.ID)
	}
	holders := f.Holders("n_acme")
	slices.SortFunc(holders, func(a, b iam.Assignment) int { return cmp.Compare(a.Subject.String(), b.Subject.String()) })
	return map[string]any{
		"path": names(f.Path("n_acme")), "no path": names(f.Path("n_gone")),
		"roles": f.Roles("n_acme", iam.UserID("u_ann").Subject()), "no roles": f.Roles("n_beta", iam.UserID("u_ann").Subject()),
		"suspended": f.Suspended("n_acme", iam.UserID("u_bob").Subject()), "not suspended": f.Suspended("n_acme", iam.UserID("u_ann").Subject()),
		"groups": groups, "group": group, "custom roles": custom,
		"nodes of a client": f.Nodes(iam.ClientID("ci").Subject()), "nodes of a user": f.Nodes(iam.UserID("u_ann").Subject()),
		"holders": holders, "members": f.Members("g_1"), "children": names(f.Children("n_holding")), "seats": f.SeatLimit("n_acme"),
	}
}

// Facts are what the transactions have written.
func TestFactsAreWhatWasWritten(t *testing.T) {
	s := replica(t, engine(t))
	household(t, s)
	f := s.Facts(t.Context())
	want := map[string]any{
		"path": []string{"n_holding", "n_acme"}, "no path": []string(nil),
		"roles": []iam.RoleID{"owner", "writer"}, "no roles": []iam.RoleID(nil),
		"suspended": true, "not suspended": false,
		"groups": []string{"g_1 team"}, "group": "team", "custom roles": []iam.RoleID{"lead"},
		"nodes of a client": []iam.NodeID{"n_acme", "n_beta"}, "nodes of a user": []iam.NodeID{"n_acme"},
		"holders": []iam.Assignment{
			{Node: "n_acme", Subject: iam.ClientID("ci").Subject(), Roles: []iam.RoleID{"writer"}},
			{Node: "n_acme", Subject: iam.GroupID("g_1").Subject(), Roles: []iam.RoleID{"reader"}},
			{Node: "n_acme", Subject: iam.UserID("u_ann").Subject(), Roles: []iam.RoleID{"owner", "writer"}},
		},
		"members": []iam.UserID{"u_ann"}, "children": []string{"n_acme", "n_beta"}, "seats": 3,
	}
	for range 2 { // once from the store, once from the cache
		if diff := gocmp.Diff(want, asked(f)); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
		must(t, f.Err())
	}
}

// The first fault of any question stays, whatever is answered after it: what was evaluated on it is worthless.
func TestFactsKeepTheirFirstFault(t *testing.T) {
	e := &faulty{Store: engine(t)}
	s := replica(t, e, func(o *store.Options) { o.Lease = 0 })
	household(t, s)
	ann, ci := iam.UserID("u_ann").Subject(), iam.ClientID("ci").Subject()
	for what, ask := range map[string]func(f *store.Facts) any{
		"path":              func(f *store.Facts) any { return f.Path("n_acme") },
		"roles":             func(f *store.Facts) any { return f.Roles("n_acme", ann) },
		"suspended":         func(f *store.Facts) any { return f.Suspended("n_acme", iam.UserID("u_bob").Subject()) },
		"groups":            func(f *store.Facts) any { return f.Groups("u_ann") },
		"group":             func(f *store.Facts) any { return f.Group("g_1") },
		"custom roles":      func(f *store.Facts) any { return f.CustomRoles("n_acme") },
		"nodes of a user":   func(f *store.Facts) any { return f.Nodes(ann) },
		"nodes of a client": func(f *store.Facts) any { return f.Nodes(ci) },
		"holders":           func(f *store.Facts) any { return f.Holders("n_acme") },
		"members":           func(f *store.Facts) any { return f.Members("g_1") },
		"children":          func(f *store.Facts) any { return len(f.Children("n_holding")) },
		"seats":             func(f *store.Facts) any { return f.SeatLimit("n_acme") },
		"disabled":          func(f *store.Facts) any { return f.Disabled(ci) },
	} {
		f := s.Facts(t.Context())
		before := fmt.Sprint(ask(f))
		must(t, f.Err())
		e.set(true)
		during := fmt.Sprint(ask(f))
		first := f.Err()
		e.set(false)
		if iam.KindOf(first) != iam.Unavailable {
			t.Errorf("%s: got fault %v, want unavailable (answer %s)", what, first, during)
		}
		if before == during {
			t.Errorf("%s: an outage answers %s, as if nothing were wrong", what, during)
		}
		_ = ask(f)
		e.set(true)
		_ = ask(f)
		e.set(false)
		if err := f.Err(); err != first {
			t.Errorf("%s: after the outage and another the fault is %v, want the first one still", what, err)
		}
		if err := s.Facts(t.Context()).Err(); err != nil {
			t.Errorf("%s: a new view begins with %v", what, err)
		}
	}
}

// Lists longer than a page of the store are whole.
func TestFactsReadLongListsWhole(t *testing.T) {
	s := replica(t, engine(t))
	household(t, s)
	const many = 1010
	for from := 0; from < many; from += 10 {
		must(t, s.Update(t.Context(), func(tx *store.Tx) error {
			for i := from; i < from+10; i++ {
				if err := tx.SetMember("g_1", iam.UserID(fmt.Sprintf("u_%04d", i)), true); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	f := s.Facts(t.Context())
	members := f.Members("g_1")
	must(t, f.Err())
	if len(members) != many+1 || !slices.IsSorted(members) || len(slices.Compact(members)) != many+1 {
		t.Errorf("got %d members, want %d, each once", len(members), many+1)
	}
}
