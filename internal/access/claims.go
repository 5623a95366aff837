package access

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// MaxDetails is how many nodes below the organization one token may speak for. Larger questions go to the decision API.
const MaxDetails = 20

// A Request asks what a token may say about its subject.
type Request struct {
	Subject      iam.Subject  // a user or a client
	Name         string       // the user's handle or the client's name: a source of the model's extra claims
	Organization iam.NodeID   // the one organization that the token speaks for
	Nodes        []iam.NodeID // asked by name in authorization_details; one that could not be resolved is asked as ""
	// Home is the node below the organization that the subject belongs to, "" for none. It is answered as if it had been asked by
	// name, when no node is and the subject holds something there.
	Home         iam.NodeID
	Entitlements bool // scope entitlements
}

// Claims is what a token says about its subject in one organization.
type Claims struct {
	Organization *iam.Node
	Roles        []iam.RoleID     // at the organization and above, in file order; never nil
	Groups       []string         // of the organization and below, sorted; nil for clients
	Details      []Detail         // one per node asked, in the order asked, or the subject's home
	Entitlements []iam.Permission // at the organization, when asked for; then never nil
	Extra        []Claim          // the model's own, in file order
}

// A Detail is what the subject holds at one node: an element of authorization_details (RFC 9396), where Node.Level is the type.
type Detail struct {
	Node        *iam.Node
	Roles       []iam.RoleID     // privileges
	Permissions []iam.Permission // actions
}

// A Claim is a further claim with its value.
type Claim struct{ Name, Value string }

// Claims answers a token request. It refuses with access_denied (Forbidden) when the subject holds no role at the organization,
// above it, or at a node asked, and with invalid_authorization_details (Invalid) when a node asked is not the subject's to
// know, lies elsewhere, gives it no role, or when more than MaxDetails are asked: nothing is left out silently.
func (m *Model) Claims(f Facts, q Request) (Claims, error) {
	if len(q.Nodes) > MaxDetails {
		return Claims{}, refuse(CodeInvalidDetails, "authorization_details names %d nodes: at most %d fit into a token, ask the decision API about more", len(q.Nodes), MaxDetails)
	}
	ev, ok := m.evaluate(f, q.Subject, q.Organization)
	if !ok || ev.levels[ev.last()].ID != iam.LevelOrganization || ev.cut[ev.last()].by != "" {
		return Claims{}, refuseToken() // a role above does not lift a restriction of the organization
	}
	c := Claims{Organization: ev.path[ev.last()]}
	held := false
	n := 0
	for i := range ev.path {
		held = held || ev.own[i]
		n += len(ev.at(i))
	}
	c.Roles = make([]iam.RoleID, 0, n)
	for i := range ev.path {
		c.Roles = ev.appendRoles(c.Roles, i)
	}
	for _, id := range q.Nodes {
		d, own, err := m.detail(f, q.Subject, c.Organization, id)
		if err != nil {
			return Claims{}, err
		}
		held = held || own
		if !slices.ContainsFunc(c.Details, func(o Detail) bool { return o.Node.ID == d.Node.ID }) {
			c.Details = append(c.Details, d)
		}
	}
	if q.Home != "" && len(q.Nodes) == 0 {
		if d, own, err := m.detail(f, q.Subject, c.Organization, q.Home); err == nil { // nobody asked, so nothing is refused
			held = held || own
			c.Details = append(c.Details, d)
		}
	}
	if !held {
		return Claims{}, refuseToken()
	}
	if q.Subject.Kind == iam.SubjectUser {
		c.Groups = m.groupsUnder(f, iam.UserID(q.Subject.ID), c.Organization.ID)
	}
	if q.Entitlements {
		held := ev.permissions()
		c.Entitlements = m.permissions(&held)
	}
	c.Extra = m.extra(q, c.Organization)
	return c, nil
}

func refuseToken() error {
	return refuse(CodeAccessDenied, "the subject holds no role in the organization asked for")
}

// DetailTypes returns what authorization_details can name as the type of a node: the levels below the organization in file order,
// each with its kinds.
func (m *Model) DetailTypes() []string {
	var out []string
	organization := m.levelOf[iam.LevelOrganization]
	for _, l := range m.levels {
		if l != organization && l.within(organization) {
			out = append(append(out, string(l.ID)), l.Kinds...)
		}
	}
	return out
}

