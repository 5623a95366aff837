package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtStream names a stream in a query.
type AtStream struct {
	Stream string `query:"stream" default:"platform" maxLength:"128" pattern:"^[A-Za-z0-9_-]+$" doc:"platform, the id of an organization, existing or ended, or that of a node without parent."`
}

func (s AtStream) place() directory.AuditPlace { return directory.AuditPlace{Stream: s.Stream} }

func (n AtNode) place() directory.AuditPlace { return directory.AuditPlace{Node: path(n.Node)} }

// AuditFilter is the part of a request that selects lines.
type AuditFilter struct {
	Order   string    `query:"order" enum:"newest,oldest" default:"newest"`
	After   uint64    `query:"after" doc:"Only lines with a greater number."`
	Actor   string    `query:"actor" maxLength:"200" doc:"Kind and id, the id alone, or the name at that time."`
	Subject string    `query:"subject" maxLength:"400" doc:"Kind and id, or the id alone."`
	Action  string    `query:"action" maxLength:"100" doc:"As in client.create, or the noun alone."`
	Outcome string    `query:"outcome" enum:"done,refused"`
	At      string    `query:"at" maxLength:"1000" doc:"A node, by id or path: lines about it and what is below it."`
	Since   time.Time `query:"since" doc:"Lines of that time and later."`
	Until   time.Time `query:"until" doc:"Lines before that time."`
}

func (f AuditFilter) query() directory.AuditQuery {
	return directory.AuditQuery{AuditQuery: apiv1.AuditQuery{
		Order: f.Order, After: f.After, Actor: f.Actor, Subject: f.Subject, Action: f.Action, Outcome: f.Outcome,
		At: path(f.At), Since: f.Since, Until: f.Until,
	}}
}

// AuditPage is the part of a request that asks for lines.
type AuditPage struct {
	Paged
	AuditFilter
	Wait int `query:"wait" minimum:"0" maximum:"30" doc:"Seconds that the answer may wait for a first line. It comes at once when too many wait already."`
}

// AuditFormat is the part of a request that asks for all lines.
type AuditFormat struct {
	AuditFilter
	Format string `query:"format" enum:"jsonl,csv" default:"jsonl"`
}

// AuditAgainst is the part of a request that asks for a check.
type AuditAgainst struct {
	Anchor string `query:"anchor" maxLength:"400" doc:"An anchor that was taken out earlier: what it saw must still be there."`
}

func (a *api) audit() {
	const tag = "audit"
	a.moved = newSignal()
	a.Store.WatchAudit(a.moved.raise)
	for _, h := range homes {
		at, of := h.path+"/{node}/audit", "-of-"+h.id
		add(a, op{http.MethodGet, at, "list-audit" + of, "List lines of the audit log about " + h.noun + " and what is below", tag, 0, false, false},
			func(ctx context.Context, by *caller, in *struct {
				AtNode
				AuditPage
			}) (*plain[apiv1.Page[apiv1.AuditEvent]], error) {
				return a.auditPage(ctx, by, in.AtNode.place(), in.AuditPage)
			})
		add(a, op{http.MethodGet, at + "/export", "export-audit" + of, "Write all lines of the audit log about " + h.noun + " and what is below, oldest first", tag, 0, false, false},
			func(ctx context.Context, by *caller, in *struct {
				AtNode
				AuditFormat
			}) (*streamed, error) {
				return a.auditExport(ctx, by, in.AtNode.place(), in.AuditFormat)
			})
		add(a, op{http.MethodGet, at + "/verify", "verify-audit" + of, "Check the audit log of " + h.noun, tag, 0, false, false},
			func(ctx context.Context, by *caller, in *struct {
				AtNode
				AuditAgainst
			}) (*plain[apiv1.AuditReport], error) {
				return a.auditVerify(ctx, by, in.AtNode.place(), in.Anchor)
			})
		add(a, op{http.MethodGet, at + "/anchor", "anchor-audit" + of, "Read where the audit log of " + h.noun + " ends", tag, 0, false, false},
			func(ctx context.Context, by *caller, in *AtNode) (*plain[apiv1.AuditAnchor], error) {
				return a.auditAnchor(ctx, by, in.place())
			})
	}
	addPlatform(a, op{http.MethodGet, "/audit", "list-audit", "List lines of a stream of the audit log", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtStream
			AuditPage
		}) (*plain[apiv1.Page[apiv1.AuditEvent]], error) {
			return a.auditPage(ctx, by, in.AtStream.place(), in.AuditPage)
		})
	addPlatform(a, op{http.MethodGet, "/audit/export", "export-audit", "Write all lines of a stream of the audit log, oldest first", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtStream
			AuditFormat
		}) (*streamed, error) {
			return a.auditExport(ctx, by, in.AtStream.place(), in.AuditFormat)
		})
	addPlatform(a, op{http.MethodGet, "/audit/verify", "verify-audit", "Check a stream of the audit log", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtStream
			AuditAgainst
		}) (*plain[apiv1.AuditReport], error) {
			return a.auditVerify(ctx, by, in.AtStream.place(), in.Anchor)
		})
	addPlatform(a, op{http.MethodGet, "/audit/anchor", "anchor-audit", "Read where a stream of the audit log ends", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtStream) (*plain[apiv1.AuditAnchor], error) {
			return a.auditAnchor(ctx, by, in.place())
		})
}

