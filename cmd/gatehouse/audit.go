package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/audit"
)

func (p *program) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "Read, follow, export and check the audit log",
		Example: "  gatehouse audit list --organization acme --action client\n  gatehouse audit verify --organization acme",
	}
	r := addRemote(cmd)
	return noun(cmd, p.auditListCommand(r), p.auditFollowCommand(r), p.auditExportCommand(r), p.auditVerifyCommand(r), p.auditAnchorCommand(r))
}

// auditPlace are the flags that say whose log is meant.
type auditPlace struct{ organization, node, stream string }

func addAuditPlace(cmd *cobra.Command) *auditPlace {
	at := &auditPlace{}
	flags := cmd.Flags()
	flags.StringVar(&at.organization, "organization", "", "of an organization, by name or id")
	flags.StringVar(&at.node, "node", "", "of a node, by path or id, and what is below it")
	flags.StringVar(&at.stream, "stream", audit.Platform, "for those with a platform role: platform, or the id that names any stream")
	cmd.MarkFlagsMutuallyExclusive("organization", "node", "stream")
	return at
}

func (at *auditPlace) ref() string { return at.organization + at.node }

// addAuditFilter gives a verb the flags that select lines.
func addAuditFilter(cmd *cobra.Command) func() (apiv1.AuditQuery, error) {
	var q apiv1.AuditQuery
	var since, until string
	flags := cmd.Flags()
	flags.StringVar(&q.Actor, "actor", "", "by whom: kind:id, an id, or a name")
	flags.StringVar(&q.Subject, "subject", "", "to what: kind:id, or an id")
	flags.StringVar(&q.Action, "action", "", "what, as in client.create, or a noun alone")
	flags.StringVar(&q.Outcome, "outcome", "", "done or refused")
	flags.StringVar(&q.At, "at", "", "where: a node, and what is below it")
	flags.StringVar(&since, "since", "", "from a time (RFC 3339), or for so long until now, as in 24h")
	flags.StringVar(&until, "until", "", "before a time, in the same forms")
	return func() (_ apiv1.AuditQuery, err error) {
		if q.Since, err = momentOf(since, time.Now()); err != nil {
			return q, usagef("--since: %v", err)
		}
		if q.Until, err = momentOf(until, time.Now()); err != nil {
			return q, usagef("--until: %v", err)
		}
		return q, nil
	}
}

func momentOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, errors.New("want a time like 2026-11-24T18:00:00Z or a duration like 24h")
	}
	return t, nil
}

var auditHead = []string{"SEQ", "TIME", "ACTOR", "FOR", "ACTION", "SUBJECT", "OUTCOME", "BEFORE", "AFTER"}

func auditRow(e apiv1.AuditEvent) []string {
	actor, outcome := e.Actor, e.Outcome
	if e.ActorName != "" {
		actor = e.ActorName
	}
	if e.Code != "" {
		outcome += " (" + e.Code + ")"
	}
	return []string{
		strconv.FormatUint(e.Seq, 10), when(e.Time), actor, dash(e.RequestedBy), e.Action, dash(e.Subject), outcome,
		dash(string(e.Before)), dash(string(e.After)),
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (p *program) auditListCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List lines, newest first", Args: cobra.NoArgs,
		Example: "  gatehouse audit list --organization acme --since 24h --outcome refused",
	}
	at, filter := addAuditPlace(cmd), addAuditFilter(cmd)
	most := cmd.Flags().Int("limit", 100, "how many lines at most")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := filter()
		if err != nil {
			return err
		}
		if *most < 1 {
			return usagef("--limit: want 1 or more")
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		items := []apiv1.AuditEvent{}
		for e, err := range auditLines(cmd.Context(), api, at, q) {
			if err != nil {
				return err
			}
			if items = append(items, e); len(items) == *most {
				break
			}
		}
		return out.print(p.out, items, func() table {
			t := table{head: auditHead}
			for _, e := range items {
				t.rows = append(t.rows, auditRow(e))
			}
			return t
		})
	}
	return cmd
}

func auditLines(ctx context.Context, api *apiv1.Client, at *auditPlace, q apiv1.AuditQuery) func(func(apiv1.AuditEvent, error) bool) {
	return apiv1.All(ctx, func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.AuditEvent], error) {
		return api.ListAudit(ctx, at.ref(), at.stream, q, o)
	})
}

func (p *program) auditFollowCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "follow", Short: "Print lines, one JSON object each, as they are written, until interrupted", Args: cobra.NoArgs,
		Example: "  gatehouse audit follow --organization acme",
	}
	at, filter := addAuditPlace(cmd), addAuditFilter(cmd)
	after := cmd.Flags().Uint64("after", 0, "begin after the line with this number, instead of now")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := filter()
		if err != nil {
			return err
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		q.Order, q.After = "oldest", *after
		if !cmd.Flags().Changed("after") {
			page, err := api.ListAudit(cmd.Context(), at.ref(), at.stream, apiv1.AuditQuery{}, apiv1.PageOptions{PageSize: 1})
			if err != nil {
				return err
			}
			if len(page.Items) > 0 {
				q.After = page.Items[0].Seq
			}
		}
		return p.follow(cmd.Context(), api, at, q)
	}
	return cmd
}

// followPause is between two questions when the server had no place to wait.
const followPause = time.Second

