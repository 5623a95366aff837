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

// at makes the verb a list of what is at a node, which is its argument: list gets it as *node.
func (l listing[T]) at(p *program, r *remote, node *string) *cobra.Command {
	cmd := l.command(p, r)
	cmd.Use, cmd.Args = "list NODE", cobra.ExactArgs(1)
	cmd.PreRun = func(_ *cobra.Command, args []string) { *node = args[0] }
	return cmd
}

// reads makes a verb that prints one thing.
func reads[T any](p *program, r *remote, cmd *cobra.Command, read func(api *apiv1.Client, ctx context.Context, args []string) (T, error), tabulate func(T) table) *cobra.Command {
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		found, err := read(api, cmd.Context(), args)
		if err != nil {
			return err
		}
		return out.print(p.out, found, func() table { return tabulate(found) })
	}
	return cmd
}

// does makes a verb that changes something and says so.
func does(p *program, r *remote, cmd *cobra.Command, do func(api *apiv1.Client, ctx context.Context, args []string) (done string, err error)) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		done, err := do(api, cmd.Context(), args)
		if err != nil {
			return err
		}
		return p.say("%s", done)
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