// auditPage answers with a page and, if there is no line yet, waits for one.
func (a *api) auditPage(ctx context.Context, by *caller, at directory.AuditPlace, in AuditPage) (*plain[apiv1.Page[apiv1.AuditEvent]], error) {
	view, err := a.Directory.OpenAudit(ctx, by.by(), at)
	if err != nil {
		return nil, err
	}
	q := in.query()
	list := "audit " + view.Stream + " " + at.Node + " " + in.Order
	read := func() (*plain[apiv1.Page[apiv1.AuditEvent]], error) {
		return page(in.Paged, list, func(p store.PageOptions) (apiv1.Page[apiv1.AuditEvent], error) {
			q.Limit, q.Place = p.Limit, p.After
			return view.Page(ctx, by.by(), q)
		})
	}
	if in.Wait == 0 || !a.moved.enter() {
		return read()
	}
	defer a.moved.leave()
	timer := time.NewTimer(time.Duration(in.Wait) * time.Second)
	defer timer.Stop()
	for {
		raised := a.moved.wait()
		out, err := read()
		if err != nil || len(out.Body.Items) > 0 || out.Body.NextPageToken != "" {
			return out, err
		}
		select {
		case <-raised:
		case <-timer.C:
			return out, nil
		case <-a.Draining:
			return out, nil
		case <-ctx.Done():
			return out, nil // nobody is left to tell
		}
	}
}

func (a *api) auditVerify(ctx context.Context, by *caller, at directory.AuditPlace, anchor string) (*plain[apiv1.AuditReport], error) {
	view, err := a.Directory.OpenAudit(ctx, by.by(), at)
	if err != nil {
		return nil, err
	}
	v, err := view.Verify(ctx, anchor, func() { extend(callOf(ctx)) })
	return &plain[apiv1.AuditReport]{Body: v}, err
}

func (a *api) auditAnchor(ctx context.Context, by *caller, at directory.AuditPlace) (*plain[apiv1.AuditAnchor], error) {
	view, err := a.Directory.OpenAudit(ctx, by.by(), at)
	if err != nil {
		return nil, err
	}
	v, err := view.Anchor(ctx)
	return &plain[apiv1.AuditAnchor]{Body: v}, err
}

// streamed is an answer that is written while it is made.
type streamed struct {
	ContentType string `header:"Content-Type"`
	Body        func(huma.Context)
}

// exportPage is how many lines an export reads at a time.
const exportPage = 500

// auditExport writes lines as they are read. A fault on the way cuts the connection, so that half an export never looks whole.
func (a *api) auditExport(ctx context.Context, by *caller, at directory.AuditPlace, in AuditFormat) (*streamed, error) {
	view, err := a.Directory.OpenAudit(ctx, by.by(), at)
	if err != nil {
		return nil, err
	}
	q := in.query()
	q.Order, q.Limit = "oldest", exportPage
	first, err := view.Page(ctx, by.by(), q) // what is wrong with the question is said before the answer begins
	if err != nil {
		return nil, err
	}
	kind := "application/jsonl"
	if in.Format == "csv" {
		kind = "text/csv; charset=utf-8"
	}
	return &streamed{ContentType: kind, Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", kind)
		write := audit.NewJSONLines(hc.BodyWriter())
		if in.Format == "csv" {
			write = audit.NewCSV(hc.BodyWriter())
		}
		for p := first; ; {
			extend(callOf(ctx))
			for _, e := range p.Items {
				if err = write.Line(audit.Event(e)); err != nil {
					panic(http.ErrAbortHandler)
				}
			}
			if err = write.Flush(); err != nil {
				panic(http.ErrAbortHandler)
			}
			if p.NextPageToken == "" {
				return
			}
			q.Place = p.NextPageToken
			if p, err = view.Page(ctx, by.by(), q); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
	}}, nil
}

// extend gives a long answer another minute. A connection that cannot be given one has the time that every answer has.
func extend(c *call) {
	_ = http.NewResponseController(c.ResponseWriter).SetWriteDeadline(time.Now().Add(time.Minute))
}
