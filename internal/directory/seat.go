package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Seats returns the seats of the node that pays for one, and who takes them, for those who review access there.
func (s *Service) Seats(ctx context.Context, by By, ref string, p store.PageOptions) (out apiv1.SeatList, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		use, err := w.seatUse(m, n.ID)
		if err != nil {
			return err
		}
		if use.Node == "" {
			return iam.Refuse(iam.Invalid, access.CodeNotOffered, "model %s counts no seats at %s", m.Name(), n.Name)
		}
		if err := w.mayReview(m, n, use.Node); err != nil {
			return err
		}
		var all []iam.Subject
		if err := w.decide(func(r access.Roster) error { all = m.Seated(r, n.ID); return nil }); err != nil {
			return err
		}
		seats, err := w.showSeats(use)
		if err != nil {
			return err
		}
		out.Seats = *seats
		out.Page, err = w.seatPage(all, p)
		return err
	})
	return out, err
}

// mayReview refuses those who do not review access where seats are paid for. Whoever does not see that place is told of the node
// that he asked about.
func (w *work) mayReview(m *access.Model, n *iam.Node, payer iam.NodeID) error {
	if w.by.Authority != access.ByModel {
		return nil
	}
	err := w.decide(func(r access.Roster) error { return m.Administer(r, w.by.Actor, payer, access.Review) })
	if iam.CodeOf(err) == access.CodeNotFound {
		return iam.Errorf(iam.Forbidden, "the seats that %s takes are not yours to see", n.Name)
	}
	return err
}

// seatPage shows a part of a list of people, which is in order.
func (w *work) seatPage(all []iam.Subject, p store.PageOptions) (out apiv1.Page[apiv1.SeatHolder], err error) {
	out.Items = []apiv1.SeatHolder{}
	if p.After != "" {
		i := slices.IndexFunc(all, func(s iam.Subject) bool { return seatOrder(s.String(), p.After) > 0 })
		if i < 0 {
			return out, nil
		}
		all = all[i:]
	}
	if p.Limit == 0 {
		p.Limit = kv.MaxPage
	}
	if len(all) > p.Limit {
		all = all[:p.Limit]
		out.NextPageToken = all[p.Limit-1].String()
	}
	for _, s := range all {
		h := apiv1.SeatHolder{}
		switch s.Kind {
		case iam.SubjectUser:
			h.ID = s.ID
			if h.Name, err = w.nameOfUser(iam.UserID(s.ID)); err != nil {
				return out, err
			}
		case iam.SubjectLogin:
			connector, name, _ := strings.Cut(s.ID, "/")
			h.Login = &apiv1.Login{Connector: connector, Name: name}
		}
		out.Items = append(out.Items, h)
	}
	return out, nil
}

// seatOrder compares two subjects as access.Seated orders them: users, then logins.
func seatOrder(a, b string) int {
	kind := func(s string) int {
		if strings.HasPrefix(s, string(iam.SubjectUser)+":") {
			return 0
		}
		return 1
	}
	if kind(a) != kind(b) {
		return kind(a) - kind(b)
	}
	return strings.Compare(a, b)
}

// takeSeats writes down that a change takes seats where they are limited: what was counted all over the node that pays for them is a
// condition of the change, and of no other one at the same time.
func (w *work) takeSeats(uses ...access.SeatUse) error {
	for _, use := range uses {
		if use.Limit == 0 || use.Takes == 0 {
			continue
		}
		if err := w.TakeSeat(use.Node); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) seatUse(m *access.Model, n iam.NodeID) (use access.SeatUse, err error) {
	err = w.decide(func(r access.Roster) error { use = m.Seats(r, n); return nil })
	return use, err
}

// seats shows the seats of the node that pays for one, nil where the model counts none.
func (w *work) seats(m *access.Model, n iam.NodeID) (*apiv1.Seats, error) {
	use, err := w.seatUse(m, n)
	if err != nil || use.Node == "" {
		return nil, err
	}
	return w.showSeats(use)
}

func (w *work) showSeats(use access.SeatUse) (*apiv1.Seats, error) {
	path, err := w.pathOf(use.Node)
	out := &apiv1.Seats{Node: path, Used: use.Used, Limit: use.Limit}
	if use.Limit > 0 {
		left := max(use.Left(), 0)
		out.Left = &left
	}
	return out, err
}
