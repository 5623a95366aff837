package adminapi

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtReview names an access review in a path.
type AtReview struct {
	AtNode
	Review string `path:"review" maxLength:"40" doc:"Id."`
}

func (a *api) reviews() {
	for _, h := range homes {
		a.reviewsAt(h.path, h.id, h.noun)
		a.reviewItemsAt(h.path, h.id, h.noun)
	}
}

func (a *api) reviewsAt(home, id, noun string) {
	const tag = "reviews"
	list, one := home+"/{node}/reviews", home+"/{node}/reviews/{review}"
	add(a, op{method: http.MethodGet, path: list, id: "list-reviews-of-" + id, summary: "List the access reviews of " + noun + ", the newest first", tag: tag},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Paged
		}) (*plain[apiv1.Page[apiv1.Review]], error) {
			return page(in.Paged, "reviews of "+in.Node, func(p store.PageOptions) (apiv1.Page[apiv1.Review], error) {
				return a.Directory.Reviews(ctx, by.by(), path(in.Node), p)
			})
		})
	add(a, op{method: http.MethodPost, path: list, id: "open-review-of-" + id, summary: "List who holds what at " + noun + " and below, to go through it", tag: tag, status: http.StatusCreated},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Body apiv1.NewReview
		}) (*plain[apiv1.Review], error) {
			v, err := a.Directory.OpenReview(ctx, by.by(), path(in.Node), in.Body)
			return &plain[apiv1.Review]{Body: v}, err
		})
	add(a, op{method: http.MethodGet, path: one, id: "get-review-of-" + id, summary: "Read an access review of " + noun, tag: tag},
		func(ctx context.Context, by *caller, in *AtReview) (*plain[apiv1.Review], error) {
			v, err := a.Directory.Review(ctx, by.by(), path(in.Node), in.Review)
			return &plain[apiv1.Review]{Body: v}, err
		})
	add(a, op{method: http.MethodPost, path: one + "/close", id: "close-review-of-" + id, summary: "End an access review of " + noun, tag: tag},
		func(ctx context.Context, by *caller, in *struct {
			AtReview
			Body apiv1.ReviewClose
		}) (*plain[apiv1.Review], error) {
			v, err := a.Directory.CloseReview(ctx, by.by(), path(in.Node), in.Review, in.Body)
			return &plain[apiv1.Review]{Body: v}, err
		})
	add(a, op{method: http.MethodGet, path: one + "/export", id: "export-review-of-" + id, summary: "Read an access review of " + noun + " with all its items", tag: tag},
		func(ctx context.Context, by *caller, in *struct {
			AtReview
			Format string `query:"format" enum:"json,csv" default:"json"`
		}) (*report, error) {
			head, each, err := a.Directory.ReviewReport(ctx, by.by(), path(in.Node), in.Review)
			if err != nil {
				return nil, err
			}
			return newReport(in.Format, head, each), nil
		})
}

func (a *api) reviewItemsAt(home, id, noun string) {
	const tag = "reviews"
	items := home + "/{node}/reviews/{review}/items"
	add(a, op{method: http.MethodGet, path: items, id: "list-review-items-of-" + id, summary: "List the items of an access review of " + noun, tag: tag},
		func(ctx context.Context, by *caller, in *struct {
			AtReview
			Paged
			State string `query:"state" enum:"open,confirmed,withdrawn,changed,gone" doc:"Absent: all. A page may then have fewer entries than asked, and more to come."`
		}) (*plain[apiv1.Page[apiv1.ReviewItem]], error) {
			return page(in.Paged, "items of "+in.Node+" "+in.Review+" "+in.State, func(p store.PageOptions) (apiv1.Page[apiv1.ReviewItem], error) {
				return a.Directory.ReviewItems(ctx, by.by(), path(in.Node), in.Review, in.State, p)
			})
		})
	add(a, op{method: http.MethodPut, path: items + "/{number}", id: "decide-review-item-of-" + id, summary: "Confirm what an item of an access review of " + noun + " says, or take it away", tag: tag},
		func(ctx context.Context, by *caller, in *struct {
			AtReview
			Number int `path:"number" minimum:"0"`
			Body   apiv1.ReviewDecision
		}) (*plain[apiv1.ReviewItem], error) {
			v, err := a.Directory.DecideReviewItem(ctx, by.by(), path(in.Node), in.Review, in.Number, in.Body)
			return &plain[apiv1.ReviewItem]{Body: v}, err
		})
}

// A report is an export on its way. It is written as it is read, however long it is; one that fails midway is cut off, so that
// nobody takes it for whole.
type report struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        func(huma.Context)
}

func newReport(format string, head apiv1.Review, each func(part func([]apiv1.ReviewItem) error) error) *report {
	r := &report{ContentType: "application/json", Disposition: `attachment; filename="` + head.ID + "." + format + `"`}
	write := writeReportJSON
	if format == "csv" {
		r.ContentType, write = "text/csv; charset=utf-8", writeReportCSV
	}
	r.Body = func(ctx huma.Context) {
		if err := write(ctx.BodyWriter(), head, each); err != nil {
			callOf(ctx.Context()).err = err
		}
	}
	return r
}

// writeReportJSON writes an apiv1.ReviewReport.
func writeReportJSON(w io.Writer, head apiv1.Review, each func(part func([]apiv1.ReviewItem) error) error) error {
	first, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(append([]byte(`{"review":`), first...), `,"items":[`...)); err != nil {
		return err
	}
	separator := ""
	err = each(func(items []apiv1.ReviewItem) error {
		var text []byte
		for i := range items {
			item, err := json.Marshal(&items[i])
			if err != nil {
				return err
			}
			text = append(append(text, separator...), item...)
			separator = ",\n"
		}
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "]}\n")
	return err
}

var reportHead = []string{
	"number", "node", "subject", "name", "roles", "reason", "group", "pending", "last_used_at", "state", "decided_by", "decided_at", "comment", "refused",
}

func writeReportCSV(w io.Writer, _ apiv1.Review, each func(part func([]apiv1.ReviewItem) error) error) error {
	out := csv.NewWriter(w)
	if err := out.Write(reportHead); err != nil {
		return err
	}
	err := each(func(items []apiv1.ReviewItem) error {
		for i := range items {
			if err := out.Write(reportRow(&items[i])); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

func reportRow(i *apiv1.ReviewItem) []string {
	by, refused, pending := "", "", ""
	if i.DecidedBy != nil {
		by = i.DecidedBy.Name
		if by == "" {
			by = i.DecidedBy.Subject
		}
	}
	if i.Refused != nil {
		refused = i.Refused.Code
	}
	if i.Pending {
		pending = "true"
	}
	row := []string{
		strconv.Itoa(i.Number), i.Node, i.Subject, i.Name, strings.Join(i.Roles, " "), i.Reason, i.Group, pending, stamp(i.LastUsedAt),
		i.State, by, stamp(i.DecidedAt), i.Comment, refused,
	}
	for k, cell := range row {
		row[k] = noFormula(cell)
	}
	return row
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// noFormula keeps a spreadsheet from taking what somebody wrote for a formula, which could read and send what stands around it.
func noFormula(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
