package directory

import (
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

func (t *set) applyNode(d *apiv1.Document, spec *apiv1.NodeDoc) (after func() error, err error) {
	name := d.Metadata.Name
	parent, err := t.parent(d.Metadata.Parent)
	if err != nil {
		return nil, within("parent", reference(err))
	}
	order, founders, err := t.arrange(parent, name, spec)
	if err != nil {
		return nil, err
	}
	record := func(late func(kind, path string) bool) error {
		return t.step(func(w *work) (diff, error) {
			w.late = late
			defer func() { w.late = nil }()
			return w.ensureNode(parent, name, &spec.NodeSpec, founders, either)
		})
	}
	if err := record(func(kind, path string) bool { return t.here[kind+" "+path] || t.known[kind+" "+path] }); err != nil {
		return nil, err
	}
	n, err := t.child(parent, name, spec.Level)
	if err != nil {
		return nil, err
	}
	desired := make(map[held]bool, len(order))
	_, m, err := t.at(n.ID)
	if err != nil {
		return nil, err
	}
	// Groups and custom roles belong to nodes, so they come after them.
	assign := func(late bool) error {
		for _, o := range order {
			custom := o.Role != "" && levelOfRole(m, iam.RoleID(o.Role)) == ""
			if (o.Group != "" || custom) != late {
				continue
			}
			err := t.step(func(w *work) (diff, error) { return t.assign(w, d, n.ID, o, desired) })
			if err := t.tolerate(err); err != nil {
				return err
			}
		}
		return nil
	}
	if t.request.Prune && spec.Assignments != nil {
		t.lists = append(t.lists, func() error { return t.each(d, func() error { return t.pruneAssignments(n.ID, desired) }) })
	}
	later := func() error {
		if err := record(func(kind, path string) bool { return !t.dry && t.known[kind+" "+path] }); err != nil {
			return err
		}
		return assign(true)
	}
	return later, assign(false)
}

// held is a role that somebody holds.
type held struct {
	subject iam.Subject
	role    iam.RoleID
}

// numbered is an assignment with its place in the document.
type numbered struct {
	apiv1.Assignment
	i       int
	founder bool
	kept    bool // its role must always have a holder
}

// arrange puts assignments into an order that never leaves a role without the holders it must keep, and returns those that a new
// node needs from the start.
func (t *set) arrange(parent *iam.Node, name string, spec *apiv1.NodeDoc) (order []numbered, founders []apiv1.Assignment, err error) {
	least, err := t.leastHolders(parent, name, spec)
	if err != nil {
		return nil, nil, err
	}
	for i, a := range spec.Assignments {
		role := iam.RoleID(a.Role)
		o := numbered{Assignment: a, i: i, kept: least[role] != nil}
		if o.kept && *least[role] > 0 && a.Group == "" && a.Client == "" {
			*least[role]--
			o.founder = true
			founders = append(founders, a)
		}
		order = append(order, o)
	}
	slices.SortStableFunc(order, func(a, b numbered) int {
		switch {
		case a.kept == b.kept:
			return a.i - b.i
		case a.kept:
			return -1
		}
		return 1
	})
	return order, founders, nil
}

// leastHolders returns how many holders each role of the node's level must keep, where it must.
func (t *set) leastHolders(parent *iam.Node, name string, spec *apiv1.NodeDoc) (map[iam.RoleID]*int, error) {
	m, err := t.modelNamed(spec.Model)
	if err != nil {
		return nil, err
	}
	at, err := t.child(parent, name, spec.Level)
	if err != nil {
		return nil, err
	}
	if at == nil {
		at = parent
	}
	if at != nil {
		if _, m, err = t.at(at.ID); err != nil {
			return nil, err
		}
	}
	level := iam.Level(spec.Level)
	if level == "" {
		level = iam.LevelOrganization
	}
	out := make(map[iam.RoleID]*int)
	if m == nil || m.Level(level) == nil {
		return out, nil // a fault, which is found when the node is made
	}
	for _, role := range m.Level(level).Roles {
		if n := role.Min; n > 0 {
			out[role.ID] = &n
		}
	}
	return out, nil
}

// assign gives the role of one entry of a document.
func (t *set) assign(w *work, d *apiv1.Document, n iam.NodeID, o numbered, desired map[held]bool) (diff, error) {
	path := at("assignments", o.i)
	if o.Client != "" {
		return diff{}, within(path, iam.Errorf(iam.Invalid, "what a client holds stands in its own document"))
	}
	_, m, err := w.at(n)
	if err != nil {
		return diff{}, err
	}
	sub, err := w.subject(m, n, o.Assignment)
	if err != nil {
		if !w.dry && o.Group != "" && t.comes(d, apiv1.KindGroup, o.Group) {
			return diff{}, nil
		}
		return diff{}, within(path, err)
	}
	role, fresh, err := w.give(m, n, sub, iam.RoleID(o.Role))
	desired[held{sub, role}] = true
	if iam.CodeOf(err) == access.CodeRoleNotHere && !w.dry && t.comes(d, apiv1.KindCustomRole, o.Role) {
		return diff{}, nil
	}
	if err != nil || !fresh {
		return diff{}, within(path, err)
	}
	return diff{action: apiv1.ActionChange, fields: []string{"assignments"}}, nil
}

// comes reports whether another part brings the group or custom role that a node's document refers to.
func (t *set) comes(d *apiv1.Document, kind, name string) bool {
	for path := d.Path(); path != ""; {
		if t.known[kind+" "+path+"/"+name] {
			return true
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	return false
}
