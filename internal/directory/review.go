package directory

import (
	"context"
	"slices"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Reviews lists the access reviews of a node, the newest first.
func (s *Service) Reviews(ctx context.Context, by By, ref string, p store.PageOptions) (out apiv1.Page[apiv1.Review], err error) {
	var n *iam.Node
	err = s.viewBy(ctx, by, func(w *work) error {
		n, err = w.reviewedNode(ref)
		return err
	})
	if err != nil {
		return out, err
	}
	page, err := s.Store.Reviews(ctx, n.ID, p)
	if err != nil {
		return out, err
	}
	err = s.viewBy(ctx, by, func(w *work) error {
		out, err = show(page, nil, w.showReview)
		return err
	})
	return out, err
}

// Review returns an access review of a node.
func (s *Service) Review(ctx context.Context, by By, ref, id string) (out apiv1.Review, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		r, err := w.review(ref, id)
		if err == nil {
			out, err = w.showReview(r)
		}
		return err
	})
	return out, err
}

// maxItemScan is how many blocks of lines one page looks at, so that a page of few lines of many is bounded too.
const maxItemScan = 40

// ReviewItems lists the items of a review in their order: those in a state, or with "" all. A page may be shorter than asked, and
// empty, with more to come.
func (s *Service) ReviewItems(ctx context.Context, by By, ref, id, state string, p store.PageOptions) (out apiv1.Page[apiv1.ReviewItem], err error) {
	from := 0
	if p.After != "" {
		if from, err = strconv.Atoi(p.After); err != nil || from < 0 {
			return out, iam.Errorf(iam.Invalid, "page token %q is not one of ours", p.After)
		}
	}
	limit := p.Limit
	if limit == 0 {
		limit = 100
	}
	out.Items = []apiv1.ReviewItem{}
	err = s.viewBy(ctx, by, func(w *work) error {
		r, err := w.review(ref, id)
		if err != nil {
			return err
		}
		n := from
		for end := from + maxItemScan*store.ReviewBlock; n < min(end, r.Lines) && len(out.Items) < limit; {
			lines, err := w.ReviewLines(r.ID, n/store.ReviewBlock)
			if err != nil || len(lines) == 0 {
				return err
			}
			for i := n % store.ReviewBlock; i < len(lines) && len(out.Items) < limit; i++ {
				item, err := w.showLine(r, n, &lines[i])
				if err != nil {
					return err
				}
				if state == "" || item.State == state {
					out.Items = append(out.Items, item)
				}
				n++
			}
		}
		if n < r.Lines {
			out.NextPageToken = strconv.Itoa(n)
		}
		return nil
	})
	return out, err
}

// reviewedNode finds a node at which the caller may review who has access.
func (w *work) reviewedNode(ref string) (*iam.Node, error) {
	n, m, err := w.nodeAndModel(ref)
	if err != nil {
		return nil, err
	}
	path, err := w.Path(n.ID)
	if err != nil {
		return nil, err
	}
	if org := w.by.Organization; org != "" && !slices.ContainsFunc(path, func(p *iam.Node) bool { return p.ID == org }) {
		return nil, iam.Errorf(iam.Forbidden, "the token speaks for one organization, and a review of %s is about others too", n.Name)
	}
	return n, w.decide(func(r access.Roster) error { return m.Administer(r, w.by.Actor, n.ID, access.Review) })
}

// review finds a review of a node, at which the caller may review.
func (w *work) review(ref, id string) (*iam.Review, error) {
	n, err := w.reviewedNode(ref)
	if err != nil {
		return nil, err
	}
	r, err := w.Review(n.ID, id)
	if err == nil && (r == nil || !r.Listed) {
		err = missing("review", id)
	}
	return r, err
}

// lineState tells what has become of an undecided line: what it says still holds, or what the subject holds in its place.
func (w *work) lineState(l *iam.ReviewLine) (state string, holds []iam.RoleID, err error) {
	if l.Group != "" {
		in, err := w.isMember(l.Group, iam.UserID(l.Subject.ID))
		if err != nil || in {
			return iam.LineOpen, nil, err
		}
		return iam.LineGone, nil, nil
	}
	held, err := w.Roles(l.Node, l.Subject)
	switch {
	case err != nil:
		return "", nil, err
	case slices.Contains(held, l.Roles[0]):
		return iam.LineOpen, nil, nil
	case len(held) > 0:
		return iam.LineChanged, held, nil
	}
	return iam.LineGone, nil, nil
}

