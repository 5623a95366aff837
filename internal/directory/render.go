package directory

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// RenderModel returns the page of an access model that the caller may read.
func (s *Service) RenderModel(ctx context.Context, by By, name string) (out apiv1.AccessPage, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		m, err := w.visibleModel(name)
		if err == nil {
			out = showPage(m.Page(nil, nil), "Access model "+name)
		}
		return err
	})
	return out, err
}

// maxRendered bounds how many nodes are looked at for roles of their own.
const maxRendered = 1000

// RenderNode returns the page of the access model that a node follows, with the settings on the way to it and the custom roles
// there, above, and below as far as the caller sees.
func (s *Service) RenderNode(ctx context.Context, by By, ref string) (out apiv1.AccessPage, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		path, err := w.Path(n.ID)
		if err != nil {
			return err
		}
		custom, err := w.customRolesAround(m, path)
		if err != nil {
			return err
		}
		name, err := w.pathOf(n.ID)
		if err != nil {
			return err
		}
		out = showPage(m.Page(path, custom), "Access at "+name)
		out.Node = name
		for i := range out.Levels {
			for k := range out.Levels[i].Roles {
				if at := &out.Levels[i].Roles[k].Node; *at != "" {
					if *at, err = w.pathOf(iam.NodeID(*at)); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	return out, err
}

// customRolesAround returns the custom roles on a path and below its end. Of two of one name, that of the node further up.
func (w *work) customRolesAround(m *access.Model, path []*iam.Node) (out []*iam.CustomRole, err error) {
	seen := make(map[iam.RoleID]bool)
	queue := path[:len(path):len(path)]
	for i := 0; i < len(queue) && i < maxRendered; i++ {
		n := queue[i]
		roles, err := w.CustomRoles(n.ID)
		if err != nil {
			return nil, err
		}
		for _, c := range roles {
			if !seen[c.ID] {
				seen[c.ID] = true
				out = append(out, c)
			}
		}
		if i < len(path)-1 || !mayDefineBelow(m, n) {
			continue
		}
		below, err := w.Children(n.ID)
		if err == nil {
			below, err = w.known(below)
		}
		if err != nil {
			return nil, err
		}
		queue = append(queue, below...)
	}
	return out, nil
}

// mayDefineBelow reports whether the model lets somebody make roles at a level below that of n.
func mayDefineBelow(m *access.Model, n *iam.Node) bool {
	for _, l := range m.Schema().Levels {
		for up := m.Level(l.Parent); up != nil && len(l.Admin.CustomRoles) > 0; up = m.Level(up.Parent) {
			if up.ID == n.Level {
				return true
			}
		}
	}
	return false
}

func showPage(p *access.Page, title string) apiv1.AccessPage {
	out := apiv1.AccessPage{Model: p.Model, Revision: p.Revision, Notes: p.Notes, Levels: []apiv1.AccessPageLevel{}, Markdown: p.Markdown(title)}
	for _, l := range p.Levels {
		level := apiv1.AccessPageLevel{
			ID: string(l.ID), Kinds: l.Kinds, Notes: l.Notes, Roles: []apiv1.AccessPageRole{}, Rights: []apiv1.AccessPageRight{},
		}
		for _, ro := range l.Roles {
			level.Roles = append(level.Roles, apiv1.AccessPageRole{
				ID: string(ro.ID), Base: string(ro.Base), Node: string(ro.Node), Holders: texts(ro.Holders), AssignedBy: texts(ro.AssignedBy), Notes: ro.Notes,
			})
		}
		for _, r := range l.Rights {
			right := apiv1.AccessPageRight{Permission: string(r.Permission)}
			for k, c := range r.Cells {
				right.Roles = append(right.Roles, apiv1.AccessPageCell{Role: string(l.Columns[k]), Held: c.Held, Depends: c.Depends})
			}
			level.Rights = append(level.Rights, right)
		}
		out.Levels = append(out.Levels, level)
	}
	return out
}
