package directory

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Group returns a group of a node by id or name.
func (s *Service) Group(ctx context.Context, node, ref string) (out apiv1.Group, err error) {
	err = s.view(ctx, func(w *work) error {
		g, err := w.group(node, ref)
		if err == nil {
			out, err = w.showGroup(g)
		}
		return err
	})
	return out, err
}

// Groups lists the groups of a node by name.
func (s *Service) Groups(ctx context.Context, node string, p store.PageOptions) (out apiv1.Page[apiv1.Group], err error) {
	id, err := s.nodeID(ctx, node)
	if err != nil {
		return out, err
	}
	page, err := s.Store.Groups(ctx, id, p)
	if err != nil {
		return out, err
	}
	err = s.view(ctx, func(w *work) error {
		out, err = show(page, nil, w.showGroup)
		return err
	})
	return out, err
}

// Members lists who is in a group.
func (s *Service) Members(ctx context.Context, node, ref string, p store.PageOptions) (out apiv1.Page[apiv1.Member], err error) {
	g, err := s.Group(ctx, node, ref)
	if err != nil {
		return out, err
	}
	page, err := s.Store.Members(ctx, iam.GroupID(g.ID), p)
	return show(page, err, func(id iam.UserID) (apiv1.Member, error) {
		m := apiv1.Member{ID: string(id)}
		u, err := s.Store.User(ctx, id)
		if u != nil {
			m.Name = u.Name
		}
		return m, err
	})
}

// CreateGroup makes a group at a node.
func (s *Service) CreateGroup(ctx context.Context, by By, node string, n apiv1.NewGroup) (out apiv1.Group, err error) {
	err = s.execute(ctx, by, func(p *plan) error {
		at, err := p.node(node)
		if err != nil {
			return err
		}
		if old, err := p.GroupNamed(at.ID, n.Name); err != nil {
			return err
		} else if old != nil {
			return toCreate.check(true, "group", n.Name, "")
		}
		return p.ensureGroup(at.ID, n.Name, n.Members)
	})
	if err != nil {
		return out, err
	}
	return s.Group(ctx, node, n.Name)
}

// AddMember puts a user into a group.
func (s *Service) AddMember(ctx context.Context, by By, node, group, user string) error {
	return s.setMember(ctx, by, node, group, user, true)
}

// RemoveMember takes a user out of a group.
func (s *Service) RemoveMember(ctx context.Context, by By, node, group, user string) error {
	return s.setMember(ctx, by, node, group, user, false)
}

func (s *Service) setMember(ctx context.Context, by By, node, group, user string, in bool) error {
	return s.update(ctx, by, func(w *work) error {
		g, err := w.group(node, group)
		if err != nil {
			return err
		}
		u, err := w.user(user)
		if err != nil {
			return err
		}
		return w.member(g.ID, u.ID, in)
	})
}

// DeleteGroup ends a group: its members lose what it holds, then it is gone.
func (s *Service) DeleteGroup(ctx context.Context, by By, node, ref string, e Expect) error {
	return s.execute(ctx, by, func(p *plan) error {
		g, err := p.group(node, ref)
		if err != nil {
			return err
		}
		shown, err := p.showGroup(g)
		if err != nil {
			return err
		}
		if err := e.check(true, "group", ref, shown.ETag); err != nil {
			return err
		}
		return p.deleteGroup(g.ID)
	})
}

// deleteGroup plans the end of a group.
func (p *plan) deleteGroup(id iam.GroupID) error {
	g, err := p.work.Group(id)
	if err != nil || g == nil {
		return err
	}
	_, m, err := p.at(g.Node)
	if err != nil {
		return err
	}
	err = p.decide(func(r access.Roster) error { return m.ChangeGroup(r, p.by.Actor, id) })
	if err != nil {
		return err
	}
	h, err := p.Holding(id.Subject())
	if err != nil {
		return err
	}
	members, err := p.work.Members(id)
	if err != nil {
		return err
	}
	if err := p.dropAll(id.Subject(), h.Nodes); err != nil {
		return err
	}
	for _, u := range members {
		if err := p.step(func(w *work) (diff, error) { return diff{}, w.member(id, u, false) }); err != nil {
			return err
		}
	}
	return p.step(func(w *work) (diff, error) {
		w.Safe()
		return diff{action: apiv1.ActionDelete}, w.DeleteGroup(id)
	})
}

