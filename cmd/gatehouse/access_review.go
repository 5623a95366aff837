package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) accessReviewCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "review",
		Short: "Go through who holds what at a node and below, line by line",
		Example: `  gatehouse access review open acme --due 2027-03-31
  gatehouse access review show acme REVIEW --state open
  gatehouse access review decide acme REVIEW 12 withdraw --comment 'left the team'`,
	}
	return noun(cmd,
		p.reviewOpenCommand(r), p.reviewListCommand(r), p.reviewShowCommand(r), p.reviewDecideCommand(r), p.reviewCloseCommand(r), p.reviewExportCommand(r),
	)
}

func (p *program) reviewOpenCommand(r *remote) *cobra.Command {
	var n apiv1.NewReview
	var due string
	cmd := &cobra.Command{
		Use:     "open NODE --due DATE",
		Short:   "List who holds what at a node and below, as it is now",
		Example: "  gatehouse access review open acme --due 2027-03-31 --name 'first quarter'",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&due, "due", "", "when it is overdue: a date, whose end is meant, or a time as in 2027-03-31T17:00:00Z")
	cmd.Flags().StringVar(&n.Name, "name", "", "what it is called (default: the node and the day)")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if n.Due, err = parseDue(due); err != nil {
			return err
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		review, err := api.OpenReview(cmd.Context(), args[0], n)
		if err != nil {
			return err
		}
		for _, w := range review.Warnings {
			p.warn("%s: %s", w.Node, w.Detail)
		}
		return out.print(p.out, review, func() table { return reviewTable(review) })
	}
	return cmd
}

// parseDue reads a time, or a date in this computer's zone, at the end of which something is due.
func parseDue(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, usagef("say when it is due: --due DATE")
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, s, time.Local)
	if err != nil {
		return time.Time{}, usagef("--due %s: want a date as in 2027-03-31, or a time as in 2027-03-31T17:00:00Z", s)
	}
	return day.AddDate(0, 0, 1).Add(-time.Second), nil
}

var reviewHead = []string{"ID", "NODE", "STATE", "DUE", "OPEN", "CONFIRMED", "WITHDRAWN", "LAPSED", "NAME"}

func reviewRow(r apiv1.Review) []string {
	c := r.Counts
	return []string{
		r.ID, r.Node, r.State, when(r.Due), strconv.Itoa(c.Open), strconv.Itoa(c.Confirmed), strconv.Itoa(c.Withdrawn), strconv.Itoa(c.Lapsed), r.Name,
	}
}

func reviewTable(reviews ...apiv1.Review) table {
	t := table{head: reviewHead}
	for _, r := range reviews {
		t.rows = append(t.rows, reviewRow(r))
	}
	return t
}

func (p *program) reviewListCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list NODE",
		Short:   "List the reviews of a node, the newest first",
		Example: "  gatehouse access review list acme",
		Args:    cobra.ExactArgs(1),
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		reviews := []apiv1.Review{}
		page := func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Review], error) {
			return api.ListReviews(ctx, args[0], o)
		}
		for review, err := range apiv1.All(cmd.Context(), page) {
			if err != nil {
				return err
			}
			reviews = append(reviews, review)
		}
		return out.print(p.out, reviews, func() table { return reviewTable(reviews...) })
	}
	return cmd
}

func (p *program) reviewShowCommand(r *remote) *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:     "show NODE REVIEW",
		Short:   "Print the items of a review",
		Example: "  gatehouse access review show acme REVIEW --state open",
		Args:    cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&state, "state", "", "only items that are open, confirmed, withdrawn, changed or gone")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		report := apiv1.ReviewReport{Items: []apiv1.ReviewItem{}}
		if report.Review, err = api.GetReview(cmd.Context(), args[0], args[1]); err != nil {
			return err
		}
		page := func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.ReviewItem], error) {
			return api.ListReviewItems(ctx, args[0], args[1], state, o)
		}
		for item, err := range apiv1.All(cmd.Context(), page) {
			if err != nil {
				return err
			}
			report.Items = append(report.Items, item)
		}
		return out.print(p.out, report, func() table { return itemTable(report.Items...) })
	}
	return cmd
}

