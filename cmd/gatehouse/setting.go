package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) settingCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "setting",
		Short:   "Read and change the settings of nodes",
		Example: "  gatehouse node setting set acme/web visibility public",
	}
	list := &cobra.Command{
		Use: "list NODE", Short: "List what holds, and where it comes from", Args: cobra.ExactArgs(1),
		Example: "  gatehouse node setting list acme/web",
	}
	set := &cobra.Command{
		Use: "set NODE SETTING VALUE", Short: "Give a setting a value", Args: cobra.ExactArgs(3),
		Example: "  gatehouse node setting set acme/web visibility public",
	}
	unset := &cobra.Command{
		Use: "unset NODE SETTING", Short: "Take a value back, so that one from above or the default holds", Args: cobra.ExactArgs(2),
		Example: "  gatehouse node setting unset acme/web visibility",
	}
	return noun(cmd,
		reads(p, r, list, func(api *apiv1.Client, ctx context.Context, args []string) ([]apiv1.Setting, error) {
			page, err := api.ListSettings(ctx, args[0])
			return page.Items, err
		}, func(settings []apiv1.Setting) table {
			t := table{head: []string{"SETTING", "VALUE", "SOURCE", "YOURS TO CHANGE", "VALUES"}}
			for _, s := range settings {
				source := s.Source
				if s.From != "" {
					source += " from " + s.From
				}
				values := strings.Join(s.Values, " ")
				if s.Node {
					values = "a node"
				}
				t.rows = append(t.rows, []string{s.Name, dash(s.Value), source, strconv.FormatBool(s.Changeable), values})
			}
			return t
		}),
		does(p, r, set, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			s, err := api.PutSetting(ctx, args[0], args[1], args[2], "")
			return fmt.Sprintf("%s of %s is %s", args[1], args[0], s.Value), err
		}),
		does(p, r, unset, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
			return fmt.Sprintf("%s of %s is taken back", args[1], args[0]), api.DeleteSetting(ctx, args[0], args[1])
		}),
	)
}
