package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtMember names a member of a node in a path.
type AtMember struct {
	AtNode
	User string `path:"user" doc:"Name or id of a user, or me."`
}

func (a *api) membersAt(home, id, noun string) {
	const tag = "members"
	at := home + "/{node}/members"
	add(a, op{http.MethodGet, at, "list-members-of-" + id, "List the people with roles at " + noun + ", and those who are invited", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Paged
		}) (*plain[apiv1.Page[apiv1.Membership]], error) {
			return page(in.Paged, "members of "+in.Node, func(p store.PageOptions) (apiv1.Page[apiv1.Membership], error) {
				return a.Directory.Memberships(ctx, by.by(), path(in.Node), p)
			})
		})
	add(a, op{http.MethodPost, at, "add-member-to-" + id, "Give somebody a role at " + noun + ", or invite whoever is not a user yet", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Body apiv1.NewMembership
		}) (*tagged[apiv1.MembershipAdded], error) {
			v, err := a.Directory.AddMembership(ctx, by.by(), path(in.Node), in.Body)
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodGet, at + "/{user}", "get-member-of-" + id, "Read what somebody holds at " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtMember) (*tagged[apiv1.Membership], error) {
			v, err := a.Directory.Membership(ctx, by.by(), path(in.Node), in.User)
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodPut, at + "/{user}", "set-member-of-" + id, "Replace what a member holds at " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtMember
			Conditional
			Body apiv1.MembershipSpec
		}) (*tagged[apiv1.Membership], error) {
			v, err := a.Directory.SetMembership(ctx, by.by(), path(in.Node), in.User, in.Body, in.expect())
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodDelete, at + "/{user}", "remove-member-of-" + id, "Take all that somebody holds at " + noun + " and below", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *AtMember) (*none, error) {
			return nil, a.Directory.EndMembership(ctx, by.by(), path(in.Node), in.User)
		})
	for _, verb := range []struct {
		name, summary string
		suspended     bool
	}{
		{"suspend", "Take somebody's access at " + noun + " and below away, whatever roles he holds", true},
		{"resume", "Give somebody's access at " + noun + " and below back", false},
	} {
		add(a, op{http.MethodPost, at + "/{user}/" + verb.name, verb.name + "-member-of-" + id, verb.summary, tag, 0, false, false},
			func(ctx context.Context, by *caller, in *AtMember) (*tagged[apiv1.Membership], error) {
				v, err := a.Directory.Suspend(ctx, by.by(), path(in.Node), in.User, verb.suspended)
				return withTag(v, v.ETag, err)
			})
	}
	add(a, op{http.MethodGet, home + "/{node}/suspensions", "list-suspensions-of-" + id, "List the people who are suspended at " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Paged
		}) (*plain[apiv1.Page[apiv1.Membership]], error) {
			return page(in.Paged, "suspensions of "+in.Node, func(p store.PageOptions) (apiv1.Page[apiv1.Membership], error) {
				return a.Directory.Suspensions(ctx, by.by(), path(in.Node), p)
			})
		})
	add(a, op{http.MethodGet, home + "/{node}/seats", "get-seats-of-" + id, "Count the seats that " + noun + " uses, and list who takes them", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Paged
		}) (*plain[apiv1.SeatList], error) {
			list := "seats of " + in.Node
			after, err := place(list, in.PageToken)
			if err != nil {
				return nil, err
			}
			v, err := a.Directory.Seats(ctx, by.by(), path(in.Node), store.PageOptions{After: after, Limit: in.PageSize})
			v.NextPageToken = pageToken(list, v.NextPageToken)
			return &plain[apiv1.SeatList]{Body: v}, err
		})
}
