package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) clientCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Make, read, rotate and end OAuth clients",
		Example: `  gatehouse client create release --organization acme --role writer --secret-file release.secret
  gatehouse client list --organization acme
  gatehouse client rotate release --secret-file new.secret`,
	}
	r := addRemote(cmd)
	return noun(cmd,
		p.clientListCommand(r), p.clientShowCommand(r), p.clientCreateCommand(r), p.clientUpdateCommand(r), p.clientRotateCommand(r, "rotate"),
		p.clientSecretCommand(r), p.clientLeakCommand(r),
		p.clientVerb(r, "disable", "End a client's tokens and give it no more", "disabled", func(api *apiv1.Client, ctx context.Context, id string) error {
			_, err := api.DisableClient(ctx, id)
			return err
		}),
		p.clientVerb(r, "enable", "Let a disabled client have tokens again", "enabled", func(api *apiv1.Client, ctx context.Context, id string) error {
			_, err := api.EnableClient(ctx, id)
			return err
		}),
		p.clientVerb(r, "delete", "Delete a client, and end its roles and tokens", "deleted", (*apiv1.Client).DeleteClient),
	)
}

func (p *program) clientListCommand(r *remote) *cobra.Command {
	var organization string
	list := listing[apiv1.OAuthClient]{
		short:   "List the clients of an organization; or those of the platform or, without a platform role, one's own",
		example: "  gatehouse client list\n  gatehouse client list --organization acme --output json",
		list: func(api *apiv1.Client, ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.OAuthClient], error) {
			return api.ListClients(ctx, organization, o)
		},
		head: []string{"CLIENT ID", "NAME", "ORGANIZATION", "ROLE", "STATE", "GRANT TYPES"},
		row: func(c apiv1.OAuthClient) []string {
			role := c.Role
			if c.PlatformRole != "" {
				role = c.PlatformRole
			}
			return []string{c.ClientID, c.Name, c.Organization, role, stateOf(c.Disabled), strings.Join(c.GrantTypes, " ")}
		},
	}
	cmd := list.command(p, r)
	cmd.Flags().StringVar(&organization, "organization", "", "name or id of the organization (default: the platform's, or all that one may manage)")
	return cmd
}

// A shownClient is a client with what is known of its secrets.
type shownClient struct {
	apiv1.OAuthClient
	Secrets []apiv1.Secret `json:"secrets"` // in the place of the spec's, which a read never has
}

func (p *program) clientShowCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show CLIENT-ID",
		Aliases: []string{"get"},
		Short:   "Print a client, and the names and dates of its secrets",
		Example: "  gatehouse client show release --output yaml",
		Args:    cobra.ExactArgs(1),
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		client, err := api.GetClient(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		secrets, err := api.ListSecrets(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		shown := shownClient{OAuthClient: client, Secrets: secrets.Items}
		if err := out.print(p.out, shown, shown.table); err != nil {
			return err
		}
		return p.warnOfEnds(args[0], shown.Secrets)
	}
	return cmd
}

// table has a row for each thing that the client has.
func (c shownClient) table() table {
	t := table{head: []string{"FIELD", "VALUE"}}
	add := func(name string, values ...string) {
		if value := strings.Join(values, " "); value != "" {
			t.rows = append(t.rows, []string{name, value})
		}
	}
	add("client id", c.ClientID)
	add("name", c.Name)
	add("organization", c.Organization)
	add("state", stateOf(c.Disabled))
	add("role", c.Role)
	for _, a := range c.Assignments {
		add("role", a.Role, "at", a.Node)
	}
	add("platform role", c.PlatformRole)
	add("grant types", c.GrantTypes...)
	add("authentication", c.TokenEndpointAuthMethod)
	add("audiences", c.Audiences...)
	add("scopes", c.Scopes...)
	add("redirect URIs", c.RedirectURIs...)
	add("created", when(c.CreatedAt))
	for _, s := range c.Secrets {
		add("secret", s.Name, "of", when(s.CreatedAt), "until", when(s.ExpiresAt))
	}
	return t
}

