package apiv1

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The spec of a Model document is the model's file itself. It goes to the server as text, so that its faults are told by their
// lines, and its comments are kept.

// MarshalYAML makes the spec of a document from the source.
func (s *ModelSpec) MarshalYAML() (any, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(s.Source), &root); err != nil {
		return nil, fmt.Errorf("the source is no YAML: %w", err)
	}
	if len(root.Content) == 0 {
		return nil, fmt.Errorf("the source is empty")
	}
	return root.Content[0], nil
}

// model takes the text of a spec out of the stream: the lines of the block that n is, without their indentation. What is not a
// block of lines of its own, as in {model: gears, …}, is written anew.
func (d *decoder) model(n *yaml.Node, next int, spec *ModelSpec) {
	if n.Kind != yaml.MappingNode {
		d.fault(n.Line, "spec", "want the access model: a mapping")
		return
	}
	if text, ok := d.block(n, next); ok {
		spec.Source, spec.Line = text, n.Line
		return
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		d.fault(n.Line, "spec", "%s", err)
		return
	}
	spec.Source = string(text)
}

// block returns the lines of a block mapping, which end before line next; 0: at the end of the document.
func (d *decoder) block(n *yaml.Node, next int) (string, bool) {
	if n.Style&yaml.FlowStyle != 0 || n.Anchor != "" {
		return "", false
	}
	lines := strings.SplitAfter(string(d.src), "\n")
	var text strings.Builder
	for i := n.Line - 1; i < len(lines) && (next == 0 || i < next-1); i++ {
		line := lines[i]
		if i >= n.Line && (strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...")) {
			break
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		text.WriteString(line[min(indent, n.Column-1):])
	}
	var back yaml.Node
	if err := yaml.Unmarshal([]byte(text.String()), &back); err != nil || len(back.Content) != 1 {
		return "", false
	}
	was, errWas := plainText(n)
	is, errIs := plainText(back.Content[0])
	return text.String(), errWas == nil && errIs == nil && bytes.Equal(was, is)
}

// plainText is what a node says, comments apart.
func plainText(n *yaml.Node) ([]byte, error) {
	var strip func(n *yaml.Node) *yaml.Node
	strip = func(n *yaml.Node) *yaml.Node {
		c := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style, Anchor: n.Anchor}
		if n.Kind == yaml.AliasNode {
			c.Kind, c.Tag, c.Value = yaml.ScalarNode, "!!str", "*"+n.Value // an alias is refused later: it need not be followed
		}
		for _, child := range n.Content {
			c.Content = append(c.Content, strip(child))
		}
		return c
	}
	return yaml.Marshal(strip(n))
}
