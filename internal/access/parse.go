package access

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// The limits of a model. They keep evaluation in fixed-size sets and a hostile file cheap to refuse.
const (
	maxSource      = 256 << 10
	maxLevels      = 8
	maxRoles       = 64
	maxPermissions = 256
	maxLayers      = 16
	maxName        = 63
	maxText        = 512
	maxCount       = 1_000_000
	maxFaults      = 100
)

// A Fault is something in the source of a model that cannot be.
type Fault struct {
	Line   int
	Path   string // as in levels.organization.roles.owner, "" for the file as a whole
	Reason string
}

// Parse reads and checks a model. name says where src comes from and stands before the line in every fault. The error is an
// *iam.Error of kind Invalid and code "invalid_model" with one field per fault: all faults that can be told at once, by line.
func Parse(name string, src []byte) (*Model, error) {
	m, faults := parse(src)
	if len(faults) > 0 {
		return nil, refuseModel(name, faults)
	}
	return m, nil
}

// Faults returns what Parse finds wrong with a source, by line, for those who show it in their own way.
func Faults(src []byte) []Fault {
	_, faults := parse(src)
	out := make([]Fault, 0, len(faults))
	for _, f := range sorted(faults) {
		out = append(out, Fault{Line: f.line, Path: f.path, Reason: f.reason})
	}
	return out[:min(len(out), maxFaults)]
}

func parse(src []byte) (*Model, []fault) {
	if len(src) > maxSource {
		return nil, []fault{{1, "", "the file is longer than 256 KiB"}}
	}
	doc, faults := readDocument(src)
	if faults != nil {
		return nil, faults
	}
	r := &reader{lines: map[string]int{}}
	var s Schema
	r.schema(doc, &s)
	if len(r.faults) > 0 {
		// What could not be read would only raise faults that are none.
		return nil, r.faults
	}
	return compile(r, s), r.faults
}

func sorted(faults []fault) []fault {
	slices.SortStableFunc(faults, func(a, b fault) int { return cmp.Compare(a.line, b.line) })
	return faults
}

// readDocument returns the only document of src.
func readDocument(src []byte) (*yaml.Node, []fault) {
	d := yaml.NewDecoder(bytes.NewReader(src))
	var doc, next yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, []fault{{1, "", "the file is empty"}}
	case err != nil:
		return nil, syntaxFault(err)
	}
	switch err := d.Decode(&next); {
	case err == nil:
		return nil, []fault{{next.Line, "", "a second document begins here: a file holds one model"}}
	case !errors.Is(err, io.EOF):
		return nil, syntaxFault(err)
	}
	return doc.Content[0], nil
}

// syntaxFault reads the line out of a syntax error, which carries it only in its text.
func syntaxFault(err error) []fault {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, reason, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			line, text = n, reason
		}
	}
	// Errors of the library's parser, unlike those of its scanner, count lines from zero.
	for _, of := range []string{"key", "',' or", "'-' indicator", "node content", "<"} {
		if strings.HasPrefix(text, "did not find expected "+of) {
			line++
			break
		}
	}
	return []fault{{max(line, 1), "", text}}
}

func refuseModel(name string, faults []fault) error {
	faults = sorted(faults)
	e := iam.Refuse(iam.Invalid, "invalid_model", "access model %s has %d faults", name, len(faults))
	if len(faults) == 1 {
		e.Message = "access model " + name + " has a fault"
	}
	for i, f := range faults {
		if i == maxFaults {
			break
		}
		reason := f.reason
		if f.path != "" {
			reason = f.path + ": " + reason
		}
		field := iam.Field{Path: name + ":" + itoa(f.line), Message: reason}
		e.Fields = append(e.Fields, field)
		e.Message += "; " + field.Path + ": " + field.Message
	}
	return e
}