func (p *program) clientCreateCommand(r *remote) *cobra.Command {
	var client apiv1.NewClient
	var secretFile string
	var public bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a client",
		Long: `Make a client, of an organization or of the platform. Its secret is made here and written to a new file of mode 0600 before
the server hears of it; with --secret-file - it is all that is printed to standard output.`,
		Example: `  gatehouse client create release --organization acme --role writer --audience https://hub.example/api --secret-file release.secret
  gatehouse client create web --public --grant-type authorization_code --redirect-uri https://app.example/callback`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client.Name = args[0]
			if public {
				if secretFile != "" {
					return usagef("a public client has no secret: leave --secret-file or --public out")
				}
				client.TokenEndpointAuthMethod = "none"
			} else if secretFile == "" {
				return errNoSecretFile
			}
			api, err := p.dial(cmd.Context(), r)
			if err != nil {
				return err
			}
			if public {
				return p.createClient(cmd.Context(), api, client, "")
			}
			return p.withSecret(secretFile, func(value string) error {
				client.Secrets = []apiv1.SecretSpec{{Name: "initial", SecretRef: apiv1.SecretRef{Value: value}}}
				return p.createClient(cmd.Context(), api, client, secretFile)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&secretFile, "secret-file", "", "new file for the secret, - for standard output")
	flags.BoolVar(&public, "public", false, "without a secret, for programs that cannot keep one")
	flags.StringVar(&client.Organization, "organization", "", "name or id of the organization that it belongs to (default: the platform)")
	flags.StringVar(&client.ClientID, "id", "", "client id (default: generated)")
	flags.StringVar(&client.Role, "role", "", "role in its organization (default: the role for those who join)")
	flags.StringVar(&client.PlatformRole, "platform-role", "", "operator or auditor, for a client of the platform")
	flags.StringArrayVar(&client.GrantTypes, "grant-type", nil, "grant type; may be repeated (default: client_credentials in an organization, else authorization_code)")
	flags.StringArrayVar(&client.Audiences, "audience", nil, "audience that it may ask for; may be repeated, the first is the default")
	flags.StringArrayVar(&client.Scopes, "scope", nil, "scope that it may ask for; may be repeated (default: those of its audiences)")
	flags.StringArrayVar(&client.RedirectURIs, "redirect-uri", nil, "where people are sent back to; may be repeated")
	return cmd
}

func (p *program) createClient(ctx context.Context, api *apiv1.Client, client apiv1.NewClient, secretFile string) error {
	created, err := api.CreateClient(ctx, client)
	if err != nil {
		return err
	}
	return p.sayBeside(secretFile, "client %s is created", created.ClientID)
}

// clientRotateCommand is "client rotate" and, below the noun of secrets, "client secret rotate".
func (p *program) clientRotateCommand(r *remote, verb string) *cobra.Command {
	var rotation apiv1.SecretRotation
	var secretFile, expire string
	cmd := &cobra.Command{
		Use:   "rotate CLIENT-ID",
		Short: "Give a client a new secret and schedule the end of the old ones",
		Long: `Give a client a new secret and schedule the end of the old ones. The new one is made here and written to a new file of mode
0600 before the server hears of it; with --secret-file - it is all that is printed to standard output.`,
		Example: "  gatehouse client " + verb + " release --secret-file new.secret\n" +
			"  gatehouse client " + verb + " release --secret-file new.secret --expire-old-after 0s",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if expire != "never" {
				rotation.ExpireOldAfter = new(apiv1.Duration)
				if err := rotation.ExpireOldAfter.UnmarshalText([]byte(expire)); err != nil {
					return usagef("--expire-old-after: %w, or never", err)
				}
			}
			if secretFile == "" {
				return errNoSecretFile
			}
			api, err := p.dial(cmd.Context(), r)
			if err != nil {
				return err
			}
			return p.withSecret(secretFile, func(value string) error {
				rotation.Value = value
				created, err := api.RotateSecret(cmd.Context(), args[0], rotation)
				if err != nil {
					return err
				}
				return p.sayBeside(secretFile, "client %s has the new secret %q; the old ones end: %s", args[0], created.Name, whenOld(expire))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&secretFile, "secret-file", "", "new file for the secret, - for standard output")
	flags.StringVar(&rotation.Name, "name", "", "name of the new secret (default: the server chooses)")
	flags.StringVar(&expire, "expire-old-after", "24h", "how long the old secrets go on: a duration, 0s to end them at once, or never to leave them")
	return cmd
}

func whenOld(expire string) string {
	if expire == "never" {
		return expire
	}
	return "in " + expire
}

// sayBeside says what was done where it does not mix with a secret on standard output.
func (p *program) sayBeside(secretFile, format string, args ...any) error {
	if secretFile == standardStream {
		_, err := fmt.Fprintln(p.err, printable(fmt.Sprintf(format, args...)))
		return err
	}
	return p.say(format, args...)
}

// clientVerb is a verb that does one thing to a client.
func (p *program) clientVerb(r *remote, verb, short, done string, do func(*apiv1.Client, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " CLIENT-ID",
		Short:   short,
		Example: "  gatehouse client " + verb + " release",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := p.dial(cmd.Context(), r)
			if err != nil {
				return err
			}
			if err := do(api, cmd.Context(), args[0]); err != nil {
				return err
			}
			return p.say("client %s is %s", args[0], done)
		},
	}
}
