package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) accessPreviewCommand(r *remote) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "preview -f FILE",
		Short: "Say what changes would come to, and make none",
		Long: `Say what changes would come to, and make none: who would hold what, the seats, what anyone would see, and the first that would be
refused. The file is YAML or JSON with a list "changes", each one of assign, unassign, suspend, resume, set, add_group_member,
remove_group_member, delete_group and delete_role. Exit code 1 says that one would be refused.`,
		Example: "  echo '{changes: [{assign: {node: acme, user: ann, role: writer}}]}' | gatehouse access preview -f -",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file of changes, - for standard input")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml", "json")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file == "" {
			return usagef("say what to try: -f FILE")
		}
		changes, err := p.readPreview(file)
		if err != nil {
			return err
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		return p.preview(cmd.Context(), api, changes, out)
	}
	return cmd
}

// preview prints what changes would come to, and fails when one would be refused.
func (p *program) preview(ctx context.Context, api *apiv1.Client, changes apiv1.Preview, out *output) error {
	effect, err := api.PreviewAccess(ctx, changes)
	if err != nil {
		return err
	}
	for _, w := range effect.Warnings {
		p.warn("%s: %s", w.Node, w.Detail)
	}
	if err := out.print(p.out, effect, func() table { return effectTable(effect) }); err != nil {
		return err
	}
	if f := effect.Refused; f != nil {
		return &fault{exit: exitRefused, err: fmt.Errorf("change %d would be refused (%s): %s", f.Index+1, f.Code, f.Detail)}
	}
	return nil
}

// addDryRun gives a verb that changes who holds what the flags to try it instead: change says what would be tried at the node and
// for the user that its arguments name, or why it cannot be.
func (p *program) addDryRun(r *remote, cmd *cobra.Command, change func(at apiv1.AssignmentAt) (apiv1.PreviewChange, error)) *cobra.Command {
	out := addOutput(cmd)
	dry := cmd.Flags().Bool("dry-run", false, "say what it would come to, and change nothing")
	do := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !*dry {
			if cmd.Flags().Changed("output") {
				return usagef("--output goes with --dry-run")
			}
			return do(cmd, args)
		}
		at := apiv1.AssignmentAt{Node: args[0]}
		if len(args) > 1 {
			at.User = args[1]
		}
		c, err := change(at)
		if err != nil {
			return err
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		return p.preview(cmd.Context(), api, apiv1.Preview{Changes: []apiv1.PreviewChange{c}}, out)
	}
	return cmd
}

// readPreview reads changes. YAML goes by way of JSON, so that both have the same names.
func (p *program) readPreview(file string) (out apiv1.Preview, err error) {
	in, name := p.in, "standard input"
	if file != standardStream {
		f, err := os.Open(file)
		if err != nil {
			return out, err
		}
		defer func() { _ = f.Close() }()
		in, name = f, file
	}
	text, err := io.ReadAll(io.LimitReader(in, apiv1.MaxBody))
	if err != nil {
		return out, err
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return out, fmt.Errorf("%s: %w", name, err)
	}
	data, err := json.Marshal(tree)
	if err != nil {
		return out, fmt.Errorf("%s: %w", name, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&out); err != nil {
		return out, fmt.Errorf("%s: %w", name, err)
	}
	if len(out.Changes) == 0 {
		return out, fmt.Errorf("%s: has no changes", name)
	}
	return out, nil
}

func effectTable(e apiv1.Effect) table {
	t := table{head: []string{"NODE", "WHO", "BEFORE", "AFTER"}}
	held := func(roles []string) string {
		if len(roles) == 0 {
			return "-"
		}
		return strings.Join(roles, " ")
	}
	for _, a := range e.Access {
		who := a.Name
		if who == "" {
			who = a.Subject
		}
		t.rows = append(t.rows, []string{a.Node, who, held(a.Before), held(a.After)})
	}
	if more := e.AccessCount - len(e.Access); more > 0 {
		t.rows = append(t.rows, []string{fmt.Sprintf("and %d more", more)})
	}
	sees := map[bool]string{true: "sees it", false: "-"}
	for _, v := range e.Public {
		t.rows = append(t.rows, []string{v.Node, "anyone", sees[v.Before], sees[v.After]})
	}
	if s := e.Seats; s != nil && s.Before != s.After {
		limit := ""
		if s.Limit > 0 {
			limit = fmt.Sprintf(" of %d", s.Limit)
		}
		t.rows = append(t.rows, []string{s.Node, "seats", fmt.Sprintf("%d%s", s.Before, limit), fmt.Sprintf("%d%s", s.After, limit)})
	}
	return t
}
