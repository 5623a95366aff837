package apiv1

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Document is one resource of configuration as code.
type Document struct {
	Kind     string   `json:"kind" yaml:"kind"`
	Metadata Metadata `json:"metadata" yaml:"metadata"`
	Spec     Spec     `json:"spec" yaml:"spec"` // of the type that Kind says

	source string // "file:line" of its first line, "" when it was not read from one
}

// Metadata names a resource. Parent is the path of the node above, of an Organization, Node, CustomRole or Group; Organization is the path
// of the organization that a Client belongs to.
type Metadata struct {
	Name         string `json:"name" yaml:"name"`
	Parent       string `json:"parent,omitempty" yaml:"parent,omitempty"`
	Organization string `json:"organization,omitempty" yaml:"organization,omitempty"`
}

// A Spec is what a document says of its resource: one of *AudienceSpec, *UserSpec, *ModelSpec, *NodeDoc, *CustomRoleSpec,
// *GroupSpec, *ClientSpec and *ConnectorSpec.
type Spec interface{ spec() }

func (*AudienceSpec) spec()   {}
func (*UserSpec) spec()       {}
func (*ModelSpec) spec()      {}
func (*NodeDoc) spec()        {}
func (*CustomRoleSpec) spec() {}
func (*GroupSpec) spec()      {}
func (*ClientSpec) spec()     {}
func (*ConnectorSpec) spec()  {}

// The kinds of document, in the order in which they are applied.
const (
	KindAudience     = "Audience"
	KindUser         = "User"
	KindModel        = "Model"
	KindOrganization = "Organization"
	KindNode         = "Node"
	KindCustomRole   = "CustomRole"
	KindGroup        = "Group"
	KindClient       = "Client"
	KindConnector    = "Connector"
)

// Kinds returns the kinds of document in the order in which they are applied: each refers only to those before it.
func Kinds() []string {
	return []string{KindAudience, KindUser, KindModel, KindOrganization, KindNode, KindCustomRole, KindGroup, KindClient, KindConnector}
}

func newSpec(kind string) Spec {
	switch kind {
	case KindAudience:
		return new(AudienceSpec)
	case KindUser:
		return new(UserSpec)
	case KindModel:
		return new(ModelSpec)
	case KindOrganization, KindNode:
		return new(NodeDoc)
	case KindCustomRole:
		return new(CustomRoleSpec)
	case KindGroup:
		return new(GroupSpec)
	case KindClient:
		return new(ClientSpec)
	case KindConnector:
		return new(ConnectorSpec)
	}
	return nil
}

// Path returns the name of the resource with what is above it, unique among those of its kind: "acme/web".
func (d *Document) Path() string {
	switch {
	case d.Metadata.Parent != "" && d.Kind != KindOrganization:
		return d.Metadata.Parent + "/" + d.Metadata.Name
	case d.Metadata.Organization != "":
		return d.Metadata.Organization + "/" + d.Metadata.Name
	}
	return d.Metadata.Name
}

// String returns kind and path, as in "Client acme/release".
func (d *Document) String() string { return d.Kind + " " + d.Path() }

// UnmarshalJSON refuses unknown kinds and unknown fields.
func (d *Document) UnmarshalJSON(data []byte) error {
	var head struct {
		Kind     string          `json:"kind"`
		Metadata Metadata        `json:"metadata"`
		Spec     json.RawMessage `json:"spec"`
	}
	if err := strict(data, &head); err != nil {
		return err
	}
	d.Kind, d.Metadata, d.Spec = head.Kind, head.Metadata, newSpec(head.Kind)
	if d.Spec == nil {
		return fmt.Errorf("kind %.40q: want one of %s", head.Kind, strings.Join(Kinds(), ", "))
	}
	if len(head.Spec) == 0 {
		return nil
	}
	if err := strict(head.Spec, d.Spec); err != nil {
		return fmt.Errorf("%s: %w", d, err)
	}
	return nil
}

func strict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("%s: want %s, got %s", wrong.Field, article(wrong.Type), wrong.Value)
	case err != nil && strings.HasPrefix(err.Error(), "json: unknown field "):
		return fmt.Errorf("no such field: %s", strings.TrimPrefix(err.Error(), "json: unknown field "))
	}
	return err
}

func article(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "text"
}

// WriteDocuments writes documents as a YAML stream that ParseDocuments reads.
func WriteDocuments(w io.Writer, docs []Document) error {
	if len(docs) == 0 {
		return nil // the encoder fails when it has nothing to end
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	for i := range docs {
		if err := enc.Encode(&docs[i]); err != nil {
			return fmt.Errorf("write %s: %w", &docs[i], err)
		}
	}
	return enc.Close()
}

// SortDocuments puts documents into the order in which they are applied: by kind, parents before what is below them.
func SortDocuments(docs []Document) {
	parents := make(map[string]string)
	for i := range docs {
		if isNode(docs[i].Kind) {
			parents[docs[i].Path()] = docs[i].Metadata.Parent
		}
	}
	depth := func(d *Document) (n int) {
		for at := d.Metadata.Parent; at != "" && n <= len(parents); at = parents[at] { // bounded: a cycle is found when it is planned
			n++
		}
		return n
	}
	kinds := Kinds()
	place := func(d *Document) int {
		if isNode(d.Kind) {
			return slices.Index(kinds, KindNode) // an organization may stand below a node
		}
		return slices.Index(kinds, d.Kind)
	}
	slices.SortStableFunc(docs, func(a, b Document) int {
		return cmp.Or(cmp.Compare(place(&a), place(&b)), cmp.Compare(depth(&a), depth(&b)))
	})
}

func isNode(kind string) bool { return kind == KindOrganization || kind == KindNode }
