package directory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Organizations lists the organizations, and the nodes without a parent, that the one who asks may know of: those on the way to
// where he holds something, by name, and then those below the nodes above organizations at which he does. An operator gets all,
// by name.
func (s *Service) Organizations(ctx context.Context, by By, p store.PageOptions) (out apiv1.Page[apiv1.Node], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		var page store.Page[*iam.Node]
		var err error
		if by.Authority == access.ByModel {
			page, err = w.ownOrganizations(p)
		} else {
			page, err = s.Store.Organizations(ctx, p)
		}
		out, err = show(page, err, w.showNode)
		return err
	})
	return out, err
}

// The two parts of the list of somebody without a platform role. A place in it begins with the part.
const (
	ownPart   = "own/"
	belowPart = "below/"
)

// ownOrganizations reads a page of the list of somebody without a platform role.
func (w *work) ownOrganizations(p store.PageOptions) (out store.Page[*iam.Node], err error) {
	own, above, err := w.footholds()
	if err != nil {
		return out, err
	}
	most := cmp.Or(p.Limit, 100)
	part, after, _ := strings.Cut(p.After, "/")
	if part+"/" != belowPart {
		for _, n := range own {
			if n.Name <= after {
				continue
			}
			if len(out.Items) == most {
				out.Next = ownPart + out.Items[most-1].Name
				return out, nil
			}
			out.Items = append(out.Items, n)
		}
		after = ""
	}
	// Next comes from the last node looked at, shown or not: identifiers are random and tell nothing.
	scanned, place := 0, ""
	full := func(at string, n *iam.Node) (bool, error) {
		if len(out.Items) == most || scanned == maxScan {
			out.Next = belowPart + place
			return true, nil
		}
		scanned++
		place = at
		known, err := w.knows(n)
		if known {
			out.Items = append(out.Items, n)
		}
		return false, err
	}
	source, rest, _ := strings.Cut(after, "/")
	for _, id := range above {
		if string(id) < source {
			continue
		}
		if string(id) != source {
			rest = ""
		}
		if full, err := w.organizationsBelow(id, string(id), rest, full); err != nil || full {
			return out, err
		}
	}
	return out, nil
}

// footholds returns the organizations and roots that somebody knows by what he holds there or below, by name, and the nodes above
// organizations where he holds something, by id. Organizations below one of those are not repeated.
func (w *work) footholds() (own []*iam.Node, above []iam.NodeID, err error) {
	nodes, err := w.whereHeld()
	if err != nil {
		return nil, nil, err
	}
	seen := make(map[iam.NodeID]bool)
	var paths [][]*iam.Node
	for _, id := range nodes {
		path, err := w.Path(id)
		if err != nil {
			return nil, nil, err
		}
		paths = append(paths, path)
		if len(path) > 0 && !slices.ContainsFunc(path, isOrganization) {
			above = append(above, id)
		}
	}
	slices.Sort(above)
	above = slices.Compact(above)
	for _, path := range paths { // what is below one of them is found from it
		if last := len(path) - 1; last > 0 && slices.ContainsFunc(path[:last], func(n *iam.Node) bool { return slices.Contains(above, n.ID) }) {
			above = slices.DeleteFunc(above, func(id iam.NodeID) bool { return id == path[last].ID })
		}
	}
	for _, path := range paths {
		for i, n := range path {
			if n.Parent != "" && !isOrganization(n) || seen[n.ID] {
				continue
			}
			seen[n.ID] = true
			if isOrganization(n) && slices.ContainsFunc(path[:i], func(p *iam.Node) bool { return slices.Contains(above, p.ID) }) {
				continue
			}
			own = append(own, n)
		}
	}
	if own, err = w.known(own); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(own, func(a, b *iam.Node) int { return cmp.Compare(a.Name, b.Name) })
	return own, above, nil
}

// whereHeld returns the nodes at which the one who asks is assigned something, itself or through a group.
func (w *work) whereHeld() ([]iam.NodeID, error) {
	var nodes []iam.NodeID
	err := w.decide(func(r access.Roster) error {
		nodes = slices.Clone(r.Nodes(w.by.Subject))
		if w.by.Subject.Kind == iam.SubjectUser {
			for _, g := range r.Groups(iam.UserID(w.by.Subject.ID)) {
				nodes = append(nodes, r.Nodes(g.ID.Subject())...)
			}
		}
		return nil
	})
	return nodes, err
}

func isOrganization(n *iam.Node) bool { return n.Level == iam.LevelOrganization }

// organizationsBelow visits the organizations below a node above them, from a place on; visit ends it by returning true. A place
// is the identifiers of the nodes on the way down.
func (w *work) organizationsBelow(id iam.NodeID, at, after string, visit func(place string, n *iam.Node) (bool, error)) (bool, error) {
	first, rest, inside := strings.Cut(after, "/")
	if inside {
		if done, err := w.organizationsBelow(iam.NodeID(first), at+"/"+first, rest, visit); err != nil || done {
			return done, err
		}
	}
	for p := (store.PageOptions{After: first, Limit: kv.MaxPage}); ; {
		page, err := w.s.Store.Children(w.ctx, id, p)
		if err != nil {
			return false, err
		}
		for _, n := range page.Items {
			place := at + "/" + string(n.ID)
			var done bool
			if isOrganization(n) {
				done, err = visit(place, n)
			} else {
				done, err = w.organizationsBelow(n.ID, place, "", visit)
			}
			if err != nil || done {
				return done, err
			}
		}
		if p.After = page.Next; p.After == "" {
			return false, nil
		}
	}
}
