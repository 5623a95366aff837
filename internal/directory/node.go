package directory

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Node returns a node by id or path.
func (s *Service) Node(ctx context.Context, ref string) (out apiv1.Node, err error) {
	err = s.view(ctx, func(w *work) error {
		n, err := w.node(ref)
		if err == nil {
			out, err = w.showNode(n)
		}
		return err
	})
	return out, err
}

// Organization is Node for organizations, and for nodes without a parent.
func (s *Service) Organization(ctx context.Context, ref string) (apiv1.Node, error) {
	n, err := s.Node(ctx, ref)
	if err == nil && n.Level != string(iam.LevelOrganization) && n.Parent != "" {
		return apiv1.Node{}, missing("organization", ref)
	}
	return n, err
}

// Organizations lists organizations, and nodes without a parent, by name.
func (s *Service) Organizations(ctx context.Context, p store.PageOptions) (out apiv1.Page[apiv1.Node], err error) {
	page, err := s.Store.Organizations(ctx, p)
	return s.showNodes(ctx, page, err)
}

// Children lists the nodes right below one.
func (s *Service) Children(ctx context.Context, parent string, p store.PageOptions) (apiv1.Page[apiv1.Node], error) {
	id, err := s.nodeID(ctx, parent)
	if err != nil {
		return apiv1.Page[apiv1.Node]{}, err
	}
	page, err := s.Store.Children(ctx, id, p)
	return s.showNodes(ctx, page, err)
}

func (s *Service) showNodes(ctx context.Context, page store.Page[*iam.Node], err error) (out apiv1.Page[apiv1.Node], _ error) {
	if err != nil {
		return out, err
	}
	err = s.view(ctx, func(w *work) error {
		out, err = show(page, nil, w.showNode)
		return err
	})
	return out, err
}

// nodeID resolves an id or a path.
func (s *Service) nodeID(ctx context.Context, ref string) (id iam.NodeID, err error) {
	err = s.view(ctx, func(w *work) error {
		n, err := w.node(ref)
		if err == nil {
			id = n.ID
		}
		return err
	})
	return id, err
}

// maxFirst is how many assignments a new node may bring, so that they are one transaction with it.
const maxFirst = 6

// CreateNode makes a node with its first assignments, of which there may be a few: others follow.
func (s *Service) CreateNode(ctx context.Context, by By, n apiv1.NewNode) (out apiv1.Node, err error) {
	if len(n.Assignments) > maxFirst {
		return out, iam.Errorf(iam.Invalid, "assignments: a new node brings at most %d, got %d: assign the others afterwards", maxFirst, len(n.Assignments))
	}
	err = s.update(ctx, by, func(w *work) error {
		parent, err := w.parent(n.Parent)
		if err != nil {
			return err
		}
		if _, err := w.ensureNode(parent, n.Name, &n.NodeSpec, n.Assignments, toCreate); err != nil {
			return err
		}
		node, err := w.child(parent, n.Name, n.Level)
		if err == nil {
			out, err = w.showNode(node)
		}
		return err
	})
	return out, err
}

// UpdateNode replaces a node's spec; its level, kind and model stay.
func (s *Service) UpdateNode(ctx context.Context, by By, ref string, spec apiv1.NodeSpec, e Expect) (out apiv1.Node, err error) {
	err = s.update(ctx, by, func(w *work) error {
		n, err := w.node(ref)
		if err != nil {
			return err
		}
		if _, err := w.changeNode(n, nil, &spec, e); err != nil {
			return err
		}
		if n, err = w.Node(n.ID); err == nil {
			out, err = w.showNode(n)
		}
		return err
	})
	return out, err
}

// DeleteNode ends a node that has no nodes, clients and groups any more. Whoever holds something at it loses that.
func (s *Service) DeleteNode(ctx context.Context, by By, ref string, e Expect) error {
	return s.execute(ctx, by, func(p *plan) error {
		n, err := p.node(ref)
		if err != nil {
			return err
		}
		shown, err := p.showNode(n)
		if err != nil {
			return err
		}
		if err := e.check(true, string(n.Level), ref, shown.ETag); err != nil {
			return err
		}
		return p.deleteNode(n.ID)
	})
}

// deleteNode plans the end of a node: nobody gets in, then nobody holds anything, then it is gone. An interrupted one leaves
// the node disabled, and the same command finishes it.
func (p *plan) deleteNode(id iam.NodeID) error {
	n, m, err := p.at(id)
	if err != nil {
		return err
	}
	err = p.decide(func(r access.Roster) error { return m.Administer(r, p.by.Actor, id, access.Delete) })
	if err != nil {
		return err
	}
	if err := p.checkEmpty(n); err != nil {
		return err
	}
	held, err := p.Assignments(id)
	if err != nil {
		return err
	}
	err = p.step(func(w *work) (diff, error) {
		n, err := w.Node(id)
		if err != nil || n == nil {
			return diff{}, err
		}
		if err := w.checkEmpty(n); err != nil {
			return diff{}, err
		}
		n.Disabled = true
		return diff{}, w.disableNode(n)
	})
	if err != nil {
		return err
	}
	for _, a := range held {
		if err := p.step(func(w *work) (diff, error) { return diff{}, w.dropUnchecked(id, a.Subject) }); err != nil {
			return err
		}
	}
	return p.step(func(w *work) (diff, error) {
		w.Safe()
		return diff{action: apiv1.ActionDelete}, w.DeleteNode(id)
	})
}

