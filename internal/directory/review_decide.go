package directory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// The codes of refusals in a review.
const (
	CodeReviewClosed = "review_closed"   // nothing more is decided in it
	CodeItemDecided  = "item_decided"    // somebody has decided about the item
	CodeItemChanged  = "item_changed"    // what the item says is no longer so
	CodeItemsOpen    = "review_has_open" // a review with open items is closed by force only

	CodeTooManyReviews = "too_many_reviews" // a node keeps no more, and none of them is closed
)

// DecideReviewItem confirms what an item of a review says, or takes it away in the same transaction: by the caller's own right,
// and as the access model allows. A refused withdrawal leaves the item open, with the refusal. The first decision stands; the
// same one by the same caller again is no fault.
func (s *Service) DecideReviewItem(ctx context.Context, by By, ref, id string, number int, d apiv1.ReviewDecision) (out apiv1.ReviewItem, err error) {
	state := map[string]string{apiv1.DecisionConfirm: iam.LineConfirmed, apiv1.DecisionWithdraw: iam.LineWithdrawn}[d.Decision]
	var f faults
	if state == "" {
		f.add("decision", "want confirm or withdraw, got %.40q", d.Decision)
	}
	checkText(&f, "comment", d.Comment, 500)
	if err := f.err(); err != nil {
		return out, err
	}
	mark := iam.ReviewMark{State: state, By: by.Subject, At: s.Now().UTC(), Comment: d.Comment}
	var refused error
	err = s.update(ctx, by, func(w *work) error {
		refused = nil
		r, lines, l, err := w.openLine(ref, id, number)
		if err != nil {
			return err
		}
		if l.Mark != nil {
			if l.Mark.State != state || l.Mark.By != by.Subject {
				return iam.Refuse(iam.Conflict, CodeItemDecided, "item %d was %s already, at %s", number, l.Mark.State, l.Mark.At.Format(time.RFC3339))
			}
			out, err = w.showLine(r, number, l)
			return err
		}
		now, _, err := w.lineState(l)
		if err != nil {
			return err
		}
		if now != iam.LineOpen {
			return iam.Refuse(iam.Conflict, CodeItemChanged, "item %d: what it says is %s since the review was opened: there is nothing to decide", number, now)
		}
		if state == iam.LineConfirmed {
			r.Confirmed++
		} else {
			if refused = w.withdraw(l); refused != nil {
				return refused
			}
			r.Withdrawn++
		}
		l.Mark, l.Refused = &mark, nil
		if out, err = w.showLine(r, number, l); err != nil {
			return err
		}
		return errors.Join(w.PutReviewLines(r.ID, number/store.ReviewBlock, lines), w.PutReview(r))
	})
	if refused != nil && err != nil {
		return out, errors.Join(err, s.noteRefusal(ctx, by, ref, id, number, refused))
	}
	return out, err
}

// openLine finds a line of a review in which lines are decided, with the block that it stands in.
func (w *work) openLine(ref, id string, number int) (r *iam.Review, lines []iam.ReviewLine, l *iam.ReviewLine, err error) {
	if r, err = w.review(ref, id); err != nil {
		return nil, nil, nil, err
	}
	if number < 0 || number >= r.Lines {
		return nil, nil, nil, iam.Errorf(iam.NotFound, "review %q has no item %d", id, number)
	}
	if lines, err = w.ReviewLines(r.ID, number/store.ReviewBlock); err != nil {
		return nil, nil, nil, err
	}
	l = &lines[number%store.ReviewBlock]
	if !r.ClosedAt.IsZero() && l.Mark == nil {
		return nil, nil, nil, iam.Refuse(iam.Conflict, CodeReviewClosed, "the review was closed at %s", r.ClosedAt.Format(time.RFC3339))
	}
	return r, lines, l, nil
}

// withdraw takes away what a line says. The line is no secret to whoever may not do that there.
func (w *work) withdraw(l *iam.ReviewLine) (err error) {
	if l.Group != "" {
		err = w.member(l.Group, iam.UserID(l.Subject.ID), false)
	} else {
		err = w.unassign(l.Node, l.Subject, l.Roles[0])
	}
	if iam.KindOf(err) == iam.NotFound {
		return iam.Errorf(iam.Forbidden, "what is held at %s is not yours to withdraw", l.Path)
	}
	return err
}

// noteRefusal keeps with an open line why its withdrawal was refused. A fault of ours is no refusal.
func (s *Service) noteRefusal(ctx context.Context, by By, ref, id string, number int, refused error) error {
	var e *iam.Error
	if !errors.As(refused, &e) || e.Kind == iam.Internal || e.Kind == iam.Unavailable {
		return nil
	}
	return s.update(ctx, by, func(w *work) error {
		r, lines, l, err := w.openLine(ref, id, number)
		if err != nil || l.Mark != nil {
			return nil // then it was decided meanwhile, or is not the caller's any more, and the refusal is no news
		}
		l.Refused = &iam.ReviewFault{Code: e.Code, Detail: e.Message, By: by.Subject, At: s.Now().UTC()}
		return w.PutReviewLines(r.ID, number/store.ReviewBlock, lines)
	})
}

