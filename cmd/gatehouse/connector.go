package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) connectorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connector",
		Short: "Read, disable and end the upstream providers that people sign in by",
		Long:  "Read, disable and end the upstream providers that people sign in by. They are made and changed by gatehouse apply, kind Connector.",
		Example: `  gatehouse connector list
  gatehouse connector show github
  gatehouse connector disable github`,
	}
	r := addRemote(cmd)
	list := listing[apiv1.Connector]{
		short:   "List the connectors",
		example: "  gatehouse connector list --output json",
		list:    (*apiv1.Client).ListConnectors,
		head:    []string{"NAME", "TYPE", "ISSUER", "SIGN UP", "STATE"},
		row: func(c apiv1.Connector) []string {
			return []string{c.Name, c.Type, providerOf(c), signUpOf(c), stateOf(c.Disabled)}
		},
	}
	return noun(cmd, list.command(p, r), p.connectorShowCommand(r),
		p.connectorSwitch(r, "disable", "Let nobody sign in by a connector, and end what a sign-in by it is worth", true),
		p.connectorSwitch(r, "enable", "Let people sign in by a connector again", false),
		does(p, r, &cobra.Command{
			Use: "delete NAME", Short: "End a connector", Example: "  gatehouse connector delete github", Args: cobra.ExactArgs(1),
		}, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			return "connector " + args[0] + " is deleted", api.DeleteConnector(ctx, args[0])
		}))
}

func (p *program) connectorShowCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Read a connector, and the redirect URI to register with its provider",
		Example: "  gatehouse connector show github", Args: cobra.ExactArgs(1),
	}
	read := func(api *apiv1.Client, ctx context.Context, args []string) (apiv1.Connector, error) {
		return api.GetConnector(ctx, args[0])
	}
	return reads(p, r, cmd, read, func(c apiv1.Connector) table {
		t := table{}
		add := func(name, value string) {
			if value != "" {
				t.rows = append(t.rows, []string{name, value})
			}
		}
		add("name", c.Name)
		add("type", c.Type)
		add("display name", c.DisplayName)
		add("issuer", providerOf(c))
		add("client id", c.ClientID)
		add("callback url", c.CallbackURL)
		add("scopes", strings.Join(c.Scopes, " "))
		add("sign up", signUpOf(c))
		add("allowed", strings.Join(c.AllowedOrganizations, " "))
		for _, m := range c.Mappings {
			gives := m.Role
			if m.Group != "" {
				gives = strings.TrimSpace(gives + " group " + m.Group)
			}
			add("mapping", m.Claim+"="+m.Value+" gives "+gives+" at "+m.Organization)
		}
		if c.ReauthenticateAfter != 0 {
			add("counts for", c.ReauthenticateAfter.String())
		}
		add("state", stateOf(c.Disabled))
		return t
	})
}

// connectorSwitch makes the verb that disables or enables.
func (p *program) connectorSwitch(r *remote, verb, short string, disabled bool) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " NAME", Short: short, Example: "  gatehouse connector " + verb + " github", Args: cobra.ExactArgs(1)}
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		c, err := api.GetConnector(ctx, args[0])
		if err != nil {
			return "", err
		}
		c.Disabled = disabled
		_, err = api.UpdateConnector(ctx, c.Name, c.ConnectorSpec, c.ETag)
		return "connector " + c.Name + " is " + verb + "d", err
	})
}

func providerOf(c apiv1.Connector) string {
	if c.Issuer == "" {
		return "https://github.com"
	}
	return c.Issuer
}

func signUpOf(c apiv1.Connector) string {
	if c.SignUp == "" {
		return "invited"
	}
	return c.SignUp
}
