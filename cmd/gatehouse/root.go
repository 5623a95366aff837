package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// A program is one run of gatehouse: what it reads and writes.
type program struct {
	in        io.Reader
	out, err  io.Writer
	environ   []string
	transport http.RoundTripper       // to servers; nil: http.DefaultTransport
	config    string                  // folder of the credentials; "": gatehouse in the user's folder of configuration
	browse    func(link string) error // shows a page; nil: the browser of this machine does
}

// getenv returns the value of an environment variable, empty when it is not set.
func (p *program) getenv(name string) string {
	for _, entry := range p.environ {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}

// run carries out one command line and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	began := false
	markBegun(root, &began)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !began {
		err = usage(err) // cobra's own: an unknown flag, a missing argument
	}
	return p.report(cmd, err)
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "OAuth 2.0 and OpenID Connect identity and machine-token broker",
		Long: `Gatehouse is a self-hosted OAuth 2.0 and OpenID Connect server, and the command line that administers it.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 not signed in, 4 unreachable.`,
		Example: `  gatehouse serve --dev
  gatehouse apply -f acme.yaml
  gatehouse client list --organization acme`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	noun(root,
		p.serveCommand(), p.initCommand(), p.configCommand(), p.storeCommand(),
		p.applyCommand(), p.exportCommand(),
		p.loginCommand(), p.logoutCommand(),
		p.organizationCommand(), p.nodeCommand(), p.memberCommand(), p.invitationCommand(), p.assignmentCommand(), p.groupCommand(), p.roleCommand(),
		p.userCommand(), p.clientCommand(), p.audienceCommand(), p.connectorCommand(),
		p.modelCommand(), p.accessCommand(),
		p.sessionCommand(), p.grantCommand(), p.keyCommand(), p.revokeCommand(), p.activityCommand(), p.auditCommand(), p.tokenCommand(), p.whoamiCommand(), p.versionCommand(),
	)
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultCompletionCmd() // cobra's own, which takes any word for a shell
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Example = "  source <(gatehouse completion bash)"
		noun(completion)
	}
	return root
}

// helpCommand is "help VERB…", which says of a verb that there is none, where cobra's ends well.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB]…",
		Short:   "Explain a verb",
		Example: "  gatehouse help client create",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no verb %q to explain", strings.Join(args, " "))
			}
			return cmd.Help()
		},
	}
}

// noun makes cmd the parent of verbs. Alone it shows its help; what is none of its verbs is a usage error, which cobra would
// let pass below the root.
func noun(cmd *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(verbs...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			if cmd.HasParent() {
				return usagef("%s: a verb is missing", cmd.CommandPath())
			}
			return cmd.Help()
		}
		meant := ""
		if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
			meant = fmt.Sprintf(" (did you mean %s?)", strings.Join(names, " or "))
		}
		return usagef("%s has no verb %q%s", cmd.CommandPath(), args[0], meant)
	}
	return cmd
}

// markBegun has every command of the tree set *begun when it runs. Until then an error is about the command line itself.
func markBegun(cmd *cobra.Command, begun *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*begun = true
			return run(cmd, args)
		}
	}
	for _, child := range cmd.Commands() {
		markBegun(child, begun)
	}
}
