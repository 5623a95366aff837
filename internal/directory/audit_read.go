package directory

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// An AuditPlace is whose lines are read: those of a node and below it or, for those with a platform role, those of a Stream.
type AuditPlace struct{ Node, Stream string }

// An AuditQuery selects lines of a place.
type AuditQuery struct {
	apiv1.AuditQuery
	Limit int
	Place string // Next of the page before, "" for the first
}

// An AuditView is a place that the one who asked may read.
type AuditView struct {
	s      *Service
	Stream string
	below  iam.NodeID // only lines about this node and what is below it; "": the whole stream
}

// OpenAudit decides whether the one who asks may read the lines of a place.
func (s *Service) OpenAudit(ctx context.Context, by By, at AuditPlace) (v *AuditView, err error) {
	v = &AuditView{s: s, Stream: at.Stream}
	if at.Node == "" {
		return v, nil
	}
	err = s.viewBy(ctx, by, func(w *work) error {
		n, err := w.node(at.Node)
		if err != nil {
			return err
		}
		_, m, err := w.at(n.ID)
		if err != nil {
			return err
		}
		err = w.decide(func(r access.Roster) error { return m.Administer(r, w.by.Actor, n.ID, access.Audit) })
		if err != nil {
			return err
		}
		if v.Stream, err = w.streamOf(n.ID); err == nil && v.Stream != string(n.ID) {
			v.below = n.ID
		}
		return err
	})
	return v, err
}

// whole refuses what is about a stream at a node that has none of its own.
func (v *AuditView) whole() error {
	if v.below != "" {
		return iam.Errorf(iam.Invalid, "the lines of this node are part of a longer chain: ask at its organization")
	}
	return nil
}

// The bounds of the work of one page.
const (
	auditWindow = 256      // lines read at a time
	auditBudget = 16 << 10 // lines looked at
)

// Page returns lines that q selects. It looks at a bounded number of lines, so it may be short, or empty, and not the last.
func (v *AuditView) Page(ctx context.Context, by By, q AuditQuery) (out apiv1.Page[apiv1.AuditEvent], err error) {
	out.Items = []apiv1.AuditEvent{}
	match, err := v.matcher(ctx, by, q)
	if err != nil {
		return out, err
	}
	from, err := q.start()
	if err != nil {
		return out, err
	}
	oldest := q.Order == "oldest"
	if !oldest && from == 0 {
		head, err := v.s.Store.AuditHeadNow(ctx, v.Stream)
		if err != nil {
			return out, err
		}
		from = head.Seq
	}
	for seen := 0; seen < auditBudget; {
		var lines []audit.Event
		if oldest {
			lines, err = v.lines(ctx, max(from, q.After+1), math.MaxUint64)
		} else {
			first := uint64(1)
			if from > auditWindow {
				first = from - auditWindow + 1
			}
			lines, err = v.lines(ctx, first, from)
			slices.Reverse(lines)
			if len(lines) == 0 { // somebody took out that many: Verify tells
				seen, from = seen+auditWindow, first-1
			}
		}
		if err != nil || len(lines) == 0 && (oldest || from == 0) {
			return out, err
		}
		for _, e := range lines {
			seen++
			if v.past(e, q, oldest) {
				return out, nil
			}
			ok, err := match(e)
			if err != nil {
				return out, err
			}
			from = e.Seq + 1
			if !oldest {
				from = e.Seq - 1
			}
			if !ok {
				continue
			}
			if out.Items = append(out.Items, apiv1.AuditEvent(e)); len(out.Items) == q.Limit && from > 0 {
				out.NextPageToken = strconv.FormatUint(from, 10)
				return out, nil
			}
		}
		if from == 0 {
			return out, nil
		}
	}
	out.NextPageToken = strconv.FormatUint(from, 10)
	return out, nil
}

// past reports whether neither this line nor any after it, in the order asked for, is selected. Time never runs back in a stream.
func (v *AuditView) past(e audit.Event, q AuditQuery, oldest bool) bool {
	if oldest {
		return !q.Until.IsZero() && !e.Time.Before(q.Until)
	}
	return e.Seq <= q.After || !q.Since.IsZero() && e.Time.Before(q.Since)
}

func (q AuditQuery) start() (uint64, error) {
	if q.Place == "" {
		return 0, nil
	}
	from, err := strconv.ParseUint(q.Place, 10, 64)
	if err != nil || from == 0 {
		return 0, iam.Errorf(iam.Invalid, "page_token: not one that this list has given")
	}
	return from, nil
}

// lines returns the readable lines with the numbers first to last, at most auditWindow of them, oldest first.
func (v *AuditView) lines(ctx context.Context, first, last uint64) (out []audit.Event, err error) {
	after := uint64(0)
	if first > store.MaxAuditBatch {
		after = first - store.MaxAuditBatch
	}
	records, _, err := v.s.Store.AuditRecords(ctx, v.Stream, after, auditWindow+store.MaxAuditBatch)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		for _, line := range r.Lines {
			var e audit.Event
			if json.Unmarshal(line, &e) != nil || e.Seq < first || e.Seq > last {
				continue // Verify tells of the former
			}
			if len(out) == auditWindow {
				return out, nil
			}
			out = append(out, e)
		}
	}
	return out, nil
}

