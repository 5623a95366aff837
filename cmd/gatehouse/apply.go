package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

func (p *program) applyCommand() *cobra.Command {
	var files []string
	var options apiv1.ApplyOptions
	cmd := &cobra.Command{
		Use:   "apply -f FILE…",
		Short: "Make YAML documents true",
		Long: `Make YAML documents true and print what that took. Every fault is found before anything is written; when it is interrupted,
the same command finishes it. Secrets come from where the documents say (fromEnv, fromFile); those of writeTo are made, and
written to files of mode 0600 first.`,
		Example: `  gatehouse apply -f acme.yaml --dry-run
  gatehouse apply -f acme.yaml -f clients.yaml
  gatehouse export | gatehouse apply -f -`,
		Args: cobra.NoArgs,
	}
	out := addOutput(cmd)
	remote := addRemote(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(files) == 0 {
			return usagef("say what to apply: -f FILE")
		}
		docs, err := p.readDocuments(files)
		if err != nil {
			return err
		}
		if options.Prune && len(docs) == 0 { // a template that failed must not empty the directory
			return usagef("--prune with no document would delete everything: name at least one")
		}
		api, err := p.dial(cmd.Context(), remote)
		if err != nil {
			return err
		}
		plan, err := applyDocuments(cmd.Context(), api, docs, options)
		if err != nil {
			return err
		}
		if *out != outputTable {
			return out.print(p.out, plan, nil)
		}
		return p.printPlan(plan, options.DryRun)
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&files, "file", "f", nil, "file of documents, - for standard input; may be repeated")
	flags.BoolVar(&options.DryRun, "dry-run", false, "print the plan and change nothing")
	flags.BoolVar(&options.Prune, "prune", false, "also delete what the documents do not name")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml")
	return cmd
}

// readDocuments reads all files before it says what is wrong with any.
func (p *program) readDocuments(files []string) ([]apiv1.Document, error) {
	var docs []apiv1.Document
	var faults []error
	first := make(map[string]string)
	for _, file := range files {
		parsed, err := p.readFile(file)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, d := range parsed {
			if at, ok := first[d.String()]; ok {
				faults = append(faults, fmt.Errorf("%s: %s stands in %s already", file, &d, at))
			}
			first[d.String()] = file
		}
		docs = append(docs, parsed...)
	}
	return docs, errors.Join(faults...)
}

func (p *program) readFile(file string) ([]apiv1.Document, error) {
	if file == standardStream {
		return apiv1.ParseDocuments("standard input", p.in)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return apiv1.ParseDocuments(file, f)
}

func applyDocuments(ctx context.Context, api *apiv1.Client, docs []apiv1.Document, o apiv1.ApplyOptions) (apiv1.Plan, error) {
	generate := func() string { return secret.New(secret.ClientSecret).Reveal() }
	if o.DryRun {
		generate = nil
	}
	if err := apiv1.Resolve(docs, apiv1.SystemResolver(generate)); err != nil {
		return apiv1.Plan{}, err
	}
	return api.Apply(ctx, docs, o)
}

// printPlan writes a line for each change and one that counts them.
func (p *program) printPlan(plan apiv1.Plan, dryRun bool) error {
	colour := p.painter()
	colours := map[string]paint{apiv1.ActionCreate: green, apiv1.ActionChange: yellow, apiv1.ActionDelete: red}
	counts := make(map[string]int)
	var text strings.Builder
	for _, c := range plan.Changes {
		counts[c.Action]++
		line := fmt.Sprintf("%s %s %s", c.Action, c.Kind, c.Name)
		if len(c.Fields) > 0 {
			line += " (" + strings.Join(c.Fields, ", ") + ")"
		}
		fmt.Fprintln(&text, colour(colours[c.Action], printable(line)))
	}
	switch {
	case len(plan.Changes) == 0:
		fmt.Fprintln(&text, "nothing to change")
	case dryRun:
		fmt.Fprintf(&text, "%d to create, %d to change, %d to delete\n", counts[apiv1.ActionCreate], counts[apiv1.ActionChange], counts[apiv1.ActionDelete])
	default:
		fmt.Fprintf(&text, "%d created, %d changed, %d deleted\n", counts[apiv1.ActionCreate], counts[apiv1.ActionChange], counts[apiv1.ActionDelete])
	}
	_, err := io.WriteString(p.out, text.String())
	return err
}
