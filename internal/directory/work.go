package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A work is one transaction of the directory under way, or the part of a plan that stands for one. It may be done several times
// before it is applied, so it keeps nothing of an earlier run.
type work struct {
	*store.Tx
	s   *Service
	ctx context.Context
	by  By

	ends   []iam.RevocationRef // whose tokens end with it
	leaked []iam.SecretID      // secrets that end because somebody found them
	dry    bool                // it is a plan: nothing will be written
	// late reports whether something referred to may be missing, since it comes later; nil: nothing may. See apply.go.
	late func(kind, path string) bool
	ids  map[string]string // the identifiers that a plan has made up, which its steps use too; nil: it is no step of a plan
}

// newID makes the identifier of a new resource. On paper and when it is done it is the same, so that steps can refer to it.
func (w *work) newID(prefix, name string) string {
	key := prefix + " " + name
	id := w.ids[key]
	if id == "" {
		id = iam.NewID(prefix)
	}
	if w.ids != nil {
		w.ids[key] = id
	}
	return id
}

// end calls for the end of tokens.
func (w *work) end(refs ...iam.RevocationRef) {
	for _, r := range refs {
		if !slices.Contains(w.ends, r) {
			w.ends = append(w.ends, r)
		}
	}
}

// roster is what access models read of this transaction. Its reads are no conditions: what an invariant counts at a node is tied
// to the node's version, which every change there moves.
func (w *work) roster() *roster { return &roster{tx: w.Tx} }

// decide runs a question to the access model and reports a fault of the store before the model's answer, which is then void.
func (w *work) decide(ask func(r access.Roster) error) error {
	r := w.roster()
	err := ask(r)
	if r.err != nil {
		return r.err
	}
	return err
}

// maxDebts is how many marks may be owed by the transaction that calls for them, so that it keeps within the engine's bounds.
const maxDebts = 8

var errOweFirst = errors.New("too many marks for one transaction")

// update does one work. When it returns nil, the change and the end of the tokens that it calls for are durable.
func (s *Service) update(ctx context.Context, by By, do func(w *work) error) error {
	ends, err := s.commit(ctx, by, do)
	if err != nil {
		return err
	}
	return s.pay(ctx, ends)
}

