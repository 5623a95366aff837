package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) accessMigrateCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring roles of another system over: plan, decide, apply",
		Example: `  gatehouse access migrate plan bank --source flowx-4 -f holders.csv
  gatehouse access migrate show bank m_k3q7x2m5v6t4p2aa
  gatehouse access migrate decide bank m_k3q7x2m5v6t4p2aa 2 --role workspace_user --at bank/loans
  gatehouse access migrate apply bank m_k3q7x2m5v6t4p2aa`,
	}
	return noun(cmd, p.migratePlanCommand(r), p.migrateShowCommand(r), p.migrateDecideCommand(r), p.migrateApplyCommand(r))
}

func (p *program) migratePlanCommand(r *remote) *cobra.Command {
	var plan apiv1.NewMigration
	var file string
	cmd := &cobra.Command{
		Use:   "plan NODE --source SYSTEM -f FILE",
		Short: "Plan what becomes of the roles that people held in another system, and change nothing",
		Long: `Plan what becomes of the roles that people held in another system, and change nothing. The file is CSV with a head line of user
(or email), role and, where it is known, where (the node of the new role); or a JSON list of the same. It has an entry for each role
that somebody held.`,
		Example: "  gatehouse access migrate plan bank --source flowx-4 -f holders.csv",
		Args:    cobra.ExactArgs(1),
	}
	out := addOutput(cmd)
	cmd.Flags().StringVar(&plan.Source, "source", "", "the other system, as the access model calls it")
	cmd.Flags().StringVarP(&file, "file", "f", "", "who held which role: CSV or JSON, - for standard input")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if plan.Source == "" || file == "" {
			return usagef("say from what system and from which file: --source SYSTEM -f FILE")
		}
		var err error
		if plan.Holders, err = p.readHolders(file); err != nil {
			return err
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		m, err := api.PlanMigration(cmd.Context(), args[0], plan)
		if err != nil {
			return err
		}
		return p.printMigration(*out, m)
	}
	return cmd
}

// maxHolders is more, in bytes, than a plan takes.
const maxHolders = 8 << 20

func (p *program) readHolders(file string) ([]apiv1.MigrationHolder, error) {
	from, name := p.in, "standard input"
	if file != standardStream {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		from, name = f, file
	}
	data, err := io.ReadAll(io.LimitReader(from, maxHolders))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	text := strings.TrimPrefix(string(data), "\ufeff") // spreadsheets begin so
	var holders []apiv1.MigrationHolder
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(&holders)
	} else {
		holders, err = holdersOfCSV(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(holders) == 0 {
		return nil, fmt.Errorf("%s: nobody holds a role in it", name)
	}
	return holders, nil
}

// holdersOfCSV reads a table whose head names its columns.
func holdersOfCSV(text string) ([]apiv1.MigrationHolder, error) {
	table := csv.NewReader(strings.NewReader(text))
	table.TrimLeadingSpace = true
	head, err := table.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []apiv1.MigrationHolder
	for {
		row, err := table.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		var h apiv1.MigrationHolder
		for i, column := range head {
			switch value := strings.TrimSpace(row[i]); strings.ToLower(strings.TrimSpace(column)) {
			case "user":
				h.User = value
			case "email":
				h.Email = value
			case "role":
				h.Role = value
			case "where":
				h.Where = value
			default:
				return nil, fmt.Errorf("column %q: want user, email, role and where", column)
			}
		}
		out = append(out, h)
	}
}

func (p *program) printMigration(out output, m apiv1.Migration) error {
	if out == outputTable {
		if err := p.say("migration %s of %s to %s: %s", m.ID, m.Source, m.Node, tally(m)); err != nil {
			return err
		}
	}
	return out.print(p.out, m, func() table {
		t := table{head: []string{"ITEM", "HOLDER", "OLD ROLE", "STATE", "ROLE", "AT", "WHY"}}
		for _, it := range m.Items {
			role := it.Role
			if role == "" {
				var choices []string
				for _, c := range it.Choices {
					choices = append(choices, c.Role)
				}
				role = strings.Join(choices, " or ")
			}
			t.rows = append(t.rows, []string{strconv.Itoa(it.Number), it.Holder, it.Old, it.State, orDash(role), orDash(it.Node), it.Reason})
		}
		return t
	})
}

// tally counts the items of a plan by what they wait for.
func tally(m apiv1.Migration) string {
	var order []string
	counts := make(map[string]int)
	for _, it := range m.Items {
		if counts[it.State]++; counts[it.State] == 1 {
			order = append(order, it.State)
		}
	}
	for i, state := range order {
		order[i] = strconv.Itoa(counts[state]) + " " + state
	}
	return strings.Join(order, ", ")
}

func (p *program) migrateShowCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show NODE [MIGRATION]",
		Short:   "Print a plan, or which there are",
		Example: "  gatehouse access migrate show bank",
		Args:    cobra.RangeArgs(1, 2),
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		if len(args) == 2 {
			m, err := api.GetMigration(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return p.printMigration(*out, m)
		}
		plans := []apiv1.Migration{}
		list := func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Migration], error) {
			return api.ListMigrations(ctx, args[0], o)
		}
		for m, err := range apiv1.All(cmd.Context(), list) {
			if err != nil {
				return err
			}
			plans = append(plans, m)
		}
		return out.print(p.out, plans, func() table {
			t := table{head: []string{"MIGRATION", "SOURCE", "ITEMS", "CREATED"}}
			for _, m := range plans {
				t.rows = append(t.rows, []string{m.ID, m.Source, strconv.Itoa(m.Count), when(m.CreatedAt)})
			}
			return t
		})
	}
	return cmd
}

