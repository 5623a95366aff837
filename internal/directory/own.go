package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Place is where somebody holds roles, and by what.
type Place struct {
	Path  string // of names, from the organization down
	Name  string // of the node, for people
	Roles []string
	Group string // by which group; "": by himself
}

// maxPlaces bounds what a page tells somebody about himself.
const maxPlaces = 200

// Own lists where a user holds roles, by himself and by groups, by path.
func (s *Service) Own(ctx context.Context, user iam.UserID) (out []Place, err error) {
	err = s.view(ctx, func(w *work) error {
		out = nil
		h, err := w.Holding(user.Subject())
		if err != nil {
			return err
		}
		for _, n := range h.Nodes {
			if out, err = w.place(out, n, user.Subject(), ""); err != nil {
				return err
			}
		}
		for _, id := range h.Groups {
			g, err := w.Group(id)
			if err != nil {
				return err
			}
			if g == nil {
				continue
			}
			held, err := w.Holding(id.Subject())
			if err != nil {
				return err
			}
			for _, n := range held.Nodes {
				if out, err = w.place(out, n, id.Subject(), g.Name); err != nil {
					return err
				}
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Place) int { return strings.Compare(a.Path+"\x00"+a.Group, b.Path+"\x00"+b.Group) })
	return out, err
}

// place adds what a subject holds at a node.
func (w *work) place(out []Place, id iam.NodeID, sub iam.Subject, group string) ([]Place, error) {
	if len(out) >= maxPlaces {
		return out, nil
	}
	n, err := w.Node(id)
	if err != nil || n == nil {
		return out, err
	}
	roles, err := w.Roles(id, sub)
	if err != nil || len(roles) == 0 {
		return out, err
	}
	path, err := w.pathOf(id)
	if err != nil {
		return out, err
	}
	p := Place{Path: path, Name: n.DisplayName, Group: group}
	for _, r := range roles {
		p.Roles = append(p.Roles, string(r))
	}
	return append(out, p), nil
}
