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
func (s *Service) Apply(ctx context.Context, by By, r apiv1.ApplyRequest) (apiv1.Plan, error) {
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
	last := ""
	for plans := 1; ; plans++ {
		p, err := s.paper(ctx, by, func(p *plan) error { return newSet(p, r).planAll() })
		if err != nil && refused(err) && err.Error() != last && plans < maxPlans {
			last = err.Error() // one of the documents is seen again; one of reading while somebody else writes is not
			continue
		}
		if err != nil {
			return apiv1.Plan{}, err
		}
		changes = addLines(changes, p.changes)
		if r.DryRun {
			return apiv1.Plan{Changes: changes}, nil
		}
		err = s.carryOut(ctx, p)
		if err == nil {
			err = s.bindAddresses(ctx, by, r.Documents)
		}
		if err == nil || plans == maxPlans || !refused(err) {
			return apiv1.Plan{Changes: changes}, err
		}
		// It was good on paper, so somebody else has changed the directory since, for instance another replica that starts with
		// the same documents. What is done is done; the next plan has the rest, or the fault.
	}
}

// bindAddresses gives the users of documents what their verified addresses were invited to.
func (s *Service) bindAddresses(ctx context.Context, by By, docs []apiv1.Document) error {
	for i := range docs {
		spec, ok := docs[i].Spec.(*apiv1.UserSpec)
		if !ok || !spec.EmailVerified {
			continue
		}
		u, err := s.Store.UserNamed(ctx, docs[i].Metadata.Name)
		if err != nil || u == nil {
			return err
		}
		if _, err := s.bindAddress(ctx, by, u); err != nil {
			return err
		}
	}
	return nil
}

// maxPlans bounds how often Apply plans anew.
const maxPlans = 10

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
	case *apiv1.ModelSpec:
		_, err := t.imagineModel(name, spec)
		return err
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
	case *apiv1.CustomRoleSpec:
		parent, err := t.node(d.Metadata.Parent)
		if err != nil {
			return err
		}
		_, err = t.ensureRole(parent.ID, iam.RoleID(name), spec, either)
		return err
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
	case *apiv1.ModelSpec:
		return nil, t.ensureModel(name, spec, either)
	case *apiv1.NodeDoc:
		return t.applyNode(d, spec)
	case *apiv1.CustomRoleSpec:
		return nil, t.applyRole(d, spec)
	case *apiv1.GroupSpec:
		return nil, t.applyGroup(d, spec)
	case *apiv1.ClientSpec:
		return nil, t.applyClient(d, spec)
	case *apiv1.ConnectorSpec:
		return nil, t.step(func(w *work) (diff, error) { return w.ensureConnector(name, spec, either) })
	}
	return nil, iam.Errorf(iam.Invalid, "kind %.40q: want one of %s", d.Kind, strings.Join(apiv1.Kinds(), ", "))
}

func (t *set) applyRole(d *apiv1.Document, spec *apiv1.CustomRoleSpec) error {
	n, err := t.node(d.Metadata.Parent)
	if err != nil {
		return within("parent", reference(err))
	}
	return t.step(func(w *work) (diff, error) { return w.ensureRole(n.ID, iam.RoleID(d.Metadata.Name), spec, either) })
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
