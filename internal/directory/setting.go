package directory

import (
	"context"
	"maps"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Settings returns the settings of a node: what holds, where it comes from and whether the one who asks may change it.
func (s *Service) Settings(ctx context.Context, by By, ref string) (out apiv1.Page[apiv1.Setting], err error) {
	out.Items = []apiv1.Setting{}
	err = s.viewBy(ctx, by, func(w *work) error {
		n, err := w.node(ref)
		if err != nil {
			return err
		}
		states, err := w.settingStates(n.ID)
		for _, state := range states {
			shown, err := w.showSetting(n, state)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, shown)
		}
		return err
	})
	return out, err
}

// Set gives a setting of a node a value; "" takes the value back, so that the default or a value from above holds. The ETag that
// is expected is the node's.
func (s *Service) Set(ctx context.Context, by By, ref, name, value string, e Expect) (out apiv1.Setting, err error) {
	err = s.update(ctx, by, func(w *work) error {
		n, err := w.node(ref)
		if err != nil {
			return err
		}
		before, err := w.showNode(n)
		if err != nil {
			return err
		}
		if err := e.check(true, string(n.Level), ref, before.ETag); err != nil {
			return err
		}
		if err := w.set(n, name, value); err != nil {
			return err
		}
		states, err := w.settingStates(n.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(states, func(state access.SettingState) bool { return state.Name == name })
		if i < 0 {
			return nil // who took his own right to see the node away
		}
		out, err = w.showSetting(n, states[i])
		return err
	})
	return out, err
}

// set changes one setting and keeps the others.
func (w *work) set(n *iam.Node, name, value string) error {
	_, m, err := w.at(n.ID)
	if err != nil {
		return err
	}
	if namesNode(m, n.Level, name) && value != "" {
		target, err := w.findNode(value)
		if err != nil {
			return err
		}
		if target != nil {
			value = string(target.ID)
		}
	}
	err = w.decide(func(r access.Roster) error { return m.Set(r, w.by.Actor, n.ID, name, value) })
	if err != nil || n.Settings[name] == value {
		return err
	}
	changed := *n
	changed.Settings = maps.Clone(n.Settings)
	if changed.Settings == nil {
		changed.Settings = make(map[string]string)
	}
	changed.Settings[name] = value
	if value == "" {
		delete(changed.Settings, name)
	}
	if err := w.endIfLowered(m, n, changed.Settings); err != nil {
		return err
	}
	w.Safe() // it may be what somebody's role came from
	return w.PutNode(&changed)
}

// endIfLowered ends the tokens of the organizations at a node and below when its new settings may take something from somebody.
func (w *work) endIfLowered(m *access.Model, n *iam.Node, after map[string]string) error {
	if maps.Equal(n.Settings, after) {
		return nil
	}
	path, err := w.Path(n.ID)
	if err != nil || !m.Lowers(path, n.Settings, after) {
		return err
	}
	return w.endTree(n.ID)
}

// settingStates returns the settings of a node, none when the one who asks does not know of it.
func (w *work) settingStates(n iam.NodeID) (states []access.SettingState, err error) {
	_, m, err := w.at(n)
	if err != nil {
		return nil, err
	}
	err = w.decide(func(r access.Roster) error {
		states, err = m.Settings(r, w.by.Actor, n)
		return err
	})
	if iam.CodeOf(err) == access.CodeNotFound {
		err = nil
	}
	return states, err
}

// The sources of a setting's value.
const (
	sourceSet       = "set"
	sourceInherited = "inherited"
	sourceDefault   = "default"
	sourceNone      = "none"
)

func (w *work) showSetting(n *iam.Node, state access.SettingState) (out apiv1.Setting, err error) {
	out = apiv1.Setting{Name: state.Name, Value: state.Value, Values: state.Values, Node: state.Node, Default: state.Default, Changeable: state.Changeable}
	switch {
	case state.Value == "":
		out.Source = sourceNone
	case state.At == n.ID:
		out.Source = sourceSet
	case state.At != "":
		out.Source = sourceInherited
		if out.From, err = w.placeOf(state.At); err != nil {
			return out, err
		}
	default:
		out.Source = sourceDefault
	}
	if state.Node && state.Value != "" {
		out.Value, err = w.pathOf(iam.NodeID(state.Value))
	}
	return out, err
}

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
