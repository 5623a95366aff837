package directory

import (
	"maps"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// settings checks every setting that changes and returns what the node then has.
func (w *work) settings(m *access.Model, n *iam.Node, want, have map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(want))
	var f faults
	ask := func(key, value string) error {
		err := w.decide(func(r access.Roster) error { return m.Set(r, w.by.Actor, n.ID, key, value) })
		if iam.KindOf(err) == iam.Invalid {
			f.take("settings."+key, err)
			return nil
		}
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		value := want[key]
		if namesNode(m, n.Level, key) {
			target, err := w.findNode(value)
			if err != nil {
				return nil, err
			}
			switch {
			case target != nil:
				value = string(target.ID)
			case w.late != nil && w.late(apiv1.KindNode, value):
				value = have[key]
			}
		}
		if value != have[key] {
			if err := ask(key, value); err != nil {
				return nil, err
			}
		}
		if value != "" {
			out[key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[key]; !ok {
			if err := ask(key, ""); err != nil {
				return nil, err
			}
		}
	}
	if len(out) == 0 {
		out = nil
	}
	return out, f.err()
}

// namesNode reports whether a setting's value is a node.
func namesNode(m *access.Model, level iam.Level, key string) bool {
	l := m.Level(level)
	return l != nil && slices.ContainsFunc(l.Settings, func(s access.Setting) bool { return s.Name == key && s.Node })
}
