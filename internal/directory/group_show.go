package directory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Group returns a group of a node by id or name.
func (s *Service) Group(ctx context.Context, by By, node, ref string) (out apiv1.Group, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(node)
		if err != nil {
			return err
		}
		if err := w.mayReadGroups(m, n.ID); err != nil {
			return err
		}
		system, err := w.systemGroup(m, n.ID, ref)
		if err != nil {
			return err
		}
		if system != nil {
			out, err = w.showSystemGroup(*system)
			return err
		}
		g, err := w.group(n.ID, ref)
		if err == nil {
			out, err = w.showGroup(g)
		}
		return err
	})
	return out, err
}

// Groups lists the groups that a node has, by name. The computed ones are not among them: there is nothing to manage.
func (s *Service) Groups(ctx context.Context, by By, node string, p store.PageOptions) (out apiv1.Page[apiv1.Group], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(node)
		if err != nil {
			return err
		}
		if err := w.mayReadGroups(m, n.ID); err != nil {
			return err
		}
		page, err := s.Store.Groups(ctx, n.ID, p)
		out, err = show(page, err, w.showGroup)
		return err
	})
	return out, err
}

// SearchGroups lists the groups whose names begin with prefix and that may hold roles at a node or are its own: the computed ones
// first, then those of the node and of each node above it.
func (s *Service) SearchGroups(ctx context.Context, by By, node, prefix string, p store.PageOptions) (out apiv1.Page[apiv1.Group], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(node)
		if err != nil {
			return err
		}
		if err := w.mayReadGroups(m, n.ID); err != nil {
			return err
		}
		prefix := strings.ToLower(prefix)
		if iam.CheckName("group", prefix) != nil {
			out.Items = []apiv1.Group{}
			return nil // no name begins like that
		}
		out, err = w.searchGroups(m, n.ID, prefix, p)
		return err
	})
	return out, err
}

// searchGroups reads a page of what SearchGroups lists. A place in it is the node whose group came last, none for a computed one,
// and that group's name.
func (w *work) searchGroups(m *access.Model, n iam.NodeID, prefix string, p store.PageOptions) (out apiv1.Page[apiv1.Group], err error) {
	out.Items = []apiv1.Group{}
	most := max(cmp.Or(p.Limit, 100), 2) // see store.GroupsBeginning
	at, after, _ := strings.Cut(p.After, "/")
	if at == "" {
		system, err := w.systemGroups(m, n)
		if err != nil {
			return out, err
		}
		for _, g := range system {
			if !strings.HasPrefix(strings.ToLower(g.Name), prefix) || !g.Holds && g.Node != n || g.Name <= after {
				continue
			}
			if len(out.Items) == most {
				out.NextPageToken = "/" + out.Items[most-1].Name
				return out, nil
			}
			shown, err := w.showSystemGroup(g)
			if err != nil {
				return out, err
			}
			out.Items = append(out.Items, shown)
		}
		after = ""
	}
	path, err := w.Path(n)
	if err != nil {
		return out, err
	}
	for _, node := range slices.Backward(path) {
		if at != "" && string(node.ID) != at {
			continue // its groups were in an earlier part
		}
		at = ""
		room := most - len(out.Items)
		if room < 2 {
			out.NextPageToken = string(node.ID) + "/"
			return out, nil
		}
		page, err := w.s.Store.GroupsBeginning(w.ctx, node.ID, prefix, store.PageOptions{After: after, Limit: room})
		if err != nil {
			return out, err
		}
		shown, err := show(page, nil, w.showGroup)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, shown.Items...)
		if page.Next != "" {
			out.NextPageToken = string(node.ID) + "/" + page.Next
			return out, nil
		}
		after = ""
	}
	return out, nil
}

