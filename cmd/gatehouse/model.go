package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (p *program) modelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "model",
		Short:   "Read, check and change access models: who may hold which role, and what it permits",
		Example: "  gatehouse model list\n  gatehouse model show floxhub > mine.yaml\n  gatehouse model validate mine.yaml",
	}
	r := addRemote(cmd)
	list := listing[apiv1.ModelHead]{
		short:   "List the access models",
		example: "  gatehouse model list --output json",
		list:    (*apiv1.Client).ListModels,
		head:    []string{"NAME", "REVISION", "LEVELS", "ORIGIN"},
		row: func(m apiv1.ModelHead) []string {
			origin := "own"
			if m.Preset {
				origin = "preset"
			}
			return []string{m.Name, strconv.Itoa(m.Revision), strings.Join(m.Levels, " "), origin}
		},
	}
	return noun(cmd, list.command(p, r), p.modelShowCommand(r), p.modelValidateCommand(),
		p.modelWriteCommand(r, "create", "Make an access model, whose name stands in its file"),
		p.modelWriteCommand(r, "update", "Replace an access model by a later revision"),
		p.modelDeleteCommand(r))
}

func (p *program) modelShowCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Print the file of an access model",
		Long:    "Print the file of an access model; with --output json or yaml, all that the server says of it.",
		Example: "  gatehouse model show flux > mine.yaml",
		Args:    cobra.ExactArgs(1),
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := p.dial(cmd.Context(), r)
		if err != nil {
			return err
		}
		m, err := api.GetModel(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if *out != outputTable {
			return out.print(p.out, m, nil)
		}
		return p.text(m.Source)
	}
	return cmd
}

// text writes what others wrote, line by line, so that none of it steers the terminal.
func (p *program) text(s string) error {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(printable(strings.TrimRight(line, "\r\n")))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(p.out, b.String())
	return err
}

func (p *program) modelValidateCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "validate FILE…",
		Short:   "Check files of access models, without a server",
		Example: "  gatehouse model validate mine.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var faults []string
			for _, file := range args {
				src, name, err := p.readModel(file)
				if err != nil {
					return err
				}
				found := access.Faults(src)
				for _, f := range found {
					if f.Path != "" {
						f.Reason = f.Path + ": " + f.Reason
					}
					faults = append(faults, fmt.Sprintf("%s:%d: %s", name, f.Line, f.Reason))
				}
				if len(found) > 0 {
					continue
				}
				m, err := access.Parse(name, src)
				if err != nil {
					return err
				}
				if err := p.say("%s: access model %s, revision %d, is valid", name, m.Name(), m.Revision()); err != nil {
					return err
				}
			}
			if len(faults) > 0 {
				return fmt.Errorf("%s", strings.Join(faults, "\n"))
			}
			return nil
		},
	}
}

// maxModelFile is more, in bytes, than any access model takes.
const maxModelFile = 1 << 20

func (p *program) readModel(file string) (src []byte, name string, err error) {
	from, name := p.in, "standard input"
	if file != standardStream {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", err
		}
		defer func() { _ = f.Close() }()
		from, name = f, file
	}
	src, err = io.ReadAll(io.LimitReader(from, maxModelFile))
	return src, name, err
}

// modelWriteCommand is create and update, which differ in what must be there.
func (p *program) modelWriteCommand(r *remote, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " FILE",
		Short:   short,
		Example: "  gatehouse model " + verb + " mine.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			src, file, err := p.readModel(args[0])
			if err != nil {
				return err
			}
			m, err := access.Parse(file, src) // its name, and faults before anything is asked
			if err != nil {
				return err
			}
			api, err := p.dial(cmd.Context(), r)
			if err != nil {
				return err
			}
			var done apiv1.Model
			if verb == "create" {
				done, err = api.CreateModel(cmd.Context(), string(src))
			} else {
				done, err = api.UpdateModel(cmd.Context(), m.Name(), string(src), "")
			}
			if err != nil {
				return err
			}
			return p.say("access model %s is at revision %d", done.Name, done.Revision)
		},
	}
}

func (p *program) modelDeleteCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "delete NAME",
		Short:   "End an access model that nothing follows",
		Example: "  gatehouse model delete mine",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := p.dial(cmd.Context(), r)
			if err != nil {
				return err
			}
			if err := api.DeleteModel(cmd.Context(), args[0]); err != nil {
				return err
			}
			return p.say("access model %s is deleted", args[0])
		},
	}
}
