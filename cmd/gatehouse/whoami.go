package main

import (
	"github.com/spf13/cobra"
)

func (p *program) whoamiCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "whoami",
		Short:   "Print who the command line is to the server",
		Example: "  gatehouse whoami\n  gatehouse whoami --server https://id.example --client-secret-file operator.secret",
		Args:    cobra.NoArgs,
	}
	out := addOutput(cmd)
	r := addRemote(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		id, err := api.Whoami(cmd.Context())
		if err != nil {
			return err
		}
		return out.print(p.out, id, func() table {
			return table{
				head: []string{"CLIENT ID", "NAME", "PLATFORM ROLE", "ORGANIZATION", "ISSUER"},
				rows: [][]string{{id.ClientID, id.Name, id.PlatformRole, id.Organization, id.Issuer}},
			}
		})
	}
	return cmd
}
