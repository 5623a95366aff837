package access

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Remove decides whether actor may take a role from s at n; "" takes all that s holds there.
func (m *Model) Remove(r Roster, actor Actor, n iam.NodeID, s iam.Subject, id iam.RoleID) (Plan, error) {
	held := r.Roles(n, s)
	lost := held
	if id != "" {
		lost = nil
		if slices.Contains(held, id) {
			lost = []iam.RoleID{id}
		}
	}
	return m.remove(r, actor, n, s, lost)
}

// Expel decides whether actor may take from s all that it holds at n and below: the end of a membership, which must not leave
// somebody behind as an unnoticed outsider. The right to revoke at n suffices for what is below; invariants hold there too.
func (m *Model) Expel(r Roster, actor Actor, n iam.NodeID, s iam.Subject) (Plan, error) {
	plan := Plan{Before: iam.Assignment{Node: n, Subject: s}, After: iam.Assignment{Node: n, Subject: s}}
	held := slices.Clone(r.Roles(n, s))
	ends := m.below(r, n, s)
	if len(held) > 0 || len(ends) == 0 {
		var err error
		if plan, err = m.remove(r, actor, n, s, held); err != nil {
			return Plan{}, err
		}
	} else {
		st, err := m.enter(r, actor, n)
		if err != nil {
			return Plan{}, err
		}
		if err := st.revokes(nil); err != nil {
			return Plan{}, err
		}
	}
	for _, a := range ends {
		st, err := m.approach(r, actor, a.Node)
		if err != nil {
			return Plan{}, err
		}
		if err := st.selfLocked(s, a.Roles); err != nil {
			return Plan{}, err
		}
		if err := st.minimum(s, a.Roles); err != nil {
			return Plan{}, err
		}
	}
	plan.Ends = ends
	return plan, nil
}

// below lists what s holds at the nodes below n.
func (m *Model) below(r Roster, n iam.NodeID, s iam.Subject) []iam.Assignment {
	var out []iam.Assignment
	for _, at := range r.Nodes(s) {
		if at != n && slices.ContainsFunc(r.Path(at), func(p *iam.Node) bool { return p.ID == n }) {
			out = append(out, iam.Assignment{Node: at, Subject: s, Roles: slices.Clone(r.Roles(at, s))})
		}
	}
	return out
}

func (m *Model) remove(r Roster, actor Actor, n iam.NodeID, s iam.Subject, lost []iam.RoleID) (Plan, error) {
	leaves := actor.Authority == ByModel && actor.Subject == s && len(lost) > 0
	enter := m.enter
	if leaves {
		enter = m.approach
	}
	st, err := enter(r, actor, n)
	if err != nil {
		return Plan{}, err
	}
	if err := st.selfLocked(s, lost); err != nil {
		return Plan{}, err
	}
	if !leaves || st.gains(lost) {
		if err := st.revokes(lost); err != nil {
			return Plan{}, err
		}
	}
	if len(lost) == 0 {
		return Plan{}, refuse(CodeNotFound, "%s does not hold that at %s", s, st.node().Name)
	}
	if err := st.minimum(s, lost); err != nil {
		return Plan{}, err
	}
	before := slices.Clone(r.Roles(n, s))
	after := slices.DeleteFunc(slices.Clone(before), func(id iam.RoleID) bool { return slices.Contains(lost, id) })
	return Plan{Before: iam.Assignment{Node: n, Subject: s, Roles: before}, After: iam.Assignment{Node: n, Subject: s, Roles: after}}, nil
}

// revokes refuses an actor without the right to take these roles; for none, without the level's right.
func (st *site) revokes(lost []iam.RoleID) error {
	if len(lost) == 0 {
		ru := st.m.rule(Right{}, st.level().Manage.Revoke)
		if st.any(&ru.perms) {
			return nil
		}
		return refuseRight("removing somebody", st.node(), ru.AnyOf)
	}
	for _, id := range lost {
		g, _ := st.grantable(id)
		if err := st.allowed("removing somebody", g, g.revoke, true); err != nil {
			return err
		}
	}
	return nil
}

// gains reports whether the actor would hold more without these roles: a grant that lowers somebody is not his to leave.
func (st *site) gains(lost []iam.RoleID) bool {
	after, err := st.m.approach(without{st.r, st.node().ID, st.actor.Subject, lost}, st.actor, st.node().ID)
	if err != nil {
		return false
	}
	for _, l := range st.m.levels {
		if !l.within(st.level()) {
			continue
		}
		had, has := st.reach(l), after.reach(l)
		if has.beyond(&had) >= 0 {
			return true
		}
	}
	return false
}

// without is a roster in which a subject no longer holds some roles at a node.
type without struct {
	Roster
	node    iam.NodeID
	subject iam.Subject
	lost    []iam.RoleID
}

func (w without) Roles(n iam.NodeID, s iam.Subject) []iam.RoleID {
	held := w.Roster.Roles(n, s)
	if n != w.node || s != w.subject {
		return held
	}
	return slices.DeleteFunc(slices.Clone(held), func(id iam.RoleID) bool { return slices.Contains(w.lost, id) })
}

// Suspend decides whether actor may suspend s at n: its roles stay and count for nothing there and below. It takes the right to
// revoke what s holds at n, and a role keeps its minimum of holders who are not suspended.
func (m *Model) Suspend(r Roster, actor Actor, n iam.NodeID, s iam.Subject) error {
	st, err := m.suspension(r, actor, n)
	if err != nil {
		return err
	}
	held := r.Roles(n, s)
	if err := st.selfLocked(s, held); err != nil {
		return err
	}
	if err := st.revokes(held); err != nil {
		return err
	}
	return st.minimum(s, held)
}

// Resume decides whether actor may end the suspension of s at n. It takes the right to assign what s holds at n, and none of that
// may exceed the actor.
func (m *Model) Resume(r Roster, actor Actor, n iam.NodeID, s iam.Subject) error {
	st, err := m.suspension(r, actor, n)
	if err != nil {
		return err
	}
	held := r.Roles(n, s)
	if len(held) == 0 {
		return st.revokes(nil)
	}
	for _, id := range held {
		g, ok := st.grantable(id)
		if !ok {
			continue
		}
		if err := st.allowed("resuming somebody", g, g.assign, true); err != nil {
			return err
		}
		if err := st.exceedsGrant(g); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) suspension(r Roster, actor Actor, n iam.NodeID) (*site, error) {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return nil, err
	}
	if !st.level().suspends {
		return nil, refuse(CodeNotOffered, "model %s knows no suspension at level %s: remove people instead", m.schema.Name, st.level().ID)
	}
	return st, nil
}
