package directory

import (
	"context"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// An Acceptance is how somebody takes up what a link offers: an invitation to a node, or to run the installation.
type Acceptance struct {
	Link *iam.Link
	// User is whose account it is for; "": that of somebody new, who is called as follows.
	User                        iam.UserID
	Name, DisplayName, Password string
}

var errOver = iam.Refuse(iam.Forbidden, "invitation_over", "this invitation was taken back, taken up or replaced: ask for a new one")

// byLink is who does what follows from a link: whoever made the link had the right to.
var byLink = By{Actor: access.Actor{Authority: access.ByConfiguration}, Name: "one-time link"}

// An Offer is what a link offers, for the page that asks whether to take it.
type Offer struct {
	Path  string   // of the node, by names; "": the whole installation
	Name  string   // of the node, for people
	Roles []string // that whoever accepts gets
}

// Offered returns what a link offers. Its error is iam.Forbidden with the code invitation_over when that is not offered any more.
func (s *Service) Offered(ctx context.Context, l *iam.Link) (out Offer, err error) {
	if l.Node == "" {
		return Offer{Roles: []string{string(iam.Operator)}}, nil
	}
	err = s.view(ctx, func(w *work) error {
		a, err := w.offered(l)
		if err != nil {
			return err
		}
		n, err := w.Node(l.Node)
		if err != nil {
			return err
		}
		out.Roles = texts(a.Roles)
		if out.Name = n.DisplayName; out.Name == "" {
			out.Name = n.Name
		}
		out.Path, err = w.pathOf(l.Node)
		return err
	})
	return out, err
}

// offered returns what waits for whoever has a link: the one invitation that the link was made for.
func (w *work) offered(l *iam.Link) (iam.Assignment, error) {
	n, err := w.Node(l.Node)
	if err != nil {
		return iam.Assignment{}, err
	}
	if n == nil {
		return iam.Assignment{}, errOver
	}
	a, err := w.Assignment(l.Node, iam.LoginNamed(iam.ConnectorEmail, l.Email))
	if err == nil && (len(a.Roles) == 0 || a.Invitation == nil || !a.Invitation.At.Equal(l.InvitedAt)) {
		err = errOver
	}
	return a, err
}

// Accept gives whoever has a link what it offers, to an account that is there or to a new one, and returns the account. A link that was
// mailed proves the address; one that was handed over does not, and is good for its own invitation alone. What the access model
// refuses leaves everything as it was.
func (s *Service) Accept(ctx context.Context, a Acceptance) (*iam.User, error) {
	hash := ""
	if a.User == "" {
		if err := checkUser(a.Name, a.spec(), false); err != nil {
			return nil, err
		}
		var err error
		if hash, err = s.Secrets.HashPassword(ctx, a.Password); err != nil { // outside of the transaction, which may run more than once
			return nil, err
		}
	}
	var user *iam.User
	err := s.update(ctx, byLink, func(w *work) (err error) {
		var offer iam.Assignment
		if a.Link.Node != "" {
			if offer, err = w.offered(a.Link); err != nil {
				return err
			}
		}
		if user, err = w.accepting(a, hash); err != nil || a.Link.Node == "" {
			return err
		}
		if err := w.Assign(a.Link.Node, offer.Subject, nil); err != nil { // first, so that it holds no seat of its own any more
			return err
		}
		for _, role := range offer.Roles {
			if err := w.raise(a.Link.Node, user.ID.Subject(), role); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	_, err = s.bindAddress(ctx, byLink, user)
	return user, err
}

// spec is how somebody new describes himself.
func (a *Acceptance) spec() *apiv1.UserSpec {
	spec := &apiv1.UserSpec{
		Email: a.Link.Email, EmailVerified: a.Link.Mailed && a.Link.Email != "", Password: &apiv1.SecretRef{Value: a.Password},
	}
	if a.DisplayName != "" {
		spec.Claims = map[string]any{"name": a.DisplayName}
	}
	return spec
}

// accepting finds or makes the account of an Acceptance.
func (w *work) accepting(a Acceptance, hash string) (*iam.User, error) {
	l := a.Link
	if l.Mailed {
		owner, err := w.ownerOf(strings.ToLower(l.Email))
		if err != nil {
			return nil, err
		}
		if owner != nil && owner.ID != a.User {
			return nil, iam.Refuse(iam.Forbidden, "account_exists", "somebody with this address has an account here already: sign in to it first")
		}
	}
	if a.User == "" {
		named, err := w.UserNamed(a.Name)
		if err != nil {
			return nil, err
		}
		if named != nil {
			return nil, iam.Refuse(iam.Conflict, "name_taken", "somebody else has this user name: choose another")
		}
		spec := a.spec()
		u := &iam.User{
			ID: iam.UserID(w.newID("u", a.Name)), Name: a.Name, Email: spec.Email, EmailVerified: spec.EmailVerified, Claims: spec.Claims,
			PasswordHash: hash, CreatedAt: w.s.Now().UTC(),
		}
		if l.Purpose == iam.LinkOperator {
			u.PlatformRole = iam.Operator
		}
		return u, w.PutUser(u)
	}
	u, err := w.User(a.User)
	switch {
	case err != nil:
		return nil, err
	case u == nil || u.Disabled || l.Purpose != iam.LinkInvitation:
		return nil, errOver
	case u.Email != "" && !strings.EqualFold(u.Email, l.Email):
		return nil, iam.Refuse(iam.Forbidden, "another_address", "this invitation is for another address than that of your account")
	case !l.Mailed || u.EmailVerified:
		return u, nil
	}
	u.Email, u.EmailVerified = l.Email, true
	return u, w.PutUser(u)
}

// VerifyAddress notes that an address is known to be a user's, if it still is the one that the user names, and gives the user what it
// was invited to.
func (s *Service) VerifyAddress(ctx context.Context, user iam.UserID, address string) error {
	var known *iam.User
	err := s.update(ctx, byLink, func(w *work) error {
		u, err := w.User(user)
		if err != nil {
			return err
		}
		if u == nil || u.Disabled || !strings.EqualFold(u.Email, address) {
			return iam.Refuse(iam.Forbidden, "another_address", "this link is for another address than that of the account")
		}
		if known = u; u.EmailVerified {
			return nil
		}
		owner, err := w.ownerOf(strings.ToLower(address))
		if err != nil {
			return err
		}
		if owner != nil && owner.ID != user {
			return iam.Refuse(iam.Conflict, "address_taken", "another account has proved to have this address")
		}
		u.EmailVerified = true
		return w.PutUser(u)
	})
	if err != nil {
		return err
	}
	_, err = s.bindAddress(ctx, byLink, known)
	return err
}
