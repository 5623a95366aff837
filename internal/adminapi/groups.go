package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtGroup names a group in a path.
type AtGroup struct {
	AtNode
	Group string `path:"group" doc:"Name or id."`
}

type atMember struct {
	AtGroup
	User string `path:"user" doc:"Name or id."`
}

func (a *api) groups() {
	for _, h := range homes {
		a.groupsAt(h.path, h.id, h.noun)
	}
}

func (a *api) groupsAt(home, id, noun string) {
	const tag = "groups"
	list, one := home+"/{node}/groups", home+"/{node}/groups/{group}"
	add(a, op{http.MethodGet, list, "list-groups-of-" + id, "List the groups of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Search string `query:"search" maxLength:"63" doc:"List instead all groups whose names begin like this and that may hold roles here, computed ones and those of nodes above among them."`
			Paged
		}) (*plain[apiv1.Page[apiv1.Group]], error) {
			return page(in.Paged, "groups of "+in.Node+" "+in.Search, func(p store.PageOptions) (apiv1.Page[apiv1.Group], error) {
				if in.Search != "" {
					return a.Directory.SearchGroups(ctx, by.by(), path(in.Node), in.Search, p)
				}
				return a.Directory.Groups(ctx, by.by(), path(in.Node), p)
			})
		})
	add(a, op{http.MethodPost, list, "create-group-of-" + id, "Make a group of " + noun, tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Body apiv1.NewGroup
		}) (*tagged[apiv1.Group], error) {
			v, err := a.Directory.CreateGroup(ctx, by.by(), path(in.Node), in.Body)
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodGet, one, "get-group-of-" + id, "Read a group of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtGroup) (*tagged[apiv1.Group], error) {
			v, err := a.Directory.Group(ctx, by.by(), path(in.Node), in.Group)
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodDelete, one, "delete-group-of-" + id, "End a group of " + noun + " and what it holds", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtGroup
			Conditional
		}) (*none, error) {
			return nil, a.Directory.DeleteGroup(ctx, by.by(), path(in.Node), in.Group, in.expect())
		})
	add(a, op{http.MethodGet, one + "/members", "list-members-of-group-of-" + id, "List who is in a group of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtGroup
			Paged
		}) (*plain[apiv1.Page[apiv1.Member]], error) {
			return page(in.Paged, "members of "+in.Node+" "+in.Group, func(p store.PageOptions) (apiv1.Page[apiv1.Member], error) {
				return a.Directory.Members(ctx, by.by(), path(in.Node), in.Group, p)
			})
		})
	add(a, op{http.MethodPut, one + "/members/{user}", "add-member-to-group-of-" + id, "Put a user into a group of " + noun, tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *atMember) (*none, error) {
			return nil, a.Directory.AddMember(ctx, by.by(), path(in.Node), in.Group, in.User)
		})
	add(a, op{http.MethodDelete, one + "/members/{user}", "remove-member-from-group-of-" + id, "Take a user out of a group of " + noun, tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *atMember) (*none, error) {
			return nil, a.Directory.RemoveMember(ctx, by.by(), path(in.Node), in.Group, in.User)
		})
}
