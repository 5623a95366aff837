package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) sessionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "session",
		Short: "See in which browsers a person is signed in, and end that",
		Example: `  gatehouse session list alice
  gatehouse session end alice --all`,
	}
	r := addRemote(cmd)
	var user string
	list := listing[apiv1.Session]{
		short:   "List the browsers in which a person is signed in",
		example: "  gatehouse session list alice --output json",
		list: func(api *apiv1.Client, ctx context.Context, _ apiv1.PageOptions) (apiv1.Page[apiv1.Session], error) {
			return api.ListSessions(ctx, user)
		},
		head: []string{"ID", "SIGNED IN", "SEEN", "ENDS", "BY", "NETWORK", "APPLICATIONS"},
		row: func(s apiv1.Session) []string {
			by := s.Connector
			if by == "" {
				by = strings.Join(s.AMR, " ")
			}
			return []string{s.ID, when(s.SignedInAt), when(s.SeenAt), when(s.EndsAt), dash(by), dash(s.Network), dash(strings.Join(s.Clients, " "))}
		},
	}
	lists := list.at(p, r, &user)
	lists.Use = "list USER"
	return noun(cmd, lists, p.sessionEndCommand(r))
}

func (p *program) sessionEndCommand(r *remote) *cobra.Command {
	all := false
	end := &cobra.Command{
		Use:   "end USER [SESSION]",
		Short: "Sign a person out in one browser, or everywhere",
		Long: `Sign a person out in one browser, with every application that was let in from there; the applications are told. With --all the person is
signed out everywhere: every browser, application, device and token of today.`,
		Example: `  gatehouse session end alice sid_lrtmq5ahi7ulwiai
  gatehouse session end alice --all`,
		Args: cobra.RangeArgs(1, 2),
	}
	end.Flags().BoolVar(&all, "all", false, "everywhere")
	return does(p, r, end, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		switch {
		case all == (len(args) == 2):
			return "", usagef("say which session, or --all")
		case all:
			return fmt.Sprintf("%s is signed out everywhere", args[0]), api.EndSessions(ctx, args[0])
		}
		return fmt.Sprintf("session %s of %s is ended", args[1], args[0]), api.EndSession(ctx, args[0], args[1])
	})
}

func (p *program) grantCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grant",
		Short: "See which applications and devices a person has let in, and end that",
		Example: `  gatehouse grant list alice
  gatehouse grant end alice Zm9vYmFyYmF6cXV4`,
	}
	r := addRemote(cmd)
	var user string
	list := listing[apiv1.Grant]{
		short:   "List the applications and devices that a person has let in",
		example: "  gatehouse grant list alice --output json",
		list: func(api *apiv1.Client, ctx context.Context, _ apiv1.PageOptions) (apiv1.Page[apiv1.Grant], error) {
			return api.ListGrants(ctx, user)
		},
		head: []string{"ID", "APPLICATION", "KIND", "SCOPES", "SINCE", "REFRESHED", "ENDS"},
		row: func(g apiv1.Grant) []string {
			kind := "browser"
			if g.Device {
				kind = "device"
			}
			return []string{g.ID, g.Client, kind, dash(strings.Join(g.Scopes, " ")), when(g.CreatedAt), when(g.RefreshedAt), when(g.ExpiresAt)}
		},
	}
	lists := list.at(p, r, &user)
	lists.Use = "list USER"
	end := &cobra.Command{
		Use: "end USER GRANT", Short: "End what a person has let in, with all its tokens", Args: cobra.ExactArgs(2),
		Example: "  gatehouse grant end alice Zm9vYmFyYmF6cXV4",
	}
	return noun(cmd, lists, does(p, r, end, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		return fmt.Sprintf("grant %s of %s is ended", args[1], args[0]), api.EndGrant(ctx, args[0], args[1])
	}))
}
