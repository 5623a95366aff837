package main

import (
	"github.com/spf13/cobra"
)

func (p *program) whoamiCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "whoami",
		Short:   "Print whose token the command line acts with",
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
				head: []string{"NAME", "SUBJECT", "CLIENT ID", "PLATFORM ROLE", "ORGANIZATION", "TOKEN ENDS", "ISSUER"},
				rows: [][]string{{id.Name, id.Subject, id.ClientID, dash(id.PlatformRole), dash(id.Organization), when(id.ExpiresAt), id.Issuer}},
			}
		})
	}
	return cmd
}
