package signin

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Links are what the pages behind one-time links need. A page that is looked at uses nothing; its button uses the link.
type Links struct {
	Links   *authn.Links
	Letters *authn.Letters
	User    func(ctx context.Context, id iam.UserID) (*iam.User, error)
	// Offered says what a link offers, Accept gives it to whoever has the link.
	Offered func(ctx context.Context, l *iam.Link) (directory.Offer, error)
	Accept  func(ctx context.Context, a directory.Acceptance) (*iam.User, error)
	// Verify notes that an address is known to be a user's.
	Verify func(ctx context.Context, u iam.UserID, address string) error
}

// The paths of the pages behind links.
const (
	PathLink       = "/link"
	PathVerify     = "/verify"
	PathForgot     = "/password/forgot"
	PathReset      = "/password/reset"
	PathInvitation = "/invitation"
)

// linked is a link that was opened, and whose it is, if it is anybody's.
type linked struct {
	*iam.Link
	token string
	user  *iam.User
}

// open opens the link of a request, without using it.
func (s *Server) open(ctx context.Context, f web.Form, purposes ...iam.LinkPurpose) (*linked, error) {
	token := f.Get("token")
	l, err := s.Links.Links.Open(ctx, token, purposes...)
	if err != nil {
		return nil, err
	}
	out := &linked{Link: l, token: token}
	if l.User == "" {
		return out, nil
	}
	u, err := s.Links.User(ctx, l.User)
	if err == nil && (u == nil || u.Disabled) {
		err = iam.Refuse(iam.Forbidden, "invalid_link", "the account that this link is for is gone, or disabled")
	}
	out.user = u
	return out, err
}

// showLink asks before a link signs somebody in.
func (s *Server) showLink(w http.ResponseWriter, r *http.Request) error {
	query, err := web.ReadQuery(r)
	if err != nil {
		return err
	}
	l, err := s.open(r.Context(), query, iam.LinkSignIn)
	if err != nil {
		return err
	}
	return page.Write(w, http.StatusOK, &page.Link{
		Head: s.head(w, r, "Sign in", web.Form{}, nil, nil), Action: PathLink, Token: l.token, Button: "Sign in as", Name: l.user.Name,
	})
}

func (s *Server) followLink(w http.ResponseWriter, r *http.Request) error {
	if err := s.Cookies.CheckForm(r); err != nil {
		return err
	}
	ctx := r.Context()
	l, err := s.open(ctx, web.FormOf(ctx), iam.LinkSignIn)
	if err != nil {
		return err
	}
	if err := s.Links.Links.Use(ctx, l.Link, func() error { return nil }); err != nil {
		return err
	}
	return s.signIn(w, r, nil, authn.Authentication{User: l.user, ACR: "1", AMR: []string{"otp"}})
}

// showVerify asks before a link says whose an address is: a program that opens it must not say so.
func (s *Server) showVerify(w http.ResponseWriter, r *http.Request) error {
	query, err := web.ReadQuery(r)
	if err != nil {
		return err
	}
	l, err := s.open(r.Context(), query, iam.LinkVerify)
	if err != nil {
		return err
	}
	return page.Write(w, http.StatusOK, &page.Link{
		Head: s.head(w, r, "Verify your address", web.Form{}, nil, nil), Action: PathVerify, Token: l.token,
		Lead: "You say that the account named below is yours.", Button: "My account is", Name: l.user.Name,
	})
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	if err := s.Cookies.CheckForm(r); err != nil {
		return err
	}
	ctx := r.Context()
	l, err := s.open(ctx, web.FormOf(ctx), iam.LinkVerify)
	if err != nil {
		return err
	}
	err = s.Links.Links.Use(ctx, l.Link, func() error { return s.Links.Verify(ctx, l.User, l.Email) })
	if err != nil {
		return err
	}
	return web.SeeOther(w, PathAccount)
}
