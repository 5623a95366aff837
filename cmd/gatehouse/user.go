package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "user",
		Short:   "Read the people",
		Example: "  gatehouse user list",
	}
	list := listing[apiv1.User]{
		short:   "List the people",
		example: "  gatehouse user list --output json",
		list:    (*apiv1.Client).ListUsers,
		head:    []string{"NAME", "ID", "E-MAIL", "STATE", "PLATFORM ROLE"},
		row: func(u apiv1.User) []string {
			return []string{u.Name, u.ID, u.Email, stateOf(u.Disabled), u.PlatformRole}
		},
	}
	return noun(cmd, list.command(p, addRemote(cmd)))
}
