package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) invitationCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "invitation",
		Short: "Invite people who have not come yet, and take that back",
		Example: `  gatehouse invitation create acme --email carol@example.com --role writer
  gatehouse invitation list acme`,
	}
	r := addRemote(cmd)
	end := &cobra.Command{
		Use: "delete NODE INVITATION", Short: "Take an invitation back", Args: cobra.ExactArgs(2),
		Example: "  gatehouse invitation delete acme i_lrtmq5ahi7ulwiai",
	}
	return noun(cmd, p.invitationListCommand(r), p.invitationCreateCommand(r),
		does(p, r, end, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			return fmt.Sprintf("invitation %s to %s is taken back", args[1], args[0]), api.DeleteInvitation(ctx, args[0], args[1])
		}),
	)
}

func (p *program) invitationListCommand(r *remote) *cobra.Command {
	var node string
	list := listing[apiv1.Invitation]{
		short:   "List the invitations to a node that are not over",
		example: "  gatehouse invitation list acme --output json",
		list: func(api *apiv1.Client, ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Invitation], error) {
			return api.ListInvitations(ctx, node, o)
		},
		head: []string{"ID", "WHO", "ROLES", "INVITED BY", "EXPIRES", "WAITS"},
		row: func(i apiv1.Invitation) []string {
			return []string{i.ID, loginText(i.Login), strings.Join(i.Roles, " "), dash(i.InvitedBy), when(i.ExpiresAt), dash(i.Waits)}
		},
	}
	return list.at(p, r, &node)
}

func (p *program) invitationCreateCommand(r *remote) *cobra.Command {
	var n apiv1.NewInvitation
	var login, life string
	var link bool
	cmd := &cobra.Command{
		Use:   "create NODE",
		Short: "Invite somebody to a node, or renew the invitation",
		Long: `Invite somebody to a node. Whoever signs in with the account, or proves to have the address, gets the role as the access model
allows. Until then the invitation holds a seat and nothing else. To invite somebody again renews it.

An address gets a mail with a link, where the server sends mail; whoever opens that has proved to have the address. With --link the link
is printed instead, for you to hand over: it takes up this one invitation, once, and proves no address.`,
		Example: `  gatehouse invitation create acme --email carol@example.com --role writer
  gatehouse invitation create acme --email carol@example.com --link
  gatehouse invitation create acme --login github:dave --expires-in 72h`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&n.Email, "email", "", "address of whoever is meant")
	flags.StringVar(&login, "login", "", "account of whoever is meant, as CONNECTOR:NAME")
	flags.StringVar(&n.Role, "role", "", "role to give (default: that of those who join)")
	flags.StringVar(&life, "expires-in", "", "how long it holds, up to 8760h (default 336h)")
	flags.BoolVar(&link, "link", false, "print a link to hand over, and mail none")
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (_ string, err error) {
		if link {
			n.Delivery = apiv1.DeliveryLink
		}
		if n.Login, err = whom("", n.Email, login); err != nil {
			return "", err
		}
		if life != "" {
			n.ExpiresIn = new(apiv1.Duration)
			if err := n.ExpiresIn.UnmarshalText([]byte(life)); err != nil {
				return "", usagef("--expires-in: %w", err)
			}
		}
		i, err := api.Invite(ctx, args[0], n)
		mailed := ""
		if i.Mailed {
			mailed = ", a mail is on its way"
		}
		done := fmt.Sprintf("%s is invited to %s as %s until %s%s: %s", loginText(i.Login), args[0], strings.Join(i.Roles, " "), when(i.ExpiresAt), mailed, i.ID)
		if i.Link != "" {
			done += "; hand over, for one use: " + i.Link
		}
		return done, err
	})
}
