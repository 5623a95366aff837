package directory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// CodeTooManyMigrations is the refusal of one more plan at a node.
const CodeTooManyMigrations = "too_many_migrations"

// PlanMigration makes a plan that brings roles of another system over to a node and those below. It changes nobody's access.
func (s *Service) PlanMigration(ctx context.Context, by By, ref string, n apiv1.NewMigration) (out apiv1.Migration, err error) {
	id := iam.NewID("m")
	err = s.update(ctx, by, func(w *work) error {
		home, m, err := w.migrationSite(ref)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(m.Schema().Migrations, func(g access.Migration) bool { return g.Source == n.Source }) {
			return iam.Errorf(iam.Invalid, "source: access model %s brings over no roles of %.60q", m.Name(), n.Source)
		}
		there, err := w.Tx.Migrations(home.ID)
		if err != nil {
			return err
		}
		if len(there) >= store.MaxMigrations {
			return iam.Refuse(iam.Conflict, CodeTooManyMigrations, "a node keeps %d plans: delete one", store.MaxMigrations)
		}
		var items []store.MigrationItem
		// Who and where the items are is found anew when they are applied, so what is read for them is no condition: a
		// transaction has no room for so many.
		err = w.Peek(func() error {
			items, err = w.planItems(m, home, n)
			return err
		})
		if err != nil {
			return err
		}
		g := &store.Migration{ID: id, Node: home.ID, Source: n.Source, By: by.Subject, CreatedAt: s.Now().UTC()}
		if err := w.PutMigration(g, items); err != nil {
			return err
		}
		out, err = w.showMigration(g)
		return err
	})
	return out, err
}

// planItems says what becomes of each role of a new plan.
func (w *work) planItems(m *access.Model, home *iam.Node, n apiv1.NewMigration) (items []store.MigrationItem, err error) {
	var f faults
	items = make([]store.MigrationItem, len(n.Holders))
	for i, h := range n.Holders {
		if items[i], err = w.planItem(m, home, n.Source, h); err != nil {
			if !refused(err) {
				return nil, err
			}
			f.take(at("holders", i), err)
		}
	}
	return items, f.err()
}

// migrationSite finds a node whose migrations the caller may see and plan: who may see who has access there.
func (w *work) migrationSite(ref string) (*iam.Node, *access.Model, error) {
	n, m, err := w.nodeAndModel(ref)
	if err != nil {
		return nil, nil, err
	}
	err = w.decide(func(r access.Roster) error { return m.Administer(r, w.by.Actor, n.ID, access.Review) })
	return n, m, err
}

// planItem says what becomes of a role that somebody held, as far as the model and the entry say it.
func (w *work) planItem(m *access.Model, at *iam.Node, source string, h apiv1.MigrationHolder) (it store.MigrationItem, err error) {
	var f faults
	checkText(&f, "role", h.Role, 200)
	checkText(&f, "user", h.User, 200)
	checkText(&f, "email", h.Email, 200)
	if err := f.err(); err != nil {
		return it, err
	}
	it.Old, it.State = h.Role, store.MigrationReview
	if it.Subject, it.Holder, err = w.migrant(h.User, h.Login, h.Email); err != nil {
		return it, err
	}
	mapped, _ := m.Migrate(source, h.Role)
	for _, c := range mapped.Choices {
		it.Choices = append(it.Choices, store.MigrationChoice{Role: c.Role, Level: c.At})
	}
	var where *iam.Node
	if h.Where != "" {
		if where, err = w.below(at, h.Where); err != nil {
			return it, err
		}
		it.Node = where.ID
	}
	switch len(it.Choices) {
	case 0:
		it.Reason = "a role of its own there: say which role it becomes"
	case 1:
		it.State, it.Role = store.MigrationProposed, it.Choices[0].Role
		if level := it.Choices[0].Level; where == nil && at.Level == level {
			it.Node = at.ID
		} else if where == nil {
			it.Reason = "say which " + string(level)
		} else if where.Level != level {
			return it, iam.Errorf(iam.Invalid, "where: role %s is held at a %s, and %q is a %s", it.Role, level, h.Where, where.Level)
		}
	default:
		it.State, it.Reason = store.MigrationChoose, "say which role, and where"
	}
	if it.Subject == (iam.Subject{}) {
		it.State, it.Reason = store.MigrationReview, "say which user or login it is"
	}
	return it, nil
}

