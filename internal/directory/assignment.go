package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Assignments lists who holds which roles at a node.
func (s *Service) Assignments(ctx context.Context, ref string, p store.PageOptions) (out apiv1.Page[apiv1.Assignment], err error) {
	id, err := s.nodeID(ctx, ref)
	if err != nil {
		return out, err
	}
	page, err := s.Store.Assignments(ctx, id, p)
	if err != nil {
		return out, err
	}
	out = apiv1.Page[apiv1.Assignment]{Items: []apiv1.Assignment{}, NextPageToken: page.Next}
	err = s.view(ctx, func(w *work) error {
		for _, a := range page.Items {
			shown, err := w.showAssignment(a)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, shown...)
		}
		return nil
	})
	return out, err
}

// Assign gives a role at a node. It is no fault that the subject holds it already.
func (s *Service) Assign(ctx context.Context, by By, ref string, a apiv1.Assignment) (out apiv1.Assignment, err error) {
	err = s.update(ctx, by, func(w *work) error {
		n, err := w.node(ref)
		if err != nil {
			return err
		}
		role, _, err := w.ensureAssignment(n.ID, a)
		out = a
		out.Role = string(role)
		return err
	})
	return out, err
}

// Unassign takes a role at a node away, or with Role "" all that the subject holds there and below.
func (s *Service) Unassign(ctx context.Context, by By, ref string, a apiv1.Assignment) error {
	return s.execute(ctx, by, func(p *plan) error {
		n, m, err := p.nodeAndModel(ref)
		if err != nil {
			return err
		}
		sub, err := p.subject(m, n.ID, a)
		if err != nil {
			return err
		}
		if a.Role != "" {
			return p.step(func(w *work) (diff, error) { return diff{}, w.unassign(n.ID, sub, iam.RoleID(a.Role)) })
		}
		var below []iam.NodeID
		err = p.decide(func(r access.Roster) error {
			ends, err := m.Expel(r, p.by.Actor, n.ID, sub)
			for _, a := range ends.Ends {
				below = append(below, a.Node)
			}
			return err
		})
		if err != nil {
			return err
		}
		return p.dropAll(sub, append([]iam.NodeID{n.ID}, below...))
	})
}

func (w *work) nodeAndModel(ref string) (*iam.Node, *access.Model, error) {
	n, err := w.node(ref)
	if err != nil {
		return nil, nil, err
	}
	return w.at(n.ID)
}

// unassign takes one role.
func (w *work) unassign(n iam.NodeID, sub iam.Subject, role iam.RoleID) error {
	_, m, err := w.at(n)
	if err != nil {
		return err
	}
	var p access.Plan
	err = w.decide(func(r access.Roster) (err error) {
		p, err = m.Remove(r, w.by.Actor, n, sub, role)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.endMembers(n, sub); err != nil {
		return err
	}
	return w.Assign(n, sub, p.After.Roles)
}

// ensureAssignment gives a role unless the subject holds it, and returns which it is.
func (w *work) ensureAssignment(n iam.NodeID, a apiv1.Assignment) (role iam.RoleID, fresh bool, err error) {
	_, m, err := w.at(n)
	if err != nil {
		return "", false, err
	}
	sub, err := w.subject(m, n, a)
	if err != nil {
		return "", false, err
	}
	return w.give(m, n, sub, iam.RoleID(a.Role))
}

// give makes a subject hold a role at a node; "" is the role for those who join.
func (w *work) give(m *access.Model, n iam.NodeID, sub iam.Subject, role iam.RoleID) (_ iam.RoleID, fresh bool, err error) {
	node, err := w.Node(n)
	if err != nil {
		return "", false, err
	}
	if l := m.Level(node.Level); role == "" && l != nil {
		role = l.JoinRole
	}
	held, err := w.Roles(n, sub)
	if err != nil || slices.Contains(held, role) {
		return role, false, err
	}
	var p access.Plan
	err = w.decide(func(r access.Roster) (err error) {
		p, err = m.Assign(r, w.by.Actor, n, sub, role)
		return err
	})
	if err != nil {
		return "", false, err
	}
	for _, old := range p.Before.Roles {
		if !slices.Contains(p.After.Roles, old) {
			if err := w.endMembers(n, sub); err != nil {
				return "", false, err
			}
			break
		}
	}
	if err := w.pinRole(m, n, role); err != nil {
		return "", false, err
	}
	return role, true, w.Assign(n, sub, p.After.Roles)
}

// subject resolves who an assignment at a node is about.
func (w *work) subject(m *access.Model, n iam.NodeID, a apiv1.Assignment) (iam.Subject, error) {
	named := 0
	for _, s := range []string{a.User, a.Group, a.Client} {
		if s != "" {
			named++
		}
	}
	if a.Login != nil {
		named++
	}
	if named != 1 {
		return iam.Subject{}, iam.Errorf(iam.Invalid, "want one of user, group, client and login, got %d", named)
	}
	switch {
	case a.User != "":
		u, err := w.user(a.User)
		if err != nil {
			return iam.Subject{}, reference(err)
		}
		return u.ID.Subject(), nil
	case a.Client != "":
		return w.assignable(n, a.Client)
	case a.Group != "":
		id, err := w.groupAt(m, n, a.Group)
		return id.Subject(), err
	}
	if err := errors.Join(iam.CheckName("connector", a.Login.Connector), checkLogin(a.Login.Name)); err != nil {
		return iam.Subject{}, err
	}
	return iam.Subject{Kind: iam.SubjectLogin, ID: a.Login.Connector + "/" + a.Login.Name}, nil
}

// reference turns "not found" of something that a request refers to into a fault of the request: what its path names was found.
func reference(err error) error {
	if iam.KindOf(err) != iam.NotFound {
		return err
	}
	var e *iam.Error
	errors.As(err, &e)
	return iam.Refuse(iam.Invalid, "unknown_reference", "%s", e.Message)
}

// within says where in the request a refusal belongs.
func within(path string, err error) error {
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind == iam.Internal || e.Kind == iam.Unavailable {
		return err
	}
	c := *e
	if len(e.Fields) == 0 {
		c.Fields = []iam.Field{{Path: path, Message: e.Message}}
		c.Message = path + ": " + e.Message
	}
	return &c
}

func checkLogin(name string) error {
	if name == "" || len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return r <= 0x20 || r >= 0x7f || strings.ContainsRune("/{};", r) }) {
		return iam.Errorf(iam.Invalid, "login name %.40q: want 1 to 100 printable characters without space / { } ;", name)
	}
	return nil
}

