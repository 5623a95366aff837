package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// record writes the lines of the audit log for what the transaction has written so far: it is the last thing that every work
// does, so that no change can forget its line, and none is made whose line cannot be written.
func (w *work) record() error {
	changes, err := w.Changes(func(collection string) bool { return !internal[collection] })
	if err != nil || len(changes) == 0 {
		return err
	}
	var events []audit.Event
	for _, c := range changes {
		more, err := w.describe(c)
		if err != nil {
			return err
		}
		events = append(events, more...)
	}
	if err := w.checkOwnerRequest(events); err != nil {
		return err
	}
	return w.append(events)
}

// append continues the streams of events, each in one go.
func (w *work) append(events []audit.Event) error {
	var streams []string
	for i := range events {
		w.sign(&events[i])
		if s := events[i].Stream; !slices.Contains(streams, s) {
			streams = append(streams, s)
		}
	}
	for _, stream := range streams {
		var part []audit.Event
		for _, e := range events {
			if e.Stream == stream {
				part = append(part, e)
			}
		}
		head, sound, err := w.head(stream)
		if err != nil {
			return err
		}
		if !sound {
			broken := audit.Event{Stream: stream, Action: audit.Broken, Subject: "stream:" + stream}
			w.sign(&broken)
			part = append([]audit.Event{broken}, part...)
		}
		if head, err = audit.Chain(head, part); err != nil {
			return err
		}
		lines := make([]json.RawMessage, len(part))
		for i := range part {
			if lines[i], err = json.Marshal(&part[i]); err != nil {
				return err
			}
		}
		head = w.s.Audit.Sign(head)
		err = w.AppendAudit(stream, part[0].Seq, lines, store.AuditHead{Seq: head.Seq, Hash: head.Hash, Time: head.Time, MAC: head.MAC})
		if err != nil {
			return err
		}
	}
	return nil
}

// head returns where a stream ends. Of one whose end is not what this installation wrote, it is the last line that is there, and
// sound is false: the stream goes on, and says so, since an end that is signed anew must not make what was done to it good.
func (w *work) head(stream string) (head audit.Head, sound bool, err error) {
	stored, err := w.AuditHead(stream)
	if err != nil {
		return head, false, err
	}
	if head = headOf(stream, stored); head.Seq > 0 && w.s.Audit.Signed(head) {
		return head, true, nil
	}
	last, err := w.LastAudit(stream)
	if err != nil {
		return head, false, err
	}
	if last.First == 0 && head.MAC == "" {
		return audit.Head{Stream: stream}, true, nil // it begins
	}
	head = audit.Head{Stream: stream, Seq: last.First}
	for _, line := range last.Lines {
		var e audit.Event
		if json.Unmarshal(line, &e) == nil && e.Seq >= head.Seq {
			head.Seq, head.Hash = e.Seq, e.Hash
		}
	}
	return head, false, nil
}

func headOf(stream string, h store.AuditHead) audit.Head {
	return audit.Head{Stream: stream, Seq: h.Seq, Hash: h.Hash, Time: h.Time, MAC: h.MAC}
}

// sign says in an event who did it and when.
func (w *work) sign(e *audit.Event) {
	e.Time = w.s.Now()
	e.Actor = audit.Configuration
	if w.by.Subject.Kind != "" {
		e.Actor = w.by.Subject.String()
	}
	e.ActorName, e.Client = w.by.Name, string(w.by.Client)
	e.RequestedBy, e.RequestID = string(w.by.RequestedBy), w.by.RequestID
	if e.Outcome == "" {
		e.Outcome = audit.Done
	}
}

// Note writes a line about what is done outside of the directory's own transactions, before it is done: its effect is then never
// without its line. Node is where it is done, "" for the platform.
func (s *Service) Note(ctx context.Context, by By, action, subject string, node iam.NodeID, after any) error {
	e := audit.Event{Action: action, Subject: subject, Node: string(node)}
	if after != nil {
		var err error
		if e.After, err = json.Marshal(after); err != nil {
			return err
		}
	}
	return s.note(ctx, by, e)
}