func (p *program) migrateDecideCommand(r *remote) *cobra.Command {
	var d apiv1.MigrationDecision
	cmd := &cobra.Command{
		Use:   "decide NODE MIGRATION ITEM",
		Short: "Say what becomes of an item of a plan",
		Example: `  gatehouse access migrate decide bank m_k3q7x2m5v6t4p2aa 2 --role workspace_user --at bank/loans
  gatehouse access migrate decide bank m_k3q7x2m5v6t4p2aa 5 --skip`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.Atoi(args[2])
			if err != nil {
				return usagef("ITEM is a number, got %q", args[2])
			}
			api, err := p.dial(cmd.Context(), r)
			if err != nil {
				return err
			}
			it, err := api.DecideMigration(cmd.Context(), args[0], args[1], number, d)
			if err != nil {
				return err
			}
			if it.State == "skipped" {
				return p.say("item %d, %s of %s, is skipped", number, it.Old, it.Holder)
			}
			return p.say("item %d, %s of %s, becomes %s at %s when the plan is applied", number, it.Old, it.Holder, it.Role, it.Node)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.Role, "role", "", "the role that it becomes (default: the one proposed)")
	flags.StringVar(&d.Node, "at", "", "the node that the role is held at")
	flags.StringVar(&d.User, "user", "", "who it is, where that is not known")
	flags.BoolVar(&d.Skip, "skip", false, "nothing becomes of it")
	return cmd
}

func (p *program) migrateApplyCommand(r *remote) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "apply NODE MIGRATION",
		Short: "Make assignments of what a plan proposes or somebody has decided, where the node is known",
		Long: `Make assignments of what a plan proposes or somebody has decided, where the node is known. It shows them and asks first, unless
--yes is given. What is refused stays in the plan with its reason; an interrupted apply is finished by the same command.`,
		Example: "  gatehouse access migrate apply bank m_k3q7x2m5v6t4p2aa",
		Args:    cobra.ExactArgs(2),
	}
	out := addOutput(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		if !yes {
			m, err := api.GetMigration(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if err := p.confirmMigration(m); err != nil {
				return err
			}
		}
		m, err := api.ApplyMigration(cmd.Context(), args[0], args[1])
		if err != nil {
			return err
		}
		return p.printMigration(*out, m)
	}
	return cmd
}

// confirmMigration shows on standard error what will be assigned, and goes on only when the answer is yes.
func (p *program) confirmMigration(m apiv1.Migration) error {
	n := 0
	for _, it := range m.Items {
		if it.Role == "" || it.Node == "" || it.State != "proposed" && it.State != "decided" && it.State != "refused" {
			continue
		}
		n++
		line := fmt.Sprintf("%s: %s becomes %s at %s", it.Holder, it.Old, it.Role, it.Node)
		if _, err := fmt.Fprintln(p.err, printable(line)); err != nil {
			return err
		}
	}
	if n == 0 {
		return errors.New("nothing in the plan says both a role and a node: decide first")
	}
	if _, err := fmt.Fprintf(p.err, "Make %d assignments? [y/N] ", n); err != nil {
		return err
	}
	var answer string
	if _, err := fmt.Fscanln(p.in, &answer); err != nil || !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return errors.New("not confirmed: nothing was changed (--yes does not ask)")
	}
	return nil
}
