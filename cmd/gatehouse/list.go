package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// A listing is the verb "list" of a noun.
type listing[T any] struct {
	short, example string
	list           func(api *apiv1.Client, ctx context.Context, o apiv1.PageOptions) (apiv1.Page[T], error)
	head           []string
	row            func(T) []string
}

// command makes the verb. It prints all that there is, page after page.
func (l listing[T]) command(p *program, r *remote) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: l.short, Example: l.example, Args: cobra.NoArgs}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		items := []T{} // in JSON an empty list, not null
		page := func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[T], error) { return l.list(api, ctx, o) }
		for item, err := range apiv1.All(cmd.Context(), page) {
			if err != nil {
				return err
			}
			items = append(items, item)
		}
		return out.print(p.out, items, func() table {
			t := table{head: l.head}
			for _, item := range items {
				t.rows = append(t.rows, l.row(item))
			}
			return t
		})
	}
	return cmd
}

// stateOf is how tables say whether something is in use.
func stateOf(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "active"
}

// when writes a time for a table, "-" when there is none.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
