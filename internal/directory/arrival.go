package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// byConnector is who does what follows from what a provider says: the configuration, which the operator has made.
func byConnector(c *iam.Connector) By {
	return By{Actor: access.Actor{Authority: access.ByConfiguration}, Name: "connector " + c.Name}
}

// Arrive returns whose account it is that somebody has just signed in with at a provider. Whoever comes for the first time becomes a
// user when the connector's rule lets him in; then, and at each further sign-in, he gets what he was invited to and what the mappings
// give, and loses what they gave and give no more. What the access model refuses of that waits, and keeps nobody out: it is returned.
func (s *Service) Arrive(ctx context.Context, c *iam.Connector, id *iam.Identity) (*iam.User, []error, error) {
	by, login := byConnector(c), loginOf(id)
	var user *iam.User
	err := s.update(ctx, by, func(w *work) (err error) {
		user, err = w.arrive(c, id, login)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if user.Disabled {
		return nil, nil, iam.Refuse(iam.Forbidden, "account_disabled", "your account here is disabled: ask whoever runs this service")
	}
	if _, err := s.link(ctx, by, user.ID, &login); err != nil {
		return nil, nil, err
	}
	if _, err := s.bindAddress(ctx, by, user); err != nil {
		return nil, nil, err
	}
	waits, err := s.follow(ctx, c, id, user.ID, login)
	return user, waits, err
}

// LinkArrival makes an account that somebody has just signed in with at a provider that of a user, who has proved to be here.
func (s *Service) LinkArrival(ctx context.Context, c *iam.Connector, id *iam.Identity, user iam.UserID) ([]error, error) {
	by, login := byConnector(c), loginOf(id)
	if _, err := s.link(ctx, by, user, &login); err != nil {
		return nil, err
	}
	return s.follow(ctx, c, id, user, login)
}

// loginOf is how an account at a provider is kept. A subject that cannot stand in a key is known by its hash; a name that cannot is
// none that somebody could be invited by.
func loginOf(id *iam.Identity) iam.Login {
	l := iam.Login{Connector: id.Connector, Subject: id.Subject, Name: id.Name}
	if checkAccount("subject", l.Subject, 200) != nil {
		sum := sha256.Sum256([]byte(l.Subject))
		l.Subject = "sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if checkAccount("login name", l.Name, 200) != nil {
		l.Name = ""
	}
	return l
}

// arrive finds or makes the user of an account.
func (w *work) arrive(c *iam.Connector, id *iam.Identity, login iam.Login) (*iam.User, error) {
	known, err := w.Tx.Login(login.Connector, login.Subject)
	if err != nil {
		return nil, err
	}
	if known != nil {
		u, err := w.User(known.User)
		if err == nil && u == nil {
			err = iam.Errorf(iam.Internal, "login %s/%s is that of user %q, who is gone", login.Connector, login.Subject, known.User)
		}
		return u, err
	}
	address := id.VerifiedAddress()
	if !isAddress(address) {
		address = ""
	}
	owner, err := w.ownerOf(address)
	if err != nil {
		return nil, err
	}
	if owner != nil {
		if !c.LinkAddress || owner.PlatformRole != "" {
			return nil, iam.Refuse(iam.Forbidden, "account_exists",
				"somebody with your address has an account here already: sign in to it as you do otherwise, and add %s on your account page", c.Title())
		}
		login.User, login.LinkedAt = owner.ID, w.s.Now().UTC()
		return owner, w.PutLogin(&login)
	}
	may, err := w.maySignUp(c, id, login, address)
	if err != nil {
		return nil, err
	}
	if !may {
		return nil, iam.Refuse(iam.Forbidden, "not_invited",
			"nobody here has invited your account at %s: ask whoever works with you here for an invitation", c.Title())
	}
	u, err := w.newcomer(id, address)
	if err != nil {
		return nil, err
	}
	login.User, login.LinkedAt = u.ID, u.CreatedAt
	return u, w.PutLogin(&login)
}

// ownerOf returns the user whose verified address it is, nil when there is none.
func (w *work) ownerOf(address string) (*iam.User, error) {
	if address == "" {
		return nil, nil
	}
	id, err := w.LoginNamed(iam.ConnectorEmail, address)
	if err != nil || id == "" {
		return nil, err
	}
	return w.User(id)
}

// maySignUp decides by the rule of the connector.
func (w *work) maySignUp(c *iam.Connector, id *iam.Identity, login iam.Login, address string) (bool, error) {
	if c.SignUp == iam.SignUpAnyone || c.SignUp == iam.SignUpMapped && len(c.Mapped(id)) > 0 {
		return true, nil
	}
	if login.Name != "" {
		if ok, err := w.invited(login.Connector, login.Name); err != nil || ok {
			return ok, err
		}
	}
	return w.invited(iam.ConnectorEmail, address)
}

// invited reports whether somebody waits for whoever has a name that is known to be nobody's yet.
func (w *work) invited(connector, name string) (bool, error) {
	if name == "" {
		return false, nil
	}
	if first, err := w.isFirst(connector, name, ""); err != nil || !first {
		return false, err
	}
	login := iam.LoginNamed(connector, name)
	h, err := w.Holding(login)
	if err != nil {
		return false, err
	}
	for _, n := range h.Nodes {
		a, err := w.Assignment(n, login)
		if err != nil || len(a.Roles) > 0 { // of one that has ended, there are none
			return err == nil, err
		}
	}
	return false, nil
}

// newcomer makes the user that somebody becomes at the first sign-in.
func (w *work) newcomer(id *iam.Identity, address string) (*iam.User, error) {
	name, err := w.freeName(id)
	if err != nil {
		return nil, err
	}
	u := &iam.User{ID: iam.UserID(w.newID("u", name)), Name: name, CreatedAt: w.s.Now().UTC(), Claims: profileOf(id.Profile)}
	switch {
	case address != "":
		u.Email, u.EmailVerified = id.Email, true
	case isAddress(id.Email) && !id.EmailVerified:
		u.Email = id.Email
	}
	return u, w.PutUser(u)
}

// profileOf keeps the claims that a user may have.
func profileOf(claims map[string]any) map[string]any {
	out := make(map[string]any)
	for name, v := range claims {
		var f faults
		if checkClaims(&f, map[string]any{name: v}); f.err() == nil {
			out[name] = v
		}
	}
	return out
}

func isAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 254
}

// freeName makes of what the provider calls somebody a name that a user can have and that nobody has.
func (w *work) freeName(id *iam.Identity) (string, error) {
	base, _, _ := strings.Cut(id.Name, "@")
	if base == "" {
		base, _, _ = strings.Cut(id.Email, "@")
	}
	base = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, base)
	base = strings.Trim(base[:min(len(base), iam.MaxName-4)], "._-")
	if checkName("user", base) != nil {
		base = "user"
	}
	for i := 1; i < 100; i++ {
		name := base
		if i > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		if u, err := w.UserNamed(name); err != nil || u == nil {
			return name, err
		}
	}
	_, random, _ := strings.Cut(iam.NewID("u"), "_")
	return base[:min(len(base), 40)] + "-" + random, nil
}

