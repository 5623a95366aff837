package main

import (
	"io"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/app"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
)

// defaultData is the folder of what serve --dev and init leave for the command line.
const defaultData = "data"

func (p *program) serveCommand() *cobra.Command {
	var source configSource
	var dev bool
	var listen string
	var documents []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it is sent SIGINT or SIGTERM; then it finishes the requests under way.

A store that was never set up is refused with 'run gatehouse init', unless --dev or --apply set it up.`,
		Example: `  gatehouse serve --dev
  gatehouse serve --config /etc/gatehouse/gatehouse.yaml
  gatehouse serve --config gatehouse.yaml --apply acme.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dev {
				source.set = append(source.set, "dev=true")
			}
			if listen != "" {
				source.set = append(source.set, "listen="+listen)
			}
			c, err := p.loadConfig(source)
			if err != nil {
				return err
			}
			p.tuneCollector()
			log := newLog(p.err, c.Log)
			rediskv.LogTo(log)
			server, err := app.New(cmd.Context(), app.Options{
				Config: c, DataDir: source.data, Apply: documents, Log: log, Out: p.out,
			})
			if err != nil {
				return err
			}
			debug.FreeOSMemory() // what only the start needed
			return server.Run(cmd.Context())
		},
	}
	addConfig(cmd, &source.file)
	flags := cmd.Flags()
	flags.BoolVar(&dev, "dev", false, "for your own machine: http on loopback, and something to begin with")
	flags.StringVar(&source.data, "data", defaultData, "folder of the embedded store, and of the files that --dev makes")
	flags.StringVar(&listen, "listen", "", "address to listen on (key listen)")
	flags.StringArrayVar(&documents, "apply", nil, "documents to apply before it listens; may be repeated")
	_ = cmd.MarkFlagDirname("data")
	_ = cmd.MarkFlagFilename("apply", "yaml", "yml")
	return cmd
}

// newLog makes the log that the configuration asks for.
func newLog(w io.Writer, c config.Log) *slog.Logger {
	options := &slog.HandlerOptions{}
	var level slog.Level
	if err := level.UnmarshalText([]byte(strings.ToUpper(c.Level))); err == nil { // config knows no other names
		options.Level = level
	}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
