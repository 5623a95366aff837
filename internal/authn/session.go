package authn

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// SessionStore keeps sessions. ChangeSession calls fn again when somebody was faster; it gets nil when there is no session.
type SessionStore interface {
	Session(ctx context.Context, id string) (*iam.Session, error)
	CreateSession(ctx context.Context, s *iam.Session) error
	ChangeSession(ctx context.Context, id string, fn func(*iam.Session) (write bool, err error)) error
	User(ctx context.Context, id iam.UserID) (*iam.User, error)
	Revoked(ctx context.Context, iat time.Time, refs ...iam.RevocationRef) (bool, error)
	IssuedAfter(now time.Time, refs ...iam.RevocationRef) time.Time
}

// Sessions says who is signed in in a browser. The cookie carries the session's id and a secret, of which the store has a hash; the
// id alone, which tokens carry as sid, opens nothing.
type Sessions struct {
	Store   SessionStore
	Cookies *web.Cookies
	Endings *Endings
	// Idle is how long a session lasts without being used, Lifetime how long in all.
	Idle, Lifetime time.Duration
	// Counts reports whether a sign-in at a time by a connector still counts. nil: each does.
	Counts func(ctx context.Context, connector string, at time.Time) (bool, error)
	Now    func() time.Time
}

// A Person is somebody who is signed in: the session, and who it is.
type Person struct {
	Session *iam.Session
	User    *iam.User
}

// seenGrain is how exact the time of the last use is: a session costs at most one write a minute.
const seenGrain = time.Minute

// Current returns who is signed in in the browser that sent the request, nil when nobody is. Its error is iam.Unavailable.
func (s *Sessions) Current(r *http.Request) (*Person, error) {
	ctx, now := r.Context(), s.Now()
	id, hash, ok := s.cookie(r)
	if !ok {
		return nil, nil
	}
	session, err := s.Store.Session(ctx, id)
	if err != nil || session == nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(hash), []byte(session.Hash)) != 1 || !now.Before(session.EndsAt) || now.Sub(session.SeenAt) > s.Idle {
		return nil, nil
	}
	user, err := s.Store.User(ctx, session.User)
	if err != nil || user == nil || user.Disabled {
		return nil, err
	}
	// Whatever ends all tokens of a person, such as a new password, ends the sessions from before it as well.
	ended, err := s.Store.Revoked(ctx, session.AuthTime,
		iam.RevocationRef{Kind: iam.RevokedUser, ID: string(user.ID)}, iam.RevocationRef{Kind: iam.RevokedSession, ID: session.ID})
	if err != nil || ended {
		return nil, err
	}
	if session.Connector != "" && s.Counts != nil {
		if counts, err := s.Counts(ctx, session.Connector, session.AuthTime); err != nil || !counts {
			return nil, err
		}
	}
	if now.Sub(session.SeenAt) >= seenGrain {
		err = s.Store.ChangeSession(ctx, id, func(v *iam.Session) (bool, error) {
			if v == nil || v.Hash != session.Hash {
				return false, nil
			}
			v.SeenAt = now
			return true, nil
		})
		if err != nil {
			return nil, err
		}
		session.SeenAt = now
	}
	return &Person{session, user}, nil
}

func (s *Sessions) cookie(r *http.Request) (id, hash string, ok bool) {
	id, key, ok := strings.Cut(s.Cookies.Session(r), ".")
	return id, hashOf(key), ok && id != "" && key != ""
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// An Authentication is how somebody has just proved to be a user.
type Authentication struct {
	User      *iam.User
	ACR       string
	AMR       []string // RFC 8176
	Connector string   // the upstream provider; "": here
}

// SignIn begins a session in the browser that sent the request, and returns it when it is durable. A browser that has shown a session
// of the same person goes on with that one, as a step-up, under a new secret; any other session of the browser ends. What the cookie
// said before is worth nothing afterwards.
func (s *Sessions) SignIn(w http.ResponseWriter, r *http.Request, a Authentication) (*iam.Session, error) {
	ctx := r.Context()
	before, err := s.Current(r)
	if err != nil {
		return nil, err
	}
	// Right after a mark that ended this person's sessions, a new one must be younger than the mark. Marks are exact to a second; a
	// request that asks for a fresh sign-in has to see that this one is.
	now := s.Now()
	if after := s.Store.IssuedAfter(now, iam.RevocationRef{Kind: iam.RevokedUser, ID: string(a.User.ID)}); after.After(now) {
		now = after
	}
	key := random()
	if before != nil && before.User.ID == a.User.ID {
		var session *iam.Session
		err := s.Store.ChangeSession(ctx, before.Session.ID, func(v *iam.Session) (bool, error) {
			if session = v; v == nil {
				return false, nil
			}
			v.Hash, v.AuthTime, v.SeenAt = hashOf(key), now, now
			v.ACR, v.AMR, v.Connector = a.ACR, a.AMR, a.Connector
			return true, nil
		})
		if err != nil {
			return nil, err
		}
		if session != nil {
			s.Cookies.SetSession(w, session.ID+"."+key, session.EndsAt)
			return session, nil
		}
	}
	session := &iam.Session{
		ID: iam.NewID("sid"), User: a.User.ID, Hash: hashOf(key), AuthTime: now, ACR: a.ACR, AMR: a.AMR, Connector: a.Connector,
		CreatedAt: now, SeenAt: now, EndsAt: now.Add(s.Lifetime), Network: web.Peer(ctx).String(), Agent: cut(r.UserAgent(), 200),
	}
	if err := s.Store.CreateSession(ctx, session); err != nil {
		return nil, err
	}
	if before != nil {
		if err := s.Endings.SignOut(ctx, before.Session); err != nil {
			return nil, err
		}
	}
	s.Cookies.SetSession(w, session.ID+"."+key, session.EndsAt)
	return session, nil
}

// maxClients bounds how many clients a session remembers.
const maxClients = 100

// Uses notes that the person has signed in to a client from a session, which is told when the session ends.
func (s *Sessions) Uses(ctx context.Context, session *iam.Session, c iam.ClientID) error {
	if slices.Contains(session.Clients, c) {
		return nil
	}
	return s.Store.ChangeSession(ctx, session.ID, func(v *iam.Session) (bool, error) {
		if v == nil || slices.Contains(v.Clients, c) {
			return false, nil
		}
		if v.Clients = append(v.Clients, c); len(v.Clients) > maxClients {
			v.Clients = v.Clients[1:]
		}
		return true, nil
	})
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