// commit does one work and returns whose tokens end with it. That is written with the change, so that Settle ends them if
// nobody else does.
func (s *Service) commit(ctx context.Context, by By, do func(w *work) error) (ends []iam.RevocationRef, err error) {
	owed := make(map[iam.RevocationRef]bool)
	attempt := func(tx *store.Tx) error {
		w := &work{Tx: tx, s: s, ctx: ctx, by: by}
		if err := do(w); err != nil {
			return err
		}
		if err := w.record(); err != nil {
			return err
		}
		ends = w.ends
		if len(ends) == 0 {
			return nil
		}
		tx.Safe()
		due := slices.DeleteFunc(slices.Clone(ends), func(r iam.RevocationRef) bool { return owed[r] })
		if len(due) > maxDebts {
			return errOweFirst
		}
		for _, r := range due {
			if err := tx.Owe(r); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		err := s.Store.Update(ctx, attempt)
		if !errors.Is(err, errOweFirst) {
			return ends, err
		}
		if err := s.owe(ctx, ends); err != nil {
			return nil, err
		}
		for _, r := range ends {
			owed[r] = true
		}
	}
}

// owe notes marks ahead of the change that calls for them. One that is paid before the change is made does no harm.
func (s *Service) owe(ctx context.Context, refs []iam.RevocationRef) error {
	for part := range slices.Chunk(refs, 2*maxDebts) {
		err := s.Store.Update(ctx, func(tx *store.Tx) error {
			for _, r := range part {
				if err := tx.Owe(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pay writes the marks that are owed and forgets the debts. The caller may have gone; the tokens end all the same.
func (s *Service) pay(ctx context.Context, refs []iam.RevocationRef) error {
	ctx = context.WithoutCancel(ctx)
	for part := range slices.Chunk(refs, maxDebts) {
		err := s.Store.Update(ctx, func(tx *store.Tx) error {
			for _, r := range part {
				owes, err := tx.Owes(r)
				if err != nil {
					return err
				}
				if err := s.Revoke(ctx, r); err != nil {
					return err
				}
				if owes {
					tx.Paid(r)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Settle writes the revocations that changes called for and that a crash has left unwritten. Any replica may call it at any time;
// somebody should at the start and every minute.
func (s *Service) Settle(ctx context.Context) error {
	refs, err := s.Store.Owed(ctx)
	if err != nil {
		return err
	}
	return s.pay(ctx, refs)
}

// view reads for somebody with a platform role, who may see everything; nothing is written.
func (s *Service) view(ctx context.Context, do func(w *work) error) error {
	return s.viewBy(ctx, By{Actor: access.Actor{Authority: access.ByOperator}}, do)
}

// viewBy reads what the one who asks may see; nothing is written.
func (s *Service) viewBy(ctx context.Context, by By, do func(w *work) error) error {
	return s.Store.View(ctx, func(tx *store.Tx) error {
		return do(&work{Tx: tx, s: s, ctx: ctx, by: by, dry: true})
	})
}

// model returns the access model of a node's tree.
func (w *work) model(path []*iam.Node) (*access.Model, error) {
	if len(path) == 0 {
		return nil, iam.Errorf(iam.NotFound, "no such node")
	}
	m, err := w.modelNamed(path[0].Model)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, iam.Errorf(iam.Internal, "%s %q follows the access model %q, which does not exist", path[0].Level, path[0].Name, path[0].Model)
	}
	return m, nil
}

// at returns a node and the model of its tree. For those whose rights the model decides, the nodes on the way are conditions of
// the transaction: whatever a right comes from is kept at them or moves their versions, so a right that is taken away before the
// transaction is applied is gone for it.
func (w *work) at(id iam.NodeID) (n *iam.Node, m *access.Model, err error) {
	var path []*iam.Node
	read := func() (err error) {
		path, err = w.Path(id)
		return err
	}
	if w.by.Authority == access.ByModel {
		err = read()
	} else {
		err = w.Peek(read)
	}
	if err != nil {
		return nil, nil, err
	}
	if m, err = w.model(path); err != nil {
		return nil, nil, err
	}
	return path[len(path)-1], m, nil
}

// findNode resolves an id or a path "acme/web", nil when there is none or the one who asks may not know of it.
func (w *work) findNode(ref string) (*iam.Node, error) {
	n, err := w.anyNode(ref)
	if err != nil || n == nil {
		return nil, err
	}
	if known, err := w.knows(n); err != nil || !known {
		return nil, err
	}
	return n, nil
}

// anyNode is findNode whoever asks.
func (w *work) anyNode(ref string) (n *iam.Node, err error) {
	err = w.Peek(func() error {
		n, err = findNode(ref, w.Node, w.NodeNamed)
		return err
	})
	return n, err
}

// findNode resolves an id or a path by two ways to read nodes: by id, and by name below a parent.
func findNode(ref string, byID func(iam.NodeID) (*iam.Node, error), named func(parent iam.NodeID, name string) (*iam.Node, error)) (*iam.Node, error) {
	first, rest, below := strings.Cut(ref, "/")
	if !below {
		if n, err := byID(iam.NodeID(ref)); err != nil || n != nil {
			return n, err
		}
	}
	n, err := named("", first)
	if err != nil {
		return nil, err
	}
	for below && n != nil {
		parent := n
		first, rest, below = strings.Cut(rest, "/")
		if n, err = named(parent.ID, first); err != nil {
			return nil, err
		}
		if n != nil {
			continue
		}
		// An organization is named across the installation, wherever it stands.
		if n, err = named("", first); err != nil {
			return nil, err
		}
		if n != nil && n.Parent != parent.ID {
			n = nil
		}
	}
	return n, nil
}

// node resolves a reference that must exist.
func (w *work) node(ref string) (*iam.Node, error) {
	n, err := w.findNode(ref)
	if err == nil && n == nil {
		err = missing("node", ref)
	}
	return n, err
}

// pathOf names a node: the names from the organization, which is unique, or else from the root down.
func (w *work) pathOf(id iam.NodeID) (string, error) {
	var names []string
	err := w.Peek(func() error {
		path, err := w.Path(id)
		for _, n := range path {
			if n.Level == iam.LevelOrganization {
				names = nil
			}
			names = append(names, n.Name)
		}
		return err
	})
	return strings.Join(names, "/"), err
}

// findUser resolves a user's id or name, nil when there is none.
func (w *work) findUser(ref string) (*iam.User, error) {
	u, err := w.User(iam.UserID(ref))
	if err != nil || u != nil {
		return u, err
	}
	return w.UserNamed(ref)
}

// user resolves a reference that must exist.
func (w *work) user(ref string) (*iam.User, error) {
	u, err := w.findUser(ref)
	if err == nil && u == nil {
		err = missing("user", ref)
	}
	return u, err
}

// organizationsAt returns the organization of a node, or those below it.
func (w *work) organizationsAt(id iam.NodeID) (out []iam.NodeID, err error) {
	path, err := w.Path(id)
	if err != nil {
		return nil, err
	}
	for _, n := range path {
		if n.Level == iam.LevelOrganization {
			return []iam.NodeID{n.ID}, nil
		}
	}
	queue := []iam.NodeID{id}
	for len(queue) > 0 {
		children, err := w.Children(queue[0])
		if err != nil {
			return nil, err
		}
		queue = queue[1:]
		for _, n := range children {
			if n.Level == iam.LevelOrganization {
				out = append(out, n.ID)
				continue
			}
			queue = append(queue, n.ID)
		}
	}
	return out, nil
}

// manyMembers is how many marks of members are worth more than one mark of their organization.
const manyMembers = 256

// endMembers ends the tokens of subjects that hold less at a node than before.
func (w *work) endMembers(id iam.NodeID, subjects ...iam.Subject) error {
	return w.Peek(func() error {
		orgs, err := w.organizationsAt(id)
		if err != nil {
			return err
		}
		for _, s := range subjects {
			switch s.Kind {
			case iam.SubjectClient:
				w.end(iam.RevocationRef{Kind: iam.RevokedClient, ID: s.ID})
			case iam.SubjectUser:
				for _, org := range orgs {
					w.end(iam.RevocationRef{Kind: iam.RevokedMember, ID: string(org) + "/" + s.ID})
				}
			case iam.SubjectGroup:
				members, err := w.Members(iam.GroupID(s.ID))
				if err != nil {
					return err
				}
				if len(members) > manyMembers {
					return w.endTree(id)
				}
				for _, u := range members {
					if err := w.endMembers(id, u.Subject()); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}
