package access

import (
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Misfit is a fact that a model has no place for. Node, Subject and Role say which; Role is "" when it is about the node itself.
type Misfit struct {
	Node    *iam.Node
	Subject iam.Subject
	Role    iam.RoleID
	Code    string // role_in_use, last_holder, or "" for what stands in the node
	Reason  string
}

// Fit compares everything that stands at exactly n with the model: what is there must be what the model could have let come
// about. It is how a new revision of a model is held to the facts of the trees that follow it.
func (m *Model) Fit(r Roster, n iam.NodeID) []Misfit {
	st := &site{m: m, r: r, ev: evaluation{m: m, f: r, path: r.Path(n)}}
	if len(st.ev.path) == 0 {
		return nil // it has gone
	}
	var out []Misfit
	if !st.ev.place() {
		at := st.node()
		return append(out, Misfit{Node: at, Reason: "there is no level " + string(at.Level) + " where it stands"})
	}
	out = st.unfitNode(out)
	held := r.Holders(n)
	for _, a := range held {
		out = st.unfitHolder(out, a)
	}
	return st.unfitCounts(out, held)
}

// unfitNode adds what the node's kind, settings and custom roles have no place in.
func (st *site) unfitNode(out []Misfit) []Misfit {
	n, l := st.node(), st.level()
	misfit := func(reason string) { out = append(out, Misfit{Node: n, Reason: reason}) }
	if n.Kind != "" && !slices.Contains(l.Kinds, n.Kind) {
		misfit("level " + string(l.ID) + " has no kind " + n.Kind)
	}
	for _, key := range slices.Sorted(maps.Keys(n.Settings)) {
		value := n.Settings[key]
		if s := l.setting(key); s == nil || !s.Node && !slices.Contains(s.Values, value) {
			misfit("setting " + key + " does not take " + value)
		}
	}
	for _, c := range st.r.CustomRoles(n.ID) {
		switch at := st.m.levelOf[c.Level]; {
		case st.m.roleOf[c.ID] != nil:
			misfit("its own role " + string(c.ID) + " has the name of one of the model")
		case at == nil || at.Exclusive || !at.within(l):
			misfit("its own role " + string(c.ID) + " has no place at level " + string(c.Level))
		}
	}
	return out
}

// unfitHolder adds the roles that a subject holds and could not be given.
func (st *site) unfitHolder(out []Misfit, a iam.Assignment) []Misfit {
	misfit := func(role iam.RoleID, reason string) {
		out = append(out, Misfit{Node: st.node(), Subject: a.Subject, Role: role, Code: CodeRoleInUse, Reason: reason})
	}
	for _, id := range a.Roles {
		g, ok := st.grantable(id)
		if !ok {
			misfit(id, "level "+string(st.level().ID)+" has no role "+string(id))
			continue
		}
		var refused *iam.Error
		if errors.As(st.fits(g, a.Subject), &refused) {
			misfit(id, refused.Message)
		}
	}
	if st.level().Exclusive && len(a.Roles) > 1 {
		misfit(a.Roles[1], "level "+string(st.level().ID)+" takes one role per subject")
	}
	return out
}

// unfitCounts adds the roles of which fewer or more are held than must be.
func (st *site) unfitCounts(out []Misfit, held []iam.Assignment) []Misfit {
	for _, ro := range st.m.roles {
		if ro.level != st.level() || ro.Min == 0 && ro.Max == 0 {
			continue
		}
		all, lasting := 0, 0
		for _, a := range held {
			if !slices.Contains(a.Roles, ro.ID) {
				continue
			}
			all++
			if a.Subject.Kind != iam.SubjectGroup && !(ro.level.suspends && st.r.Suspended(a.Node, a.Subject)) {
				lasting++
			}
		}
		switch {
		case lasting < ro.Min && !st.node().Disabled: // where nobody gets in, nobody need be left to open
			out = append(out, Misfit{Node: st.node(), Role: ro.ID, Code: CodeLastHolder, Reason: itoa(lasting) + " hold it, and " + itoa(ro.Min) + " must"})
		case ro.Max > 0 && all > ro.Max:
			out = append(out, Misfit{Node: st.node(), Role: ro.ID, Code: CodeRoleInUse, Reason: itoa(all) + " hold it, and at most " + itoa(ro.Max) + " may"})
		}
	}
	return out
}

// Narrows reports whether somebody may hold less by the model than by the one it comes after, or hold it by another name: tokens
// that are out would then say too much. It is true in case of doubt.
func (m *Model) Narrows(before *Model) bool {
	if !reflect.DeepEqual(m.schema.Precedence, before.schema.Precedence) || !reflect.DeepEqual(m.schema.Tokens, before.schema.Tokens) {
		return true
	}
	for _, old := range before.levels {
		l := m.levelOf[old.ID]
		if l == nil || l.Parent != old.Parent || l.Exclusive != old.Exclusive || !reflect.DeepEqual(l.Public, old.Public) ||
			!slices.Equal(l.Restrict, old.Restrict) || !reflect.DeepEqual(l.Groups.System, old.Groups.System) || !reflect.DeepEqual(defaults(l), defaults(old)) {
			return true
		}
		last := -1
		for i := range old.Roles {
			was, is := before.roleOf[old.Roles[i].ID], m.roleOf[old.Roles[i].ID]
			if is == nil || is.level != l || is.index < last || m.lacks(is, before.RolePermissions(was.ID)) ||
				!reflect.DeepEqual(m.impliedBy(is), before.impliedBy(was)) {
				return true
			}
			last = is.index
		}
	}
	return false
}

// lacks reports whether a role permits less than all of ps.
func (m *Model) lacks(ro *role, ps []iam.Permission) bool {
	for _, p := range ps {
		if i, ok := m.permOf[p]; !ok || !ro.perms.has(i) {
			return true
		}
	}
	return false
}

// impliedBy returns what a role and those it extends carry down.
func (m *Model) impliedBy(ro *role) []Implication {
	var out []Implication
	for _, other := range m.roles {
		if ro.covers.has(other) {
			out = append(out, other.Implies...)
		}
	}
	return out
}

// defaults returns what the settings of a level are while nobody sets them.
func defaults(l *level) map[string]string {
	out := make(map[string]string, len(l.Settings))
	for _, s := range l.Settings {
		if s.Default != "" {
			out[s.Name] = s.Default
		}
	}
	return out
}
