package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// codeDocuments is the code of a refusal with several faults.
const codeDocuments = "invalid_documents"

// Apply makes documents true and returns what that took, or would take. First everything is tried on paper: a fault of any
// document, and there may be many in the answer, leaves all as it is. Then the steps are done one by one, each a transaction
// after which every invariant holds; an interrupted Apply is finished by the next, one that others got in the way of by itself.
func (s *Service) Apply(ctx context.Context, by access.Actor, r apiv1.ApplyRequest) (apiv1.Plan, error) {
	if by.Authority == access.ByModel {
		return apiv1.Plan{}, iam.Errorf(iam.Forbidden, "applying documents: only an operator may")
	}
	by.Authority = access.ByConfiguration // documents are what the operator's configuration is
	if !r.DryRun {
		if err := s.Settle(ctx); err != nil {
			return apiv1.Plan{}, err
		}
	}
	var changes []apiv1.Change
	for plans := 1; ; plans++ {
		p, err := s.paper(ctx, by, func(p *plan) error { return newSet(p, r).planAll() })
		if err != nil {
			return apiv1.Plan{}, err
		}
		changes = addLines(changes, p.changes)
		if r.DryRun {
			return apiv1.Plan{Changes: changes}, nil
		}
		err = s.carryOut(ctx, p)
		if err == nil || plans == maxPlans || !refused(err) {
			return apiv1.Plan{Changes: changes}, err
		}
		// It was good on paper, so somebody else has changed the directory since, for instance another replica that starts with
		// the same documents. What is done is done; the next plan has the rest, or the fault.
	}
}

// maxPlans bounds how often Apply plans anew.
const maxPlans = 5

// refused reports whether err is a refusal of what was asked, which a look at the directory as it is now may not repeat.
func refused(err error) bool {
	switch iam.KindOf(err) {
	case iam.NotFound, iam.Conflict, iam.Invalid, iam.Forbidden:
		return true
	}
	return false
}

// addLines adds the lines of a further plan about resources that had none.
func addLines(lines, more []apiv1.Change) []apiv1.Change {
	if lines == nil {
		return more
	}
	for _, c := range more {
		if !slices.ContainsFunc(lines, func(l apiv1.Change) bool { return l.Kind == c.Kind && l.Name == c.Name }) {
			lines = append(lines, c)
		}
	}
	return lines
}

// A set is the documents of one request while they are planned.
type set struct {
	*plan
	request apiv1.ApplyRequest
	docs    []*apiv1.Document
	here    map[string]bool // references to documents of this request
	known   map[string]bool // references to documents of other parts
	faults  []fault
	lists   []func() error // prune what the documents' lists do not name
}

type fault struct {
	doc string
	err *iam.Error
}

func newSet(p *plan, r apiv1.ApplyRequest) *set {
	t := &set{plan: p, request: r, here: make(map[string]bool), known: make(map[string]bool)}
	r.Documents = slices.Clone(r.Documents)
	apiv1.SortDocuments(r.Documents)
	for i := range r.Documents {
		t.docs = append(t.docs, &r.Documents[i])
		t.here[refOf(&r.Documents[i])] = true
	}
	for i := range r.Known {
		t.known[refOf(&r.Known[i])] = true
	}
	return t
}

// refOf is how documents refer to one: an organization is a node.
func refOf(d *apiv1.Document) string {
	kind := d.Kind
	if kind == apiv1.KindOrganization {
		kind = apiv1.KindNode
	}
	return kind + " " + d.Path()
}

