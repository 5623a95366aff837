package access

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// compile checks a schema and builds its model. Every fault goes to r; with any, the model is not to be used.
func compile(r *reader, s Schema) *Model {
	m := &Model{schema: s, levelOf: map[iam.Level]*level{}, roleOf: map[iam.RoleID]*role{}, permOf: map[iam.Permission]int{}}
	m.declare(r)
	if len(r.faults) > 0 {
		return m // names are unknown or ambiguous: checks of what they refer to would mislead
	}
	m.link(r)
	if len(r.faults) > 0 {
		return m // a cycle, or an edge that goes nowhere
	}
	m.inherit()
	m.check(r)
	if len(r.faults) == 0 {
		m.reach()
	}
	return m
}

// declare numbers levels, roles and permissions.
func (m *Model) declare(r *reader) {
	for i := range m.schema.Levels {
		ls := &m.schema.Levels[i]
		l := &level{LevelSchema: ls, index: i}
		m.levels = append(m.levels, l)
		m.levelOf[ls.ID] = l
		for j := range ls.Roles {
			rs := &ls.Roles[j]
			path := rolePath(ls.ID, rs.ID)
			if other := m.roleOf[rs.ID]; other != nil {
				r.fault(path, "duplicate: level %s has a role of that name on line %d, and claims are flat", other.level.ID, r.lines[rolePath(other.level.ID, rs.ID)])
				continue
			}
			ro := &role{RoleSchema: rs, index: len(m.roles), level: l}
			m.roles = append(m.roles, ro)
			m.roleOf[rs.ID] = ro
			for _, p := range rs.Permissions {
				if _, ok := m.permOf[p]; !ok {
					m.permOf[p] = len(m.perms)
					m.perms = append(m.perms, p)
				}
			}
		}
	}
	for _, limit := range []struct {
		what     string
		got, max int
	}{{"levels", len(m.levels), maxLevels}, {"roles", len(m.roles), maxRoles}, {"permissions", len(m.perms), maxPermissions}} {
		if limit.got > limit.max {
			r.fault("levels", "%d %s: a model has at most %d", limit.got, limit.what, limit.max)
		}
	}
	if m.levelOf[iam.LevelOrganization] == nil {
		r.fault("levels", "a model needs the level organization: tokens speak for one")
	}
}

// link resolves the tree of levels and the references between roles.
func (m *Model) link(r *reader) {
	root := ""
	for _, l := range m.levels {
		path := join("levels", string(l.ID))
		if l.Parent == "" {
			if root != "" {
				r.fault(path, "a second level without a parent: %s has none either", root)
			}
			root = string(l.ID)
			continue
		}
		if l.parent = m.levelOf[l.Parent]; l.parent == nil {
			r.fault(path+".parent", "level %q does not exist", l.Parent)
		}
	}
	for _, l := range m.levels {
		for p := l.parent; p != nil; p = p.parent {
			if l.depth++; p == l || l.depth > len(m.levels) {
				r.fault(join("levels", string(l.ID))+".parent", "the levels form a cycle")
				return
			}
		}
	}
	m.layers = slices.Clone(baseLayers)
	for _, ro := range m.roles {
		ro.implies = make([][]implication, len(m.levels))
		m.linkExtends(r, ro)
		for i := range ro.Implies {
			m.linkImplication(r, ro, &ro.Implies[i], rolePath(ro.level.ID, ro.ID)+".implies["+itoa(i)+"]")
		}
	}
	if len(m.layers) > maxLayers {
		r.fault("levels", "%d layers: a model has at most %d", len(m.layers), maxLayers)
	}
	m.linkPrecedence(r)
	for _, l := range m.levels {
		l.grants = map[string]*role{}
		if l.Public == nil {
			continue
		}
		for value, id := range l.Public.Grants {
			if l.grants[value] = m.roleOf[id]; l.grants[value] == nil || l.grants[value].level != l {
				r.fault(join("levels", string(l.ID))+".public.grants."+value, "%q is not a role of level %s", id, l.ID)
			}
		}
	}
}

func rolePath(l iam.Level, id iam.RoleID) string {
	return "levels." + string(l) + ".roles." + string(id)
}

