package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/mail"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// The life of an invitation: unless it says how long, and at most.
const (
	invitationLife    = 14 * 24 * time.Hour
	maxInvitationLife = 365 * 24 * time.Hour
)

// Invitations lists the invitations to a node, for those who may see who is there.
func (s *Service) Invitations(ctx context.Context, by By, ref string, p store.PageOptions) (out apiv1.Page[apiv1.Invitation], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		if err := w.needList(m, n.ID); err != nil {
			return err
		}
		page, err := s.Store.Invitations(ctx, n.ID, p)
		out, err = show(page, err, w.showInvitation)
		return err
	})
	return out, err
}

// Invite invites somebody to a node. Whoever is invited again has the new role and the new time.
func (s *Service) Invite(ctx context.Context, by By, ref string, n apiv1.NewInvitation) (out apiv1.Invitation, err error) {
	life := invitationLife
	if n.ExpiresIn != nil {
		if life = time.Duration(*n.ExpiresIn); life < time.Second || life > maxInvitationLife {
			return out, iam.Errorf(iam.Invalid, "expires_in: want 1s to %v, got %v", apiv1.Duration(maxInvitationLife), n.ExpiresIn)
		}
	}
	login := n.Login
	if n.Email != "" {
		login = &apiv1.Login{Connector: iam.ConnectorEmail, Name: n.Email}
	}
	if login == nil || n.Email != "" && n.Login != nil {
		return out, iam.Errorf(iam.Invalid, "want one of email and login")
	}
	err = s.update(ctx, by, func(w *work) error {
		at, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		sub, err := loginSubject(login.Connector, login.Name)
		if err != nil {
			return err
		}
		if _, err := w.invite(m, at.ID, sub, iam.RoleID(n.Role), life); err != nil {
			return err
		}
		a, err := w.Assignment(at.ID, sub)
		if err != nil {
			return err
		}
		out, err = w.showInvitation(a)
		return err
	})
	return out, err
}

// invite gives a role to a login for a time, "" being the role for those who join.
func (w *work) invite(m *access.Model, n iam.NodeID, login iam.Subject, role iam.RoleID, life time.Duration) (iam.RoleID, error) {
	role, after, _, err := w.granted(w.by.Actor, m, n, login, role)
	if err != nil {
		return "", err
	}
	now := w.s.Now().UTC().Truncate(time.Second)
	return role, w.Tx.Invite(n, login, after, &iam.Invitation{By: w.by.Subject, At: now, ExpiresAt: now.Add(life)})
}

// DeleteInvitation takes an invitation back.
func (s *Service) DeleteInvitation(ctx context.Context, by By, ref, id string) error {
	return s.update(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(ref)
		if err != nil {
			return err
		}
		if err := w.needList(m, n.ID); err != nil {
			return err
		}
		login, err := w.invitation(n.ID, id)
		if err != nil {
			return err
		}
		err = w.decide(func(r access.Roster) error {
			_, err := m.Remove(r, w.by.Actor, n.ID, login, "")
			return err
		})
		if err != nil {
			return err
		}
		w.Safe()
		return w.Tx.Assign(n.ID, login, nil)
	})
}

// invitation finds the login that an invitation to a node is about.
func (w *work) invitation(n iam.NodeID, id string) (iam.Subject, error) {
	for p := (store.PageOptions{Limit: 1000}); ; {
		page, err := w.s.Store.Invitations(w.ctx, n, p)
		if err != nil {
			return iam.Subject{}, err
		}
		for _, a := range page.Items {
			if invitationID(n, a.Subject) == id {
				return a.Subject, nil
			}
		}
		if p.After = page.Next; p.After == "" {
			return iam.Subject{}, missing("invitation", id)
		}
	}
}

// invitationID names an invitation without telling whom it is about: identifiers stand in URLs and logs.
func invitationID(n iam.NodeID, login iam.Subject) string { return opaqueID("i", string(n), login.ID) }

// opaqueID makes an identifier that the parts decide, and that does not show them.
func opaqueID(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return prefix + "_" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

func (w *work) showInvitation(a iam.Assignment) (apiv1.Invitation, error) {
	connector, name, _ := strings.Cut(a.Subject.ID, "/")
	out := apiv1.Invitation{ID: invitationID(a.Node, a.Subject), Login: apiv1.Login{Connector: connector, Name: name}, Roles: texts(a.Roles)}
	i := a.Invitation
	if i == nil {
		return out, nil // it stands in the configuration
	}
	out.CreatedAt, out.ExpiresAt, out.Waits = i.At, i.ExpiresAt, i.Waits
	out.InvitedBy = i.By.String()
	if i.By.Kind == iam.SubjectUser {
		who, err := w.nameOfUser(iam.UserID(i.By.ID))
		out.InvitedBy = who
		return out, err
	}
	return out, nil
}

// loginSubject checks the name of an account at a provider and returns the subject that it is. Addresses have one spelling.
func loginSubject(connector, name string) (iam.Subject, error) {
	if connector == iam.ConnectorEmail {
		a, err := mail.ParseAddress(name)
		if err != nil || a.Address != name {
			return iam.Subject{}, iam.Errorf(iam.Invalid, "email: %.80q is not an address", name)
		}
		name = strings.ToLower(name)
	}
	if err := errors.Join(iam.CheckName("connector", connector), checkAccount("login name", name, 200)); err != nil {
		return iam.Subject{}, err
	}
	return iam.LoginNamed(connector, name), nil
}

// checkAccount refuses what could not stand in a key.
func checkAccount(what, text string, most int) error {
	if text == "" || len(text) > most || strings.ContainsFunc(text, func(r rune) bool { return r <= 0x20 || r >= 0x7f || strings.ContainsRune("/{};", r) }) {
		return iam.Errorf(iam.Invalid, "%s %.40q: want 1 to %d printable characters without space / { } ;", what, text, most)
	}
	return nil
}
