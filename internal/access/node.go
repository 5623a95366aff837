package access

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Verb is something done to a node as a whole.
type Verb string

// The verbs. Which permissions they take is in the level's Admin.
const (
	Configure Verb = "configure" // rename, describe
	Delete    Verb = "delete"
	Review    Verb = "review" // who has access, access reviews, explain
	Audit     Verb = "audit"  // read the audit log
)

// Administer decides whether actor may do that to n.
func (m *Model) Administer(r Roster, actor Actor, n iam.NodeID, v Verb) error {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return err
	}
	a := &st.level().Admin
	anyOf := map[Verb][]iam.Permission{Configure: a.Configure, Delete: a.Delete, Review: a.Review, Audit: a.Audit}[v]
	return st.need(string(v), anyOf)
}

// ManageClients decides whether actor may make, change and end machine clients that belong to n, and their secrets: it holds what
// the model asks at n or, when clients live further down, is sure to hold it at every node where they do.
func (m *Model) ManageClients(r Roster, actor Actor, n iam.NodeID) error {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return err
	}
	if m.clients == nil {
		return st.need("managing clients", nil)
	}
	held := st.held
	if m.clients.within(st.level()) {
		held = st.reach(m.clients)
	}
	if st.free() || held.meets(&m.clientSee) {
		return nil
	}
	return refuseRight("managing clients", st.node(), m.schema.Clients.Manage)
}

// CreateNode decides whether actor may make a node of that level and kind below parent, with these first holders (the Node of each
// is ignored). parent "" makes a root, which only operators may. It refuses with owner_required when a role of the level must
// have holders and too few are named.
func (m *Model) CreateNode(r Roster, actor Actor, parent iam.NodeID, at iam.Level, kind string, first []iam.Assignment) error {
	l := m.levelOf[at]
	if l == nil {
		return refuse(CodeNotOffered, "model %s has no level %q", m.schema.Name, at)
	}
	if parent == "" {
		if actor.Authority == ByModel {
			return refuse(CodeForbidden, "a node without a parent: only an operator may make it")
		}
		return m.found(nil, actor, l, kind, first)
	}
	st, err := m.enter(r, actor, parent)
	if err != nil {
		return err
	}
	if l.parent != st.level() {
		return refuse(CodeNotOffered, "a node of level %s does not stand right below level %s", at, st.level().ID)
	}
	if err := st.need("making a "+string(at), l.Admin.Create); err != nil {
		return err
	}
	return m.found(st, actor, l, kind, first)
}

// found checks the kind and the first holders of a new node of level l below st.
func (m *Model) found(st *site, actor Actor, l *level, kind string, first []iam.Assignment) error {
	if kind != "" && !slices.Contains(l.Kinds, kind) {
		return refuse(CodeNotOffered, "a node of level %s is one of %v, got %q", l.ID, l.Kinds, kind)
	}
	holders := map[iam.RoleID]int{}
	var people []iam.Subject
	for _, a := range first {
		if l.Exclusive && len(a.Roles) > 1 {
			return refuse(CodeRoleNotHere, "%s: level %s takes one role per subject", a.Subject, l.ID)
		}
		if st != nil {
			people = append(people, m.peopleOf(st.r, a.Subject)...)
			if err := st.outsiderBelow(a.Subject); err != nil {
				return err
			}
		}
		for _, id := range a.Roles {
			if err := m.mayFound(st, actor, l, a.Subject, id); err != nil {
				return err
			}
			if a.Subject.Kind != iam.SubjectGroup {
				holders[id]++
			}
		}
	}
	for i := range l.Roles {
		switch ro := &l.Roles[i]; {
		case holders[ro.ID] < ro.Min:
			return refuse(CodeOwnerRequired, "a new %s needs %d with role %s, %d are named", l.ID, ro.Min, ro.ID, holders[ro.ID])
		case ro.Max > 0 && holders[ro.ID] > ro.Max:
			return refuse(CodeRoleHeld, "role %s has at most %d holders, %d are named", ro.ID, ro.Max, holders[ro.ID])
		}
	}
	if st == nil {
		return nil
	}
	_, err := m.seat(st.r, st.ev.path, l, people)
	return err
}

