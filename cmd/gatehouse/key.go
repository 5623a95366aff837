package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

var keyHead = []string{"KID", "ALG", "STATE", "ACTIVE", "RETIRED", "REMOVE"}

func keyRow(k apiv1.Key) []string {
	return []string{k.ID, k.Alg, k.State, when(k.ActiveAt), when(k.RetiredAt), when(k.RemoveAt)}
}

func (p *program) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "key",
		Short:   "Read, rotate and remove the keys that sign tokens",
		Example: "  gatehouse key list\n  gatehouse key rotate ES256",
	}
	r := addRemote(cmd)
	list := listing[apiv1.Key]{
		short:   "List the signing keys",
		example: "  gatehouse key list --output json",
		list: func(api *apiv1.Client, ctx context.Context, _ apiv1.PageOptions) (apiv1.Page[apiv1.Key], error) {
			return api.ListKeys(ctx)
		},
		head: keyHead,
		row:  keyRow,
	}
	return noun(cmd, list.command(p, r), p.keyRotateCommand(r), p.keyRemoveCommand(r))
}

func (p *program) keyRotateCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate ALG",
		Short: "Make a new key, which signs as soon as every verifier can know it",
		Long: `Make a new key of an algorithm (ES256, RS256 or EdDSA) and print all keys. It signs as soon as every verifier can know it;
no token becomes invalid.`,
		Example: "  gatehouse key rotate ES256",
		Args:    cobra.ExactArgs(1),
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		page, err := api.RotateKey(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return out.print(p.out, page.Items, func() table {
			t := table{head: keyHead}
			for _, k := range page.Items {
				t.rows = append(t.rows, keyRow(k))
			}
			return t
		})
	}
	return cmd
}

func (p *program) keyRemoveCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "remove KID",
		Short:   "In an emergency: remove a key at once, with every token that it signed",
		Example: "  gatehouse key remove oGxu4m3hhWnPHJ9tYkZ3v0ysDxG8YvQ7mC2F1wHnJtE",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := p.dial(cmd.Context(), r)
			if err != nil {
				return err
			}
			if err := api.RemoveKey(cmd.Context(), args[0]); err != nil {
				return err
			}
			return p.say("key %s is removed", args[0])
		},
	}
}
