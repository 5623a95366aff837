package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// PathDevelopment is where the link of serve --dev leads.
const PathDevelopment = "/login/dev"

// A Link signs one person in, once. It lives as long as the process that has printed it: another start knows another.
type Link struct {
	// User returns whom it signs in, nil when there is no such person.
	User  func(ctx context.Context) (*iam.User, error)
	token string
	used  atomic.Bool
}

// NewLink returns a link under a new secret.
func NewLink(user func(ctx context.Context) (*iam.User, error)) *Link {
	return &Link{User: user, token: rand.Text()}
}

// URL returns the link, below an issuer.
func (l *Link) URL(issuer string) string {
	return issuer + PathDevelopment + "?token=" + url.QueryEscape(l.token)
}

var errLink = iam.Refuse(iam.Invalid, "invalid_link", "this link was used already, or belongs to an earlier start: the server prints a new one when it starts")

func (l *Link) open(ctx context.Context, token string) (*iam.User, error) {
	if subtle.ConstantTimeCompare([]byte(token), []byte(l.token)) != 1 || l.used.Load() {
		return nil, errLink
	}
	u, err := l.User(ctx)
	if err == nil && (u == nil || u.Disabled) {
		err = errLink
	}
	return u, err
}

// showLink asks before the link is used up: programs that look at links follow them, and press no button.
func (s *Server) showLink(w http.ResponseWriter, r *http.Request) error {
	query, err := web.ReadQuery(r)
	if err != nil {
		return err
	}
	u, err := s.Development.open(r.Context(), query.Get("token"))
	if err != nil {
		return err
	}
	return page.Write(w, http.StatusOK, &page.Link{
		Head: s.head(w, r, "Sign in", web.Form{}, nil, nil), Name: u.Name, Token: query.Get("token"),
	})
}

func (s *Server) followLink(w http.ResponseWriter, r *http.Request) error {
	if err := s.Cookies.CheckForm(r); err != nil {
		return err
	}
	u, err := s.Development.open(r.Context(), web.FormOf(r.Context()).Get("token"))
	if err != nil {
		return err
	}
	if !s.Development.used.CompareAndSwap(false, true) {
		return errLink
	}
	return s.signIn(w, r, nil, authn.Authentication{User: u, ACR: "1", AMR: []string{"otp"}})
}
