package access_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// tree makes a node of every level on the way from the root to the level.
func tree(m *access.Model, to iam.Level) (*access.Memory, map[iam.Level]iam.NodeID) {
	var way []iam.Level
	for l := m.Level(to); l != nil; l = m.Level(l.Parent) {
		way = append([]iam.Level{l.ID}, way...)
	}
	memory, at := access.NewMemory(), map[iam.Level]iam.NodeID{}
	parent := iam.NodeID("")
	for _, l := range way {
		n := iam.Node{ID: iam.NodeID("n_" + l), Parent: parent, Level: l, Name: string(l)}
		if parent == "" {
			n.Model = m.Name()
		}
		memory.AddNode(n)
		parent, at[l] = n.ID, n.ID
	}
	return memory, at
}

// holders assigns each role of the model to somebody of its own.
func holders(m *access.Model, memory *access.Memory, at map[iam.Level]iam.NodeID) map[iam.RoleID]iam.Subject {
	out := map[iam.RoleID]iam.Subject{}
	for _, l := range m.Schema().Levels {
		for _, ro := range l.Roles {
			out[ro.ID] = iam.UserID("u_" + ro.ID).Subject()
			if len(ro.Holders) == 1 && ro.Holders[0] == iam.SubjectClient {
				out[ro.ID] = iam.ClientID("c_" + ro.ID).Subject()
			}
			if n, ok := at[l.ID]; ok {
				memory.PutAssignment(iam.Assignment{Node: n, Subject: out[ro.ID], Roles: []iam.RoleID{ro.ID}})
			}
		}
	}
	return out
}

// Every cell of the page of a preset is what Permissions answers for somebody who holds the role and nothing else; a cell without a
// star is so whatever any setting says.
func TestPagesAgreeWithTheEngine(t *testing.T) {
	for _, name := range access.Presets() {
		m, _ := access.Preset(name)
		cells := 0
		for _, l := range m.Page(nil, nil).Levels {
			memory, at := tree(m, l.ID)
			who := holders(m, memory, at)
			has := func(id iam.RoleID, p iam.Permission) bool {
				for _, held := range m.Permissions(memory, who[id], at[l.ID]) {
					if held == p {
						return true
					}
				}
				return false
			}
			listed := map[iam.Permission]bool{}
			compare := func(say string, certain bool) {
				for _, row := range l.Rights {
					listed[row.Permission] = true
					for k, id := range l.Columns {
						if certain && row.Cells[k].Depends {
							continue
						}
						cells++
						if got := has(id, row.Permission); got != row.Cells[k].Held {
							t.Errorf("%s%s: the page says %s of %s by %s at a %s, and the engine %v", name, say, row.Cells[k], row.Permission, id, l.ID, got)
						}
					}
				}
			}
			compare("", false)
			for id := range who {
				for _, p := range m.Permissions(memory, who[id], at[l.ID]) {
					if !listed[p] {
						t.Errorf("%s: the page of level %s has no row for %s, which %s has", name, l.ID, p, id)
					}
				}
			}
			for above := m.Level(l.ID); above != nil; above = m.Level(above.Parent) {
				for _, s := range above.Settings {
					values := s.Values
					if s.Node {
						values = nil
						for _, n := range at {
							values = append(values, string(n))
						}
					}
					for _, v := range values {
						memory.PutSetting(at[above.ID], s.Name, v)
						compare(" with "+s.Name+"="+v, true)
						memory.PutSetting(at[above.ID], s.Name, "")
					}
				}
			}
		}
		if cells < 30 {
			t.Errorf("%s: only %d cells were compared", name, cells)
		}
	}
}

// Who assigns a role by the page may assign it by the engine, and nobody else may.
func TestPagesNameWhoAssigns(t *testing.T) {
	for _, name := range access.Presets() {
		m, _ := access.Preset(name)
		for _, l := range m.Page(nil, nil).Levels {
			memory, at := tree(m, l.ID)
			who := holders(m, memory, at)
			for _, ro := range l.Roles {
				said := map[iam.RoleID]bool{}
				for _, id := range ro.AssignedBy {
					said[id] = true
				}
				for _, by := range l.Columns {
					kind := ro.Holders[0]
					fresh := iam.Subject{Kind: kind, ID: "fresh"}
					if kind == iam.SubjectGroup {
						continue
					}
					_, err := m.Assign(memory, access.Actor{Subject: who[by]}, at[l.ID], fresh, ro.ID)
					right := iam.CodeOf(err) != access.CodeForbidden && iam.CodeOf(err) != access.CodeNotFound && iam.CodeOf(err) != access.CodeRoleSystemAssigned
					if right != said[by] {
						t.Errorf("%s: %s at a %s by %s: the page says %v, and the engine %v", name, ro.ID, l.ID, by, said[by], err)
					}
				}
			}
		}
	}
}

// A page of a node has its custom roles, and the settings that are set there.
func TestPagesOfNodes(t *testing.T) {
	m, _ := access.Preset("flowx")
	org := &iam.Node{ID: "n_1", Level: "organization", Model: "flowx", Name: "bank"}
	custom := &access.CustomRole{ID: "painter", Node: "n_2", Level: "workspace", Base: "workspace_user", Permissions: []iam.Permission{"wks_view", "fonts_manage"}}
	page := m.Page([]*iam.Node{org}, []*access.CustomRole{custom})
	text := page.Markdown("bank")
	for _, want := range []string{"# bank", "Access model `flowx`", "`painter`", "copied from workspace_user", "at least 1 must hold it", "| `wks_roles_assign` |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	for _, l := range page.Levels {
		for _, row := range l.Rights {
			for k, id := range l.Columns {
				if l.ID == "workspace" && id == "painter" && row.Cells[k].Held != (row.Permission == "wks_view" || row.Permission == "fonts_manage") {
					t.Errorf("painter: %s is %s", row.Permission, row.Cells[k])
				}
			}
		}
	}

	flux, _ := access.Preset("flux")
	alone := &iam.Node{ID: "n_1", Level: "organization", Model: "flux", Name: "acme", Settings: map[string]string{"member_role": "view"}}
	for _, l := range flux.Page([]*iam.Node{alone}, nil).Levels {
		if l.ID == "enterprise" {
			t.Error("the page of an organization that stands alone tells of an enterprise")
		}
		if l.ID != "project" {
			continue
		}
		for _, row := range l.Rights {
			for k, id := range l.Columns {
				if id == "org_member" && row.Permission == "design_modify" && row.Cells[k] != (access.Cell{Depends: true}) {
					t.Errorf("org_member where the default is view: design_modify is %s", row.Cells[k])
				}
			}
		}
	}
}
