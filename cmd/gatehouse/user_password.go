package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

func (p *program) userPasswordCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "password USER", Short: "Set a person's password, and end what was opened by the old one", Args: cobra.ExactArgs(1),
		Long: "Set a person's password, and end all sessions and tokens of that person. The password is read from a file or from\n" +
			"standard input, never from the command line, where others would see it, and is shown nowhere.",
		Example: "  gatehouse user password carol --password-file carol.password\n" +
			"  pwgen 20 1 | tee /dev/tty | gatehouse user password carol",
	}
	file := cmd.Flags().String("password-file", standardStream, "file that holds the password, - for standard input")
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		password, err := p.readSecret(*file, secret.MaxLength)
		if err != nil {
			return "", err
		}
		u, err := api.GetUser(ctx, args[0])
		if err != nil {
			return "", err
		}
		u.Password = &apiv1.SecretRef{Value: password.Reveal()}
		_, err = api.UpdateUser(ctx, u.ID, u.UserSpec, u.ETag)
		return fmt.Sprintf("user %s has a new password", u.Name), err
	})
}
