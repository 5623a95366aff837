package access

import (
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Model is a checked, compiled access model. It does not change once made, and serves any number of goroutines.
type Model struct {
	schema  Schema
	levels  []*level // file order
	roles   []*role  // file order; the index is the role's bit
	perms   []iam.Permission
	levelOf map[iam.Level]*level
	roleOf  map[iam.RoleID]*role
	permOf  map[iam.Permission]int
	layers  []Layer

	decide []layerSet // one layer each, in order
	add    layerSet

	clients    *level
	clientSee  permSet // what manages clients
	seats      *level
	seatLevels []bool // by level index

	systemGroups bool // some level has them
	restricted   bool // some level restricts
}

type (
	layerID  uint8
	layerSet uint16
)

// baseLayers are the layers of every model; their index is their layerID.
var baseLayers = []Layer{LayerDirect, LayerGroup, LayerImplied, LayerBuiltin, LayerPublic}

const (
	direct layerID = iota
	group
	implied
	builtin
	public
)

func (l layerID) set() layerSet { return 1 << l }

type level struct {
	*LevelSchema
	index     int
	parent    *level
	depth     int
	see       permSet
	known     permSet // what roles of this level carry
	grants    map[string]*role
	suspends  bool
	externals bool
	above     []systemGroup // groups of levels above that may hold roles here
	create    permSet
}

type systemGroup struct {
	level *level
	*SystemGroup
	prefix, suffix string
}

// id is stable while the node's name may change.
func (g *systemGroup) id(n *iam.Node) iam.GroupID {
	return iam.GroupID(g.prefix + string(n.ID) + g.suffix)
}

func (g *systemGroup) name(n *iam.Node) string { return g.prefix + n.Name + g.suffix }

// within reports whether l is o or below it.
func (l *level) within(o *level) bool {
	for ; l != nil; l = l.parent {
		if l == o {
			return true
		}
	}
	return false
}

func (l *level) setting(name string) *Setting {
	for i := range l.Settings {
		if l.Settings[i].Name == name {
			return &l.Settings[i]
		}
	}
	return nil
}

// value returns what the setting is at n: what somebody set, else the default.
func (l *level) value(n *iam.Node, name string) string {
	if v := n.Settings[name]; v != "" {
		return v
	}
	if s := l.setting(name); s != nil {
		return s.Default
	}
	return ""
}

type role struct {
	*RoleSchema
	index   int
	level   *level
	perms   permSet         // with those of the roles it extends
	covers  roleSet         // itself and the roles it extends
	implies [][]implication // by level index, with those of the roles it extends
	assign  rule
	change  rule
	revoke  rule

	certain  []permSet // by level index: held at every node of that level below, whatever settings say
	possible []permSet // by level index: held there under some setting
}

func (r *role) bit() roleSet { return 1 << r.index }

func (r *role) mayHold(kind iam.SubjectKind) bool {
	if kind == iam.SubjectLogin { // a person who has not signed in yet
		kind = iam.SubjectUser
	}
	for _, h := range r.Holders {
		if h == kind {
			return true
		}
	}
	return false
}

type implication struct {
	role    *role // nil: by setting
	setting string
	via     []*level
	only    string
	layer   layerID
}

// A rule is a Right, compiled.
type rule struct {
	Right
	perms permSet
}

// Name returns the model's name, which a node without a parent refers to.
func (m *Model) Name() string { return m.schema.Name }

// Revision returns the model's revision.
func (m *Model) Revision() int { return m.schema.Revision }

// Schema returns the model as written, to be read only.
func (m *Model) Schema() *Schema { return &m.schema }

// Level describes a level, nil when the model has none of that name.
func (m *Model) Level(id iam.Level) *LevelSchema {
	if l := m.levelOf[id]; l != nil {
		return l.LevelSchema
	}
	return nil
}

// HasPermission reports whether the model knows p at any level.
func (m *Model) HasPermission(p iam.Permission) bool {
	_, ok := m.permOf[p]
	return ok
}

// RolePermissions returns all that a role of the model permits, including what it inherits by extends, in file order; nil for a
// role that the model does not have.
func (m *Model) RolePermissions(id iam.RoleID) []iam.Permission {
	if r := m.roleOf[id]; r != nil {
		return m.permissions(&r.perms)
	}
	return nil
}

// Migrate says what a role of another system becomes. It reports false when the model does not map that source or role. No
// choices: a person has to review it, and until then it grants nothing.
func (m *Model) Migrate(source, old string) (MigrationRole, bool) {
	for _, mig := range m.schema.Migrations {
		if mig.Source != source {
			continue
		}
		var rest *MigrationRole
		for i, r := range mig.Roles {
			switch r.Old {
			case old:
				return r, true
			case "*":
				rest = &mig.Roles[i]
			}
		}
		if rest != nil {
			return MigrationRole{Old: old, Choices: rest.Choices}, true
		}
	}
	return MigrationRole{}, false
}

// permissions lists a set in the order of the file.
func (m *Model) permissions(s *permSet) []iam.Permission {
	out := make([]iam.Permission, 0, s.len())
	for i, p := range m.perms {
		if s.has(i) {
			out = append(out, p)
		}
	}
	return out
}

// set compiles permissions; unknown ones are left out, so they never allow anything.
func (m *Model) set(ps []iam.Permission) permSet {
	var s permSet
	for _, p := range ps {
		if i, ok := m.permOf[p]; ok {
			s.add(i)
		}
	}
	return s
}

// systemGroupNamed finds the system group whose names look like name.
func (m *Model) systemGroupNamed(name string) *systemGroup {
	for _, l := range m.levels {
		for i := range l.Groups.System {
			g := newSystemGroup(l, &l.Groups.System[i])
			if len(name) > len(g.prefix)+len(g.suffix) && strings.HasPrefix(name, g.prefix) && strings.HasSuffix(name, g.suffix) {
				return &g
			}
		}
	}
	return nil
}

func newSystemGroup(l *level, g *SystemGroup) systemGroup {
	prefix, suffix, _ := strings.Cut(g.Name, nodePlace)
	return systemGroup{level: l, SystemGroup: g, prefix: prefix, suffix: suffix}
}

const nodePlace = "{node}"

func itoa(n int) string { return strconv.Itoa(n) }
