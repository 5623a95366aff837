package apiv1

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A decoder turns YAML into the structs of this package and collects every fault with its place. It follows no alias, so a
// small file cannot grow, and refuses what YAML libraries forgive: unknown and repeated keys, numbers where text is meant.
type decoder struct {
	name   string
	src    []byte
	faults []Fault
}

// maxDepth is deeper than any document is meant to be.
const maxDepth = 32

func (d *decoder) fault(line int, path, format string, args ...any) {
	d.faults = append(d.faults, Fault{File: d.name, Line: line, Path: path, Message: fmt.Sprintf(format, args...)})
}

// value decodes n into v, which can be set.
func (d *decoder) value(n *yaml.Node, path string, v reflect.Value, depth int) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fault(n.Line, path, "anchors and aliases are not accepted: write it out")
		return
	case depth > maxDepth:
		d.fault(n.Line, path, "nested more than %d deep", maxDepth)
		return
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return // as if it were not there
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, path, v.Elem(), depth)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := d.scalar(n, path, "", "text"); ok {
			if err := u.UnmarshalText([]byte(text)); err != nil {
				d.fault(n.Line, path, "%s", textFault(v, text, err))
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, path, v, depth)
	case reflect.Slice:
		d.list(n, path, v, depth)
	case reflect.Map:
		d.mapping(n, path, v, depth)
	case reflect.String:
		if text, ok := d.scalar(n, path, "!!str", "text"); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		if text, ok := d.scalar(n, path, "!!bool", "true or false"); ok {
			v.SetBool(strings.EqualFold(text, "true"))
		}
	case reflect.Int:
		if text, ok := d.scalar(n, path, "!!int", "a number"); ok {
			i, err := strconv.ParseInt(text, 10, strconv.IntSize)
			if err != nil {
				d.fault(n.Line, path, "%.40q is no number of at most %d bits", text, strconv.IntSize)
			}
			v.SetInt(i)
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(d.free(n, path, depth)))
	default:
		panic("apiv1: no document has a " + v.Type().String())
	}
}

func textFault(v reflect.Value, text string, err error) string {
	if _, ok := v.Interface().(time.Time); ok {
		return fmt.Sprintf("%.40q is not a time such as 2027-01-31T00:00:00Z", text)
	}
	return err.Error()
}

// scalar returns the text of a scalar; tag "" accepts any.
func (d *decoder) scalar(n *yaml.Node, path, tag, want string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fault(n.Line, path, "want %s", want)
	case tag == "!!str" && n.Tag != tag:
		d.fault(n.Line, path, "want text: put %.40q in quotes", n.Value)
	case tag != "" && n.Tag != tag:
		d.fault(n.Line, path, "want %s, got %.40q", want, n.Value)
	case strings.ContainsRune(n.Value, 0):
		d.fault(n.Line, path, "has a NUL")
	default:
		return n.Value, true
	}
	return "", false
}

func (d *decoder) object(n *yaml.Node, path string, v reflect.Value, depth int) {
	known := make(map[string]reflect.Value)
	fieldsOf(v, known)
	d.each(n, path, func(key, at string, line int, value *yaml.Node) {
		field, ok := known[key]
		if !ok {
			d.fault(line, at, "no such field")
			return
		}
		d.value(value, at, field, depth+1)
	})
}

// fieldsOf finds the fields of a struct by their YAML names, those of inlined structs too.
func fieldsOf(v reflect.Value, known map[string]reflect.Value) {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			fieldsOf(v.Field(i), known)
		case name != "" && name != "-":
			known[name] = v.Field(i)
		}
	}
}

// each calls visit for every entry of a mapping, once per key.
func (d *decoder) each(n *yaml.Node, path string, visit func(key, at string, line int, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fault(n.Line, path, "want a mapping")
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Tag != "!!str" || k.Anchor != "" {
			d.fault(k.Line, path, "a key must be plain text")
			continue
		}
		at := k.Value
		if path != "" {
			at = path + "." + k.Value
		}
		if first, ok := seen[k.Value]; ok {
			d.fault(k.Line, at, "stands on line %d already", first)
			continue
		}
		seen[k.Value] = k.Line
		visit(k.Value, at, k.Line, n.Content[i+1])
	}
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n.Line, path, "want a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))) // an empty list is not an absent one
	for i, item := range n.Content {
		at := path + "[" + strconv.Itoa(i) + "]"
		if item.Kind == yaml.ScalarNode && item.Tag == "!!null" {
			d.fault(item.Line, at, "is empty")
			continue
		}
		d.value(item, at, v.Index(i), depth+1)
	}
}

func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	d.each(n, path, func(key, at string, _ int, value *yaml.Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(value, at, e, depth+1)
		if e.IsValid() && (e.Kind() != reflect.Interface || !e.IsNil()) {
			v.SetMapIndex(reflect.ValueOf(key), e)
		}
	})
}

// free decodes a value that may be anything that JSON can say.
func (d *decoder) free(n *yaml.Node, path string, depth int) any {
	switch n.Kind {
	case yaml.SequenceNode:
		var list []any
		d.value(n, path, reflect.ValueOf(&list).Elem(), depth)
		return list
	case yaml.MappingNode:
		var m map[string]any
		d.value(n, path, reflect.ValueOf(&m).Elem(), depth)
		return m
	}
	switch n.Tag {
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		var f float64 // as JSON has it, so that both forms compare equal
		if err := n.Decode(&f); err == nil {
			return f
		}
		d.fault(n.Line, path, "%.40q is no number that JSON can hold", n.Value)
	case "!!str", "!!timestamp": // a date is text in JSON
		return n.Value
	default:
		d.fault(n.Line, path, "want text, a number, true or false, a list or a mapping")
	}
	return ""
}
