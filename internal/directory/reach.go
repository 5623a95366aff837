package directory

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// knows reports whether the one who asks may know that a node exists. What he may not know of is treated as what does not exist,
// from the first look on, so that no answer tells the two apart.
func (w *work) knows(n *iam.Node) (known bool, err error) {
	if w.by.Authority != access.ByModel {
		return true, nil
	}
	err = w.Peek(func() error {
		path, err := w.Path(n.ID)
		if err != nil || len(path) == 0 {
			return err
		}
		if within, err := w.reaches(path); err != nil || !within {
			return err
		}
		m, err := w.modelNamed(path[0].Model)
		if err != nil || m == nil {
			return err
		}
		return w.decide(func(r access.Roster) error {
			known = m.Visible(r, w.by.Subject, n.ID)
			return nil
		})
	})
	return known, err
}

// reaches reports whether the token of the one who asks speaks about a node, given by its path: one that speaks for an
// organization ends with the organization's tree and the nodes above it.
func (w *work) reaches(path []*iam.Node) (bool, error) {
	org := w.by.Organization
	if org == "" || slices.ContainsFunc(path, func(n *iam.Node) bool { return n.ID == org }) {
		return true, nil
	}
	above, err := w.Path(org)
	last := path[len(path)-1].ID
	return slices.ContainsFunc(above, func(n *iam.Node) bool { return n.ID == last }), err
}

// known keeps the nodes that the one who asks may know of.
func (w *work) known(nodes []*iam.Node) ([]*iam.Node, error) {
	out := make([]*iam.Node, 0, len(nodes))
	for _, n := range nodes {
		ok, err := w.knows(n)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, n)
		}
	}
	return out, nil
}
