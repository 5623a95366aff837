package directory

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// describeReview tells that a review has appeared, was closed or has gone. What is counted in it follows from its items.
func describeReview(w *work, c store.Changed) ([]audit.Event, error) {
	var before, after iam.Review
	if err := decodeBoth(c, &before, &after); err != nil {
		return nil, err
	}
	action, r := "", after
	told := map[string]any{"name": after.Name, "due": after.Due, "lines": after.Lines}
	switch {
	case after.Listed && !before.Listed:
		action = "review.open"
	case before.Listed && !after.Listed:
		action, r, told = "review.delete", before, nil
	case before.ClosedAt.IsZero() && !after.ClosedAt.IsZero():
		action = "review.close"
		told = map[string]any{"confirmed": after.Confirmed, "withdrawn": after.Withdrawn, "lapsed": after.Lapsed, "open": after.Undecided()}
	default:
		return nil, nil
	}
	e, err := w.event(action, "review:"+r.ID, r.Node, nil, fieldsOf(told))
	return []audit.Event{e}, err
}

// describeReviewBlock tells what was decided about the items of a block.
func describeReviewBlock(w *work, c store.Changed) (out []audit.Event, err error) {
	var before, after struct {
		Lines []iam.ReviewLine `json:"l"`
	}
	if err := decodeBoth(c, &before, &after); err != nil {
		return nil, err
	}
	review, _, _ := strings.Cut(c.ID, "/")
	for i := range after.Lines {
		l := &after.Lines[i]
		if l.Mark == nil || i >= len(before.Lines) || before.Lines[i].Mark != nil {
			continue
		}
		told := map[string]any{"review": review, "state": l.Mark.State, "roles": l.Roles}
		if l.Group != "" {
			told["group"] = l.Group
		}
		e, err := w.event("review_item."+l.Mark.State, l.Subject.String(), l.Node, nil, fieldsOf(told))
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func decodeBoth(c store.Changed, before, after any) error {
	for _, d := range []struct {
		record []byte
		into   any
	}{{c.Before, before}, {c.After, after}} {
		if d.record == nil {
			continue
		}
		if err := json.Unmarshal(d.record, d.into); err != nil {
			return fmt.Errorf("%s %q: %w", c.Collection, c.ID, err)
		}
	}
	return nil
}

func fieldsOf(told map[string]any) fields {
	out := make(fields, len(told))
	for name, value := range told {
		data, err := json.Marshal(value)
		if err != nil {
			panic(fmt.Sprintf("what is told always marshals: %v", err))
		}
		out[name] = data
	}
	return out
}
