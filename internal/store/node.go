package store

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Node returns a node, nil when there is none. It is shared: read only.
func (s *Store) Node(ctx context.Context, id iam.NodeID) (*iam.Node, error) {
	return cached(ctx, s, nodes, string(id))
}

// Organization returns the organization with this id or name, nil when there is none. An id wins over a name.
func (s *Store) Organization(ctx context.Context, idOrName string) (*iam.Node, error) {
	n, err := cached(ctx, s, nodes, idOrName)
	if err != nil || n != nil {
		return onlyOrganization(n), err
	}
	n, err = s.NodeNamed(ctx, "", idOrName)
	return onlyOrganization(n), err
}

func onlyOrganization(n *iam.Node) *iam.Node {
	if n == nil || n.Level != iam.LevelOrganization {
		return nil
	}
	return n
}

// NodeNamed returns the node of this name below parent; with parent "" the organization or root of this name.
func (s *Store) NodeNamed(ctx context.Context, parent iam.NodeID, name string) (*iam.Node, error) {
	scope := platform
	if parent != "" {
		scope = string(parent)
	}
	r, err := cached(ctx, s, nodeNames, join(scope, name))
	if err != nil || r == nil {
		return nil, err
	}
	return cached(ctx, s, nodes, r.ID)
}

// Path returns the nodes from the root down to id, nil when id is unknown. A parent is never missing: Update refuses to remove it.
func (s *Store) Path(ctx context.Context, id iam.NodeID) ([]*iam.Node, error) {
	var up [8]*iam.Node
	i := len(up)
	for id != "" && i > 0 {
		n, err := s.Node(ctx, id)
		if err != nil || n == nil {
			return nil, err
		}
		i--
		up[i] = n
		id = n.Parent
	}
	return append([]*iam.Node(nil), up[i:]...), nil
}

// Organizations lists organizations and roots by name.
func (s *Store) Organizations(ctx context.Context, p PageOptions) (Page[*iam.Node], error) {
	return listRefs(ctx, s, nodeNames, platform+"/", p, nodes)
}

// Children lists the nodes right below a node, organizations among them, in no useful order.
func (s *Store) Children(ctx context.Context, parent iam.NodeID, p PageOptions) (Page[*iam.Node], error) {
	return listIDs(ctx, s, children, string(parent)+"/", p, nodes)
}

// Node returns a node as the transaction sees it, nil when there is none.
func (tx *Tx) Node(id iam.NodeID) (*iam.Node, error) { return read(tx, nodes, string(id)) }

// NodeNamed is Store.NodeNamed inside the transaction.
func (tx *Tx) NodeNamed(parent iam.NodeID, name string) (*iam.Node, error) {
	scope := platform
	if parent != "" {
		scope = string(parent)
	}
	r, err := read(tx, nodeNames, join(scope, name))
	if err != nil || r == nil {
		return nil, err
	}
	return tx.Node(iam.NodeID(r.ID))
}

// Children returns the nodes right below a node as the transaction sees them. Every change among them touches the node, which it
// therefore reads first.
func (tx *Tx) Children(parent iam.NodeID) ([]*iam.Node, error) {
	if _, err := tx.Node(parent); err != nil {
		return nil, err
	}
	list, err := ids(tx, children, string(parent)+"/")
	if err != nil {
		return nil, err
	}
	out := make([]*iam.Node, 0, len(list))
	err = tx.Peek(func() error {
		for _, id := range list {
			n, err := tx.Node(iam.NodeID(id))
			if err != nil {
				return err
			}
			if n != nil {
				out = append(out, n)
			}
		}
		return nil
	})
	return out, err
}

// Path is Store.Path inside the transaction.
func (tx *Tx) Path(id iam.NodeID) ([]*iam.Node, error) {
	var up []*iam.Node
	for id != "" {
		n, err := tx.Node(id)
		if err != nil || n == nil {
			return nil, err
		}
		up = append(up, n)
		id = n.Parent
	}
	slices.Reverse(up)
	return up, nil
}

