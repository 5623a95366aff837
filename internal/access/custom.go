package access

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// CreateRole decides whether actor may make a custom role: c.Base must be duplicable, c.Level lies at or below c.Node, and no
// permission may be one that actor would not hold at every such node. Without permissions it begins as an exact copy; the result
// is the role to write.
func (m *Model) CreateRole(r Roster, actor Actor, c CustomRole) (CustomRole, error) {
	st, err := m.enter(r, actor, c.Node)
	if err != nil {
		return CustomRole{}, err
	}
	base := m.roleOf[c.Base]
	if base == nil || base.level.ID != c.Level || !base.level.within(st.level()) {
		return CustomRole{}, refuse(CodeRoleNotHere, "role %q is not one of level %q, at or below level %s", c.Base, c.Level, st.level().ID)
	}
	if !base.Duplicable {
		return CustomRole{}, refuse(CodeRoleNotDuplicable, "role %s cannot be copied: custom roles begin as one of %v", c.Base, m.duplicable(base.level))
	}
	if c.Permissions == nil {
		c.Permissions = m.permissions(&base.perms)
	}
	if err := st.author(&c); err != nil {
		return CustomRole{}, err
	}
	if err := iam.CheckName("role", string(c.ID)); err != nil {
		return CustomRole{}, err
	}
	taken := m.roleOf[c.ID] != nil
	for _, n := range st.ev.path {
		taken = taken || findCustom(r, n.ID, c.ID) != nil
	}
	if taken {
		return CustomRole{}, refuse(CodeNameTaken, "there is a role %s at %s already", c.ID, st.node().Name)
	}
	return c, nil
}

func (m *Model) duplicable(l *level) []iam.RoleID {
	out := []iam.RoleID{}
	for _, ro := range l.Roles {
		if ro.Duplicable {
			out = append(out, ro.ID)
		}
	}
	return out
}

// author refuses an actor without the right to make custom roles, and permissions that are unknown or above the actor.
func (st *site) author(c *CustomRole) error {
	if err := st.need("making roles", st.level().Admin.CustomRoles); err != nil {
		return err
	}
	l := st.m.levelOf[c.Level]
	for _, p := range c.Permissions {
		if i, ok := st.m.permOf[p]; !ok || l == nil || !l.known.has(i) {
			return refuse(CodeUnknownPermission, "permission %q is not one of level %s", p, c.Level)
		}
	}
	s := st.m.set(c.Permissions)
	c.Permissions = st.m.permissions(&s)
	return st.exceedsSet(c.ID, &s, l)
}

// EditRole decides whether actor may give a custom role these permissions; the result is the role to write.
func (m *Model) EditRole(r Roster, actor Actor, n iam.NodeID, id iam.RoleID, permissions []iam.Permission) (CustomRole, error) {
	st, c, err := m.customAt(r, actor, n, id)
	if err != nil {
		return CustomRole{}, err
	}
	c.Permissions = permissions
	return c, st.author(&c)
}

// DeleteRole decides whether actor may delete a custom role. One that is held is refused with a field per holder: the node and the subject, by id.
func (m *Model) DeleteRole(r Roster, actor Actor, n iam.NodeID, id iam.RoleID) error {
	st, c, err := m.customAt(r, actor, n, id)
	if err != nil {
		return err
	}
	if err := st.need("deleting roles", st.level().Admin.CustomRoles); err != nil {
		return err
	}
	var held []iam.Field
	walk(r, n, func(at iam.NodeID) {
		path := r.Path(at)
		last := path[len(path)-1]
		if last.Level != c.Level {
			return
		}
		if found := customRole(r, path, id, m.levelOf[c.Level]); found == nil || found.Node != n {
			return // another role of that name stands nearer
		}
		for _, a := range r.Holders(at) {
			if slices.Contains(a.Roles, id) {
				held = append(held, iam.Field{Path: string(at), Message: a.Subject.String()})
			}
		}
	})
	if len(held) == 0 {
		return nil
	}
	e := refuse(CodeRoleInUse, "role %s is held %d times: take it from its holders first", id, len(held))
	e.Fields = held
	return e
}

// customAt finds a custom role defined at exactly n and refuses roles of the model.
func (m *Model) customAt(r Roster, actor Actor, n iam.NodeID, id iam.RoleID) (*site, CustomRole, error) {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return nil, CustomRole{}, err
	}
	if m.roleOf[id] != nil {
		return nil, CustomRole{}, refuse(CodeRolePredefined, "role %s belongs to model %s: copy it and change the copy", id, m.schema.Name)
	}
	c := findCustom(r, n, id)
	if c == nil {
		return nil, CustomRole{}, refuse(CodeNotFound, "%s defines no role %q", st.node().Name, id)
	}
	return st, *c, nil
}

func findCustom(f Facts, n iam.NodeID, id iam.RoleID) *CustomRole {
	for _, c := range f.CustomRoles(n) {
		if c.ID == id {
			return c
		}
	}
	return nil
}
