package apiv1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The bounds of a stream of documents.
const (
	maxStream    = 64 << 20
	maxDocuments = 100_000
)

// A Fault is one thing that is wrong with a stream of documents.
type Fault struct {
	File    string
	Line    int    // 0 when it is not known
	Path    string // "spec.grantTypes[0]", "" for the document as a whole
	Message string
}

// String returns "file:line: path: message".
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		b.WriteString(":" + strconv.Itoa(f.Line))
	}
	if f.Path != "" {
		b.WriteString(": " + f.Path)
	}
	b.WriteString(": " + f.Message)
	return b.String()
}

// Faults is everything that is wrong with a stream of documents: nothing of it was taken.
type Faults []Fault

// Error has a line for each fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// ParseDocuments reads a stream of YAML documents. name is what faults call the stream: its file. Unknown fields, repeated keys
// and documents, wrong types, anchors and aliases are refused; the error is Faults, all of them at once.
func ParseDocuments(name string, r io.Reader) ([]Document, error) {
	src, err := io.ReadAll(io.LimitReader(r, maxStream+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	d := &decoder{name: name, src: src}
	switch {
	case len(src) > maxStream:
		return nil, Faults{{File: name, Message: fmt.Sprintf("is longer than %d MiB", maxStream>>20)}}
	case !utf8.Valid(src):
		return nil, Faults{{File: name, Message: "is not UTF-8"}}
	}
	var docs []Document
	seen := make(map[string]int)
	for dec := yaml.NewDecoder(bytes.NewReader(src)); ; {
		var root yaml.Node
		err := dec.Decode(&root)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			d.faults = append(d.faults, syntaxFault(name, err)) // and nothing behind it can be read
			break
		}
		if len(root.Content) == 0 || root.Content[0].Tag == "!!null" {
			continue // nothing between two separators
		}
		if len(docs) == maxDocuments {
			d.fault(root.Content[0].Line, "", "more than %d documents", maxDocuments)
			break
		}
		doc, ok := d.document(root.Content[0])
		if !ok {
			continue
		}
		if first, ok := seen[doc.String()]; ok {
			d.fault(root.Content[0].Line, "", "%s stands on line %d already", &doc, first)
			continue
		}
		seen[doc.String()] = root.Content[0].Line
		docs = append(docs, doc)
	}
	if len(d.faults) > 0 {
		return nil, Faults(d.faults)
	}
	return docs, nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func syntaxFault(name string, err error) Fault {
	f := Fault{File: name, Message: err.Error()}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		f.Line, _ = strconv.Atoi(m[1]) // no line is line 0
		f.Message = m[2]
	}
	return f
}

// document decodes one document; false when it has faults.
func (d *decoder) document(n *yaml.Node) (Document, bool) {
	before := len(d.faults)
	doc := Document{source: d.name + ":" + strconv.Itoa(n.Line)}
	var spec *yaml.Node
	lines := make(map[string]int)
	d.each(n, "", func(key, at string, line int, value *yaml.Node) {
		lines[key] = line
		switch key {
		case "kind":
			d.value(value, at, reflect.ValueOf(&doc.Kind).Elem(), 0)
		case "metadata":
			d.value(value, at, reflect.ValueOf(&doc.Metadata).Elem(), 0)
		case "spec":
			spec = value
		default:
			d.fault(line, at, "no such field")
		}
	})
	line := func(key string) int { return max(lines[key], n.Line) }
	doc.Spec = newSpec(doc.Kind)
	if doc.Spec == nil {
		if len(d.faults) == before || doc.Kind != "" {
			d.fault(line("kind"), "kind", "want one of %s", strings.Join(Kinds(), ", "))
		}
		return doc, false
	}
	switch model, ok := doc.Spec.(*ModelSpec); {
	case ok && spec == nil:
		d.fault(n.Line, "spec", "required: the access model")
	case ok:
		next := 0
		for _, l := range lines {
			if l > lines["spec"] && (next == 0 || l < next) {
				next = l
			}
		}
		d.model(spec, next, model)
	case spec != nil:
		d.value(spec, "spec", reflect.ValueOf(doc.Spec).Elem(), 0)
	}
	for _, f := range checkMetadata(&doc) {
		d.fault(line("metadata"), f.Path, "%s", f.Detail)
	}
	return doc, len(d.faults) == before
}

// checkMetadata says which names the kind lacks or does not have.
func checkMetadata(d *Document) (faults []FieldError) {
	fault := func(path, detail string) { faults = append(faults, FieldError{Path: path, Detail: detail}) }
	if d.Metadata.Name == "" {
		fault("metadata.name", "required")
	}
	if d.Metadata.Parent != "" && !slices.Contains([]string{KindOrganization, KindNode, KindCustomRole, KindGroup}, d.Kind) {
		fault("metadata.parent", "a "+d.Kind+" has none")
	}
	if d.Metadata.Organization != "" && d.Kind != KindClient {
		fault("metadata.organization", "only a Client has one")
	}
	if d.Metadata.Parent == "" && d.Kind == KindGroup {
		fault("metadata.parent", "required: the node that the group belongs to")
	}
	if d.Metadata.Parent == "" && d.Kind == KindCustomRole {
		fault("metadata.parent", "required: the node that defines the role")
	}
	if n, ok := d.Spec.(*NodeDoc); ok {
		if d.Kind == KindOrganization && n.Level != "" {
			fault("spec.level", "an Organization is at level organization")
		}
		if d.Kind == KindNode && n.Level == "" {
			fault("spec.level", "required")
		}
	}
	return faults
}
