package directory

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// What a preview looks at and tells at most.
const (
	maxPreviewNodes = 2000
	maxPreviewPairs = 20_000 // of a node and a subject
	maxPreviewLines = 200
)

// errUndo ends a trial whose writes have been looked at.
var errUndo = errors.New("a trial is taken back")

// Preview says what changes by the caller would come to. They are made on paper, by the caller's own rights and in their order,
// each on top of those before; nothing is written.
func (s *Service) Preview(ctx context.Context, by By, q apiv1.Preview) (out apiv1.Effect, err error) {
	_, err = s.paper(ctx, by, func(p *plan) error {
		v := &preview{plan: p, named: make(map[iam.Subject]bool)}
		var refused *apiv1.PreviewRefusal
		err := p.Try(func() (err error) { // what they concern is known once they are made
			if refused, err = v.makeAll(q.Changes); err == nil {
				err = errUndo
			}
			return err
		})
		if !errors.Is(err, errUndo) {
			return err
		}
		before, err := v.picture()
		if err != nil {
			return err
		}
		after := before
		if refused == nil {
			if _, err := v.makeAll(q.Changes); err != nil {
				return err
			}
			if after, err = v.picture(); err != nil {
				return err
			}
		}
		out, err = v.effect(before, after, refused)
		return err
	})
	return out, err
}

// A preview is a trial of changes and what they concern.
type preview struct {
	*plan
	nodes []iam.NodeID // where something changes, which also reaches what is below
	named map[iam.Subject]bool
	all   bool // a setting changes, which anybody's access may come from
}

// makeAll makes the changes until one is refused.
func (v *preview) makeAll(changes []apiv1.PreviewChange) (*apiv1.PreviewRefusal, error) {
	for i := range changes {
		err := v.make(&changes[i])
		var e *iam.Error
		switch {
		case err == nil:
		case errors.As(err, &e) && e.Kind != iam.Internal && e.Kind != iam.Unavailable:
			return &apiv1.PreviewRefusal{Index: i, Code: e.Code, Detail: e.Message}, nil
		default:
			return nil, err
		}
	}
	return nil, nil
}

// make makes a change by the code that does so in earnest.
func (v *preview) make(c *apiv1.PreviewChange) error {
	var kinds []func() error
	at := func(a *apiv1.AssignmentAt, do func(m *access.Model, n *iam.Node, a apiv1.Assignment) error) {
		if a != nil {
			kinds = append(kinds, func() error {
				n, m, err := v.nodeAndModel(a.Node)
				if err != nil {
					return err
				}
				v.touch(n.ID)
				return do(m, n, a.Assignment)
			})
		}
	}
	at(c.Assign, v.assignOne)
	at(c.Unassign, v.unassignOne)
	at(c.Suspend, func(m *access.Model, n *iam.Node, a apiv1.Assignment) error { return v.suspendOne(m, n, a, true) })
	at(c.Resume, func(m *access.Model, n *iam.Node, a apiv1.Assignment) error { return v.suspendOne(m, n, a, false) })
	if s := c.Set; s != nil {
		kinds = append(kinds, func() error {
			n, err := v.node(s.Node)
			if err != nil {
				return err
			}
			v.touch(n.ID)
			v.all = true
			return v.set(n, s.Key, s.Value)
		})
	}
	if g := c.AddGroupMember; g != nil {
		kinds = append(kinds, func() error { return v.member(g, true) })
	}
	if g := c.RemoveGroupMember; g != nil {
		kinds = append(kinds, func() error { return v.member(g, false) })
	}
	if g := c.DeleteGroup; g != nil {
		kinds = append(kinds, func() error {
			group, err := v.groupToChange(g.Node, g.Group)
			if err != nil {
				return err
			}
			if err := v.concernGroup(group); err != nil {
				return err
			}
			return v.deleteGroup(group.ID)
		})
	}
	if r := c.DeleteRole; r != nil {
		kinds = append(kinds, func() error { // one that is held is not deleted, so nobody loses it
			n, err := v.node(r.Node)
			if err != nil {
				return err
			}
			v.touch(n.ID)
			return v.deleteRole(n.ID, iam.RoleID(r.Role), either)
		})
	}
	if len(kinds) != 1 {
		return iam.Errorf(iam.Invalid, "want one change in each element of changes, got %d", len(kinds))
	}
	return v.Try(kinds[0])
}

func (v *preview) touch(n iam.NodeID) {
	if !slices.Contains(v.nodes, n) {
		v.nodes = append(v.nodes, n)
	}
}

// concern notes whose access may change: a subject's, or that of the members of a group.
func (v *preview) concern(s iam.Subject) error {
	if s.Kind != iam.SubjectGroup {
		v.named[s] = true
		return nil
	}
	members, err := v.work.Members(iam.GroupID(s.ID))
	for _, u := range members {
		v.named[u.Subject()] = true
	}
	return err
}

