package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// subjectFlag is a subject on the command line, as in user:alice; "" is whoever asks.
func subjectFlag(name, text string) (*apiv1.Subject, error) {
	if text == "" {
		return nil, nil
	}
	s, err := iam.ParseSubject(text)
	if err != nil || s.Kind == iam.SubjectLogin {
		return nil, usagef("--%s %q: want user:NAME, client:ID, group:NAME or anonymous", name, text)
	}
	return &apiv1.Subject{Type: string(s.Kind), ID: s.ID}, nil
}

func (p *program) accessCheckCommand(r *remote) *cobra.Command {
	var subject string
	cmd := &cobra.Command{
		Use:   "check PERMISSION NODE",
		Short: "Ask whether somebody may do something at an organization or node",
		Long: `Ask whether somebody may do something at an organization or node. A permission is a name of the access model. Of a denial,
403 says that the subject may know the node, and 404 that he may not, or that there is none.`,
		Example: "  gatehouse access check env_create acme --subject user:alice\n  gatehouse access check content_view labs/web --subject anonymous -o json",
		Args:    cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&subject, "subject", "", "whom it is about: user:NAME, client:ID, group:NAME or anonymous (default: who asks)")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		about, err := subjectFlag("subject", subject)
		if err != nil {
			return err
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		d, err := api.CheckAccess(cmd.Context(), apiv1.AccessQuestion{Subject: about, Action: args[0], Resource: apiv1.Resource{ID: args[1]}})
		if err != nil {
			return err
		}
		return out.print(p.out, d, func() table {
			return table{head: []string{"DECISION", "WHY"}, rows: [][]string{{decided(d), d.Detail}}}
		})
	}
	return cmd
}

func decided(d apiv1.AccessDecision) string {
	if d.Decision {
		return "allowed"
	}
	return "denied (" + d.Reason + ")"
}

func (p *program) accessExplainCommand(r *remote) *cobra.Command {
	var q apiv1.ExplainQuestion
	var subject, role, actor string
	cmd := &cobra.Command{
		Use:   "explain [[PERMISSION] NODE]",
		Short: "Ask why: a decision, a role that cannot be given, or a token that was denied",
		Long: `Ask why somebody may or may not do something at an organization or node: what decided, what would change it, and who could. Without
a permission: why he may, or may not, know the node. With --role: what keeps --actor from giving that role to --subject. With
--request-id: why that token request was denied.`,
		Example: `  gatehouse access explain design_modify labs/web --subject user:om
  gatehouse access explain retail --role theme_editor --subject user:cu --actor user:wu
  gatehouse access explain --request-id 2f1c3c6f7a0e4c2c9b0b8d7f3f5f4e21`,
		Args: cobra.MaximumNArgs(2),
	}
	f := cmd.Flags()
	f.StringVar(&subject, "subject", "", "whom it is about: user:NAME, client:ID, group:NAME or anonymous (default: who asks)")
	f.StringVar(&role, "role", "", "explain why this role cannot be given")
	f.StringVar(&actor, "actor", "", "who would give the role (default: who asks)")
	f.StringVar(&q.AccessRev, "access-rev", "", "the claim access_rev of a token: is it older than the last change?")
	f.StringVar(&q.RequestID, "request-id", "", "the X-Request-Id of a denied token request")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		about, err := subjectFlag("subject", subject)
		if err != nil {
			return err
		}
		by, err := subjectFlag("actor", actor)
		if err != nil {
			return err
		}
		switch {
		case q.RequestID != "" && (len(args) > 0 || role != ""), q.RequestID == "" && len(args) == 0, role != "" && (len(args) != 1 || about == nil):
			return usagef("want [PERMISSION] NODE, or NODE with --role and --subject, or --request-id")
		case role != "":
			q.Assign = &apiv1.AssignQuestion{Node: args[0], Role: role, Subject: *about, Actor: by}
		case len(args) > 0:
			q.Subject, q.Resource = about, &apiv1.Resource{ID: args[len(args)-1]}
			if len(args) == 2 {
				q.Action = args[0]
			}
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		ex, err := api.ExplainAccess(cmd.Context(), q)
		if err != nil {
			return err
		}
		return out.print(p.out, ex, func() table { return explained(ex) })
	}
	return cmd
}

// explained tells an explanation in lines of what and why.
func explained(ex apiv1.Explanation) table {
	t := table{head: []string{"WHAT", "WHY"}}
	add := func(what, why string) {
		if why != "" {
			t.rows = append(t.rows, []string{what, why})
		}
	}
	switch {
	case ex.Access != nil:
		a := ex.Access
		add("decision", decided(a.AccessDecision))
		add("permission", a.Action)
		add("node", a.Node)
		for _, f := range a.Findings {
			add("because", f)
		}
		for _, c := range a.Changes {
			add("to change it", c.Change+able(c.Who, c.More))
		}
		if a.Token != nil {
			add("token", a.Token.Detail)
		}
	case ex.Assignment != nil:
		a := ex.Assignment
		if a.Allowed {
			add("decision", "allowed")
		} else {
			add("decision", "refused ("+a.Code+")")
		}
		add("role", a.Role)
		add("node", a.Node)
		add("because", a.Detail)
		if !a.Assignable {
			add("because", "nobody may give this role to this kind of subject there")
		}
		add("needs", strings.Join(a.Needs, " or "))
		add("to change it", strings.TrimPrefix(able(a.Who, a.More), ": "))
	case ex.Denial != nil:
		d := ex.Denial
		add("decision", "denied ("+d.Code+")")
		add("client", d.Client)
		add("organization", d.Organization)
		add("because", d.Detail)
	}
	return t
}

// able names who could do something.
func able(who []apiv1.AccessSubject, more bool) string {
	var names []string
	for _, s := range who {
		name := s.Name
		if name == "" {
			name = s.ID
		}
		names = append(names, s.Type+":"+name)
	}
	if len(names) == 0 {
		return ""
	}
	if more {
		names = append(names, "and others")
	}
	return ": " + strings.Join(names, ", ") + " could"
}

func (p *program) accessWhoCommand(r *remote) *cobra.Command {
	var action string
	cmd := &cobra.Command{
		Use:     "who NODE",
		Short:   "List who has access to an organization or node, and why",
		Example: "  gatehouse access who acme\n  gatehouse access who acme --can env_delete",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&action, "can", "", "only those who may do this: a permission of the access model")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		entries := []apiv1.AccessEntry{} // in JSON an empty list, not null
		page := func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.AccessEntry], error) {
			return api.WhoCan(ctx, apiv1.WhoQuestion{Action: action, Resource: apiv1.Resource{ID: args[0]}}, o)
		}
		for e, err := range apiv1.All(cmd.Context(), page) {
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return out.print(p.out, entries, func() table {
			t := table{head: []string{"SUBJECT", "ID", "ROLES", "STATE", "WHY"}}
			for _, e := range entries {
				state := stateOf(e.Disabled)
				if e.Pending {
					state = "invited"
				}
				t.rows = append(t.rows, []string{strings.TrimSuffix(e.Subject.Type+":"+e.Subject.Name, ":"), e.Subject.ID, strings.Join(e.Roles, " "), state, counting(e.Reasons)})
			}
			return t
		})
	}
	return cmd
}

// counting tells the reasons that count.
func counting(reasons []apiv1.AccessReason) string {
	var out []string
	for _, r := range reasons {
		if r.Effect == "counts" {
			out = append(out, r.Text)
		}
	}
	return strings.Join(out, "; ")
}
