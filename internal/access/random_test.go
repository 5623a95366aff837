package access_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A world is a random model with random facts that fit it, now and then facts that do not.
type world struct {
	source   string
	m        *access.Model
	mem      *access.Memory
	nodes    []iam.NodeID
	subjects []iam.Subject
}

func drawWorld(t *rapid.T) world {
	w := world{source: drawModel(t)}
	m, err := access.Parse("random.yaml", []byte(w.source))
	if err != nil {
		t.Fatalf("the generator makes sound models: %v\n%s", err, w.source)
	}
	w.m = m
	w.drawFacts(t)
	return w
}

func chance(t *rapid.T, label string, percent int) bool {
	return rapid.IntRange(1, 100).Draw(t, label) <= percent
}

func roleName(level, i int) string { return fmt.Sprintf("r%d_%d", level, i) }

// drawModel writes a model of two to four levels.
func drawModel(t *rapid.T) string {
	levels := []string{"top", "organization", "mid", "leaf"}
	levels = levels[rapid.IntRange(0, 1).Draw(t, "first"):rapid.IntRange(3, 4).Draw(t, "last")]
	counts := make([]int, len(levels))
	for i := range counts {
		counts[i] = rapid.IntRange(1, 4).Draw(t, "roles")
	}
	layers := []string{"direct", "group", "implied", "builtin", "public"}
	public := make([]int, len(levels)) // the role that is public, which then implies nothing
	for i := range public {
		public[i] = -1
		if chance(t, "public", 40) {
			public[i] = counts[i] - 1
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "model: random\nrevision: 1\nlevels:\n")
	for i, name := range levels {
		exclusive := chance(t, "exclusive", 50)
		fmt.Fprintf(&b, "  %s:\n", name)
		if i > 0 {
			fmt.Fprintf(&b, "    parent: %s\n", levels[i-1])
		}
		fmt.Fprintf(&b, "    exclusive: %v\n    see: [p%d_%d", exclusive, i, rapid.IntRange(0, counts[i]-1).Draw(t, "see"))
		if i > 0 && chance(t, "see above", 30) {
			fmt.Fprintf(&b, ", p%d_0", i-1)
		}
		b.WriteString("]\n    settings:\n      external_users: {values: [allowed, blocked], default: allowed, change: p0_0}\n")
		fmt.Fprintf(&b, "      visibility: {values: [private, public], default: private, change: p0_0}\n      favourite: {values: node, change: p0_0}\n")
		for below := i; below < len(levels); below++ {
			var values []string
			for r := range counts[below] {
				values = append(values, roleName(below, r))
			}
			fmt.Fprintf(&b, "      member_%d: {values: [%s], default: %s, change: p0_0}\n", below, strings.Join(values, ", "), values[rapid.IntRange(0, len(values)-1).Draw(t, "default")])
		}
		if public[i] >= 0 {
			fmt.Fprintf(&b, "    public: {setting: visibility, grants: {public: %s}}\n", roleName(i, public[i]))
		}
		restrict := []string{}
		if chance(t, "suspended", 50) {
			restrict = append(restrict, "suspended")
		}
		if chance(t, "external", 40) {
			restrict = append(restrict, "external_users")
		}
		fmt.Fprintf(&b, "    restrict: [%s]\n    manage: {assign: p%d_0, change: p%d_0, revoke: p%d_0}\n", strings.Join(restrict, ", "), i, i, i)
		if i+1 < len(levels) && chance(t, "system group", 40) {
			fmt.Fprintf(&b, "    groups: {system: [{name: \"all_%d_{node}\", members: assigned_here, holds_at: [%s]}]}\n", i, levels[i+1])
		}
		b.WriteString("    admin: {custom_roles: p0_0}\n    roles:\n")
		for r := range counts[i] {
			fmt.Fprintf(&b, "      %s:\n        permissions: [p%d_%d]\n        holders: [user, group, client]\n        duplicable: %v\n", roleName(i, r), i, r, !exclusive)
			if r+1 < counts[i] && (exclusive || chance(t, "extends", 50)) {
				fmt.Fprintf(&b, "        extends: [%s]\n", roleName(i, r+1))
			}
			if public[i] >= 0 {
				continue // any role may extend the public one: keep the level's roles without implications
			}
			var implies []string
			for below := i + 1; below < len(levels); below++ {
				if !chance(t, "implies", 60) {
					continue
				}
				im := "at: " + levels[below]
				if chance(t, "by setting", 50) {
					im += fmt.Sprintf(", setting: member_%d", below)
					via := []string{}
					for v := below; v >= 0; v-- {
						if v <= below && chance(t, "via", 60) {
							via = append(via, levels[v])
						}
					}
					if len(via) > 0 {
						im += ", via: [" + strings.Join(via, ", ") + "]"
					}
				} else {
					im += ", role: " + roleName(below, rapid.IntRange(0, counts[below]-1).Draw(t, "role"))
				}
				if chance(t, "only", 25) {
					im += ", only: favourite"
				}
				if chance(t, "as", 40) {
					as := rapid.SampledFrom([]string{"owner", "default"}).Draw(t, "layer")
					im += ", as: " + as
					if !strings.Contains(strings.Join(layers, " "), as) {
						layers = append(layers, as)
					}
				}
				implies = append(implies, "{"+im+"}")
			}
			if len(implies) > 0 {
				fmt.Fprintf(&b, "        implies: [%s]\n", strings.Join(implies, ", "))
			}
		}
	}
	layers = rapid.Permutation(layers).Draw(t, "layers")
	cut := rapid.IntRange(0, len(layers)).Draw(t, "decide")
	fmt.Fprintf(&b, "precedence: {decide: [%s], add: [%s]}\n", strings.Join(layers[:cut], ", "), strings.Join(layers[cut:], ", "))
	return b.String()
}

func (w *world) drawFacts(t *rapid.T) {
	s := w.m.Schema()
	w.mem = access.NewMemory()
	parents := []iam.NodeID{""}
	byLevel := map[iam.Level][]iam.NodeID{}
	for _, l := range s.Levels {
		var made []iam.NodeID
		for _, parent := range parents {
			for k := range rapid.IntRange(1, 2).Draw(t, "nodes") {
				id := iam.NodeID(fmt.Sprintf("%s%d%s", l.ID, k, parent))
				w.mem.AddNode(iam.Node{ID: id, Parent: parent, Level: l.ID, Name: string(id), Disabled: chance(t, "disabled", 4)})
				made = append(made, id)
				if l.Parent == "" {
					break // one root
				}
			}
		}
		parents, byLevel[l.ID] = made, made
		w.nodes = append(w.nodes, made...)
	}
	for _, u := range []string{"user:a", "user:b", "client:c", "login:x/y", "group:g", "group:h", "anonymous"} {
		w.subjects = append(w.subjects, subject(u))
	}
	w.mem.PutGroup(iam.Group{ID: "g", Node: w.nodes[0], Name: "g"}, "a", "b")
	w.mem.PutGroup(iam.Group{ID: "h", Node: rapid.SampledFrom(w.nodes).Draw(t, "group at"), Name: "h"}, "a")
	for _, l := range s.Levels {
		// What a model no longer knows may still be assigned: it must mean nothing.
		c := access.CustomRole{ID: iam.RoleID("custom_" + string(l.ID)), Node: rapid.SampledFrom(w.nodes).Draw(t, "custom at"), Level: l.ID, Base: l.Roles[0].ID,
			Permissions: []iam.Permission{l.Roles[0].Permissions[0], rapid.SampledFrom(w.permissions()).Draw(t, "custom permits")}}
		w.mem.PutCustomRole(c)
		known := []iam.RoleID{"nonsense", c.ID, s.Levels[0].Roles[0].ID, s.Levels[len(s.Levels)-1].Roles[0].ID}
		for _, r := range l.Roles {
			if !slices.Contains(known, r.ID) {
				known = append(known, r.ID)
			}
		}
		for _, n := range byLevel[l.ID] {
			for _, sub := range w.holders(s, n) {
				if roles := rapid.SliceOfNDistinct(rapid.SampledFrom(known), 0, 2, rapid.ID).Draw(t, "holds"); chance(t, "assigned", 25) {
					w.mem.PutAssignment(iam.Assignment{Node: n, Subject: sub, Roles: roles})
				}
				w.mem.PutSuspension(n, sub, chance(t, "suspend", 6))
			}
			for _, set := range l.Settings {
				switch {
				case !chance(t, "set", 30):
				case set.Node:
					w.mem.PutSetting(n, set.Name, string(rapid.SampledFrom(w.nodes).Draw(t, "node")))
				default:
					w.mem.PutSetting(n, set.Name, rapid.SampledFrom(set.Values).Draw(t, "value"))
				}
			}
		}
	}
}

// holders is who may be assigned something at n: the subjects and the computed groups of the nodes above.
func (w *world) holders(s *access.Schema, n iam.NodeID) []iam.Subject {
	out := append([]iam.Subject{}, w.subjects[:len(w.subjects)-1]...)
	path := w.mem.Path(n)
	for _, p := range path[:len(path)-1] {
		for _, g := range w.m.Level(p.Level).Groups.System {
			out = append(out, iam.GroupID(strings.ReplaceAll(g.Name, "{node}", string(p.ID))).Subject())
		}
	}
	return out
}

func (w *world) permissions() []iam.Permission {
	var out []iam.Permission
	for _, l := range w.m.Schema().Levels {
		for _, r := range l.Roles {
			out = append(out, r.Permissions...)
		}
	}
	return out
}