// migrant finds who held a role elsewhere. Somebody who is not known here yet, or only by an address, is nobody for now.
func (w *work) migrant(user string, login *apiv1.Login, email string) (iam.Subject, string, error) {
	switch {
	case user != "" && login == nil && email == "":
		u, err := w.findUser(user)
		if err != nil || u == nil {
			return iam.Subject{}, user, err
		}
		return u.ID.Subject(), user, nil
	case login != nil && user == "" && email == "":
		sub, err := w.subject(nil, "", apiv1.Assignment{Login: login})
		return sub, login.Connector + "/" + login.Name, err
	case email != "" && user == "" && login == nil:
		return iam.Subject{}, email, nil
	}
	return iam.Subject{}, "", iam.Errorf(iam.Invalid, "want one of user, login and email")
}

// below finds a node at or below another. One that lies elsewhere does not exist here.
func (w *work) below(at *iam.Node, ref string) (*iam.Node, error) {
	n, err := w.findNode(ref)
	if err != nil {
		return nil, err
	}
	if n != nil {
		path, err := w.Path(n.ID)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(path, func(p *iam.Node) bool { return p.ID == at.ID }) {
			return n, nil
		}
	}
	return nil, reference(missing("node", ref))
}

// Migrations lists the plans at a node.
func (s *Service) Migrations(ctx context.Context, by By, ref string, p store.PageOptions) (out apiv1.Page[apiv1.Migration], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, _, err := w.migrationSite(ref)
		if err != nil {
			return err
		}
		page, err := s.Store.Migrations(ctx, n.ID, p)
		out, err = show(page, err, w.migrationHead)
		return err
	})
	return out, err
}

// Migration returns a plan with its items.
func (s *Service) Migration(ctx context.Context, by By, ref, id string) (out apiv1.Migration, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		g, _, err := w.migration(ref, id)
		if err == nil {
			out, err = w.showMigration(g)
		}
		return err
	})
	return out, err
}

// migration finds a plan at a node, and the model there.
func (w *work) migration(ref, id string) (*store.Migration, *access.Model, error) {
	n, m, err := w.migrationSite(ref)
	if err != nil {
		return nil, nil, err
	}
	g, err := w.Tx.Migration(n.ID, id)
	if err == nil && g == nil {
		err = missing("migration", id)
	}
	return g, m, err
}

func (w *work) migrationHead(g *store.Migration) (apiv1.Migration, error) {
	node, err := w.pathOf(g.Node)
	return apiv1.Migration{ID: g.ID, Node: node, Source: g.Source, CreatedAt: g.CreatedAt, Count: g.Items}, err
}

func (w *work) showMigration(g *store.Migration) (out apiv1.Migration, err error) {
	if out, err = w.migrationHead(g); err != nil {
		return out, err
	}
	out.Items = make([]apiv1.MigrationItem, 0, g.Items)
	paths := make(map[iam.NodeID]string)
	err = w.eachItem(g, func(i int, it store.MigrationItem) error {
		shown, err := w.showItem(paths, i, it)
		out.Items = append(out.Items, shown)
		return err
	})
	return out, err
}

func (w *work) eachItem(g *store.Migration, do func(i int, it store.MigrationItem) error) error {
	for next := 0; next < g.Items; {
		items, first, err := w.MigrationItems(g.ID, next)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return iam.Errorf(iam.Internal, "migration %q lacks item %d", g.ID, next)
		}
		for k, it := range items {
			if err := do(first+k, it); err != nil {
				return err
			}
		}
		next = first + len(items)
	}
	return nil
}

// showItem shows the node of an item by its path; paths remembers those that were looked up.
func (w *work) showItem(paths map[iam.NodeID]string, i int, it store.MigrationItem) (apiv1.MigrationItem, error) {
	out := apiv1.MigrationItem{
		Number: i + 1, Holder: it.Holder, Old: it.Old, State: string(it.State), Role: string(it.Role), Code: it.Code, Reason: it.Reason,
	}
	for _, c := range it.Choices {
		out.Choices = append(out.Choices, apiv1.MigrationChoice{Role: string(c.Role), Level: string(c.Level)})
	}
	if it.Node == "" {
		return out, nil
	}
	if _, known := paths[it.Node]; !known {
		path, err := w.pathOf(it.Node)
		if err != nil {
			return out, err
		}
		paths[it.Node] = cmp.Or(path, string(it.Node))
	}
	out.Node = paths[it.Node]
	return out, nil
}

