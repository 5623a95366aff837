package apiv1

import (
	"context"
	"net/http"
)

// A Role is what can be held at the nodes of a level, as the API shows it: of the access model, or custom.
type Role struct {
	ID          string   `json:"id"`
	Level       string   `json:"level"`
	Custom      bool     `json:"custom" doc:"An organization made it for itself."`
	Parent      string   `json:"parent,omitempty" doc:"Of a custom role, the path of the node that defines it, for the nodes of its level there and below."`
	Base        string   `json:"base,omitempty" doc:"Of a custom role, the one that it was copied from. Who may hold and assign it follows that one."`
	Permissions []string `json:"permissions" nullable:"false"`
	Holders     []string `json:"holders" nullable:"false" doc:"The kinds of subject that may hold it: user, group, client."`
	Duplicable  bool     `json:"duplicable,omitempty" doc:"A custom role may begin as it."`
	Min         int      `json:"min,omitempty" doc:"How many holders a node must keep."`
	Max         int      `json:"max,omitempty" doc:"How many holders a node may have. Absent: any number."`
	Assigned    string   `json:"assigned" enum:"people,operations,configuration" doc:"Who gives it: people with one of assigned_by, operations of the model, or the operator's configuration."`
	AssignedBy  []string `json:"assigned_by,omitempty" doc:"Permissions, any of which lets people assign it."`
	ETag        string   `json:"-"` // the version read
}

// NewRole is what it takes to make a custom role.
type NewRole struct {
	ID string `json:"id" doc:"Unique at its node and above it, and no role of the model."`
	CustomRoleSpec
}

// A CustomRoleSpec describes a custom role.
type CustomRoleSpec struct {
	Base        string   `json:"base" yaml:"base" doc:"The role of the model that it begins as. It never changes."`
	Level       string   `json:"level,omitempty" yaml:"level,omitempty" doc:"The level of its nodes, which is that of base. It never changes."`
	Permissions []string `json:"permissions,omitzero" yaml:"permissions,omitempty" doc:"Absent: those of base or, of one that is there, what it has."`
}

// A RoleChange is what a custom role becomes.
type RoleChange struct {
	Permissions []string `json:"permissions" nullable:"false" doc:"All that it permits from now on."`
}

// RoleFilter asks for a part of the roles. Level "" is the node's own. AssignableTo, a kind of subject (user, group or client),
// asks for exactly those that the caller may give to one who holds nothing at the node.
type RoleFilter struct{ Level, AssignableTo string }

// ListRoles lists the roles of the nodes of a level, at and below one.
func (c *Client) ListRoles(ctx context.Context, node string, f RoleFilter) (Page[Role], error) {
	v, _, err := get[Page[Role]](ctx, c, "/nodes"+segment(node)+"/roles", PageOptions{}.query("level", f.Level, "assignable_to", f.AssignableTo))
	return v, err
}

// GetRole returns a role.
func (c *Client) GetRole(ctx context.Context, node, role string) (Role, error) {
	v, etag, err := get[Role](ctx, c, "/nodes"+segment(node)+"/roles"+segment(role), nil)
	v.ETag = etag
	return v, err
}

// CreateRole makes a custom role, for the nodes of its level at and below one.
func (c *Client) CreateRole(ctx context.Context, node string, r NewRole) (Role, error) {
	v, etag, err := create[Role](ctx, c, "/nodes"+segment(node)+"/roles", r)
	v.ETag = etag
	return v, err
}

// UpdateRole gives a custom role other permissions. Whoever holds it and had more before loses the tokens that say so.
func (c *Client) UpdateRole(ctx context.Context, node, role string, r RoleChange, etag string) (Role, error) {
	v, etag, err := send[Role](ctx, c, http.MethodPut, "/nodes"+segment(node)+"/roles"+segment(role), etag, r)
	v.ETag = etag
	return v, err
}

// DeleteRole ends a custom role that nobody holds.
func (c *Client) DeleteRole(ctx context.Context, node, role string) error {
	return c.delete(ctx, "/nodes"+segment(node)+"/roles"+segment(role))
}
