package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Roles lists the roles of the nodes of a level at and below one: those of the model in file order, then custom ones, the
// nearest first. assignableTo, unless it is "", keeps those that the one who asks may give to such a subject at the node.
func (s *Service) Roles(ctx context.Context, by By, ref string, level iam.Level, assignableTo iam.SubjectKind) (out apiv1.Page[apiv1.Role], err error) {
	out.Items = []apiv1.Role{}
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		if level == "" {
			level = n.Level
		}
		roles, err := w.rolesOf(m, n, level)
		if err != nil || assignableTo == "" {
			out.Items = append(out.Items, roles...)
			return err
		}
		var assignable []iam.RoleID
		err = w.decide(func(r access.Roster) error {
			assignable = m.AssignableBy(r, w.by.Actor, n.ID, assignableTo)
			return nil
		})
		for _, role := range roles {
			if level == n.Level && slices.Contains(assignable, iam.RoleID(role.ID)) {
				out.Items = append(out.Items, role)
			}
		}
		return err
	})
	return out, err
}

// Role returns a role of a node's level, or a custom one that the node defines for nodes below it.
func (s *Service) Role(ctx context.Context, by By, ref string, id iam.RoleID) (out apiv1.Role, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err == nil {
			out, err = w.showRoleAt(m, n, id)
		}
		return err
	})
	return out, err
}

// CreateRole makes a custom role at a node.
func (s *Service) CreateRole(ctx context.Context, by By, ref string, r apiv1.NewRole) (out apiv1.Role, err error) {
	err = s.update(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		if _, err := w.ensureRole(n.ID, iam.RoleID(r.ID), &r.CustomRoleSpec, toCreate); err != nil {
			return err
		}
		out, err = w.showRoleAt(m, n, iam.RoleID(r.ID))
		return err
	})
	return out, err
}

// UpdateRole gives a custom role that a node defines these permissions.
func (s *Service) UpdateRole(ctx context.Context, by By, ref string, id iam.RoleID, c apiv1.RoleChange, e Expect) (out apiv1.Role, err error) {
	err = s.update(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		if err := w.editRole(m, n.ID, id, c.Permissions, e); err != nil {
			return err
		}
		out, err = w.showRoleAt(m, n, id)
		return err
	})
	return out, err
}

// DeleteRole ends a custom role that a node defines and that nobody holds.
func (s *Service) DeleteRole(ctx context.Context, by By, ref string, id iam.RoleID, e Expect) error {
	return s.update(ctx, by, func(w *work) error {
		n, err := w.node(ref)
		if err != nil {
			return err
		}
		return w.deleteRole(n.ID, id, e)
	})
}

func (w *work) deleteRole(n iam.NodeID, id iam.RoleID, e Expect) error {
	_, m, err := w.at(n)
	if err != nil {
		return err
	}
	all, err := w.CustomRoles(n)
	if err != nil {
		return err
	}
	err = w.decide(func(r access.Roster) error { return m.DeleteRole(r, w.by.Actor, n, id) })
	if err != nil {
		return w.nameHolders(err)
	}
	i := slices.IndexFunc(all, func(c *iam.CustomRole) bool { return c.ID == id })
	shown, err := w.showCustomRole(m, all[i])
	if err != nil {
		return err
	}
	if err := e.check(true, "role", string(id), shown.ETag); err != nil {
		return err
	}
	w.Safe()
	return w.PutCustomRoles(n, slices.Delete(all, i, i+1))
}

// ensureRole makes a custom role what the spec says. Permissions that the spec does not name stay as they are.
func (w *work) ensureRole(n iam.NodeID, id iam.RoleID, spec *apiv1.CustomRoleSpec, e Expect) (diff, error) {
	_, m, err := w.at(n)
	if err != nil {
		return diff{}, err
	}
	all, err := w.CustomRoles(n)
	if err != nil {
		return diff{}, err
	}
	i := slices.IndexFunc(all, func(c *iam.CustomRole) bool { return c.ID == id })
	if i < 0 || e.absent { // the model refuses a name that is taken, after it has asked for the right
		return w.createRole(m, n, id, spec, all)
	}
	var f faults
	if spec.Base != string(all[i].Base) {
		f.add("base", "it is %q and never changes", all[i].Base)
	}
	if spec.Level != "" && spec.Level != string(all[i].Level) {
		f.add("level", "it is %q and never changes", all[i].Level)
	}
	if err := f.err(); err != nil || spec.Permissions == nil {
		return diff{}, err
	}
	before := w.Writes()
	if err := w.editRole(m, n, id, spec.Permissions, e); err != nil || w.Writes() == before {
		return diff{}, err
	}
	return diff{action: apiv1.ActionChange, fields: []string{"permissions"}}, nil
}

func (w *work) createRole(m *access.Model, n iam.NodeID, id iam.RoleID, spec *apiv1.CustomRoleSpec, all []*iam.CustomRole) (diff, error) {
	c := iam.CustomRole{ID: id, Node: n, Level: iam.Level(spec.Level), Base: iam.RoleID(spec.Base), Permissions: permissions(spec.Permissions)}
	if c.Level == "" {
		c.Level = levelOfRole(m, c.Base)
	}
	err := w.decide(func(r access.Roster) (err error) {
		c, err = m.CreateRole(r, w.by.Actor, c)
		return err
	})
	if err != nil {
		return diff{}, err
	}
	return diff{action: apiv1.ActionCreate}, w.PutCustomRoles(n, append(all, &c))
}