// DecideMigration says what becomes of an item. It gives nothing yet.
func (s *Service) DecideMigration(ctx context.Context, by By, ref, id, item string, d apiv1.MigrationDecision) (out apiv1.MigrationItem, err error) {
	err = s.update(ctx, by, func(w *work) error {
		g, m, err := w.migration(ref, id)
		if err != nil {
			return err
		}
		number, err := strconv.Atoi(item)
		if err != nil {
			return missing("item", item)
		}
		it, err := w.migrationItem(g, number-1)
		if err != nil {
			return err
		}
		if it.State == store.MigrationApplied {
			return iam.Errorf(iam.Conflict, "item %d is applied: change the assignment", number)
		}
		if err := w.decideItem(g, m, &it, d); err != nil {
			return err
		}
		if err := w.PutMigrationItem(g.ID, number-1, it); err != nil {
			return err
		}
		out, err = w.showItem(make(map[iam.NodeID]string), number-1, it)
		return err
	})
	return out, err
}

func (w *work) migrationItem(g *store.Migration, i int) (store.MigrationItem, error) {
	if i >= 0 && i < g.Items {
		items, first, err := w.MigrationItems(g.ID, i)
		if err != nil {
			return store.MigrationItem{}, err
		}
		if i-first < len(items) {
			return items[i-first], nil
		}
	}
	return store.MigrationItem{}, missing("item", strconv.Itoa(i+1))
}

func (w *work) decideItem(g *store.Migration, m *access.Model, it *store.MigrationItem, d apiv1.MigrationDecision) error {
	it.Code, it.Reason = "", ""
	if d.Skip {
		if d.Role+d.Node+d.User != "" || d.Login != nil {
			return iam.Errorf(iam.Invalid, "skip: what is skipped gets no role")
		}
		it.State = store.MigrationSkipped
		return nil
	}
	if d.User != "" || d.Login != nil {
		sub, err := w.subject(m, g.Node, apiv1.Assignment{User: d.User, Login: d.Login})
		if err != nil {
			return err
		}
		it.Subject = sub
	}
	if it.Subject == (iam.Subject{}) {
		return iam.Errorf(iam.Invalid, "user: say which user or login %q is", it.Holder)
	}
	if d.Node != "" {
		at, err := w.Node(g.Node)
		if err != nil {
			return err
		}
		n, err := w.below(at, d.Node)
		if err != nil {
			return within("node", err)
		}
		it.Node = n.ID
	}
	it.Role = cmp.Or(iam.RoleID(d.Role), it.Role)
	if it.Role == "" || it.Node == "" {
		return iam.Errorf(iam.Invalid, "want a role and a node, or skip")
	}
	var offered []iam.RoleID
	err := w.decide(func(r access.Roster) error {
		offered = m.Assignable(r, it.Node, it.Subject.Kind)
		return nil
	})
	if err != nil {
		return err
	}
	if !slices.Contains(offered, it.Role) {
		path, err := w.pathOf(it.Node)
		if err != nil {
			return err
		}
		return iam.Refuse(iam.Invalid, access.CodeRoleNotHere, "role %q cannot be given at %s: want one of %v", it.Role, path, offered)
	}
	it.State = store.MigrationDecided
	return nil
}

// ApplyMigration makes assignments of the items that say who, what and where, each in a transaction of its own, under the rules of
// every assignment. What is refused stays with its reason, and is tried again by the next call.
func (s *Service) ApplyMigration(ctx context.Context, by By, ref, id string) (out apiv1.Migration, err error) {
	var ready []int
	err = s.viewBy(ctx, by, func(w *work) error {
		g, _, err := w.migration(ref, id)
		if err != nil {
			return err
		}
		return w.eachItem(g, func(i int, it store.MigrationItem) error {
			if isReady(it) {
				ready = append(ready, i)
			}
			return nil
		})
	})
	if err != nil {
		return out, err
	}
	for _, i := range ready {
		err := s.update(ctx, by, func(w *work) error { return w.applyItem(ref, id, i) })
		if refused(err) {
			err = s.update(ctx, by, func(w *work) error { return w.refuseItem(ref, id, i, err) })
		}
		if err != nil {
			return out, err
		}
	}
	return s.Migration(ctx, by, ref, id)
}

