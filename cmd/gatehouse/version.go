package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build says what this binary was made from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (p *program) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print what this binary was made from",
		Example: "  gatehouse version\n  gatehouse version --output json",
		Args:    cobra.NoArgs,
	}
	out := addOutput(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		b := thisBuild()
		return out.print(p.out, b, func() table {
			return table{head: []string{"VERSION", "COMMIT", "GO", "PLATFORM"}, rows: [][]string{{b.Version, b.Commit, b.Go, b.Platform}}}
		})
	}
	return cmd
}

// thisBuild reads what the linker wrote into the binary.
func thisBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			b.Commit = fmt.Sprintf("%.12s", setting.Value)
		}
	}
	return b
}