// detail answers for one node asked; own tells whether the subject holds more there than anybody does.
func (m *Model) detail(f Facts, s iam.Subject, org *iam.Node, id iam.NodeID) (d Detail, own bool, err error) {
	ev, ok := m.evaluate(f, s, id)
	if ok && ev.onPath(org.ID, ev.last()) {
		held := ev.permissions()
		d = Detail{Node: ev.path[ev.last()], Roles: ev.appendRoles([]iam.RoleID{}, ev.last()), Permissions: m.permissions(&held)}
		if ev.visible(&held) && len(d.Roles) > 0 {
			return d, ev.own[ev.last()], nil
		}
	}
	// One answer for what is unknown, elsewhere and hidden.
	return Detail{}, false, refuse(CodeInvalidDetails, "authorization_details names a node that does not exist in the organization, or at which the subject holds no role")
}

// extra fills the model's claims.
func (m *Model) extra(q Request, org *iam.Node) []Claim {
	if len(m.schema.Tokens.Claims) == 0 {
		return nil
	}
	out := make([]Claim, 0, len(m.schema.Tokens.Claims))
	for _, c := range m.schema.Tokens.Claims {
		source := c.User
		if q.Subject.Kind == iam.SubjectClient {
			source = c.Client
		}
		value := ""
		switch source {
		case SourceLogin, SourceClientName:
			value = q.Name
		case SourceClientID:
			value = q.Subject.ID
		case SourceOrganizationName:
			value = org.Name
		case SourceOrganizationID:
			value = string(org.ID)
		}
		if value != "" {
			out = append(out, Claim{c.Name, value})
		}
	}
	return out
}

// Groups returns the names of the groups of u at n and below, sorted: custom ones and, where the model has them, computed ones.
func (m *Model) Groups(f Facts, u iam.UserID, n iam.NodeID) []string { return m.groupsUnder(f, u, n) }

func (m *Model) groupsUnder(f Facts, u iam.UserID, n iam.NodeID) []string {
	out := []string{}
	groups := f.Groups(u)
	for _, g := range groups {
		if ev, ok := m.under(f, u, g.Node, n); ok && ev.cut[ev.last()].by == "" {
			out = append(out, g.Name)
		}
	}
	if m.systemGroups {
		nodes := slices.Clone(f.Nodes(u.Subject()))
		for _, g := range groups {
			nodes = append(nodes, f.Nodes(g.ID.Subject())...)
		}
		slices.Sort(nodes)
		for _, at := range slices.Compact(nodes) {
			ev, ok := m.under(f, u, at, n)
			if !ok || !ev.member[ev.last()] || ev.cut[ev.last()].by != "" {
				continue
			}
			for _, g := range ev.levels[ev.last()].Groups.System {
				sg := newSystemGroup(ev.levels[ev.last()], &g)
				out = append(out, sg.name(ev.path[ev.last()]))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// under evaluates u at a node if that is at or below n.
func (m *Model) under(f Facts, u iam.UserID, at, n iam.NodeID) (evaluation, bool) {
	ev, ok := m.evaluate(f, u.Subject(), at)
	return ev, ok && ev.onPath(n, ev.last())
}

// Organizations returns the organizations that s is assigned something in, at them or below, itself or by a custom group, and
// still sees: sorted by identifier. Those that a role above would open are not listed, since they may be all there are.
func (m *Model) Organizations(f Facts, s iam.Subject) []iam.NodeID {
	nodes := slices.Clone(f.Nodes(s))
	if s.Kind == iam.SubjectUser {
		for _, g := range f.Groups(iam.UserID(s.ID)) {
			nodes = append(nodes, f.Nodes(g.ID.Subject())...)
		}
	}
	var out []iam.NodeID
	for _, n := range nodes {
		ev, ok := m.evaluate(f, s, n)
		if !ok || !ev.own[ev.last()] {
			continue
		}
		for _, p := range ev.path {
			if p.Level == iam.LevelOrganization {
				out = append(out, p.ID)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
