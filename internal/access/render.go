package access

import (
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Page is an access model in a form for people: its levels with their roles, what each role may do, and who assigns what. Whether
// a role has a right is asked of the evaluator, so the page says what Decide would.
type Page struct {
	Model    string
	Revision int
	Notes    []string // about the whole: how sources of roles combine, seats, machine clients, operations
	Levels   []PageLevel
}

// A PageLevel is one kind of node. Columns are the roles that give rights there: its own, and those of the levels above.
type PageLevel struct {
	ID      iam.Level
	Kinds   []string
	Notes   []string // about nodes of the level: precedence, settings, what is public, restrictions, groups
	Roles   []PageRole
	Columns []iam.RoleID
	Rights  []PageRight
}

// A PageRole is a role of the level, with what holds for those who hold it.
type PageRole struct {
	ID         iam.RoleID
	Base       iam.RoleID // what a custom role was copied from; "" for a role of the model
	Node       iam.NodeID // where a custom role was made
	Holders    []iam.SubjectKind
	AssignedBy []iam.RoleID // by default
	Notes      []string
}

// A PageRight is a row: a permission, and what each column says of it.
type PageRight struct {
	Permission iam.Permission
	Cells      []Cell
}

// A Cell says whether somebody who holds only the role of the column, at a node of its level on the way, has the permission.
type Cell struct {
	Held    bool
	Depends bool // another value of a setting would change that
}

// Page describes the model: in general, or for the tree of the last node of path, with the settings that are set on the way and
// these custom roles.
func (m *Model) Page(path []*iam.Node, custom []*CustomRole) *Page {
	p := &Page{Model: m.Name(), Revision: m.Revision(), Notes: m.notes()}
	r := &renderer{m: m, path: path, custom: custom}
	for _, l := range m.levels {
		if r.exists(l) {
			p.Levels = append(p.Levels, r.level(l))
		}
	}
	return p
}

// A renderer asks the evaluator about imagined holders of every role, on the nodes of path and imagined ones below.
type renderer struct {
	m      *Model
	path   []*iam.Node
	custom []*CustomRole
}

// exists reports whether there are nodes of a level: an organization may stand without what could be above it.
func (r *renderer) exists(l *level) bool {
	return len(r.path) == 0 || l.within(r.m.levelOf[r.path[0].Level])
}

// A column is a role of the model, or a custom one.
type column struct {
	id     iam.RoleID
	level  *level
	custom *CustomRole
	holder iam.Subject
}

func (r *renderer) level(l *level) PageLevel {
	out := PageLevel{ID: l.ID, Kinds: l.Kinds, Notes: r.m.levelNotes(l, r.nodeAt(l))}
	columns := r.columns(l)
	cells := r.cells(l, columns)
	for i, p := range r.m.perms {
		row := PageRight{Permission: p, Cells: make([]Cell, len(columns))}
		some := false
		for k := range columns {
			row.Cells[k] = cells[k][i]
			some = some || row.Cells[k] != Cell{}
		}
		if some {
			out.Rights = append(out.Rights, row)
		}
	}
	for _, c := range columns {
		out.Columns = append(out.Columns, c.id)
		if c.level == l {
			out.Roles = append(out.Roles, r.role(c, columns, cells))
		}
	}
	return out
}

// columns are the roles of the level in file order, then custom ones, then those of the levels above, nearest first.
func (r *renderer) columns(l *level) []column {
	var out []column
	for at := l; at != nil && r.exists(at); at = at.parent {
		for i := range at.Roles {
			c := column{id: at.Roles[i].ID, level: at, holder: iam.UserID("holder of " + string(at.Roles[i].ID)).Subject()}
			if !r.m.roleOf[c.id].mayHold(iam.SubjectUser) && r.m.roleOf[c.id].mayHold(iam.SubjectClient) {
				c.holder.Kind = iam.SubjectClient
			}
			out = append(out, c)
		}
		for _, custom := range r.custom {
			if custom.Level == at.ID && !at.Exclusive && r.m.roleOf[custom.ID] == nil {
				out = append(out, column{id: custom.ID, level: at, custom: custom, holder: iam.UserID("holder of " + string(custom.ID)).Subject()})
			}
		}
	}
	return out
}

// nodeAt returns the node of the level on the path, nil when there is none.
func (r *renderer) nodeAt(l *level) *iam.Node {
	for _, n := range r.path {
		if n.Level == l.ID {
			return n
		}
	}
	return nil
}

// cells asks what the holder of each column has at a node of level l: as settings are, and with each of them as it could be.
func (r *renderer) cells(l *level, columns []column) [][]Cell {
	memory, chain := r.imagine(l, columns)
	out := make([][]Cell, len(columns))
	for k, c := range columns {
		out[k] = make([]Cell, len(r.m.perms))
		held := r.held(memory, c, l)
		for i := range out[k] {
			out[k][i].Held = held.has(i)
		}
	}
	for i, at := range chain {
		for _, s := range at.Settings {
			for _, value := range r.values(at, &s, chain[i+1:]) {
				was := memory.nodes[r.idAt(at)].Settings[s.Name]
				memory.PutSetting(r.idAt(at), s.Name, value)
				for k, c := range columns {
					held := r.held(memory, c, l)
					for i := range out[k] {
						out[k][i].Depends = out[k][i].Depends || held.has(i) != out[k][i].Held
					}
				}
				memory.PutSetting(r.idAt(at), s.Name, was)
			}
		}
	}
	return out
}

func (r *renderer) held(f Facts, c column, l *level) permSet {
	ev, ok := r.m.evaluate(f, c.holder, r.idAt(l))
	if !ok {
		return permSet{}
	}
	return ev.permissions()
}

// imagine makes the nodes from the root down to one of level l, and a holder of each column.
func (r *renderer) imagine(l *level, columns []column) (*Memory, []*level) {
	var chain []*level
	for at := l; at != nil && r.exists(at); at = at.parent {
		chain = append(chain, at)
	}
	slices.Reverse(chain)
	memory := NewMemory()
	parent := iam.NodeID("")
	for _, at := range chain {
		n := iam.Node{ID: r.idAt(at), Parent: parent, Level: at.ID, Name: string(at.ID)}
		if real := r.nodeAt(at); real != nil {
			n.Settings = real.Settings
		}
		if parent == "" {
			n.Model = r.m.Name()
		}
		memory.AddNode(n)
		parent = n.ID
	}
	for _, c := range columns {
		memory.PutAssignment(iam.Assignment{Node: r.idAt(c.level), Subject: c.holder, Roles: []iam.RoleID{c.id}})
		if c.custom != nil {
			here := *c.custom
			here.Node = r.idAt(c.level) // wherever it was made, it is a role of the level
			memory.PutCustomRole(here)
		}
	}
	return memory, chain
}

func (r *renderer) idAt(l *level) iam.NodeID {
	if n := r.nodeAt(l); n != nil {
		return n.ID
	}
	return iam.NodeID("any " + string(l.ID))
}

// values returns what a setting could be that roles depend on: below are the levels whose nodes it may name.
func (r *renderer) values(l *level, s *Setting, below []*level) []string {
	if !r.m.matters(l, s) {
		return nil
	}
	if !s.Node {
		return s.Values
	}
	var out []string
	for _, at := range below {
		out = append(out, string(r.idAt(at)))
	}
	return out
}

// matters reports whether roles depend on a setting of a level.
func (m *Model) matters(l *level, s *Setting) bool {
	if l.Public != nil && l.Public.Setting == s.Name || l.externals && s.Name == string(RestrictExternalUsers) {
		return true
	}
	for _, ro := range m.roles {
		for _, ims := range ro.implies {
			for i := range ims {
				if im := &ims[i]; im.only == s.Name && ro.level == l || im.setting == s.Name && slices.Contains(im.via, l) {
					return true
				}
			}
		}
	}
	return false
}

// role describes a role of the level whose columns and cells these are.
func (r *renderer) role(c column, columns []column, cells [][]Cell) PageRole {
	out := PageRole{ID: c.id}
	base := r.m.roleOf[c.id]
	if c.custom != nil {
		out.Base, out.Node = c.custom.Base, c.custom.Node
		base = r.m.roleOf[c.custom.Base]
	}
	rule := r.m.rule(Right{}, c.level.Manage.Assign)
	out.Holders = []iam.SubjectKind{iam.SubjectUser, iam.SubjectGroup}
	if base != nil {
		rule, out.Holders = base.assign, base.Holders
	}
	for k, by := range columns {
		for i := range r.m.perms {
			if rule.perms.has(i) && cells[k][i].Held {
				out.AssignedBy = append(out.AssignedBy, by.id)
				break
			}
		}
	}
	out.Notes = append(out.Notes, "assigned "+rightInWords(rule.Right))
	if c.custom != nil {
		out.Notes = append(out.Notes, "a role of its own, copied from "+string(c.custom.Base))
		return out
	}
	out.Notes = append(out.Notes, r.m.roleNotes(base)...)
	return out
}

func rightInWords(right Right) string {
	switch {
	case right.System:
		return "by operations of the model only"
	case right.Config:
		return "by the operator's configuration only"
	case len(right.AnyOf) == 0:
		return "by an operator only"
	}
	return "with " + either(right.AnyOf)
}

func either[T ~string](list []T) string { return enumerate(list, " or ") }

func enumerate[T ~string](list []T, last string) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = "`" + string(w) + "`"
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + last + words[n-1]
	}
	return strings.Join(words, "")
}
