package directory

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// maxModelSource is how long the source of a model may be, so that it is one record.
const maxModelSource = 128 << 10

// Model returns an access model that ships with Gatehouse, or that of a tree which the caller sees something of.
func (s *Service) Model(ctx context.Context, by By, name string) (out apiv1.Model, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		m, err := w.visibleModel(name)
		if err == nil {
			out, err = w.showModel(m)
		}
		return err
	})
	return out, err
}

// visibleModel returns an access model that the caller may read.
func (w *work) visibleModel(name string) (*access.Model, error) {
	m, err := w.modelNamed(name)
	if err != nil {
		return nil, err
	}
	if _, preset := access.Preset(name); !preset && m != nil && w.by.Authority == access.ByModel {
		mine, err := w.modelsSeen()
		if err != nil {
			return nil, err
		}
		if !slices.Contains(mine, name) {
			m = nil
		}
	}
	if m == nil {
		return nil, missing("access model", name)
	}
	return m, nil
}

// modelsSeen returns the names of the models that nodes follow which the caller sees because of what it holds there.
func (w *work) modelsSeen() ([]string, error) {
	r := w.roster()
	nodes := slices.Clone(r.Nodes(w.by.Subject))
	if w.by.Subject.Kind == iam.SubjectUser {
		for _, g := range r.Groups(iam.UserID(w.by.Subject.ID)) {
			nodes = append(nodes, g.Node)
			nodes = append(nodes, r.Nodes(g.ID.Subject())...)
		}
	}
	if w.by.Organization != "" {
		nodes = append(nodes, w.by.Organization)
	}
	var out []string
	for _, n := range nodes {
		path := r.Path(n)
		if len(path) == 0 || slices.Contains(out, path[0].Model) {
			continue
		}
		if reaches, err := w.reaches(path); err != nil {
			return nil, err
		} else if !reaches {
			continue
		}
		m, err := w.model(path)
		if err != nil {
			return nil, err
		}
		if m.Visible(r, w.by.Subject, n) {
			out = append(out, m.Name())
		}
	}
	return out, r.err
}

// ListModels lists access models by name: those that ship with Gatehouse, and those that the caller may read.
func (s *Service) ListModels(ctx context.Context, by By, p store.PageOptions) (out apiv1.Page[apiv1.ModelHead], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		var own []string
		last := ""
		if by.Authority == access.ByModel {
			if own, err = w.modelsSeen(); err != nil {
				return err
			}
		} else {
			page, err := s.Store.Models(ctx, p)
			if err != nil {
				return err
			}
			for _, m := range page.Items {
				own = append(own, m.Name)
			}
			last = page.Next
		}
		names := append(access.Presets(), own...)
		slices.Sort(names)
		names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name <= p.After || last != "" && name > last })
		out.NextPageToken = last
		if len(names) > p.Limit {
			names = names[:p.Limit]
			out.NextPageToken = names[p.Limit-1]
		}
		out.Items = make([]apiv1.ModelHead, 0, len(names))
		for _, name := range names {
			m, err := w.modelNamed(name)
			if err != nil {
				return err
			}
			if m == nil {
				continue // deleted meanwhile
			}
			head, err := w.modelHead(m)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, head)
		}
		return nil
	})
	return out, err
}

func (w *work) modelHead(m *access.Model) (apiv1.ModelHead, error) {
	out := apiv1.ModelHead{Name: m.Name(), Revision: m.Revision(), Levels: []string{}}
	for _, l := range m.Schema().Levels {
		out.Levels = append(out.Levels, string(l.ID))
	}
	if _, out.Preset = access.Preset(m.Name()); out.Preset {
		return out, nil
	}
	head, err := w.Tx.Model(m.Name())
	if head != nil {
		out.CreatedAt, out.ChangedAt = head.CreatedAt, head.ChangedAt
	}
	return out, err
}

func (w *work) showModel(m *access.Model) (out apiv1.Model, err error) {
	if out.ModelHead, err = w.modelHead(m); err != nil {
		return out, err
	}
	out.Schema = m.Schema()
	if src, ok := access.PresetSource(m.Name()); ok {
		out.Source, out.ETag = string(src), modelTag(hashOf(src))
		return out, nil
	}
	src, err := w.ModelSource(m.Name())
	if err == nil && src == nil {
		err = missing("access model", m.Name())
	}
	if err != nil {
		return out, err
	}
	out.Source, out.ETag = string(src.Source), modelTag(src.Hash)
	return out, nil
}

func modelTag(hash string) string { return `"` + hash[:16] + `"` }

