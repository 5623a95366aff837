package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) organizationCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "org",
		Aliases: []string{"organization"},
		Short:   "Make, read, change and end organizations",
		Example: `  gatehouse org list
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
	return noun(cmd, list.command(p, r), p.placeShowCommand(r, org), p.placeCreateCommand(r, org), p.placeUpdateCommand(r, org), p.placeDeleteCommand(r, org))
}
