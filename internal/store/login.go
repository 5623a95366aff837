package store

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// maxLogins bounds how many upstream accounts one user has, so that the user is removed with them in one transaction.
const maxLogins = 10

// loginName is the record of whom a name at a provider was first known to be. It stays when the account changes its name, so that
// what was written down about that name never becomes a stranger's.
type loginName struct {
	User    iam.UserID `json:"user"`
	Subject string     `json:"subject,omitempty"` // of an address: none
}

// LoginNamed returns the user whom a name at a provider was first known to be and still is linked to, "" when there is none. Of
// addresses that is the user whose verified address it is.
func (tx *Tx) LoginNamed(connector, name string) (iam.UserID, error) {
	r, err := read(tx, loginNames, join(connector, name))
	if err != nil || r == nil {
		return "", err
	}
	if connector == iam.ConnectorEmail {
		u, err := tx.User(r.User)
		if err != nil || u == nil || u.VerifiedAddress() != name {
			return "", err
		}
		return u.ID, nil
	}
	l, err := tx.Login(connector, r.Subject)
	if err != nil || l == nil {
		return "", err
	}
	return l.User, nil
}

// nameLogin notes whom a name is known to be, unless it is known to be somebody already.
func (tx *Tx) nameLogin(connector, name string, r *loginName) error {
	if name == "" || !kv.ValidID(join(connector, name)) {
		return nil // it is none that an invitation can have
	}
	first, err := tx.LoginNamed(connector, name)
	if err != nil || first != "" {
		return err
	}
	return put(tx, loginNames, join(connector, name), r)
}

func loginID(l *iam.Login) string { return join(l.Connector, l.Subject) }

// Login returns the upstream account that a connector knows by this subject, nil when nobody's is. It is shared: read only.
func (s *Store) Login(ctx context.Context, connector, subject string) (*iam.Login, error) {
	return cached(ctx, s, logins, join(connector, subject))
}

// Login is Store.Login inside the transaction.
func (tx *Tx) Login(connector, subject string) (*iam.Login, error) {
	return read(tx, logins, join(connector, subject))
}

// Logins returns the upstream accounts of a user. Every change among them touches the user, who is therefore read first.
func (tx *Tx) Logins(u iam.UserID) ([]*iam.Login, error) {
	if _, err := tx.User(u); err != nil {
		return nil, err
	}
	list, err := ids(tx, userLogins, join(string(u), ""))
	if err != nil {
		return nil, err
	}
	out := make([]*iam.Login, 0, len(list))
	for _, id := range list {
		l, err := read(tx, logins, id)
		if err != nil {
			return nil, err
		}
		if l != nil {
			out = append(out, l)
		}
	}
	return out, nil
}

// PutLogin says whose an upstream account is. It never becomes another user's.
func (tx *Tx) PutLogin(l *iam.Login) error {
	old, err := tx.Login(l.Connector, l.Subject)
	if err != nil {
		return err
	}
	if old != nil {
		if old.User != l.User {
			return iam.Refuse(iam.Conflict, "login_taken", "this account at %q is another user's", l.Connector)
		}
		return tx.putLogin(l)
	}
	all, err := tx.Logins(l.User)
	if err != nil {
		return err
	}
	if len(all) >= maxLogins {
		return iam.Refuse(iam.Conflict, "too_many_logins", "a user has at most %d upstream accounts", maxLogins)
	}
	if err := tx.touchUser(l.User); err != nil {
		return err
	}
	if err := put(tx, userLogins, join(string(l.User), loginID(l)), &none{}); err != nil {
		return err
	}
	return tx.putLogin(l)
}

func (tx *Tx) putLogin(l *iam.Login) error {
	if err := put(tx, logins, loginID(l), l); err != nil {
		return err
	}
	return tx.nameLogin(l.Connector, l.Name, &loginName{User: l.User, Subject: l.Subject})
}

// DeleteLogin takes an upstream account from its user: whoever signs in with it is nobody.
func (tx *Tx) DeleteLogin(l *iam.Login) error {
	remove(tx, userLogins, join(string(l.User), loginID(l)))
	remove(tx, logins, loginID(l))
	remove(tx, mappedRoles, loginID(l))
	return tx.touchUser(l.User)
}

// touchUser gives a user a new version because what belongs to the user changes.
func (tx *Tx) touchUser(id iam.UserID) error {
	u, err := tx.User(id)
	if err != nil {
		return err
	}
	if u == nil {
		return iam.Errorf(iam.NotFound, "user %q does not exist", id)
	}
	return put(tx, users, string(id), u)
}
