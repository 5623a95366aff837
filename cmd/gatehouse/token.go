package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) tokenCommand() *cobra.Command {
	var request tokenRequest
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a fresh access token and nothing else",
		Long: `Print an access token of the person who is signed in, or of the client that is named, and nothing else. It is good for a while:
one that is about to end is renewed before.

With --exec-credential it is printed as kubectl wants it of a credential plugin: the ID token of the person who is signed in, or with
--audience, and for clients, the access token.`,
		Example: `  gatehouse token
  gatehouse token --exec-credential
  gatehouse token --client-id release --client-secret-file release.secret --audience https://hub.example/api
  gatehouse token --organization acme --detail project:web
  curl -H "Authorization: Bearer $(gatehouse token --audience https://hub.example/api)" https://hub.example/api`,
		Args: cobra.NoArgs,
	}
	r := addRemote(cmd)
	var details []string
	var exec bool
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if request.details, err = authorizationDetails(details); err != nil {
			return err
		}
		t, err := p.anyToken(cmd.Context(), r, request)
		if err != nil {
			return err
		}
		if exec {
			return p.printExecCredential(t, len(request.audiences) == 0)
		}
		_, err = fmt.Fprintln(p.out, t.AccessToken)
		return err
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&request.audiences, "audience", nil, "audience to ask for; may be repeated (default: that of the login, or the client's own)")
	flags.StringVar(&request.organization, "organization", "", "organization to ask for, by name or id")
	flags.StringArrayVar(&details, "detail", nil, "node below the organization to ask for, as TYPE:PATH; may be repeated")
	flags.StringArrayVar(&request.scopes, "scope", nil, "scope to ask for; may be repeated")
	flags.BoolVar(&exec, "exec-credential", false, "print it as a credential plugin of kubectl does")
	return cmd
}

// anyToken gets a token of the person who is signed in, or of the client.
func (p *program) anyToken(ctx context.Context, r *remote, request tokenRequest) (issued, error) {
	x, err := p.signedIn(r)
	if err != nil {
		return issued{}, err
	}
	if x != nil {
		return x.token(ctx, request, "")
	}
	c, err := p.connect(ctx, r)
	if err != nil {
		return issued{}, err
	}
	return c.token(ctx, request)
}

// printExecCredential prints what kubectl asks of a plugin (client.authentication.k8s.io/v1). API servers read groups of the ID token.
func (p *program) printExecCredential(t issued, preferID bool) error {
	value, ends := t.AccessToken, t.ExpiresAt
	if preferID && t.IDToken != "" {
		value, ends = t.IDToken, t.IDExpiresAt
	}
	type status struct {
		ExpirationTimestamp time.Time `json:"expirationTimestamp"`
		Token               string    `json:"token"`
	}
	encoder := json.NewEncoder(p.out)
	return encoder.Encode(struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Status     status `json:"status"`
	}{"client.authentication.k8s.io/v1", "ExecCredential", status{ends.UTC().Truncate(time.Second), value}})
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