// linkExtends refuses extends that leave the level or come back to where they began.
func (m *Model) linkExtends(r *reader, ro *role) {
	path := rolePath(ro.level.ID, ro.ID) + ".extends"
	for _, id := range ro.Extends {
		if other := m.roleOf[id]; other == nil || other.level != ro.level {
			r.fault(path, "%q is not a role of level %s", id, ro.level.ID)
		}
	}
	seen := map[iam.RoleID]bool{}
	var walk func(of *role) bool
	walk = func(of *role) bool {
		for _, id := range of.Extends {
			other := m.roleOf[id]
			if other == nil || seen[id] {
				continue
			}
			if seen[id] = true; other == ro || walk(other) {
				return true
			}
		}
		return false
	}
	if walk(ro) {
		r.fault(path, "%s extends itself: extends form a cycle", ro.ID)
	}
}

func (m *Model) linkImplication(r *reader, ro *role, im *Implication, path string) {
	at := m.levelOf[im.At]
	switch {
	case at == nil:
		r.fault(path+".at", "level %q does not exist", im.At)
		return
	case at == ro.level || !at.within(ro.level):
		r.fault(path+".at", "level %s is not below %s: a role implies downward only", im.At, ro.level.ID)
		return
	}
	out := implication{setting: im.Setting, only: im.Only, layer: m.layer(im.As)}
	switch im.As {
	case LayerDirect, LayerGroup, LayerPublic:
		r.fault(path+".as", "layer %s is for roles that are not implied", im.As)
	}
	if im.Only != "" {
		if s := ro.level.setting(im.Only); s == nil || !s.Node {
			r.fault(path+".only", "%q is not a setting of level %s that names a node", im.Only, ro.level.ID)
		}
	}
	if im.Role != "" {
		if out.role = m.roleOf[im.Role]; out.role == nil || out.role.level != at {
			r.fault(path+".role", "%q is not a role of level %s", im.Role, at.ID)
		}
		if len(im.Via) > 0 {
			r.fault(path+".via", "via belongs to a setting, and this implies a fixed role")
		}
	} else {
		m.linkSetting(r, ro, at, im, &out, path)
	}
	ro.implies[at.index] = append(ro.implies[at.index], out)
}

// linkSetting resolves where the value of an implied setting is looked up, and holds its values to the roles that they name.
func (m *Model) linkSetting(r *reader, ro *role, at *level, im *Implication, out *implication, path string) {
	via := im.Via
	if len(via) == 0 {
		via = []iam.Level{ro.level.ID}
	}
	hasDefault := false
	for _, id := range via {
		l := m.levelOf[id]
		if l == nil || !at.within(l) {
			r.fault(path+".via", "level %q is neither %s nor above it", id, at.ID)
			continue
		}
		s := l.setting(im.Setting)
		if s == nil || s.Node {
			r.fault(path+".setting", "level %s has no setting %q with a list of values", id, im.Setting)
			continue
		}
		for _, v := range s.Values {
			if other := m.roleOf[iam.RoleID(v)]; other == nil || other.level != at {
				r.fault("levels."+string(l.ID)+".settings."+s.Name+".values", "%q is not a role of level %s, which the setting feeds through role %s", v, at.ID, ro.ID)
			}
		}
		hasDefault = hasDefault || s.Default != ""
		out.via = append(out.via, l)
	}
	if !hasDefault {
		r.fault(path+".setting", "no level of via gives %q a default", im.Setting)
	}
}

// layer numbers a layer.
func (m *Model) layer(name Layer) layerID {
	i := slices.Index(m.layers, name)
	if i < 0 {
		i = len(m.layers)
		m.layers = append(m.layers, name)
	}
	return layerID(i)
}

// linkPrecedence refuses a layer that nobody produces, and one that is produced and would be dropped.
func (m *Model) linkPrecedence(r *reader) {
	if len(m.layers) > maxLayers {
		return
	}
	var seen layerSet
	use := func(path string, names []Layer, put func(layerID)) {
		for _, n := range names {
			i := slices.Index(m.layers, n)
			switch {
			case i < 0:
				r.fault(path, "nobody produces layer %q", n)
			case seen&layerID(i).set() != 0:
				r.fault(path, "layer %q stands in precedence twice", n)
			default:
				seen |= layerID(i).set()
				put(layerID(i))
			}
		}
	}
	use("precedence.decide", m.schema.Precedence.Decide, func(l layerID) { m.decide = append(m.decide, l.set()) })
	use("precedence.add", m.schema.Precedence.Add, func(l layerID) { m.add |= l.set() })
	if lost := m.produced() &^ seen; lost != 0 {
		for i, n := range m.layers {
			if lost&layerID(i).set() != 0 {
				r.fault("precedence", "layer %q is produced but in neither list, so its roles would be lost", n)
			}
		}
	}
}

