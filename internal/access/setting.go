package access

import (
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Set decides whether actor may give a setting of n a value; "" takes the value back, so that the default or a wider value holds.
func (m *Model) Set(r Roster, actor Actor, n iam.NodeID, key, value string) error {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return err
	}
	s := st.level().setting(key)
	if s == nil {
		return refuse(CodeValueNotAllowed, "level %s has no setting %q", st.level().ID, key)
	}
	if err := st.need("setting "+key, []iam.Permission{s.Change}); err != nil {
		return err
	}
	if value == "" {
		value, _ = st.inherited(*s)
		return st.feeds(key, value)
	}
	if s.Node {
		path := r.Path(iam.NodeID(value))
		if len(path) == 0 || path[len(path)-1].ID == n || !slices.ContainsFunc(path, func(p *iam.Node) bool { return p.ID == n }) {
			return refuse(CodeValueNotAllowed, "%s wants a node below %s", key, st.node().Name)
		}
		return nil
	}
	if !slices.Contains(s.Values, value) {
		return refuse(CodeValueNotAllowed, "%s is one of %s, got %q", key, strings.Join(s.Values, ", "), value)
	}
	return st.feeds(key, value)
}

// feeds refuses a value of a setting by which people get a role that carries what the actor does not hold.
func (st *site) feeds(key, value string) error {
	for _, ro := range st.m.fed(st.level(), key, value) {
		if err := st.exceeds(ro); err != nil {
			return err
		}
	}
	return nil
}

// fed returns the roles that people get by this value of a setting of l: nobody gives more than he holds, by this way either.
func (m *Model) fed(l *level, key, value string) []*role {
	var out []*role
	if l.Public != nil && l.Public.Setting == key && l.grants[value] != nil {
		out = append(out, l.grants[value])
	}
	for _, from := range m.roles {
		for _, ims := range from.implies {
			for _, im := range ims {
				if ro := m.roleOf[iam.RoleID(value)]; im.setting == key && slices.Contains(im.via, l) && ro != nil && !slices.Contains(out, ro) {
					out = append(out, ro)
				}
			}
		}
	}
	return out
}

// A SettingState is a setting of a node as it is there.
type SettingState struct {
	Setting
	Value      string     // what holds: a node's id where Node is true; "" when nothing does
	At         iam.NodeID // where somebody set it: the node itself, or one above it; "" when it is a default
	Changeable bool       // by the actor
}

// Settings returns the settings of n in file order, as the actor sees them.
func (m *Model) Settings(r Roster, actor Actor, n iam.NodeID) ([]SettingState, error) {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return nil, err
	}
	out := make([]SettingState, 0, len(st.level().Settings))
	for _, s := range st.level().Settings {
		state := SettingState{Setting: s, Value: st.node().Settings[s.Name], At: n}
		if state.Value == "" {
			state.Value, state.At = st.inherited(s)
		}
		state.Changeable = st.free() || st.held.has(m.permOf[s.Change])
		out = append(out, state)
	}
	return out, nil
}

// inherited returns what a setting is where its node says nothing: the value of the nearest node above from which roles read it
// too, else a default.
func (st *site) inherited(s Setting) (value string, at iam.NodeID) {
	value = s.Default
	if s.Node {
		return value, ""
	}
	via := st.m.readWith(s.Name, st.level())
	for i := st.ev.last() - 1; i >= 0; i-- {
		l := st.ev.levels[i]
		if !slices.Contains(via, l) {
			continue
		}
		if v := st.ev.path[i].Settings[s.Name]; v != "" {
			return v, st.ev.path[i].ID
		}
		if above := l.setting(s.Name); value == "" && above != nil {
			value = above.Default
		}
	}
	return value, ""
}

// readWith returns the levels at which implications look for a setting beside level l.
func (m *Model) readWith(name string, l *level) (via []*level) {
	for _, from := range m.roles {
		for _, ims := range from.implies {
			for _, im := range ims {
				if im.setting == name && slices.Contains(im.via, l) {
					via = append(via, im.via...)
				}
			}
		}
	}
	return via
}
