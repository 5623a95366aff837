package authn

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// PasswordUsers finds people by what they type: their name, or their address if it is verified. Both return nil for nobody.
type PasswordUsers interface {
	UserNamed(ctx context.Context, name string) (*iam.User, error)
	UserAddressed(ctx context.Context, address string) (*iam.User, error)
}

// A PasswordHasher checks passwords; secret.Hasher does. An empty hash matches none and takes as long as any.
type PasswordHasher interface {
	VerifyPassword(ctx context.Context, hash, password string) (ok, upgrade bool, err error)
}

// Passwords checks passwords, and slows down whoever guesses them without locking out whom they belong to.
type Passwords struct {
	Users    PasswordUsers
	Hasher   PasswordHasher
	Tallies  Tallies
	Browsers *Browsers
	// Rehash stores a password anew because its hash was made at a lower cost than today's. It does nothing when the hash is not the
	// one that was read any more.
	Rehash func(ctx context.Context, user iam.UserID, was, password string) error
	Now    func() time.Time
}

// The one answer to a name that nobody has, to a wrong password, and for people who are disabled or have none.
var errWrong = iam.Refuse(iam.Invalid, "wrong_credentials", "the user name or the password is not right")

var errGuesses = iam.Refuse(iam.TooMany, "too_many_attempts", "there were too many attempts to sign in: wait, then try again")

// Check returns whose name, or verified address, and password these are. Its errors are iam.Invalid with the code wrong_credentials,
// whatever was wrong, iam.TooMany (with a web.Wait) when it was tried too often, and iam.Unavailable; the right password is not told from a
// wrong one by either of the last two.
func (p *Passwords) Check(r *http.Request, name, password string) (*iam.User, error) {
	name = spelled(name)
	u, err := p.find(r.Context(), name)
	if err != nil {
		return nil, err
	}
	account := "?" + name
	if u != nil {
		account = string(u.ID)
		web.Add(r.Context(), slog.String("user_id", account))
	}
	return u, p.check(r, u, account, password)
}

// Named returns whose name, or verified address, somebody has typed; nil when it is nobody's.
func (p *Passwords) Named(ctx context.Context, typed string) (*iam.User, error) {
	return p.find(ctx, spelled(typed))
}

func spelled(name string) string { return strings.ToLower(strings.TrimSpace(norm.NFKC.String(name))) }

// Confirm checks the password of somebody who is signed in, under the same limits.
func (p *Passwords) Confirm(r *http.Request, u *iam.User, password string) error {
	return p.check(r, u, string(u.ID), password)
}

func (p *Passwords) find(ctx context.Context, name string) (*iam.User, error) {
	named, err := p.Users.UserNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	addressed, err := p.Users.UserAddressed(ctx, name) // always, so that both kinds of names cost the same
	if err != nil || named == nil {
		return addressed, err
	}
	return named, nil
}

func (p *Passwords) check(r *http.Request, u *iam.User, account, password string) error {
	ctx, now, device, hash := r.Context(), p.Now(), "", ""
	if u != nil {
		device = p.Browsers.Knows(r, u.ID)
		if !u.Disabled {
			hash = u.PasswordHash
		}
	}
	at := guessesAt(account, device, web.Peer(ctx))
	wait, err := take(ctx, p.Tallies, at, now)
	if err != nil {
		return err
	}
	if wait > 0 {
		web.Add(ctx, slog.Bool("guessing", true)) // for whoever watches the log
		return errGuesses.WithCause(web.Wait(wait))
	}
	if len(password) > secret.MaxLength {
		return errWrong // before any work is done on it
	}
	ok, upgrade, err := p.Hasher.VerifyPassword(ctx, hash, password)
	if err != nil { // it is not known whether it was right: it was no guess
		_ = giveBack(ctx, p.Tallies, at, now) // what fails here counts one guess too many, no more
		return err
	}
	if !ok {
		return errWrong
	}
	if err := giveBack(ctx, p.Tallies, at, now); err != nil {
		return err
	}
	if upgrade {
		return p.Rehash(ctx, u.ID, hash, password)
	}
	return nil
}
