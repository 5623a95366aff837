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
		return nil
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
	for _, ro := range m.fed(st.level(), key, value) {
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
