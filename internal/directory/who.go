package directory

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Who lists who has access to a node or, where an action is named, who may do that there; with reasons. It takes the right to review
// access there. A part costs the assignments at the node and above, and an evaluation for each line on it.
func (s *Service) Who(ctx context.Context, by By, in apiv1.WhoQuestion, p store.PageOptions) (apiv1.Page[apiv1.AccessEntry], error) {
	q := s.inquire(ctx, by)
	out, err := q.who(in, p)
	return out, q.settle(err)
}

func (q *inquiry) who(in apiv1.WhoQuestion, p store.PageOptions) (out apiv1.Page[apiv1.AccessEntry], err error) {
	at, err := q.site(in.Resource)
	if err != nil {
		return out, err
	}
	if err := q.mayReview(at); err != nil {
		return out, err
	}
	var after iam.Subject
	if p.After != "" {
		if after, err = iam.ParseSubject(p.After); err != nil {
			return out, err
		}
	}
	lines := at.m.WhoAfter(q, at.ID, after)
	if in.Action != "" {
		if lines, err = at.m.WhoCanAfter(q, []iam.Permission{iam.Permission(in.Action)}, at.ID, after); err != nil {
			return out, err
		}
	}
	out.Items = []apiv1.AccessEntry{}
	last := ""
	for h := range lines {
		if len(out.Items) == p.Limit {
			out.NextPageToken = last
			break
		}
		e, err := q.entry(h)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, e)
		last = h.Subject.String()
	}
	return out, nil
}

func (q *inquiry) entry(h access.Holder) (e apiv1.AccessEntry, err error) {
	e = apiv1.AccessEntry{Roles: texts(h.Roles), Reasons: []apiv1.AccessReason{}, Pending: h.Subject.Kind == iam.SubjectLogin}
	if e.Subject, err = q.name(h.Subject); err != nil {
		return e, err
	}
	if _, e.Disabled, err = q.effective(h.Subject); err != nil {
		return e, err
	}
	for _, r := range h.Reasons {
		e.Reasons = append(e.Reasons, q.reason(r))
	}
	return e, nil
}

func (q *inquiry) reason(r access.Reason) apiv1.AccessReason {
	return apiv1.AccessReason{
		Role: string(r.Role), Layer: string(r.Layer), Effect: string(r.Effect), Node: pathText(q.Path(r.Node)), Group: r.Group,
		From: string(r.From), Setting: r.Setting, Text: r.Chain(),
	}
}

// pathText names a node as people do: from its organization down, or else from the root.
func pathText(path []*iam.Node) string {
	var names []string
	for _, n := range path {
		if n.Level == iam.LevelOrganization {
			names = nil
		}
		names = append(names, n.Name)
	}
	return strings.Join(names, "/")
}

// name adds the name that people know a subject by. A subject that is gone has none.
func (q *inquiry) name(sub iam.Subject) (apiv1.AccessSubject, error) {
	out := apiv1.AccessSubject{Type: string(sub.Kind), ID: sub.ID}
	switch sub.Kind {
	case iam.SubjectUser:
		u, err := q.s.Store.User(q.ctx, iam.UserID(sub.ID))
		if err != nil {
			return out, err
		}
		if u != nil {
			out.Name = u.Name
		}
	case iam.SubjectClient:
		c, err := q.s.Store.Client(q.ctx, iam.ClientID(sub.ID))
		if err != nil {
			return out, err
		}
		if c != nil {
			out.Name = c.Name
		}
	case iam.SubjectLogin:
		_, out.Name, _ = strings.Cut(sub.ID, "/")
	}
	return out, nil
}

// A SubjectPart is a part of a list of subjects: at most Limit of them, after the one whose id is After.
type SubjectPart struct {
	Subjects []apiv1.Subject
	Next     string // After of the next part; "" at the end
	// Anyone tells that whoever asks may do it, signed in or not: the list has those who are assigned something.
	Anyone bool
}

// WhoCan lists the subjects of one type that may do something at a node, by id: those for whom Check says so. A node that the asker
// may not know of has none.
func (s *Service) WhoCan(ctx context.Context, by By, kind iam.SubjectKind, action string, r apiv1.Resource, p store.PageOptions) (SubjectPart, error) {
	q := s.inquire(ctx, by)
	out, err := q.whoCan(kind, action, r, p)
	if err = q.settle(err); errors.Is(err, errNoSite) {
		return SubjectPart{}, nil
	}
	return out, err
}

func (q *inquiry) whoCan(kind iam.SubjectKind, action string, r apiv1.Resource, p store.PageOptions) (out SubjectPart, err error) {
	if err := checkSubject(&apiv1.Subject{Type: string(kind), ID: "any"}); err != nil {
		return out, err
	}
	at, err := q.site(r)
	if err != nil {
		return out, err
	}
	// The list of anonymous subjects has one line, which whoever sees the node may ask for.
	if err := q.entitled(at, iam.Subject{Kind: kind}); err != nil {
		return out, err
	}
	anyone, err := at.m.Decide(q, iam.Subject{Kind: iam.SubjectAnonymous}, iam.Permission(action), at.ID)
	if err != nil {
		return out, err
	}
	out.Anyone = anyone == access.Allow
	if kind == iam.SubjectAnonymous {
		if out.Anyone {
			out.Subjects = []apiv1.Subject{{Type: string(kind)}}
		}
		return out, nil
	}
	subjects, err := q.subjectsWhoCan(at, kind, iam.Permission(action), p.After)
	if err != nil {
		return out, err
	}
	for sub := range subjects {
		_, disabled, err := q.effective(sub)
		if err != nil {
			return out, err
		}
		if disabled && !out.Anyone {
			continue
		}
		if len(out.Subjects) == p.Limit {
			out.Next = out.Subjects[p.Limit-1].ID
			break
		}
		out.Subjects = append(out.Subjects, apiv1.Subject{Type: string(kind), ID: sub.ID})
	}
	return out, nil
}

// subjectsWhoCan yields the subjects of one kind, by id, that the model lets do p.
func (q *inquiry) subjectsWhoCan(at *site, kind iam.SubjectKind, p iam.Permission, after string) (iter.Seq[iam.Subject], error) {
	if kind == iam.SubjectGroup {
		return q.groupsWhoCan(at, p, after), nil
	}
	lines, err := at.m.WhoCanAfter(q, []iam.Permission{p}, at.ID, iam.Subject{Kind: kind, ID: after})
	if err != nil {
		return nil, err
	}
	return func(yield func(iam.Subject) bool) {
		for h := range lines {
			if h.Subject.Kind != kind || !yield(h.Subject) {
				return
			}
		}
	}, nil
}

// groupsWhoCan yields the groups that hold something at the node or above it and may do p. The lists of the model have their
// members instead.
func (q *inquiry) groupsWhoCan(at *site, p iam.Permission, after string) iter.Seq[iam.Subject] {
	return func(yield func(iam.Subject) bool) {
		var groups []string
		for _, n := range at.path {
			for _, a := range q.Holders(n.ID) {
				if a.Subject.Kind == iam.SubjectGroup && a.Subject.ID > after {
					groups = append(groups, a.Subject.ID)
				}
			}
		}
		slices.Sort(groups)
		for _, id := range slices.Compact(groups) {
			sub := iam.GroupID(id).Subject()
			if d, err := at.m.Decide(q, sub, p, at.ID); err == nil && d == access.Allow && !yield(sub) {
				return
			}
		}
	}
}
