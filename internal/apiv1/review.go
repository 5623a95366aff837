package apiv1

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Review is an access review: a dated list of who holds what at a node and below, which somebody goes through.
type Review struct {
	ID       string    `json:"id"`
	Node     string    `json:"node" doc:"The path of the node that it is about, with all below it."`
	Name     string    `json:"name"`
	State    string    `json:"state" enum:"open,overdue,closed" doc:"overdue: open after its due time."`
	Due      time.Time `json:"due"`
	OpenedAt time.Time `json:"opened_at"`
	OpenedBy Reviewer  `json:"opened_by"`
	ClosedAt time.Time `json:"closed_at,omitzero"`
	ClosedBy *Reviewer `json:"closed_by,omitempty"`

	Counts   ReviewCounts `json:"counts"`
	Warnings []Warning    `json:"warnings" nullable:"false" doc:"What was worth a thought when it was opened."`
}

// A Reviewer is who opened or closed a review, or decided about a line of one.
type Reviewer struct {
	Subject string `json:"subject" doc:"user:ID or client:ID."`
	Name    string `json:"name,omitempty" doc:"The user's name or the client's."`
}

// ReviewCounts says how far a review is.
type ReviewCounts struct {
	Items     int `json:"items"`
	Open      int `json:"open" doc:"Nobody has decided about them."`
	Confirmed int `json:"confirmed"`
	Withdrawn int `json:"withdrawn"`
	Lapsed    int `json:"lapsed" doc:"Found changed or gone, without a decision, when it was closed."`
}

// NewReview is what it takes to open one.
type NewReview struct {
	Name string    `json:"name,omitempty" maxLength:"200" doc:"Absent: the node and the day."`
	Due  time.Time `json:"due" doc:"When it is overdue."`
}

// A ReviewItem is one source of access as it was when the review was opened: a role that somebody holds at a node, or with
// reason group a membership, through which the roles are held.
type ReviewItem struct {
	Number     int            `json:"number"`
	Node       string         `json:"node" doc:"The path of then; of a membership, that of the group's node."`
	Subject    string         `json:"subject" doc:"user:ID, client:ID, group:ID or, for a pending invitation, login:CONNECTOR/NAME."`
	Name       string         `json:"name,omitempty" doc:"The name of then."`
	Roles      []string       `json:"roles" nullable:"false" doc:"One for an assignment; for a membership all that the group holds in the review."`
	Reason     string         `json:"reason" enum:"direct,group"`
	Group      string         `json:"group,omitempty"`
	Pending    bool           `json:"pending,omitempty" doc:"An invitation: the person has not signed in yet."`
	LastUsedAt time.Time      `json:"last_used_at,omitzero" doc:"When the subject was last seen in the organization. Absent: never."`
	State      string         `json:"state" enum:"open,confirmed,withdrawn,changed,gone" doc:"changed and gone: not decided, and no longer held."`
	Holds      []string       `json:"holds,omitempty" doc:"What is held in its place, when it has changed."`
	DecidedBy  *Reviewer      `json:"decided_by,omitempty"`
	DecidedAt  time.Time      `json:"decided_at,omitzero"`
	Comment    string         `json:"comment,omitempty"`
	Refused    *ReviewRefusal `json:"refused,omitempty" doc:"Why the last withdrawal was not made."`
}

// A ReviewRefusal says why a withdrawal was not made; the item stays open.
type ReviewRefusal struct {
	Code   string    `json:"code"`
	Detail string    `json:"detail"`
	By     Reviewer  `json:"by"`
	At     time.Time `json:"at"`
}

// The decisions about an item.
const (
	DecisionConfirm  = "confirm"
	DecisionWithdraw = "withdraw"
)

// A ReviewDecision decides about an item.
type ReviewDecision struct {
	Decision string `json:"decision" enum:"confirm,withdraw"`
	Comment  string `json:"comment,omitempty" maxLength:"500"`
}

// A ReviewClose ends a review.
type ReviewClose struct {
	Force bool `json:"force,omitempty" doc:"Even though items are open: they stay as they are."`
}

// A Warning says what about the assignments is worth a thought, though nothing forbids it.
type Warning struct {
	Code   string `json:"code" enum:"many_top_holders,one_top_holder,repeated_grants"`
	Node   string `json:"node"`
	Detail string `json:"detail"`
}

// A ReviewReport is a review with all its items, as an export has it.
type ReviewReport struct {
	Review Review       `json:"review"`
	Items  []ReviewItem `json:"items" nullable:"false"`
}

func reviewsOf(node string) string { return "/nodes" + segment(node) + "/reviews" }

// OpenReview lists who holds what at a node and below, for somebody to go through.
func (c *Client) OpenReview(ctx context.Context, node string, n NewReview) (Review, error) {
	v, _, err := create[Review](ctx, c, reviewsOf(node), n)
	return v, err
}

// ListReviews lists the reviews of a node, the newest first.
func (c *Client) ListReviews(ctx context.Context, node string, o PageOptions) (Page[Review], error) {
	v, _, err := get[Page[Review]](ctx, c, reviewsOf(node), o.query())
	return v, err
}

// GetReview returns a review of a node.
func (c *Client) GetReview(ctx context.Context, node, id string) (Review, error) {
	v, _, err := get[Review](ctx, c, reviewsOf(node)+segment(id), nil)
	return v, err
}

// ListReviewItems lists the items of a review in their order: those in a state, or with "" all.
func (c *Client) ListReviewItems(ctx context.Context, node, id, state string, o PageOptions) (Page[ReviewItem], error) {
	v, _, err := get[Page[ReviewItem]](ctx, c, reviewsOf(node)+segment(id)+"/items", o.query("state", state))
	return v, err
}

// DecideReviewItem confirms what an item says, or takes it away.
func (c *Client) DecideReviewItem(ctx context.Context, node, id string, number int, d ReviewDecision) (ReviewItem, error) {
	v, _, err := send[ReviewItem](ctx, c, http.MethodPut, reviewsOf(node)+segment(id)+"/items/"+strconv.Itoa(number), "", d)
	return v, err
}

// CloseReview ends a review.
func (c *Client) CloseReview(ctx context.Context, node, id string, k ReviewClose) (Review, error) {
	v, _, err := send[Review](ctx, c, http.MethodPost, reviewsOf(node)+segment(id)+"/close", "", k)
	return v, err
}

// ExportReview writes a review with all its items to w, as "json" or "csv". After an error, what was written is not whole.
func (c *Client) ExportReview(ctx context.Context, node, id, format string, w io.Writer) error {
	return c.copy(ctx, reviewsOf(node)+segment(id)+"/export", url.Values{"format": {format}}, w)
}
