package directory

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// CreateGroup makes a group at a node.
func (s *Service) CreateGroup(ctx context.Context, by By, node string, n apiv1.NewGroup) (out apiv1.Group, err error) {
	err = s.execute(ctx, by, func(p *plan) error {
		at, m, err := p.nodeAndModel(node)
		if err != nil {
			return err
		}
		if err := p.mayManageGroups(m, at.ID); err != nil {
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
	return s.Group(ctx, by, node, n.Name)
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
		g, err := w.groupToChange(node, group)
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
		g, err := p.groupToChange(node, ref)
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
	many := len(members) > manyMembers
	for part := range slices.Chunk(members, maxLeaving) {
		if err := p.step(func(w *work) (diff, error) { return diff{}, w.leave(id, part, many) }); err != nil {
			return err
		}
	}
	return p.step(func(w *work) (diff, error) {
		_, m, err := w.at(g.Node)
		if err != nil {
			return diff{}, err
		}
		err = w.decide(func(r access.Roster) error { return m.ChangeGroup(r, w.by.Actor, id) })
		if err != nil {
			return diff{}, err
		}
		w.Safe()
		return diff{action: apiv1.ActionDelete}, w.DeleteGroup(id)
	})
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
	if !in {
		return w.leave(g, []iam.UserID{u}, false)
	}
	_, m, err := w.at(group.Node)
	if err != nil {
		return err
	}
	var uses []access.SeatUse
	err = w.decide(func(r access.Roster) (err error) {
		uses, err = m.AddMember(r, w.by.Actor, g, u)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.takeSeats(uses...); err != nil {
		return err
	}
	return w.SetMember(g, u, true)
}

// maxLeaving is how many members leave a group in one transaction.
const maxLeaving = 5

// leave takes users out of a group and ends their tokens or, where there are many more of them, all of the organizations where
// the group holds something.
func (w *work) leave(g iam.GroupID, users []iam.UserID, many bool) error {
	group, err := w.Tx.Group(g)
	if err != nil || group == nil {
		return err
	}
	_, m, err := w.at(group.Node)
	if err != nil {
		return err
	}
	err = w.decide(func(r access.Roster) error { return m.RemoveMember(r, w.by.Actor, g) })
	if err != nil {
		return err
	}
	h, err := w.Holding(g.Subject())
	if err != nil {
		return err
	}
	for _, n := range append([]iam.NodeID{group.Node}, h.Nodes...) { // the groups claim is of the group's own organization
		if many {
			if err := w.endTree(n); err != nil {
				return err
			}
			continue
		}
		for _, u := range users {
			if err := w.endMembers(n, u.Subject()); err != nil {
				return err
			}
		}
	}
	for _, u := range users {
		if err := w.SetMember(g, u, false); err != nil {
			return err
		}
	}
	return nil
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