// ValidateModel says what is wrong with a source.
func (s *Service) ValidateModel(spec apiv1.ModelSpec) apiv1.ModelCheck {
	out := apiv1.ModelCheck{Faults: []apiv1.ModelFault{}}
	for _, f := range access.Faults([]byte(spec.Source)) {
		out.Faults = append(out.Faults, apiv1.ModelFault{Line: f.Line + max(spec.Line-1, 0), Path: f.Path, Reason: f.Reason})
	}
	if m, err := access.Parse("source", []byte(spec.Source)); err == nil {
		out.Valid, out.Name, out.Revision = true, m.Name(), m.Revision()
	}
	return out
}

// CreateModel makes an access model, whose name stands in its source.
func (s *Service) CreateModel(ctx context.Context, by By, spec apiv1.ModelSpec) (apiv1.Model, error) {
	m, err := parseModel(&spec)
	if err != nil {
		return apiv1.Model{}, err
	}
	return s.putModel(ctx, by, m.Name(), &spec, toCreate)
}

// UpdateModel replaces the source of an access model.
func (s *Service) UpdateModel(ctx context.Context, by By, name string, spec apiv1.ModelSpec, e Expect) (apiv1.Model, error) {
	return s.putModel(ctx, by, name, &spec, e)
}

func (s *Service) putModel(ctx context.Context, by By, name string, spec *apiv1.ModelSpec, e Expect) (out apiv1.Model, err error) {
	err = s.execute(ctx, by, func(p *plan) error { return p.ensureModel(name, spec, e) })
	if err != nil {
		return out, err
	}
	return s.Model(ctx, by, name)
}

// DeleteModel ends an access model that nothing follows.
func (s *Service) DeleteModel(ctx context.Context, by By, name string, e Expect) error {
	return s.update(ctx, by, func(w *work) error { return w.deleteModel(name, e) })
}

func (w *work) deleteModel(name string, e Expect) error {
	if err := w.needOperator("changing access models"); err != nil {
		return err
	}
	if err := refusePreset(name); err != nil {
		return err
	}
	head, err := w.Tx.Model(name)
	if err != nil {
		return err
	}
	tag := ""
	if head != nil {
		tag = modelTag(head.Hash)
	}
	e.exists = true
	if err := e.check(head != nil, "access model", name, tag); err != nil {
		return err
	}
	trees, err := w.ModelTrees(name)
	if err != nil {
		return err
	}
	if len(trees) > 0 {
		return w.refuseUsed(name, trees)
	}
	return w.DeleteModel(name)
}

func (w *work) refuseUsed(name string, trees []iam.NodeID) error {
	e := iam.Refuse(iam.Conflict, codeModelInUse, "access model %q is that of %d trees, which would be left without one", name, len(trees))
	for _, n := range trees[:min(len(trees), maxMisfits)] {
		path, err := w.pathOf(n)
		if err != nil {
			return err
		}
		e.Fields = append(e.Fields, iam.Field{Path: path, Message: "follows it"})
	}
	return e
}

func refusePreset(name string) error {
	if _, ok := access.Preset(name); ok {
		return iam.Refuse(iam.Conflict, "name_taken", "access model %q ships with Gatehouse, and never changes: give yours another name", name)
	}
	return nil
}

// parseModel reads a source, and tells faults by the lines of the file that it came from.
func parseModel(spec *apiv1.ModelSpec) (*access.Model, error) {
	if len(spec.Source) > maxModelSource {
		return nil, iam.Refuse(iam.Invalid, "too_large", "source: %d bytes are more than %d", len(spec.Source), maxModelSource)
	}
	faults := access.Faults([]byte(spec.Source))
	if len(faults) == 0 {
		return access.Parse("source", []byte(spec.Source))
	}
	e := iam.Refuse(iam.Invalid, "invalid_model", "the access model has %d faults", len(faults))
	for _, f := range faults {
		line := "line " + strconv.Itoa(f.Line+max(spec.Line-1, 0))
		if f.Path != "" {
			f.Reason = f.Path + ": " + f.Reason
		}
		e.Fields = append(e.Fields, iam.Field{Path: line, Message: f.Reason})
	}
	if len(faults) == 1 {
		e.Message = "the access model has a fault: " + e.Fields[0].Path + ": " + e.Fields[0].Message
	}
	return nil, e
}

