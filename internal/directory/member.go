package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Me is how callers name themselves.
const Me = "me"

// Memberships lists the people with roles at a node, those who are invited first. Who may not see that sees himself.
func (s *Service) Memberships(ctx context.Context, by By, ref string, p store.PageOptions) (out apiv1.Page[apiv1.Membership], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		page, err := w.listed(ref, p, s.Store.People)
		page.Items = slices.DeleteFunc(page.Items, func(a iam.Assignment) bool { // a client that asks about itself is no member
			return a.Subject.Kind != iam.SubjectUser && a.Subject.Kind != iam.SubjectLogin
		})
		out, err = show(page, err, w.showMembership)
		return err
	})
	return out, err
}

// Membership returns what a user holds at a node.
func (s *Service) Membership(ctx context.Context, by By, ref, user string) (out apiv1.Membership, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		u, err := w.memberAt(m, n.ID, user)
		if err != nil {
			return err
		}
		out, err = w.membership(n.ID, u, user)
		return err
	})
	return out, err
}

// memberAt resolves a member of a node for whoever asks: himself, or anybody if he may see who is there.
func (w *work) memberAt(m *access.Model, n iam.NodeID, ref string) (iam.Subject, error) {
	u, err := w.findMember(ref)
	if err != nil {
		return iam.Subject{}, err
	}
	if u == nil || u.ID.Subject() != w.by.Subject {
		if err := w.needList(m, n); err != nil {
			return iam.Subject{}, err
		}
	}
	if u == nil {
		return iam.Subject{}, missing("member", ref)
	}
	return u.ID.Subject(), nil
}

// findMember resolves a user's id or name or, for the caller himself, Me; nil when there is no such user.
func (w *work) findMember(ref string) (*iam.User, error) {
	if ref != Me {
		return w.findUser(ref)
	}
	if w.by.Subject.Kind != iam.SubjectUser {
		return nil, nil
	}
	return w.User(iam.UserID(w.by.Subject.ID))
}

// membership shows what a user holds at a node, which is missing when that is nothing. ref is what the caller calls the user: an
// answer does not tell the id of somebody who is no member.
func (w *work) membership(n iam.NodeID, s iam.Subject, ref string) (apiv1.Membership, error) {
	a, err := w.Assignment(n, s)
	if err != nil {
		return apiv1.Membership{}, err
	}
	suspended, err := w.Suspended(n, s)
	if err != nil {
		return apiv1.Membership{}, err
	}
	if len(a.Roles) == 0 && !suspended {
		return apiv1.Membership{}, missing("member", ref)
	}
	return w.showMembership(a)
}

// AddMembership gives somebody a role at a node, or invites whoever is not a user yet.
func (s *Service) AddMembership(ctx context.Context, by By, ref string, n apiv1.NewMembership) (out apiv1.MembershipAdded, err error) {
	if n.Email != "" && n.Login != nil {
		return out, iam.Errorf(iam.Invalid, "want one of user, login and email")
	}
	a := apiv1.Assignment{User: n.User, Login: n.Login, Role: n.Role}
	if n.Email != "" {
		a.Login = &apiv1.Login{Connector: iam.ConnectorEmail, Name: n.Email}
	}
	err = s.update(ctx, by, func(w *work) error {
		at, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		if _, _, err := w.assign(m, at.ID, a); err != nil {
			return err
		}
		sub, err := w.subject(m, at.ID, a)
		if err != nil {
			return err
		}
		if out.Membership, err = w.membership(at.ID, sub, sub.ID); err != nil {
			return err
		}
		out.Seats, err = w.seats(m, at.ID)
		return err
	})
	return out, err
}

// SetMembership makes these roles all that a member holds at a node.
func (s *Service) SetMembership(ctx context.Context, by By, ref, user string, spec apiv1.MembershipSpec, e Expect) (out apiv1.Membership, err error) {
	want, err := wantedRoles(spec)
	if err != nil {
		return out, err
	}
	err = s.update(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		u, err := w.memberAt(m, n.ID, user)
		if err != nil {
			return err
		}
		before, err := w.membership(n.ID, u, user)
		if err == nil && len(before.Roles) == 0 {
			err = missing("member", user)
		}
		if err != nil {
			return err
		}
		if err := e.check(true, "member", user, before.ETag); err != nil {
			return err
		}
		if err := w.setRoles(m, n, u, want); err != nil {
			return err
		}
		out, err = w.membership(n.ID, u, user)
		return err
	})
	return out, err
}

func wantedRoles(spec apiv1.MembershipSpec) ([]iam.RoleID, error) {
	var want []iam.RoleID
	if spec.Role != "" {
		want = append(want, iam.RoleID(spec.Role))
	}
	for _, r := range spec.Roles {
		if !slices.Contains(want, iam.RoleID(r)) {
			want = append(want, iam.RoleID(r))
		}
	}
	if len(want) == 0 || spec.Role != "" && len(spec.Roles) > 0 {
		return nil, iam.Errorf(iam.Invalid, "want role, or roles with one at least; a member without roles is removed")
	}
	return want, nil
}

