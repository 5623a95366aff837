package main

import (
	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "export",
		Short:   "Print everything as documents that apply reads, without secrets",
		Example: "  gatehouse export > gatehouse-documents.yaml",
		Args:    cobra.NoArgs,
	}
	remote := addRemote(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := p.dial(cmd.Context(), remote)
		if err != nil {
			return err
		}
		docs, err := api.Export(cmd.Context())
		if err != nil {
			return err
		}
		return apiv1.WriteDocuments(p.out, docs)
	}
	return cmd
}
