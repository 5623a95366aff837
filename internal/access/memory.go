package access

import (
	"cmp"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Memory is a Roster held in memory: for dry runs and for tests. It is not safe for use while it is being changed.
type Memory struct {
	nodes     map[iam.NodeID]*iam.Node
	children  map[iam.NodeID][]iam.NodeID
	roles     map[iam.NodeID][]iam.Assignment
	groups    map[iam.GroupID]*iam.Group
	members   map[iam.GroupID][]iam.UserID
	custom    map[iam.NodeID][]*CustomRole
	seats     map[iam.NodeID]int
	suspended map[place]bool
	disabled  map[iam.Subject]bool
}

type place struct {
	node    iam.NodeID
	subject iam.Subject
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{
		nodes:     map[iam.NodeID]*iam.Node{},
		children:  map[iam.NodeID][]iam.NodeID{},
		roles:     map[iam.NodeID][]iam.Assignment{},
		groups:    map[iam.GroupID]*iam.Group{},
		members:   map[iam.GroupID][]iam.UserID{},
		custom:    map[iam.NodeID][]*CustomRole{},
		seats:     map[iam.NodeID]int{},
		suspended: map[place]bool{},
		disabled:  map[iam.Subject]bool{},
	}
}

// AddNode adds a node; its parent must be there already, or be "".
func (m *Memory) AddNode(n iam.Node) {
	if _, ok := m.nodes[n.ID]; !ok && n.Parent != "" {
		m.children[n.Parent] = append(m.children[n.Parent], n.ID)
	}
	m.nodes[n.ID] = &n
}

// PutSetting sets a setting of a node; "" takes it back.
func (m *Memory) PutSetting(n iam.NodeID, key, value string) {
	c := *m.nodes[n]
	c.Settings = map[string]string{}
	for k, v := range m.nodes[n].Settings {
		c.Settings[k] = v
	}
	c.Settings[key] = value
	m.nodes[n] = &c
}

// PutAssignment replaces what a subject holds at a node.
func (m *Memory) PutAssignment(a iam.Assignment) {
	m.roles[a.Node] = slices.DeleteFunc(m.roles[a.Node], func(o iam.Assignment) bool { return o.Subject == a.Subject })
	if len(a.Roles) > 0 {
		m.roles[a.Node] = append(m.roles[a.Node], a)
	}
}

// Apply writes a plan.
func (m *Memory) Apply(p Plan) {
	m.PutAssignment(p.After)
	for _, a := range p.Ends {
		m.PutAssignment(iam.Assignment{Node: a.Node, Subject: a.Subject})
	}
}

// PutGroup adds or replaces a group and its members.
func (m *Memory) PutGroup(g iam.Group, members ...iam.UserID) {
	m.groups[g.ID], m.members[g.ID] = &g, members
}

// PutCustomRole adds or replaces a custom role.
func (m *Memory) PutCustomRole(c CustomRole) {
	m.custom[c.Node] = slices.DeleteFunc(m.custom[c.Node], func(o *CustomRole) bool { return o.ID == c.ID })
	m.custom[c.Node] = append(m.custom[c.Node], &c)
}

// PutDisabled disables a user or client everywhere, or ends that.
func (m *Memory) PutDisabled(s iam.Subject, on bool) { m.disabled[s] = on }

// Disabled implements Roster.
func (m *Memory) Disabled(s iam.Subject) bool { return m.disabled[s] }

// PutSuspension suspends a subject at a node, or ends that.
func (m *Memory) PutSuspension(n iam.NodeID, s iam.Subject, on bool) { m.suspended[place{n, s}] = on }

// PutSeatLimit limits the seats of a node.
func (m *Memory) PutSeatLimit(n iam.NodeID, limit int) { m.seats[n] = limit }

// Path implements Facts.
func (m *Memory) Path(n iam.NodeID) []*iam.Node {
	var out []*iam.Node
	for at := m.nodes[n]; at != nil; at = m.nodes[at.Parent] {
		out = append(out, at)
	}
	slices.Reverse(out)
	return out
}

// Roles implements Facts.
func (m *Memory) Roles(n iam.NodeID, s iam.Subject) []iam.RoleID {
	for _, a := range m.roles[n] {
		if a.Subject == s {
			return a.Roles
		}
	}
	return nil
}

// Suspended implements Facts.
func (m *Memory) Suspended(n iam.NodeID, s iam.Subject) bool { return m.suspended[place{n, s}] }

// Groups implements Facts.
func (m *Memory) Groups(u iam.UserID) []*iam.Group {
	var out []*iam.Group
	for id, g := range m.groups {
		if slices.Contains(m.members[id], u) {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b *iam.Group) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// CustomRoles implements Facts.
func (m *Memory) CustomRoles(n iam.NodeID) []*CustomRole { return m.custom[n] }

// Nodes implements Facts.
func (m *Memory) Nodes(s iam.Subject) []iam.NodeID {
	var out []iam.NodeID
	for n := range m.roles {
		if m.Roles(n, s) != nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// Holders implements Roster.
func (m *Memory) Holders(n iam.NodeID) []iam.Assignment { return m.roles[n] }

// Children implements Roster.
func (m *Memory) Children(n iam.NodeID) []*iam.Node {
	out := make([]*iam.Node, 0, len(m.children[n]))
	for _, id := range m.children[n] {
		out = append(out, m.nodes[id])
	}
	return out
}

// Group implements Roster.
func (m *Memory) Group(g iam.GroupID) *iam.Group { return m.groups[g] }

// Members implements Roster.
func (m *Memory) Members(g iam.GroupID) []iam.UserID { return m.members[g] }

// SeatLimit implements Roster.
func (m *Memory) SeatLimit(n iam.NodeID) int { return m.seats[n] }
