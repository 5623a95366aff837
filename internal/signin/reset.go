package signin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

var errPasswordsOff = iam.Refuse(iam.Forbidden, "passwords_off", "nobody signs in by password here")

// forgetful refuses to talk of forgotten passwords where there are none, or no mail.
func (s *Server) forgetful() error {
	if s.Passwords == nil {
		return errPasswordsOff
	}
	return s.Links.Letters.On()
}

func (s *Server) showForgot(w http.ResponseWriter, r *http.Request) error {
	if err := s.forgetful(); err != nil {
		return err
	}
	return s.writeForgot(w, r, http.StatusOK, page.Forgot{})
}

func (s *Server) writeForgot(w http.ResponseWriter, r *http.Request, status int, p page.Forgot) error {
	p.Head = s.head(w, r, "Forgot your password?", web.Form{}, nil, nil)
	return page.Write(w, status, &p)
}

// forgot answers whoever asks in the same way, and leaves it to the background to find out whether there is such a person (security
// catalogue LOG-05).
func (s *Server) forgot(w http.ResponseWriter, r *http.Request) error {
	if err := s.Cookies.CheckForm(r); err != nil {
		return err
	}
	if err := s.forgetful(); err != nil {
		return err
	}
	typed := web.FormOf(r.Context()).Get("username")
	err := s.Links.Letters.Forgot(r, func(ctx context.Context) (*iam.User, error) { return s.Passwords.Named(ctx, typed) })
	var wait web.Wait
	if errors.As(err, &wait) {
		web.SetRetryAfter(w.Header(), err)
		return s.writeForgot(w, r, http.StatusTooManyRequests, page.Forgot{Failed: "There were too many requests. Try again " + in(time.Duration(wait)) + "."})
	}
	if err != nil {
		return err
	}
	return s.writeForgot(w, r, http.StatusOK, page.Forgot{Sent: true})
}

func (s *Server) showReset(w http.ResponseWriter, r *http.Request) error {
	query, err := web.ReadQuery(r)
	if err != nil {
		return err
	}
	if s.Passwords == nil {
		return errPasswordsOff
	}
	l, err := s.open(r.Context(), query, iam.LinkReset)
	if err != nil {
		return err
	}
	return s.writeReset(w, r, http.StatusOK, l, "")
}

func (s *Server) writeReset(w http.ResponseWriter, r *http.Request, status int, l *linked, failed string) error {
	return page.Write(w, status, &page.Reset{
		Head: s.head(w, r, "Choose a new password", web.Form{}, nil, nil), Token: l.token, Username: l.user.Name, Failed: failed,
	})
}

// reset sets the password, which ends whatever was open, and signs in.
func (s *Server) reset(w http.ResponseWriter, r *http.Request) error {
	if err := s.Cookies.CheckForm(r); err != nil {
		return err
	}
	if s.Passwords == nil {
		return errPasswordsOff
	}
	ctx, f := r.Context(), web.FormOf(r.Context())
	l, err := s.open(ctx, f, iam.LinkReset)
	if err != nil {
		return err
	}
	wanted := f.Get("new_password")
	if wanted != f.Get("new_password_again") {
		return s.writeReset(w, r, http.StatusBadRequest, l, "The two passwords differ.")
	}
	by := directory.By{
		Actor: access.Actor{Subject: l.User.Subject(), Authority: access.ByOperator}, Name: l.user.Name, RequestID: web.RequestID(ctx),
	}
	err = s.Links.Links.Use(ctx, l.Link, func() error { return s.Account.SetPassword(ctx, by, l.User, l.user.PasswordHash, wanted) })
	if why := toType(err); why != "" {
		return s.writeReset(w, r, http.StatusBadRequest, l, why)
	}
	if err != nil {
		return err
	}
	return s.signIn(w, r, nil, authn.Authentication{User: l.user, ACR: "1", AMR: []string{"pwd"}})
}

// toType returns the sentence of an error that typing something else mends, "" of any other.
func toType(err error) string {
	var e *iam.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch {
	case e.Kind == iam.Stale, e.Kind == iam.Invalid, e.Code == "name_taken":
		why := e.Message
		if len(e.Fields) > 0 {
			why = e.Fields[0].Path + ": " + e.Fields[0].Message
		}
		return strings.ToUpper(why[:1]) + strings.TrimSuffix(why[1:], ".") + "."
	}
	return ""
}
