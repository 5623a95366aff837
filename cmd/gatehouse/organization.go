package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) organizationCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "org",
		Short:   "Read the organizations",
		Example: "  gatehouse org list",
	}
	list := listing[apiv1.Node]{
		short:   "List the organizations",
		example: "  gatehouse org list --output yaml",
		list:    (*apiv1.Client).ListOrganizations,
		head:    []string{"NAME", "ID", "MODEL", "STATE", "DISPLAY NAME"},
		row: func(n apiv1.Node) []string {
			return []string{n.Name, n.ID, n.Model, stateOf(n.Disabled), n.DisplayName}
		},
	}
	return noun(cmd, list.command(p, addRemote(cmd)))
}