// matcher returns what tells whether a line is selected.
func (v *AuditView) matcher(ctx context.Context, by By, q AuditQuery) (func(audit.Event) (bool, error), error) {
	var at iam.NodeID
	if q.At != "" {
		at = iam.NodeID(q.At) // an id of what is gone still has its lines
		err := v.s.viewBy(ctx, by, func(w *work) error {
			n, err := w.findNode(q.At)
			if n != nil {
				at = n.ID
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	within := v.within(ctx)
	return func(e audit.Event) (bool, error) {
		switch {
		case q.Actor != "" && !names(e.Actor, q.Actor) && e.ActorName != q.Actor,
			q.Subject != "" && !names(e.Subject, q.Subject),
			q.Action != "" && e.Action != q.Action && !strings.HasPrefix(e.Action, q.Action+"."),
			q.Outcome != "" && e.Outcome != q.Outcome,
			!q.Since.IsZero() && e.Time.Before(q.Since),
			!q.Until.IsZero() && !e.Time.Before(q.Until):
			return false, nil
		}
		for _, top := range []iam.NodeID{at, v.below} {
			if ok, err := within(iam.NodeID(e.Node), top); err != nil || !ok {
				return false, err
			}
		}
		return true, nil
	}, nil
}

// names reports whether ref is the subject "kind:id", or the id of it.
func names(subject, ref string) bool { return subject == ref || strings.HasSuffix(subject, ":"+ref) }

// within returns what tells whether a node is top or below it; everything is within "".
func (v *AuditView) within(ctx context.Context) func(n, top iam.NodeID) (bool, error) {
	known := make(map[iam.NodeID][]*iam.Node)
	return func(n, top iam.NodeID) (bool, error) {
		if top == "" || n == top {
			return true, nil
		}
		path, ok := known[n]
		if !ok {
			var err error
			if path, err = v.s.Store.Path(ctx, n); err != nil {
				return false, err
			}
			known[n] = path
		}
		return slices.ContainsFunc(path, func(p *iam.Node) bool { return p.ID == top }), nil
	}
}

// Anchor returns where the stream ends.
func (v *AuditView) Anchor(ctx context.Context) (out apiv1.AuditAnchor, err error) {
	if err := v.whole(); err != nil {
		return out, err
	}
	stored, err := v.s.Store.AuditHeadNow(ctx, v.Stream)
	if err != nil {
		return out, err
	}
	h := headOf(v.Stream, stored)
	if h.Seq == 0 {
		h = v.s.Audit.Sign(h) // that there is nothing yet can be said, too
	}
	return showAnchor(h), nil
}

func showAnchor(h audit.Head) apiv1.AuditAnchor {
	return apiv1.AuditAnchor{Stream: h.Stream, Seq: h.Seq, Hash: h.Hash, Time: h.Time, Anchor: h.String()}
}

// AuditAnchors calls each with where every stream ends that has got lines since a time.
func (s *Service) AuditAnchors(ctx context.Context, since time.Time, each func(apiv1.AuditAnchor)) error {
	for p := (store.PageOptions{}); ; {
		page, err := s.Store.AuditStreams(ctx, p)
		if err != nil {
			return err
		}
		for _, h := range page.Items {
			if h.Time.After(since) {
				each(showAnchor(headOf(h.Stream, h.AuditHead)))
			}
		}
		if page.Next == "" {
			return nil
		}
		p.After = page.Next
	}
}

// Verify checks the stream, whole, against its end and, unless it is "", an anchor. progress is called now and then.
func (v *AuditView) Verify(ctx context.Context, anchor string, progress func()) (out apiv1.AuditReport, err error) {
	if err := v.whole(); err != nil {
		return out, err
	}
	var anchors []audit.Head
	if anchor != "" {
		h, err := audit.ParseAnchor(anchor)
		switch {
		case err != nil:
			return out, iam.Errorf(iam.Invalid, "anchor: %s", err.Error())
		case h.Stream != v.Stream:
			return out, iam.Errorf(iam.Invalid, "anchor: it is of another stream")
		case !v.s.Audit.Signed(h):
			return out, iam.Errorf(iam.Invalid, "anchor: this installation did not make it")
		}
		anchors = append(anchors, h)
	}
	check := audit.NewCheck(v.Stream, anchors...)
	var head audit.Head
	for after, quiet := uint64(0), false; ; {
		records, _, err := v.s.Store.AuditRecords(ctx, v.Stream, after, auditWindow)
		if err != nil {
			return out, err
		}
		progress()
		for _, r := range records {
			after = r.First
			checkRecord(check, r)
		}
		if len(records) > 0 {
			quiet = false
			continue
		}
		if quiet { // the end was read after the last line, and no line came after that
			break
		}
		stored, err := v.s.Store.AuditHeadNow(ctx, v.Stream)
		if err != nil {
			return out, err
		}
		head, quiet = headOf(v.Stream, stored), true
	}
	r := check.End(&head, v.s.Audit)
	out = apiv1.AuditReport{Stream: r.Stream, Lines: r.Lines, Hash: r.Hash, More: r.More, Faults: []apiv1.AuditFault{}}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, apiv1.AuditFault(f))
	}
	return out, nil
}

// checkRecord gives the lines of a record to a check.
func checkRecord(check *audit.Check, r store.AuditRecord) {
	if len(r.Lines) == 0 {
		check.Unreadable(r.First)
	}
	for i, line := range r.Lines {
		var e audit.Event
		if json.Unmarshal(line, &e) != nil {
			check.Unreadable(r.First + uint64(i))
			continue
		}
		check.Add(e)
	}
}