// setRoles changes what a member holds into what is wanted, as far as can be role for role, so that changing needs the right to
// change and no other.
func (w *work) setRoles(m *access.Model, n *iam.Node, s iam.Subject, want []iam.RoleID) error {
	held, err := w.Roles(n.ID, s)
	if err != nil {
		return err
	}
	if l := m.Level(n.Level); l != nil && l.Exclusive {
		if len(want) > 1 {
			return iam.Errorf(iam.Invalid, "roles: somebody holds one role at a %s, got %d", n.Level, len(want))
		}
		_, _, err := w.give(m, n.ID, s, want[0])
		return err
	}
	lost := without(held, want)
	fresh := without(want, held)
	if len(lost)+len(fresh) == 0 {
		return w.decide(func(r access.Roster) error { // who may not change anything is not told that there is nothing to change
			_, err := m.Assign(r, w.by.Actor, n.ID, s, want[0])
			if iam.CodeOf(err) == access.CodeRoleHeld {
				return nil
			}
			return err
		})
	}
	for i := range max(len(lost), len(fresh)) {
		var p access.Plan
		err := w.decide(func(r access.Roster) (err error) {
			switch {
			case i >= len(lost):
				p, err = m.Assign(r, w.by.Actor, n.ID, s, fresh[i])
			case i >= len(fresh):
				p, err = m.Remove(r, w.by.Actor, n.ID, s, lost[i])
			default:
				p, err = m.Replace(r, w.by.Actor, n.ID, s, lost[i], fresh[i])
			}
			return err
		})
		if err != nil {
			return err
		}
		if i < len(fresh) {
			if err := w.pinRole(m, n.ID, fresh[i]); err != nil {
				return err
			}
		}
		if err := errors.Join(w.takeSeats(p.Seats), w.endIfLost(p)); err != nil {
			return err
		}
		if err := w.Assign(n.ID, s, p.After.Roles); err != nil {
			return err
		}
	}
	return nil
}

// without returns what of a is not in b.
func without(a, b []iam.RoleID) []iam.RoleID {
	return slices.DeleteFunc(slices.Clone(a), func(id iam.RoleID) bool { return slices.Contains(b, id) })
}

// EndMembership takes all that somebody holds at a node and below.
func (s *Service) EndMembership(ctx context.Context, by By, ref, user string) error {
	return s.expel(ctx, by, ref, func(w *work, m *access.Model, n *iam.Node) (iam.Subject, error) {
		u, err := w.findMember(user)
		if err != nil {
			return iam.Subject{}, err
		}
		if u != nil {
			if holds, err := w.holdsBelow(n.ID, u.ID.Subject()); err != nil || holds {
				return u.ID.Subject(), err
			}
		}
		err = w.decide(func(r access.Roster) error { // who may not remove does not learn who exists
			_, err := m.Remove(r, w.by.Actor, n.ID, iam.UserID("nobody").Subject(), "")
			return err
		})
		if iam.KindOf(err) == iam.Forbidden {
			return iam.Subject{}, err
		}
		return iam.Subject{}, missing("member", user)
	})
}

// holdsBelow reports whether a subject holds anything at a node or below it.
func (w *work) holdsBelow(n iam.NodeID, s iam.Subject) (holds bool, err error) {
	h, err := w.Holding(s)
	if err != nil {
		return false, err
	}
	err = w.Peek(func() error {
		for _, at := range h.Nodes {
			path, err := w.Path(at)
			if err != nil {
				return err
			}
			holds = holds || contains(path, n)
		}
		return nil
	})
	return holds, err
}

// Suspend takes somebody's access at a node and below away, whatever roles he holds, or gives it back.
func (s *Service) Suspend(ctx context.Context, by By, ref, user string, suspended bool) (out apiv1.Membership, err error) {
	err = s.update(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		u, err := w.memberAt(m, n.ID, user)
		if err != nil {
			return err
		}
		err = w.decide(func(r access.Roster) error {
			if suspended {
				return m.Suspend(r, w.by.Actor, n.ID, u)
			}
			return m.Resume(r, w.by.Actor, n.ID, u)
		})
		if err != nil {
			return err
		}
		if suspended {
			if err := w.endMembers(n.ID, u); err != nil {
				return err
			}
		}
		if err := w.Tx.Suspend(n.ID, u, suspended); err != nil {
			return err
		}
		a, err := w.Assignment(n.ID, u)
		if err != nil {
			return err
		}
		out, err = w.showMembership(a)
		return err
	})
	return out, err
}

// Suspensions lists the people who are suspended at a node.
func (s *Service) Suspensions(ctx context.Context, by By, ref string, p store.PageOptions) (out apiv1.Page[apiv1.Membership], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		if err := w.needList(m, n.ID); err != nil {
			return err
		}
		page, err := s.Store.Suspensions(ctx, n.ID, p)
		out, err = show(page, err, w.showMembership)
		return err
	})
	return out, err
}

// showMembership shows what a person holds at a node. A user who is gone is shown by the id.
func (w *work) showMembership(a iam.Assignment) (out apiv1.Membership, err error) {
	out.Roles = texts(a.Roles)
	if a.Subject.Kind == iam.SubjectLogin {
		i, err := w.showInvitation(a)
		out.Pending, out.Invitation = true, &i
		out.ETag = etag(out)
		return out, err
	}
	out.ID = a.Subject.ID
	if out.Suspended, err = w.Suspended(a.Node, a.Subject); err != nil {
		return out, err
	}
	out.Name, err = w.nameOfUser(iam.UserID(a.Subject.ID))
	out.ETag = etag(out)
	return out, err
}

// nameOfUser names a user for people to read, by what the cache has.
func (w *work) nameOfUser(id iam.UserID) (string, error) {
	u, err := w.s.Store.User(w.ctx, id)
	if err != nil || u == nil {
		return "", err
	}
	return u.Name, nil
}