// PutNode creates or changes a node. Its parent must exist; parent and level of an existing node stay as they are.
func (tx *Tx) PutNode(n *iam.Node) error {
	old, err := tx.Node(n.ID)
	if err != nil {
		return err
	}
	from := ""
	switch {
	case old != nil && (old.Parent != n.Parent || old.Level != n.Level):
		return iam.Errorf(iam.Invalid, "%s %q cannot move to another parent or level", n.Level, n.Name)
	case old != nil:
		from = join(nodeScope(old), old.Name)
	case n.Parent != "":
		if err := tx.touch(n.Parent); err != nil {
			return err
		}
		if err := put(tx, children, join(string(n.Parent), string(n.ID)), &none{}); err != nil {
			return err
		}
	default:
		if err := tx.follow(n, true); err != nil {
			return err
		}
	}
	if err := tx.rename(nodeNames, from, join(nodeScope(n), n.Name), string(n.ID), string(n.Level), n.Name); err != nil {
		return err
	}
	return put(tx, nodes, string(n.ID), n)
}

// Below says what still stands below a node: nodes, clients or groups, "" when nothing does. Whatever is put there touches the
// node, so its version, which this reads, stands for the emptiness of these lists.
func (tx *Tx) Below(id iam.NodeID) (string, error) {
	if _, err := tx.Node(id); err != nil {
		return "", err
	}
	for _, l := range []struct {
		what string
		any  func() (bool, error)
	}{
		{"nodes below it", func() (bool, error) { return anyID(tx, children, string(id)+"/") }},
		{"clients", func() (bool, error) { return anyID(tx, clientNames, string(id)+"/") }},
		{"groups", func() (bool, error) { return anyID(tx, groupNames, string(id)+"/") }},
	} {
		if some, err := l.any(); err != nil || some {
			return l.what, err
		}
	}
	return "", nil
}

// DeleteNode removes an empty node: one with nothing below it, without assignments and without reviews.
func (tx *Tx) DeleteNode(id iam.NodeID) error {
	n, err := tx.Node(id)
	if err != nil || n == nil {
		return err
	}
	what, err := tx.Below(id)
	if err != nil {
		return err
	}
	if err := tx.dropEnded(id); err != nil {
		return err
	}
	if what == "" {
		some, err := anyID(tx, assignments, string(id)+"/")
		if err != nil {
			return err
		}
		if some {
			what = "assignments"
		}
	}
	if what == "" {
		some, err := anyID(tx, reviews, string(id)+"/")
		if err != nil {
			return err
		}
		if some {
			what = "access reviews"
		}
	}
	if what != "" {
		return iam.Refuse(iam.Conflict, "not_empty", "%s %q still has %s", n.Level, n.Name, what)
	}
	remove(tx, customRoles, string(id))
	remove(tx, nodeNames, join(nodeScope(n), n.Name))
	remove(tx, nodes, string(id))
	if n.Parent != "" {
		remove(tx, children, join(string(n.Parent), string(id)))
		return tx.touch(n.Parent)
	}
	return tx.follow(n, false)
}

// TakeSeat says that somebody below a node takes one of its seats. The node has a new version with it, so that of two who take
// the last seat at two places the second counts again.
func (tx *Tx) TakeSeat(payer iam.NodeID) error { return tx.touch(payer) }

// touch gives a node a new version because something below it changes, so that two changes below one node never pass each
// other unseen: what a transaction counted there is still true when it commits. It refuses an unknown node.
func (tx *Tx) touch(id iam.NodeID) error {
	n, err := tx.Node(id)
	if err != nil {
		return err
	}
	if n == nil {
		return iam.Errorf(iam.NotFound, "node %q does not exist", id)
	}
	return put(tx, nodes, string(id), n)
}