// group resolves a group of a node by id or name.
func (w *work) group(node, ref string) (*iam.Group, error) {
	n, err := w.node(node)
	if err != nil {
		return nil, err
	}
	g, err := w.GroupNamed(n.ID, ref)
	if err == nil && g == nil {
		g, err = w.Tx.Group(iam.GroupID(ref))
	}
	if err == nil && (g == nil || g.Node != n.ID) {
		err = missing("group", ref)
	}
	return g, err
}

// ensureGroup plans that a group is there and has these members, and whoever is in it already.
func (p *plan) ensureGroup(n iam.NodeID, name string, members []string) error {
	err := p.step(func(w *work) (diff, error) {
		old, err := w.GroupNamed(n, name)
		if err != nil || old != nil {
			return diff{}, err
		}
		if err := checkName("group", name); err != nil {
			return diff{}, err
		}
		_, m, err := w.at(n)
		if err != nil {
			return diff{}, err
		}
		err = w.decide(func(r access.Roster) error { return m.CreateGroup(r, w.by.Actor, n, name) })
		if err != nil {
			return diff{}, err
		}
		return diff{action: apiv1.ActionCreate}, w.PutGroup(&iam.Group{ID: iam.GroupID(w.newID("g", string(n)+"/"+name)), Node: n, Name: name, CreatedAt: w.s.Now().UTC()})
	})
	if err != nil {
		return err
	}
	for i, ref := range members {
		err := p.step(func(w *work) (diff, error) {
			g, err := w.GroupNamed(n, name)
			if err != nil || g == nil {
				return diff{}, err
			}
			u, err := w.user(ref)
			if err != nil {
				return diff{}, within(at("members", i), reference(err))
			}
			before := w.Writes()
			if err := w.member(g.ID, u.ID, true); err != nil || w.Writes() == before {
				return diff{}, within(at("members", i), err)
			}
			return diff{action: apiv1.ActionChange, fields: []string{"members"}}, nil
		})
		if err := p.goOn(err); err != nil {
			return err
		}
	}
	return nil
}

// member puts a user into a group or takes the user out.
func (w *work) member(g iam.GroupID, u iam.UserID, in bool) error {
	group, err := w.Tx.Group(g)
	if err != nil || group == nil {
		return err
	}
	if is, err := w.isMember(g, u); err != nil || is == in {
		return err
	}
	_, m, err := w.at(group.Node)
	if err != nil {
		return err
	}
	err = w.decide(func(r access.Roster) error {
		if in {
			_, err := m.AddMember(r, w.by.Actor, g, u)
			return err
		}
		return m.RemoveMember(r, w.by.Actor, g)
	})
	if err != nil {
		return err
	}
	if !in {
		h, err := w.Holding(g.Subject())
		if err != nil {
			return err
		}
		for _, n := range append([]iam.NodeID{group.Node}, h.Nodes...) { // the groups claim is of the group's own organization
			if err := w.endMembers(n, u.Subject()); err != nil {
				return err
			}
		}
	}
	return w.SetMember(g, u, in)
}

func (w *work) isMember(g iam.GroupID, u iam.UserID) (bool, error) {
	h, err := w.Holding(u.Subject())
	if err != nil {
		return false, err
	}
	for _, id := range h.Groups {
		if id == g {
			return true, nil
		}
	}
	return false, nil
}

func (w *work) showGroup(g *iam.Group) (apiv1.Group, error) {
	parent, err := w.pathOf(g.Node)
	out := apiv1.Group{ID: string(g.ID), Name: g.Name, Parent: parent, CreatedAt: g.CreatedAt}
	out.ETag = etag(out)
	return out, err
}