// follow gives and takes back what the mappings of a connector say, each in a transaction of its own: what is taken first, so that
// somebody who moves from one group to another needs no second seat.
func (s *Service) follow(ctx context.Context, c *iam.Connector, id *iam.Identity, user iam.UserID, login iam.Login) (waits []error, err error) {
	var had iam.MappedRoles
	var want iam.MappedRoles
	err = s.view(ctx, func(w *work) (err error) {
		if had, err = w.Mapped(login.Connector, login.Subject); err != nil {
			return err
		}
		want, waits, err = w.mappedTo(c.Mapped(id))
		return err
	})
	if err != nil {
		return nil, err
	}
	var steps []func(w *work, m *iam.MappedRoles) error
	for _, r := range had.Roles {
		if !slices.Contains(want.Roles, r) {
			steps = append(steps, func(w *work, m *iam.MappedRoles) error { return w.takeMappedRole(m, user, r) })
		}
	}
	for _, g := range had.Groups {
		if !slices.Contains(want.Groups, g) {
			steps = append(steps, func(w *work, m *iam.MappedRoles) error { return w.takeMappedGroup(m, user, g) })
		}
	}
	for _, g := range want.Groups {
		steps = append(steps, func(w *work, m *iam.MappedRoles) error { return w.giveMappedGroup(m, user, g) })
	}
	for _, r := range want.Roles {
		steps = append(steps, func(w *work, m *iam.MappedRoles) error { return w.giveMappedRole(m, user, r) })
	}
	for _, step := range steps {
		err := s.update(ctx, byConnector(c), func(w *work) error {
			m, err := w.Mapped(login.Connector, login.Subject)
			if err != nil {
				return err
			}
			m.Roles, m.Groups = slices.Clone(m.Roles), slices.Clone(m.Groups)
			before := len(m.Roles) + len(m.Groups)
			if err := step(w, &m); err != nil || len(m.Roles)+len(m.Groups) == before {
				return err
			}
			return w.PutMapped(login.Connector, login.Subject, m)
		})
		switch {
		case err != nil && refused(err):
			waits = append(waits, err)
		case err != nil:
			return waits, err
		}
	}
	return waits, nil
}

