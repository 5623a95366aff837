package token

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A DetailRequest is an element of authorization_details as a client asks for it (RFC 9396 §2): a node below the organization that
// the token speaks for.
type DetailRequest struct {
	Type       string // the node's kind, or its level
	Identifier string // its id, or its path below the organization
}

// A Detail is an element of authorization_details as it is granted (RFC 9396 §9.1): what the subject holds at a node. Identifier is
// always the path below the organization, so that nobody can name one node like the id of another and be taken for it.
type Detail struct {
	Type       string           `json:"type"`
	Identifier string           `json:"identifier"`
	Privileges []iam.RoleID     `json:"privileges"`
	Actions    []iam.Permission `json:"actions"`
}

// ParseDetails reads the parameter authorization_details. An element has a type and an identifier and nothing else: whatever would
// narrow the answer, as locations and actions would, is refused like every unknown member (RFC 9396 §5), since a client that asks
// for less must not get more.
func ParseDetails(raw string) ([]DetailRequest, error) {
	if raw == "" {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(raw))
	if err := delimiter(d, '['); err != nil {
		return nil, err
	}
	var out []DetailRequest
	for d.More() {
		r, err := parseDetail(d)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if err := delimiter(d, ']'); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errDetailsForm
	}
	return out, nil
}

var errDetailsForm = refuseDetails(`authorization_details must be a JSON array of objects with the members type and identifier, both strings: [{"type":"project","identifier":"web"}]`)

func refuseDetails(format string, args ...any) error {
	return iam.Refuse(iam.Invalid, access.CodeInvalidDetails, format, args...)
}

// parseDetail reads one element. It goes token by token because encoding/json would take a name in other letters, and a second
// value for the first.
func parseDetail(d *json.Decoder) (DetailRequest, error) {
	var r DetailRequest
	if err := delimiter(d, '{'); err != nil {
		return r, err
	}
	for d.More() {
		name, err := text(d)
		if err != nil {
			return r, err
		}
		member := map[string]*string{"type": &r.Type, "identifier": &r.Identifier}[name]
		if member == nil {
			return r, refuseDetails("authorization_details: an element has the members type and identifier, and this server knows no %.40q", name)
		}
		if *member != "" {
			return r, errDetailsForm // twice
		}
		if *member, err = text(d); err != nil {
			return r, err
		}
		if *member == "" {
			return r, errDetailsForm
		}
	}
	if r.Type == "" || r.Identifier == "" {
		return r, errDetailsForm
	}
	return r, delimiter(d, '}')
}

func delimiter(d *json.Decoder, want json.Delim) error {
	if t, err := d.Token(); err != nil || t != want {
		return errDetailsForm
	}
	return nil
}

func text(d *json.Decoder) (string, error) {
	t, err := d.Token()
	s, ok := t.(string)
	if err != nil || !ok {
		return "", errDetailsForm
	}
	return s, nil
}

// nodes resolves what was asked. Where there is no such node below the organization it is "", for which the model has the one answer
// that it has for a node that the subject may not know. Of more than a token may name none is looked up: the model refuses their number.
func (p *Policy) nodes(ctx context.Context, m *access.Model, org iam.NodeID, asked []DetailRequest) ([]iam.NodeID, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	out := make([]iam.NodeID, len(asked))
	if len(asked) > access.MaxDetails {
		return out, nil
	}
	for i, r := range asked {
		n, err := p.below(ctx, org, r.Identifier)
		if err != nil {
			return nil, err
		}
		if n != nil && isOfType(m, n, r.Type) {
			out[i] = n.ID
		}
	}
	return out, nil
}

// below finds a node below an organization by id or path, nil when there is none. An id wins over a name.
func (p *Policy) below(ctx context.Context, org iam.NodeID, identifier string) (*iam.Node, error) {
	path, err := p.Directory.Path(ctx, iam.NodeID(identifier))
	if err != nil {
		return nil, err
	}
	if len(path) > 0 {
		above, n := path[:len(path)-1], path[len(path)-1]
		if !slices.ContainsFunc(above, func(n *iam.Node) bool { return n.ID == org }) {
			return nil, nil
		}
		return n, nil
	}
	at := org
	for rest, more := identifier, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		n, err := p.Directory.NodeNamed(ctx, at, name)
		if err != nil || n == nil || !more {
			return n, err
		}
		at = n.ID
	}
	return nil, nil
}

// isOfType reports whether a type names a node's kind or its level. A name that is both means the kind, so that a library is no
// project at a level project whose kinds are project and library.
func isOfType(m *access.Model, n *iam.Node, typ string) bool {
	if n.Kind == typ {
		return true
	}
	level := m.Level(n.Level)
	return string(n.Level) == typ && (n.Kind == "" || level == nil || !slices.Contains(level.Kinds, typ))
}

// details turns the model's answer into the claim, each element with the type that was asked. What nobody asked has the node's kind
// or, where the model has none, its level.
func (p *Policy) details(ctx context.Context, org iam.NodeID, asked []DetailRequest, nodes []iam.NodeID, granted []access.Detail) ([]Detail, error) {
	if len(granted) == 0 {
		return nil, nil
	}
	out := make([]Detail, 0, len(granted))
	for _, g := range granted {
		path, err := p.Directory.Path(ctx, g.Node.ID)
		if err != nil {
			return nil, err
		}
		var names []string
		for i, n := range path {
			if n.ID == org {
				names = names[:0]
				for _, n := range path[i+1:] {
					names = append(names, n.Name)
				}
			}
		}
		typ := cmp.Or(g.Node.Kind, string(g.Node.Level))
		if i := slices.Index(nodes, g.Node.ID); i >= 0 {
			typ = asked[i].Type
		}
		out = append(out, Detail{Type: typ, Identifier: strings.Join(names, "/"), Privileges: g.Roles, Actions: g.Permissions})
	}
	return out, nil
}

// appendDetails writes the claim.
func appendDetails(b []byte, details []Detail) []byte {
	b = append(b, '[')
	for i, d := range details {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"type":`...)
		b = appendString(b, d.Type)
		b = append(b, `,"identifier":`...)
		b = appendString(b, d.Identifier)
		b = append(b, `,"privileges":`...)
		b = appendStrings(b, d.Privileges)
		b = append(b, `,"actions":`...)
		b = appendStrings(b, d.Actions)
		b = append(b, '}')
	}
	return append(b, ']')
}
