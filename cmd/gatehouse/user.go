package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Make, read and end the people, and link their accounts elsewhere",
		Example: `  gatehouse user list
  gatehouse user create carol --email carol@example.com
  gatehouse user login link carol --connector github --subject 583231 --name carol-gh`,
	}
	r := addRemote(cmd)
	list := listing[apiv1.User]{
		short:   "List the people",
		example: "  gatehouse user list --output json",
		list:    (*apiv1.Client).ListUsers,
		head:    []string{"NAME", "ID", "E-MAIL", "STATE", "PLATFORM ROLE"},
		row: func(u apiv1.User) []string {
			return []string{u.Name, u.ID, u.Email, stateOf(u.Disabled), u.PlatformRole}
		},
	}
	return noun(cmd, list.command(p, r), p.userShowCommand(r), p.userCreateCommand(r), p.userDeleteCommand(r),
		p.userResetPasswordCommand(r),
		p.userStateCommand(r, "disable", "End a person's tokens and give no more", true),
		p.userStateCommand(r, "enable", "Let a disabled person have tokens again", false),
		p.userPasswordCommand(r), p.userLoginCommand(r))
}

func (p *program) userShowCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show USER", Short: "Print a person", Args: cobra.ExactArgs(1), Aliases: []string{"get"},
		Example: "  gatehouse user show carol --output yaml",
	}
	return reads(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (apiv1.User, error) {
		return api.GetUser(ctx, args[0])
	}, func(u apiv1.User) table {
		t := table{head: []string{"FIELD", "VALUE"}, rows: [][]string{{"name", u.Name}, {"id", u.ID}, {"state", stateOf(u.Disabled)}}}
		if u.Email != "" {
			verified := "not verified"
			if u.EmailVerified {
				verified = "verified"
			}
			t.rows = append(t.rows, []string{"e-mail", u.Email + " (" + verified + ")"})
		}
		if u.PlatformRole != "" {
			t.rows = append(t.rows, []string{"platform role", u.PlatformRole})
		}
		t.rows = append(t.rows, []string{"created", when(u.CreatedAt)})
		return t
	})
}

func (p *program) userCreateCommand(r *remote) *cobra.Command {
	var u apiv1.NewUser
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a person", Args: cobra.ExactArgs(1),
		Example: "  gatehouse user create carol --email carol@example.com --email-verified",
	}
	flags := cmd.Flags()
	flags.StringVar(&u.Email, "email", "", "address")
	flags.BoolVar(&u.EmailVerified, "email-verified", false, "the person has proven to have it: invitations to it become roles")
	flags.StringVar(&u.PlatformRole, "platform-role", "", "operator or auditor: rights over the admin API")
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		u.Name = args[0]
		made, err := api.CreateUser(ctx, u)
		return fmt.Sprintf("user %s is made: %s", made.Name, made.ID), err
	})
}

func (p *program) userResetPasswordCommand(r *remote) *cobra.Command {
	var n apiv1.NewPasswordReset
	var link bool
	cmd := &cobra.Command{
		Use: "reset-password USER", Short: "Have a person choose a new password by a one-time link", Args: cobra.ExactArgs(1),
		Long: `Have a person choose a new password. The link is mailed, where the server sends mail and the person has proved to have an
address; otherwise, or with --link, it is printed for you to hand over. It works once, within 30 minutes. The present password holds until then;
the new one ends whatever was open. Nobody but the person ever sees it.`,
		Example: `  gatehouse user reset-password carol
  gatehouse user reset-password carol --link`,
	}
	cmd.Flags().BoolVar(&link, "link", false, "print the link, and mail none")
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		if link {
			n.Delivery = apiv1.DeliveryLink
		}
		v, err := api.ResetUserPassword(ctx, args[0], n)
		if v.Mailed {
			return fmt.Sprintf("a mail with a link is on its way to %s", args[0]), err
		}
		return fmt.Sprintf("hand over to %s, for one use until %s: %s", args[0], when(v.ExpiresAt), v.Link), err
	})
}

func (p *program) userDeleteCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete USER", Short: "End a person, with all roles and tokens", Args: cobra.ExactArgs(1),
		Example: "  gatehouse user delete carol",
	}
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		return fmt.Sprintf("user %s is deleted", args[0]), api.DeleteUser(ctx, args[0])
	})
}

func (p *program) userStateCommand(r *remote, verb, short string, disabled bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " USER", Short: short, Args: cobra.ExactArgs(1),
		Example: "  gatehouse user " + verb + " carol",
	}
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		u, err := api.GetUser(ctx, args[0])
		if err != nil {
			return "", err
		}
		u.Disabled = disabled
		_, err = api.UpdateUser(ctx, u.ID, u.UserSpec, u.ETag)
		return fmt.Sprintf("user %s is %sd", u.Name, verb), err
	})
}

func (p *program) userLoginCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "login",
		Short:   "Say which accounts at upstream providers are whose",
		Example: "  gatehouse user login link carol --connector github --subject 583231 --name carol-gh",
	}
	var user string
	list := listing[apiv1.UserLogin]{
		short:   "List a person's accounts",
		example: "  gatehouse user login list carol",
		list: func(api *apiv1.Client, ctx context.Context, _ apiv1.PageOptions) (apiv1.Page[apiv1.UserLogin], error) {
			return api.ListUserLogins(ctx, user)
		},
		head: []string{"ID", "CONNECTOR", "SUBJECT", "NAME", "LINKED"},
		row: func(l apiv1.UserLogin) []string {
			return []string{l.ID, l.Connector, l.Subject, dash(l.Name), when(l.LinkedAt)}
		},
	}
	lists := list.at(p, r, &user)
	lists.Use = "list USER"
	var n apiv1.NewUserLogin
	link := &cobra.Command{
		Use: "link USER", Short: "Link an account to a person, who gets what it was invited to", Args: cobra.ExactArgs(1),
		Example: "  gatehouse user login link carol --connector github --subject 583231 --name carol-gh",
	}
	link.Flags().StringVar(&n.Connector, "connector", "", "name of the provider")
	link.Flags().StringVar(&n.Subject, "subject", "", "the provider's id of the account, which never changes")
	link.Flags().StringVar(&n.Name, "name", "", "what the account is called there: invitations are to that name")
	unlink := &cobra.Command{
		Use: "unlink USER LOGIN", Short: "Take an account from a person, who keeps the roles that came by it", Args: cobra.ExactArgs(2),
		Example: "  gatehouse user login unlink carol l_lrtmq5ahi7ulwiai",
	}
	return noun(cmd, lists,
		does(p, r, link, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			if n.Connector == "" || n.Subject == "" {
				return "", usagef("say which account: --connector and --subject")
			}
			l, err := api.LinkUserLogin(ctx, args[0], n)
			done := fmt.Sprintf("account %s of %s is %s's: %s", l.Subject, l.Connector, args[0], l.ID)
			for _, b := range l.Bound {
				done += fmt.Sprintf("; at %s: %s", b.Node, dash(strings.Join(b.Roles, " ")))
				if b.Waits != "" {
					done += " (waits: " + b.Waits + ")"
				}
			}
			return done, err
		}),
		does(p, r, unlink, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			return fmt.Sprintf("account %s is not %s's any more", args[1], args[0]), api.UnlinkUserLogin(ctx, args[0], args[1])
		}),
	)
}
