package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// An inquiry is one question about access under way: who asks, and the cached facts that the answer rests on.
type inquiry struct {
	*store.Facts
	s   *Service
	ctx context.Context
	by  By
}

func (s *Service) inquire(ctx context.Context, by By) *inquiry {
	return &inquiry{Facts: s.Store.Facts(ctx), s: s, ctx: ctx, by: by}
}

// A site is a node that a question is about, with the model of its tree.
type site struct {
	*iam.Node
	path []*iam.Node
	m    *access.Model
}

// errNoSite is that there is no such node, or that it lies outside of what the asker's token speaks for.
var errNoSite = iam.Errorf(iam.NotFound, "there is no such node, or it is not yours to know")

// site finds the node that a question is about. Whether the asker may know of it is for the model to say: see entitled.
func (q *inquiry) site(r apiv1.Resource) (*site, error) {
	if r.ID == "" {
		return nil, iam.Errorf(iam.Invalid, "resource: want the id or path of a node")
	}
	n, err := findNode(r.ID,
		func(id iam.NodeID) (*iam.Node, error) { return q.s.Store.Node(q.ctx, id) },
		func(parent iam.NodeID, name string) (*iam.Node, error) {
			return q.s.Store.NodeNamed(q.ctx, parent, name)
		})
	if err != nil {
		return nil, err
	}
	if n == nil || r.Type != "" && r.Type != string(n.Level) && r.Type != n.Kind {
		return nil, errNoSite
	}
	return q.siteOf(n.ID)
}

func (q *inquiry) siteOf(id iam.NodeID) (*site, error) {
	at := &site{path: q.Path(id)}
	if err := q.Err(); err != nil {
		return nil, err
	}
	if len(at.path) == 0 || !q.covers(at.path) {
		return nil, errNoSite
	}
	at.Node = at.path[len(at.path)-1]
	var err error
	if at.m, err = q.s.Models.Named(q.ctx, at.path[0].Model); err == nil && at.m == nil {
		err = iam.Errorf(iam.Internal, "%s %q follows the access model %q, which does not exist", at.path[0].Level, at.path[0].Name, at.path[0].Model)
	}
	return at, err
}

// covers reports whether the asker's token speaks for the last node of a path: it lies in the token's organization, or above it.
func (q *inquiry) covers(path []*iam.Node) bool {
	if q.by.Organization == "" || containsNode(path, q.by.Organization) {
		return true
	}
	return containsNode(q.Path(q.by.Organization), path[len(path)-1].ID)
}

func containsNode(path []*iam.Node, id iam.NodeID) bool {
	return slices.ContainsFunc(path, func(n *iam.Node) bool { return n.ID == id })
}

// free reports whether the asker may ask anything: by a platform role.
func (q *inquiry) free() bool { return q.by.Authority != access.ByModel }

// sees reports whether the asker may know of the node.
func (q *inquiry) sees(at *site) bool { return q.free() || at.m.Visible(q, q.by.Subject, at.ID) }

// reviews reports whether the asker may review access at the node.
func (q *inquiry) reviews(at *site) bool {
	return q.free() || at.m.Administer(q, q.by.Actor, at.ID, access.Review) == nil
}

// entitled refuses a question about somebody's access to a node. About himself everybody may ask, about anyone whoever may know of
// the node, about others those who may review access there.
func (q *inquiry) entitled(at *site, about iam.Subject) error {
	switch {
	case !q.sees(at):
		return errNoSite
	case about == q.by.Subject || about.Kind == iam.SubjectAnonymous:
		return nil
	}
	return q.mayReview(at)
}

func (q *inquiry) mayReview(at *site) error {
	err := at.m.Administer(q, q.by.Actor, at.ID, access.Review)
	if iam.CodeOf(err) == access.CodeNotFound {
		return errNoSite
	}
	return err
}

// settle is the end of every question: a fault of the store is told before any answer, which it makes void.
func (q *inquiry) settle(err error) error {
	if fault := q.Err(); fault != nil {
		return fault
	}
	return err
}

// checkSubject refuses what names no kind of subject. It comes before the node is looked up, so that it tells nothing about that.
func checkSubject(in *apiv1.Subject) error {
	if in == nil {
		return nil
	}
	switch iam.SubjectKind(in.Type) {
	case iam.SubjectUser, iam.SubjectClient, iam.SubjectGroup:
		if in.ID == "" || len(in.ID) > maxSubject {
			return iam.Errorf(iam.Invalid, "subject: want an id of 1 to %d bytes", maxSubject)
		}
		return nil
	case iam.SubjectAnonymous:
		return nil
	}
	return iam.Errorf(iam.Invalid, "subject: type %.40q: want user, client, group or anonymous", in.Type)
}

// maxSubject is the longest name or id of a subject.
const maxSubject = 200

// subject finds who a question is about, nil being the asker. A name or id that nobody has is a subject that holds nothing, so that no
// answer tells whether somebody exists elsewhere.
func (q *inquiry) subject(at *site, in *apiv1.Subject) (iam.Subject, error) {
	if in == nil {
		return q.by.Subject, nil
	}
	switch iam.SubjectKind(in.Type) {
	case iam.SubjectUser:
		u, err := q.s.Store.User(q.ctx, iam.UserID(in.ID))
		if err == nil && u == nil {
			u, err = q.s.Store.UserNamed(q.ctx, in.ID)
		}
		if err != nil || u == nil {
			return iam.UserID(in.ID).Subject(), err
		}
		return u.ID.Subject(), nil
	case iam.SubjectClient:
		return iam.ClientID(in.ID).Subject(), nil
	case iam.SubjectGroup:
		return q.group(at, in.ID)
	}
	return iam.Subject{Kind: iam.SubjectAnonymous}, nil
}

