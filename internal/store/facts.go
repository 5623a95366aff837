package store

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// Facts is what an access model is evaluated on, read through the cache. The first fault is kept: the answers after it are
// worthless, and whoever asked must look at Err before using any.
type Facts struct {
	ctx   context.Context
	store *Store
	err   error
}

// Facts returns a view for one evaluation. It is not safe for use by several goroutines.
func (s *Store) Facts(ctx context.Context) *Facts { return &Facts{ctx: ctx, store: s} }

// Err returns the first fault that the view met.
func (f *Facts) Err() error { return f.err }

func (f *Facts) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// Path returns the nodes from the root down to n, nil when n is unknown.
func (f *Facts) Path(n iam.NodeID) []*iam.Node {
	path, err := f.store.Path(f.ctx, n)
	if err != nil {
		f.fail(err)
	}
	return path
}

func (f *Facts) assigned(n iam.NodeID, sub iam.Subject) *assignment {
	a, err := cached(f.ctx, f.store, assignments, assignmentID(n, sub))
	if err != nil {
		f.fail(err)
	}
	return a.live(f.store.now)
}

// Roles returns the roles assigned to exactly this subject at exactly this node.
func (f *Facts) Roles(n iam.NodeID, sub iam.Subject) []iam.RoleID {
	return f.assigned(n, sub).Roles
}

// Suspended reports whether the subject is suspended at exactly this node.
func (f *Facts) Suspended(n iam.NodeID, sub iam.Subject) bool {
	return f.assigned(n, sub).Suspended
}

// Groups returns the custom groups of a user.
func (f *Facts) Groups(u iam.UserID) []*iam.Group {
	h, err := f.store.Holding(f.ctx, u.Subject())
	if err != nil {
		f.fail(err)
		return nil
	}
	out := make([]*iam.Group, 0, len(h.Groups))
	for _, id := range h.Groups {
		g, err := f.store.Group(f.ctx, id)
		if err != nil {
			f.fail(err)
			return nil
		}
		if g != nil {
			out = append(out, g)
		}
	}
	return out
}

// Nodes returns the nodes at which the subject itself is assigned something.
func (f *Facts) Nodes(sub iam.Subject) []iam.NodeID {
	h, err := f.store.Holding(f.ctx, sub)
	if err != nil {
		f.fail(err)
		return nil
	}
	if sub.Kind != iam.SubjectClient {
		return h.Nodes
	}
	c, err := f.store.Client(f.ctx, iam.ClientID(sub.ID))
	if err != nil {
		f.fail(err)
	}
	if c == nil || c.Organization == "" || len(f.Roles(c.Organization, sub)) == 0 {
		return h.Nodes
	}
	return append([]iam.NodeID{c.Organization}, h.Nodes...)
}

// AssignedAfter reports whether what exactly this subject holds at exactly this node was written after a revision (Store.Revision):
// given, changed or suspended. What was taken away altogether leaves no record; see ChangedAfter.
func (f *Facts) AssignedAfter(rev uint64, n iam.NodeID, sub iam.Subject) bool {
	return after(f, assignments, assignmentID(n, sub), rev)
}

// ChangedAfter reports whether anything at exactly this node was written after a revision: its settings, or what anybody holds there.
func (f *Facts) ChangedAfter(rev uint64, n iam.NodeID) bool { return after(f, nodes, string(n), rev) }

// MovedAfter reports whether a subject came into, or left, a node or a group after a revision and is in one still.
func (f *Facts) MovedAfter(rev uint64, sub iam.Subject) bool {
	return after(f, holdings, sub.String(), rev)
}

func after[T any](f *Facts, c collection[T], id string, rev uint64) bool {
	e, err := cachedEntry(f.ctx, f.store, c, id)
	if err != nil {
		f.fail(err)
		return false
	}
	return uint64(e.version) > rev
}

// CustomRoles returns the custom roles defined at exactly this node.
func (f *Facts) CustomRoles(n iam.NodeID) []*iam.CustomRole {
	r, err := cached(f.ctx, f.store, customRoles, string(n))
	if err != nil {
		f.fail(err)
	}
	if r == nil {
		return nil
	}
	return r.Roles
}

// Group returns a custom group, nil when it is unknown.
func (f *Facts) Group(id iam.GroupID) *iam.Group {
	g, err := f.store.Group(f.ctx, id)
	if err != nil {
		f.fail(err)
	}
	return g
}

// Disabled reports whether a user or client can act nowhere.
func (f *Facts) Disabled(sub iam.Subject) bool {
	switch sub.Kind {
	case iam.SubjectUser:
		u, err := f.store.User(f.ctx, iam.UserID(sub.ID))
		if err != nil {
			f.fail(err)
		}
		return u == nil || u.Disabled
	case iam.SubjectClient:
		c, err := f.store.Client(f.ctx, iam.ClientID(sub.ID))
		if err != nil {
			f.fail(err)
		}
		return c == nil || c.Disabled
	}
	return false
}

// SeatLimit returns how many seats the node has, 0 when that is not limited.
func (f *Facts) SeatLimit(n iam.NodeID) int {
	node, err := f.store.Node(f.ctx, n)
	if err != nil {
		f.fail(err)
	}
	if node == nil {
		return 0
	}
	return node.Seats
}

// Holders returns everyone who holds a role at exactly this node.
func (f *Facts) Holders(n iam.NodeID) []iam.Assignment {
	return all(f, func(p PageOptions) (Page[iam.Assignment], error) { return f.store.Assignments(f.ctx, n, p) })
}

// Members returns the users of a group.
func (f *Facts) Members(g iam.GroupID) []iam.UserID {
	return all(f, func(p PageOptions) (Page[iam.UserID], error) { return f.store.Members(f.ctx, g, p) })
}

// Children returns the nodes right below n.
func (f *Facts) Children(n iam.NodeID) []*iam.Node {
	return all(f, func(p PageOptions) (Page[*iam.Node], error) { return f.store.Children(f.ctx, n, p) })
}

func all[T any](f *Facts, page func(PageOptions) (Page[T], error)) []T {
	var out []T
	for p := (PageOptions{Limit: kv.MaxPage}); ; {
		got, err := page(p)
		if err != nil {
			f.fail(err)
			return nil
		}
		out = append(out, got.Items...)
		if got.Next == "" {
			return out
		}
		p.After = got.Next
	}
}
