package access

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// An evaluation holds the roles of one subject at one node and at every node above it, each with the entries that led to it. The
// nodes are done from the root down, since roles only ever come from the node itself and from above.
type evaluation struct {
	m       *Model
	f       Facts
	s       iam.Subject
	path    []*iam.Node
	levels  [maxLevels]*level
	roles   [maxLevels]roleSet
	own     [maxLevels]bool // the subject holds something there that is not merely public
	member  [maxLevels]bool // the subject is assigned something there, itself or by a custom group
	chosen  [maxLevels]layerSet
	cut     [maxLevels]cut
	begins  [maxLevels + 1]int // entries of node i are entries[begins[i]:begins[i+1]]
	entries []entry
}

// A cut says which restriction holds at a node: the nearest above it that does.
type cut struct {
	by   Restriction
	node *iam.Node
}

// disabled is the cut of a node that an operator has switched off: it takes the public layer too.
const disabled Restriction = "disabled"

// An entry is one source of one role.
type entry struct {
	role    *role       // nil: custom
	custom  *CustomRole // nil: of the model
	layer   layerID
	effect  Effect
	group   *iam.Group // assigned through it
	from    *role      // implied by it
	above   int        // where on the path from is held
	at      int        // where on the path the fact stands
	setting string
}

// An Effect says what became of a source of roles.
type Effect string

// The effects.
const (
	EffectCounts    Effect = "counts"
	EffectOutranked Effect = "outranked" // a layer before its own decided
	EffectLower     Effect = "lower"     // a higher role of the ladder counts
	EffectCut       Effect = "cut"       // a restriction holds
)

// evaluate works out the roles of s at n and above. It reports false when n is unknown or its tree does not follow m; then there
// is nothing to see.
func (m *Model) evaluate(f Facts, s iam.Subject, n iam.NodeID) (evaluation, bool) {
	ev := evaluation{m: m, f: f, s: s, path: f.Path(n)}
	if !ev.place() {
		return ev, false
	}
	ev.entries = make([]entry, 0, 4)
	var groups []*iam.Group
	if s.Kind == iam.SubjectUser {
		groups = f.Groups(iam.UserID(s.ID))
	}
	for i := range ev.path {
		ev.visit(i, groups)
	}
	return ev, true
}

// place finds the level of every node on the path.
func (ev *evaluation) place() bool {
	if len(ev.path) == 0 || len(ev.path) > maxLevels || ev.path[0].Model != "" && ev.path[0].Model != ev.m.schema.Name {
		return false
	}
	for i, n := range ev.path {
		l := ev.m.levelOf[n.Level]
		if l == nil || i > 0 && l.parent != ev.levels[i-1] {
			return false
		}
		ev.levels[i] = l
	}
	return true
}

func (ev *evaluation) visit(i int, groups []*iam.Group) {
	n, l := ev.path[i], ev.levels[i]
	if i > 0 {
		ev.cut[i] = ev.cut[i-1]
	}
	switch {
	case n.Disabled:
		ev.cut[i] = cut{disabled, n}
	case ev.cut[i].by == "" && l.suspends && ev.f.Suspended(n.ID, ev.s):
		ev.cut[i] = cut{RestrictSuspended, n}
	}
	ev.begins[i] = len(ev.entries)
	if ev.s.Kind != iam.SubjectAnonymous {
		ev.assigned(i, ev.s, nil)
	}
	for _, g := range groups {
		if ev.onPath(g.Node, i) {
			ev.assigned(i, g.ID.Subject(), g)
		}
	}
	ev.member[i] = len(ev.entries) > ev.begins[i]
	if ev.s.Kind == iam.SubjectUser {
		ev.bySystemGroups(i)
	}
	ev.implied(i)
	if l.Public != nil {
		if ro := l.grants[l.value(n, l.Public.Setting)]; ro != nil {
			ev.entries = append(ev.entries, entry{role: ro, layer: public, at: i})
		}
	}
	ev.begins[i+1] = len(ev.entries)
	ev.settle(i)
	if ev.cut[i].by == "" && l.externals && !ev.own[i] && isPerson(ev.s) && l.value(n, string(RestrictExternalUsers)) == blocked {
		ev.cut[i] = cut{RestrictExternalUsers, n}
	}
}

