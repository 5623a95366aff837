package directory

import (
	"context"
	"errors"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Operations lists the operations that the access model has at a node, and whether the one who asks may carry them out.
func (s *Service) Operations(ctx context.Context, by By, ref string) (out apiv1.Page[apiv1.Operation], err error) {
	out.Items = []apiv1.Operation{}
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		for _, op := range m.Schema().Operations {
			err := w.decide(func(r access.Roster) error {
				_, err := m.Operate(r, w.by.Actor, op.Name, n.ID)
				return err
			})
			if code := iam.CodeOf(err); code == access.CodeUnknownOperation {
				continue // it is carried out at another level
			}
			var refused *iam.Error
			if err != nil && (!errors.As(err, &refused) || refused.Kind == iam.Internal || refused.Kind == iam.Unavailable) {
				return err
			}
			shown := apiv1.Operation{Name: op.Name, Creates: op.Creates, CreatorGets: string(op.CreatorGets), Allowed: err == nil}
			for _, q := range op.Requires {
				shown.Requires = append(shown.Requires, apiv1.Requirement{Permission: string(q.Permission), At: string(q.At)})
			}
			out.Items = append(out.Items, shown)
		}
		return nil
	})
	return out, err
}

// Operate carries out an operation of the access model at a node: the right to it, the node that comes into being, and the role
// that its maker gets are one transaction. An operation that Gatehouse keeps no node of is only decided about.
func (s *Service) Operate(ctx context.Context, by By, ref, operation string, o apiv1.NewOperation) (out apiv1.OperationDone, err error) {
	err = s.update(ctx, by, func(w *work) error {
		out = apiv1.OperationDone{Operation: operation}
		at, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		var done access.Outcome
		err = w.decide(func(r access.Roster) (err error) {
			done, err = m.Operate(r, w.by.Actor, operation, at.ID)
			return err
		})
		if err != nil {
			return err
		}
		if done.Level == "" {
			out.Artifact = done.Artifact
			if o.Name != "" || o.DisplayName != "" {
				return iam.Errorf(iam.Invalid, "name: operation %s makes no node that could have one", operation)
			}
			return nil
		}
		n := w.newNode(at, o.Name, done.Level, done.Kind, o.DisplayName)
		var f faults
		checkNew(&f, n)
		if err := f.err(); err != nil {
			return err
		}
		if err := w.PutNode(n); err != nil {
			return err
		}
		if err := w.takeSeats(done.Seats); err != nil {
			return err
		}
		if done.CreatorGets != "" {
			if err := w.Assign(n.ID, w.by.Subject, []iam.RoleID{done.CreatorGets}); err != nil {
				return err
			}
			out.Role = string(done.CreatorGets)
		}
		shown, err := w.showNode(n)
		out.Node = &shown
		return err
	})
	return out, err
}