// group finds a group by name at the node or the nearest above it, computed groups among them, or takes ref for an id.
func (q *inquiry) group(at *site, ref string) (iam.Subject, error) {
	for _, n := range slices.Backward(at.path) {
		g, err := q.s.Store.GroupNamed(q.ctx, n.ID, ref)
		if err != nil {
			return iam.Subject{}, err
		}
		if g != nil {
			return g.ID.Subject(), nil
		}
		if id := systemGroup(at.m, n, ref); id != "" {
			return id.Subject(), nil
		}
	}
	return iam.GroupID(ref).Subject(), nil
}

// effective is who a subject counts as: one whose account is switched off cannot sign in, and is anyone.
func (q *inquiry) effective(sub iam.Subject) (_ iam.Subject, disabled bool, err error) {
	switch sub.Kind {
	case iam.SubjectUser:
		u, err := q.s.Store.User(q.ctx, iam.UserID(sub.ID))
		if err != nil {
			return sub, false, err
		}
		disabled = u != nil && u.Disabled
	case iam.SubjectClient:
		c, err := q.s.Store.Client(q.ctx, iam.ClientID(sub.ID))
		if err != nil {
			return sub, false, err
		}
		disabled = c != nil && c.Disabled
	}
	if disabled {
		sub = iam.Subject{Kind: iam.SubjectAnonymous}
	}
	return sub, disabled, nil
}

// denied is the answer about a node that does not exist or must not be known to.
func denied() apiv1.AccessDecision { return apiv1.AccessDecision{Reason: apiv1.ReasonNotFound} }

// Check answers whether somebody may do something at a node. What does not exist and what the asker may not know of are the same
// answer; a permission that the model does not have is an error.
func (s *Service) Check(ctx context.Context, by By, in apiv1.AccessQuestion) (apiv1.AccessDecision, error) {
	q := s.inquire(ctx, by)
	out, err := q.check(in)
	if err = q.settle(err); errors.Is(err, errNoSite) {
		return denied(), nil
	}
	return out, err
}

func (q *inquiry) check(in apiv1.AccessQuestion) (apiv1.AccessDecision, error) {
	a, err := q.answer(in)
	if err != nil {
		return apiv1.AccessDecision{}, err
	}
	out := decision(a.d)
	if out.Decision || !q.reviews(a.at) {
		return out, nil
	}
	ex, err := q.explainAccess(a.at, a.sub, iam.Permission(in.Action))
	out.Detail = strings.Join(ex.Findings, "; ")
	return out, err
}

// A reply is a decision and what it is about.
type reply struct {
	at  *site
	sub iam.Subject
	d   access.Decision
}

func (q *inquiry) answer(in apiv1.AccessQuestion) (a reply, err error) {
	if in.Action == "" {
		return a, iam.Errorf(iam.Invalid, "action: want a permission of the access model")
	}
	if err := checkSubject(in.Subject); err != nil {
		return a, err
	}
	if a.at, err = q.site(in.Resource); err != nil {
		return a, err
	}
	if a.sub, err = q.subject(a.at, in.Subject); err != nil {
		return a, err
	}
	p := iam.Permission(in.Action)
	// A role may carry a permission and not the sight of the node: about himself, the decision is all that anybody learns.
	if err := q.entitled(a.at, a.sub); err != nil && (a.sub != q.by.Subject || !a.at.m.HasPermission(p)) {
		return a, err
	}
	as, _, err := q.effective(a.sub)
	if err == nil {
		a.d, err = a.at.m.Decide(q, as, p, a.at.ID)
	}
	return a, err
}

func decision(d access.Decision) apiv1.AccessDecision {
	switch d {
	case access.Allow:
		return apiv1.AccessDecision{Decision: true}
	case access.Forbidden:
		return apiv1.AccessDecision{Reason: apiv1.ReasonForbidden}
	}
	return denied()
}

// Actions lists what somebody may do at a node, sorted.
func (s *Service) Actions(ctx context.Context, by By, about *apiv1.Subject, r apiv1.Resource) ([]string, error) {
	q := s.inquire(ctx, by)
	out, err := q.actions(about, r)
	if err = q.settle(err); errors.Is(err, errNoSite) {
		return []string{}, nil
	}
	return out, err
}

func (q *inquiry) actions(about *apiv1.Subject, r apiv1.Resource) ([]string, error) {
	if err := checkSubject(about); err != nil {
		return nil, err
	}
	at, err := q.site(r)
	if err != nil {
		return nil, err
	}
	sub, err := q.subject(at, about)
	if err != nil {
		return nil, err
	}
	if err := q.entitled(at, sub); err != nil && sub != q.by.Subject {
		return nil, err
	}
	as, _, err := q.effective(sub)
	if err != nil {
		return nil, err
	}
	out := texts(at.m.Permissions(q, as, at.ID))
	slices.Sort(out)
	return out, nil
}

// texts writes names of a model as the API has them: never null.
func texts[T ~string](names []T) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out
}
