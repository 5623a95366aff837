package directory

import (
	"context"
	"encoding/json"
	"net/mail"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// User returns a user by id or name.
func (s *Service) User(ctx context.Context, ref string) (out apiv1.User, err error) {
	err = s.view(ctx, func(w *work) error {
		u, err := w.user(ref)
		if err == nil {
			out = showUser(u)
		}
		return err
	})
	return out, err
}

// Users lists users by name.
func (s *Service) Users(ctx context.Context, p store.PageOptions) (apiv1.Page[apiv1.User], error) {
	page, err := s.Store.Users(ctx, p)
	return show(page, err, func(u *iam.User) (apiv1.User, error) { return showUser(u), nil })
}

// CreateUser makes a user.
func (s *Service) CreateUser(ctx context.Context, by By, n apiv1.NewUser) (apiv1.User, error) {
	return s.putUser(ctx, by, n.Name, &n.UserSpec, toCreate)
}

// UpdateUser replaces a user's spec. A spec without a password leaves the password as it is.
func (s *Service) UpdateUser(ctx context.Context, by By, ref string, spec apiv1.UserSpec, e Expect) (apiv1.User, error) {
	u, err := s.User(ctx, ref)
	if err != nil {
		return apiv1.User{}, err
	}
	return s.putUser(ctx, by, u.Name, &spec, e)
}

func (s *Service) putUser(ctx context.Context, by By, name string, spec *apiv1.UserSpec, e Expect) (out apiv1.User, err error) {
	var known *iam.User
	err = s.update(ctx, by, func(w *work) error {
		if _, err := w.ensureUser(name, spec, e); err != nil {
			return err
		}
		u, err := w.UserNamed(name)
		if err == nil {
			out, known = showUser(u), u
		}
		return err
	})
	if err != nil {
		return out, err
	}
	_, err = s.bindAddress(ctx, by, known)
	return out, err
}

// DeleteUser ends a user: the tokens, then the roles and memberships, then the record. Whoever is the last holder of a role that
// must be held cannot be deleted.
func (s *Service) DeleteUser(ctx context.Context, by By, ref string, e Expect) error {
	return s.execute(ctx, by, func(p *plan) error {
		u, err := p.user(ref)
		if err != nil {
			return err
		}
		if err := e.check(true, "user", ref, etag(showUser(u))); err != nil {
			return err
		}
		return p.deleteUser(u)
	})
}

// deleteUser plans the end of a user.
func (p *plan) deleteUser(u *iam.User) error {
	if err := p.needOperator("deleting users"); err != nil {
		return err
	}
	id := u.ID
	if p.by.Subject == id.Subject() {
		return iam.Refuse(iam.Conflict, "own_account", "you cannot delete the account that you act by")
	}
	h, err := p.Holding(id.Subject())
	if err != nil {
		return err
	}
	if err := p.step(func(w *work) (diff, error) { return w.disableUser(id) }); err != nil {
		return err
	}
	if err := p.dropAll(id.Subject(), h.Nodes); err != nil {
		return err
	}
	for _, g := range h.Groups {
		if err := p.step(func(w *work) (diff, error) { return diff{}, w.member(g, id, false) }); err != nil {
			return err
		}
	}
	return p.step(func(w *work) (diff, error) {
		w.end(iam.RevocationRef{Kind: iam.RevokedUser, ID: string(id)})
		return diff{action: apiv1.ActionDelete}, w.DeleteUser(id)
	})
}

func (w *work) disableUser(id iam.UserID) (diff, error) {
	u, err := w.User(id)
	if err != nil || u == nil || u.Disabled {
		return diff{}, err
	}
	if err := w.spare(u); err != nil {
		return diff{}, err
	}
	u.Disabled = true
	w.end(iam.RevocationRef{Kind: iam.RevokedUser, ID: string(id)})
	return diff{}, w.PutUser(u)
}

// spare refuses to disable the last holder of a role that somebody must hold: who is disabled holds none of these. That others are
// there is a condition of the transaction.
func (w *work) spare(u *iam.User) error {
	h, err := w.Holding(u.ID.Subject())
	if err != nil {
		return err
	}
	for _, id := range h.Nodes {
		n, m, err := w.at(id)
		if err != nil {
			return err
		}
		l := m.Level(n.Level)
		if l == nil || !slices.ContainsFunc(l.Roles, func(r access.RoleSchema) bool { return r.Min > 0 }) {
			continue // whatever is held at such a node, nobody must: it takes no room in the transaction
		}
		held, err := w.Roles(id, u.ID.Subject())
		if err != nil {
			return err
		}
		if n.Disabled || !mustBeHeld(m, n.Level, held) { // where nobody gets in, nobody need be left to open
			continue
		}
		err = w.decide(func(r access.Roster) error {
			_, err := m.Remove(r, access.Actor{Authority: access.ByOperator}, id, u.ID.Subject(), "")
			return err
		})
		if iam.CodeOf(err) == access.CodeLastHolder {
			return err
		}
		if err != nil && !refused(err) {
			return err
		}
		if _, err := w.Node(id); err != nil { // every change of its holders moves it
			return err
		}
	}
	return nil
}

// mustBeHeld reports whether one of the roles must always have a holder.
func mustBeHeld(m *access.Model, level iam.Level, roles []iam.RoleID) bool {
	l := m.Level(level)
	return l != nil && slices.ContainsFunc(l.Roles, func(r access.RoleSchema) bool { return r.Min > 0 && slices.Contains(roles, r.ID) })
}

func (w *work) ensureUser(name string, spec *apiv1.UserSpec, e Expect) (diff, error) {
	if err := w.needOperator("changing users"); err != nil {
		return diff{}, err
	}
	old, err := w.UserNamed(name)
	if err != nil {
		return diff{}, err
	}
	tag := ""
	if old != nil {
		tag = etag(showUser(old))
	}
	if err := e.check(old != nil, "user", name, tag); err != nil {
		return diff{}, err
	}
	if err := checkUser(name, spec, w.dry); err != nil {
		return diff{}, err
	}
	u := &iam.User{ID: iam.UserID(w.newID("u", name)), Name: name, CreatedAt: w.s.Now().UTC()}
	if old != nil {
		*u = *old
	}
	u.Email, u.EmailVerified, u.Claims = spec.Email, spec.EmailVerified, spec.Claims
	u.PlatformRole, u.Disabled = iam.PlatformRole(spec.PlatformRole), spec.Disabled
	password, err := w.password(u, spec.Password)
	if err != nil {
		return diff{}, err
	}
	d := diff{action: apiv1.ActionCreate}
	if old != nil {
		d = changeOf(showUser(old).UserSpec, showUser(u).UserSpec)
		if password {
			d.action, d.fields = apiv1.ActionChange, append(d.fields, "password")
		}
		if d.action == "" {
			return d, nil
		}
		if u.Email != old.Email || u.EmailVerified != old.EmailVerified || slices.Contains(d.fields, "claims") {
			u.ProfileChangedAt = w.s.Now().UTC()
		}
		if u.Disabled && !old.Disabled {
			if err := w.spare(old); err != nil {
				return diff{}, err
			}
		}
		// A password that somebody else may know ends whatever was opened by it.
		if password || u.Disabled && !old.Disabled || old.PlatformRole != "" && u.PlatformRole != old.PlatformRole {
			w.end(iam.RevocationRef{Kind: iam.RevokedUser, ID: string(u.ID)})
		}
		w.Safe()
	}
	return d, w.PutUser(u)
}

// password sets a new password and reports whether it was another before.
func (w *work) password(u *iam.User, ref *apiv1.SecretRef) (bool, error) {
	if ref == nil {
		return false, nil
	}
	if u.PasswordHash != "" {
		same, stale, err := w.s.Secrets.VerifyPassword(w.ctx, u.PasswordHash, ref.Value)
		if err != nil || same && !stale {
			return false, err
		}
	}
	if w.dry {
		return true, nil // nobody will read the hash
	}
	hash, err := w.s.Secrets.HashPassword(w.ctx, ref.Value)
	u.PasswordHash = hash
	return true, err
}

func checkUser(name string, spec *apiv1.UserSpec, dry bool) error {
	var f faults
	f.take("name", checkName("user", name))
	if spec.Email != "" {
		a, err := mail.ParseAddress(spec.Email)
		if err != nil || a.Address != spec.Email || len(spec.Email) > 254 {
			f.add("email", "%.80q is not an address", spec.Email)
		}
	} else if spec.EmailVerified {
		f.add("email_verified", "there is no email")
	}
	if p := spec.Password; p != nil {
		checkSecretValue(&f, "password", *p, dry)
		if p.Value != "" {
			f.take("password", secret.CheckPassword(p.Value, name, spec.Email))
		}
	}
	checkPlatformRole(&f, spec.PlatformRole)
	checkClaims(&f, spec.Claims)
	return f.err()
}

func checkPlatformRole(f *faults, role string) {
	if role != "" && role != string(iam.Operator) && role != string(iam.Auditor) {
		f.add("platform_role", "%.40q: want operator or auditor", role)
	}
}

// profileClaims are the claims of OpenID Connect Core §5.1 that are not ours to set or to verify.
var profileClaims = []string{
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
	"gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified", "address",
}

const maxClaims = 8 << 10

func checkClaims(f *faults, claims map[string]any) {
	for name, v := range claims {
		path := "claims." + name
		switch v := v.(type) {
		case string:
			checkText(f, path, v, 1024)
		case bool, float64:
		case map[string]any:
			if name != "address" {
				f.add(path, "want text")
			}
		default:
			f.add(path, "want text")
		}
		if !slices.Contains(profileClaims, name) {
			f.add(path, "want one of the profile claims of OpenID Connect: %v", profileClaims)
		}
	}
	if data, err := json.Marshal(claims); err != nil || len(data) > maxClaims {
		f.add("claims", "take more than %d bytes", maxClaims)
	}
	slices.SortFunc(f.fields, byPath) // a map has no order, and an answer should
}

func showUser(u *iam.User) apiv1.User {
	out := apiv1.User{ID: string(u.ID), Name: u.Name, CreatedAt: u.CreatedAt, UserSpec: apiv1.UserSpec{
		Email: u.Email, EmailVerified: u.EmailVerified, Claims: u.Claims, PlatformRole: string(u.PlatformRole), Disabled: u.Disabled,
	}}
	out.ETag = etag(out)
	return out
}
