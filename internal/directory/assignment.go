package directory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Assignments lists who holds which roles at a node. Who may not see that sees what he holds himself.
func (s *Service) Assignments(ctx context.Context, by By, ref string, p store.PageOptions) (out apiv1.Page[apiv1.Assignment], err error) {
	out.Items = []apiv1.Assignment{}
	err = s.viewBy(ctx, by, func(w *work) error {
		page, err := w.listed(ref, p, s.Store.Assignments)
		if err != nil {
			return err
		}
		out.NextPageToken = page.Next
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

// A pageOf reads a page of what is assigned at a node.
type pageOf func(ctx context.Context, n iam.NodeID, p store.PageOptions) (store.Page[iam.Assignment], error)

// listed reads a page for those who may see it, and for others the one line that is their own.
func (w *work) listed(ref string, p store.PageOptions, list pageOf) (store.Page[iam.Assignment], error) {
	n, m, err := w.nodeAndModel(ref)
	if err != nil {
		return store.Page[iam.Assignment]{}, err
	}
	may, err := w.mayList(m, n.ID)
	if err != nil {
		return store.Page[iam.Assignment]{}, err
	}
	if may {
		return list(w.ctx, n.ID, p)
	}
	own, err := w.Assignment(n.ID, w.by.Subject)
	if err != nil || len(own.Roles) == 0 {
		return store.Page[iam.Assignment]{}, err
	}
	return store.Page[iam.Assignment]{Items: []iam.Assignment{own}}, nil
}

// Assign gives a role at a node. It is no fault that the subject holds it already.
func (s *Service) Assign(ctx context.Context, by By, ref string, a apiv1.Assignment) (out apiv1.Assignment, err error) {
	err = s.update(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		out = a
		role, _, err := w.assign(m, n.ID, a)
		out.Role = string(role)
		return err
	})
	return out, err
}

// Unassign takes a role at a node away, or with Role "" all that the subject holds there and below.
func (s *Service) Unassign(ctx context.Context, by By, ref string, a apiv1.Assignment) error {
	who := func(w *work, m *access.Model, n *iam.Node) (iam.Subject, error) { return w.loser(m, n.ID, a) }
	if a.Role == "" {
		return s.expel(ctx, by, ref, who)
	}
	return s.update(ctx, by, func(w *work) error {
		l, err := w.departure(ref, who)
		if err != nil {
			return err
		}
		return l.refusal(w.unassign(l.node.ID, l.subject, iam.RoleID(a.Role)))
	})
}

// loser resolves who is to lose something at a node. Who may not take anything away there does not learn from the answer who exists.
func (w *work) loser(m *access.Model, n iam.NodeID, a apiv1.Assignment) (iam.Subject, error) {
	sub, err := w.subject(m, n, a)
	if iam.CodeOf(err) != codeUnknownReference || w.by.Authority != access.ByModel {
		return sub, err
	}
	refused := w.decide(func(r access.Roster) error {
		_, err := m.Remove(r, w.by.Actor, n, iam.Subject{Kind: kindOf(a), ID: "nobody"}, iam.RoleID(a.Role))
		return err
	})
	if iam.KindOf(refused) == iam.Forbidden {
		return sub, refused
	}
	return sub, err
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

// assign gives a role to whoever an assignment names; a login is invited.
func (w *work) assign(m *access.Model, n iam.NodeID, a apiv1.Assignment) (role iam.RoleID, fresh bool, err error) {
	sub, err := w.subject(m, n, a)
	if iam.CodeOf(err) == codeUnknownReference && w.by.Authority == access.ByModel {
		// Who may not give the role does not learn from the answer who exists: what is refused for anybody's sake is refused first.
		stranger := iam.Subject{Kind: kindOf(a), ID: "nobody"}
		refused := w.decide(func(r access.Roster) error {
			_, err := m.Assign(r, w.by.Actor, n, stranger, iam.RoleID(a.Role))
			return err
		})
		switch iam.CodeOf(refused) {
		case access.CodeForbidden, access.CodeExceedsOwn, access.CodeHolderNotAllowed, access.CodeRoleNotHere, access.CodeRoleSystemAssigned:
			return "", false, refused
		}
	}
	if err != nil {
		return "", false, err
	}
	return w.giveOrInvite(m, n, sub, iam.RoleID(a.Role))
}

// giveOrInvite gives a role to a subject, or invites a login to it.
func (w *work) giveOrInvite(m *access.Model, n iam.NodeID, sub iam.Subject, role iam.RoleID) (_ iam.RoleID, fresh bool, err error) {
	if sub.Kind != iam.SubjectLogin {
		return w.give(m, n, sub, role)
	}
	role, err = w.invite(m, n, sub, role, invitationLife)
	return role, true, err
}

// kindOf is the kind of subject that an assignment names.
func kindOf(a apiv1.Assignment) iam.SubjectKind {
	switch {
	case a.Group != "":
		return iam.SubjectGroup
	case a.Client != "":
		return iam.SubjectClient
	}
	return iam.SubjectUser
}

// give makes a subject hold a role at a node; "" is the role for those who join.
func (w *work) give(m *access.Model, n iam.NodeID, sub iam.Subject, role iam.RoleID) (_ iam.RoleID, fresh bool, err error) {
	role, after, fresh, err := w.granted(w.by.Actor, m, n, sub, role)
	if err != nil || !fresh {
		return role, false, err
	}
	return role, true, w.Assign(n, sub, after)
}

// granted decides about a role for a subject, and returns what the subject holds with it. It is not fresh when the subject holds it
// already. The tokens of somebody who loses another role by it end.
func (w *work) granted(actor access.Actor, m *access.Model, n iam.NodeID, sub iam.Subject, role iam.RoleID) (_ iam.RoleID, after []iam.RoleID, fresh bool, err error) {
	node, err := w.Node(n)
	if err != nil {
		return "", nil, false, err
	}
	if l := m.Level(node.Level); role == "" && l != nil {
		role = l.JoinRole
	}
	held, err := w.Roles(n, sub)
	if err != nil {
		return "", nil, false, err
	}
	if _, err := w.Path(n); err != nil { // whoever decides: that nobody shuts outsiders out above meanwhile is a condition
		return "", nil, false, err
	}
	holds := slices.Contains(held, role)
	if holds && actor.Authority != access.ByModel {
		return role, held, false, nil
	}
	var p access.Plan
	err = w.decide(func(r access.Roster) (err error) {
		p, err = m.Assign(r, actor, n, sub, role)
		return err
	})
	if holds && iam.CodeOf(err) == access.CodeRoleHeld { // the actor could give it
		return role, held, false, nil
	}
	if err != nil {
		return "", nil, false, err
	}
	if err := w.pinRole(m, n, role); err != nil {
		return "", nil, false, err
	}
	if err := w.takeSeats(p.Seats); err != nil {
		return "", nil, false, err
	}
	return role, p.After.Roles, true, w.endIfLost(p)
}

// endIfLost ends the tokens of a subject that holds less after a change.
func (w *work) endIfLost(p access.Plan) error {
	for _, old := range p.Before.Roles {
		if !slices.Contains(p.After.Roles, old) {
			return w.endMembers(p.After.Node, p.After.Subject)
		}
	}
	return nil
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
	login, err := loginSubject(a.Login.Connector, a.Login.Name)
	if err != nil || w.by.Authority == access.ByModel {
		return login, err // whom the name belongs to is not everybody's to know
	}
	connector, name, _ := strings.Cut(login.ID, "/")
	known, err := w.LoginNamed(connector, name)
	if err != nil || known == "" {
		return login, err
	}
	return known.Subject(), nil
}

const codeUnknownReference = "unknown_reference"

// reference turns "not found" of something that a request refers to into a fault of the request: what its path names was found.
func reference(err error) error {
	if iam.KindOf(err) != iam.NotFound {
		return err
	}
	var e *iam.Error
	errors.As(err, &e)
	return iam.Refuse(iam.Invalid, codeUnknownReference, "%s", e.Message)
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
		mine := g != nil
		if mine && w.by.Authority == access.ByModel {
			if mine, err = w.near(n, g.Node); err != nil {
				return err
			}
		}
		if !mine {
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
		name, err := w.nameOfUser(iam.UserID(a.Subject.ID))
		if err != nil {
			return nil, err
		}
		one.User = cmp.Or(name, a.Subject.ID)
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