// groupAt finds the group of that id or name at a node or the nearest above it, computed groups of the model among them.
func (w *work) groupAt(m *access.Model, n iam.NodeID, ref string) (id iam.GroupID, err error) {
	err = w.Peek(func() error {
		path, err := w.Path(n)
		if err != nil {
			return err
		}
		for _, at := range slices.Backward(path) {
			g, err := w.GroupNamed(at.ID, ref)
			if err != nil {
				return err
			}
			if g != nil {
				id = g.ID
				return nil
			}
			if id = systemGroup(m, at, ref); id != "" {
				return nil
			}
		}
		g, err := w.Group(iam.GroupID(ref))
		if err != nil {
			return err
		}
		if g == nil {
			return reference(missing("group", ref))
		}
		id = g.ID
		return nil
	})
	return id, err
}

const nodePlace = "{node}"

// systemGroup returns the id of the computed group of that name at a node, "" when the model has none.
func systemGroup(m *access.Model, n *iam.Node, name string) iam.GroupID {
	if l := m.Level(n.Level); l != nil {
		for _, g := range l.Groups.System {
			if strings.Replace(g.Name, nodePlace, n.Name, 1) == name {
				return iam.GroupID(strings.Replace(g.Name, nodePlace, string(n.ID), 1))
			}
		}
	}
	return ""
}

// showAssignment returns an entry for each role. A subject that is gone is shown by its id.
func (w *work) showAssignment(a iam.Assignment) ([]apiv1.Assignment, error) {
	var one apiv1.Assignment
	switch a.Subject.Kind {
	case iam.SubjectUser:
		one.User = a.Subject.ID
		u, err := w.User(iam.UserID(a.Subject.ID))
		if err != nil {
			return nil, err
		}
		if u != nil {
			one.User = u.Name
		}
	case iam.SubjectGroup:
		name, err := w.groupName(a.Node, iam.GroupID(a.Subject.ID))
		if err != nil {
			return nil, err
		}
		one.Group = name
	case iam.SubjectClient:
		one.Client = a.Subject.ID
	case iam.SubjectLogin:
		connector, name, _ := strings.Cut(a.Subject.ID, "/")
		one.Login = &apiv1.Login{Connector: connector, Name: name}
	}
	out := make([]apiv1.Assignment, len(a.Roles))
	for i, role := range a.Roles {
		out[i] = one
		out[i].Role = string(role)
	}
	return out, nil
}

// groupName names a group that holds a role at a node.
func (w *work) groupName(n iam.NodeID, id iam.GroupID) (name string, err error) {
	err = w.Peek(func() error {
		g, err := w.Group(id)
		if err != nil {
			return err
		}
		if g != nil {
			name = g.Name
			return nil
		}
		name = string(id)
		path, err := w.Path(n)
		if err != nil {
			return err
		}
		m, err := w.model(path)
		if err != nil {
			return err
		}
		for _, at := range path {
			l := m.Level(at.Level)
			if l == nil {
				continue
			}
			for _, sg := range l.Groups.System {
				if strings.Replace(sg.Name, nodePlace, string(at.ID), 1) == string(id) {
					name = strings.Replace(sg.Name, nodePlace, at.Name, 1)
				}
			}
		}
		return nil
	})
	return name, err
}
