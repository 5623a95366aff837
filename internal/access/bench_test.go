package access_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// cached is facts as a cache gives them: everything is looked up and nothing is built.
type cached struct {
	paths map[iam.NodeID][]*iam.Node
	roles map[iam.NodeID]map[iam.Subject][]iam.RoleID
}

func newCached(mem *access.Memory, nodes ...iam.NodeID) cached {
	c := cached{map[iam.NodeID][]*iam.Node{}, map[iam.NodeID]map[iam.Subject][]iam.RoleID{}}
	for _, n := range nodes {
		c.paths[n] = mem.Path(n)
		c.roles[n] = map[iam.Subject][]iam.RoleID{}
		for _, a := range mem.Holders(n) {
			c.roles[n][a.Subject] = a.Roles
		}
	}
	return c
}

func (c cached) Path(n iam.NodeID) []*iam.Node                  { return c.paths[n] }
func (c cached) Roles(n iam.NodeID, s iam.Subject) []iam.RoleID { return c.roles[n][s] }
func (c cached) Suspended(iam.NodeID, iam.Subject) bool         { return false }
func (c cached) Groups(iam.UserID) []*iam.Group                 { panic("not for a client") }
func (c cached) CustomRoles(iam.NodeID) []*access.CustomRole    { panic("not for a role of the model") }
func (c cached) Nodes(iam.Subject) []iam.NodeID                 { panic("not for a client") }

// machine is a client with one role at an organization under depth-1 other nodes, and the request for its token.
func machine(t testing.TB, depth int) (*access.Model, access.Facts, access.Request) {
	mem := access.NewMemory()
	nodes := []iam.NodeID{"org"}
	name, role, parent := "floxhub", iam.RoleID("writer"), iam.NodeID("")
	if depth == 2 {
		name, role, parent = "flakiness", "member", "cloud"
		mem.AddNode(iam.Node{ID: "cloud", Level: "deployment", Name: "cloud"})
		nodes = append(nodes, "cloud")
	}
	mem.AddNode(iam.Node{ID: "org", Parent: parent, Level: iam.LevelOrganization, Name: "acme"})
	s := iam.ClientID("release").Subject()
	mem.PutAssignment(iam.Assignment{Node: "org", Subject: s, Roles: []iam.RoleID{role}})
	m, ok := access.Preset(name)
	if !ok {
		t.Fatal(name)
	}
	return m, newCached(mem, nodes...), access.Request{Subject: s, Name: "release", Organization: "org"}
}

// Claims of a machine are on the way of every token.
func BenchmarkClaims(b *testing.B) {
	for depth, name := range map[int]string{1: "organization", 2: "organization-below-deployment"} {
		m, f, q := machine(b, depth)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Claims(f, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecide(b *testing.B) {
	m, f, q := machine(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if d, err := m.Decide(f, q.Subject, "env_update", "org"); d != access.Allow || err != nil {
			b.Fatal(d, err)
		}
	}
}

// A machine's claims cost at most six allocations and ask nothing but the path, the roles and suspensions: cached panics otherwise.
func TestMachineClaimsAreCheap(t *testing.T) {
	for _, depth := range []int{1, 2} {
		m, f, q := machine(t, depth)
		got := testing.AllocsPerRun(100, func() {
			if c, err := m.Claims(f, q); err != nil || len(c.Roles) != 1 {
				t.Fatal(c, err)
			}
		})
		if got > 6 {
			t.Errorf("depth %d: %v allocations, want at most 6", depth, got)
		}
	}
}
