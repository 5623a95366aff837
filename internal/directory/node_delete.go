package directory

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// DeleteNode ends a node that has no nodes, clients and groups any more. Whoever holds something at it loses that.
func (s *Service) DeleteNode(ctx context.Context, by By, ref string, e Expect) error {
	return s.execute(ctx, by, func(p *plan) error {
		n, err := p.node(ref)
		if err != nil {
			return err
		}
		shown, err := p.showNode(n)
		if err != nil {
			return err
		}
		if err := e.check(true, string(n.Level), ref, shown.ETag); err != nil {
			return err
		}
		if by.Authority == access.ByModel {
			return p.deleteOwnNode(n.ID, e)
		}
		return p.deleteNode(n.ID)
	})
}

// maxDropped is how many holders lose what they hold at a node in one transaction.
const maxDropped = 8

// deleteOwnNode plans the end of a node by somebody's rights there, which each step decides about anew. The last step ends the
// actor's own roles, and what groups hold, with the node: until then an interrupted one is finished by the same command.
func (p *plan) deleteOwnNode(id iam.NodeID, e Expect) error {
	held, err := p.Assignments(id)
	if err != nil {
		return err
	}
	var others []iam.Subject
	for _, a := range held {
		rests, err := p.mayComeFrom(a.Subject)
		if err != nil {
			return err
		}
		if !rests {
			others = append(others, a.Subject)
		}
	}
	rest := len(held) - len(others) // goes with the node
	first := others[:max(len(others)-max(maxDropped-rest, 0), 0)]
	mayDelete := func(w *work) error {
		_, err := w.mayDelete(id, e)
		return err
	}
	if err := p.dropParts(id, first, mayDelete); err != nil {
		return err
	}
	if err := p.dropRemnants(id, mayDelete); err != nil {
		return err
	}
	if err := p.dropReviews(id); err != nil {
		return err
	}
	if err := p.dropMigrations(id); err != nil {
		return err
	}
	return p.step(func(w *work) (diff, error) {
		n, err := w.mayDelete(id, e)
		if err != nil {
			return diff{}, err
		}
		rest, err := w.Assignments(id)
		if err != nil {
			return diff{}, err
		}
		for _, a := range rest {
			if err := w.dropUnchecked(id, a.Subject); err != nil {
				return diff{}, err
			}
		}
		if err := w.endTree(n.ID); err != nil {
			return diff{}, err
		}
		w.Safe()
		return diff{action: apiv1.ActionDelete}, w.DeleteNode(id)
	})
}

// mayComeFrom reports whether the actor's right may come from what a subject holds: it is the actor, or a group that the actor may
// be in.
func (w *work) mayComeFrom(s iam.Subject) (bool, error) {
	if s.Kind != iam.SubjectGroup || w.by.Subject.Kind != iam.SubjectUser {
		return s == w.by.Subject, nil
	}
	g, err := w.Tx.Group(iam.GroupID(s.ID))
	if err != nil || g == nil { // the model says who is in a computed one
		return true, err
	}
	return w.isMember(g.ID, iam.UserID(w.by.Subject.ID))
}

// dropParts plans the end of all that subjects hold at a node, several in a step, each of which decides anew.
func (p *plan) dropParts(n iam.NodeID, subjects []iam.Subject, decide func(w *work) error) error {
	for part := range slices.Chunk(subjects, maxDropped) {
		err := p.step(func(w *work) (diff, error) {
			if err := decide(w); err != nil {
				return diff{}, err
			}
			for _, s := range part {
				if err := w.dropUnchecked(n, s); err != nil {
					return diff{}, err
				}
			}
			return diff{}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropRemnants plans the end of invitations to a node that have ended and of suspensions of those who left: nothing lists them as
// holders, and there may be more of them than one transaction removes.
func (p *plan) dropRemnants(n iam.NodeID, decide func(w *work) error) error {
	left, err := p.Remnants(n)
	if err != nil {
		return err
	}
	return p.dropParts(n, left, decide)
}

// mayDelete refuses to end a node that somebody may not end, that is not the version meant, or that something still stands below.
func (w *work) mayDelete(id iam.NodeID, e Expect) (*iam.Node, error) {
	n, m, err := w.at(id)
	if err != nil {
		return nil, err
	}
	err = w.decide(func(r access.Roster) error { return m.Administer(r, w.by.Actor, id, access.Delete) })
	if err != nil {
		return nil, err
	}
	shown, err := w.showNode(n)
	if err != nil {
		return nil, err
	}
	if err := e.check(true, string(n.Level), n.Name, shown.ETag); err != nil {
		return nil, err
	}
	return n, w.checkEmpty(n)
}

// deleteNode plans the end of a node: nobody gets in, then nobody holds anything, then it is gone. An interrupted one leaves
// the node disabled, and the same command finishes it.
func (p *plan) deleteNode(id iam.NodeID) error {
	n, m, err := p.at(id)
	if err != nil {
		return err
	}
	err = p.decide(func(r access.Roster) error { return m.Administer(r, p.by.Actor, id, access.Delete) })
	if err != nil {
		return err
	}
	if err := p.checkEmpty(n); err != nil {
		return err
	}
	held, err := p.Assignments(id)
	if err != nil {
		return err
	}
	err = p.step(func(w *work) (diff, error) {
		n, err := w.Node(id)
		if err != nil || n == nil {
			return diff{}, err
		}
		if err := w.checkEmpty(n); err != nil {
			return diff{}, err
		}
		n.Disabled = true
		return diff{}, w.disableNode(n)
	})
	if err != nil {
		return err
	}
	for _, a := range held {
		if err := p.step(func(w *work) (diff, error) { return diff{}, w.dropUnchecked(id, a.Subject) }); err != nil {
			return err
		}
	}
	if err := p.dropRemnants(id, func(*work) error { return nil }); err != nil { // the node is disabled: nobody gets in
		return err
	}
	if err := p.dropReviews(id); err != nil {
		return err
	}
	if err := p.dropMigrations(id); err != nil {
		return err
	}
	return p.step(func(w *work) (diff, error) {
		w.Safe()
		return diff{action: apiv1.ActionDelete}, w.DeleteNode(id)
	})
}

func (w *work) checkEmpty(n *iam.Node) error {
	what, err := w.Below(n.ID)
	if err != nil || what == "" {
		return err
	}
	return iam.Refuse(iam.Conflict, "not_empty", "%s %q still has %s", n.Level, n.Name, what)
}

// disableNode writes a node that nobody gets tokens for any more, and ends those that are out.
func (w *work) disableNode(n *iam.Node) error {
	if err := w.endTree(n.ID); err != nil {
		return err
	}
	return w.PutNode(n)
}
