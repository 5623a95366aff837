package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) activityCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "activity",
		Short:   "Read what happened lately beside the audit log",
		Example: "  gatehouse activity failures",
	}
	return noun(cmd, p.activityFailuresCommand(addRemote(cmd)))
}

func (p *program) activityFailuresCommand(r *remote) *cobra.Command {
	var organization, subject string
	list := listing[apiv1.FailedAuthentications]{
		short:   "List the failed authentications of the last thirty days, counted by subject, network and minute",
		example: "  gatehouse activity failures\n  gatehouse activity failures --organization acme --subject client:release",
		list: func(api *apiv1.Client, ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.FailedAuthentications], error) {
			return api.ListFailures(ctx, organization, subject, o)
		},
		head: []string{"MINUTE", "SUBJECT", "NETWORK", "COUNT", "FIRST", "LAST", "ORGANIZATION"},
		row: func(f apiv1.FailedAuthentications) []string {
			return []string{when(f.Minute), f.Subject, orDash(f.Network), strconv.FormatInt(f.Count, 10), when(f.First), when(f.Last), orDash(f.Organization)}
		},
	}
	cmd := list.command(p, r)
	cmd.Use = "failures"
	cmd.Flags().StringVar(&organization, "organization", "", "of this organization's clients only, by name or id")
	cmd.Flags().StringVar(&subject, "subject", "", "of this subject only, as in client:release, unknown or other")
	return cmd
}

// orDash is how tables say that there is nothing.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
