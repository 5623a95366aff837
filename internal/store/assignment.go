package store

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// assignment is the record at node/subject: the roles held there, and whether the subject is suspended there.
type assignment struct {
	Roles     []iam.RoleID `json:"r,omitempty"`
	Suspended bool         `json:"s,omitempty"`
}

// A Holding says where a subject appears, so that its organizations and groups are found without a search. A client's own
// organization is not repeated here.
type Holding struct {
	Nodes  []iam.NodeID  `json:"n,omitempty"`
	Groups []iam.GroupID `json:"g,omitempty"`
}

// Holding returns where a subject holds roles and which groups it is in. It is shared: read only.
func (s *Store) Holding(ctx context.Context, sub iam.Subject) (*Holding, error) {
	h, err := cached(ctx, s, holdings, sub.String())
	if h == nil {
		h = &Holding{}
	}
	return h, err
}

// Assignments lists who holds which roles at a node.
func (s *Store) Assignments(ctx context.Context, n iam.NodeID, p PageOptions) (Page[iam.Assignment], error) {
	return list(ctx, s, directoryUnit(), assignments, string(n)+"/", p, func(id string, a *assignment) (iam.Assignment, bool, error) {
		sub, err := iam.ParseSubject(id)
		return iam.Assignment{Node: n, Subject: sub, Roles: a.Roles}, len(a.Roles) > 0, err
	})
}

// Holding is Store.Holding inside the transaction; the result is the caller's own.
func (tx *Tx) Holding(sub iam.Subject) (*Holding, error) {
	h, err := read(tx, holdings, sub.String())
	if h == nil {
		h = &Holding{}
	}
	return h, err
}

func (tx *Tx) putHolding(sub iam.Subject, h *Holding) error {
	if len(h.Nodes)+len(h.Groups) == 0 {
		remove(tx, holdings, sub.String())
		return nil
	}
	return put(tx, holdings, sub.String(), h)
}

// Assignments returns who holds which roles at a node, as the transaction sees it. Every change there touches the node, which
// it therefore reads first: what the list says still holds when the transaction is applied.
func (tx *Tx) Assignments(n iam.NodeID) ([]iam.Assignment, error) {
	if _, err := tx.Node(n); err != nil {
		return nil, err
	}
	subjects, err := ids(tx, assignments, string(n)+"/")
	if err != nil {
		return nil, err
	}
	out := make([]iam.Assignment, 0, len(subjects))
	err = tx.Peek(func() error {
		for _, id := range subjects {
			sub, err := iam.ParseSubject(id)
			if err != nil {
				return err
			}
			roles, err := tx.Roles(n, sub)
			if err != nil {
				return err
			}
			if len(roles) > 0 {
				out = append(out, iam.Assignment{Node: n, Subject: sub, Roles: roles})
			}
		}
		return nil
	})
	return out, err
}

// Suspended reports whether the subject is suspended at exactly this node.
func (tx *Tx) Suspended(n iam.NodeID, sub iam.Subject) (bool, error) {
	a, err := read(tx, assignments, assignmentID(n, sub))
	return a != nil && a.Suspended, err
}

// Roles returns the roles assigned to exactly this subject at exactly this node.
func (tx *Tx) Roles(n iam.NodeID, sub iam.Subject) ([]iam.RoleID, error) {
	a, err := read(tx, assignments, assignmentID(n, sub))
	if err != nil || a == nil {
		return nil, err
	}
	return a.Roles, nil
}

// Assign makes roles what the subject holds at the node: all of it, in the order given. No roles: nothing.
func (tx *Tx) Assign(n iam.NodeID, sub iam.Subject, roles []iam.RoleID) error {
	return tx.assign(n, sub, func(a *assignment) { a.Roles = roles })
}

// Suspend takes a subject's access at a node and below away, whatever roles it holds, or gives it back.
func (tx *Tx) Suspend(n iam.NodeID, sub iam.Subject, suspended bool) error {
	return tx.assign(n, sub, func(a *assignment) { a.Suspended = suspended })
}

func (tx *Tx) assign(n iam.NodeID, sub iam.Subject, change func(*assignment)) error {
	id := assignmentID(n, sub)
	a, err := read(tx, assignments, id)
	if err != nil {
		return err
	}
	if a == nil {
		a = &assignment{}
	}
	before := *a
	change(a)
	if before.Suspended == a.Suspended && slices.Equal(before.Roles, a.Roles) {
		return nil
	}
	if err := tx.touch(n); err != nil {
		return err
	}
	if len(a.Roles) == 0 && !a.Suspended {
		remove(tx, assignments, id)
		return tx.hold(n, sub, false)
	}
	if err := put(tx, assignments, id, a); err != nil {
		return err
	}
	return tx.hold(n, sub, true)
}

// hold notes in the subject's holding that it appears at the node, or no longer does.
func (tx *Tx) hold(n iam.NodeID, sub iam.Subject, in bool) error {
	if sub.Kind == iam.SubjectClient {
		c, err := tx.Client(iam.ClientID(sub.ID))
		if err != nil {
			return err
		}
		if c != nil && c.Organization == n {
			return nil
		}
	}
	h, err := tx.Holding(sub)
	if err != nil {
		return err
	}
	if slices.Contains(h.Nodes, n) == in {
		return nil
	}
	if in {
		h.Nodes = append(h.Nodes, n)
	} else {
		h.Nodes = slices.DeleteFunc(h.Nodes, func(x iam.NodeID) bool { return x == n })
	}
	return tx.putHolding(sub, h)
}