// produced returns the layers that evaluation can yield entries in.
func (m *Model) produced() layerSet {
	s := direct.set()
	for _, l := range m.levels {
		if len(l.Groups.System) > 0 {
			s |= group.set()
		}
		if l.Public != nil {
			s |= public.set()
		}
	}
	for _, ro := range m.roles {
		if ro.mayHold(iam.SubjectGroup) {
			s |= group.set()
		}
		for _, ims := range ro.implies {
			for _, im := range ims {
				s |= im.layer.set()
				if im.setting != "" {
					s |= builtin.set()
				}
			}
		}
	}
	return s
}

// inherit gives every role the permissions and implications of the roles it extends, and compiles permission sets.
func (m *Model) inherit() {
	own := make([]permSet, len(m.roles))
	ownImplies := make([][][]implication, len(m.roles))
	for i, ro := range m.roles {
		own[i] = m.set(ro.Permissions)
		ownImplies[i] = ro.implies
	}
	for _, ro := range m.roles {
		ro.implies = make([][]implication, len(m.levels))
		var walk func(of *role)
		walk = func(of *role) {
			if ro.covers.has(of) {
				return
			}
			ro.covers |= of.bit()
			ro.perms.union(&own[of.index])
			for l, ims := range ownImplies[of.index] {
				ro.implies[l] = append(ro.implies[l], ims...)
			}
			for _, id := range of.Extends {
				walk(m.roleOf[id])
			}
		}
		walk(ro)
		ro.level.known.union(&ro.perms)
		ro.assign = m.rule(ro.Manage.Assign, ro.level.Manage.Assign)
		ro.change = m.rule(ro.Manage.Change, ro.level.Manage.Change)
		ro.revoke = m.rule(ro.Manage.Revoke, ro.level.Manage.Revoke)
	}
	for _, l := range m.levels {
		l.see = m.set(l.See)
		l.create = m.set(l.Groups.Create)
		l.suspends = slices.Contains(l.Restrict, RestrictSuspended)
		l.externals = slices.Contains(l.Restrict, RestrictExternalUsers)
		m.restricted = m.restricted || len(l.Restrict) > 0
		for i := range l.Groups.System {
			m.systemGroups = true
			for _, at := range l.Groups.System[i].HoldsAt {
				if below := m.levelOf[at]; below != nil {
					below.above = append(below.above, newSystemGroup(l, &l.Groups.System[i]))
				}
			}
		}
	}
	if c := m.schema.Clients; c != nil {
		m.clients, m.clientSee = m.levelOf[c.At], m.set(c.Manage)
	}
	if s := m.schema.Seats; s != nil {
		m.seats, m.seatLevels = m.levelOf[s.At], make([]bool, len(m.levels))
		for _, at := range s.Resource {
			if l := m.levelOf[at]; l != nil {
				m.seatLevels[l.index] = true
			}
		}
	}
}

func (m *Model) rule(own, ofLevel Right) rule {
	if !own.named() {
		own = ofLevel
	}
	return rule{Right: own, perms: m.set(own.AnyOf)}
}

// reach works out what each role carries further down. Implications go down, so levels are done from the deepest up.
func (m *Model) reach() {
	byDepth := slices.Clone(m.roles)
	slices.SortStableFunc(byDepth, func(a, b *role) int { return b.level.depth - a.level.depth })
	for _, ro := range byDepth {
		ro.certain = make([]permSet, len(m.levels))
		ro.possible = make([]permSet, len(m.levels))
		for _, l := range m.levels {
			if !l.within(ro.level) {
				continue
			}
			ro.certain[l.index].union(&ro.perms)
			ro.possible[l.index].union(&ro.perms)
			for _, at := range m.levels {
				if !l.within(at) {
					continue
				}
				for _, im := range ro.implies[at.index] {
					for _, to := range m.targets(&im) {
						ro.possible[l.index].union(&to.possible[l.index])
					}
					if im.role != nil && im.only == "" {
						ro.certain[l.index].union(&im.role.certain[l.index])
					}
				}
			}
		}
	}
}

// targets returns every role that an implication can yield.
func (m *Model) targets(im *implication) []*role {
	if im.role != nil {
		return []*role{im.role}
	}
	var out []*role
	for _, l := range im.via {
		for _, v := range l.setting(im.setting).Values {
			if ro := m.roleOf[iam.RoleID(v)]; !slices.Contains(out, ro) {
				out = append(out, ro)
			}
		}
	}
	return out
}
