package store

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// assignment is the record at node/subject: the roles held there, whether the subject is suspended there, and of a login how it
// came to hold them. Version 1 had no invitations.
type assignment struct {
	Roles      []iam.RoleID    `json:"r,omitempty"`
	Suspended  bool            `json:"s,omitempty"`
	Invitation *iam.Invitation `json:"i,omitempty"`
}

// live returns what holds at this moment of an assignment. Whoever reads one reads it through this, so that an invitation that has
// ended binds nobody and takes no seat, whether or not its record is still there.
func (a *assignment) live(now func() time.Time) *assignment {
	if a == nil || a.Invitation != nil && a.Invitation.Ended(now()) {
		return noAssignment
	}
	return a
}

// noAssignment is what somebody holds who holds nothing. It is shared: read only.
var noAssignment = &assignment{}

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
	return list(ctx, s, directoryUnit(), assignments, join(string(n), ""), p, func(id string, a *assignment) (iam.Assignment, bool, error) {
		return s.entry(n, id, a)
	})
}

// People lists who holds which roles at a node and is a person: logins, then users.
func (s *Store) People(ctx context.Context, n iam.NodeID, p PageOptions) (Page[iam.Assignment], error) {
	if p.After == "" {
		p.After = string(iam.SubjectLogin) // all other kinds of subject sort before it
	}
	return s.Assignments(ctx, n, p)
}

// Invitations lists the logins that hold roles at a node.
func (s *Store) Invitations(ctx context.Context, n iam.NodeID, p PageOptions) (Page[iam.Assignment], error) {
	kind := string(iam.SubjectLogin) + ":"
	return list(ctx, s, directoryUnit(), assignments, join(string(n), kind), p, func(id string, a *assignment) (iam.Assignment, bool, error) {
		return s.entry(n, kind+id, a)
	})
}

// Suspensions lists the users who are suspended at a node, with the roles that they would hold.
func (s *Store) Suspensions(ctx context.Context, n iam.NodeID, p PageOptions) (Page[iam.Assignment], error) {
	kind := string(iam.SubjectUser) + ":"
	return list(ctx, s, directoryUnit(), assignments, join(string(n), kind), p, func(id string, a *assignment) (iam.Assignment, bool, error) {
		return iam.Assignment{Node: n, Subject: iam.UserID(id).Subject(), Roles: a.Roles}, a.Suspended, nil
	})
}

// entry reads an entry of a list of assignments.
func (s *Store) entry(n iam.NodeID, subject string, a *assignment) (iam.Assignment, bool, error) {
	a = a.live(s.now)
	sub, err := iam.ParseSubject(subject)
	return iam.Assignment{Node: n, Subject: sub, Roles: a.Roles, Invitation: a.Invitation}, len(a.Roles) > 0, err
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
			a, err := tx.Assignment(n, sub)
			if err != nil {
				return err
			}
			if len(a.Roles) > 0 {
				out = append(out, a)
			}
		}
		return nil
	})
	return out, err
}

// Remnants returns who holds no role at a node and is written there all the same: whose invitation has ended, and who left while
// suspended. As with Assignments, the node's version stands for the list.
func (tx *Tx) Remnants(n iam.NodeID) (out []iam.Subject, err error) {
	if _, err := tx.Node(n); err != nil {
		return nil, err
	}
	subjects, err := ids(tx, assignments, string(n)+"/")
	if err != nil {
		return nil, err
	}
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
			if len(roles) == 0 {
				out = append(out, sub)
			}
		}
		return nil
	})
	return out, err
}

// Assignment returns what a subject holds at exactly this node: an Assignment without roles when that is nothing.
func (tx *Tx) Assignment(n iam.NodeID, sub iam.Subject) (iam.Assignment, error) {
	a, err := tx.assignment(n, sub)
	return iam.Assignment{Node: n, Subject: sub, Roles: a.Roles, Invitation: a.Invitation}, err
}

func (tx *Tx) assignment(n iam.NodeID, sub iam.Subject) (*assignment, error) {
	a, err := read(tx, assignments, assignmentID(n, sub))
	return a.live(tx.store.now), err
}

// Suspended reports whether the subject is suspended at exactly this node.
func (tx *Tx) Suspended(n iam.NodeID, sub iam.Subject) (bool, error) {
	a, err := tx.assignment(n, sub)
	return a.Suspended, err
}

// Roles returns the roles assigned to exactly this subject at exactly this node.
func (tx *Tx) Roles(n iam.NodeID, sub iam.Subject) ([]iam.RoleID, error) {
	a, err := tx.assignment(n, sub)
	return a.Roles, err
}

// Assign makes roles what the subject holds at the node: all of it, in the order given. No roles: nothing.
func (tx *Tx) Assign(n iam.NodeID, sub iam.Subject, roles []iam.RoleID) error {
	return tx.assign(n, sub, func(a *assignment) { a.Roles = roles })
}

// Invite makes roles what a login holds at the node, and says how it came to that.
func (tx *Tx) Invite(n iam.NodeID, login iam.Subject, roles []iam.RoleID, i *iam.Invitation) error {
	return tx.assign(n, login, func(a *assignment) { a.Roles, a.Invitation = roles, i })
}

// Suspend takes a subject's access at a node and below away, whatever roles it holds, or gives it back.
func (tx *Tx) Suspend(n iam.NodeID, sub iam.Subject, suspended bool) error {
	return tx.assign(n, sub, func(a *assignment) { a.Suspended = suspended })
}

func (tx *Tx) assign(n iam.NodeID, sub iam.Subject, change func(*assignment)) error {
	id := assignmentID(n, sub)
	before, err := read(tx, assignments, id)
	if err != nil {
		return err
	}
	a := *before.live(tx.store.now)
	change(&a)
	if len(a.Roles) == 0 {
		a.Roles, a.Invitation = nil, nil
	}
	if before == nil {
		before = noAssignment
	}
	if reflect.DeepEqual(before, &a) {
		return nil
	}
	if err := tx.touch(n); err != nil {
		return err
	}
	if len(a.Roles) == 0 && !a.Suspended {
		remove(tx, assignments, id)
		return tx.hold(n, sub, false)
	}
	if err := put(tx, assignments, id, &a); err != nil {
		return err
	}
	return tx.hold(n, sub, true)
}

// dropEnded removes the records of invitations to a node that have ended: nothing lists them any more, and the node shall go. The
// caller has read the node.
func (tx *Tx) dropEnded(n iam.NodeID) error {
	subjects, err := ids(tx, assignments, join(string(n), string(iam.SubjectLogin)+":"))
	if err != nil {
		return err
	}
	for _, id := range subjects {
		login := iam.Subject{Kind: iam.SubjectLogin, ID: id}
		if err := tx.assign(n, login, func(*assignment) {}); err != nil {
			return err
		}
	}
	return nil
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