// ensureModel plans that a model has this source. The change of a model that is in use takes two steps: nothing that follows it
// changes from the first to the second, which compares the new source with all that does.
func (p *plan) ensureModel(name string, spec *apiv1.ModelSpec, e Expect) error {
	head, err := p.Tx.Model(name)
	if err != nil {
		return err
	}
	holder := iam.NewID("f")
	if head != nil {
		trees, err := p.ModelTrees(name)
		if err != nil {
			return err
		}
		same, err := p.sameModel(head, spec)
		if err != nil {
			return err
		}
		if len(trees) > 0 && !same {
			p.release = append(p.release, func(ctx context.Context) error { return p.s.release(ctx, name, holder) })
			err := p.step(func(w *work) (diff, error) { return diff{}, w.freeze(name, holder) })
			if err != nil {
				return err
			}
		}
	}
	return p.step(func(w *work) (diff, error) { return w.ensureModel(name, spec, e, holder) })
}

// sameModel reports whether a source says what the record's does. It is false for one that cannot be read, which is refused later.
func (w *work) sameModel(head *store.Model, spec *apiv1.ModelSpec) (bool, error) {
	before, err := w.modelOf(head)
	if err != nil {
		return false, err
	}
	m, err := parseModel(spec)
	return err == nil && before != nil && reflect.DeepEqual(before.Schema(), m.Schema()), nil
}

func (w *work) modelOf(head *store.Model) (*access.Model, error) {
	return w.s.Models.of(head, func() (src *store.ModelSource, err error) {
		err = w.Peek(func() error {
			src, err = w.ModelSource(head.Name)
			return err
		})
		return src, err
	})
}

// freezeFor is how long the comparison of a new source with what follows the model may take.
const freezeFor = 30 * time.Second

// freeze keeps everything that follows a model from changing.
func (w *work) freeze(name, holder string) error {
	if err := w.needOperator("changing access models"); err != nil {
		return err
	}
	head, err := w.Tx.Model(name)
	if err != nil || head == nil {
		return err
	}
	if head.Frozen != nil && head.Frozen.By != holder && w.s.Now().Before(head.Frozen.Until) {
		return iam.Refuse(iam.Unavailable, "busy", "access model %q is being changed by somebody else: try again", name)
	}
	head.Frozen = &store.Freeze{By: holder, Until: w.s.Now().Add(freezeFor).UTC()}
	return w.PutModel(head, nil)
}

// release ends a freeze that its holder has no more use for.
func (s *Service) release(ctx context.Context, name, holder string) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error {
		head, err := tx.Model(name)
		if err != nil || head == nil || head.Frozen == nil || head.Frozen.By != holder {
			return err
		}
		head.Frozen = nil
		return tx.PutModel(head, nil)
	})
}

// ensureModel gives a model this source.
func (w *work) ensureModel(name string, spec *apiv1.ModelSpec, e Expect, holder string) (diff, error) {
	if err := w.needOperator("changing access models"); err != nil {
		return diff{}, err
	}
	if err := refusePreset(name); err != nil {
		return diff{}, err
	}
	old, err := w.Tx.Model(name)
	if err != nil {
		return diff{}, err
	}
	tag := ""
	if old != nil {
		tag = modelTag(old.Hash)
	}
	if err := e.check(old != nil, "access model", name, tag); err != nil {
		return diff{}, err
	}
	m, err := parseModel(spec)
	if err != nil {
		return diff{}, err
	}
	var f faults
	f.take("name", checkName("access model", name))
	if m.Name() != name {
		f.add("model", "the file is that of %.60q, not of %q", m.Name(), name)
	}
	if err := f.err(); err != nil {
		return diff{}, err
	}
	now := w.s.Now().UTC()
	src := []byte(spec.Source)
	head := &store.Model{Name: name, Revision: m.Revision(), Hash: hashOf(src), CreatedAt: now, ChangedAt: now}
	if old == nil {
		return diff{action: apiv1.ActionCreate}, w.PutModel(head, src)
	}
	head.CreatedAt = old.CreatedAt
	if old.Hash == head.Hash {
		return diff{}, nil
	}
	before, err := w.modelOf(old)
	if err != nil {
		return diff{}, err
	}
	if reflect.DeepEqual(before.Schema(), m.Schema()) {
		if !e.exists {
			return diff{}, nil // documents say what a model is; how it is laid out is nobody's change
		}
		return diff{}, w.PutModel(head, src)
	}
	if m.Revision() <= before.Revision() {
		f.add("revision", "%d: a changed model has a revision above the %d that it had", m.Revision(), before.Revision())
		return diff{}, f.err()
	}
	if err := w.refit(before, m, old, holder); err != nil {
		return diff{}, err
	}
	return diff{action: apiv1.ActionChange, fields: []string{"spec"}}, w.PutModel(head, src)
}

