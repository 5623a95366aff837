package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every verb explains itself, with an example of itself.
func TestEveryVerbHasHelpWithAnExample(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if strings.HasPrefix(path, "gatehouse completion ") {
			return // cobra's own: their examples are in the text
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: want a short help without a full stop, got %q", path, cmd.Short)
		}
		if !strings.Contains(cmd.Example, path) && cmd.Name() != "completion" {
			t.Errorf("%s: the example does not show it: %q", path, cmd.Example)
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk((&program{}).root())
}
