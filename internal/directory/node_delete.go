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
		if a.Subject != p.by.Subject && a.Subject.Kind != iam.SubjectGroup {
			others = append(others, a.Subject)
		}
	}
	first := others[:max(len(others)-maxDropped, 0)] // the rest goes with the node
	for part := range slices.Chunk(first, maxDropped) {
		err := p.step(func(w *work) (diff, error) {
			if _, err := w.mayDelete(id, e); err != nil {
				return diff{}, err
			}
			for _, s := range part {
				if err := w.dropUnchecked(id, s); err != nil {
					return diff{}, err
				}
			}
			return diff{}, nil
		})
		if err != nil {
			return err
		}
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