func (w *work) checkEmpty(n *iam.Node) error {
	what, err := w.Below(n.ID)
	if err != nil || what == "" {
		return err
	}
	return iam.Refuse(iam.Conflict, "not_empty", "%s %q still has %s", n.Level, n.Name, what)
}

// disableNode writes a node that nobody gets tokens for any more, and ends those that are out.
func (w *work) disableNode(n *iam.Node) error {
	if err := w.endTree(n.ID); err != nil {
		return err
	}
	return w.PutNode(n)
}

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
	return w.changeNode(old, parent, spec, e)
}

// changeNode makes a node that is there what the spec says. parent, unless it is nil, is where it must stand.
func (w *work) changeNode(old, parent *iam.Node, spec *apiv1.NodeSpec, e Expect) (diff, error) {
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
			return diff{}, err
		}
		f.add("parent", "%s %q stands below %q and does not move", old.Level, old.Name, above)
	}
	checkText(&f, "display_name", spec.DisplayName, 200)
	if err := f.err(); err != nil {
		return diff{}, err
	}
	err = w.decide(func(r access.Roster) error { return m.Administer(r, w.by.Actor, old.ID, access.Configure) })
	if err != nil {
		return diff{}, err
	}
	n := *old
	n.DisplayName, n.Disabled = spec.DisplayName, spec.Disabled
	if n.Settings, err = w.settings(m, &n, spec.Settings, old.Settings); err != nil {
		return diff{}, err
	}
	after, err := w.showNode(&n)
	if err != nil {
		return diff{}, err
	}
	d := changeOf(before.NodeSpec, after.NodeSpec)
	switch {
	case d.action == "":
		return d, nil
	case n.Disabled && !old.Disabled:
		return d, w.disableNode(&n)
	}
	w.Safe() // a setting may be what somebody's role came from
	return d, w.PutNode(&n)
}

func (w *work) createNode(parent *iam.Node, name string, level iam.Level, spec *apiv1.NodeSpec, first []apiv1.Assignment) (diff, error) {
	n := &iam.Node{
		ID: iam.NodeID(w.newID("n", w.nameOf(parent, name))), Level: level, Kind: spec.Kind, Name: name, DisplayName: spec.DisplayName,
		Disabled: spec.Disabled, CreatedAt: w.s.Now().UTC(),
	}
	var f faults
	f.take("name", checkName(string(level), name))
	checkText(&f, "display_name", spec.DisplayName, 200)
	m, err := w.modelOfNew(&f, parent, level, spec.Model)
	if err != nil {
		return diff{}, err
	}
	if err := f.err(); err != nil {
		return diff{}, err
	}
	above := iam.NodeID("")
	if parent != nil {
		above, n.Parent = parent.ID, parent.ID
	} else {
		n.Model = m.Name()
	}
	holders, err := w.firstHolders(m, level, above, first)
	if err != nil {
		return diff{}, err
	}
	err = w.decide(func(r access.Roster) error { return m.CreateNode(r, w.by.Actor, above, level, spec.Kind, holders) })
	if err != nil {
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
	for _, a := range holders {
		if err := w.Assign(n.ID, a.Subject, a.Roles); err != nil {
			return diff{}, err
		}
	}
	return diff{action: apiv1.ActionCreate}, nil
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

func (w *work) showNode(n *iam.Node) (out apiv1.Node, err error) {
	path, err := w.pathOf(n.ID)
	if err != nil {
		return out, err
	}
	parent, err := w.pathOf(n.Parent)
	if err != nil {
		return out, err
	}
	_, m, err := w.at(n.ID)
	if err != nil {
		return out, err
	}
	out = apiv1.Node{ID: string(n.ID), Name: n.Name, Path: path, Parent: parent, CreatedAt: n.CreatedAt, NodeSpec: apiv1.NodeSpec{
		Level: string(n.Level), Kind: n.Kind, DisplayName: n.DisplayName, Model: n.Model, Disabled: n.Disabled,
	}}
	for key, value := range n.Settings {
		if namesNode(m, n.Level, key) {
			if value, err = w.pathOf(iam.NodeID(value)); err != nil {
				return out, err
			}
		}
		if out.Settings == nil {
			out.Settings = make(map[string]string)
		}
		out.Settings[key] = value
	}
	out.ETag = etag(out)
	return out, nil
}
