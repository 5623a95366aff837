package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) revokeCommand() *cobra.Command {
	var tokenFile string
	cmd := &cobra.Command{
		Use:   "revoke --KIND ID",
		Short: "End tokens: one, or all of a client, person, organization, grant or session",
		Long: `End tokens that were issued until now: one, or all of a client, a person, an organization, a grant or a session. It
returns when that will survive a crash. A token is named by a file or standard input, since arguments can be read by others.`,
		Example: `  gatehouse revoke --token-file leaked.token
  gatehouse revoke --client release
  gatehouse revoke --organization acme`,
		Args: cobra.NoArgs,
	}
	r := addRemote(cmd)
	flags := cmd.Flags()
	flags.StringVar(&tokenFile, "token-file", "", "file that holds an access token, - for standard input")
	targets := []struct{ kind, id, help string }{
		{kind: "client", help: "a client, by its client id"},
		{kind: "user", help: "a person, by name or id"},
		{kind: "organization", help: "an organization, by name or id"},
		{kind: "grant", help: "a grant, by its id: what stands before the dot in a jti"},
		{kind: "session", help: "a browser in which somebody is signed in, by the sid of its tokens"},
		{kind: "jti", help: "a token, by its jti"},
	}
	for i := range targets {
		flags.StringVar(&targets[i].id, targets[i].kind, "", targets[i].help)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var wanted []apiv1.NewRevocation
		for _, t := range targets {
			if t.id != "" {
				wanted = append(wanted, apiv1.NewRevocation{Kind: t.kind, ID: t.id})
			}
		}
		if tokenFile != "" {
			token, err := p.readSecret(tokenFile, maxToken)
			if err != nil {
				return err
			}
			wanted = append(wanted, apiv1.NewRevocation{Token: token.Reveal()})
		}
		if len(wanted) != 1 {
			return usagef("say what to end with one of --token-file, --client, --user, --organization, --grant, --session and --jti")
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		done, err := api.Revoke(cmd.Context(), wanted[0])
		if err != nil {
			return err
		}
		return p.say("tokens of %s %s are revoked", done.Kind, done.ID)
	}
	return cmd
}

// maxToken is more, in bytes, than any token that Gatehouse issues.
const maxToken = 16 << 10