// isPerson reports whether s is somebody, signed in already or not.
func isPerson(s iam.Subject) bool { return s.Kind == iam.SubjectUser || s.Kind == iam.SubjectLogin }

func (ev *evaluation) onPath(n iam.NodeID, upTo int) bool {
	for _, p := range ev.path[:upTo+1] {
		if p.ID == n {
			return true
		}
	}
	return false
}

// assigned adds what is assigned to holder at node i: the subject itself, or one of its groups.
func (ev *evaluation) assigned(i int, holder iam.Subject, through *iam.Group) {
	layer := direct
	if through != nil {
		layer = group
	}
	for _, id := range ev.f.Roles(ev.path[i].ID, holder) {
		e := entry{layer: layer, group: through, at: i}
		if e.role = ev.m.roleOf[id]; e.role != nil {
			if e.role.level != ev.levels[i] {
				continue // written under another revision of the model
			}
		} else if e.custom = customRole(ev.f, ev.path[:i+1], id, ev.levels[i]); e.custom == nil {
			continue
		}
		ev.entries = append(ev.entries, e)
	}
}

// customRole finds the custom role of that name for the last node of path: the nearest definition, going up.
func customRole(f Facts, path []*iam.Node, id iam.RoleID, l *level) *CustomRole {
	if l.Exclusive {
		return nil
	}
	for _, n := range slices.Backward(path) {
		for _, c := range f.CustomRoles(n.ID) {
			if c.ID == id && c.Level == l.ID {
				return c
			}
		}
	}
	return nil
}

// bySystemGroups adds what the computed groups of nodes above hold at node i.
func (ev *evaluation) bySystemGroups(i int) {
	for gi := range ev.levels[i].above {
		g := &ev.levels[i].above[gi]
		for j := range i {
			if ev.levels[j] == g.level && ev.member[j] {
				ev.assigned(i, g.id(ev.path[j]).Subject(), &iam.Group{ID: g.id(ev.path[j]), Node: ev.path[j].ID, Name: g.name(ev.path[j])})
			}
		}
	}
}

// implied adds what the roles held above carry down to node i.
func (ev *evaluation) implied(i int) {
	for j := range i {
		for set := ev.roles[j]; set != 0; set &= set - 1 {
			from := ev.m.roles[set.first()]
			ims := from.implies[ev.levels[i].index]
			for k := range ims {
				ev.imply(i, j, from, &ims[k])
			}
		}
	}
}

func (ev *evaluation) imply(i, j int, from *role, im *implication) {
	if im.only != "" {
		// The node that the setting names must lie on the way from the role to here.
		only := iam.NodeID(ev.path[j].Settings[im.only])
		if only == "" || !ev.onPath(only, i) {
			return
		}
	}
	e := entry{role: im.role, layer: im.layer, from: from, above: j, at: j, setting: im.setting}
	if im.role == nil {
		value, at := ev.nearest(i, im)
		if at < 0 {
			e.layer = builtin
		} else {
			e.at = at
		}
		if e.role = ev.m.roleOf[iam.RoleID(value)]; e.role == nil || e.role.level != ev.levels[i] {
			return // a value from another revision of the model gives nothing
		}
	}
	ev.entries = append(ev.entries, e)
}

// nearest returns the value that an implied setting has for node i and where on the path somebody set it, -1 when it is a default.
func (ev *evaluation) nearest(i int, im *implication) (string, int) {
	fallback := ""
	for _, l := range im.via {
		for at := i; at >= 0; at-- {
			if ev.levels[at] != l {
				continue
			}
			if v := ev.path[at].Settings[im.setting]; v != "" {
				return v, at
			}
		}
		if s := l.setting(im.setting); fallback == "" {
			fallback = s.Default
		}
	}
	return fallback, -1
}

