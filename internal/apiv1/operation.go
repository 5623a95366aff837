package apiv1

import (
	"context"
	"net/http"
)

// An Operation is something compound that an access model lets people do at a node.
type Operation struct {
	Name        string        `json:"name"`
	Requires    []Requirement `json:"requires" nullable:"false"`
	Creates     string        `json:"creates,omitempty" doc:"The level or kind of the node that it makes, or something that Gatehouse keeps no node of."`
	CreatorGets string        `json:"creator_gets,omitempty" doc:"The role that its maker holds at the new node."`
	Allowed     bool          `json:"allowed" doc:"Whether the caller may carry it out here."`
}

// A Requirement is a permission that an operation takes, at the node of a level on the way.
type Requirement struct {
	Permission string `json:"permission"`
	At         string `json:"at"`
}

// A NewOperation says what an operation makes.
type NewOperation struct {
	Name        string `json:"name,omitempty" doc:"Of the node that it makes, unique below its parent."`
	DisplayName string `json:"display_name,omitempty"`
}

// An OperationDone is what an operation has made.
type OperationDone struct {
	Operation string `json:"operation"`
	Node      *Node  `json:"node,omitempty" doc:"The new node."`
	Role      string `json:"role,omitempty" doc:"What the caller holds at the new node."`
	Artifact  string `json:"artifact,omitempty" doc:"What may come into being elsewhere: Gatehouse keeps no node of it."`
}

// ListOperations lists the operations at a node.
func (c *Client) ListOperations(ctx context.Context, node string) (Page[Operation], error) {
	v, _, err := get[Page[Operation]](ctx, c, "/nodes"+segment(node)+"/operations", nil)
	return v, err
}

// Operate carries out an operation at a node.
func (c *Client) Operate(ctx context.Context, node, operation string, o NewOperation) (OperationDone, error) {
	v, _, err := send[OperationDone](ctx, c, http.MethodPost, "/nodes"+segment(node)+"/operations"+segment(operation), "", o)
	return v, err
}
