package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) roleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "role",
		Short: "Read the roles of nodes, and make, edit and end custom ones",
		Example: `  gatehouse role list bank/retail/loans --assignable-to user
  gatehouse role create bank/retail deployer --base project_viewer --permission process_view --permission runtime_deploy`,
	}
	r := addRemote(cmd)
	return noun(cmd, p.roleListCommand(r), p.roleShowCommand(r), p.roleCreateCommand(r), p.roleEditCommand(r), p.roleDeleteCommand(r))
}

func (p *program) roleListCommand(r *remote) *cobra.Command {
	var f apiv1.RoleFilter
	cmd := &cobra.Command{
		Use: "list NODE", Short: "List the roles at a node", Args: cobra.ExactArgs(1),
		Example: "  gatehouse role list bank/retail --level project",
	}
	cmd.Flags().StringVar(&f.Level, "level", "", "level whose roles are listed (default: the node's own)")
	cmd.Flags().StringVar(&f.AssignableTo, "assignable-to", "", "only what you may give to a user, group or client")
	return reads(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) ([]apiv1.Role, error) {
		page, err := api.ListRoles(ctx, args[0], f)
		return page.Items, err
	}, func(roles []apiv1.Role) table {
		t := table{head: []string{"ROLE", "KIND", "HOLDERS", "ASSIGNED BY"}}
		for _, role := range roles {
			t.rows = append(t.rows, []string{role.ID, kindOfRole(role), strings.Join(role.Holders, " "), assignedBy(role)})
		}
		return t
	})
}

func kindOfRole(r apiv1.Role) string {
	if r.Custom {
		return "custom, of " + r.Parent
	}
	return "model"
}

func assignedBy(r apiv1.Role) string {
	if len(r.AssignedBy) > 0 {
		return strings.Join(r.AssignedBy, " or ")
	}
	return r.Assigned
}

func (p *program) roleShowCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NODE ROLE", Short: "Print a role and what it permits", Args: cobra.ExactArgs(2), Aliases: []string{"get"},
		Example: "  gatehouse role show bank/retail deployer --output yaml",
	}
	return reads(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (apiv1.Role, error) {
		return api.GetRole(ctx, args[0], args[1])
	}, func(role apiv1.Role) table {
		t := table{head: []string{"FIELD", "VALUE"}}
		for _, row := range [][]string{
			{"role", role.ID}, {"level", role.Level}, {"kind", kindOfRole(role)}, {"base", role.Base},
			{"holders", strings.Join(role.Holders, " ")}, {"assigned by", assignedBy(role)}, {"permissions", strings.Join(role.Permissions, " ")},
		} {
			if row[1] != "" {
				t.rows = append(t.rows, row)
			}
		}
		return t
	})
}

func (p *program) roleCreateCommand(r *remote) *cobra.Command {
	var spec apiv1.CustomRoleSpec
	cmd := &cobra.Command{
		Use: "create NODE ROLE", Short: "Make a custom role, for the nodes of its level there and below", Args: cobra.ExactArgs(2),
		Example: "  gatehouse role create bank/retail deployer --base project_viewer --permission runtime_deploy",
	}
	cmd.Flags().StringVar(&spec.Base, "base", "", "role of the model that it begins as")
	cmd.Flags().StringArrayVar(&spec.Permissions, "permission", nil, "what it permits; may be repeated (default: what its base does)")
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		if spec.Base == "" {
			return "", usagef("say what the role begins as: --base ROLE")
		}
		_, err := api.CreateRole(ctx, args[0], apiv1.NewRole{ID: args[1], CustomRoleSpec: spec})
		return fmt.Sprintf("role %s of %s is made", args[1], args[0]), err
	})
}

func (p *program) roleEditCommand(r *remote) *cobra.Command {
	change := apiv1.RoleChange{Permissions: []string{}}
	var none bool
	cmd := &cobra.Command{
		Use: "edit NODE ROLE", Short: "Say all that a custom role permits; who loses a right by it loses the tokens that say so", Args: cobra.ExactArgs(2),
		Example: "  gatehouse role edit bank/retail deployer --permission process_view --permission runtime_deploy",
	}
	cmd.Flags().StringArrayVar(&change.Permissions, "permission", []string{}, "what it permits; may be repeated")
	cmd.Flags().BoolVar(&none, "no-permissions", false, "it permits nothing")
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		if none == (len(change.Permissions) > 0) {
			return "", usagef("say what the role permits: --permission, or --no-permissions")
		}
		_, err := api.UpdateRole(ctx, args[0], args[1], change, "")
		return fmt.Sprintf("role %s of %s is changed", args[1], args[0]), err
	})
}

func (p *program) roleDeleteCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NODE ROLE", Short: "End a custom role that nobody holds", Args: cobra.ExactArgs(2),
		Example: "  gatehouse role delete bank/retail deployer",
	}
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		return fmt.Sprintf("role %s of %s is deleted", args[1], args[0]), api.DeleteRole(ctx, args[0], args[1])
	})
}
