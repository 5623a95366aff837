package access

import (
	"cmp"
	"iter"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Holder is a line of the list of who has access.
type Holder struct {
	Subject iam.Subject  `json:"subject"` // SubjectAnonymous stands for anyone
	Roles   []iam.RoleID `json:"roles"`
	Reasons []Reason     `json:"reasons"`
}

// Who lists everybody who holds a role at n, with the reasons: users, then clients, then logins that have not signed in, by
// identifier, and last anyone, if n is public. It is linear in the assignments at n and above.
func (m *Model) Who(r Roster, n iam.NodeID) []Holder {
	return slices.Collect(m.WhoAfter(r, n, iam.Subject{}))
}

// WhoAfter yields the lines of Who that come after a subject, which need not be one of them; all of them after the zero Subject.
// Nobody is evaluated who is not reached, so a page of a long list costs what is on it.
func (m *Model) WhoAfter(r Roster, n iam.NodeID, after iam.Subject) iter.Seq[Holder] {
	return m.lines(r, n, after, func(ev *evaluation) bool { return ev.holds(ev.last()) })
}

// WhoCan lists exactly those for whom Decide allows p at n, in the order of Who. An unknown permission is an error, as in Decide.
// A line may have no roles: then a role held at a node above permits p.
func (m *Model) WhoCan(r Roster, p iam.Permission, n iam.NodeID) ([]Holder, error) {
	lines, err := m.WhoCanAfter(r, []iam.Permission{p}, n, iam.Subject{})
	if err != nil {
		return nil, err
	}
	return slices.Collect(lines), nil
}

// WhoCanAfter is to WhoCan what WhoAfter is to Who, for those whom Decide allows any of some permissions.
func (m *Model) WhoCanAfter(r Roster, anyOf []iam.Permission, n iam.NodeID, after iam.Subject) (iter.Seq[Holder], error) {
	for _, p := range anyOf {
		if !m.HasPermission(p) {
			return nil, refuseUnknownPermission(m, p)
		}
	}
	want := m.set(anyOf)
	return m.lines(r, n, after, func(ev *evaluation) bool {
		held := ev.permissions()
		return held.meets(&want)
	}), nil
}

func (m *Model) lines(r Roster, n iam.NodeID, after iam.Subject, want func(*evaluation) bool) iter.Seq[Holder] {
	return func(yield func(Holder) bool) {
		for _, s := range m.candidates(r, n) {
			if after.Kind != "" && listed(s, after) <= 0 {
				continue
			}
			ev, ok := m.evaluate(r, s, n)
			if ok && want(&ev) && !yield(Holder{s, ev.appendRoles([]iam.RoleID{}, ev.last()), ev.reasons(ev.last())}) {
				return
			}
		}
	}
}

// candidates returns all who can hold anything at n: whoever is assigned there or above, the members of assigned groups, anyone.
// Members of computed groups are assigned on the path themselves.
func (m *Model) candidates(r Roster, n iam.NodeID) []iam.Subject {
	seen := map[iam.Subject]bool{{Kind: iam.SubjectAnonymous}: true}
	for _, at := range r.Path(n) {
		for _, a := range r.Holders(at.ID) {
			for s := range m.people(r, a.Subject) {
				seen[s] = true
			}
		}
	}
	out := make([]iam.Subject, 0, len(seen))
	for s := range seen {
		out = append(out, s)
	}
	slices.SortFunc(out, listed)
	return out
}

// people yields s, or the members of the custom group that it is.
func (m *Model) people(r Roster, s iam.Subject) func(yield func(iam.Subject) bool) {
	return func(yield func(iam.Subject) bool) {
		if s.Kind != iam.SubjectGroup {
			yield(s)
			return
		}
		for _, u := range r.Members(iam.GroupID(s.ID)) {
			if !yield(u.Subject()) {
				return
			}
		}
	}
}

// listed is the order of the lines of Who.
func listed(a, b iam.Subject) int {
	return cmp.Or(cmp.Compare(listOrder(a.Kind), listOrder(b.Kind)), cmp.Compare(a.ID, b.ID))
}

func listOrder(k iam.SubjectKind) int {
	return slices.Index([]iam.SubjectKind{iam.SubjectUser, iam.SubjectClient, iam.SubjectLogin, iam.SubjectAnonymous}, k)
}

// Where lists the nodes of a level at and below root at which Decide allows s to do p, in the order of the tree.
func (m *Model) Where(r Roster, s iam.Subject, p iam.Permission, at iam.Level, root iam.NodeID) ([]iam.NodeID, error) {
	if !m.HasPermission(p) {
		return nil, refuseUnknownPermission(m, p)
	}
	var out []iam.NodeID
	walk(r, root, func(n iam.NodeID) {
		ev, ok := m.evaluate(r, s, n)
		if !ok || ev.levels[ev.last()].ID != at {
			return
		}
		if held := ev.permissions(); held.has(m.permOf[p]) {
			out = append(out, n)
		}
	})
	return out, nil
}

// walk visits root and every node below it, parents first.
func walk(r Roster, root iam.NodeID, visit func(iam.NodeID)) {
	queue := []iam.NodeID{root}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		visit(n)
		for _, c := range r.Children(n) {
			queue = append(queue, c.ID)
		}
	}
}