// CloseReview ends a review. Items that nobody decided about are marked as changed or gone where what they say is no longer so;
// while others are open it is refused, unless it is forced: then they stay open for good.
func (s *Service) CloseReview(ctx context.Context, by By, ref, id string, k apiv1.ReviewClose) (out apiv1.Review, err error) {
	var r *iam.Review
	err = s.viewBy(ctx, by, func(w *work) error {
		r, err = w.reviewToClose(ref, id)
		return err
	})
	if err != nil {
		return out, err
	}
	if !k.Force {
		open, err := s.openItems(ctx, by, r)
		if err != nil {
			return out, err
		}
		if open > 0 {
			return out, iam.Refuse(iam.Conflict, CodeItemsOpen, "%d items are open: decide about them, or close by force", open)
		}
	}
	for block := range blocks(r) {
		if err := s.lapse(ctx, by, r, block); err != nil {
			return out, err
		}
	}
	err = s.update(ctx, by, func(w *work) error {
		r, err := w.reviewToClose(ref, id)
		if err != nil {
			return err
		}
		if !k.Force && r.Undecided() > 0 {
			return iam.Refuse(iam.Conflict, CodeItemsOpen, "%d items are open: decide about them, or close by force", r.Undecided())
		}
		r.ClosedAt, r.ClosedBy = s.Now().UTC(), by.Subject
		if out, err = w.showReview(r); err != nil {
			return err
		}
		return w.PutReview(r)
	})
	return out, err
}

func (w *work) reviewToClose(ref, id string) (*iam.Review, error) {
	r, err := w.review(ref, id)
	if err == nil && !r.ClosedAt.IsZero() {
		err = iam.Refuse(iam.Conflict, CodeReviewClosed, "the review was closed at %s", r.ClosedAt.Format(time.RFC3339))
	}
	return r, err
}

// blocks returns how many blocks the lines of a review take.
func blocks(r *iam.Review) int { return (r.Lines + store.ReviewBlock - 1) / store.ReviewBlock }

// openItems counts the lines that nobody has decided about and that still hold.
func (s *Service) openItems(ctx context.Context, by By, r *iam.Review) (open int, err error) {
	for block := range blocks(r) {
		err := s.viewBy(ctx, by, func(w *work) error {
			lines, err := w.ReviewLines(r.ID, block)
			if err != nil {
				return err
			}
			for i := range lines {
				if lines[i].Mark != nil {
					continue
				}
				now, _, err := w.lineState(&lines[i])
				if err != nil {
					return err
				}
				if now == iam.LineOpen {
					open++
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return open, nil
}

// lapse marks the undecided lines of a block that say what is no longer so.
func (s *Service) lapse(ctx context.Context, by By, r *iam.Review, block int) error {
	return s.update(ctx, by, func(w *work) error {
		now, err := w.reviewToClose(string(r.Node), r.ID)
		if err != nil {
			return err
		}
		lines, err := w.ReviewLines(r.ID, block)
		if err != nil {
			return err
		}
		before := now.Lapsed
		for i := range lines {
			l := &lines[i]
			if l.Mark != nil {
				continue
			}
			var state string
			err := w.Peek(func() (err error) { // one that ends a moment later stays open as it was seen
				state, _, err = w.lineState(l)
				return err
			})
			if err != nil {
				return err
			}
			if state != iam.LineOpen {
				l.Mark = &iam.ReviewMark{State: state, By: by.Subject, At: s.Now().UTC()}
				now.Lapsed++
			}
		}
		if now.Lapsed == before {
			return nil
		}
		return errors.Join(w.PutReviewLines(r.ID, block, lines), w.PutReview(now))
	})
}

// ReviewReport hands out a review and then its items in parts, for an export of any size.
func (s *Service) ReviewReport(ctx context.Context, by By, ref, id string) (apiv1.Review, func(part func([]apiv1.ReviewItem) error) error, error) {
	var r *iam.Review
	var head apiv1.Review
	err := s.viewBy(ctx, by, func(w *work) (err error) {
		if r, err = w.review(ref, id); err == nil {
			head, err = w.showReview(r)
		}
		return err
	})
	return head, func(part func([]apiv1.ReviewItem) error) error {
		for block := range blocks(r) {
			var items []apiv1.ReviewItem
			err := s.viewBy(ctx, by, func(w *work) error {
				lines, err := w.ReviewLines(r.ID, block)
				if err != nil {
					return err
				}
				if want := min(store.ReviewBlock, r.Lines-block*store.ReviewBlock); len(lines) != want {
					return iam.Errorf(iam.Conflict, "the review was removed while it was being read")
				}
				items = slices.Grow(items[:0], len(lines))
				for i := range lines {
					item, err := w.showLine(r, block*store.ReviewBlock+i, &lines[i])
					if err != nil {
						return err
					}
					items = append(items, item)
				}
				return nil
			})
			if err != nil {
				return err
			}
			if err := part(items); err != nil {
				return err
			}
		}
		return nil
	}, err
}
