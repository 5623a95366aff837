package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds the configuration and each file that holds a secret, in bytes.
const maxFile = 1 << 20

// Load returns the configuration of a file ("" for none), overridden by the environment ("NAME=value", as os.Environ returns
// it), overridden by flags ("key=value"). A variable that is set and empty counts as not set. The error is Faults, all of them.
func Load(path string, environ []string, flags ...string) (*Config, error) {
	l := &loader{
		config: &Config{origins: make(map[string]string)},
		bad:    make(map[string]bool),
	}
	l.fields = fieldsOf(l.config)
	l.origins = l.config.origins
	for _, f := range l.fields {
		if text := f.tag.Get("default"); text != "" {
			l.set(f, "", split(f, text)...)
		}
	}
	if path != "" {
		l.readFile(path)
	}
	l.readEnvironment(environ)
	l.readFlags(flags)
	l.check()
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	return l.config, nil
}

// A loader is one call of Load.
type loader struct {
	config  *Config
	fields  []field
	origins map[string]string // config.origins
	faults  Faults
	bad     map[string]bool // keys with a fault: nothing more is concluded from their values
}

func (l *loader) fault(key, format string, args ...any) {
	l.bad[key] = true
	l.faults = append(l.faults, Fault{Key: key, Message: fmt.Sprintf(format, args...)})
}

func (l *loader) warn(format string, args ...any) {
	l.config.warnings = append(l.config.warnings, fmt.Sprintf(format, args...))
}

func (l *loader) field(key string) (field, bool) {
	i := slices.IndexFunc(l.fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return field{}, false
	}
	return l.fields[i], true
}

func (l *loader) isSection(key string) bool {
	return slices.ContainsFunc(l.fields, func(f field) bool { return strings.HasPrefix(f.key, key+".") })
}

func (l *loader) set(f field, origin string, texts ...string) {
	if wrong := f.set(texts...); wrong != "" {
		if origin != "" && origin != inFile {
			wrong += " (in " + origin + ")"
		}
		l.fault(f.key, "%s", wrong)
		return
	}
	if origin != "" {
		l.origins[f.key] = origin
	}
}

// split takes a value on one line apart if the field is a list.
func split(f field, text string) []string {
	if f.isList() {
		return strings.Split(text, ",")
	}
	return []string{text}
}

const inFile = "file"

func (l *loader) readFile(path string) {
	text, err := readBounded(path)
	if err != nil {
		l.fault("", "configuration file %s: %v", path, err)
		return
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF): // nothing but comments
		return
	case err != nil:
		l.fault("", "configuration file %s: %v", path, err)
		return
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		l.fault("", "configuration file %s: holds more than one document: want one (what apply reads is not configuration)", path)
		return
	}
	l.readSection(document.Content[0], "")
	if l.origins["store"] == inFile && l.config.Store.hasPassword() && readableByOthers(path) {
		l.warn("store: others may read its password in %s: chmod 600 it, or use GATEHOUSE_STORE_FILE", path)
	}
}

// readSection reads a mapping. Only plain values are taken: an alias or a merge would hide what a key says.
func (l *loader) readSection(section *yaml.Node, prefix string) {
	key := strings.TrimSuffix(prefix, ".")
	if section.Kind == yaml.ScalarNode && section.Tag == "!!null" {
		return // a section all of whose keys are commented out
	}
	if section.Kind != yaml.MappingNode {
		l.fault(key, "line %d: want keys with values below it", section.Line)
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(section.Content); i += 2 {
		name, value := section.Content[i], section.Content[i+1]
		key := prefix + name.Value
		f, isField := l.field(key)
		switch {
		case name.Kind != yaml.ScalarNode || !isField && !l.isSection(key):
			l.fault(prefix+quoteKey(name), "line %d: is unknown%s", name.Line, l.nearest(key))
		case seen[key]:
			l.fault(key, "line %d: is there twice", name.Line)
		case isField:
			l.readValue(f, value)
		default:
			l.readSection(value, key+".")
		}
		seen[key] = true
	}
}

func (l *loader) readValue(f field, value *yaml.Node) {
	isScalar := func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag != "!!null" }
	switch {
	case f.isList() && value.Kind == yaml.SequenceNode:
		texts := make([]string, len(value.Content))
		for i, item := range value.Content {
			if !isScalar(item) {
				l.fault(f.key, "line %d: want plain values in the list", item.Line)
				return
			}
			texts[i] = item.Value
		}
		l.set(f, inFile, texts...)
	case f.isList():
		l.fault(f.key, "line %d: want a list, as in [a, b]", value.Line)
	case !isScalar(value) || value.Value == "":
		l.fault(f.key, "line %d: has no value: write one or leave the key out", value.Line)
	default:
		l.set(f, inFile, value.Value)
	}
}

// quoteKey shows a key that may be anything, a mapping too.
func quoteKey(name *yaml.Node) string {
	if name.Kind != yaml.ScalarNode {
		return "?"
	}
	return strings.Trim(quote(name.Value), `"`)
}

// nearest names the key that was probably meant: the same letters in another spelling (snake case, another section).
func (l *loader) nearest(key string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s[strings.LastIndexByte(s, '.')+1:]))
	}
	for _, f := range l.fields {
		if plain(f.key) == plain(key) {
			return ": did you mean " + f.key + "?"
		}
	}
	return ""
}

func (l *loader) readFlags(flags []string) {
	for _, flag := range flags {
		key, text, _ := strings.Cut(flag, "=")
		f, ok := l.field(key)
		switch {
		case !ok:
			l.fault(strings.Trim(quote(key), `"`), "is unknown%s", l.nearest(key))
		case text == "":
			l.fault(key, "has no value on the command line")
		default:
			l.set(f, "command line", split(f, text)...)
		}
	}
}

// readBounded reads a file; its error does not repeat the path.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
			return nil, pathErr.Err
		}
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errors.New("is larger than 1 MiB")
	}
	return text, err
}
