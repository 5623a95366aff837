package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

func (p *program) memberCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "member",
		Short: "Say who is a member of an organization or node, and with which roles",
		Example: `  gatehouse member add acme bob --role writer
  gatehouse member set acme bob owner
  gatehouse member remove acme bob`,
	}
	r := addRemote(cmd)
	return noun(cmd,
		p.memberListCommand(r), p.memberShowCommand(r), p.memberAddCommand(r), p.memberSetCommand(r), p.memberRemoveCommand(r), p.memberLeaveCommand(r),
		p.memberSuspendCommand(r), p.memberResumeCommand(r), p.memberSeatsCommand(r),
	)
}

var memberHead = []string{"NAME", "ID", "ROLES", "STATE"}

func memberRow(m apiv1.Membership) []string {
	name, state := m.Name, "active"
	switch {
	case m.Pending:
		name, state = loginText(m.Invitation.Login), "invited"
	case m.Suspended:
		state = "suspended"
	}
	return []string{dash(name), dash(m.ID), dash(strings.Join(m.Roles, " ")), state}
}

// loginText writes an account as flags take it, and an address as it is.
func loginText(l apiv1.Login) string {
	if l.Connector == iam.ConnectorEmail {
		return l.Name
	}
	return l.Connector + ":" + l.Name
}

func (p *program) memberListCommand(r *remote) *cobra.Command {
	var node string
	var suspended bool
	list := listing[apiv1.Membership]{
		short:   "List the people with roles at a node, those who are invited first",
		example: "  gatehouse member list acme\n  gatehouse member list acme --suspended",
		list: func(api *apiv1.Client, ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Membership], error) {
			if suspended {
				return api.ListSuspensions(ctx, node, o)
			}
			return api.ListMemberships(ctx, node, o)
		},
		head: memberHead,
		row:  memberRow,
	}
	cmd := list.at(p, r, &node)
	cmd.Flags().BoolVar(&suspended, "suspended", false, "only those who are suspended there")
	return cmd
}

func (p *program) memberShowCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NODE USER", Short: "Print what somebody holds at a node; me is who asks", Args: cobra.ExactArgs(2),
		Aliases: []string{"get"},
		Example: "  gatehouse member show acme me",
	}
	return reads(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (apiv1.Membership, error) {
		return api.GetMembership(ctx, args[0], args[1])
	}, func(m apiv1.Membership) table { return table{head: memberHead, rows: [][]string{memberRow(m)}} })
}

func (p *program) memberAddCommand(r *remote) *cobra.Command {
	var m apiv1.NewMembership
	var login string
	cmd := &cobra.Command{
		Use:   "add NODE [USER]",
		Short: "Give somebody a role at a node, or invite whoever is no user yet",
		Long: `Give somebody a role at a node. A user is named by name or id; --email and --login name people who may not have come yet, and
invite those for two weeks. Without --role it is the role that the access model gives those who join.`,
		Example: `  gatehouse member add acme bob --role writer
  gatehouse member add acme --email carol@example.com
  gatehouse member add acme --login github:dave --role reader`,
		Args: cobra.RangeArgs(1, 2),
	}
	flags := cmd.Flags()
	flags.StringVar(&m.Role, "role", "", "role to give (default: that of those who join)")
	flags.StringVar(&m.Email, "email", "", "address of whoever is meant")
	flags.StringVar(&login, "login", "", "account of whoever is meant, as CONNECTOR:NAME")
	does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (_ string, err error) {
		if len(args) == 2 {
			m.User = args[1]
		}
		if m.Login, err = whom(m.User, m.Email, login); err != nil {
			return "", err
		}
		added, err := api.AddMembership(ctx, args[0], m)
		if err != nil {
			return "", err
		}
		row := memberRow(added.Membership)
		done := fmt.Sprintf("%s holds %s at %s", row[0], row[2], args[0])
		if added.Pending {
			done = fmt.Sprintf("%s is invited to %s as %s until %s", row[0], args[0], row[2], when(added.Invitation.ExpiresAt))
		}
		if added.Seats != nil && added.Seats.Left != nil {
			done += fmt.Sprintf("; seats left at %s: %d", added.Seats.Node, *added.Seats.Left)
		}
		return done, nil
	})
	return p.addDryRun(r, cmd, func(at apiv1.AssignmentAt) (apiv1.PreviewChange, error) {
		if m.Email != "" || login != "" || at.User == "" {
			return apiv1.PreviewChange{}, usagef("--dry-run wants a user: an invitation gives nothing yet")
		}
		at.Role = m.Role
		return apiv1.PreviewChange{Assign: &at}, nil
	})
}

