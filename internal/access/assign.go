package access

import (
	"cmp"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Plan is what a change of assignments comes to: written as it stands, in the transaction that the Roster reads.
type Plan struct {
	Before iam.Assignment   `json:"before"`
	After  iam.Assignment   `json:"after"`          // of the same node and subject; without roles: the assignment ends
	Ends   []iam.Assignment `json:"ends,omitempty"` // further assignments of the subject that end with it
	Seats  SeatUse          `json:"seats,omitzero"`
}

// Assign decides whether actor may give s a role at n; "" is the level's join role. At an exclusive level it replaces what s holds.
func (m *Model) Assign(r Roster, actor Actor, n iam.NodeID, s iam.Subject, id iam.RoleID) (Plan, error) {
	return m.assign(r, actor, n, s, id, "")
}

// Replace decides whether actor may give s one role in place of another, at a level where roles add up.
func (m *Model) Replace(r Roster, actor Actor, n iam.NodeID, s iam.Subject, old, id iam.RoleID) (Plan, error) {
	if !slices.Contains(r.Roles(n, s), old) {
		if _, err := m.enter(r, actor, n); err != nil {
			return Plan{}, err
		}
		return Plan{}, refuse(CodeNotFound, "%s does not hold role %s there", s, old)
	}
	return m.assign(r, actor, n, s, id, old)
}

func (m *Model) assign(r Roster, actor Actor, n iam.NodeID, s iam.Subject, id, old iam.RoleID) (Plan, error) {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return Plan{}, err
	}
	before := slices.Clone(r.Roles(n, s))
	lost := before // what s no longer holds afterwards
	if !st.level().Exclusive {
		lost = nil
		if old != "" {
			lost = []iam.RoleID{old}
		}
	}
	if err := st.selfLocked(s, lost); err != nil {
		return Plan{}, err
	}
	if id == "" {
		if id = st.level().JoinRole; id == "" {
			return Plan{}, refuse(CodeRoleNotHere, "level %s has no role for those who join: name one", st.level().ID)
		}
	}
	g, ok := st.grantable(id)
	if !ok {
		return Plan{}, refuse(CodeRoleNotHere, "role %q is not one of level %s", id, st.level().ID)
	}
	if err := st.mayGive(g, lost); err != nil {
		return Plan{}, err
	}
	if err := st.fits(g, s); err != nil {
		return Plan{}, err
	}
	if err := st.exceedsGrant(g); err != nil {
		return Plan{}, err
	}
	if slices.Contains(before, id) {
		return Plan{}, refuse(CodeRoleHeld, "%s holds role %s already", s, id)
	}
	if err := st.outsider(s); err != nil {
		return Plan{}, err
	}
	if err := st.maximum(g.role); err != nil {
		return Plan{}, err
	}
	if err := st.minimum(s, lost); err != nil {
		return Plan{}, err
	}
	use, err := m.seat(r, st.ev.path, st.level(), m.peopleOf(r, s))
	if err != nil {
		return Plan{}, err
	}
	after := slices.DeleteFunc(slices.Clone(before), func(id iam.RoleID) bool { return slices.Contains(lost, id) })
	after = m.sort(append(after, id))
	return Plan{Before: iam.Assignment{Node: n, Subject: s, Roles: before}, After: iam.Assignment{Node: n, Subject: s, Roles: after}, Seats: use}, nil
}

// sort puts roles in file order, custom ones last by name.
func (m *Model) sort(ids []iam.RoleID) []iam.RoleID {
	place := func(id iam.RoleID) int {
		if ro := m.roleOf[id]; ro != nil {
			return ro.index
		}
		return len(m.roles)
	}
	slices.SortFunc(ids, func(a, b iam.RoleID) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b)) })
	return slices.Compact(ids)
}

// selfLocked refuses holders who would change or drop a role of their own that is locked.
func (st *site) selfLocked(s iam.Subject, lost []iam.RoleID) error {
	if st.free() || s != st.actor.Subject {
		return nil
	}
	for _, id := range lost {
		if ro := st.m.roleOf[id]; ro != nil && ro.SelfLocked {
			return refuse(CodeOwnRoleLocked, "you hold role %s and cannot change or drop it yourself: ask another holder to", id)
		}
	}
	return nil
}

// mayGive refuses an actor without the right to assign the role or, where others are lost with it, to change them into it.
func (st *site) mayGive(g grantable, lost []iam.RoleID) error {
	giving := "giving role " + string(g.id)
	if len(lost) == 0 {
		return st.allowed(giving, g, g.assign, false)
	}
	if err := st.allowed(giving, g, g.change, false); err != nil {
		return cmp.Or(st.allowed(giving, g, g.assign, false), err) // who may do neither does not learn that something is held
	}
	for _, id := range lost {
		old, _ := st.grantable(id)
		if err := st.allowed(giving, old, old.change, true); err != nil {
			return err
		}
	}
	return nil
}

// fits refuses a kind of subject that may not hold the role, and a group that may not hold it here.
func (st *site) fits(g grantable, s iam.Subject) error {
	if !st.mayHold(g, s.Kind) {
		return refuse(CodeHolderNotAllowed, "role %s is not for a %s", g.id, s.Kind)
	}
	if s.Kind != iam.SubjectGroup {
		return nil
	}
	return st.mayHoldAt(st.level(), st.node().Name, iam.GroupID(s.ID))
}

