package directory

import (
	"cmp"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// parent resolves the reference to the node above a new one, nil for "".
func (w *work) parent(ref string) (*iam.Node, error) {
	if ref == "" {
		return nil, nil
	}
	return w.node(ref)
}

// child returns the node of this name and level below parent, nil when there is none. Organizations and roots are named across
// the installation.
func (w *work) child(parent *iam.Node, name, level string) (*iam.Node, error) {
	if parent == nil || level == "" || level == string(iam.LevelOrganization) {
		return w.NodeNamed("", name)
	}
	return w.NodeNamed(parent.ID, name)
}

// ensureNode makes a node what the spec says. first are the assignments of a new one.
func (w *work) ensureNode(parent *iam.Node, name string, spec *apiv1.NodeSpec, first []apiv1.Assignment, e Expect) (diff, error) {
	level := iam.Level(spec.Level)
	if level == "" {
		level = iam.LevelOrganization
	}
	old, err := w.child(parent, name, string(level))
	if err != nil {
		return diff{}, err
	}
	if old == nil {
		if err := e.check(false, string(level), name, ""); err != nil {
			return diff{}, err
		}
		return w.createNode(parent, name, level, spec, first)
	}
	return w.changeNode(old, parent, "", spec, e)
}

// changeNode makes a node that is there what the spec says. parent, unless it is nil, is where it must stand; name, unless it is
// "", is what it is called from now on.
func (w *work) changeNode(old, parent *iam.Node, name string, spec *apiv1.NodeSpec, e Expect) (diff, error) {
	before, err := w.showNode(old)
	if err != nil {
		return diff{}, err
	}
	if err := e.check(true, string(old.Level), old.Name, before.ETag); err != nil {
		return diff{}, err
	}
	_, m, err := w.at(old.ID)
	if err != nil {
		return diff{}, err
	}
	if err := w.checkChange(m, old, parent, name, spec); err != nil {
		return diff{}, err
	}
	n := *old
	n.Name, n.DisplayName, n.Seats, n.Disabled = cmp.Or(name, old.Name), spec.DisplayName, spec.Seats, spec.Disabled
	if n.Name != old.Name || n.DisplayName != old.DisplayName {
		err := w.decide(func(r access.Roster) error { return m.Administer(r, w.by.Actor, old.ID, access.Configure) })
		if err != nil {
			return diff{}, err
		}
	}
	if n.Seats != old.Seats || n.Disabled != old.Disabled {
		if err := w.needOperator("seats, and whether a node is disabled"); err != nil {
			return diff{}, err
		}
	}
	if n.Settings, err = w.settings(m, &n, spec.Settings, old.Settings); err != nil {
		return diff{}, err
	}
	after, err := w.showNode(&n)
	if err != nil {
		return diff{}, err
	}
	d := changeOf(before.NodeSpec, after.NodeSpec)
	switch {
	case d.action == "" && n.Name == old.Name:
		return d, nil
	case n.Disabled && !old.Disabled:
		return d, w.disableNode(&n)
	}
	if err := w.endIfLowered(m, old, n.Settings); err != nil {
		return d, err
	}
	w.Safe() // a setting may be what somebody's role came from
	return d, w.PutNode(&n)
}

// checkChange refuses what no change can make of a node, whoever asks.
func (w *work) checkChange(m *access.Model, old, parent *iam.Node, name string, spec *apiv1.NodeSpec) error {
	var f faults
	fixed := func(field, got, is string) {
		if got != "" && got != is {
			f.add(field, "it is %q and never changes", is)
		}
	}
	fixed("level", spec.Level, string(old.Level))
	fixed("kind", spec.Kind, old.Kind)
	fixed("model", spec.Model, m.Name())
	if parent != nil && old.Parent != parent.ID {
		above, err := w.pathOf(old.Parent)
		if err != nil {
			return err
		}
		f.add("parent", "%s %q stands below %q and does not move", old.Level, old.Name, above)
	}
	if name != "" && name != old.Name {
		f.take("name", checkName(string(old.Level), name))
	}
	checkText(&f, "display_name", spec.DisplayName, 200)
	checkSeats(&f, m, old.Level, spec.Seats)
	return f.err()
}

// maxSeats is more than any organization has people.
const maxSeats = 1_000_000_000

// checkSeats refuses a number of seats where the model counts none.
func checkSeats(f *faults, m *access.Model, level iam.Level, seats int) {
	rule := m.Schema().Seats
	switch {
	case seats < 0 || seats > maxSeats:
		f.add("seats", "%d: want 0 (not limited) to %d", seats, maxSeats)
	case seats > 0 && (rule == nil || rule.At != level):
		f.refuse(access.CodeNotOffered, "seats", "model %s counts no seats at level %s", m.Name(), level)
	}
}

func (w *work) createNode(parent *iam.Node, name string, level iam.Level, spec *apiv1.NodeSpec, first []apiv1.Assignment) (diff, error) {
	if parent == nil || spec.Seats != 0 || spec.Disabled {
		if err := w.needOperator("a node without a parent, seats, and disabling a node"); err != nil {
			return diff{}, err
		}
	}
	n := w.newNode(parent, name, level, spec.Kind, spec.DisplayName)
	n.Seats, n.Disabled = spec.Seats, spec.Disabled
	var f faults
	m, err := w.modelOfNew(&f, parent, level, spec.Model)
	if err != nil {
		return diff{}, err
	}
	checkNew(&f, n)
	if m != nil {
		checkSeats(&f, m, level, spec.Seats)
	}
	if err := f.err(); err != nil {
		return diff{}, err
	}
	if parent == nil {
		n.Model = m.Name()
	}
	may := func(holders []iam.Assignment) error {
		return w.decide(func(r access.Roster) error { return m.CreateNode(r, w.by.Actor, n.Parent, level, spec.Kind, holders) })
	}
	holders, err := w.firstHolders(m, level, n.Parent, first)
	if iam.CodeOf(err) == codeUnknownReference && w.by.Authority == access.ByModel {
		// Who may not make the node does not learn from the answer who exists.
		if refused := may(nil); refused != nil && iam.CodeOf(refused) != access.CodeOwnerRequired {
			return diff{}, refused
		}
	}
	if err != nil {
		return diff{}, err
	}
	if err := may(holders); err != nil {
		return diff{}, err
	}
	if err := w.PutNode(n); err != nil {
		return diff{}, err
	}
	if n.Settings, err = w.settings(m, n, spec.Settings, nil); err != nil {
		return diff{}, err
	}
	if len(n.Settings) > 0 {
		if err := w.PutNode(n); err != nil {
			return diff{}, err
		}
	}
	if use, err := w.seatUse(m, n.Parent); err != nil {
		return diff{}, err
	} else if use.Limit > 0 && len(holders) > 0 {
		if err := w.TakeSeat(use.Node); err != nil {
			return diff{}, err
		}
	}
	for _, a := range holders {
		if err := w.Assign(n.ID, a.Subject, a.Roles); err != nil {
			return diff{}, err
		}
	}
	return diff{action: apiv1.ActionCreate}, nil
}

// newNode is a node that nobody has decided about yet.
func (w *work) newNode(parent *iam.Node, name string, level iam.Level, kind, displayName string) *iam.Node {
	n := &iam.Node{
		ID: iam.NodeID(w.newID("n", w.nameOf(parent, name))), Level: level, Kind: kind, Name: name, DisplayName: displayName,
		CreatedAt: w.s.Now().UTC(),
	}
	if parent != nil {
		n.Parent = parent.ID
	}
	return n
}

func checkNew(f *faults, n *iam.Node) {
	f.take("name", checkName(string(n.Level), n.Name))
	checkText(f, "display_name", n.DisplayName, 200)
}

// nameOf is a name for a node that is not there yet.
func (w *work) nameOf(parent *iam.Node, name string) string {
	if parent == nil {
		return name
	}
	return string(parent.ID) + "/" + name
}

// modelOfNew returns the access model that a new node follows.
func (w *work) modelOfNew(f *faults, parent *iam.Node, level iam.Level, name string) (*access.Model, error) {
	if parent != nil {
		_, m, err := w.at(parent.ID)
		if err == nil && name != "" && name != m.Name() {
			f.add("model", "the tree follows %q", m.Name())
		}
		return m, err
	}
	m, err := w.modelNamed(name)
	switch {
	case err != nil:
		return nil, err
	case name == "":
		f.add("model", "required: a node without a parent names the access model of its tree")
	case m == nil:
		f.add("model", "there is no access model %.60q", name)
	case !mayBeRoot(m, level):
		f.add("parent", "required: in model %s, a %s stands below another node", name, level)
	}
	return m, nil
}

// mayBeRoot reports whether a node of the level can stand alone: an organization, or what stands above one.
func mayBeRoot(m *access.Model, level iam.Level) bool {
	for l := m.Level(iam.LevelOrganization); l != nil; l = m.Level(l.Parent) {
		if l.ID == level {
			return true
		}
	}
	return m.Level(level) == nil // the model itself will say that it has none
}

// firstHolders resolves the first assignments of a node that does not exist yet.
func (w *work) firstHolders(m *access.Model, level iam.Level, parent iam.NodeID, first []apiv1.Assignment) ([]iam.Assignment, error) {
	var out []iam.Assignment
	for i, a := range first {
		sub, err := w.subject(m, parent, a)
		if err != nil {
			return nil, within(at("assignments", i), err)
		}
		role := iam.RoleID(a.Role)
		if l := m.Level(level); role == "" && l != nil {
			role = l.JoinRole
		}
		k := slices.IndexFunc(out, func(o iam.Assignment) bool { return o.Subject == sub })
		if k < 0 {
			out = append(out, iam.Assignment{Subject: sub})
			k = len(out) - 1
		}
		out[k].Roles = append(out[k].Roles, role)
	}
	return out, nil
}
