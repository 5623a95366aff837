package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

func (p *program) clientSecretCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "secret",
		Short:   "List, rotate and end the secrets of a client",
		Example: "  gatehouse client secret list release\n  gatehouse client secret delete release spare",
	}
	return noun(cmd, p.secretListCommand(r), p.clientRotateCommand(r, "secret rotate"), p.secretDeleteCommand(r))
}

func (p *program) secretListCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list CLIENT-ID",
		Short:   "List the secrets of a client: names and dates, and which end soon",
		Example: "  gatehouse client secret list release --output json",
		Args:    cobra.ExactArgs(1),
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		secrets, err := api.ListSecrets(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		err = out.print(p.out, secrets.Items, func() table {
			t := table{head: []string{"NAME", "ID", "CREATED", "EXPIRES", "LAST USED"}}
			for _, s := range secrets.Items {
				t.rows = append(t.rows, []string{s.Name, s.ID, when(s.CreatedAt), when(s.ExpiresAt), when(s.LastUsedAt)})
			}
			return t
		})
		if err != nil {
			return err
		}
		return p.warnOfEnds(args[0], secrets.Items)
	}
	return cmd
}

// warnOfEnds says on standard error which secrets end soon, so that somebody rotates them in time.
func (p *program) warnOfEnds(client string, secrets []apiv1.Secret) error {
	for _, s := range secrets {
		if !s.ExpiresSoon {
			continue
		}
		line := fmt.Sprintf("warning: secret %s of %s ends at %s: rotate it with gatehouse client rotate", s.Name, client, when(s.ExpiresAt))
		if _, err := fmt.Fprintln(p.err, printable(line)); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) secretDeleteCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "delete CLIENT-ID SECRET",
		Short:   "End a secret, by name or id, at once",
		Example: "  gatehouse client secret delete release spare",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := p.dial(cmd.Context(), r)
			if err != nil {
				return err
			}
			if err := api.DeleteSecret(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			return p.say("secret %s of client %s has ended", args[1], args[0])
		},
	}
}

func (p *program) clientLeakCommand(r *remote) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "leak",
		Short: "Report a client secret that was found where it should not be",
		Long: `Report a client secret that was found where it should not be. If it is one, it ends at once, with the tokens of its client, and
the audit log names it. The answer is the same whether it was one or not.`,
		Example: "  gatehouse client leak --secret-file found.secret\n  gatehouse client leak --secret-file - <found.secret",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("name the file that has the secret: --secret-file, - for standard input")
			}
			value, err := p.readSecret(file, secret.MaxLength)
			if err != nil {
				return err
			}
			api, err := p.dial(cmd.Context(), r)
			if err != nil {
				return err
			}
			if err := api.ReportLeak(cmd.Context(), value.Reveal()); err != nil {
				return err
			}
			return p.say("the report is received; if that was a secret of a client, it has ended")
		},
	}
	cmd.Flags().StringVar(&file, "secret-file", "", "file with the secret, - for standard input")
	return cmd
}

func (p *program) clientUpdateCommand(r *remote) *cobra.Command {
	var role string
	var grants, audiences, scopes []string
	cmd := &cobra.Command{
		Use:     "update CLIENT-ID",
		Short:   "Change what a client may ask for, or its role; what is not named stays",
		Example: "  gatehouse client update release --role writer --scope catalog:read",
		Args:    cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&role, "role", "", "role where it belongs")
	flags.StringArrayVar(&grants, "grant-type", nil, "grant type; may be repeated, and replaces all")
	flags.StringArrayVar(&audiences, "audience", nil, "audience that it may ask for; may be repeated, and replaces all")
	flags.StringArrayVar(&scopes, "scope", nil, "scope that it may ask for; may be repeated, and replaces all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if flags.NFlag() == 0 {
			return usagef("name what changes: --role, --grant-type, --audience, --scope")
		}
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		client, err := api.GetClient(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		spec := client.ClientSpec
		for name, set := range map[string]func(){
			"role": func() { spec.Role = role }, "grant-type": func() { spec.GrantTypes = grants },
			"audience": func() { spec.Audiences = audiences }, "scope": func() { spec.Scopes = scopes },
		} {
			if flags.Changed(name) {
				set()
			}
		}
		if _, err := api.UpdateClient(cmd.Context(), args[0], spec, client.ETag); err != nil {
			return err
		}
		return p.say("client %s is changed", args[0])
	}
	return cmd
}
