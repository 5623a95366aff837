package store

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Group returns a group, nil when there is none. It is shared: read only.
func (s *Store) Group(ctx context.Context, id iam.GroupID) (*iam.Group, error) {
	return cached(ctx, s, groups, string(id))
}

// GroupNamed returns the group of this name at a node, nil when there is none.
func (s *Store) GroupNamed(ctx context.Context, node iam.NodeID, name string) (*iam.Group, error) {
	r, err := cached(ctx, s, groupNames, join(string(node), name))
	if err != nil || r == nil {
		return nil, err
	}
	return s.Group(ctx, iam.GroupID(r.ID))
}

// Groups lists the groups of a node by name.
func (s *Store) Groups(ctx context.Context, node iam.NodeID, p PageOptions) (Page[*iam.Group], error) {
	return listRefs(ctx, s, groupNames, string(node)+"/", p, groups)
}

// GroupsBeginning lists the groups of a node whose names begin with prefix, by name. After is the name of the group before.
func (s *Store) GroupsBeginning(ctx context.Context, node iam.NodeID, prefix string, p PageOptions) (Page[*iam.Group], error) {
	if p.After != "" {
		p.After = strings.TrimPrefix(p.After, prefix)
	}
	// The name that is the prefix itself comes first, and a page must not end with it: what is behind it would be "".
	p.Limit = max(p.Limit, 2)
	page, err := listRefs(ctx, s, groupNames, join(string(node), prefix), p, groups)
	if page.Next != "" {
		page.Next = prefix + page.Next
	}
	return page, err
}

// Members lists the users of a group by id.
func (s *Store) Members(ctx context.Context, g iam.GroupID, p PageOptions) (Page[iam.UserID], error) {
	return list(ctx, s, directoryUnit(), groupMembers, string(g)+"/", p, func(id string, _ *none) (iam.UserID, bool, error) {
		return iam.UserID(id), true, nil
	})
}

// Group returns a group as the transaction sees it, nil when there is none.
func (tx *Tx) Group(id iam.GroupID) (*iam.Group, error) { return read(tx, groups, string(id)) }

// GroupNamed is Store.GroupNamed inside the transaction.
func (tx *Tx) GroupNamed(node iam.NodeID, name string) (*iam.Group, error) {
	r, err := read(tx, groupNames, join(string(node), name))
	if err != nil || r == nil {
		return nil, err
	}
	return tx.Group(iam.GroupID(r.ID))
}

// Members returns the users of a group as the transaction sees them, by id. Every change touches the group's node, which it
// therefore reads first.
func (tx *Tx) Members(g iam.GroupID) ([]iam.UserID, error) {
	group, err := tx.Group(g)
	if err != nil || group == nil {
		return nil, err
	}
	if _, err := tx.Node(group.Node); err != nil {
		return nil, err
	}
	list, err := ids(tx, groupMembers, string(g)+"/")
	out := make([]iam.UserID, len(list))
	for i, id := range list {
		out[i] = iam.UserID(id)
	}
	return out, err
}

// Groups returns the groups of a node as the transaction sees them, by name.
func (tx *Tx) Groups(node iam.NodeID) ([]*iam.Group, error) {
	if _, err := tx.Node(node); err != nil {
		return nil, err
	}
	names, err := ids(tx, groupNames, string(node)+"/")
	if err != nil {
		return nil, err
	}
	out := make([]*iam.Group, 0, len(names))
	for _, name := range names {
		g, err := tx.GroupNamed(node, name)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// PutGroup creates or renames a group at its node.
func (tx *Tx) PutGroup(g *iam.Group) error {
	old, err := tx.Group(g.ID)
	if err != nil {
		return err
	}
	from := ""
	if old != nil {
		from = join(string(old.Node), old.Name)
	}
	if err := tx.touch(g.Node); err != nil {
		return err
	}
	if err := tx.rename(groupNames, from, join(string(g.Node), g.Name), string(g.ID), "group", g.Name); err != nil {
		return err
	}
	return put(tx, groups, string(g.ID), g)
}

// SetMember puts a user into a group or takes the user out.
func (tx *Tx) SetMember(g iam.GroupID, u iam.UserID, in bool) error {
	group, err := tx.Group(g)
	if err != nil {
		return err
	}
	if group == nil {
		return iam.Errorf(iam.NotFound, "group %q does not exist", g)
	}
	h, err := tx.Holding(u.Subject())
	if err != nil {
		return err
	}
	if slices.Contains(h.Groups, g) == in {
		return nil
	}
	if err := tx.touch(group.Node); err != nil {
		return err
	}
	id := join(string(g), string(u))
	if in {
		h.Groups = append(h.Groups, g)
		if err := put(tx, groupMembers, id, &none{}); err != nil {
			return err
		}
	} else {
		h.Groups = slices.DeleteFunc(h.Groups, func(x iam.GroupID) bool { return x == g })
		remove(tx, groupMembers, id)
	}
	return tx.putHolding(u.Subject(), h)
}

// DeleteGroup removes a group that has no members and holds nothing.
func (tx *Tx) DeleteGroup(id iam.GroupID) error {
	g, err := tx.Group(id)
	if err != nil || g == nil {
		return err
	}
	h, err := tx.Holding(id.Subject())
	if err != nil {
		return err
	}
	some, err := anyID(tx, groupMembers, string(id)+"/")
	if err != nil {
		return err
	}
	if some || len(h.Nodes) > 0 {
		return iam.Refuse(iam.Conflict, "not_empty", "group %q still has members or roles", g.Name)
	}
	remove(tx, groupNames, join(string(g.Node), g.Name))
	remove(tx, groups, string(id))
	return tx.touch(g.Node)
}