func (r *reader) schema(n *yaml.Node, s *Schema) {
	precedence := false
	r.object(n, "", fields{
		"model":    into(&s.Name, func(n *yaml.Node, p string) string { return name[string](r, n, p) }),
		"revision": into(&s.Revision, r.count),
		"precedence": func(n *yaml.Node, p string) {
			precedence = true
			r.object(n, p, fields{
				"decide": func(n *yaml.Node, p string) { s.Precedence.Decide = names[Layer](r, n, p) },
				"add":    func(n *yaml.Node, p string) { s.Precedence.Add = names[Layer](r, n, p) },
			})
		},
		"levels": func(n *yaml.Node, p string) {
			r.each(n, p, func(id, p string, v *yaml.Node) {
				r.key(id, p)
				l := LevelSchema{ID: iam.Level(id)}
				r.level(v, p, &l)
				s.Levels = append(s.Levels, l)
			})
		},
		"clients": func(n *yaml.Node, p string) {
			s.Clients = &Clients{}
			r.object(n, p, fields{
				"at":        func(n *yaml.Node, p string) { s.Clients.At = name[iam.Level](r, n, p) },
				"manage":    func(n *yaml.Node, p string) { s.Clients.Manage = names[iam.Permission](r, n, p) },
				"federated": func(n *yaml.Node, p string) { s.Clients.Federated = names[string](r, n, p) },
			})
		},
		"seats": func(n *yaml.Node, p string) {
			s.Seats = &SeatRule{}
			r.object(n, p, fields{
				"at": func(n *yaml.Node, p string) { s.Seats.At = name[iam.Level](r, n, p) },
				"count": func(n *yaml.Node, p string) {
					if got := r.text(n, p); got != "user" {
						r.fault(p, "want user, got %q: only people take seats", got)
					}
				},
				"resource": func(n *yaml.Node, p string) { s.Seats.Resource = names[iam.Level](r, n, p) },
			})
		},
		"operations": func(n *yaml.Node, p string) {
			r.each(n, p, func(id, p string, v *yaml.Node) {
				r.key(id, p)
				s.Operations = append(s.Operations, r.operation(id, v, p))
			})
		},
		"tokens": func(n *yaml.Node, p string) { r.tokens(n, p, &s.Tokens) },
		"migrate": func(n *yaml.Node, p string) {
			r.each(n, p, func(source, p string, v *yaml.Node) {
				r.key(source, p)
				m := Migration{Source: source}
				r.each(v, p, func(old, p string, v *yaml.Node) {
					m.Roles = append(m.Roles, r.migrationRole(old, v, p))
				})
				s.Migrations = append(s.Migrations, m)
			})
		},
	})
	for _, key := range []string{"model", "revision", "levels"} {
		if r.lines[key] == 0 {
			r.fault(key, "required")
		}
	}
	if !precedence {
		s.Precedence.Add = defaultPrecedence(s)
	}
}

// defaultPrecedence adds up every layer that the model produces.
func defaultPrecedence(s *Schema) []Layer {
	add := slices.Clone(baseLayers)
	for _, l := range s.Levels {
		for _, ro := range l.Roles {
			for _, im := range ro.Implies {
				if !slices.Contains(add, im.As) {
					add = append(add, im.As)
				}
			}
		}
	}
	return add
}

// key refuses a mapping key that is no name.
func (r *reader) key(id, path string) {
	if !validName(id) {
		r.fault(path, "%.40q is not a name: want 1 to %d of A-Z a-z 0-9 _ - and a letter first", id, maxName)
	}
}

func (r *reader) operation(id string, n *yaml.Node, path string) Operation {
	op := Operation{Name: id}
	r.object(n, path, fields{
		"requires": func(n *yaml.Node, p string) {
			r.items(n, p, func(p string, v *yaml.Node) {
				var q Requirement
				r.object(v, p, fields{
					"permission": func(n *yaml.Node, p string) { q.Permission = name[iam.Permission](r, n, p) },
					"at":         func(n *yaml.Node, p string) { q.At = name[iam.Level](r, n, p) },
				})
				op.Requires = append(op.Requires, q)
			})
		},
		"creates":      func(n *yaml.Node, p string) { op.Creates = name[string](r, n, p) },
		"creator_gets": func(n *yaml.Node, p string) { op.CreatorGets = name[iam.RoleID](r, n, p) },
	})
	return op
}

func (r *reader) tokens(n *yaml.Node, path string, t *Tokens) {
	r.object(n, path, fields{
		"audience": func(n *yaml.Node, p string) {
			r.items(n, p, func(p string, v *yaml.Node) { t.Audiences = append(t.Audiences, r.text(v, p)) })
		},
		"claims": func(n *yaml.Node, p string) {
			r.each(n, p, func(claim, p string, v *yaml.Node) {
				c := ClaimSources{Name: claim}
				r.object(v, p, fields{
					"user":   func(n *yaml.Node, p string) { c.User = ClaimSource(r.text(n, p)) },
					"client": func(n *yaml.Node, p string) { c.Client = ClaimSource(r.text(n, p)) },
				})
				t.Claims = append(t.Claims, c)
			})
		},
	})
}

func (r *reader) migrationRole(old string, n *yaml.Node, path string) MigrationRole {
	m := MigrationRole{Old: old}
	var only RoleAt
	review := false
	roleAt := func(dst *RoleAt) fields {
		return fields{
			"role": func(n *yaml.Node, p string) { dst.Role = name[iam.RoleID](r, n, p) },
			"at":   func(n *yaml.Node, p string) { dst.At = name[iam.Level](r, n, p) },
		}
	}
	known := roleAt(&only)
	known["choose"] = func(n *yaml.Node, p string) {
		r.items(n, p, func(p string, v *yaml.Node) {
			var c RoleAt
			r.object(v, p, roleAt(&c))
			m.Choices = append(m.Choices, c)
		})
	}
	known["review"] = into(&review, r.flag)
	r.object(n, path, known)

	forms := 0
	if only != (RoleAt{}) {
		forms++
		m.Choices = append(m.Choices, only)
	}
	if r.lines[join(path, "choose")] > 0 {
		forms++
	}
	if review {
		forms++
	}
	if forms != 1 {
		r.fault(path, "want exactly one of: role and at; choose; review: true")
	}
	return m
}
