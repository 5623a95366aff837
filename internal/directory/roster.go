package directory

import (
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A roster shows a transaction to the access models, with what the transaction has written so far. It keeps the first fault.
type roster struct {
	tx  *store.Tx
	err error
}

func peek[T any](r *roster, read func() (T, error)) T {
	var out, none T
	err := r.tx.Peek(func() (err error) {
		out, err = read()
		return err
	})
	if err != nil {
		if r.err == nil {
			r.err = err
		}
		return none
	}
	return out
}

// Path implements access.Facts.
func (r *roster) Path(n iam.NodeID) []*iam.Node {
	return peek(r, func() ([]*iam.Node, error) { return r.tx.Path(n) })
}

// Roles implements access.Facts.
func (r *roster) Roles(n iam.NodeID, s iam.Subject) []iam.RoleID {
	return peek(r, func() ([]iam.RoleID, error) { return r.tx.Roles(n, s) })
}

// Suspended implements access.Facts.
func (r *roster) Suspended(n iam.NodeID, s iam.Subject) bool {
	return peek(r, func() (bool, error) { return r.tx.Suspended(n, s) })
}

// Groups implements access.Facts.
func (r *roster) Groups(u iam.UserID) []*iam.Group {
	return peek(r, func() ([]*iam.Group, error) {
		h, err := r.tx.Holding(u.Subject())
		if err != nil {
			return nil, err
		}
		var out []*iam.Group
		for _, id := range h.Groups {
			g, err := r.tx.Group(id)
			if err != nil {
				return nil, err
			}
			if g != nil {
				out = append(out, g)
			}
		}
		return out, nil
	})
}

// CustomRoles implements access.Facts.
func (r *roster) CustomRoles(n iam.NodeID) []*iam.CustomRole {
	return peek(r, func() ([]*iam.CustomRole, error) { return r.tx.CustomRoles(n) })
}

// Nodes implements access.Facts.
func (r *roster) Nodes(s iam.Subject) []iam.NodeID {
	return peek(r, func() ([]iam.NodeID, error) { return nodesOf(r.tx, s) })
}

// nodesOf returns where a subject itself holds something, or is suspended.
func nodesOf(tx *store.Tx, s iam.Subject) ([]iam.NodeID, error) {
	h, err := tx.Holding(s)
	if err != nil || s.Kind != iam.SubjectClient {
		return h.Nodes, err
	}
	c, err := tx.Client(iam.ClientID(s.ID))
	if err != nil || c == nil || c.Organization == "" {
		return h.Nodes, err
	}
	roles, err := tx.Roles(c.Organization, s)
	if err != nil || len(roles) == 0 {
		return h.Nodes, err
	}
	return append([]iam.NodeID{c.Organization}, h.Nodes...), nil
}

// Holders implements access.Roster.
func (r *roster) Holders(n iam.NodeID) []iam.Assignment {
	return peek(r, func() ([]iam.Assignment, error) { return r.tx.Assignments(n) })
}

// Children implements access.Roster.
func (r *roster) Children(n iam.NodeID) []*iam.Node {
	return peek(r, func() ([]*iam.Node, error) { return r.tx.Children(n) })
}

// Group implements access.Roster.
func (r *roster) Group(g iam.GroupID) *iam.Group {
	return peek(r, func() (*iam.Group, error) { return r.tx.Group(g) })
}

// Members implements access.Roster.
func (r *roster) Members(g iam.GroupID) []iam.UserID {
	return peek(r, func() ([]iam.UserID, error) { return r.tx.Members(g) })
}

// Disabled implements access.Roster. It is a condition of the transaction: no version of a node tells that one of its holders was
// disabled meanwhile.
func (r *roster) Disabled(s iam.Subject) bool {
	disabled, err := r.disabled(s)
	if err != nil && r.err == nil {
		r.err = err
	}
	return disabled
}

func (r *roster) disabled(s iam.Subject) (bool, error) {
	switch s.Kind {
	case iam.SubjectUser:
		u, err := r.tx.User(iam.UserID(s.ID))
		return u == nil || u.Disabled, err
	case iam.SubjectClient:
		c, err := r.tx.Client(iam.ClientID(s.ID))
		return c == nil || c.Disabled, err
	}
	return false, nil
}

// SeatLimit implements access.Roster.
func (r *roster) SeatLimit(n iam.NodeID) int {
	node := peek(r, func() (*iam.Node, error) { return r.tx.Node(n) })
	if node == nil {
		return 0
	}
	return node.Seats
}