// NoteRefusal writes a line about what was refused.
func (s *Service) NoteRefusal(ctx context.Context, by By, action, subject string, node iam.NodeID, code string) error {
	return s.note(ctx, by, audit.Event{
		Action: action, Subject: subject, Node: string(node), Outcome: audit.Refused, Code: code,
	})
}

// NoteMoreRefusals writes a line about refusals that have none of their own.
func (s *Service) NoteMoreRefusals(ctx context.Context, by By, node iam.NodeID, n int) error {
	by.RequestID, by.RequestedBy = "", ""
	return s.note(ctx, by, audit.Event{
		Action: "refusals", Node: string(node), Outcome: audit.Refused, Code: "more",
		After: json.RawMessage(fmt.Sprintf(`{"more":%d,"text":"and %d more"}`, n, n)),
	})
}

// Place resolves a node by id or path, whoever asks; "" when there is none.
func (s *Service) Place(ctx context.Context, ref string) (id iam.NodeID, err error) {
	err = s.view(ctx, func(w *work) error {
		n, err := w.findNode(ref)
		if n != nil {
			id = n.ID
		}
		return err
	})
	return id, err
}

// UserID resolves a user by id or name.
func (s *Service) UserID(ctx context.Context, ref string) (id iam.UserID, err error) {
	err = s.view(ctx, func(w *work) error {
		u, err := w.user(ref)
		if err == nil {
			id = u.ID
		}
		return err
	})
	return id, err
}

func (s *Service) note(ctx context.Context, by By, e audit.Event) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error {
		w := &work{Tx: tx, s: s, ctx: ctx, by: by}
		e := e
		var err error
		if e.Stream, err = w.streamOf(iam.NodeID(e.Node)); err != nil {
			return err
		}
		if e.Outcome != audit.Refused {
			if err := w.checkOwnerRequest([]audit.Event{e}); err != nil {
				return err
			}
		}
		return w.append([]audit.Event{e})
	})
}

// streamOf names the stream of what is done at a node: its organization's, else that of its tree, else the platform's. A node that
// the transaction removes still has its place.
func (w *work) streamOf(id iam.NodeID) (string, error) {
	if id == "" {
		return audit.Platform, nil
	}
	stream := ""
	err := w.Peek(func() error {
		path, err := w.Path(id)
		if err != nil {
			return err
		}
		if path == nil {
			if path, err = w.Before().Path(id); err != nil {
				return err
			}
		}
		for i, n := range path {
			if i == 0 || n.Level == iam.LevelOrganization {
				stream = string(n.ID)
			}
			if n.Level == iam.LevelOrganization {
				return nil
			}
		}
		return nil
	})
	if stream == "" {
		stream = audit.Platform
	}
	return stream, err
}

// checkOwnerRequest refuses an operator's change inside an organization that no owner of it has asked for, where the
// configuration demands that. Who is an owner is read as it was before the change, which could make anybody one.
func (w *work) checkOwnerRequest(events []audit.Event) error {
	if !w.s.OwnerRequest || w.by.Authority == access.ByModel || w.by.Subject.Kind == "" {
		return nil
	}
	before := w.Before()
	for _, e := range events {
		org, err := before.Node(iam.NodeID(e.Stream))
		if err != nil {
			return err
		}
		if org == nil || org.Level != iam.LevelOrganization {
			continue
		}
		if w.by.RequestedBy == "" {
			return iam.Refuse(iam.Forbidden, "owner_request_required",
				"a change inside organization %q needs the owner who asked for it: name the user in Gatehouse-Requested-By", org.Name)
		}
		asked := &roster{tx: before}
		model, err := w.model(asked.Path(org.ID))
		if err != nil {
			return err
		}
		err = model.Administer(asked, access.User(w.by.RequestedBy), org.ID, access.Configure)
		if asked.err != nil {
			return asked.err
		}
		if err != nil {
			return iam.Refuse(iam.Forbidden, "owner_request_required",
				"the user named in Gatehouse-Requested-By may not administer organization %q", org.Name)
		}
	}
	return nil
}
