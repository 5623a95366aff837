package apiv1

import (
	"context"
	"net/http"
)

// A Membership is a person with roles at a node, as the API shows it: a user, or somebody invited who has not come.
type Membership struct {
	ID         string      `json:"id,omitempty" doc:"Of the user. Absent: the person has not come."`
	Name       string      `json:"name,omitempty"`
	Roles      []string    `json:"roles" nullable:"false" doc:"What the person holds at exactly this node."`
	Suspended  bool        `json:"suspended,omitempty" doc:"The roles count for nothing here and below."`
	Pending    bool        `json:"pending,omitempty" doc:"Invited, and has not come: it holds a seat and nothing else."`
	Invitation *Invitation `json:"invitation,omitempty" doc:"Of somebody pending."`
	ETag       string      `json:"-"` // the version read
}

// NewMembership names one of User, Login and Email. Who is not a user here yet is invited.
type NewMembership struct {
	User  string `json:"user,omitempty" doc:"Name or id."`
	Login *Login `json:"login,omitempty" doc:"An account at an upstream provider."`
	Email string `json:"email,omitempty" doc:"An address; who proves to have it becomes a member."`
	Role  string `json:"role,omitempty" doc:"Absent: the role for those who join."`
}

// A MembershipSpec is all that a member holds at the node: Roles, or the one Role.
type MembershipSpec struct {
	Role  string   `json:"role,omitempty"`
	Roles []string `json:"roles,omitempty" maxItems:"16"`
}

// A MembershipAdded is a new membership and what it leaves of the seats.
type MembershipAdded struct {
	Membership
	Seats *Seats `json:"seats,omitempty" doc:"Absent where the access model counts none."`
}

// Seats say how many people an organization has and may have.
type Seats struct {
	Node  string `json:"node" doc:"The path of the node that has them."`
	Used  int    `json:"used"`
	Limit int    `json:"limit,omitempty" doc:"Absent: not limited."`
	Left  *int   `json:"left,omitempty" doc:"Absent: not limited."`
}

// SeatList is Seats with a part of the list of who takes them.
type SeatList struct {
	Seats
	Page[SeatHolder]
}

// A SeatHolder takes a seat: a user, or somebody invited.
type SeatHolder struct {
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Login *Login `json:"login,omitempty"`
}

func members(node string) string { return "/nodes" + segment(node) + "/members" }

// ListMemberships lists the people with roles at a node; those who are invited come first.
func (c *Client) ListMemberships(ctx context.Context, node string, o PageOptions) (Page[Membership], error) {
	v, _, err := get[Page[Membership]](ctx, c, members(node), o.query())
	return v, err
}

// GetMembership returns what a user holds at a node. The user "me" is the caller.
func (c *Client) GetMembership(ctx context.Context, node, user string) (Membership, error) {
	v, etag, err := get[Membership](ctx, c, members(node)+segment(user), nil)
	v.ETag = etag
	return v, err
}

// AddMembership gives somebody a role at a node, or invites whoever is not a user yet.
func (c *Client) AddMembership(ctx context.Context, node string, m NewMembership) (MembershipAdded, error) {
	v, etag, err := create[MembershipAdded](ctx, c, members(node), m)
	v.ETag = etag
	return v, err
}

// SetMembership makes what the spec says all that a member holds at a node.
func (c *Client) SetMembership(ctx context.Context, node, user string, s MembershipSpec, etag string) (Membership, error) {
	v, etag, err := send[Membership](ctx, c, http.MethodPut, members(node)+segment(user), etag, s)
	v.ETag = etag
	return v, err
}

// EndMembership takes all that somebody holds at a node and below. The user "me" is the caller, who leaves.
func (c *Client) EndMembership(ctx context.Context, node, user string) error {
	return c.delete(ctx, members(node)+segment(user))
}

// SuspendMember takes somebody's access at a node and below away without touching the roles.
func (c *Client) SuspendMember(ctx context.Context, node, user string) (Membership, error) {
	v, _, err := send[Membership](ctx, c, http.MethodPost, members(node)+segment(user)+"/suspend", "", nil)
	return v, err
}

// ResumeMember undoes SuspendMember.
func (c *Client) ResumeMember(ctx context.Context, node, user string) (Membership, error) {
	v, _, err := send[Membership](ctx, c, http.MethodPost, members(node)+segment(user)+"/resume", "", nil)
	return v, err
}

// ListSuspensions lists the people who are suspended at a node.
func (c *Client) ListSuspensions(ctx context.Context, node string, o PageOptions) (Page[Membership], error) {
	v, _, err := get[Page[Membership]](ctx, c, "/nodes"+segment(node)+"/suspensions", o.query())
	return v, err
}

// GetSeats returns the seats of the organization that pays for a node, and a part of the list of who takes them.
func (c *Client) GetSeats(ctx context.Context, node string, o PageOptions) (SeatList, error) {
	v, _, err := get[SeatList](ctx, c, "/nodes"+segment(node)+"/seats", o.query())
	return v, err
}
