package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtNode names a node in a path. Organizations are nodes, so everything below /nodes/{node} is below /organizations/{node} too.
type AtNode struct {
	Node string `path:"node" doc:"Id, or path with ':' between the names, as in acme or acme:web."`
}

// homes are where a node is found. The first is that of every level.
var homes = []struct{ path, id, noun string }{{"/nodes", "node", "a node"}, {"/organizations", "organization", "an organization"}}

func (a *api) nodes() {
	add(a, op{http.MethodGet, "/organizations", "list-organizations", "List the organizations, and other nodes without a parent, that the caller may know of", "organizations", 0, false, false},
		func(ctx context.Context, by *caller, in *Paged) (*plain[apiv1.Page[apiv1.Node]], error) {
			return page(*in, "organizations", func(p store.PageOptions) (apiv1.Page[apiv1.Node], error) {
				return a.Directory.Organizations(ctx, by.by(), p)
			})
		})
	for _, h := range homes {
		a.nodesAt(h.path, h.id, h.noun)
		a.settingsAt(h.path, h.id, h.noun)
		a.operationsAt(h.path, h.id, h.noun)
		a.rolesAt(h.path, h.id, h.noun)
		a.assignmentsAt(h.path, h.id, h.noun)
		a.membersAt(h.path, h.id, h.noun)
		a.invitationsAt(h.path, h.id, h.noun)
	}
}

func (a *api) nodesAt(home, id, noun string) {
	tag := home[1:]
	organization := id == "organization"
	add(a, op{http.MethodPost, home, "create-" + id, "Make " + noun, tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.NewNode }) (*tagged[apiv1.Node], error) {
			if level := in.Body.Level; organization && level != "" && level != string(iam.LevelOrganization) {
				return nil, iam.Errorf(iam.Invalid, "level: an organization is at level organization: post to %s/nodes", prefix)
			}
			v, err := a.Directory.CreateNode(ctx, by.by(), in.Body)
			return withTag(v, v.ETag, err)
		})
	read := a.Directory.Node
	if organization {
		read = a.Directory.Organization
	}
	add(a, op{http.MethodGet, home + "/{node}", "get-" + id, "Read " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtNode) (*tagged[apiv1.Node], error) {
			v, err := read(ctx, by.by(), path(in.Node))
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodPut, home + "/{node}", "update-" + id, "Replace the spec of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Conditional
			Body apiv1.NodeChange
		}) (*tagged[apiv1.Node], error) {
			n, err := read(ctx, by.by(), path(in.Node))
			if err != nil {
				return nil, err
			}
			v, err := a.Directory.UpdateNode(ctx, by.by(), n.ID, in.Body, in.expect())
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodDelete, home + "/{node}", "delete-" + id, "End " + noun + " without nodes, clients and groups", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Conditional
		}) (*none, error) {
			n, err := read(ctx, by.by(), path(in.Node))
			if err != nil {
				return nil, err
			}
			return nil, a.Directory.DeleteNode(ctx, by.by(), n.ID, in.expect())
		})
	add(a, op{http.MethodGet, home + "/{node}/nodes", "list-nodes-of-" + id, "List the nodes right below " + noun + " that the caller may know of", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Paged
		}) (*plain[apiv1.Page[apiv1.Node]], error) {
			return page(in.Paged, "nodes of "+in.Node, func(p store.PageOptions) (apiv1.Page[apiv1.Node], error) {
				return a.Directory.Children(ctx, by.by(), path(in.Node), p)
			})
		})
}

func (a *api) assignmentsAt(home, id, noun string) {
	const tag = "assignments"
	add(a, op{http.MethodGet, home + "/{node}/assignments", "list-assignments-of-" + id, "List who holds which roles at " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Paged
		}) (*plain[apiv1.Page[apiv1.Assignment]], error) {
			return page(in.Paged, "assignments of "+in.Node, func(p store.PageOptions) (apiv1.Page[apiv1.Assignment], error) {
				return a.Directory.Assignments(ctx, by.by(), path(in.Node), p)
			})
		})
	type about struct {
		AtNode
		Body apiv1.Assignment
	}
	add(a, op{http.MethodPost, home + "/{node}/assignments", "assign-at-" + id, "Give a role at " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *about) (*plain[apiv1.Assignment], error) {
			v, err := a.Directory.Assign(ctx, by.by(), path(in.Node), in.Body)
			return &plain[apiv1.Assignment]{Body: v}, err
		})
	add(a, op{http.MethodPost, home + "/{node}/assignments/remove", "unassign-at-" + id,
		"Take a role at " + noun + " away or, when none is named, all that the subject holds there and below", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *about) (*none, error) {
			return nil, a.Directory.Unassign(ctx, by.by(), path(in.Node), in.Body)
		})
}
