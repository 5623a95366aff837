package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The outcomes.
const (
	Done    = "done"
	Refused = "refused"
)

// Platform is the stream of what belongs to no node.
const Platform = "platform"

// Configuration is the actor of what the installation's own files ask for at a start.
const Configuration = "configuration"

// Broken is the action of the line that follows when a stream's end was found to be none that the installation made.
const Broken = "audit.broken"

// An Event is a line of the log. Before and After hold only what changed, and never a secret or what is made of one.
type Event struct {
	Seq         uint64          `json:"seq"`
	Time        time.Time       `json:"time"`
	Stream      string          `json:"stream"`
	Actor       string          `json:"actor"` // "user:u_…", "client:…", or Configuration
	ActorName   string          `json:"actor_name,omitempty"`
	Client      string          `json:"client,omitempty"`       // that the actor's token was issued to
	RequestedBy string          `json:"requested_by,omitempty"` // the user for whom an operator acted
	RequestID   string          `json:"request_id,omitempty"`
	Action      string          `json:"action"`
	Subject     string          `json:"subject,omitempty"`
	Node        string          `json:"node,omitempty"`
	Before      json.RawMessage `json:"before,omitempty"`
	After       json.RawMessage `json:"after,omitempty"`
	Outcome     string          `json:"outcome"`
	Code        string          `json:"code,omitempty"` // of a refusal
	Prev        string          `json:"prev,omitempty"` // hash of the line before, "" of the first
	Hash        string          `json:"hash,omitempty"`
}

// MaxDetail is the most bytes that Before and After have each. What is larger is replaced by its size and its SHA-256.
const MaxDetail = 8 << 10

// Chain continues a stream after head: it numbers events, links them and returns the new head, which has no MAC yet.
func Chain(head Head, events []Event) (Head, error) {
	for i := range events {
		e := &events[i]
		if err := e.normalize(); err != nil {
			return Head{}, err
		}
		e.Stream, e.Seq, e.Prev = head.Stream, head.Seq+1, head.Hash
		if e.Time.Before(head.Time) {
			e.Time = head.Time // clocks of replicas differ; the order in the stream is the order of the changes
		}
		hash, err := e.digest()
		if err != nil {
			return Head{}, err
		}
		e.Hash = hash
		head = Head{Stream: e.Stream, Seq: e.Seq, Hash: hash, Time: e.Time}
	}
	return head, nil
}

// normalize brings an event into the form that it still has after being written and read.
func (e *Event) normalize() (err error) {
	for _, s := range []*string{&e.Actor, &e.ActorName, &e.Client, &e.RequestedBy, &e.RequestID, &e.Action, &e.Subject, &e.Node, &e.Code} {
		*s = strings.ToValidUTF8(*s, "\ufffd")
	}
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	for _, detail := range []*json.RawMessage{&e.Before, &e.After} {
		if *detail, err = canonical(*detail); err != nil {
			return err
		}
		if len(*detail) > MaxDetail {
			sum := sha256.Sum256(*detail)
			*detail = json.RawMessage(fmt.Sprintf(`{"bytes":%d,"sha256":"%s"}`, len(*detail), hex.EncodeToString(sum[:])))
		}
	}
	return nil
}

// canonical writes JSON without blanks and with the members of objects in order, so that a line that was printed in another way
// is still the same line.
func canonical(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("audit detail: %w", err)
	}
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}

// digest returns the hash of the line: over a label, the hash of the line before, and the canonical form of all the rest.
func (e *Event) digest() (string, error) {
	body := *e
	body.Hash = ""
	var err error
	if body.Before, err = canonical(e.Before); err != nil {
		return "", err
	}
	if body.After, err = canonical(e.After); err != nil {
		return "", err
	}
	data, err := json.Marshal(&body)
	if err != nil {
		return "", fmt.Errorf("encode audit line: %w", err)
	}
	h := sha256.New()
	h.Write([]byte("gatehouse audit line 1\n"))
	h.Write(data) // Prev is in it
	return hex.EncodeToString(h.Sum(nil)), nil
}
