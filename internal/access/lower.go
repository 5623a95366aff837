package access

import (
	"maps"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Lowers reports whether somebody may hold less when the settings of a node change from before to after; path is the nodes from the
// root to it. It looks at the model and the settings on the path alone, at nobody's roles, so now and then it says so of a change
// that takes nothing from anyone; it never says of a change that takes something that it only raises.
func (m *Model) Lowers(path []*iam.Node, before, after map[string]string) bool {
	was, is := m.underSettings(path, before), m.underSettings(path, after)
	if !was.place() || !is.place() {
		return true
	}
	for _, s := range was.levels[was.last()].Settings {
		if before[s.Name] != after[s.Name] && m.lowersBy(s.Name, &was, &is) {
			return true
		}
	}
	return false
}

// underSettings is an evaluation of nobody, whose last node has other settings.
func (m *Model) underSettings(path []*iam.Node, settings map[string]string) evaluation {
	path = slices.Clone(path)
	if i := len(path) - 1; i >= 0 {
		n := *path[i]
		n.Settings = maps.Clone(settings)
		path[i] = &n
	}
	return evaluation{m: m, path: path}
}

// lowersBy is Lowers for one setting.
func (m *Model) lowersBy(key string, was, is *evaluation) bool {
	i := was.last()
	l, before, after := was.levels[i], was.path[i], is.path[i]
	if l.externals && key == string(RestrictExternalUsers) && l.value(before, key) != blocked && l.value(after, key) == blocked {
		return true
	}
	if l.Public != nil && l.Public.Setting == key {
		if !m.raises(l, given{l.grants[l.value(before, key)], public}, given{l.grants[l.value(after, key)], public}) {
			return true
		}
	}
	for _, from := range m.roles {
		for at, ims := range from.implies {
			for k := range ims {
				if im, to := &ims[k], m.levels[at]; m.lowersOnly(key, was, from, im, to) || m.lowersValue(key, was, is, im, to) {
					return true
				}
			}
		}
	}
	return false
}

// lowersOnly answers for an implication that holds below the node which the setting names.
func (m *Model) lowersOnly(key string, was *evaluation, from *role, im *implication, to *level) bool {
	i := was.last()
	if im.only != key || from.level != was.levels[i] {
		return false
	}
	if was.path[i].Settings[key] != "" {
		return true // it held somewhere, where it may hold no more
	}
	for layer := range layerID(len(m.layers)) {
		for _, ro := range im.gives(m, layer, to) {
			if !m.raises(to, given{}, given{ro, layer}) {
				return true
			}
		}
	}
	return false
}

// lowersValue answers for an implication whose role is the setting's value.
func (m *Model) lowersValue(key string, was, is *evaluation, im *implication, to *level) bool {
	i := was.last()
	l := was.levels[i]
	at := slices.Index(im.via, l)
	if im.setting != key || at < 0 {
		return false
	}
	if was.path[i].Settings[key] == "" || is.path[i].Settings[key] == "" {
		// Values of nodes below, which the path does not show, come into force or lose it.
		if slices.ContainsFunc(im.via[at+1:], func(o *level) bool { return o != l && o.within(l) }) {
			return true
		}
	}
	return !m.raises(to, was.given(im, to), is.given(im, to))
}

// A given is a role that a setting gives, and its layer; no role: it gives none.
type given struct {
	role  *role
	layer layerID
}

// given is what an implication by setting gives at nodes of level to for which no node below the last one says otherwise.
func (ev *evaluation) given(im *implication, to *level) given {
	value, at := ev.nearest(ev.last(), im)
	g := given{ev.m.roleOf[iam.RoleID(value)], im.layer}
	if g.role == nil || g.role.level != to {
		return given{}
	}
	if at < 0 {
		g.layer = builtin
	}
	return g
}

// gives returns the roles that an implication may give in a layer at a level, whatever settings say.
func (im *implication) gives(m *Model, layer layerID, to *level) (out []*role) {
	if im.role != nil {
		if im.layer == layer {
			out = append(out, im.role)
		}
		return out
	}
	for _, l := range im.via {
		s := l.setting(im.setting)
		values := s.Values
		if layer == builtin {
			values = []string{s.Default}
		} else if im.layer != layer {
			continue
		}
		for _, v := range values {
			if ro := m.roleOf[iam.RoleID(v)]; ro != nil && ro.level == to {
				out = append(out, ro)
			}
		}
	}
	return out
}

// raises reports whether nobody at a node of level l holds less when a setting gives is instead of was.
func (m *Model) raises(l *level, was, is given) bool {
	switch {
	case was == is || was.role == nil && is.role == nil:
		return true
	case is.role == nil, was.role != nil && !is.role.includes(was.role):
		return false
	case slices.ContainsFunc(is.role.implies, func(ims []implication) bool { return len(ims) > 0 }):
		return false // what it gives below may decide there over what somebody has
	case l.Exclusive && slices.ContainsFunc(m.roles[is.role.index+1:], func(o *role) bool { return o.level == l && !is.role.includes(o) }):
		return false // only the highest role counts, and it is to give all that the lower ones gave
	case was.role != nil && was.layer == is.layer:
		return true
	}
	before, after := m.rank(was.layer), m.rank(is.layer)
	if was.role != nil && after < len(m.decide) && before < after {
		return false // a layer between the two may decide now
	}
	for _, later := range m.decide[min(after+1, len(m.decide)):] { // which the new one may outrank
		for _, ro := range m.rolesIn(layerIn(later), l) {
			if !is.role.includes(ro) {
				return false
			}
		}
	}
	return true
}

// rank is the place of a layer among those of which the first decides; a layer that adds up comes after all of them.
func (m *Model) rank(layer layerID) int {
	if i := slices.Index(m.decide, layer.set()); i >= 0 {
		return i
	}
	return len(m.decide)
}

// rolesIn returns the roles that a layer may give at a level.
func (m *Model) rolesIn(layer layerID, l *level) (out []*role) {
	for _, ro := range m.roles {
		if (layer == direct || layer == group) && ro.level == l {
			out = append(out, ro)
		}
		ims := ro.implies[l.index]
		for k := range ims {
			out = append(out, ims[k].gives(m, layer, l)...)
		}
	}
	if layer == public {
		for _, ro := range l.grants {
			if ro != nil {
				out = append(out, ro)
			}
		}
	}
	return out
}

// includes reports whether whoever holds r instead of o has all that o gave, at its nodes and below.
func (r *role) includes(o *role) bool {
	if r.covers.has(o) {
		return true
	}
	for i := range o.possible {
		if o.possible[i].beyond(&r.certain[i]) >= 0 {
			return false
		}
	}
	return true
}
