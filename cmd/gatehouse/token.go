package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) tokenCommand() *cobra.Command {
	var request tokenRequest
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a fresh access token and nothing else",
		Long:  "Print a fresh access token of the client that the command line signs in as, and nothing else.",
		Example: `  gatehouse token --client-id release --client-secret-file release.secret --audience https://hub.example/api
  curl -H "Authorization: Bearer $(gatehouse token --audience https://hub.example/api)" https://hub.example/api`,
		Args: cobra.NoArgs,
	}
	r := addRemote(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.connect(cmd.Context(), r)
		if err != nil {
			return err
		}
		token, err := c.token(cmd.Context(), request)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.out, token)
		return err
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&request.audiences, "audience", nil, "audience to ask for; may be repeated (default: the client's own)")
	flags.StringVar(&request.organization, "organization", "", "organization to ask for, by name or id")
	flags.StringArrayVar(&request.scopes, "scope", nil, "scope to ask for; may be repeated")
	return cmd
}
