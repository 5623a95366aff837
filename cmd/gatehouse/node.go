package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// A nodeNoun is a noun that stands for nodes: organizations, and nodes of every level.
type nodeNoun struct {
	noun, arg, like string
	get             func(*apiv1.Client, context.Context, string) (apiv1.Node, error)
	create          func(*apiv1.Client, context.Context, apiv1.NewNode) (apiv1.Node, error)
	end             func(*apiv1.Client, context.Context, string) error
}

func (p *program) nodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Make, read, change and end the nodes of organizations, and carry out operations at them",
		Example: `  gatehouse node create web --parent acme --level project
  gatehouse node setting set acme/web visibility public
  gatehouse node operate bank/retail create_project loans`,
	}
	r := addRemote(cmd)
	node := nodeNoun{noun: "node", arg: "NODE", like: "acme/web", get: (*apiv1.Client).GetNode, create: (*apiv1.Client).CreateNode, end: (*apiv1.Client).DeleteNode}
	return noun(cmd,
		p.nodeListCommand(r), p.placeShowCommand(r, node), p.placeCreateCommand(r, node), p.placeUpdateCommand(r, node), p.placeDeleteCommand(r, node),
		p.settingCommand(r), p.nodeOperationsCommand(r), p.nodeOperateCommand(r),
	)
}

func (p *program) nodeListCommand(r *remote) *cobra.Command {
	var parent string
	list := listing[apiv1.Node]{
		short:   "List the nodes right below one",
		example: "  gatehouse node list acme --output json",
		list: func(api *apiv1.Client, ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Node], error) {
			return api.ListNodes(ctx, parent, o)
		},
		head: []string{"PATH", "ID", "LEVEL", "STATE", "DISPLAY NAME"},
		row: func(n apiv1.Node) []string {
			return []string{n.Path, n.ID, n.Level, stateOf(n.Disabled), n.DisplayName}
		},
	}
	return list.at(p, r, &parent)
}

func (p *program) placeShowCommand(r *remote, of nodeNoun) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show " + of.arg, Short: "Print one by its path or id", Args: cobra.ExactArgs(1), Aliases: []string{"get"},
		Example: fmt.Sprintf("  gatehouse %s show %s --output yaml", of.noun, of.like),
	}
	return reads(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (apiv1.Node, error) {
		return of.get(api, ctx, args[0])
	}, nodeTable)
}

// nodeTable has a row for each thing that a node has.
func nodeTable(n apiv1.Node) table {
	t := table{head: []string{"FIELD", "VALUE"}}
	add := func(name, value string) {
		if value != "" {
			t.rows = append(t.rows, []string{name, value})
		}
	}
	add("path", n.Path)
	add("id", n.ID)
	add("level", n.Level)
	add("kind", n.Kind)
	add("model", n.Model)
	add("state", stateOf(n.Disabled))
	add("display name", n.DisplayName)
	for _, name := range slices.Sorted(maps.Keys(n.Settings)) {
		add("setting "+name, n.Settings[name])
	}
	if n.Seats > 0 {
		add("seats", strconv.Itoa(n.Seats))
	}
	add("created", when(n.CreatedAt))
	return t
}

func (p *program) placeCreateCommand(r *remote, of nodeNoun) *cobra.Command {
	var n apiv1.NewNode
	var assign []string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make one", Args: cobra.ExactArgs(1),
		Example: fmt.Sprintf("  gatehouse %s create %s --assign alice=owner", of.noun, of.like[strings.LastIndexByte(of.like, '/')+1:]),
	}
	flags := cmd.Flags()
	flags.StringVar(&n.Parent, "parent", "", "path or id of the node above (default: it stands alone)")
	flags.StringVar(&n.DisplayName, "display-name", "", "what people read")
	flags.StringVar(&n.Model, "model", "", "access model, of what stands alone")
	flags.IntVar(&n.Seats, "seats", 0, "how many seats it has (default: not limited)")
	flags.StringToStringVar(&n.Settings, "set", nil, "setting as NAME=VALUE; may be repeated")
	flags.StringArrayVar(&assign, "assign", nil, "who holds what from the start, as USER=ROLE; may be repeated")
	if of.noun == "node" {
		flags.StringVar(&n.Level, "level", "", "level of the access model (default: organization)")
		flags.StringVar(&n.Kind, "kind", "", "one of the level's kinds, where it has several")
	}
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		n.Name = args[0]
		for _, a := range assign {
			user, role, ok := strings.Cut(a, "=")
			if !ok || user == "" || role == "" {
				return "", usagef("--assign %q: want USER=ROLE", a)
			}
			n.Assignments = append(n.Assignments, apiv1.Assignment{User: user, Role: role})
		}
		made, err := of.create(api, ctx, n)
		return fmt.Sprintf("%s %s is made", made.Level, made.Path), err
	})
}

