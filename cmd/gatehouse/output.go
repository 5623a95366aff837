package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// An output is the value of --output: how a read prints what it found.
type output string

const (
	outputTable output = "table"
	outputJSON  output = "json"
	outputYAML  output = "yaml"
)

// String, Set and Type make an output the value of a flag.
func (o *output) String() string { return string(*o) }

// Set refuses what is no output.
func (o *output) Set(s string) error {
	switch output(s) {
	case outputTable, outputJSON, outputYAML:
		*o = output(s)
		return nil
	}
	return fmt.Errorf("want table, json or yaml")
}

// Type is what help calls the value.
func (*output) Type() string { return "format" }

// addOutput gives a read its --output flag.
func addOutput(cmd *cobra.Command) *output {
	o := outputTable
	cmd.Flags().VarP(&o, "output", "o", "table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return &o
}

// A table is what --output table shows of an answer: the head names the columns.
type table struct {
	head []string
	rows [][]string
}

// print writes answer as o asks: its JSON, the same in YAML, or the table that tabulate makes of it.
func (o output) print(w io.Writer, answer any, tabulate func() table) error {
	switch o {
	case outputJSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(answer)
	case outputYAML:
		return printYAML(w, answer)
	default:
		return tabulate().print(w)
	}
}

// printYAML goes by way of JSON, so that both forms have the same names in the same order.
func printYAML(w io.Writer, answer any) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return err
	}
	plain(&node)
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return err
	}
	return encoder.Close()
}

// plain drops the quotes and braces that a node has from JSON; the encoder quotes again what would be read as something else.
func plain(node *yaml.Node) {
	node.Style = 0
	for _, child := range node.Content {
		plain(child)
	}
}

func (t table) print(w io.Writer) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		if _, err := fmt.Fprintln(columns, strings.TrimRight(strings.Join(cells, "\t"), "\t")); err != nil {
			return err
		}
	}
	return columns.Flush()
}

// printable keeps what others wrote from moving the cursor, colouring the terminal or breaking a line of ours.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	return quoted[1 : len(quoted)-1]
}

// say writes a line to standard output: what a verb has done.
func (p *program) say(format string, args ...any) error {
	_, err := fmt.Fprintln(p.out, printable(fmt.Sprintf(format, args...)))
	return err
}

// A paint is an ANSI colour.
type paint string

const (
	green  paint = "\x1b[32m"
	yellow paint = "\x1b[33m"
	red    paint = "\x1b[31m"
)

// painter returns what colours text for standard output: nothing unless that is a terminal which has colours and its user has
// not said NO_COLOR (no-color.org: set and not empty).
func (p *program) painter() func(paint, string) string {
	file, ok := p.out.(*os.File)
	if ok && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb" {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return func(c paint, text string) string { return string(c) + text + "\x1b[0m" }
		}
	}
	return func(_ paint, text string) string { return text }
}
