package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

func (p *program) assignmentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "assignment",
		Short: "Give and take roles of users, groups and clients at a node",
		Example: `  gatehouse assignment create bank/retail/loans group:sales_team project_viewer
  gatehouse assignment delete bank/retail/loans group:sales_team project_viewer`,
	}
	r := addRemote(cmd)
	create := &cobra.Command{
		Use: "create NODE SUBJECT [ROLE]", Short: "Give a role; where one may hold one role only, it replaces that", Args: cobra.RangeArgs(2, 3),
		Long: `Give a role to user:NAME, group:NAME or client:ID at a node, or to whoever will sign in as login:CONNECTOR/NAME. Without ROLE it
is the role that the access model gives those who join.`,
		Example: "  gatehouse assignment create bank/retail/loans group:sales_team project_viewer",
	}
	end := &cobra.Command{
		Use: "delete NODE SUBJECT [ROLE]", Short: "Take a role or, without ROLE, all that somebody holds there and below", Args: cobra.RangeArgs(2, 3),
		Example: "  gatehouse assignment delete bank/retail/loans group:sales_team project_viewer",
	}
	return noun(cmd, p.assignmentListCommand(r),
		does(p, r, create, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			a, err := assignmentOf(args[1:])
			if err != nil {
				return "", err
			}
			a, err = api.Assign(ctx, args[0], a)
			return fmt.Sprintf("%s holds %s at %s", args[1], a.Role, args[0]), err
		}),
		does(p, r, end, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			a, err := assignmentOf(args[1:])
			if err != nil {
				return "", err
			}
			lost := a.Role
			if lost == "" {
				lost = "anything"
			}
			return fmt.Sprintf("%s does not hold %s at %s", args[1], lost, args[0]), api.Unassign(ctx, args[0], a)
		}),
	)
}

// assignmentOf reads SUBJECT [ROLE].
func assignmentOf(args []string) (apiv1.Assignment, error) {
	s, err := iam.ParseSubject(args[0])
	if err != nil {
		return apiv1.Assignment{}, usage(err)
	}
	var a apiv1.Assignment
	if len(args) == 2 {
		a.Role = args[1]
	}
	switch s.Kind {
	case iam.SubjectUser:
		a.User = s.ID
	case iam.SubjectGroup:
		a.Group = s.ID
	case iam.SubjectClient:
		a.Client = s.ID
	case iam.SubjectLogin:
		connector, name, ok := strings.Cut(s.ID, "/")
		if !ok || connector == "" || name == "" {
			return a, usagef("%q: want login:CONNECTOR/NAME", args[0])
		}
		a.Login = &apiv1.Login{Connector: connector, Name: name}
	default:
		return a, usagef("nobody gives roles to %s", args[0])
	}
	return a, nil
}

func (p *program) assignmentListCommand(r *remote) *cobra.Command {
	var node string
	list := listing[apiv1.Assignment]{
		short:   "List who holds which roles at a node: users, groups, clients, and who is invited",
		example: "  gatehouse assignment list bank/retail/loans",
		list: func(api *apiv1.Client, ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Assignment], error) {
			return api.ListAssignments(ctx, node, o)
		},
		head: []string{"SUBJECT", "ROLE"},
		row: func(a apiv1.Assignment) []string {
			switch {
			case a.User != "":
				return []string{"user:" + a.User, a.Role}
			case a.Group != "":
				return []string{"group:" + a.Group, a.Role}
			case a.Client != "":
				return []string{"client:" + a.Client, a.Role}
			}
			return []string{"login:" + a.Login.Connector + "/" + a.Login.Name, a.Role}
		},
	}
	return list.at(p, r, &node)
}