func (p *program) placeUpdateCommand(r *remote, of nodeNoun) *cobra.Command {
	var want apiv1.NodeChange
	var unset []string
	cmd := &cobra.Command{
		Use: "update " + of.arg, Short: "Change what is named, and leave the rest as it is", Args: cobra.ExactArgs(1),
		Example: fmt.Sprintf("  gatehouse %s update %s --display-name \"New name\"", of.noun, of.like),
	}
	flags := cmd.Flags()
	flags.StringVar(&want.Name, "name", "", "new name")
	flags.StringVar(&want.DisplayName, "display-name", "", "what people read")
	flags.IntVar(&want.Seats, "seats", 0, "how many seats it has, 0 for any number")
	flags.BoolVar(&want.Disabled, "disabled", false, "whether nobody gets a token for it or below it")
	flags.StringToStringVar(&want.Settings, "set", nil, "setting as NAME=VALUE; may be repeated")
	flags.StringArrayVar(&unset, "unset", nil, "setting to take back; may be repeated")
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		if !slices.ContainsFunc([]string{"name", "display-name", "seats", "disabled", "set", "unset"}, flags.Changed) {
			return "", usagef("nothing to change is named")
		}
		n, err := of.get(api, ctx, args[0])
		if err != nil {
			return "", err
		}
		c := apiv1.NodeChange{Name: want.Name, NodeSpec: n.NodeSpec}
		if flags.Changed("display-name") {
			c.DisplayName = want.DisplayName
		}
		if flags.Changed("seats") {
			c.Seats = want.Seats
		}
		if flags.Changed("disabled") {
			c.Disabled = want.Disabled
		}
		if c.Settings == nil {
			c.Settings = make(map[string]string)
		}
		maps.Copy(c.Settings, want.Settings)
		for _, name := range unset {
			delete(c.Settings, name)
		}
		n, err = api.ChangeNode(ctx, n.ID, c, n.ETag)
		return fmt.Sprintf("%s %s is changed", n.Level, n.Path), err
	})
}

func (p *program) placeDeleteCommand(r *remote, of nodeNoun) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete " + of.arg, Short: "End one without nodes, clients and groups; whoever holds a role at it loses it", Args: cobra.ExactArgs(1),
		Example: fmt.Sprintf("  gatehouse %s delete %s", of.noun, of.like),
	}
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		return fmt.Sprintf("%s is deleted", args[0]), of.end(api, ctx, args[0])
	})
}

func (p *program) nodeOperationsCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "operations NODE", Short: "List the operations at a node, and whether you may carry them out", Args: cobra.ExactArgs(1),
		Example: "  gatehouse node operations bank/retail",
	}
	return reads(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) ([]apiv1.Operation, error) {
		page, err := api.ListOperations(ctx, args[0])
		return page.Items, err
	}, func(operations []apiv1.Operation) table {
		t := table{head: []string{"OPERATION", "ALLOWED", "CREATES", "CREATOR GETS"}}
		for _, o := range operations {
			t.rows = append(t.rows, []string{o.Name, strconv.FormatBool(o.Allowed), dash(o.Creates), dash(o.CreatorGets)})
		}
		return t
	})
}

func (p *program) nodeOperateCommand(r *remote) *cobra.Command {
	var o apiv1.NewOperation
	cmd := &cobra.Command{
		Use: "operate NODE OPERATION [NAME]", Short: "Carry out an operation of the access model at a node", Args: cobra.RangeArgs(2, 3),
		Example: "  gatehouse node operate bank/retail create_project loans",
	}
	cmd.Flags().StringVar(&o.DisplayName, "display-name", "", "of the node that it makes")
	return does(p, r, cmd, func(api *apiv1.Client, ctx context.Context, args []string) (string, error) {
		if len(args) == 3 {
			o.Name = args[2]
		}
		done, err := api.Operate(ctx, args[0], args[1], o)
		switch {
		case err != nil:
			return "", err
		case done.Node == nil:
			return fmt.Sprintf("%s is allowed at %s", args[1], args[0]), nil
		case done.Role == "":
			return fmt.Sprintf("%s %s is made", done.Node.Level, done.Node.Path), nil
		}
		return fmt.Sprintf("%s %s is made, and you are its %s", done.Node.Level, done.Node.Path, done.Role), nil
	})
}
