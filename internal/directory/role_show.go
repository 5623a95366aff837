package directory

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// rolesOf lists the roles of a level, as they are for its nodes at and below n.
func (w *work) rolesOf(m *access.Model, n *iam.Node, level iam.Level) (out []apiv1.Role, err error) {
	l := m.Level(level)
	if l == nil {
		return nil, iam.Refuse(iam.Invalid, access.CodeNotOffered, "model %s has no level %q", m.Name(), level)
	}
	for i := range l.Roles {
		out = append(out, showRole(m, l, &l.Roles[i]))
	}
	path, err := w.Path(n.ID)
	if err != nil {
		return nil, err
	}
	for _, at := range slices.Backward(path) {
		custom, err := w.CustomRoles(at.ID)
		if err != nil {
			return nil, err
		}
		for _, c := range custom {
			if c.Level != level || slices.ContainsFunc(out, func(r apiv1.Role) bool { return r.ID == string(c.ID) }) {
				continue // a nearer definition holds
			}
			shown, err := w.showCustomRole(m, c)
			if err != nil {
				return nil, err
			}
			out = append(out, shown)
		}
	}
	return out, nil
}

// showRoleAt shows one role of a node's level, or one that the node defines for another.
func (w *work) showRoleAt(m *access.Model, n *iam.Node, id iam.RoleID) (apiv1.Role, error) {
	defined, err := w.CustomRoles(n.ID)
	if err != nil {
		return apiv1.Role{}, err
	}
	for _, c := range defined {
		if c.ID == id {
			return w.showCustomRole(m, c)
		}
	}
	roles, err := w.rolesOf(m, n, n.Level)
	if err != nil {
		return apiv1.Role{}, err
	}
	i := slices.IndexFunc(roles, func(r apiv1.Role) bool { return r.ID == string(id) })
	if i < 0 {
		return apiv1.Role{}, missing("role", string(id))
	}
	return roles[i], nil
}

func (w *work) showCustomRole(m *access.Model, c *iam.CustomRole) (out apiv1.Role, err error) {
	out = apiv1.Role{Holders: []string{}, Assigned: assignedByPeople}
	if l := m.Level(c.Level); l != nil {
		base := access.RoleSchema{ID: c.Base} // the model may have lost it
		if i := slices.IndexFunc(l.Roles, func(r access.RoleSchema) bool { return r.ID == c.Base }); i >= 0 {
			base = l.Roles[i]
		}
		out = showRole(m, l, &base)
	}
	out.ID, out.Level, out.Custom, out.Base = string(c.ID), string(c.Level), true, string(c.Base)
	out.Permissions, out.Duplicable, out.Min, out.Max = words(c.Permissions), false, 0, 0
	out.Parent, err = w.pathOf(c.Node)
	out.ETag = etag(out)
	return out, err
}

// Who gives a role.
const (
	assignedByPeople        = "people"
	assignedByOperations    = "operations"
	assignedByConfiguration = "configuration"
)

func showRole(m *access.Model, l *access.LevelSchema, r *access.RoleSchema) apiv1.Role {
	out := apiv1.Role{
		ID: string(r.ID), Level: string(l.ID), Permissions: words(m.RolePermissions(r.ID)), Holders: words(r.Holders),
		Duplicable: r.Duplicable, Min: r.Min, Max: r.Max, Assigned: assignedByPeople,
	}
	assign := r.Manage.Assign
	switch {
	case assign.System:
		out.Assigned = assignedByOperations
	case assign.Config:
		out.Assigned = assignedByConfiguration
	case len(assign.AnyOf) > 0:
		out.AssignedBy = words(assign.AnyOf)
	default: // what a role leaves out is the level's
		out.AssignedBy = words(l.Manage.Assign.AnyOf)
	}
	out.ETag = etag(out)
	return out
}
