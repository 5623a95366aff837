package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) audienceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "audience",
		Short:   "Read the audiences: the resource servers that tokens are for",
		Example: "  gatehouse audience list",
	}
	list := listing[apiv1.Audience]{
		short:   "List the audiences",
		example: "  gatehouse audience list --output json",
		list:    (*apiv1.Client).ListAudiences,
		head:    []string{"NAME", "IDENTIFIER", "LIFETIME", "ALG", "SCOPES"},
		row: func(a apiv1.Audience) []string {
			lifetime, alg := "default", "ES256"
			if a.TokenLifetime != 0 {
				lifetime = a.TokenLifetime.String()
			}
			if a.SigningAlg != "" {
				alg = a.SigningAlg
			}
			return []string{a.Name, a.Identifier, lifetime, alg, strings.Join(a.Scopes, " ")}
		},
	}
	return noun(cmd, list.command(p, addRemote(cmd)))
}
