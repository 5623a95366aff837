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

// An Account is what the page about oneself needs beside the rest of a Server.
type Account struct {
	// Places lists where a user holds roles.
	Places func(ctx context.Context, u iam.UserID) ([]directory.Place, error)
	// SetPassword gives a user a new password, if was is still the hash of the present one, and ends all that was open.
	SetPassword func(ctx context.Context, by directory.By, u iam.UserID, was, password string) error
	// Endings lists and ends sessions and what was allowed.
	Endings *authn.Endings
}

// signedIn returns who is signed in. When nobody is, it has sent the browser to sign in, and returns nil.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request) (*authn.Person, error) {
	who, err := s.People.Current(r)
	if err != nil || who != nil {
		return who, err
	}
	return nil, web.SeeOther(w, PathLogin)
}

func (s *Server) showAccount(w http.ResponseWriter, r *http.Request) error {
	who, err := s.signedIn(w, r)
	if err != nil || who == nil {
		return err
	}
	return s.writeAccount(w, r, http.StatusOK, who, page.Account{})
}

func (s *Server) writeAccount(w http.ResponseWriter, r *http.Request, status int, who *authn.Person, p page.Account) error {
	if s.Connectors != nil {
		list, err := s.Connectors(r.Context())
		if err != nil {
			return err
		}
		for _, c := range list {
			p.Connectors = append(p.Connectors, page.LoginConnector{Name: c.DisplayName, URL: PathLogin + "/" + c.Name + "/link"})
		}
	}
	places, err := s.Account.Places(r.Context(), who.User.ID)
	if err != nil {
		return err
	}
	for _, at := range places {
		p.Places = append(p.Places, page.AccountPlace{Path: at.Path, Name: at.Name, Roles: strings.Join(at.Roles, ", "), Group: at.Group})
	}
	if err := s.listAccess(r, who, &p); err != nil {
		return err
	}
	p.Head = s.head(w, r, "Your account", web.Form{}, nil, who)
	p.Wide = true
	p.Username, p.Email, p.EmailVerified = who.User.Name, who.User.Email, who.User.EmailVerified
	p.CanVerify = s.Links != nil && who.User.Email != "" && !who.User.EmailVerified && s.Links.Letters.On() == nil
	p.HasPassword = s.Passwords != nil && who.User.PasswordHash != ""
	return page.Write(w, status, &p)
}

// changeAccount does what one of the page's buttons says.
func (s *Server) changeAccount(w http.ResponseWriter, r *http.Request) error {
	if err := s.Cookies.CheckForm(r); err != nil {
		return err
	}
	who, err := s.signedIn(w, r)
	if err != nil || who == nil {
		return err
	}
	f := web.FormOf(r.Context())
	switch f.Get("do") {
	case "password":
		return s.changePassword(w, r, who, f)
	case "verify":
		return s.sendVerification(w, r, who)
	}
	return s.endAccess(w, r, who, f)
}

// changePassword asks for the present password, since an open browser is no proof of who sits there, and leaves nothing open but the
// session in which it was changed.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request, who *authn.Person, f web.Form) error {
	if s.Passwords == nil || who.User.PasswordHash == "" {
		return iam.Refuse(iam.Forbidden, "passwords_off", "you do not sign in by password here")
	}
	refuse := func(status int, why string) error {
		return s.writeAccount(w, r, status, who, page.Account{PasswordFailed: why})
	}
	wanted := f.Get("new_password")
	if wanted != f.Get("new_password_again") {
		return refuse(http.StatusBadRequest, "The two new passwords differ.")
	}
	err := s.Passwords.Confirm(r, who.User, f.Get("password"))
	var wait web.Wait
	switch {
	case errors.As(err, &wait):
		web.SetRetryAfter(w.Header(), err)
		return refuse(http.StatusTooManyRequests, "There were too many attempts. Try again "+in(time.Duration(wait))+".")
	case iam.CodeOf(err) == "wrong_credentials":
		return refuse(http.StatusBadRequest, "The present password is not right.")
	case err != nil:
		return err
	}
	by := directory.By{
		Actor: access.Actor{Subject: who.User.ID.Subject(), Authority: access.ByOperator}, Name: who.User.Name, RequestID: web.RequestID(r.Context()),
	}
	err = s.Account.SetPassword(r.Context(), by, who.User.ID, who.User.PasswordHash, wanted)
	var e *iam.Error
	switch {
	case errors.As(err, &e) && (e.Code == "weak_password" || e.Kind == iam.Stale):
		return refuse(http.StatusBadRequest, strings.ToUpper(e.Message[:1])+e.Message[1:]+".")
	case err != nil:
		return err
	}
	return s.signIn(w, r, nil, authn.Authentication{User: who.User, ACR: "1", AMR: []string{"pwd"}})
}

// sendVerification mails a link that verifies the person's address.
func (s *Server) sendVerification(w http.ResponseWriter, r *http.Request, who *authn.Person) error {
	if s.Links == nil || who.User.Email == "" || who.User.EmailVerified {
		return web.SeeOther(w, PathAccount)
	}
	if err := s.Links.Letters.Verify(r.Context(), who.User); err != nil {
		return err
	}
	return s.writeAccount(w, r, http.StatusOK, who, page.Account{VerifySent: true})
}
