package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) logoutCommand() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Sign out, here and at the server",
		Long: `Sign out: the server ends the sign-in with all tokens that came of it, and the credential is removed from this machine. When the
server cannot be reached the credential is removed all the same, and the exit code is 4.`,
		Example: "  gatehouse logout\n  gatehouse logout --server https://id.example",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&r.server, "server", "", "address of the server (GATEHOUSE_SERVER; default that of the last login)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		c, err := p.address(r)
		if err != nil {
			return err
		}
		x := &person{connection: c, kept: p.keep()}
		if _, err := x.credential(); err != nil {
			return err
		}
		unlock, err := x.kept.lockServer(ctx, c.server)
		if err != nil {
			return err
		}
		defer unlock()
		of, err := x.credential()
		if err != nil {
			return err
		}
		refresh, unread := x.kept.refreshToken(c.server, of)
		var unended error
		if unread == nil {
			unended = c.revoke(ctx, refresh)
		}
		if err := x.kept.forget(ctx, c.server); err != nil {
			return err
		}
		switch {
		case unread != nil:
			return fmt.Errorf("%s is signed out of %s here, but the server was not told: %w", of.User, c.server, unread)
		case unended != nil:
			return &fault{
				exit: exitUnreachable, err: fmt.Errorf("%s is signed out of %s here, but the server was not told: %w", of.User, c.server, unended),
				next: "end the sign-in on your account page",
			}
		}
		return p.say("%s is signed out of %s, here and at the server", of.User, c.server)
	}
	return cmd
}
