package directory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Logins lists the accounts of a user at upstream providers.
func (s *Service) Logins(ctx context.Context, user string) (out apiv1.Page[apiv1.UserLogin], err error) {
	out.Items = []apiv1.UserLogin{}
	err = s.view(ctx, func(w *work) error {
		u, err := w.user(user)
		if err != nil {
			return err
		}
		all, err := w.Tx.Logins(u.ID)
		for _, l := range all {
			out.Items = append(out.Items, showLogin(l))
		}
		return err
	})
	return out, err
}

// LinkLogin says for an operator that an account at a provider is a user's.
func (s *Service) LinkLogin(ctx context.Context, by By, user string, n apiv1.NewUserLogin) (out apiv1.UserLinked, err error) {
	var u *iam.User
	err = s.view(ctx, func(w *work) (err error) {
		u, err = w.user(user)
		return err
	})
	if err != nil {
		return out, err
	}
	l := iam.Login{Connector: n.Connector, Subject: n.Subject, Name: n.Name}
	if out.Bound, err = s.link(ctx, by, u.ID, &l); err != nil {
		return out, err
	}
	out.UserLogin = showLogin(&l)
	return out, nil
}

// Linked notes which accounts at upstream providers a user has just shown to have, each by the subject that its provider never
// changes, and gives the user what whoever has these names, or his verified address, was invited to. It returns what became of the
// invitations.
func (s *Service) Linked(ctx context.Context, user iam.UserID, logins ...iam.Login) ([]apiv1.Bound, error) {
	by, bound := Operator(user.Subject()), []apiv1.Bound{}
	for _, l := range logins {
		more, err := s.link(ctx, by, user, &l)
		if err != nil {
			return bound, err
		}
		bound = append(bound, more...)
	}
	u, err := s.Store.User(ctx, user)
	if err != nil || u == nil {
		return bound, err
	}
	more, err := s.bindAddress(ctx, by, u)
	return append(bound, more...), err
}

// link makes an account a user's and then binds the invitations to its name: a crash between the two leaves invitations that the
// next link binds.
func (s *Service) link(ctx context.Context, by By, user iam.UserID, l *iam.Login) ([]apiv1.Bound, error) {
	l.User = user
	err := errors.Join(iam.CheckName("connector", l.Connector), checkAccount("subject", l.Subject, 200))
	if err == nil && l.Name != "" {
		err = checkAccount("login name", l.Name, 200)
	}
	if err == nil && l.Connector == iam.ConnectorEmail {
		err = iam.Errorf(iam.Invalid, "connector: an address is linked by its user's email_verified")
	}
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, by, func(w *work) error {
		if err := w.needOperator("linking accounts"); err != nil {
			return err
		}
		l.LinkedAt = w.s.Now().UTC()
		old, err := w.Tx.Login(l.Connector, l.Subject)
		if err != nil {
			return err
		}
		if old != nil {
			l.LinkedAt, l.Name = old.LinkedAt, cmp.Or(l.Name, old.Name)
			if *old == *l {
				return nil
			}
		}
		return w.PutLogin(l)
	})
	if err != nil {
		return nil, err
	}
	return s.bind(ctx, by, user, l.Invited(), func(w *work) (bool, error) {
		now, err := w.Tx.Login(l.Connector, l.Subject)
		if err != nil || now == nil || now.User != user || now.Name != l.Name {
			return false, err
		}
		return w.isFirst(l.Connector, l.Name, user)
	})
}

// UnlinkLogin takes an account at a provider from a user, who keeps the roles that came by it.
func (s *Service) UnlinkLogin(ctx context.Context, by By, user, id string) error {
	return s.update(ctx, by, func(w *work) error {
		if err := w.needOperator("linking accounts"); err != nil {
			return err
		}
		u, err := w.user(user)
		if err != nil {
			return err
		}
		all, err := w.Tx.Logins(u.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(l *iam.Login) bool { return userLoginID(l) == id })
		if i < 0 {
			return missing("login", id)
		}
		w.Safe()
		return w.DeleteLogin(all[i])
	})
}

func userLoginID(l *iam.Login) string { return opaqueID("l", l.Connector, l.Subject) }

func showLogin(l *iam.Login) apiv1.UserLogin {
	return apiv1.UserLogin{ID: userLoginID(l), Connector: l.Connector, Subject: l.Subject, Name: l.Name, LinkedAt: l.LinkedAt}
}

// bindAddress binds the invitations to a user's verified address.
func (s *Service) bindAddress(ctx context.Context, by By, u *iam.User) ([]apiv1.Bound, error) {
	address := u.VerifiedAddress()
	if address == "" {
		return nil, nil
	}
	return s.bind(ctx, by, u.ID, iam.LoginNamed(iam.ConnectorEmail, address), func(w *work) (bool, error) {
		now, err := w.User(u.ID)
		if err != nil || now == nil || now.VerifiedAddress() != address {
			return false, err
		}
		return w.isFirst(iam.ConnectorEmail, address, u.ID)
	})
}

