package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A plan tries steps on paper: each sees what those before it would have written. Those that change something are then done,
// each in a transaction of its own, by the same code.
type plan struct {
	*work
	line    apiv1.Change // whose steps they are, for the plan that people see
	steps   []func(w *work) (diff, error)
	changes []apiv1.Change
	release []func(context.Context) error // done when the steps are, or one has failed
	// tolerate takes a refusal so that the plan goes on and finds others; nil: the first one ends it.
	tolerate func(error) error
}

// goOn goes on after a refusal where the plan collects them.
func (p *plan) goOn(err error) error {
	if err != nil && p.tolerate != nil {
		return p.tolerate(err)
	}
	return err
}

// step tries a step and remembers it if it changes anything.
func (p *plan) step(do func(w *work) (diff, error)) error {
	var d diff
	before := len(p.ends)
	writes := p.Writes()
	err := p.Try(func() (err error) {
		d, err = do(p.work)
		return err
	})
	if err != nil {
		return err
	}
	if d.action == "" && p.Writes() == writes && len(p.ends) == before {
		return nil
	}
	p.steps = append(p.steps, do)
	p.note(d)
	return nil
}

// note puts what a step changes into the one line that its resource has in the plan.
func (p *plan) note(d diff) {
	if d.action == "" {
		return
	}
	i := slices.IndexFunc(p.changes, func(c apiv1.Change) bool { return c.Kind == p.line.Kind && c.Name == p.line.Name })
	if i < 0 {
		c := p.line
		c.Action = d.action
		p.changes = append(p.changes, c)
		i = len(p.changes) - 1
	}
	c := &p.changes[i]
	if c.Action == apiv1.ActionCreate && d.action == apiv1.ActionChange {
		return // a new thing is new in every field
	}
	c.Action = d.action
	if d.action == apiv1.ActionChange {
		c.Fields = append(c.Fields, d.fields...)
		slices.Sort(c.Fields)
		c.Fields = slices.Compact(c.Fields)
	}
}

// paper runs ask on a plan of the store as it is and returns the plan.
func (s *Service) paper(ctx context.Context, by By, ask func(p *plan) error) (*plan, error) {
	var p *plan
	err := s.Store.Paper(ctx, func(tx *store.Tx) error {
		w := &work{Tx: tx, s: s, ctx: ctx, by: by, dry: true, ids: make(map[string]string)}
		p = &plan{work: w, changes: []apiv1.Change{}}
		return ask(p)
	})
	return p, err
}

// maxDue is how many tokens' ends wait for the steps to come. They wait so that several steps about one subject end its tokens
// once: marks on the same subject are a second apart.
const maxDue = 256

// carryOut does the steps of a plan. What is read and decided is read and decided anew in each. Whether or not all are done, the
// tokens that those which are done call for have ended when it returns.
func (s *Service) carryOut(ctx context.Context, p *plan) (err error) {
	defer func() {
		for _, release := range p.release {
			err = errors.Join(err, release(context.WithoutCancel(ctx)))
		}
	}()
	var due []iam.RevocationRef
	for _, step := range p.steps {
		ends, err := s.commit(ctx, p.by, func(w *work) error {
			w.ids = p.ids
			_, err := step(w)
			return err
		})
		if err != nil {
			return errors.Join(err, s.pay(ctx, due))
		}
		for _, r := range ends {
			if !slices.Contains(due, r) {
				due = append(due, r)
			}
		}
		if len(due) >= maxDue {
			if err := s.pay(ctx, due); err != nil {
				return err
			}
			due = nil
		}
	}
	return s.pay(ctx, due)
}

// execute plans and does.
func (s *Service) execute(ctx context.Context, by By, ask func(p *plan) error) error {
	p, err := s.paper(ctx, by, ask)
	if err != nil {
		return err
	}
	return s.carryOut(ctx, p)
}

// dropAll plans the end of all that a subject holds at some nodes.
func (p *plan) dropAll(s iam.Subject, nodes []iam.NodeID) error {
	for _, n := range nodes {
		if err := p.step(func(w *work) (diff, error) { return diff{}, w.drop(n, s) }); err != nil {
			return err
		}
	}
	return nil
}

// drop ends all that a subject holds at a node, and its suspension there.
func (w *work) drop(n iam.NodeID, s iam.Subject) error {
	node, m, err := w.at(n)
	if err != nil {
		return err
	}
	if !node.Disabled { // where nobody gets in, nobody need be left to open
		err := w.decide(func(r access.Roster) error {
			_, err := m.Remove(r, w.by.Actor, n, s, "")
			return err
		})
		if err != nil && iam.CodeOf(err) != access.CodeNotFound {
			return err
		}
	}
	return w.dropUnchecked(n, s)
}

func (w *work) dropUnchecked(n iam.NodeID, s iam.Subject) error {
	if err := w.endMembers(n, s); err != nil {
		return err
	}
	return errors.Join(w.Suspend(n, s, false), w.Assign(n, s, nil))
}

func byPath(a, b iam.Field) int {
	switch {
	case a.Path < b.Path:
		return -1
	case a.Path > b.Path:
		return 1
	}
	return 0
}
