package access

import "github.com/gatehouse-id/gatehouse/internal/iam"

// Facts is what evaluation reads: one consistent view of the rows. No method returns an error, because a view either holds or the
// whole answer is void: an implementation keeps the first fault of its store and its caller asks for it after the answer and before
// acting on it. What is returned is shared, and read only. Evaluating a client without custom roles calls Path, Roles and, where
// the model restricts, Suspended.
type Facts interface {
	// Path returns the nodes from the root to n, both included; nil when n is unknown.
	Path(n iam.NodeID) []*iam.Node
	// Roles returns what is assigned to exactly this subject at exactly this node.
	Roles(n iam.NodeID, s iam.Subject) []iam.RoleID
	// Suspended reports whether the subject is suspended at exactly this node.
	Suspended(n iam.NodeID, s iam.Subject) bool
	// Groups returns the custom groups that the user is in, anywhere.
	Groups(u iam.UserID) []*iam.Group
	// CustomRoles returns the custom roles defined at exactly this node.
	CustomRoles(n iam.NodeID) []*CustomRole
	// Nodes returns the nodes at which the subject itself is assigned something.
	Nodes(s iam.Subject) []iam.NodeID
}

// Roster is Facts with what only lists, seats and changes need.
type Roster interface {
	Facts
	// Holders returns every assignment at exactly this node, invitations included as assignments to a login.
	Holders(n iam.NodeID) []iam.Assignment
	// Children returns the nodes right below n.
	Children(n iam.NodeID) []*iam.Node
	// Group returns a custom group, nil when it is unknown.
	Group(g iam.GroupID) *iam.Group
	// Members returns the users in a custom group.
	Members(g iam.GroupID) []iam.UserID
	// SeatLimit returns how many seats the node has, 0 when that is not limited.
	SeatLimit(n iam.NodeID) int
	// Disabled reports whether a user or client can act nowhere. It keeps its roles, but fills no place that must be filled.
	Disabled(s iam.Subject) bool
}

// A CustomRole is a role that an organization made for itself. It is never higher than its maker was, and it lives only at levels
// where roles add up.
type CustomRole = iam.CustomRole
