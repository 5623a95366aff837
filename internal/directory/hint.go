package directory

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// The hints. None of them stops anything.
const (
	hintManyTop  = "many_top_holders"
	hintOneTop   = "one_top_holder"
	hintRepeated = "repeated_grants"
)

const (
	maxTop      = 3 // holders of the top role are few (S4:113)
	minRepeated = 5 // people with the same grants would be a group (S4:114)
)

// A hinter sees assignments go by and says what is worth a thought about them. It is told of the members of groups after the
// assignments.
type hinter struct {
	m       *access.Model
	tops    []topRole
	groups  map[iam.GroupID][]int // which of tops a group holds
	people  map[iam.Subject]uint64
	pattern map[uint64]*repeated
}

// A topRole is the highest role of a node and who holds it.
type topRole struct {
	node *iam.Node
	role iam.RoleID
	who  map[iam.Subject]bool
}

// repeated is a set of direct grants that several people have.
type repeated struct {
	node  *iam.Node
	role  iam.RoleID
	users int
}

// hashSeed is one for the process: patterns are compared within one list only.
var hashSeed = maphash.MakeSeed()

// hold notes an assignment. top: the holders of the node's highest role are counted; elsewhere the grants of people are compared.
func (h *hinter) hold(n *iam.Node, top bool, a iam.Assignment) {
	if top {
		h.holdTop(n, a)
		return
	}
	if a.Subject.Kind != iam.SubjectUser {
		return
	}
	if h.people == nil {
		h.people, h.pattern = make(map[iam.Subject]uint64), make(map[uint64]*repeated)
	}
	before := h.people[a.Subject]
	after := before
	for _, role := range a.Roles { // a sum, so that the order of the grants is no matter
		after += maphash.String(hashSeed, string(n.ID)+"/"+string(role))
	}
	if p := h.pattern[before]; before != 0 && p != nil {
		p.users--
	}
	if h.pattern[after] == nil {
		h.pattern[after] = &repeated{node: n, role: a.Roles[0]}
	}
	h.pattern[after].users++
	h.people[a.Subject] = after
}

func (h *hinter) holdTop(n *iam.Node, a iam.Assignment) {
	l := h.m.Level(n.Level)
	if l == nil || len(l.Roles) == 0 || !slices.Contains(a.Roles, l.Roles[0].ID) {
		return
	}
	i := slices.IndexFunc(h.tops, func(t topRole) bool { return t.node.ID == n.ID })
	if i < 0 {
		i = len(h.tops)
		h.tops = append(h.tops, topRole{node: n, role: l.Roles[0].ID, who: make(map[iam.Subject]bool)})
	}
	if a.Subject.Kind != iam.SubjectGroup {
		h.tops[i].who[a.Subject] = true
		return
	}
	if h.groups == nil {
		h.groups = make(map[iam.GroupID][]int)
	}
	g := iam.GroupID(a.Subject.ID)
	h.groups[g] = append(h.groups[g], i)
}

// member notes who is in a group.
func (h *hinter) member(g iam.GroupID, s iam.Subject) {
	for _, i := range h.groups[g] {
		h.tops[i].who[s] = true
	}
}

func (h *hinter) list() []iam.Hint {
	var out []iam.Hint
	for _, t := range h.tops {
		l := h.m.Level(t.node.Level)
		switch n := len(t.who); {
		case n > maxTop:
			out = append(out, iam.Hint{Code: hintManyTop, Node: t.node.ID, Detail: fmt.Sprintf("%d hold the role %s: more than %d are hard to answer for", n, t.role, maxTop)})
		case n == 1 && l.Roles[0].Max != 1:
			out = append(out, iam.Hint{Code: hintOneTop, Node: t.node.ID, Detail: fmt.Sprintf("only one holds the role %s: nobody stands in", t.role)})
		}
	}
	var many []*repeated
	for _, p := range h.pattern {
		if p.users >= minRepeated {
			many = append(many, p)
		}
	}
	slices.SortFunc(many, func(a, b *repeated) int { return cmp.Or(b.users-a.users, cmp.Compare(a.node.ID, b.node.ID)) })
	for _, p := range many[:min(len(many), 5)] {
		out = append(out, iam.Hint{Code: hintRepeated, Node: p.node.ID, Detail: fmt.Sprintf("%d people hold the same roles one by one, %s here among them: a group would say it once", p.users, p.role)})
	}
	return out
}

func (w *work) showHints(hints []iam.Hint) ([]apiv1.Warning, error) {
	out := []apiv1.Warning{}
	for _, h := range hints {
		path, err := w.pathOf(h.Node)
		if err != nil {
			return nil, err
		}
		out = append(out, apiv1.Warning{Code: h.Code, Node: path, Detail: h.Detail})
	}
	return out, nil
}
