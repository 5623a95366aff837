package access

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// A reader walks a YAML tree into a schema. It never follows an alias, so a small file cannot grow, and it collects faults instead
// of stopping at the first. Where each path stands is kept for the checks that come after reading.
type reader struct {
	lines  map[string]int
	faults []fault
}

type fault struct {
	line   int
	path   string
	reason string
}

// fault notes that what stands at path, or failing that at the nearest path around it, is wrong.
func (r *reader) fault(path, format string, args ...any) {
	at := path
	for r.lines[at] == 0 && at != "" {
		at = enclosing(at)
	}
	r.faultAt(max(r.lines[at], 1), path, format, args...)
}

func (r *reader) faultAt(line int, path, format string, args ...any) {
	r.faults = append(r.faults, fault{line, path, fmt.Sprintf(format, args...)})
}

func enclosing(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// fields is the handler of each key that a mapping may have.
type fields map[string]func(n *yaml.Node, path string)

// object hands the values of a mapping to their handlers and refuses keys that have none.
func (r *reader) object(n *yaml.Node, path string, known fields) {
	r.each(n, path, func(key, path string, v *yaml.Node) {
		if read, ok := known[key]; ok {
			read(v, path)
			return
		}
		r.fault(path, "no such field")
	})
}

// each calls visit for the entries of a mapping in file order, once per key.
func (r *reader) each(n *yaml.Node, path string, visit func(key, path string, v *yaml.Node)) {
	if !r.is(n, path, yaml.MappingNode, "a mapping") {
		return
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Tag != "!!str" || k.Anchor != "" {
			r.faultAt(k.Line, path, "a key must be a plain string")
			continue
		}
		at := join(path, k.Value)
		if seen[k.Value] {
			r.faultAt(k.Line, at, "duplicate: it stands on line %d already", r.lines[at])
			continue
		}
		seen[k.Value] = true
		r.lines[at] = k.Line
		visit(k.Value, at, v)
	}
}

// items calls visit for the elements of a sequence.
func (r *reader) items(n *yaml.Node, path string, visit func(path string, v *yaml.Node)) {
	if !r.is(n, path, yaml.SequenceNode, "a list") {
		return
	}
	for i, v := range n.Content {
		at := path + "[" + strconv.Itoa(i) + "]"
		r.lines[at] = v.Line
		visit(at, v)
	}
}

func (r *reader) is(n *yaml.Node, path string, kind yaml.Kind, want string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.faultAt(n.Line, path, "anchors and aliases are not accepted: write it out")
	case n.Kind != kind:
		r.faultAt(n.Line, path, "want %s", want)
	default:
		return true
	}
	return false
}

func (r *reader) scalar(n *yaml.Node, path, tag, want string) (string, bool) {
	if !r.is(n, path, yaml.ScalarNode, want) {
		return "", false
	}
	if n.Tag != tag {
		r.faultAt(n.Line, path, "want %s, got %.40q", want, n.Value)
		return "", false
	}
	return n.Value, true
}

func (r *reader) text(n *yaml.Node, path string) string {
	s, ok := r.scalar(n, path, "!!str", "a string")
	if ok && (s == "" || len(s) > maxText) {
		r.faultAt(n.Line, path, "want 1 to %d bytes, got %d", maxText, len(s))
	}
	return s
}

func (r *reader) flag(n *yaml.Node, path string) bool {
	s, ok := r.scalar(n, path, "!!bool", "true or false")
	if !ok {
		return false
	}
	switch s {
	case "true":
		return true
	case "false":
		return false
	}
	r.faultAt(n.Line, path, "want true or false, got %.40q", s)
	return false
}

func (r *reader) count(n *yaml.Node, path string) int {
	s, ok := r.scalar(n, path, "!!int", "a number")
	if !ok {
		return 0
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < 0 || v > maxCount {
		r.faultAt(n.Line, path, "want a number from 0 to %d, got %.40q", maxCount, s)
		return 0
	}
	return v
}

// name reads an identifier of the model: what may stand in a claim, a URL and a key without quoting.
func name[T ~string](r *reader, n *yaml.Node, path string) T {
	s, ok := r.scalar(n, path, "!!str", "a name")
	if ok && !validName(s) {
		r.faultAt(n.Line, path, "%.40q is not a name: want 1 to %d of A-Z a-z 0-9 _ - and a letter first", s, maxName)
	}
	return T(s)
}

// names reads one name, or a list of names without repetition.
func names[T ~string](r *reader, n *yaml.Node, path string) []T {
	if n.Kind == yaml.ScalarNode {
		return []T{name[T](r, n, path)}
	}
	var out []T
	seen := make(map[T]bool, len(n.Content))
	r.items(n, path, func(at string, v *yaml.Node) {
		id := name[T](r, v, at)
		if seen[id] {
			r.fault(at, "duplicate: %q is in this list already", id)
			return
		}
		seen[id] = true
		out = append(out, id)
	})
	return out
}

func validName(s string) bool {
	if s == "" || len(s) > maxName || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// into makes a handler that stores what read returns.
func into[T any](dst *T, read func(n *yaml.Node, path string) T) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) { *dst = read(n, path) }
}