func (t *set) planAll() error {
	known := slices.Clone(t.request.Known)
	apiv1.SortDocuments(known)
	for i := range known {
		if err := t.each(&known[i], func() error { return t.imagine(&known[i]) }); err != nil {
			return err
		}
	}
	seen := make(map[string]bool)
	var late []func() error
	for _, d := range t.docs {
		err := t.each(d, func() error {
			if seen[d.String()] {
				return iam.Errorf(iam.Invalid, "stands there twice")
			}
			seen[d.String()] = true
			after, err := t.apply(d)
			if after != nil {
				late = append(late, func() error { return t.each(d, after) })
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, steps := range [][]func() error{late, t.lists} {
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
	}
	if t.request.Prune && !t.request.Partial && len(t.faults) == 0 {
		if err := t.prune(); err != nil {
			return err
		}
	}
	return t.verdict()
}

// each does something for a document and keeps its refusals; any other error ends the plan.
func (t *set) each(d *apiv1.Document, do func() error) error {
	t.line = apiv1.Change{Kind: d.Kind, Name: d.Path()}
	t.tolerate = func(err error) error { return t.keep(d.String(), err) }
	return t.tolerate(do())
}

func (t *set) keep(doc string, err error) error {
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind == iam.Internal || e.Kind == iam.Unavailable || e.Kind == iam.TooMany {
		return err
	}
	t.faults = append(t.faults, fault{doc: doc, err: e})
	return nil
}

// verdict is the refusal that all faults come to: of a single one, its own.
func (t *set) verdict() error {
	if len(t.faults) == 0 {
		return nil
	}
	var fields []iam.Field
	for _, f := range t.faults {
		if len(f.err.Fields) == 0 {
			fields = append(fields, iam.Field{Path: f.doc, Message: f.err.Message})
		}
		for _, field := range f.err.Fields {
			fields = append(fields, iam.Field{Path: f.doc + " " + specPath(field.Path), Message: field.Message})
		}
	}
	e := iam.Refuse(iam.Invalid, codeDocuments, "%d things in the documents cannot be; nothing was changed", len(fields))
	if len(t.faults) == 1 {
		e = iam.Refuse(t.faults[0].err.Kind, t.faults[0].err.Code, "%s: %s", t.faults[0].doc, t.faults[0].err.Message)
	}
	e.Fields = fields
	return e
}

// specPath writes the path of a field as the YAML of a document has it.
func specPath(path string) string {
	if path == "name" || path == "parent" || path == "organization" {
		return "metadata." + path
	}
	if path == "organization_choice" {
		return "spec.organization"
	}
	field, rest := path, ""
	if i := strings.IndexAny(path, ".["); i >= 0 {
		field, rest = path[:i], path[i:]
	}
	words := strings.Split(field, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return "spec." + strings.Join(words, "") + rest
}

// imagine puts a document of another part on paper, so that this part can refer to it. It is never written.
func (t *set) imagine(d *apiv1.Document) error {
	name := d.Metadata.Name
	switch spec := d.Spec.(type) {
	case *apiv1.AudienceSpec:
		if a, err := t.AudienceNamed(name); err != nil || a != nil {
			return err
		}
		return t.PutAudience(&iam.Audience{Identifier: spec.Identifier, Name: name})
	case *apiv1.UserSpec:
		if u, err := t.UserNamed(name); err != nil || u != nil {
			return err
		}
		return t.PutUser(&iam.User{ID: iam.UserID(t.newID("u", name)), Name: name})
	case *apiv1.NodeDoc:
		parent, err := t.parent(d.Metadata.Parent)
		if err != nil {
			return err
		}
		if n, err := t.child(parent, name, spec.Level); err != nil || n != nil {
			return err
		}
		n := &iam.Node{ID: iam.NodeID(t.newID("n", t.nameOf(parent, name))), Name: name, Level: iam.Level(spec.Level), Kind: spec.Kind, Model: spec.Model}
		if n.Level == "" {
			n.Level = iam.LevelOrganization
		}
		if parent != nil {
			n.Parent, n.Model = parent.ID, ""
		}
		return t.PutNode(n)
	case *apiv1.GroupSpec:
		parent, err := t.node(d.Metadata.Parent)
		if err != nil {
			return err
		}
		if g, err := t.GroupNamed(parent.ID, name); err != nil || g != nil {
			return err
		}
		return t.PutGroup(&iam.Group{ID: iam.GroupID(t.newID("g", string(parent.ID)+"/"+name)), Node: parent.ID, Name: name})
	}
	return nil
}

// apply plans a document. after plans what refers to documents that come later, nil for nothing.
func (t *set) apply(d *apiv1.Document) (after func() error, err error) {
	name := d.Metadata.Name
	switch spec := d.Spec.(type) {
	case *apiv1.AudienceSpec:
		return nil, t.step(func(w *work) (diff, error) { return w.ensureAudience(name, spec, either) })
	case *apiv1.UserSpec:
		return nil, t.step(func(w *work) (diff, error) { return w.ensureUser(name, spec, either) })
	case *apiv1.NodeDoc:
		return t.applyNode(d, spec)
	case *apiv1.GroupSpec:
		return nil, t.applyGroup(d, spec)
	case *apiv1.ClientSpec:
		return nil, t.applyClient(d, spec)
	}
	return nil, iam.Errorf(iam.Invalid, "kind %.40q: want one of %s", d.Kind, strings.Join(apiv1.Kinds(), ", "))
}

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
	assign := func(groups bool) error {
		for _, o := range order {
			if (o.Group != "") != groups {
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
	m := t.s.Models(spec.Model)
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
		if !w.dry && o.Group != "" && t.comes(d, o.Group) {
			return diff{}, nil
		}
		return diff{}, within(path, err)
	}
	role, fresh, err := w.give(m, n, sub, iam.RoleID(o.Role))
	desired[held{sub, role}] = true
	if err != nil || !fresh {
		return diff{}, within(path, err)
	}
	return diff{action: apiv1.ActionChange, fields: []string{"assignments"}}, nil
}

// comes reports whether another part brings the group that a node's document refers to.
func (t *set) comes(d *apiv1.Document, group string) bool {
	for path := d.Path(); path != ""; {
		if t.known[apiv1.KindGroup+" "+path+"/"+group] {
			return true
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	return false
}

func (t *set) applyGroup(d *apiv1.Document, spec *apiv1.GroupSpec) error {
	n, err := t.node(d.Metadata.Parent)
	if err != nil {
		return within("parent", reference(err))
	}
	if err := t.ensureGroup(n.ID, d.Metadata.Name, spec.Members); err != nil {
		return err
	}
	if t.request.Prune && spec.Members != nil {
		t.lists = append(t.lists, func() error {
			return t.each(d, func() error { return t.pruneMembers(n.ID, d.Metadata.Name, spec.Members) })
		})
	}
	return nil
}

func (t *set) applyClient(d *apiv1.Document, spec *apiv1.ClientSpec) error {
	var org iam.NodeID
	if d.Metadata.Organization != "" {
		n, err := t.node(d.Metadata.Organization)
		if err != nil {
			return within("organization", reference(err))
		}
		org = n.ID
	}
	want := &desiredClient{
		name: d.Metadata.Name, spec: completeClient(*spec, org != ""), expect: either,
		newID: iam.ClientID(t.newID("c", string(org)+"/"+d.Metadata.Name)),
	}
	if err := t.ensureClient(org, want); err != nil {
		return err
	}
	if t.request.Prune {
		t.lists = append(t.lists, func() error { return t.each(d, func() error { return t.pruneClient(org, d.Metadata.Name, spec) }) })
	}
	return nil
}