// concernGroup notes the members of a group and where it holds something.
func (v *preview) concernGroup(g *iam.Group) error {
	h, err := v.Holding(g.ID.Subject())
	if err != nil {
		return err
	}
	for _, n := range append([]iam.NodeID{g.Node}, h.Nodes...) {
		v.touch(n)
	}
	return v.concern(g.ID.Subject())
}

func (v *preview) assignOne(m *access.Model, n *iam.Node, a apiv1.Assignment) error {
	if _, _, err := v.work.assign(m, n.ID, a); err != nil {
		return err
	}
	sub, err := v.subject(m, n.ID, a)
	if err != nil {
		return err
	}
	return v.concern(sub)
}

func (v *preview) unassignOne(m *access.Model, n *iam.Node, a apiv1.Assignment) error {
	sub, err := v.loser(m, n.ID, a)
	if err != nil {
		return err
	}
	if err := v.concern(sub); err != nil {
		return err
	}
	if a.Role != "" {
		return v.unassign(n.ID, sub, iam.RoleID(a.Role))
	}
	d := &departure{ref: string(n.ID), node: n, model: m, subject: sub}
	for more := true; more; {
		var err error
		if more, err = v.expelPart(d); err != nil {
			return err
		}
	}
	return nil
}

func (v *preview) suspendOne(m *access.Model, n *iam.Node, a apiv1.Assignment, suspended bool) error {
	sub, err := v.subject(m, n.ID, a)
	if sub != v.by.Subject {
		if err := v.needList(m, n.ID); err != nil { // who exists is not for everybody
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := v.concern(sub); err != nil {
		return err
	}
	err = v.decide(func(r access.Roster) error {
		if suspended {
			return m.Suspend(r, v.by.Actor, n.ID, sub)
		}
		return m.Resume(r, v.by.Actor, n.ID, sub)
	})
	if err != nil {
		return err
	}
	return v.work.Suspend(n.ID, sub, suspended)
}

func (v *preview) member(a *apiv1.GroupMemberAt, in bool) error {
	g, err := v.groupToChange(a.Node, a.Group)
	if err != nil {
		return err
	}
	u, err := v.user(a.User)
	if err != nil {
		return err
	}
	h, err := v.Holding(g.ID.Subject())
	if err != nil {
		return err
	}
	for _, n := range append([]iam.NodeID{g.Node}, h.Nodes...) {
		v.touch(n)
	}
	v.named[u.ID.Subject()] = true
	return v.work.member(g.ID, u.ID, in)
}

// A picture is what holds at one moment of the trial.
type picture struct {
	roles     map[holderAt][]iam.RoleID
	order     []holderAt
	looked    int // pairs of a node and a subject that were looked at
	public    map[iam.NodeID]bool
	seats     access.SeatUse
	hints     []iam.Hint
	truncated bool
}

type holderAt struct {
	node    iam.NodeID
	subject iam.Subject
}

// picture reads who holds what where something changes and below, as far as the caller may see that.
func (v *preview) picture() (*picture, error) {
	p := &picture{roles: make(map[holderAt][]iam.RoleID), public: make(map[iam.NodeID]bool)}
	if len(v.nodes) == 0 {
		return p, nil
	}
	nodes, truncated, err := v.below()
	if err != nil {
		return nil, err
	}
	p.truncated = truncated
	for _, n := range nodes {
		known, err := v.knows(n)
		if err != nil {
			return nil, err
		}
		if !known {
			continue
		}
		if err := v.look(p, n); err != nil {
			return nil, err
		}
	}
	return p, v.lookAround(p)
}

// below lists the nodes where something changes and all below them, as many as a preview looks at.
func (v *preview) below() (out []*iam.Node, truncated bool, err error) {
	seen := make(map[iam.NodeID]bool)
	var queue []*iam.Node
	for _, id := range v.nodes {
		n, err := v.Node(id)
		if err != nil {
			return nil, false, err
		}
		if n != nil {
			queue = append(queue, n)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		if seen[n.ID] {
			continue
		}
		if len(out) == maxPreviewNodes {
			return out, true, nil
		}
		seen[n.ID] = true
		out = append(out, n)
		children, err := v.Children(n.ID)
		if err != nil {
			return nil, false, err
		}
		queue = append(queue, children...)
	}
	return out, false, nil
}

// look notes who holds what at a node: everybody for whoever may review there, else those whom the changes name, as far as the
// caller may see who holds what there.
func (v *preview) look(p *picture, n *iam.Node) error {
	_, m, err := v.at(n.ID)
	if err != nil {
		return err
	}
	return v.decide(func(r access.Roster) error {
		anyone := iam.Subject{Kind: iam.SubjectAnonymous}
		p.public[n.ID] = m.Visible(r, anyone, n.ID)
		room := func() bool { // asked before anybody is evaluated: a group may be large and the tree too
			if p.looked >= maxPreviewPairs {
				p.truncated = true
				return false
			}
			p.looked++
			return true
		}
		note := func(s iam.Subject, roles []iam.RoleID) {
			at := holderAt{n.ID, s}
			if _, ok := p.roles[at]; ok || len(roles) == 0 {
				return
			}
			p.roles[at] = roles
			p.order = append(p.order, at)
		}
		reviews := m.Administer(r, v.by.Actor, n.ID, access.Review) == nil
		if v.all && reviews {
			for h := range m.WhoAfter(r, n.ID, iam.Subject{}) {
				if !room() {
					return nil
				}
				note(h.Subject, h.Roles)
			}
		}
		lists := reviews || len(m.AssignableBy(r, v.by.Actor, n.ID, iam.SubjectUser)) > 0
		for _, s := range v.concerned() {
			if !lists && s != v.by.Subject {
				continue
			}
			if !room() {
				return nil
			}
			note(s, m.Roles(r, s, n.ID))
		}
		return nil
	})
}

// concerned lists those whom the changes name, always in the same order: before and after look at the same.
func (v *preview) concerned() []iam.Subject {
	return slices.SortedFunc(maps.Keys(v.named), func(a, b iam.Subject) int { return cmp.Compare(a.String(), b.String()) })
}

// lookAround notes the seats of who pays for the first node, and what is worth a thought about its organization.
func (v *preview) lookAround(p *picture) error {
	first, m, err := v.at(v.nodes[0])
	if iam.KindOf(err) == iam.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	path, err := v.Path(first.ID)
	if err != nil {
		return err
	}
	root := first
	for _, n := range path {
		if n.Level == iam.LevelOrganization {
			root = n
		}
	}
	h := hinter{m: m}
	err = v.decide(func(r access.Roster) error {
		p.seats = m.Seats(r, first.ID)
		if m.Administer(r, v.by.Actor, root.ID, access.Review) == nil {
			h.see(r, root)
		}
		return nil
	})
	p.hints = h.list()
	return err
}

// see notes all assignments at a node and below, of as many nodes as a preview looks at.
func (h *hinter) see(r access.Roster, root *iam.Node) {
	queue := []*iam.Node{root}
	for i := 0; i < len(queue) && i < maxPreviewNodes; i++ {
		n := queue[i]
		for _, a := range r.Holders(n.ID) {
			h.hold(n, n.ID == root.ID || n.Level == iam.LevelOrganization, a)
		}
		queue = append(queue, r.Children(n.ID)...)
	}
	for g := range h.groups {
		for _, u := range r.Members(g) {
			h.member(g, u.Subject())
		}
	}
}

// effect compares two pictures.
func (v *preview) effect(before, after *picture, refused *apiv1.PreviewRefusal) (out apiv1.Effect, err error) {
	out = apiv1.Effect{Refused: refused, Access: []apiv1.AccessEffect{}, AccessTruncated: before.truncated || after.truncated, Warnings: []apiv1.Warning{}}
	if use := after.seats; use.Node != "" {
		payer, err := v.Node(use.Node)
		if err != nil {
			return out, err
		}
		known := false
		if payer != nil {
			if known, err = v.knows(payer); err != nil {
				return out, err
			}
		}
		if known && refused != nil { // whoever tries in vain learns no more than who lists who is there
			_, m, err := v.at(payer.ID)
			if err != nil {
				return out, err
			}
			if known, err = v.mayList(m, payer.ID); err != nil {
				return out, err
			}
		}
		if known {
			path, err := v.pathOf(use.Node)
			if err != nil {
				return out, err
			}
			out.Seats = &apiv1.SeatEffect{Node: path, Before: before.seats.Used, After: use.Used, Limit: use.Limit}
		}
	}
	if refused != nil {
		return out, nil
	}
	var lines []holderAt
	for _, at := range before.order {
		if !slices.Equal(before.roles[at], after.roles[at]) {
			lines = append(lines, at)
		}
	}
	for _, at := range after.order {
		if _, ok := before.roles[at]; !ok {
			lines = append(lines, at)
		}
	}
	slices.SortFunc(lines, func(a, b holderAt) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.subject.String(), b.subject.String()))
	})
	out.AccessCount = len(lines)
	for _, at := range lines[:min(len(lines), maxPreviewLines)] {
		line := apiv1.AccessEffect{Subject: at.subject.String(), Before: roleNames(before.roles[at]), After: roleNames(after.roles[at])}
		if line.Node, err = v.pathOf(at.node); err != nil {
			return out, err
		}
		if line.Name, err = nameOf(v.Tx, at.subject); err != nil {
			return out, err
		}
		out.Access = append(out.Access, line)
	}
	for _, n := range slices.Sorted(maps.Keys(before.public)) {
		is, ok := after.public[n]
		if !ok || is == before.public[n] {
			continue
		}
		path, err := v.pathOf(n)
		if err != nil {
			return out, err
		}
		out.Public = append(out.Public, apiv1.PublicEffect{Node: path, Before: before.public[n], After: is})
	}
	out.Warnings, err = v.showHints(after.hints)
	return out, err
}