func (w *work) showReview(r *iam.Review) (out apiv1.Review, err error) {
	out = apiv1.Review{
		ID: r.ID, Name: r.Name, State: "open", Due: r.Due, OpenedAt: r.OpenedAt, ClosedAt: r.ClosedAt,
		Counts:   apiv1.ReviewCounts{Items: r.Lines, Open: r.Undecided(), Confirmed: r.Confirmed, Withdrawn: r.Withdrawn, Lapsed: r.Lapsed},
		Warnings: []apiv1.Warning{},
	}
	switch {
	case !r.ClosedAt.IsZero():
		out.State = "closed"
	case w.s.Now().After(r.Due):
		out.State = "overdue"
	}
	if out.Node, err = w.pathOf(r.Node); err != nil {
		return out, err
	}
	if out.OpenedBy, err = w.showReviewer(r.OpenedBy); err != nil {
		return out, err
	}
	if !r.ClosedAt.IsZero() {
		by, err := w.showReviewer(r.ClosedBy)
		if err != nil {
			return out, err
		}
		out.ClosedBy = &by
	}
	out.Warnings, err = w.showHints(r.Hints)
	return out, err
}

// showLine shows a line. What is held now matters until the line is decided or the review closed.
func (w *work) showLine(r *iam.Review, number int, l *iam.ReviewLine) (out apiv1.ReviewItem, err error) {
	out = apiv1.ReviewItem{
		Number: number, Node: l.Path, Subject: l.Subject.String(), Name: l.Name, Roles: roleNames(l.Roles), Reason: "direct", Group: l.Via,
		Pending: l.Subject.Kind == iam.SubjectLogin, LastUsedAt: l.LastUsed, State: iam.LineOpen,
	}
	if l.Group != "" {
		out.Reason = "group"
	}
	if l.Refused != nil {
		by, err := w.showReviewer(l.Refused.By)
		if err != nil {
			return out, err
		}
		out.Refused = &apiv1.ReviewRefusal{Code: l.Refused.Code, Detail: l.Refused.Detail, By: by, At: l.Refused.At}
	}
	switch {
	case l.Mark != nil:
		out.State, out.DecidedAt, out.Comment = l.Mark.State, l.Mark.At, l.Mark.Comment
		if l.Mark.State == iam.LineConfirmed || l.Mark.State == iam.LineWithdrawn {
			by, err := w.showReviewer(l.Mark.By)
			if err != nil {
				return out, err
			}
			out.DecidedBy = &by
		}
	case r.ClosedAt.IsZero():
		var holds []iam.RoleID
		if out.State, holds, err = w.lineState(l); err != nil {
			return out, err
		}
		if len(holds) > 0 {
			out.Holds = roleNames(holds)
		}
	}
	return out, nil
}

func roleNames(ids []iam.RoleID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

func (w *work) showReviewer(s iam.Subject) (apiv1.Reviewer, error) {
	name, err := nameOf(w.Tx, s)
	return apiv1.Reviewer{Subject: s.String(), Name: name}, err
}

// A named tells what people call a subject: from a transaction, or from the store's cache.
type named struct {
	user   func(iam.UserID) (*iam.User, error)
	client func(iam.ClientID) (*iam.Client, error)
	group  func(iam.GroupID) (*iam.Group, error)
}

func nameOf(tx *store.Tx, s iam.Subject) (string, error) {
	return named{tx.User, tx.Client, tx.Group}.of(s)
}

// of returns the name of a subject, "" when it is gone or has none beside its identifier.
func (n named) of(s iam.Subject) (string, error) {
	switch s.Kind {
	case iam.SubjectUser:
		u, err := n.user(iam.UserID(s.ID))
		if u == nil {
			return "", err
		}
		return u.Name, err
	case iam.SubjectClient:
		c, err := n.client(iam.ClientID(s.ID))
		if c == nil {
			return "", err
		}
		return c.Name, err
	case iam.SubjectGroup:
		g, err := n.group(iam.GroupID(s.ID))
		if g == nil {
			return "", err
		}
		return g.Name, err
	}
	return "", nil
}
