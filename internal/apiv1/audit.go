package apiv1

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"
)

// An AuditEvent is a line of the audit log. Its JSON, whole, is what the hash is made of: see docs/audit.md.
type AuditEvent struct {
	Seq         uint64          `json:"seq" doc:"The number of the line in its stream, from 1."`
	Time        time.Time       `json:"time"`
	Stream      string          `json:"stream" doc:"The id of an organization, of a node above organizations, or platform."`
	Actor       string          `json:"actor" doc:"user:ID, client:ID, or configuration."`
	ActorName   string          `json:"actor_name,omitempty"`
	Client      string          `json:"client,omitempty" doc:"The client that the actor's token was issued to."`
	RequestedBy string          `json:"requested_by,omitempty" doc:"The id of the user at whose request an operator acted."`
	RequestID   string          `json:"request_id,omitempty"`
	Action      string          `json:"action" doc:"noun.verb of a change; of a refusal, the operation that was asked for."`
	Subject     string          `json:"subject,omitempty" doc:"What it was done to, as kind:id."`
	Node        string          `json:"node,omitempty" doc:"The id of the node where it was done."`
	Before      json.RawMessage `json:"before,omitempty" doc:"What changed, as it was."`
	After       json.RawMessage `json:"after,omitempty" doc:"What changed, as it is."`
	Outcome     string          `json:"outcome" enum:"done,refused"`
	Code        string          `json:"code,omitempty" doc:"The code of a refusal."`
	Prev        string          `json:"prev,omitempty" doc:"The hash of the line before."`
	Hash        string          `json:"hash,omitempty"`
}

// An AuditAnchor says where a stream ends. Kept elsewhere, it shows later that nothing before it was changed or lost.
type AuditAnchor struct {
	Stream string    `json:"stream"`
	Seq    uint64    `json:"seq" doc:"The number of the last line."`
	Hash   string    `json:"hash"`
	Time   time.Time `json:"time"`
	Anchor string    `json:"anchor" doc:"All of it in one word, with a MAC of this installation."`
}

// An AuditReport is what a check of a stream found. Without faults, the lines are those that were written, all of them, in order.
type AuditReport struct {
	Stream string       `json:"stream"`
	Lines  uint64       `json:"lines"`
	Hash   string       `json:"hash,omitempty" doc:"Of the last line."`
	Faults []AuditFault `json:"faults"`
	More   int          `json:"more_faults,omitempty" doc:"How many were found beyond those listed."`
}

// An AuditFault is one thing that is wrong with a stream.
type AuditFault struct {
	Seq     uint64 `json:"seq"`
	Kind    string `json:"kind" enum:"edited,missing,order,replaced,cut,head,anchor,unreadable"`
	Message string `json:"message"`
}

// An AuditQuery selects lines. The zero AuditQuery is all of them, newest first.
type AuditQuery struct {
	Order                           string // newest (the default) or oldest
	After                           uint64 // only lines with a greater number
	Actor, Subject, Action, Outcome string
	At                              string // a node, and what is below it
	Since, Until                    time.Time
	Wait                            time.Duration // how long the answer may wait for a first line
}

func (q AuditQuery) values(v url.Values) url.Values {
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("order", q.Order)
	set("actor", q.Actor)
	set("subject", q.Subject)
	set("action", q.Action)
	set("outcome", q.Outcome)
	set("at", q.At)
	if q.After > 0 {
		set("after", strconv.FormatUint(q.After, 10))
	}
	if q.Wait > 0 {
		set("wait", strconv.Itoa(int(q.Wait/time.Second)))
	}
	if !q.Since.IsZero() {
		set("since", q.Since.Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		set("until", q.Until.Format(time.RFC3339Nano))
	}
	return v
}

// auditPath is where the log of a node lies, or, with node "", that of a stream.
func auditPath(node, stream, rest string) (string, url.Values) {
	if node != "" {
		return "/nodes" + segment(node) + "/audit" + rest, url.Values{}
	}
	return "/audit" + rest, url.Values{"stream": {stream}}
}

// ListAudit lists lines of the log of a node or, with node "", of a stream. A page may be short, or empty, and not the last.
func (c *Client) ListAudit(ctx context.Context, node, stream string, q AuditQuery, o PageOptions) (Page[AuditEvent], error) {
	path, query := auditPath(node, stream, "")
	for name, value := range o.query() {
		query[name] = value
	}
	v, _, err := get[Page[AuditEvent]](ctx, c, path, q.values(query))
	return v, err
}

// VerifyAudit checks a stream, whole, against its end and, when one is given, an anchor.
func (c *Client) VerifyAudit(ctx context.Context, node, stream, anchor string) (AuditReport, error) {
	path, query := auditPath(node, stream, "/verify")
	if anchor != "" {
		query.Set("anchor", anchor)
	}
	v, _, err := get[AuditReport](ctx, c, path, query)
	return v, err
}

// AnchorAudit returns where a stream ends.
func (c *Client) AnchorAudit(ctx context.Context, node, stream string) (AuditAnchor, error) {
	path, query := auditPath(node, stream, "/anchor")
	v, _, err := get[AuditAnchor](ctx, c, path, query)
	return v, err
}
