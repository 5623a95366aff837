package directory

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A WhereQuestion asks for the nodes of a level or kind at which somebody may do something.
type WhereQuestion struct {
	Subject *apiv1.Subject // nil: whoever asks
	Action  string
	Type    string
	// Within is the node at and below which to look, by id or path. "": the asker's organization or, if its token speaks for none,
	// every organization in which the subject itself or one of its groups holds something, and the nodes above.
	Within string
}

// Where lists the ids of those nodes, sorted: of those that the asker may ask about, the ones at which Check says so. It is linear in
// the nodes that it looks at.
func (s *Service) Where(ctx context.Context, by By, in WhereQuestion, p store.PageOptions) (store.Page[iam.NodeID], error) {
	q := s.inquire(ctx, by)
	out, err := q.where(in, p)
	if err = q.settle(err); errors.Is(err, errNoSite) {
		return store.Page[iam.NodeID]{}, nil
	}
	return out, err
}

func (q *inquiry) where(in WhereQuestion, p store.PageOptions) (out store.Page[iam.NodeID], err error) {
	if in.Action == "" {
		return out, iam.Errorf(iam.Invalid, "action: want a permission of an access model")
	}
	if err := checkSubject(in.Subject); err != nil {
		return out, err
	}
	roots, err := q.roots(in)
	if err != nil {
		return out, err
	}
	found := make(map[iam.NodeID]bool)
	known := len(roots) == 0
	for _, root := range roots {
		if !root.m.HasPermission(iam.Permission(in.Action)) {
			known = known || !q.sees(root) // of what must not be known, no error tells either
			continue
		}
		known = true
		if err := q.below(root, in, found); err != nil {
			return out, err
		}
	}
	if !known {
		return out, iam.Refuse(iam.Invalid, access.CodeUnknownPermission, "no access model there has permission %.40q", in.Action)
	}
	for id := range found {
		if id > iam.NodeID(p.After) {
			out.Items = append(out.Items, id)
		}
	}
	slices.Sort(out.Items)
	if len(out.Items) > p.Limit {
		out.Items = out.Items[:p.Limit]
		out.Next = string(out.Items[p.Limit-1])
	}
	return out, nil
}

// roots returns where to begin looking.
func (q *inquiry) roots(in WhereQuestion) ([]*site, error) {
	within := in.Within
	if within == "" && q.by.Organization != "" {
		within = string(q.by.Organization)
	}
	if within != "" {
		at, err := q.site(apiv1.Resource{ID: within})
		if err != nil {
			return nil, err
		}
		return []*site{at}, nil
	}
	sub, err := q.subject(&site{}, in.Subject)
	if err != nil {
		return nil, err
	}
	var out []*site
	seen := make(map[iam.NodeID]bool)
	for _, id := range q.holdings(sub) {
		at, err := q.siteOf(id)
		if errors.Is(err, errNoSite) {
			continue // it has just been deleted
		}
		if err != nil {
			return nil, err
		}
		for _, n := range at.path {
			if n.Level == iam.LevelOrganization {
				id = n.ID
			}
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		if at, err = q.siteOf(id); err != nil {
			return nil, err
		}
		out = append(out, at)
	}
	slices.SortFunc(out, func(a, b *site) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// holdings returns the nodes at which a subject itself or one of its groups holds something.
func (q *inquiry) holdings(sub iam.Subject) []iam.NodeID {
	out := slices.Clone(q.Nodes(sub))
	if sub.Kind == iam.SubjectUser {
		for _, g := range q.Groups(iam.UserID(sub.ID)) {
			out = append(out, q.Nodes(g.ID.Subject())...)
		}
	}
	return out
}

// below adds the nodes at and below root, of the type asked for, that the answer has.
func (q *inquiry) below(root *site, in WhereQuestion, found map[iam.NodeID]bool) error {
	queue := []*iam.Node{root.Node}
	for len(queue) > 0 {
		n := queue[0]
		queue = append(queue[1:], q.Children(n.ID)...)
		if err := q.Err(); err != nil {
			return err
		}
		if in.Type != string(n.Level) && in.Type != n.Kind || found[n.ID] {
			continue
		}
		a, err := q.answer(apiv1.AccessQuestion{Subject: in.Subject, Action: in.Action, Resource: apiv1.Resource{ID: string(n.ID)}})
		switch {
		case err == nil:
			if a.d == access.Allow {
				found[n.ID] = true
			}
		case iam.KindOf(err) != iam.NotFound && iam.KindOf(err) != iam.Forbidden:
			return err
		}
	}
	return nil
}
