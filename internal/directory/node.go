package directory

import (
	"cmp"
	"context"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Node returns a node by id or path.
func (s *Service) Node(ctx context.Context, by By, ref string) (out apiv1.Node, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, err := w.node(ref)
		if err == nil {
			out, err = w.showNode(n)
		}
		return err
	})
	return out, err
}

// Organization is Node for organizations, and for nodes without a parent.
func (s *Service) Organization(ctx context.Context, by By, ref string) (apiv1.Node, error) {
	n, err := s.Node(ctx, by, ref)
	if err == nil && n.Level != string(iam.LevelOrganization) && n.Parent != "" {
		return apiv1.Node{}, missing("node", ref)
	}
	return n, err
}

// Children lists the nodes right below one that the one who asks may know of.
func (s *Service) Children(ctx context.Context, by By, parent string, p store.PageOptions) (out apiv1.Page[apiv1.Node], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, err := w.node(parent)
		if err != nil {
			return err
		}
		page, err := w.knownPage(p, func(p store.PageOptions) (store.Page[*iam.Node], error) { return s.Store.Children(ctx, n.ID, p) },
			func(n *iam.Node) string { return string(n.ID) })
		if err != nil {
			return err
		}
		out, err = show(page, nil, w.showNode)
		return err
	})
	return out, err
}

// maxScan is about how many nodes one request for a list looks at. A page ends there, however few of them it shows.
const maxScan = 1000

// knownPage reads a page of the nodes that the one who asks may know of. place is where a node stands in the list.
func (w *work) knownPage(p store.PageOptions, read func(store.PageOptions) (store.Page[*iam.Node], error), place func(*iam.Node) string) (out store.Page[*iam.Node], err error) {
	most := cmp.Or(p.Limit, 100)
	for scanned := 0; ; {
		page, err := read(p)
		if err != nil {
			return out, err
		}
		known, err := w.known(page.Items)
		if err != nil {
			return out, err
		}
		if room := most - len(out.Items); len(known) > room {
			out.Items = append(out.Items, known[:room]...)
			out.Next = place(out.Items[most-1])
			return out, nil
		}
		out.Items = append(out.Items, known...)
		if scanned += len(page.Items); page.Next == "" || len(out.Items) == most || scanned >= maxScan {
			out.Next = page.Next
			return out, nil
		}
		p.After = page.Next
	}
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

// UpdateNode replaces a node's spec and, unless Name is "", its name; its level, kind and model stay.
func (s *Service) UpdateNode(ctx context.Context, by By, ref string, c apiv1.NodeChange, e Expect) (out apiv1.Node, err error) {
	err = s.update(ctx, by, func(w *work) error {
		n, err := w.node(ref)
		if err != nil {
			return err
		}
		if _, err := w.changeNode(n, nil, c.Name, &c.NodeSpec, e); err != nil {
			return err
		}
		if n, err = w.Node(n.ID); err == nil {
			out, err = w.showNode(n)
		}
		return err
	})
	return out, err
}

func (w *work) showNode(n *iam.Node) (out apiv1.Node, err error) {
	path, parent := n.Name, "" // and no more is read for most nodes of a list
	if n.Parent != "" {
		if parent, err = w.placeOf(n.Parent); err != nil {
			return out, err
		}
		if n.Level != iam.LevelOrganization { // whose name says where it is
			path = strings.TrimPrefix(parent+"/"+n.Name, "/")
		}
	}
	var m *access.Model
	if len(n.Settings) > 0 {
		if _, m, err = w.at(n.ID); err != nil {
			return out, err
		}
	}
	out = apiv1.Node{ID: string(n.ID), Name: n.Name, Path: path, Parent: parent, CreatedAt: n.CreatedAt, NodeSpec: apiv1.NodeSpec{
		Level: string(n.Level), Kind: n.Kind, DisplayName: n.DisplayName, Model: n.Model, Seats: n.Seats, Disabled: n.Disabled,
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

// placeOf is pathOf for a node above one that is shown. What stands above organizations is named to those who may know of it;
// whatever stands below has the organization's name in its own path.
func (w *work) placeOf(id iam.NodeID) (path string, err error) {
	if w.by.Authority != access.ByModel {
		return w.pathOf(id)
	}
	known := false
	err = w.Peek(func() error {
		n, err := w.Node(id)
		if err != nil || n == nil {
			return err
		}
		inside, err := w.organizationOf(id)
		if known = inside != ""; err != nil || known {
			return err
		}
		known, err = w.knows(n)
		return err
	})
	if err != nil || !known {
		return "", err
	}
	return w.pathOf(id)
}
