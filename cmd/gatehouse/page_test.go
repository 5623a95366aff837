package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The page of the command line shows every verb, and shows none that is not there.
func TestPageShowsEveryVerb(t *testing.T) {
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	root := (&program{}).root()
	shown := map[*cobra.Command]bool{}
	for _, line := range regexp.MustCompile(`\bgatehouse( [a-z][a-z-]*)+`).FindAllString(string(text), -1) {
		words := strings.Fields(line)[1:]
		if words[0] == "help" {
			continue
		}
		cmd, _, err := root.Find(words)
		if err != nil || cmd.HasSubCommands() {
			t.Errorf("docs/cli.md shows %q, which is no verb", line)
			continue
		}
		shown[cmd] = true
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !cmd.HasSubCommands() && !shown[cmd] {
			t.Errorf("docs/cli.md does not show %q", cmd.CommandPath())
		}
		for _, child := range cmd.Commands() {
			if child.Name() != "help" && cmd.Name() != "completion" {
				walk(child)
			}
		}
	}
	walk(root)
}
