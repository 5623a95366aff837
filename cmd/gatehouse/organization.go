package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) organizationCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "org",
		Aliases: []string{"organization"},
		Short:   "Make, read, change and end organizations, and choose the one to work in",
		Example: `  gatehouse org list
  gatehouse org switch globex
  gatehouse org create globex --model floxhub --assign carol=owner
  gatehouse org update globex --display-name "Globex Corporation"`,
	}
	r := addRemote(cmd)
	list := listing[apiv1.Node]{
		short:   "List the organizations",
		example: "  gatehouse org list --output yaml",
		list:    (*apiv1.Client).ListOrganizations,
		head:    []string{"NAME", "ID", "MODEL", "STATE", "DISPLAY NAME"},
		row: func(n apiv1.Node) []string {
			return []string{n.Name, n.ID, n.Model, stateOf(n.Disabled), n.DisplayName}
		},
	}
	org := nodeNoun{noun: "org", arg: "ORG", like: "globex", get: (*apiv1.Client).GetOrganization, create: (*apiv1.Client).CreateOrganization, end: (*apiv1.Client).DeleteOrganization}
	return noun(cmd, list.command(p, r), p.organizationSwitchCommand(r), p.placeShowCommand(r, org), p.placeCreateCommand(r, org), p.placeUpdateCommand(r, org), p.placeDeleteCommand(r, org))
}

// organizationSwitchCommand changes the organization that the tokens of the person who is signed in speak for.
func (p *program) organizationSwitchCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "switch ORG",
		Short:   "Work in another organization, without signing in again",
		Example: "  gatehouse org switch globex",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			x, err := p.signedIn(r)
			if err != nil {
				return err
			}
			if name := p.instead(r); name != "" {
				return usagef("org switch is for the person who is signed in: leave out %s", name)
			}
			if x == nil {
				c, err := p.address(r)
				if err != nil {
					return err
				}
				return notSignedIn(c.server)
			}
			if err := x.meet(ctx); err != nil {
				return err
			}
			unlock, err := x.kept.lockServer(ctx, x.server)
			if err != nil {
				return err
			}
			defer unlock()
			of, err := x.credential()
			if err != nil {
				return err
			}
			request := x.admin()
			request.organization = args[0]
			_, claims, err := x.refresh(ctx, of, request)
			if err != nil {
				return err
			}
			if claims.OrgID == "" {
				return fmt.Errorf("%s gave a token that speaks for no organization", x.server)
			}
			err = x.kept.change(ctx, func(k *kept) error {
				of := k.Servers[x.server]
				if of == nil {
					return notSignedIn(x.server)
				}
				of.Organization = claims.OrgID
				return nil
			})
			if err != nil {
				return err
			}
			return p.say("%s works in organization %s now", of.User, claims.OrgName)
		},
	}
}