// whom checks that exactly one of a user, an address and an account is named, and reads the account.
func whom(user, email, login string) (*apiv1.Login, error) {
	named := 0
	for _, text := range []string{user, email, login} {
		if text != "" {
			named++
		}
	}
	if named != 1 {
		return nil, usagef("say who is meant, in one way")
	}
	if login == "" {
		return nil, nil
	}
	connector, name, ok := strings.Cut(login, ":")
	if !ok || connector == "" || name == "" {
		return nil, usagef("--login %q: want CONNECTOR:NAME, as in github:dave", login)
	}
	return &apiv1.Login{Connector: connector, Name: name}, nil
}

func (p *program) memberSetCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "set NODE USER ROLE…", Short: "Replace what a member holds at a node by these roles", Args: cobra.MinimumNArgs(3),
		Example: "  gatehouse member set acme bob owner",
	}
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		m, err := api.SetMembership(ctx, args[0], args[1], apiv1.MembershipSpec{Roles: args[2:]}, "")
		return fmt.Sprintf("%s holds %s at %s", args[1], strings.Join(m.Roles, " "), args[0]), err
	})
}

func (p *program) memberRemoveCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove NODE USER", Short: "Take all that somebody holds at a node and below, and the tokens that say so", Args: cobra.ExactArgs(2),
		Example: "  gatehouse member remove acme bob --dry-run\n  gatehouse member remove acme bob",
	}
	does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		return fmt.Sprintf("%s holds nothing at %s and below", args[1], args[0]), api.EndMembership(ctx, args[0], args[1])
	})
	return p.addDryRun(r, cmd, func(at apiv1.AssignmentAt) (apiv1.PreviewChange, error) {
		return apiv1.PreviewChange{Unassign: &at}, nil
	})
}

func (p *program) memberLeaveCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "leave NODE", Short: "Give up all that you hold at a node and below", Args: cobra.ExactArgs(1),
		Example: "  gatehouse member leave acme",
	}
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		return fmt.Sprintf("you hold nothing at %s and below", args[0]), api.EndMembership(ctx, args[0], "me")
	})
}

func (p *program) memberSuspendCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "suspend NODE USER", Short: "Take somebody's access at a node and below away, and leave the roles as they are", Args: cobra.ExactArgs(2),
		Example: "  gatehouse member suspend acme bob",
	}
	does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		_, err := api.SuspendMember(ctx, args[0], args[1])
		return fmt.Sprintf("%s is suspended at %s and below", args[1], args[0]), err
	})
	return p.addDryRun(r, cmd, func(at apiv1.AssignmentAt) (apiv1.PreviewChange, error) {
		return apiv1.PreviewChange{Suspend: &at}, nil
	})
}

func (p *program) memberResumeCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "resume NODE USER", Short: "Give somebody who was suspended the access back", Args: cobra.ExactArgs(2),
		Example: "  gatehouse member resume acme bob",
	}
	does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		_, err := api.ResumeMember(ctx, args[0], args[1])
		return fmt.Sprintf("%s is not suspended at %s", args[1], args[0]), err
	})
	return p.addDryRun(r, cmd, func(at apiv1.AssignmentAt) (apiv1.PreviewChange, error) {
		return apiv1.PreviewChange{Resume: &at}, nil
	})
}

func (p *program) memberSeatsCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "seats NODE", Short: "Count the seats of the organization, and list who takes them", Args: cobra.ExactArgs(1),
		Example: "  gatehouse member seats acme",
	}
	return reads(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (apiv1.SeatList, error) {
		var seats apiv1.SeatList
		holders := []apiv1.SeatHolder{}
		page := func(ctx context.Context, o apiv1.PageOptions) (_ apiv1.Page[apiv1.SeatHolder], err error) {
			seats, err = api.GetSeats(ctx, args[0], o)
			return seats.Page, err
		}
		for holder, err := range apiv1.All(ctx, page) {
			if err != nil {
				return seats, err
			}
			holders = append(holders, holder)
		}
		seats.Page = apiv1.Page[apiv1.SeatHolder]{Items: holders}
		return seats, nil
	}, func(s apiv1.SeatList) table {
		limit := "-"
		if s.Limit > 0 {
			limit = strconv.Itoa(s.Limit)
		}
		t := table{head: []string{"FIELD", "VALUE"}, rows: [][]string{{"node", s.Node}, {"used", strconv.Itoa(s.Used)}, {"limit", limit}}}
		for _, h := range s.Items {
			name := h.Name
			if h.Login != nil {
				name = loginText(*h.Login) + " (invited)"
			}
			t.rows = append(t.rows, []string{"seat", name})
		}
		return t
	})
}
