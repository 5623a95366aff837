package directory

import (
	"context"
	"errors"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A departure is somebody about to lose something at a node. Whoever leaves by himself need not see the node.
type departure struct {
	ref     string
	node    *iam.Node
	model   *access.Model
	subject iam.Subject
	unseen  bool // by whoever asks
}

// departure resolves a node and who is to lose something there.
func (w *work) departure(ref string, who func(w *work, m *access.Model, n *iam.Node) (iam.Subject, error)) (*departure, error) {
	n, err := w.anyNode(ref)
	if err == nil && n == nil {
		err = missing("node", ref)
	}
	if err != nil {
		return nil, err
	}
	sees, err := w.knows(n)
	if err != nil {
		return nil, err
	}
	speaks := false
	err = w.Peek(func() error {
		path, err := w.Path(n.ID)
		if err == nil {
			speaks, err = w.reaches(path)
		}
		return err
	})
	if err == nil && !speaks {
		err = missing("node", ref)
	}
	if err != nil {
		return nil, err
	}
	_, m, err := w.at(n.ID)
	if err != nil {
		return nil, err
	}
	sub, err := who(w, m, n)
	if !sees && (err != nil || sub != w.by.Subject) {
		return nil, missing("node", ref)
	}
	return &departure{ref: ref, node: n, model: m, subject: sub, unseen: !sees}, err
}

// refusal is what whoever asks is told about a refusal: of a node that he does not see, that it is missing.
func (d *departure) refusal(err error) error {
	if d.unseen && iam.CodeOf(err) == access.CodeNotFound {
		return missing("node", d.ref)
	}
	return err
}

// maxDrops bounds what one transaction takes from somebody, so that it keeps within the engine's bounds.
const maxDrops = 8

// expel takes all that somebody holds at a node and below, and the groups there. It is one transaction, unless it is about more
// nodes and groups than one can change: then those below go first, each part is decided anew, and the membership itself goes last.
func (s *Service) expel(ctx context.Context, by By, ref string, who func(w *work, m *access.Model, n *iam.Node) (iam.Subject, error)) error {
	for more := true; more; {
		err := s.update(ctx, by, func(w *work) (err error) {
			d, err := w.departure(ref, who)
			if err != nil {
				return err
			}
			more, err = w.expelPart(d)
			return d.refusal(err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expelPart decides about the end of a membership and carries out as much of it as one transaction may, and reports whether more
// is to be done.
func (w *work) expelPart(d *departure) (more bool, err error) {
	var plan access.Plan
	err = w.decide(func(r access.Roster) (err error) {
		plan, err = d.model.Expel(r, w.by.Actor, d.node.ID, d.subject)
		return err
	})
	if err != nil {
		return false, err
	}
	var drops []func() error
	for _, a := range plan.Ends {
		drops = append(drops, func() error { return w.takeAll(a.Node, d.subject) })
	}
	groups, err := w.groupsBelow(d.node.ID, d.subject)
	if err != nil {
		return false, err
	}
	for _, g := range groups {
		drops = append(drops, func() error {
			return errors.Join(w.endMembers(g.Node, d.subject), w.SetMember(g.ID, iam.UserID(d.subject.ID), false))
		})
	}
	if more = len(drops) > maxDrops; more {
		drops = drops[:maxDrops]
	} else {
		drops = append(drops, func() error { return w.takeAll(d.node.ID, d.subject) })
	}
	for _, drop := range drops {
		if err := drop(); err != nil {
			return false, err
		}
	}
	return more, nil
}

// takeAll ends what a subject holds at a node. A suspension goes with it, unless it is one's own: nobody leaves that behind.
func (w *work) takeAll(n iam.NodeID, s iam.Subject) error {
	if w.by.Authority != access.ByModel || w.by.Subject != s {
		return w.dropUnchecked(n, s)
	}
	if err := w.endMembers(n, s); err != nil {
		return err
	}
	return w.Assign(n, s, nil)
}

// groupsBelow returns the groups of a node and those below it that a user is in.
func (w *work) groupsBelow(n iam.NodeID, s iam.Subject) (out []*iam.Group, err error) {
	if s.Kind != iam.SubjectUser {
		return nil, nil
	}
	h, err := w.Holding(s)
	if err != nil {
		return nil, err
	}
	err = w.Peek(func() error {
		for _, id := range h.Groups {
			g, err := w.Tx.Group(id)
			if err != nil || g == nil {
				return err
			}
			path, err := w.Path(g.Node)
			if err != nil {
				return err
			}
			if contains(path, n) {
				out = append(out, g)
			}
		}
		return nil
	})
	return out, err
}