func (m *Model) mayFound(st *site, actor Actor, l *level, s iam.Subject, id iam.RoleID) error {
	ro := m.roleOf[id]
	switch {
	case ro == nil || ro.level != l:
		return refuse(CodeRoleNotHere, "role %q is not one of level %s", id, l.ID)
	case !ro.mayHold(s.Kind):
		return refuse(CodeHolderNotAllowed, "role %s is not for a %s", id, s.Kind)
	case ro.assign.System:
		return refuse(CodeRoleSystemAssigned, "role %s comes and goes with operations of the model only", id)
	case ro.assign.Config && actor.Authority != ByConfiguration:
		return refuse(CodeForbidden, "role %s is named in the operator's configuration only", id)
	case st == nil && s.Kind == iam.SubjectGroup:
		return refuse(CodeGroupNotHere, "no group belongs to a node above a new root")
	case st == nil:
		return nil
	case s.Kind == iam.SubjectGroup:
		if err := st.mayHoldAt(l, "the node above", iam.GroupID(s.ID)); err != nil {
			return err
		}
	}
	if err := st.exceeds(ro); err != nil {
		return err
	}
	if held := st.reach(l); !st.free() && !held.meets(&ro.assign.perms) { // as at the node itself, once it is there
		return refuseRight("giving role "+string(id), st.node(), ro.assign.AnyOf)
	}
	return nil
}

// An Outcome is what an operation brings about.
type Outcome struct {
	Level       iam.Level  // of the node to make right below; "" when none is
	Kind        string     // of that node, where the level has kinds
	CreatorGets iam.RoleID // what the actor holds at it from the start; "" for nothing
	Artifact    string     // what else comes into being, that Gatehouse keeps no node of
	Seats       SeatUse
}

// Operate decides whether actor may carry out an operation of the model at n.
func (m *Model) Operate(r Roster, actor Actor, operation string, n iam.NodeID) (Outcome, error) {
	st, err := m.enter(r, actor, n)
	if err != nil {
		return Outcome{}, err
	}
	i := slices.IndexFunc(m.schema.Operations, func(op Operation) bool { return op.Name == operation })
	if i < 0 {
		return Outcome{}, refuse(CodeUnknownOperation, "model %s has no operation %q", m.schema.Name, operation)
	}
	op := &m.schema.Operations[i]
	if at := m.target(op); at != st.level() {
		return Outcome{}, refuse(CodeUnknownOperation, "operation %s is carried out at a %s, got a %s", operation, at.ID, st.level().ID)
	}
	for _, q := range op.Requires {
		at := m.levelOf[q.At]
		held := st.ev.permissionsAt(at.depth - st.ev.levels[0].depth)
		if !st.free() && !held.has(m.permOf[q.Permission]) {
			return Outcome{}, refuseRight(operation, st.ev.path[at.depth-st.ev.levels[0].depth], []iam.Permission{q.Permission})
		}
	}
	made := m.levelOfKind(op.Creates)
	if made == nil {
		return Outcome{Artifact: op.Creates}, nil
	}
	out := Outcome{Level: made.ID, CreatorGets: op.CreatorGets}
	if iam.Level(op.Creates) != made.ID || slices.Contains(made.Kinds, op.Creates) {
		out.Kind = op.Creates
	}
	if op.CreatorGets == "" {
		return out, nil
	}
	if ro := m.roleOf[op.CreatorGets]; !ro.mayHold(actor.Subject.Kind) {
		return Outcome{}, refuse(CodeHolderNotAllowed, "role %s, which the maker gets, is not for a %s: a person who may has to ask", ro.ID, actor.Subject.Kind)
	}
	if err := st.outsiderBelow(actor.Subject); err != nil {
		return Outcome{}, err
	}
	out.Seats, err = m.seat(r, st.ev.path, made, []iam.Subject{actor.Subject})
	return out, err
}

// target is where an operation is carried out: the deepest level that it requires something at.
func (m *Model) target(op *Operation) *level {
	at := m.levelOf[op.Requires[0].At]
	for _, q := range op.Requires[1:] {
		if l := m.levelOf[q.At]; l.within(at) {
			at = l
		}
	}
	return at
}
