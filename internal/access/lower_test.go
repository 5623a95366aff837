package access_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Of a change of settings that takes a permission from anybody, anywhere, nobody says that it only raises: in random models, on
// random facts.
func TestChangesThatTakeSomethingLower(t *testing.T) {
	raised := 0
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		n := rapid.SampledFrom(w.nodes).Draw(t, "node")
		path := w.mem.Path(n)
		last := path[len(path)-1]
		s := rapid.SampledFrom(w.m.Level(last.Level).Settings).Draw(t, "setting")
		values := append([]string{""}, s.Values...)
		if s.Node {
			for _, id := range w.nodes {
				values = append(values, string(id))
			}
		}
		value := rapid.SampledFrom(values).Draw(t, "value")
		after := maps.Clone(last.Settings)
		if after == nil {
			after = map[string]string{}
		}
		after[s.Name] = value
		lowers := w.m.Lowers(path, last.Settings, after)
		before := w.everything()
		w.mem.PutSetting(n, s.Name, value)
		for at, held := range w.everything() {
			for _, p := range before[at] {
				if !lowers && !slices.Contains(held, p) {
					t.Fatalf("%s=%q at %s took %s of %s at %s: want it to lower\n%s", s.Name, value, n, p, at.subject, at.node, w.source)
				}
			}
		}
		if !lowers && after[s.Name] != last.Settings[s.Name] {
			raised++
		}
	})
	if raised == 0 {
		t.Error("every change was said to lower")
	}
}

type heldAt struct {
	subject iam.Subject
	node    iam.NodeID
}

// everything is what everybody may do everywhere.
func (w *world) everything() map[heldAt][]iam.Permission {
	out := map[heldAt][]iam.Permission{}
	for _, s := range w.subjects {
		for _, n := range w.nodes {
			out[heldAt{s, n}] = w.m.Permissions(w.mem, s, n)
		}
	}
	return out
}

// What the settings of the presets mean: which changes lower and which only raise.
func TestSettingsOfPresetsLowerOrRaise(t *testing.T) {
	for _, c := range []struct {
		model  string
		levels []iam.Level
		key    string
		before string
		after  string
		lowers bool
	}{
		{"flakiness", []iam.Level{"organization", "project"}, "visibility", "", "public", false},
		{"flakiness", []iam.Level{"organization", "project"}, "visibility", "private", "", false},
		{"flakiness", []iam.Level{"organization", "project"}, "visibility", "public", "private", true},
		{"flakiness", []iam.Level{"organization", "project"}, "visibility", "public", "", true},
		{"flakiness", []iam.Level{"organization"}, "external_users", "", "blocked", true},
		{"flakiness", []iam.Level{"organization"}, "external_users", "blocked", "", false},
		{"flux", []iam.Level{"organization"}, "member_role", "", "edit", false},
		{"flux", []iam.Level{"organization"}, "member_role", "", "view", true},
		{"flux", []iam.Level{"organization"}, "member_role", "view", "edit", false},
		{"flux", []iam.Level{"organization"}, "member_role", "view", "none", true},
		{"flux", []iam.Level{"enterprise"}, "member_role", "view", "comment", false},
		{"flux", []iam.Level{"enterprise"}, "default_organization", "a", "b", true},
		{"flux", []iam.Level{"enterprise"}, "default_organization", "a", "", true},
		{"flux", []iam.Level{"organization", "project"}, "visibility", "", "public", false},
		{"flux", []iam.Level{"organization", "project"}, "visibility", "public", "private", true},
	} {
		m, ok := access.Preset(c.model)
		if !ok {
			t.Fatalf("no preset %s", c.model)
		}
		var path []*iam.Node
		for i, l := range c.levels {
			path = append(path, &iam.Node{ID: iam.NodeID(l), Level: l})
			if i > 0 {
				path[i].Parent = path[i-1].ID
			}
		}
		got := m.Lowers(path, map[string]string{c.key: c.before}, map[string]string{c.key: c.after})
		if got != c.lowers {
			t.Errorf("%s: %s from %q to %q: lowers %v, want %v", c.model, c.key, c.before, c.after, got, c.lowers)
		}
	}
}