// mappedTo resolves what mappings give. What is gone since they were written gives nothing.
func (w *work) mappedTo(mappings []iam.ConnectorMapping) (want iam.MappedRoles, waits []error, err error) {
	for _, m := range mappings {
		n, model, err := w.at(m.Node)
		if err != nil {
			if !refused(err) {
				return want, nil, err
			}
			waits = append(waits, err)
			continue
		}
		if r := (iam.MappedRole{Node: n.ID, Role: m.Role}); m.Role != "" && !slices.Contains(want.Roles, r) {
			want.Roles = append(want.Roles, r)
		}
		if m.Group == "" {
			continue
		}
		id, err := w.groupAt(model, n.ID, m.Group)
		if err != nil {
			if !refused(err) {
				return want, nil, err
			}
			waits = append(waits, err)
			continue
		}
		if g := (iam.MappedGroup{Group: id}); !slices.Contains(want.Groups, g) {
			want.Groups = append(want.Groups, g)
		}
	}
	return want, waits, nil
}

// giveMappedRole gives a role that a mapping calls for. What the user holds already is not the mapping's to take back.
func (w *work) giveMappedRole(m *iam.MappedRoles, user iam.UserID, r iam.MappedRole) error {
	held, err := w.Roles(r.Node, user.Subject())
	if err != nil || slices.Contains(held, r.Role) {
		return err
	}
	if err := w.raise(r.Node, user.Subject(), r.Role); err != nil {
		return err
	}
	held, err = w.Roles(r.Node, user.Subject())
	if err == nil && slices.Contains(held, r.Role) && !slices.Contains(m.Roles, r) {
		m.Roles = append(m.Roles, r)
	}
	return err
}

func (w *work) takeMappedRole(m *iam.MappedRoles, user iam.UserID, r iam.MappedRole) error {
	m.Roles = slices.DeleteFunc(m.Roles, func(x iam.MappedRole) bool { return x == r })
	n, err := w.Node(r.Node)
	if err != nil || n == nil {
		return err
	}
	held, err := w.Roles(r.Node, user.Subject())
	if err != nil || !slices.Contains(held, r.Role) {
		return err
	}
	w.Safe()
	return w.unassign(r.Node, user.Subject(), r.Role)
}

func (w *work) giveMappedGroup(m *iam.MappedRoles, user iam.UserID, g iam.MappedGroup) error {
	if is, err := w.isMember(g.Group, user); err != nil || is {
		return err
	}
	if err := w.member(g.Group, user, true); err != nil {
		return err
	}
	is, err := w.isMember(g.Group, user)
	if err == nil && is && !slices.Contains(m.Groups, g) {
		m.Groups = append(m.Groups, g)
	}
	return err
}

func (w *work) takeMappedGroup(m *iam.MappedRoles, user iam.UserID, g iam.MappedGroup) error {
	m.Groups = slices.DeleteFunc(m.Groups, func(x iam.MappedGroup) bool { return x == g })
	w.Safe()
	return w.member(g.Group, user, false)
}