// isFirst reports whether a name is known to be nobody else. Whoever takes a name that another has given up, or has the address of
// another, gets nothing that waits for him.
func (w *work) isFirst(connector, name string, user iam.UserID) (bool, error) {
	first, err := w.LoginNamed(connector, name)
	return first == "" || first == user, err
}

// bind moves what a login holds to the user that it has turned out to be: for each organization in one transaction, or several
// where it is about more nodes than one can change. his says whether it still is the user's, as a condition of each.
func (s *Service) bind(ctx context.Context, by By, user iam.UserID, login iam.Subject, his func(w *work) (bool, error)) ([]apiv1.Bound, error) {
	bound := []apiv1.Bound{}
	var parts [][]iam.NodeID
	err := s.view(ctx, func(w *work) (err error) {
		parts, err = w.invitedTo(login)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		var now []apiv1.Bound
		err := s.update(ctx, by, func(w *work) error {
			now = nil
			if ok, err := his(w); err != nil || !ok {
				return err
			}
			for _, n := range part {
				b, err := w.bindAt(n, login, user.Subject())
				if err != nil {
					return err
				}
				if b != nil {
					now = append(now, *b)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		bound = append(bound, now...)
	}
	return bound, nil
}

// invitedTo returns the nodes that a login is invited to, those of each organization together and from the top down, since a role
// at the organization may be what one below it takes.
func (w *work) invitedTo(login iam.Subject) ([][]iam.NodeID, error) {
	h, err := w.Holding(login)
	if err != nil {
		return nil, err
	}
	type place struct {
		id, organization iam.NodeID
		depth            int
	}
	places := make([]place, 0, len(h.Nodes))
	for _, n := range h.Nodes {
		path, err := w.Path(n)
		if err != nil {
			return nil, err
		}
		org, err := w.organizationOf(n)
		if err != nil {
			return nil, err
		}
		places = append(places, place{n, org, len(path)})
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(strings.Compare(string(a.organization), string(b.organization)), a.depth-b.depth, strings.Compare(string(a.id), string(b.id)))
	})
	var parts [][]iam.NodeID
	for i, p := range places {
		last := len(parts) - 1
		if i == 0 || p.organization != places[i-1].organization || len(parts[last]) == maxBound {
			parts = append(parts, nil)
			last++
		}
		parts[last] = append(parts[last], p.id)
	}
	return parts, nil
}

// maxBound bounds how many invitations one transaction binds, so that it keeps within the engine's bounds.
const maxBound = 6

// bindAt moves what a login holds at a node to the user, or notes why the access model refuses that. It returns nil when there was
// nothing to move.
func (w *work) bindAt(n iam.NodeID, login, user iam.Subject) (*apiv1.Bound, error) {
	a, err := w.Assignment(n, login)
	if err != nil {
		return nil, err
	}
	if len(a.Roles) == 0 { // it has ended
		return nil, w.Assign(n, login, nil)
	}
	path, err := w.pathOf(n)
	if err != nil {
		return nil, err
	}
	ends := len(w.ends)
	err = w.Try(func() error {
		if err := w.Assign(n, login, nil); err != nil { // first, so that it holds no seat of its own any more
			return err
		}
		for _, role := range a.Roles {
			if err := w.raise(n, user, role); err != nil {
				return err
			}
		}
		return nil
	})
	out := &apiv1.Bound{Node: path}
	if err != nil {
		if !refused(err) {
			return nil, err
		}
		w.ends = w.ends[:ends]
		out.Waits = iam.CodeOf(err)
		i := iam.Invitation{}
		if a.Invitation != nil {
			i = *a.Invitation
		}
		i.Waits = out.Waits
		if err := w.Tx.Invite(n, login, a.Roles, &i); err != nil {
			return nil, err
		}
	}
	held, err := w.Roles(n, user)
	out.Roles = texts(held)
	return out, err
}

// raise gives a user the role of an invitation, unless he holds it or, where there can be but one, a higher one. Whoever invited
// him had the right to; what must be true of assignments is decided now.
func (w *work) raise(n iam.NodeID, user iam.Subject, role iam.RoleID) error {
	node, m, err := w.at(n)
	if err != nil {
		return err
	}
	held, err := w.Roles(n, user)
	if err != nil {
		return err
	}
	if l := m.Level(node.Level); l != nil && l.Exclusive && len(held) > 0 {
		place := func(id iam.RoleID) int {
			return slices.IndexFunc(l.Roles, func(r access.RoleSchema) bool { return r.ID == id })
		}
		if place(held[0]) <= place(role) {
			return nil
		}
	}
	binding := access.Actor{Subject: w.by.Subject, Authority: access.ByConfiguration}
	_, after, fresh, err := w.granted(binding, m, n, user, role)
	if err != nil || !fresh {
		return err
	}
	return w.Assign(n, user, after)
}