func (p *program) follow(ctx context.Context, api *apiv1.Client, at *auditPlace, q apiv1.AuditQuery) error {
	q.Wait = 30 * time.Second
	lines := audit.NewJSONLines(p.out)
	o := apiv1.PageOptions{}
	for {
		asked := time.Now()
		page, err := api.ListAudit(ctx, at.ref(), at.stream, q, o)
		if err != nil {
			return err
		}
		for _, e := range page.Items {
			q.After = e.Seq
			if err := lines.Line(audit.Event(e)); err != nil {
				return err
			}
		}
		if err := lines.Flush(); err != nil {
			return err
		}
		if o.Token = page.NextPageToken; o.Token != "" || len(page.Items) > 0 || time.Since(asked) >= followPause {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followPause):
		}
	}
}

func (p *program) auditExportCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "export", Short: "Print lines, oldest first, for others to keep", Args: cobra.NoArgs,
		Long: `Print lines, oldest first. JSON Lines without a filter can be checked later, by anybody: gatehouse audit verify --file.
CSV is for spreadsheets.`,
		Example: "  gatehouse audit export --organization acme > acme.jsonl\n  gatehouse audit export --organization acme --format csv > acme.csv",
	}
	at, filter := addAuditPlace(cmd), addAuditFilter(cmd)
	format := cmd.Flags().String("format", "jsonl", "jsonl or csv")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := filter()
		if err != nil {
			return err
		}
		lines := audit.NewJSONLines(p.out)
		switch *format {
		case "jsonl":
		case "csv":
			lines = audit.NewCSV(p.out)
		default:
			return usagef("--format: want jsonl or csv")
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		q.Order = "oldest"
		for e, err := range auditLines(cmd.Context(), api, at, q) {
			if err != nil {
				return errors.Join(lines.Flush(), err)
			}
			if err := lines.Line(audit.Event(e)); err != nil {
				return err
			}
		}
		return lines.Flush()
	}
	return cmd
}

func (p *program) auditVerifyCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that no line was changed, moved, put in, taken out or cut off", Args: cobra.NoArgs,
		Long: `Check that no line was changed, moved, put in, taken out or cut off: at the server, which also knows where the log ends, or, with
--file, an export in JSON Lines, without any server. An anchor that was taken out earlier (gatehouse audit anchor, or the server's
log) also shows that the whole store was set back. Faults are exit code 1.`,
		Example: "  gatehouse audit verify --organization acme\n  gatehouse audit verify --file acme.jsonl --anchor a1.…",
	}
	at := addAuditPlace(cmd)
	anchor := cmd.Flags().String("anchor", "", "what gatehouse audit anchor printed earlier")
	file := cmd.Flags().String("file", "", "check this export, - for standard input")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var report apiv1.AuditReport
		var err error
		if *file != "" {
			report, err = p.verifyFile(*file, *anchor)
		} else {
			var api *apiv1.Client
			if api, err = p.dial(cmd.Context(), r); err == nil {
				report, err = api.VerifyAudit(cmd.Context(), at.ref(), at.stream, *anchor)
			}
		}
		if err != nil {
			return err
		}
		err = out.print(p.out, report, func() table {
			t := table{head: []string{"STREAM", "LINES", "FAULT", "AT", "WHAT"}}
			lines := strconv.FormatUint(report.Lines, 10)
			for _, f := range report.Faults {
				t.rows = append(t.rows, []string{report.Stream, lines, f.Kind, strconv.FormatUint(f.Seq, 10), f.Message})
			}
			if len(report.Faults) == 0 {
				t.rows = append(t.rows, []string{report.Stream, lines, "none", "-", "every line is as it was written"})
			}
			return t
		})
		if n := len(report.Faults) + report.More; err == nil && n > 0 {
			return &fault{exit: exitRefused, err: errors.New("the audit log is not what was written: " + strconv.Itoa(n) + " faults")}
		}
		return err
	}
	return cmd
}

// verifyFile checks an export without a server.
func (p *program) verifyFile(name, anchor string) (out apiv1.AuditReport, err error) {
	var anchors []audit.Head
	if anchor != "" {
		h, err := audit.ParseAnchor(strings.TrimSpace(anchor))
		if err != nil {
			return out, usagef("--anchor: %v", err)
		}
		anchors = append(anchors, h)
	}
	in := p.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return out, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = io.Reader(f)
	}
	r, err := audit.CheckFile(in, anchors...)
	out = apiv1.AuditReport{Stream: r.Stream, Lines: r.Lines, Hash: r.Hash, More: r.More, Faults: []apiv1.AuditFault{}}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, apiv1.AuditFault(f))
	}
	return out, err
}

func (p *program) auditAnchorCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "anchor", Short: "Print where the log ends, to keep elsewhere", Args: cobra.NoArgs,
		Example: "  gatehouse audit anchor --organization acme",
	}
	at := addAuditPlace(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		a, err := api.AnchorAudit(cmd.Context(), at.ref(), at.stream)
		if err != nil {
			return err
		}
		return out.print(p.out, a, func() table {
			return table{head: []string{"STREAM", "SEQ", "TIME", "ANCHOR"}, rows: [][]string{{a.Stream, strconv.FormatUint(a.Seq, 10), when(a.Time), a.Anchor}}}
		})
	}
	return cmd
}