// mayHoldAt refuses a group that may not hold a role at the site or, of another level, at a node right below it that is to be made.
func (st *site) mayHoldAt(l *level, where string, id iam.GroupID) error {
	for i, n := range st.ev.path {
		for k := range st.ev.levels[i].Groups.System {
			sg := newSystemGroup(st.ev.levels[i], &st.ev.levels[i].Groups.System[k])
			if sg.id(n) != id {
				continue
			}
			if !slices.Contains(sg.HoldsAt, l.ID) {
				return refuse(CodeGroupNotHere, "group %s holds roles at %v only: here it would decide its own membership", sg.name(n), sg.HoldsAt)
			}
			return nil
		}
	}
	if custom := st.r.Group(id); custom == nil || !st.ev.onPath(custom.Node, st.ev.last()) {
		return refuse(CodeGroupNotHere, "no group %q belongs to %s or a node above it", id, where)
	}
	return nil
}

// outsider refuses a person without a role at a node above that keeps outsiders out.
func (st *site) outsider(s iam.Subject) error {
	if !isPerson(s) {
		return nil // members of a group are each judged when they come
	}
	ev, _ := st.m.evaluate(st.r, s, st.node().ID)
	if c := ev.cut[ev.last()]; c.by == RestrictExternalUsers && c.node.ID != st.node().ID {
		return refuseOutsider(c.node, s)
	}
	return nil
}

// outsiderBelow is outsider for a node right below the site that is to be made.
func (st *site) outsiderBelow(s iam.Subject) error {
	if !isPerson(s) {
		return nil
	}
	ev, _ := st.m.evaluate(st.r, s, st.node().ID)
	if c := ev.cut[ev.last()]; c.by == RestrictExternalUsers {
		return refuseOutsider(c.node, s)
	}
	return nil
}

func refuseOutsider(n *iam.Node, s iam.Subject) error {
	return refuse(CodeExternalBlocked, "%s admits only people with a role of its own: add %s there first", n.Name, s)
}

// maximum refuses one more holder of a role that as many hold as may.
func (st *site) maximum(ro *role) error {
	if ro == nil || ro.Max == 0 {
		return nil
	}
	n := 0
	for _, a := range st.r.Holders(st.node().ID) {
		if slices.Contains(a.Roles, ro.ID) {
			n++
		}
	}
	if n >= ro.Max {
		return refuse(CodeRoleHeld, "role %s has at most %d holders at %s, and has %d", ro.ID, ro.Max, st.node().Name, n)
	}
	return nil
}

// minimum refuses that s stops counting as a holder of roles which must keep some.
func (st *site) minimum(s iam.Subject, lost []iam.RoleID) error {
	return st.m.minimum(st.r, st.node(), s, lost)
}

// minimum counts users and clients that are neither suspended nor disabled, until there are enough. A login that never signed in counts only while another login leaves:
// it could not take over from a person.
func (m *Model) minimum(r Roster, n *iam.Node, s iam.Subject, lost []iam.RoleID) error {
	if s.Kind == iam.SubjectGroup {
		return nil
	}
	for _, id := range lost {
		ro := m.roleOf[id]
		if ro == nil || ro.Min == 0 {
			continue
		}
		left := 0
		for _, a := range r.Holders(n.ID) {
			counts := a.Subject.Kind == iam.SubjectUser || a.Subject.Kind == iam.SubjectClient || a.Subject.Kind == s.Kind
			if counts && a.Subject != s && slices.Contains(a.Roles, id) && !(ro.level.suspends && r.Suspended(n.ID, a.Subject)) && !r.Disabled(a.Subject) {
				left++
			}
			if left >= ro.Min {
				break
			}
		}
		if left < ro.Min {
			return refuse(CodeLastHolder, "%s must keep %d with role %s, and %d would be left: give the role to somebody else first", n.Name, ro.Min, id, left)
		}
	}
	return nil
}

// Assignable lists the roles that somebody may give to this kind of subject at n: file order, then custom roles by name.
func (m *Model) Assignable(r Roster, n iam.NodeID, kind iam.SubjectKind) []iam.RoleID {
	return m.assignable(r, Actor{Authority: ByOperator}, n, kind)
}

// AssignableBy lists those of Assignable that this actor may give to somebody who holds nothing at n.
func (m *Model) AssignableBy(r Roster, actor Actor, n iam.NodeID, kind iam.SubjectKind) []iam.RoleID {
	return m.assignable(r, actor, n, kind)
}

func (m *Model) assignable(r Roster, actor Actor, n iam.NodeID, kind iam.SubjectKind) []iam.RoleID {
	out := []iam.RoleID{}
	st, err := m.enter(r, actor, n)
	if err != nil {
		return out
	}
	offer := func(id iam.RoleID) {
		g, ok := st.grantable(id)
		if !ok || g.assign.System || g.assign.Config || !m.carried(st.level(), &g.assign.perms) || !st.mayHold(g, kind) {
			return
		}
		if st.any(&g.assign.perms) && st.exceedsGrant(g) == nil {
			out = append(out, id)
		}
	}
	for _, ro := range st.level().Roles {
		offer(ro.ID)
	}
	for _, at := range st.ev.path {
		for _, c := range r.CustomRoles(at.ID) {
			if c.Level == st.level().ID {
				offer(c.ID)
			}
		}
	}
	return m.sort(out)
}