// settle turns the entries of node i into roles: restriction, then layers, then the ladder.
func (ev *evaluation) settle(i int) {
	entries := ev.entries[ev.begins[i]:]
	var present layerSet
	for k := range entries {
		e := &entries[k]
		if by := ev.cut[i].by; by == disabled || by != "" && e.layer != public {
			e.effect = EffectCut
			continue
		}
		present |= e.layer.set()
	}
	chosen := present & ev.m.add
	for _, l := range ev.m.decide {
		if present&l != 0 {
			chosen |= l
			break
		}
	}
	ev.chosen[i] = chosen
	for k := range entries {
		e := &entries[k]
		switch {
		case e.effect == EffectCut:
		case e.layer.set()&chosen == 0:
			e.effect = EffectOutranked
		default:
			e.effect = EffectCounts
			ev.own[i] = ev.own[i] || e.layer != public
			if e.role != nil {
				ev.roles[i] |= e.role.bit()
			}
		}
	}
	if !ev.levels[i].Exclusive || ev.roles[i].len() < 2 {
		return
	}
	ev.roles[i] = ev.roles[i].highest()
	for k := range entries {
		if e := &entries[k]; e.effect == EffectCounts && !ev.roles[i].has(e.role) {
			e.effect = EffectLower
		}
	}
}

// at returns the entries of node i.
func (ev *evaluation) at(i int) []entry { return ev.entries[ev.begins[i]:ev.begins[i+1]] }

func (ev *evaluation) last() int { return len(ev.path) - 1 }

// permissions returns what the subject may do at the last node.
func (ev *evaluation) permissions() permSet { return ev.permissionsAt(ev.last()) }

// permissionsAt returns what the subject may do at a node of the path: what its roles there and above permit.
func (ev *evaluation) permissionsAt(upTo int) permSet {
	var out permSet
	for i := range upTo + 1 {
		for set := ev.roles[i]; set != 0; set &= set - 1 {
			out.union(&ev.m.roles[set.first()].perms)
		}
		for k := range ev.at(i) {
			if e := &ev.at(i)[k]; e.custom != nil && e.effect == EffectCounts {
				s := ev.m.customSet(e.custom)
				out.union(&s)
			}
		}
	}
	return out
}

// customSet is what a custom role permits: of its permissions those that its level still knows.
func (m *Model) customSet(c *CustomRole) permSet {
	s := m.set(c.Permissions)
	if l := m.levelOf[c.Level]; l != nil {
		for i := range s {
			s[i] &= l.known[i]
		}
	}
	return s
}

// visible reports whether the subject may know that the last node exists.
func (ev *evaluation) visible(held *permSet) bool { return held.meets(&ev.levels[ev.last()].see) }

// holds reports whether the subject holds any role at node i.
func (ev *evaluation) holds(i int) bool {
	return ev.roles[i] != 0 || slices.ContainsFunc(ev.at(i), func(e entry) bool { return e.custom != nil && e.effect == EffectCounts })
}

// appendRoles appends the roles held at node i: those of the model in file order, then custom ones by name.
func (ev *evaluation) appendRoles(out []iam.RoleID, i int) []iam.RoleID {
	for set := ev.roles[i]; set != 0; set &= set - 1 {
		out = append(out, ev.m.roles[set.first()].ID)
	}
	custom := len(out)
	for k := range ev.at(i) {
		if e := &ev.at(i)[k]; e.custom != nil && e.effect == EffectCounts && !slices.Contains(out[custom:], e.custom.ID) {
			out = append(out, e.custom.ID)
		}
	}
	slices.Sort(out[custom:])
	return out
}
