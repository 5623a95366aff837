package directory

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

func contains(path []*iam.Node, id iam.NodeID) bool {
	return slices.ContainsFunc(path, func(n *iam.Node) bool { return n.ID == id })
}

// near reports whether a node is on the way to another one, or of its organization: for those whose rights end there, what belongs
// to any other node does not exist.
func (w *work) near(n, other iam.NodeID) (near bool, err error) {
	err = w.Peek(func() error {
		path, err := w.Path(n)
		if err != nil || contains(path, other) {
			near = err == nil
			return err
		}
		here, err := w.organizationOf(n)
		if err != nil {
			return err
		}
		there, err := w.organizationOf(other)
		near = here == there && here != ""
		return err
	})
	return near, err
}

// mayList reports whether whoever asks may see who holds what at a node: those who review access there, and those who give roles.
func (w *work) mayList(m *access.Model, n iam.NodeID) (may bool, err error) {
	if w.by.Authority != access.ByModel {
		return true, nil
	}
	err = w.decide(func(r access.Roster) error {
		may = m.Administer(r, w.by.Actor, n, access.Review) == nil ||
			len(m.AssignableBy(r, w.by.Actor, n, iam.SubjectUser)) > 0
		return nil
	})
	return may, err
}

// needList refuses those who may not see who holds what at a node.
func (w *work) needList(m *access.Model, n iam.NodeID) error {
	may, err := w.mayList(m, n)
	if err != nil || may {
		return err
	}
	return w.decide(func(r access.Roster) error { return m.Administer(r, w.by.Actor, n, access.Review) })
}