// isReady reports whether an item can become an assignment.
func isReady(it store.MigrationItem) bool {
	switch it.State {
	case store.MigrationProposed, store.MigrationDecided, store.MigrationRefused:
		return it.Role != "" && it.Node != "" && it.Subject != (iam.Subject{})
	}
	return false
}

func (w *work) applyItem(ref, id string, i int) error {
	g, _, err := w.migration(ref, id)
	if err != nil {
		return err
	}
	it, err := w.migrationItem(g, i)
	if err != nil || !isReady(it) {
		return err
	}
	if n, err := w.Node(it.Node); err != nil {
		return err
	} else if n == nil {
		return missing("node", string(it.Node))
	}
	if it.Subject.Kind == iam.SubjectUser {
		if u, err := w.User(iam.UserID(it.Subject.ID)); err != nil {
			return err
		} else if u == nil {
			return missing("user", it.Holder)
		}
	}
	_, m, err := w.at(it.Node)
	if err != nil {
		return err
	}
	if _, _, err := w.giveOrInvite(m, it.Node, it.Subject, it.Role); err != nil {
		return err
	}
	it.State, it.Code, it.Reason = store.MigrationApplied, "", ""
	return w.PutMigrationItem(g.ID, i, it)
}

// refuseItem notes why an item did not become an assignment. Who may not even see the plan any more is told that instead.
func (w *work) refuseItem(ref, id string, i int, why error) error {
	g, _, err := w.migration(ref, id)
	if err != nil {
		return err
	}
	it, err := w.migrationItem(g, i)
	if err != nil || !isReady(it) {
		return err
	}
	var e *iam.Error
	errors.As(why, &e)
	it.State, it.Code, it.Reason = store.MigrationRefused, e.Code, e.Message
	return w.PutMigrationItem(g.ID, i, it)
}

// DeleteMigration ends a plan. What it has assigned stays.
func (s *Service) DeleteMigration(ctx context.Context, by By, ref, id string) error {
	return s.update(ctx, by, func(w *work) error {
		g, _, err := w.migration(ref, id)
		if err != nil {
			return err
		}
		return w.Tx.DeleteMigration(g)
	})
}

// dropMigrations plans the end of the plans at a node.
func (p *plan) dropMigrations(n iam.NodeID) error {
	ids, err := p.Tx.Migrations(n)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := p.step(func(w *work) (diff, error) {
			g, err := w.Tx.Migration(n, id)
			if err != nil || g == nil {
				return diff{}, err
			}
			return diff{}, w.Tx.DeleteMigration(g)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// PendingMigration returns the role of another system that waits to become one of a subject's at a node or on the way to it, nil
// when none does.
func (s *Service) PendingMigration(ctx context.Context, sub iam.Subject, node iam.NodeID) (out *apiv1.PendingMigration, err error) {
	err = s.view(ctx, func(w *work) error {
		path, err := w.Path(node)
		if err != nil {
			return err
		}
		on := func(id iam.NodeID) bool {
			return id == "" || slices.ContainsFunc(path, func(n *iam.Node) bool { return n.ID == id })
		}
		for _, n := range slices.Backward(path) {
			ids, err := w.Tx.Migrations(n.ID)
			if err != nil {
				return err
			}
			for _, id := range ids {
				g, err := w.Tx.Migration(n.ID, id)
				if err != nil {
					return err
				}
				if g == nil {
					continue
				}
				err = w.eachItem(g, func(i int, it store.MigrationItem) error {
					if out != nil || it.Subject != sub || !on(it.Node) || it.State == store.MigrationApplied || it.State == store.MigrationSkipped {
						return nil
					}
					where, err := w.pathOf(g.Node)
					out = &apiv1.PendingMigration{
						Migration: g.ID, Number: i + 1, Node: where, Source: g.Source, Old: it.Old, State: string(it.State), Reason: it.Reason,
					}
					return err
				})
				if err != nil || out != nil {
					return err
				}
			}
		}
		return nil
	})
	return out, err
}
