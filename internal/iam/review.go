package iam

import "time"

// A Review is a dated list of who holds what at a node and below, which somebody goes through line by line.
type Review struct {
	ID       string    `json:"id"`
	Node     NodeID    `json:"node"`
	Name     string    `json:"name"`
	Due      time.Time `json:"due"`
	OpenedAt time.Time `json:"opened_at"`
	OpenedBy Subject   `json:"opened_by"`
	Listed   bool      `json:"listed,omitempty"` // every line is written; until then nobody sees it
	ClosedAt time.Time `json:"closed_at,omitzero"`
	ClosedBy Subject   `json:"closed_by,omitzero"`

	Lines     int `json:"lines"`
	Confirmed int `json:"confirmed,omitempty"`
	Withdrawn int `json:"withdrawn,omitempty"`
	Lapsed    int `json:"lapsed,omitempty"` // found changed or gone when it was closed

	Hints []Hint `json:"hints,omitempty"`
}

// Undecided returns how many lines nobody has decided about.
func (r *Review) Undecided() int { return r.Lines - r.Confirmed - r.Withdrawn - r.Lapsed }

// A Hint says what about an organization's assignments is worth a thought, though nothing forbids it.
type Hint struct {
	Code   string `json:"code"`
	Node   NodeID `json:"node"`
	Detail string `json:"detail"`
}

// A ReviewLine is one source of access as it was when the review was opened: a role that a subject holds at a node or, with a
// Group, that a user is in a group which holds Roles. The names are those of then.
type ReviewLine struct {
	Node     NodeID       `json:"node"` // of a membership: the group's
	Path     string       `json:"path"`
	Subject  Subject      `json:"subject"`
	Name     string       `json:"name,omitempty"`
	Group    GroupID      `json:"group,omitempty"`
	Via      string       `json:"via,omitempty"` // the group's name
	Roles    []RoleID     `json:"roles"`         // of an assignment: one
	LastUsed time.Time    `json:"last_used,omitzero"`
	Mark     *ReviewMark  `json:"mark,omitempty"`    // nil: nobody has decided
	Refused  *ReviewFault `json:"refused,omitempty"` // why the last withdrawal was not made
}

// A ReviewMark is what was decided about a line, by whom and when.
type ReviewMark struct {
	State   string    `json:"state"` // one of the Line states
	By      Subject   `json:"by"`
	At      time.Time `json:"at"`
	Comment string    `json:"comment,omitempty"`
}

// A ReviewFault is a withdrawal that the access model did not allow.
type ReviewFault struct {
	Code   string    `json:"code"`
	Detail string    `json:"detail"`
	By     Subject   `json:"by"`
	At     time.Time `json:"at"`
}

// The states of a line. Open, changed and gone tell an undecided line from what is held now.
const (
	LineOpen      = "open"
	LineConfirmed = "confirmed"
	LineWithdrawn = "withdrawn"
	LineChanged   = "changed" // the subject holds something else there now
	LineGone      = "gone"    // the subject holds nothing there any more
)
