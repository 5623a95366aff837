package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/config"
)

// defaultConfig is read when no other file is named and it is there.
const defaultConfig = "gatehouse.yaml"

// A configSource is what a verb's flags say about where the configuration is and what it overrides.
type configSource struct {
	file string
	data string   // the folder for what is in data/ by default; empty: that
	set  []string // "key=value", for config.Load
}

func addConfig(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "", "configuration file (default "+defaultConfig+" if it is there)")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// loadConfig returns the configuration of file, environment and flags, and writes its warnings to standard error.
func (p *program) loadConfig(source configSource) (*config.Config, error) {
	if source.file == "" {
		if _, err := os.Stat(defaultConfig); !errors.Is(err, fs.ErrNotExist) {
			source.file = defaultConfig
		}
	}
	environ := slices.DeleteFunc(slices.Clone(p.environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(remoteVariables, name) // those of the command line, no keys of the server
	})
	c, err := config.Load(source.file, environ, source.set...)
	if err != nil {
		return nil, err
	}
	if moved := movedData(c, source.data); len(moved) > 0 {
		if c, err = config.Load(source.file, environ, append(source.set, moved...)...); err != nil {
			return nil, err
		}
	}
	for _, warning := range c.Warnings() {
		p.warn("%s", warning)
	}
	return c, nil
}

// movedData returns the flags that move to another folder what would lie in ./data by default; what was put elsewhere stays.
func movedData(c *config.Config, folder string) (set []string) {
	if folder == "" || folder == defaultData {
		return nil
	}
	if c.IsDefault("store") {
		set = append(set, "store=bolt:"+filepath.Join(folder, "gatehouse.db"))
	}
	if c.Dev && c.IsDefault("keys.kek") {
		set = append(set, "keys.kek="+filepath.Join(folder, "kek"))
	}
	return set
}

func (p *program) configCommand() *cobra.Command {
	return noun(
		&cobra.Command{
			Use:     "config",
			Short:   "Check, print and explain the server's configuration",
			Example: "  gatehouse config check --config gatehouse.yaml\n  gatehouse config print",
		},
		p.configCheckCommand(), p.configPrintCommand(), p.configReferenceCommand(),
	)
}

func (p *program) configCheckCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Name every fault of the configuration, by key",
		Example: "  gatehouse config check --config gatehouse.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := p.loadConfig(configSource{file: file}); err != nil {
				return err
			}
			_, err := fmt.Fprintln(p.out, "the configuration is good")
			return err
		},
	}
	addConfig(cmd, &file)
	return cmd
}

func (p *program) configPrintCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "print",
		Short:   "Print the configuration in effect, without its secrets",
		Example: "  gatehouse config print --config gatehouse.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := p.loadConfig(configSource{file: file})
			if err != nil {
				return err
			}
			return c.Print(p.out)
		},
	}
	addConfig(cmd, &file)
	return cmd
}

func (p *program) configReferenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "reference",
		Short:   "Print the page that explains every key",
		Example: "  gatehouse config reference > configuration.md",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(p.out, config.Reference())
			return err
		},
	}
}