// Members lists who is in a group: for those who may change it, or review access at its node.
func (s *Service) Members(ctx context.Context, by By, node, ref string, p store.PageOptions) (out apiv1.Page[apiv1.Member], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(node)
		if err != nil {
			return err
		}
		err = w.decide(func(r access.Roster) error {
			if m.Administer(r, w.by.Actor, n.ID, access.Review) == nil {
				return nil
			}
			return m.ManageGroups(r, w.by.Actor, n.ID)
		})
		if err != nil {
			return err
		}
		g, err := w.customGroup(m, n.ID, ref)
		if err != nil {
			return err
		}
		page, err := s.Store.Members(ctx, g.ID, p)
		out, err = show(page, err, func(id iam.UserID) (apiv1.Member, error) {
			member := apiv1.Member{ID: string(id)}
			u, err := s.Store.User(ctx, id)
			if u != nil {
				member.Name = u.Name
			}
			return member, err
		})
		return err
	})
	return out, err
}

// mayReadGroups refuses those who neither manage the groups of a node, nor may give groups a role there or review who has access.
func (w *work) mayReadGroups(m *access.Model, n iam.NodeID) error {
	return w.decide(func(r access.Roster) error {
		if len(m.AssignableBy(r, w.by.Actor, n, iam.SubjectGroup)) > 0 || m.Administer(r, w.by.Actor, n, access.Review) == nil {
			return nil
		}
		return m.ManageGroups(r, w.by.Actor, n)
	})
}

func (w *work) mayManageGroups(m *access.Model, n iam.NodeID) error {
	return w.decide(func(r access.Roster) error { return m.ManageGroups(r, w.by.Actor, n) })
}

// groupToChange resolves a group for somebody who may change it.
func (w *work) groupToChange(node, ref string) (*iam.Group, error) {
	n, m, err := w.nodeAndModel(node)
	if err != nil {
		return nil, err
	}
	if err := w.mayManageGroups(m, n.ID); err != nil {
		return nil, err
	}
	return w.customGroup(m, n.ID, ref)
}

// customGroup resolves a group of a node that has members of its own, and refuses the computed ones.
func (w *work) customGroup(m *access.Model, n iam.NodeID, ref string) (*iam.Group, error) {
	system, err := w.systemGroup(m, n, ref)
	if err != nil {
		return nil, err
	}
	if system != nil {
		return nil, iam.Refuse(iam.Conflict, access.CodeGroupSystem, "group %s is computed by the model: give or take a role to change who is in it", system.Name)
	}
	return w.group(n, ref)
}

// group resolves a group of a node by id or name.
func (w *work) group(n iam.NodeID, ref string) (*iam.Group, error) {
	g, err := w.GroupNamed(n, ref)
	if err == nil && g == nil {
		g, err = w.Tx.Group(iam.GroupID(ref))
	}
	if err == nil && (g == nil || g.Node != n) {
		err = missing("group", ref)
	}
	return g, err
}

// systemGroup resolves a computed group of exactly this node, nil when the model has none of that id or name there.
func (w *work) systemGroup(m *access.Model, n iam.NodeID, ref string) (*access.SystemGroupAt, error) {
	all, err := w.systemGroups(m, n)
	for i, g := range all {
		if g.Node == n && (g.Name == ref || string(g.ID) == ref) {
			return &all[i], err
		}
	}
	return nil, err
}

// systemGroups returns the computed groups of a node and of those above it.
func (w *work) systemGroups(m *access.Model, n iam.NodeID) (all []access.SystemGroupAt, err error) {
	err = w.decide(func(r access.Roster) error {
		all = m.SystemGroups(r, n)
		return nil
	})
	return all, err
}

func (w *work) showSystemGroup(g access.SystemGroupAt) (apiv1.Group, error) {
	parent, err := w.pathOf(g.Node)
	out := apiv1.Group{ID: string(g.ID), Name: g.Name, Parent: parent, System: true, Preselect: g.Preselect}
	out.ETag = etag(out)
	return out, err
}

func (w *work) showGroup(g *iam.Group) (apiv1.Group, error) {
	parent, err := w.pathOf(g.Node)
	out := apiv1.Group{ID: string(g.ID), Name: g.Name, Parent: parent, CreatedAt: g.CreatedAt}
	out.ETag = etag(out)
	return out, err
}
