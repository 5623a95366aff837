package access

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

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

// ManageGroups decides whether actor may make, change and end custom groups at n.
func (m *Model) ManageGroups(r Roster, actor Actor, n iam.NodeID) error {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return err
	}
	return st.need("managing groups", st.level().Groups.Create)
}

// A SystemGroupAt is a computed group of one node, as it can hold roles at another.
type SystemGroupAt struct {
	ID        iam.GroupID
	Name      string
	Node      iam.NodeID // whose members it has
	Holds     bool       // it may hold roles at the node asked about
	Preselect bool       // it is offered first there
}

// SystemGroups returns the computed groups of n and the nodes above it, from the root down.
func (m *Model) SystemGroups(f Facts, n iam.NodeID) []SystemGroupAt {
	ev := evaluation{m: m, path: f.Path(n)}
	if !ev.place() {
		return nil
	}
	here := ev.levels[ev.last()].ID
	var out []SystemGroupAt
	for i, at := range ev.path {
		for k := range ev.levels[i].Groups.System {
			g := newSystemGroup(ev.levels[i], &ev.levels[i].Groups.System[k])
			out = append(out, SystemGroupAt{
				ID: g.id(at), Name: g.name(at), Node: at.ID, Holds: slices.Contains(g.HoldsAt, here), Preselect: g.Preselect == here,
			})
		}
	}
	return out
}

// ChangeGroup decides whether actor may rename or delete a group. A computed group is refused.
func (m *Model) ChangeGroup(r Roster, actor Actor, id iam.GroupID) error {
	_, err := m.groupSite(r, actor, id)
	return err
}

// AddMember decides whether actor may put u into a group: that gives u whatever the group holds, so none of it may exceed the
// actor where it is held, and it may take seats. What is returned says of whom, for each node that the group holds something at.
func (m *Model) AddMember(r Roster, actor Actor, id iam.GroupID, u iam.UserID) ([]SeatUse, error) {
	if _, err := m.groupSite(r, actor, id); err != nil {
		return nil, err
	}
	var uses []SeatUse
	for _, n := range r.Nodes(id.Subject()) {
		st, err := m.approach(r, actor, n)
		if err != nil {
			return nil, err
		}
		for _, role := range r.Roles(n, id.Subject()) {
			g, ok := st.grantable(role)
			if !ok {
				continue
			}
			if err := st.exceedsGrant(g); err != nil {
				return nil, err
			}
		}
		if err := st.outsiderIn(id, u.Subject()); err != nil {
			return nil, err
		}
		taken, err := m.seat(r, st.ev.path, st.level(), []iam.Subject{u.Subject()})
		if err != nil {
			return nil, err
		}
		uses = append(uses, taken)
	}
	return uses, nil
}

// outsiderIn is outsider for whoever is to have what a group holds at the site. Where the group itself holds something at the node
// that keeps outsiders out, joining makes one a member.
func (st *site) outsiderIn(id iam.GroupID, s iam.Subject) error {
	err := st.outsider(s)
	if err == nil {
		return nil
	}
	for i := range st.ev.path {
		l, n := st.ev.levels[i], st.ev.path[i]
		if l.externals && l.value(n, string(RestrictExternalUsers)) == blocked && n.ID != st.node().ID && len(st.r.Roles(n.ID, id.Subject())) == 0 {
			return err
		}
	}
	return nil
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
