package access

import "github.com/gatehouse-id/gatehouse/internal/iam"

// A Decision is the answer to "may this subject do that here".
type Decision string

// The decisions. NotFound denies without telling that the node exists.
const (
	Allow     Decision = "allow"
	Forbidden Decision = "forbidden"
	NotFound  Decision = "not_found"
)

// Roles returns the roles that s holds at n, in file order and custom ones last; empty when there are none or n is unknown.
func (m *Model) Roles(f Facts, s iam.Subject, n iam.NodeID) []iam.RoleID {
	ev, ok := m.evaluate(f, s, n)
	if !ok {
		return []iam.RoleID{}
	}
	return ev.appendRoles([]iam.RoleID{}, ev.last())
}

// Permissions returns what s may do at n, in file order: what its roles at n and above permit.
func (m *Model) Permissions(f Facts, s iam.Subject, n iam.NodeID) []iam.Permission {
	ev, ok := m.evaluate(f, s, n)
	if !ok {
		return []iam.Permission{}
	}
	held := ev.permissions()
	return m.permissions(&held)
}

// Decide answers whether s may do p at n. A permission that the model does not know is an error (Invalid, "unknown_permission"),
// never a silent no.
func (m *Model) Decide(f Facts, s iam.Subject, p iam.Permission, n iam.NodeID) (Decision, error) {
	if !m.HasPermission(p) {
		return NotFound, refuseUnknownPermission(m, p)
	}
	return m.decision(f, s, p, n), nil
}

func (m *Model) decision(f Facts, s iam.Subject, p iam.Permission, n iam.NodeID) Decision {
	ev, ok := m.evaluate(f, s, n)
	if !ok {
		return NotFound
	}
	held := ev.permissions()
	switch {
	case held.has(m.permOf[p]):
		return Allow
	case ev.visible(&held):
		return Forbidden
	}
	return NotFound
}

// Visible reports whether s may know that n exists.
func (m *Model) Visible(f Facts, s iam.Subject, n iam.NodeID) bool {
	ev, ok := m.evaluate(f, s, n)
	if !ok {
		return false
	}
	held := ev.permissions()
	return ev.visible(&held)
}
