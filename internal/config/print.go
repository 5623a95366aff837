package config

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Print writes the configuration in effect as a file that Load reads, with passwords redacted and a remark at each value that
// is no default saying where it came from.
func (c *Config) Print(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	section, name := root, ""
	for _, f := range fieldsOf(c) {
		texts := f.texts()
		if !f.isList() && texts[0] == "" {
			continue
		}
		prefix, key, inSection := strings.Cut(f.key, ".")
		switch {
		case !inSection:
			section, name, key = root, "", f.key
		case prefix != name:
			section, name = &yaml.Node{Kind: yaml.MappingNode}, prefix
			root.Content = append(root.Content, scalar(prefix), section)
		}
		section.Content = append(section.Content, scalar(key), f.node(texts, c.origins[f.key]))
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return encoder.Close()
}

func (f field) node(texts []string, origin string) *yaml.Node {
	value := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, text := range texts {
		value.Content = append(value.Content, scalar(text))
	}
	if !f.isList() {
		value = value.Content[0]
	}
	if origin != "" {
		value.LineComment = "from " + origin
	}
	return value
}

func scalar(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }
