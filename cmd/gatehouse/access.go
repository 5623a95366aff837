package main

import "github.com/spf13/cobra"

func (p *program) accessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "access",
		Short:   "Ask about access, and bring it over from another system",
		Example: "  gatehouse access render acme\n  gatehouse access review open acme --due 2027-03-31",
	}
	r := addRemote(cmd)
	return noun(cmd,
		p.accessCheckCommand(r), p.accessExplainCommand(r), p.accessWhoCommand(r), p.accessRenderCommand(r), p.accessReviewCommand(r), p.accessPreviewCommand(r),
		p.accessMigrateCommand(r),
	)
}
