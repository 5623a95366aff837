package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) groupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Make and end groups, and say who is in them",
		Example: `  gatehouse group create bank/retail sales_team --member alice
  gatehouse group add bank/retail sales_team bob`,
	}
	r := addRemote(cmd)
	var members []string
	create := &cobra.Command{
		Use: "create NODE GROUP", Short: "Make a group at a node", Args: cobra.ExactArgs(2),
		Example: "  gatehouse group create bank/retail sales_team --member alice",
	}
	create.Flags().StringArrayVar(&members, "member", nil, "name or id of a user in it; may be repeated")
	end := &cobra.Command{
		Use: "delete NODE GROUP", Short: "End a group and what it holds", Args: cobra.ExactArgs(2),
		Example: "  gatehouse group delete bank/retail sales_team",
	}
	add := &cobra.Command{
		Use: "add NODE GROUP USER", Short: "Put a user into a group", Args: cobra.ExactArgs(3),
		Example: "  gatehouse group add bank/retail sales_team bob",
	}
	remove := &cobra.Command{
		Use: "remove NODE GROUP USER", Short: "Take a user out of a group", Args: cobra.ExactArgs(3),
		Example: "  gatehouse group remove bank/retail sales_team bob",
	}
	return noun(cmd, p.groupListCommand(r), p.groupMembersCommand(r),
		does(p, r, create, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			g := apiv1.NewGroup{Name: args[1], GroupSpec: apiv1.GroupSpec{Members: members}}
			_, err := api.CreateGroup(ctx, args[0], g)
			return fmt.Sprintf("group %s of %s is made", args[1], args[0]), err
		}),
		does(p, r, end, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			return fmt.Sprintf("group %s of %s is deleted", args[1], args[0]), api.DeleteGroup(ctx, args[0], args[1])
		}),
		does(p, r, add, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			return fmt.Sprintf("%s is in group %s", args[2], args[1]), api.AddMember(ctx, args[0], args[1], args[2])
		}),
		does(p, r, remove, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			return fmt.Sprintf("%s is not in group %s", args[2], args[1]), api.RemoveMember(ctx, args[0], args[1], args[2])
		}),
	)
}

func (p *program) groupListCommand(r *remote) *cobra.Command {
	var node, search string
	list := listing[apiv1.Group]{
		short:   "List the groups of a node or, with --search, all that may hold roles there",
		example: "  gatehouse group list bank/retail\n  gatehouse group list bank/retail/loans --search all_users",
		list: func(api *apiv1.Client, ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Group], error) {
			if search != "" {
				return api.SearchGroups(ctx, node, search, o)
			}
			return api.ListGroups(ctx, node, o)
		},
		head: []string{"NAME", "ID", "NODE", "KIND"},
		row: func(g apiv1.Group) []string {
			kind := "custom"
			if g.System {
				kind = "system"
			}
			return []string{g.Name, g.ID, g.Parent, kind}
		},
	}
	cmd := list.at(p, r, &node)
	cmd.Flags().StringVar(&search, "search", "", "beginning of the names")
	return cmd
}

func (p *program) groupMembersCommand(r *remote) *cobra.Command {
	var node, group string
	list := listing[apiv1.Member]{
		short:   "List who is in a group",
		example: "  gatehouse group members bank/retail sales_team",
		list: func(api *apiv1.Client, ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Member], error) {
			return api.ListMembers(ctx, node, group, o)
		},
		head: []string{"NAME", "ID"},
		row:  func(m apiv1.Member) []string { return []string{m.Name, m.ID} },
	}
	cmd := list.command(p, r)
	cmd.Use, cmd.Args = "members NODE GROUP", cobra.ExactArgs(2)
	cmd.PreRun = func(_ *cobra.Command, args []string) { node, group = args[0], args[1] }
	return cmd
}
