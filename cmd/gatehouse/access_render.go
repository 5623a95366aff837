package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) accessRenderCommand(r *remote) *cobra.Command {
	var model bool
	cmd := &cobra.Command{
		Use:   "render NODE",
		Short: "Print the access page of an organization or node: roles, rights, defaults, and who assigns what",
		Long: `Print the access page of an organization or node, in Markdown: its roles and its own ones, who may do what, what holds by
default, and who assigns what. With --model, NODE is the name of an access model.`,
		Example: "  gatehouse access render acme > access.md\n  gatehouse access render --model flux",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&model, "model", false, "NODE is the name of an access model")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		read := api.RenderNode
		if model {
			read = api.RenderModel
		}
		var page apiv1.AccessPage
		if page, err = read(cmd.Context(), args[0]); err != nil {
			return err
		}
		if *out != outputTable {
			return out.print(p.out, page, nil)
		}
		return p.text(page.Markdown)
	}
	return cmd
}
