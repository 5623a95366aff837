package access

import "github.com/gatehouse-id/gatehouse/internal/iam"

// CreateGroup decides whether actor may make a custom group of that name at n. Names that look computed are refused, since the
// groups claim carries names only.
func (m *Model) CreateGroup(r Roster, actor Actor, n iam.NodeID, name string) error {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return err
	}
	if err := st.need("making groups", st.level().Groups.Create); err != nil {
		return err
	}
	if m.systemGroupNamed(name) != nil {
		return refuse(CodeGroupSystem, "group names like %q are computed by the model", name)
	}
	return iam.CheckName("group", name)
}

// ChangeGroup decides whether actor may rename or delete a group. A computed group is refused.
func (m *Model) ChangeGroup(r Roster, actor Actor, id iam.GroupID) error {
	_, err := m.groupSite(r, actor, id)
	return err
}

// AddMember decides whether actor may put u into a group: that gives u whatever the group holds, so none of it may exceed the
// actor where it is held, and it may take seats. The SeatUse of the first payer that it takes a seat of is returned.
func (m *Model) AddMember(r Roster, actor Actor, id iam.GroupID, u iam.UserID) (SeatUse, error) {
	if _, err := m.groupSite(r, actor, id); err != nil {
		return SeatUse{}, err
	}
	var use SeatUse
	for _, n := range r.Nodes(id.Subject()) {
		st, err := m.approach(r, actor, n)
		if err != nil {
			return SeatUse{}, err
		}
		for _, role := range r.Roles(n, id.Subject()) {
			g, ok := st.grantable(role)
			if !ok {
				continue
			}
			if err := st.exceedsGrant(g); err != nil {
				return SeatUse{}, err
			}
		}
		taken, err := m.seat(r, st.ev.path, st.level(), []iam.Subject{u.Subject()})
		if err != nil {
			return SeatUse{}, err
		}
		if use.Takes == 0 {
			use = taken
		}
	}
	return use, nil
}

// RemoveMember decides whether actor may take somebody out of a group.
func (m *Model) RemoveMember(r Roster, actor Actor, id iam.GroupID) error {
	return m.ChangeGroup(r, actor, id)
}

// groupSite refuses computed groups, unknown ones, and an actor who may not make groups at the group's node.
func (m *Model) groupSite(r Roster, actor Actor, id iam.GroupID) (*site, error) {
	g := r.Group(id)
	if g == nil {
		if m.systemGroupNamed(string(id)) != nil {
			return nil, refuse(CodeGroupSystem, "group %s is computed by the model: give or take a role to change who is in it", id)
		}
		return nil, refuse(CodeNotFound, "no such group")
	}
	st, err := m.enter(r, actor, g.Node)
	if err != nil {
		return nil, refuse(CodeNotFound, "no such group")
	}
	return st, st.need("changing groups", st.level().Groups.Create)
}
