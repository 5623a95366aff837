package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) tokenCommand() *cobra.Command {
	var request tokenRequest
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a fresh access token and nothing else",
		Long:  "Print a fresh access token of the client that the command line signs in as, and nothing else.",
		Example: `  gatehouse token --client-id release --client-secret-file release.secret --audience https://hub.example/api
  gatehouse token --organization acme --detail project:web
  curl -H "Authorization: Bearer $(gatehouse token --audience https://hub.example/api)" https://hub.example/api`,
		Args: cobra.NoArgs,
	}
	r := addRemote(cmd)
	var details []string
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if request.details, err = authorizationDetails(details); err != nil {
			return err
		}
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
	flags.StringArrayVar(&details, "detail", nil, "node below the organization to ask for, as TYPE:PATH; may be repeated")
	flags.StringArrayVar(&request.scopes, "scope", nil, "scope to ask for; may be repeated")
	return cmd
}

// authorizationDetails writes the parameter of RFC 9396 for nodes given as TYPE:PATH, "" for none.
func authorizationDetails(nodes []string) (string, error) {
	if len(nodes) == 0 {
		return "", nil
	}
	type element struct {
		Type       string `json:"type"`
		Identifier string `json:"identifier"`
	}
	var out []element
	for _, n := range nodes {
		kind, path, ok := strings.Cut(n, ":")
		if !ok || kind == "" || path == "" {
			return "", usagef("--detail %q: want TYPE:PATH, as in project:web", n)
		}
		out = append(out, element{kind, path})
	}
	encoded, err := json.Marshal(out)
	return string(encoded), err
}
