package adminapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func groupsOf(page apiv1.Page[apiv1.Group]) string {
	var out []string
	for _, g := range page.Items {
		name := g.Parent + "/" + g.Name
		if g.System {
			name += " system"
		}
		if g.Preselect {
			name += " preselect"
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// Groups are managed by those whom the model lets, and nobody gives more by them than he holds.
func TestGroupsAreManagedByRights(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	create := func(name string, members ...string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error {
			return errorOf(api.CreateGroup(ctx, "bank/retail", apiv1.NewGroup{Name: name, GroupSpec: apiv1.GroupSpec{Members: members}}))
		}
	}
	b.try("create", trial{"wu", "forbidden", create("sales")}, trial{"cu", "not_found", create("sales")}, trial{"olga", "not_found", create("sales")}, trial{"xc", "not_found", create("sales")},
		trial{"wa", "", create("sales", "wu")}, trial{"wa", "name_taken", create("sales")}, trial{"wu", "forbidden", create("sales")}, trial{"wa", "invalid", create("a\nb")},
		trial{"wa", "unknown_reference", create("odd", "nobody")}, trial{"operator", "", create("service")})
	add := func(user string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error { return api.AddMember(ctx, "bank/retail", "sales", user) }
	}
	remove := func(user string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error { return api.RemoveMember(ctx, "bank/retail", "sales", user) }
	}
	b.try("add", trial{"wu", "forbidden", add("pv")}, trial{"wa", "", add("pv")}, trial{"cu", "not_found", add("pv")})
	list := func(api *apiv1.Client) error {
		return errorOf(api.ListMembers(ctx, "bank/retail", "sales", apiv1.PageOptions{}))
	}
	b.try("members", trial{"wu", "forbidden", list}, trial{"wa", "", list}, trial{"ora", "", list}, trial{"zed", "not_found", list}, trial{"auditor", "", list})
	groups := func(api *apiv1.Client) error { return errorOf(api.ListGroups(ctx, "bank/retail", apiv1.PageOptions{})) }
	b.try("groups", trial{"wu", "forbidden", groups}, trial{"wa", "", groups}, trial{"cu", "not_found", groups})
	b.try("remove", trial{"wu", "forbidden", remove("wu")}, trial{"wa", "", remove("pv")})
	end := func(api *apiv1.Client) error { return api.DeleteGroup(ctx, "bank/retail", "sales") }
	b.try("delete", trial{"wu", "forbidden", end}, trial{"zed", "not_found", end}, trial{"wa", "", end}, trial{"wa", "not_found", end})
}

// Computed groups are found where access is granted, are absent where groups are managed, and are nobody's to change.
func TestSystemGroups(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	wa := b.user("wa")
	check(t, errorOf(wa.CreateGroup(ctx, "bank/retail", apiv1.NewGroup{Name: "alpha"})))
	check(t, errorOf(wa.CreateGroup(ctx, "bank/retail", apiv1.NewGroup{Name: "al"})))
	check(t, errorOf(wa.CreateGroup(ctx, "bank/retail", apiv1.NewGroup{Name: "beta"})))
	page, err := wa.ListGroups(ctx, "bank/retail", apiv1.PageOptions{})
	check(t, err)
	if got := groupsOf(page); got != "bank/retail/al, bank/retail/alpha, bank/retail/beta" {
		t.Errorf("managed: got %q", got)
	}
	for _, c := range []struct{ who, node, search, want string }{
		{"wa", "bank/retail", "al", "bank/retail/all_users_retail system, bank/retail/al, bank/retail/alpha"},
		{"po", "bank/retail/loans", "al", "bank/retail/all_users_retail system preselect, bank/retail/al, bank/retail/alpha"},
		{"po", "bank/retail/loans", "ALL_USERS", "bank/retail/all_users_retail system preselect"},
		{"po", "bank/retail/loans", "beta", "bank/retail/beta"},
		{"po", "bank/retail/loans", "betas", ""},
		{"po", "bank/retail/loans", "\u202e", ""},
	} {
		page, err := b.user(c.who).SearchGroups(ctx, c.node, c.search, apiv1.PageOptions{})
		check(t, err)
		if got := groupsOf(page); got != c.want {
			t.Errorf("%q at %s: got %q, want %q", c.search, c.node, got, c.want)
		}
		var parts apiv1.Page[apiv1.Group]
		for o := (apiv1.PageOptions{PageSize: 2}); ; {
			page, err := b.user(c.who).SearchGroups(ctx, c.node, c.search, o)
			check(t, err)
			parts.Items = append(parts.Items, page.Items...)
			if o.Token = page.NextPageToken; o.Token == "" {
				break
			}
		}
		if got := groupsOf(parts); got != c.want {
			t.Errorf("%q at %s in parts: got %q, want %q", c.search, c.node, got, c.want)
		}
	}
	b.try("search", trial{"pv", "forbidden", func(api *apiv1.Client) error {
		return errorOf(api.SearchGroups(ctx, "bank/retail/loans", "a", apiv1.PageOptions{}))
	}})
	for what, do := range map[string]func(api *apiv1.Client) error{
		"make one": func(api *apiv1.Client) error {
			return errorOf(api.CreateGroup(ctx, "bank/retail", apiv1.NewGroup{Name: "all_users_retail"}))
		},
		"make like": func(api *apiv1.Client) error {
			return errorOf(api.CreateGroup(ctx, "bank/retail", apiv1.NewGroup{Name: "all_users_other"}))
		},
		"delete":    func(api *apiv1.Client) error { return api.DeleteGroup(ctx, "bank/retail", "all_users_retail") },
		"add to":    func(api *apiv1.Client) error { return api.AddMember(ctx, "bank/retail", "all_users_retail", "cu") },
		"take from": func(api *apiv1.Client) error { return api.RemoveMember(ctx, "bank/retail", "all_users_retail", "wu") },
		"members of": func(api *apiv1.Client) error {
			return errorOf(api.ListMembers(ctx, "bank/retail", "all_users_retail", apiv1.PageOptions{}))
		},
	} {
		b.try(what, trial{"wa", "group_is_system", do}, trial{"operator", "group_is_system", do}, trial{"wu", "forbidden", do}, trial{"zed", "not_found", do})
	}
}

// A group of many thousands is listed in parts and changed at the price of a small one; who leaves loses the tokens.
func TestLargeGroupsAreListedAndChangedInBoundedWork(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	wa := b.user("wa")
	g, err := wa.CreateGroup(ctx, "bank/retail", apiv1.NewGroup{Name: "crowd"})
	check(t, err)
	const many = 20_000
	check(t, b.fillGroup(iam.GroupID(g.ID), many))
	check(t, errorOf(b.as("operator").Assign(ctx, "bank/retail/loans", apiv1.Assignment{Group: "crowd", Role: "project_viewer"})))
	begin := time.Now()
	page, err := wa.ListMembers(ctx, "bank/retail", "crowd", apiv1.PageOptions{PageSize: 1000})
	check(t, err)
	if len(page.Items) != 1000 || page.NextPageToken == "" {
		t.Errorf("got %d members, token %q", len(page.Items), page.NextPageToken)
	}
	check(t, wa.AddMember(ctx, "bank/retail", "crowd", "zed"))
	check(t, errorOf(b.user("zed").GetNode(ctx, "bank/retail/loans")))
	check(t, wa.RemoveMember(ctx, "bank/retail", "crowd", "zed"))
	if _, err := b.user("zed").GetNode(ctx, "bank/retail/loans"); codeOf(err) != "not_found" {
		t.Errorf("after leaving: got %v", err)
	}
	check(t, b.as("operator").Unassign(ctx, "bank/retail/loans", apiv1.Assignment{Group: "crowd", Role: "project_viewer"}))
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// fillGroup puts users into a group as the directory does, many at a time.
func (b *broker) fillGroup(g iam.GroupID, many int) error {
	const part = 18
	for i := 0; i < many; i += part {
		err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
			for k := i; k < min(i+part, many); k++ {
				if err := tx.SetMember(g, iam.UserID(fmt.Sprintf("u_%016d", k)), true); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