func itemTable(items ...apiv1.ReviewItem) table {
	t := table{head: []string{"ITEM", "NODE", "WHO", "ROLES", "REASON", "LAST USED", "STATE", "BY", "COMMENT"}}
	for _, i := range items {
		kind, _, _ := strings.Cut(i.Subject, ":")
		who, reason, by := kind+" "+i.Name, i.Reason, "-"
		if i.Name == "" {
			who = i.Subject
		}
		if i.Group != "" {
			reason = "group " + i.Group
		}
		if i.DecidedBy != nil {
			if by = i.DecidedBy.Name; by == "" {
				by = i.DecidedBy.Subject
			}
		}
		note := i.Comment
		if i.Refused != nil {
			note = i.Refused.Code + ": " + i.Refused.Detail
		}
		t.rows = append(t.rows, []string{strconv.Itoa(i.Number), i.Node, who, strings.Join(i.Roles, " "), reason, when(i.LastUsedAt), i.State, by, note})
	}
	return t
}

func (p *program) reviewDecideCommand(r *remote) *cobra.Command {
	var d apiv1.ReviewDecision
	cmd := &cobra.Command{
		Use:     "decide NODE REVIEW ITEM confirm|withdraw",
		Short:   "Confirm what an item of a review says, or take it away",
		Example: "  gatehouse access review decide acme REVIEW 12 withdraw --comment 'left the team'",
		Args:    cobra.ExactArgs(4),
	}
	cmd.Flags().StringVar(&d.Comment, "comment", "", "why, for those who read the review")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		number, err := strconv.Atoi(args[2])
		if err != nil || number < 0 {
			return usagef("%s: want the number of an item", args[2])
		}
		if d.Decision = args[3]; d.Decision != apiv1.DecisionConfirm && d.Decision != apiv1.DecisionWithdraw {
			return usagef("%s: want confirm or withdraw", args[3])
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		item, err := api.DecideReviewItem(cmd.Context(), args[0], args[1], number, d)
		if err != nil {
			return err
		}
		return out.print(p.out, item, func() table { return itemTable(item) })
	}
	return cmd
}

func (p *program) reviewCloseCommand(r *remote) *cobra.Command {
	var k apiv1.ReviewClose
	cmd := &cobra.Command{
		Use:     "close NODE REVIEW",
		Short:   "End a review",
		Example: "  gatehouse access review close acme REVIEW",
		Args:    cobra.ExactArgs(2),
	}
	cmd.Flags().BoolVar(&k.Force, "force", false, "even though items are open")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		review, err := api.CloseReview(cmd.Context(), args[0], args[1], k)
		if err != nil {
			return err
		}
		return out.print(p.out, review, func() table { return reviewTable(review) })
	}
	return cmd
}

func (p *program) reviewExportCommand(r *remote) *cobra.Command {
	var format, file string
	cmd := &cobra.Command{
		Use:     "export NODE REVIEW",
		Short:   "Write a review with all its items",
		Example: "  gatehouse access review export acme REVIEW --format csv --file review.csv",
		Args:    cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&format, "format", "json", "json or csv")
	cmd.Flags().StringVar(&file, "file", standardStream, "where to, - for standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if format != "json" && format != "csv" {
			return usagef("--format %s: want json or csv", format)
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		if file == standardStream {
			return api.ExportReview(cmd.Context(), args[0], args[1], format, p.out)
		}
		return writeWhole(file, func(w io.Writer) error {
			return api.ExportReview(cmd.Context(), args[0], args[1], format, w)
		})
	}
	return cmd
}

// writeWhole writes a new file for the user alone. What could not be written whole is not left behind.
func writeWhole(file string, write func(io.Writer) error) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(file)
		return fmt.Errorf("%s is not written: %w", file, err)
	}
	return nil
}