// editRole gives a custom role these permissions. Where it had more, the tokens of its holders end.
func (w *work) editRole(m *access.Model, n iam.NodeID, id iam.RoleID, want []string, e Expect) error {
	if _, _, err := w.at(n); err != nil {
		return err
	}
	all, err := w.CustomRoles(n)
	if err != nil {
		return err
	}
	var c iam.CustomRole
	err = w.decide(func(r access.Roster) (err error) {
		c, err = m.EditRole(r, w.by.Actor, n, id, permissions(want))
		return err
	})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c *iam.CustomRole) bool { return c.ID == id })
	old := all[i]
	shown, err := w.showCustomRole(m, old)
	if err != nil {
		return err
	}
	if err := e.check(true, "role", string(id), shown.ETag); err != nil {
		return err
	}
	if slices.Equal(old.Permissions, c.Permissions) {
		return nil
	}
	if slices.ContainsFunc(old.Permissions, func(p iam.Permission) bool { return !slices.Contains(c.Permissions, p) }) {
		if err := w.endHolders(old); err != nil {
			return err
		}
		w.Safe()
	}
	all[i] = &c
	return w.PutCustomRoles(n, all)
}

// endHolders ends the tokens of those who hold a custom role. Where there are many places to look at, or many holders, all tokens
// of the organization end.
func (w *work) endHolders(c *iam.CustomRole) error {
	return w.Peek(func() error {
		queue := []iam.NodeID{c.Node}
		ends := len(w.ends)
		for seen := 0; len(queue) > 0; seen++ {
			if seen == maxScan || len(w.ends)-ends > manyMembers {
				w.ends = w.ends[:ends]
				return w.endTree(c.Node)
			}
			n, err := w.Node(queue[0])
			if err != nil || n == nil {
				return err
			}
			queue = queue[1:]
			if n.Level == c.Level {
				if err := w.endHoldersAt(n.ID, c.ID); err != nil {
					return err
				}
				continue // no level has nodes of its own level below
			}
			below, err := w.Children(n.ID)
			if err != nil {
				return err
			}
			for _, child := range below {
				queue = append(queue, child.ID)
			}
		}
		return nil
	})
}

func (w *work) endHoldersAt(n iam.NodeID, role iam.RoleID) error {
	held, err := w.Assignments(n)
	if err != nil {
		return err
	}
	for _, a := range held {
		if slices.Contains(a.Roles, role) {
			if err := w.endMembers(n, a.Subject); err != nil {
				return err
			}
		}
	}
	return nil
}

// pinRole gives the node that defines a custom role a new version, because the role is being given at a node below: a change of
// the role that has not counted this holder does not pass it unseen.
func (w *work) pinRole(m *access.Model, n iam.NodeID, role iam.RoleID) error {
	if levelOfRole(m, role) != "" {
		return nil
	}
	path, err := w.Path(n)
	if err != nil {
		return err
	}
	for _, at := range slices.Backward(path) {
		defined, err := w.CustomRoles(at.ID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(defined, func(c *iam.CustomRole) bool { return c.ID == role }) {
			return w.PutNode(at)
		}
	}
	return nil
}

// levelOfRole returns the level of a role of the model, "" when it has none of that name.
func levelOfRole(m *access.Model, id iam.RoleID) iam.Level {
	for _, l := range m.Schema().Levels {
		for _, r := range l.Roles {
			if r.ID == id {
				return l.ID
			}
		}
	}
	return ""
}

func permissions(names []string) []iam.Permission {
	if names == nil {
		return nil
	}
	out := make([]iam.Permission, len(names))
	for i, name := range names {
		out[i] = iam.Permission(name)
	}
	return out
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// namedHolders is how many holders of a role a refusal names.
const namedHolders = 20

// nameHolders writes the holders that a refusal lists by node and subject as people call them: path and name.
func (w *work) nameHolders(err error) error {
	var e *iam.Error
	if !errors.As(err, &e) || e.Code != access.CodeRoleInUse {
		return err
	}
	c := *e
	c.Fields = nil
	for _, f := range e.Fields[:min(len(e.Fields), namedHolders)] {
		sub, err := iam.ParseSubject(f.Message)
		if err != nil {
			return err
		}
		n := iam.NodeID(f.Path)
		if f.Path, err = w.pathOf(n); err != nil {
			return err
		}
		name := ""
		switch sub.Kind {
		case iam.SubjectUser:
			name, err = w.nameOfUser(iam.UserID(sub.ID))
		case iam.SubjectGroup:
			name, err = w.groupName(n, iam.GroupID(sub.ID))
		}
		if err != nil {
			return err
		}
		if name != "" {
			f.Message = string(sub.Kind) + ":" + name
		}
		c.Fields = append(c.Fields, f)
	}
	return &c
}