// imagineModel puts the model of another part on paper.
func (w *work) imagineModel(name string, spec *apiv1.ModelSpec) (*access.Model, error) {
	m, err := parseModel(spec)
	if err != nil {
		return nil, err
	}
	src := []byte(spec.Source)
	head := &store.Model{Name: name, Revision: m.Revision(), Hash: hashOf(src)}
	return m, w.PutModel(head, src)
}

const codeModelInUse = "model_in_use"

// The bounds of a comparison of a model with what follows it: how many nodes and assignments are read, and how many misfits told.
const (
	maxRefit   = 20_000
	maxMisfits = 20
)

// refit holds a new source to the facts of every tree that follows the model, and ends the tokens that may say too much by it.
func (w *work) refit(before, after *access.Model, head *store.Model, holder string) error {
	trees, err := w.ModelTrees(head.Name)
	if err != nil || len(trees) == 0 {
		return err
	}
	if head.Frozen == nil || head.Frozen.By != holder {
		return iam.Refuse(iam.Conflict, "conflict", "access model %q was changed, or came into use, meanwhile: try again", head.Name)
	}
	w.Safe()
	narrows := after.Narrows(before)
	c := &refit{roster: w.roster(), w: w}
	for _, root := range trees {
		if err := c.tree(after, root); err != nil {
			return err
		}
		if narrows {
			if err := w.endTree(root); err != nil {
				return err
			}
		}
	}
	return c.verdict(head.Name)
}

// endTree ends the tokens of all organizations at a node and below.
func (w *work) endTree(id iam.NodeID) error {
	return w.Peek(func() error {
		orgs, err := w.organizationsAt(id)
		for _, org := range orgs {
			w.end(iam.RevocationRef{Kind: iam.RevokedOrganization, ID: string(org)})
		}
		return err
	})
}

// A refit is the comparison of a new source with the facts. While it runs nothing of them changes, so what it reads is no condition.
type refit struct {
	*roster
	w       *work
	read    int
	misfits []access.Misfit
}

// Holders implements access.Roster, page after page: there may be many.
func (c *refit) Holders(n iam.NodeID) []iam.Assignment {
	var out []iam.Assignment
	for p := (store.PageOptions{Limit: 1000}); c.err == nil && c.read <= maxRefit; {
		page, err := c.w.s.Store.Assignments(c.w.ctx, n, p)
		if err != nil {
			c.err = err
			return nil
		}
		out = append(out, page.Items...)
		c.read += len(page.Items)
		if p.After = page.Next; p.After == "" {
			break
		}
	}
	return out
}

func (c *refit) tree(m *access.Model, root iam.NodeID) error {
	for queue := []iam.NodeID{root}; len(queue) > 0; queue = queue[1:] {
		c.read++
		c.misfits = append(c.misfits, m.Fit(c, queue[0])...)
		for _, n := range c.Children(queue[0]) {
			queue = append(queue, n.ID)
		}
		switch {
		case c.err != nil:
			return c.err
		case c.read > maxRefit:
			return iam.Refuse(iam.Conflict, codeModelInUse, "more than %d nodes and assignments follow access model %q: "+
				"they cannot be compared with it at once; make a model of another name for what comes", maxRefit, m.Name())
		case len(c.misfits) > maxMisfits:
			return nil // the verdict is known
		}
	}
	return nil
}

// verdict refuses when something has no place in the new source. The code is that of the first misfit.
func (c *refit) verdict(name string) error {
	if len(c.misfits) == 0 {
		return nil
	}
	code := c.misfits[0].Code
	if code == "" {
		code = codeModelInUse
	}
	var fields []iam.Field
	for _, f := range c.misfits[:min(len(c.misfits), maxMisfits)] {
		path, err := c.w.pathOf(f.Node.ID)
		if err != nil {
			return err
		}
		said := []string{f.Reason}
		if f.Subject.Kind != "" {
			said = append([]string{f.Subject.String() + " holds " + string(f.Role)}, said...)
		} else if f.Role != "" {
			said = append([]string{"role " + string(f.Role)}, said...)
		}
		fields = append(fields, iam.Field{Path: path, Message: strings.Join(said, ": ")})
	}
	e := iam.Refuse(iam.Conflict, code, "%s", fmt.Sprintf("what follows access model %q has no place in it any more, first at %s: %s", name, fields[0].Path, fields[0].Message))
	e.Fields = fields
	return e
}
