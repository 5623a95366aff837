package access

import (
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// An Actor is who asks for a change, and by what authority.
type Actor struct {
	Subject   iam.Subject
	Authority Authority
}

// An Authority says whether the model decides about the actor. Invariants (minimum and maximum of holders, who may hold what, seats,
// restrictions) hold for all of them.
type Authority uint8

// The authorities.
const (
	ByModel         Authority = iota // the subject's own rights, by the model
	ByOperator                       // an operator, or a directory that provisions users: rights are not asked
	ByConfiguration                  // as ByOperator, and gives the roles that only the configuration names
)

// User is the actor that a user is by his own rights.
func User(id iam.UserID) Actor { return Actor{Subject: id.Subject()} }

// Client is the actor that a machine is by its own rights.
func Client(id iam.ClientID) Actor { return Actor{Subject: id.Subject()} }

// A site is a node at which an actor wants something changed.
type site struct {
	m     *Model
	r     Roster
	actor Actor
	ev    evaluation // the actor's
	held  permSet    // the actor's permissions at the node
}

// enter refuses a node that is unknown or that the actor may not know of.
func (m *Model) enter(r Roster, actor Actor, n iam.NodeID) (*site, error) {
	st, err := m.approach(r, actor, n)
	if err == nil && actor.Authority == ByModel && !st.ev.visible(&st.held) {
		return nil, refuseNode()
	}
	return st, err
}

// approach is enter for those who may act on what they do not see: whoever leaves.
func (m *Model) approach(r Roster, actor Actor, n iam.NodeID) (*site, error) {
	ev, ok := m.evaluate(r, actor.Subject, n)
	if !ok {
		return nil, refuseNode()
	}
	return &site{m: m, r: r, actor: actor, ev: ev, held: ev.permissions()}, nil
}

func (st *site) node() *iam.Node     { return st.ev.path[st.ev.last()] }
func (st *site) level() *level       { return st.ev.levels[st.ev.last()] }
func (st *site) free() bool          { return st.actor.Authority != ByModel }
func (st *site) any(s *permSet) bool { return st.free() || st.held.meets(s) }

// need refuses an actor without one of these permissions at the node or above.
func (st *site) need(what string, anyOf []iam.Permission) error {
	s := st.m.set(anyOf)
	if st.any(&s) {
		return nil
	}
	return refuseRight(what, st.node(), anyOf)
}

// reach returns what the actor is sure to hold at every node of level l, which is the node's own or below: its permissions here and
// what its roles carry down whatever settings say.
func (st *site) reach(l *level) permSet {
	out := st.held
	for i := range st.ev.path {
		for set := st.ev.roles[i]; set != 0; set &= set - 1 {
			from := st.m.roles[set.first()]
			for _, at := range st.m.levels {
				if at.depth <= st.level().depth || !l.within(at) {
					continue // what is implied here or above is in held, as precedence left it
				}
				for _, im := range from.implies[at.index] {
					if im.role != nil && im.only == "" {
						out.union(&im.role.certain[l.index])
					}
				}
			}
		}
	}
	return out
}

// exceeds refuses to give a role of the model that carries, here or further down, what the actor does not hold there. Whoever holds
// the role itself, or one that extends it, gives nothing more.
func (st *site) exceeds(ro *role) error {
	if st.free() {
		return nil
	}
	for set := st.ev.roles[st.ev.last()]; set != 0; set &= set - 1 {
		if st.m.roles[set.first()].covers.has(ro) {
			return nil
		}
	}
	for _, l := range st.m.levels {
		if !l.within(ro.level) {
			continue
		}
		held := st.reach(l)
		if p := ro.possible[l.index].beyond(&held); p >= 0 {
			return refuse(CodeExceedsOwn, "role %s carries the permission %s, which you do not hold at %s", ro.ID, st.m.perms[p], st.node().Name)
		}
	}
	return nil
}

// exceedsSet is exceeds for the permissions of a custom role of level l.
func (st *site) exceedsSet(id iam.RoleID, s *permSet, l *level) error {
	if st.free() {
		return nil
	}
	held := st.reach(l)
	if p := s.beyond(&held); p >= 0 {
		return refuse(CodeExceedsOwn, "role %s carries the permission %s, which you do not hold at %s", id, st.m.perms[p], st.node().Name)
	}
	return nil
}

// A grantable is a role of the model or a custom one, as the rules of change see it.
type grantable struct {
	id     iam.RoleID
	role   *role // nil: custom, or no longer in the model
	custom *CustomRole
	assign rule
	change rule
	revoke rule
}

// grantable finds the role of that name at the node; false when the node's level has none. Then it can be taken, never given.
func (st *site) grantable(id iam.RoleID) (grantable, bool) {
	l := st.level()
	if ro := st.m.roleOf[id]; ro != nil && ro.level == l {
		return grantable{id: id, role: ro, assign: ro.assign, change: ro.change, revoke: ro.revoke}, true
	}
	g := grantable{id: id, assign: st.m.rule(Right{}, l.Manage.Assign), change: st.m.rule(Right{}, l.Manage.Change), revoke: st.m.rule(Right{}, l.Manage.Revoke)}
	if st.m.roleOf[id] == nil {
		g.custom = customRole(st.r, st.ev.path, id, l)
	}
	if g.custom == nil {
		return g, false
	}
	if base := st.m.roleOf[g.custom.Base]; base != nil {
		g.assign, g.change, g.revoke = base.assign, base.change, base.revoke
	}
	return g, true
}

// mayHold reports whether a kind of subject may hold the role; a custom role follows the one it was copied from.
func (st *site) mayHold(g grantable, kind iam.SubjectKind) bool {
	switch {
	case g.role != nil:
		return g.role.mayHold(kind)
	case st.m.roleOf[g.custom.Base] != nil:
		return st.m.roleOf[g.custom.Base].mayHold(kind)
	}
	return kind != iam.SubjectClient && kind != iam.SubjectAnonymous
}

func (st *site) exceedsGrant(g grantable) error {
	if g.role != nil {
		return st.exceeds(g.role)
	}
	s := st.m.customSet(g.custom)
	return st.exceedsSet(g.id, &s, st.level())
}

// allowed refuses an actor whom a rule does not let do what to the role. taking: the role is being taken, which an operator may
// always do, so that nobody becomes impossible to remove. what says nothing of the roles that somebody holds: whoever is refused need
// not know them.
func (st *site) allowed(what string, g grantable, ru rule, taking bool) error {
	switch {
	case st.free() && taking:
		return nil
	case ru.System:
		return refuse(CodeRoleSystemAssigned, "role %s comes and goes with operations of the model only", g.id)
	case ru.Config && st.actor.Authority != ByConfiguration:
		return refuse(CodeForbidden, "role %s is named in the operator's configuration only", g.id)
	case st.any(&ru.perms):
		return nil
	}
	return refuseRight(what, st.node(), ru.AnyOf)
}
