package apiv1

import "context"

// An AccessPage is an access model in a form for people: roles, rights, defaults, and who assigns what.
type AccessPage struct {
	Model    string            `json:"model"`
	Revision int               `json:"revision"`
	Node     string            `json:"node,omitempty" doc:"The path of the node whose page it is."`
	Notes    []string          `json:"notes" nullable:"false" doc:"What holds everywhere."`
	Levels   []AccessPageLevel `json:"levels" nullable:"false"`
	Markdown string            `json:"markdown" doc:"All of it as a text."`
}

// An AccessPageLevel is one kind of node.
type AccessPageLevel struct {
	ID     string            `json:"id"`
	Kinds  []string          `json:"kinds,omitempty"`
	Notes  []string          `json:"notes" nullable:"false" doc:"What holds for its nodes."`
	Roles  []AccessPageRole  `json:"roles" nullable:"false"`
	Rights []AccessPageRight `json:"rights" nullable:"false" doc:"Who may do what at one, by the roles there and above."`
}

// An AccessPageRole is a role of a level.
type AccessPageRole struct {
	ID         string   `json:"id"`
	Base       string   `json:"base,omitempty" doc:"What a role of one's own was copied from."`
	Node       string   `json:"node,omitempty" doc:"Where a role of one's own was made."`
	Holders    []string `json:"holders" nullable:"false" doc:"user, group, client."`
	AssignedBy []string `json:"assigned_by" nullable:"false" doc:"Roles whose holders may give it."`
	Notes      []string `json:"notes" nullable:"false"`
}

// An AccessPageRight is a permission at a level and what every role says of it.
type AccessPageRight struct {
	Permission string           `json:"permission"`
	Roles      []AccessPageCell `json:"roles" nullable:"false"`
}

// An AccessPageCell says whether somebody who holds only this role has the permission.
type AccessPageCell struct {
	Role    string `json:"role"`
	Held    bool   `json:"held"`
	Depends bool   `json:"depends,omitempty" doc:"Another value of a setting changes it."`
}

// RenderModel returns the page of an access model.
func (c *Client) RenderModel(ctx context.Context, name string) (AccessPage, error) {
	v, _, err := get[AccessPage](ctx, c, "/models"+segment(name)+"/render", nil)
	return v, err
}

// RenderNode returns the page of the access model that a node follows, with the settings and custom roles that there are.
func (c *Client) RenderNode(ctx context.Context, node string) (AccessPage, error) {
	v, _, err := get[AccessPage](ctx, c, "/nodes"+segment(node)+"/model/render", nil)
	return v, err
}
