package access

import (
	"cmp"
	"maps"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// SeatUse says how many seats of an organization are taken. A person takes one however many roles he holds; an invitation takes
// one too; clients, visitors of what is public, and roles from above take none.
type SeatUse struct {
	Node  iam.NodeID `json:"node"`  // who pays; "" when the model knows no seats
	Limit int        `json:"limit"` // 0: unlimited
	Used  int        `json:"used"`
	Takes int        `json:"takes"` // how many more the change asked about would take
}

// Left returns the seats still free after the change, negative when it does not fit; meaningless without a limit.
func (u SeatUse) Left() int { return u.Limit - u.Used - u.Takes }

// Seats counts the seats of the node that pays for n: n itself or a node above it.
func (m *Model) Seats(r Roster, n iam.NodeID) SeatUse {
	payer := m.payer(r.Path(n))
	if payer == nil {
		return SeatUse{}
	}
	return SeatUse{Node: payer.ID, Limit: r.SeatLimit(payer.ID), Used: len(m.seated(r, payer.ID))}
}

// Seated lists the people who take the seats that Seats counts, users first, by identifier.
func (m *Model) Seated(r Roster, n iam.NodeID) []iam.Subject {
	payer := m.payer(r.Path(n))
	if payer == nil {
		return nil
	}
	out := slices.Collect(maps.Keys(m.seated(r, payer.ID)))
	slices.SortFunc(out, func(a, b iam.Subject) int {
		return cmp.Or(cmp.Compare(listOrder(a.Kind), listOrder(b.Kind)), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (m *Model) payer(path []*iam.Node) *iam.Node {
	for _, n := range path {
		if m.seats != nil && n.Level == m.seats.ID {
			return n
		}
	}
	return nil
}

// seated returns the people who take a seat of payer.
func (m *Model) seated(r Roster, payer iam.NodeID) map[iam.Subject]bool {
	seen := map[iam.Subject]bool{}
	walk(r, payer, func(n iam.NodeID) {
		path := r.Path(n)
		if l := m.levelOf[path[len(path)-1].Level]; l == nil || !m.seatLevels[l.index] {
			return
		}
		for _, a := range r.Holders(n) {
			for s := range m.people(r, a.Subject) {
				if isPerson(s) {
					seen[s] = true
				}
			}
		}
	})
	return seen
}

// seat says what it would take to let these people hold something at a node of level l on or right below path, and refuses what
// does not fit.
func (m *Model) seat(r Roster, path []*iam.Node, l *level, people []iam.Subject) (SeatUse, error) {
	payer := m.payer(path)
	if payer == nil || !m.seatLevels[l.index] {
		return SeatUse{}, nil
	}
	seated := m.seated(r, payer.ID)
	use := SeatUse{Node: payer.ID, Limit: r.SeatLimit(payer.ID), Used: len(seated)}
	fresh := map[iam.Subject]bool{}
	for _, s := range people {
		if isPerson(s) && !seated[s] {
			fresh[s] = true
		}
	}
	use.Takes = len(fresh)
	if use.Limit > 0 && use.Takes > 0 && use.Left() < 0 {
		return use, refuse(CodeSeatLimit, "%s uses %d of %d seats and this takes %d more: free a seat or ask for more", payer.Name, use.Used, use.Limit, use.Takes)
	}
	return use, nil
}

// peopleOf lists s, or the members of the group that it is.
func (m *Model) peopleOf(r Roster, s iam.Subject) []iam.Subject {
	return slices.Collect(m.people(r, s))
}
