package main

import (
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/app"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
)

func (p *program) initCommand() *cobra.Command {
	var source configSource
	var secretFile string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Set the store up: make its keys and the first operator client",
		Long: `Set the store of the configuration up, once: make its keys, and a client "operator" whose secret goes to a new file of
mode 0600. With that file the other verbs sign in.`,
		Example: `  gatehouse init --config gatehouse.yaml
  gatehouse init --config gatehouse.yaml --secret-file /etc/gatehouse/operator.secret`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.loadConfig(source)
			if err != nil {
				return err
			}
			rediskv.LogTo(slog.New(slog.DiscardHandler)) // the error says it
			return app.Init(cmd.Context(), c, app.InitOptions{SecretFile: secretFile, Out: p.out})
		},
	}
	addConfig(cmd, &source.file)
	cmd.Flags().StringVar(&secretFile, "secret-file", filepath.Join(defaultData, operatorFile), "file for the operator's secret")
	return cmd
}
