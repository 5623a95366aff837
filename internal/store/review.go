package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// ReviewBlock is how many lines of a review are one record: enough that a long review is written in few transactions, few enough
// that a decision rewrites little.
const ReviewBlock = 50

// reviewBlock is the record of lines n*ReviewBlock and on of a review.
type reviewBlock struct {
	Lines []iam.ReviewLine `json:"l"`
}

func reviewBlockID(review string, n int) string { return join(review, fmt.Sprintf("%08d", n)) }

// Reviews lists the reviews of a node whose lines are written, by id, which is the newest first.
func (s *Store) Reviews(ctx context.Context, n iam.NodeID, p PageOptions) (Page[*iam.Review], error) {
	return list(ctx, s, directoryUnit(), reviews, string(n)+"/", p, func(_ string, r *iam.Review) (*iam.Review, bool, error) {
		return r, r.Listed, nil
	})
}

// Review returns a review of a node as the transaction sees it, nil when there is none. It may not be listed yet.
func (tx *Tx) Review(n iam.NodeID, id string) (*iam.Review, error) {
	return read(tx, reviews, join(string(n), id))
}

// MaxReviews is how many reviews a node keeps, those that are being opened or removed among them.
const MaxReviews = 100

// Reviews returns the reviews of a node, the newest first, those not listed yet among them. Every new one touches the node, which
// it therefore reads first: how many there are is a condition of the transaction, and what each of them says is none, since a
// transaction has no room for so many.
func (tx *Tx) Reviews(n iam.NodeID) (out []*iam.Review, err error) {
	if _, err := tx.Node(n); err != nil {
		return nil, err
	}
	list, err := ids(tx, reviews, string(n)+"/")
	if err != nil {
		return nil, err
	}
	err = tx.Peek(func() error {
		for _, id := range list {
			r, err := tx.Review(n, id)
			if err != nil {
				return err
			}
			if r != nil {
				out = append(out, r)
			}
		}
		return nil
	})
	return out, err
}

// PutReview creates or changes a review. Its node must exist.
func (tx *Tx) PutReview(r *iam.Review) error {
	old, err := tx.Review(r.Node, r.ID)
	if err != nil {
		return err
	}
	if old == nil {
		if err := tx.touch(r.Node); err != nil {
			return err
		}
	}
	return put(tx, reviews, join(string(r.Node), r.ID), r)
}

// DeleteReview removes a review whose lines are gone.
func (tx *Tx) DeleteReview(n iam.NodeID, id string) error {
	some, err := anyID(tx, reviewBlocks, id+"/")
	if err != nil {
		return err
	}
	if some {
		return iam.Refuse(iam.Conflict, "not_empty", "review %q still has lines", id)
	}
	remove(tx, reviews, join(string(n), id))
	return tx.touch(n)
}

// ReviewLines returns block n of a review's lines; none past the end. The result is the caller's own.
func (tx *Tx) ReviewLines(review string, n int) ([]iam.ReviewLine, error) {
	b, err := read(tx, reviewBlocks, reviewBlockID(review, n))
	if err != nil || b == nil {
		return nil, err
	}
	return b.Lines, nil
}

// PutReviewLines writes block n of a review's lines. No lines: the block goes.
func (tx *Tx) PutReviewLines(review string, n int, lines []iam.ReviewLine) error {
	if len(lines) == 0 {
		remove(tx, reviewBlocks, reviewBlockID(review, n))
		return nil
	}
	return put(tx, reviewBlocks, reviewBlockID(review, n), &reviewBlock{Lines: lines})
}

// ReviewBlocks returns which blocks of a review's lines there are. The caller reads the review in the same transaction, which
// every transaction that adds a block reads too.
func (tx *Tx) ReviewBlocks(review string) ([]int, error) {
	list, err := ids(tx, reviewBlocks, review+"/")
	if err != nil {
		return nil, err
	}
	out := make([]int, 0, len(list))
	for _, id := range list {
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, fmt.Errorf("block %q of review %q: %w", id, review, err)
		}
		out = append(out, n)
	}
	return out, nil
}
