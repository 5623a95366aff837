package signin

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// showLogin asks who somebody is, or sends on whom we know already, and surely enough.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) error {
	query, err := web.ReadQuery(r)
	if err != nil {
		return err
	}
	ticket, err := s.ticket(query)
	if err != nil {
		return err
	}
	who, err := s.People.Current(r)
	if err != nil {
		return err
	}
	if who != nil && enough(ticket, who.Session) {
		return s.goOn(w, r, ticket)
	}
	name := ""
	if ticket != nil {
		name = ticket.LoginHint
	}
	if who != nil && name == "" {
		name = who.User.Name
	}
	return s.writeLogin(w, r, http.StatusOK, query, ticket, who, page.Login{Username: name})
}

// enough reports whether a session is what the ticket wants: young enough, and sure enough.
func enough(t *authn.Ticket, session *iam.Session) bool {
	return t == nil || !session.AuthTime.Before(t.SignedInAfter) && (t.ACR == "" || session.ACR >= t.ACR)
}

// login checks a password and signs in.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	if err := s.Cookies.CheckForm(r); err != nil { // a stranger's form would sign a person in as somebody else (login CSRF)
		return err
	}
	f := web.FormOf(r.Context())
	ticket, err := s.ticket(f)
	if err != nil {
		return err
	}
	if s.Passwords == nil {
		return iam.Refuse(iam.Forbidden, "passwords_off", "nobody signs in by password here")
	}
	user, err := s.Passwords.Check(r, f.Get("username"), f.Get("password"))
	var wait web.Wait
	switch {
	case errors.As(err, &wait):
		web.SetRetryAfter(w.Header(), err)
		return s.refuseLogin(w, r, http.StatusTooManyRequests, f, ticket, "There were too many attempts. Try again "+in(time.Duration(wait))+".")
	case iam.CodeOf(err) == "wrong_credentials":
		return s.refuseLogin(w, r, http.StatusBadRequest, f, ticket, "The user name or the password is not right.")
	case err != nil:
		return err
	}
	return s.signIn(w, r, ticket, authn.Authentication{User: user, ACR: "1", AMR: []string{"pwd"}})
}

// in says how long to wait, in minutes, so that it does not tell the second at which somebody else began to guess.
func in(wait time.Duration) string {
	if minutes := int(math.Ceil(wait.Minutes())); minutes > 1 {
		return "in " + strconv.Itoa(minutes) + " minutes"
	}
	return "in a minute"
}

func (s *Server) refuseLogin(w http.ResponseWriter, r *http.Request, status int, f web.Form, ticket *authn.Ticket, why string) error {
	who, err := s.People.Current(r)
	if err != nil {
		return err
	}
	return s.writeLogin(w, r, status, f, ticket, who, page.Login{Username: f.Get("username"), Failed: why})
}

func (s *Server) writeLogin(w http.ResponseWriter, r *http.Request, status int, f web.Form, ticket *authn.Ticket, who *authn.Person, p page.Login) error {
	if ticket != nil && ticket.Client != "" {
		c, err := s.Client(r.Context(), ticket.Client)
		if err != nil {
			return err
		}
		if c != nil {
			p.Application = c.Name
		}
	}
	if s.Connectors != nil {
		list, err := s.Connectors(r.Context())
		if err != nil {
			return err
		}
		for _, c := range list {
			to := PathLogin + "/" + c.Name
			if f.Has("ticket") {
				to = authn.URL(to, f.Get("ticket"))
			}
			p.Connectors = append(p.Connectors, page.LoginConnector{Name: c.DisplayName, URL: to})
		}
	}
	p.Passwords = s.Passwords != nil
	p.Forgot = s.Links != nil && s.forgetful() == nil
	p.Head = s.head(w, r, "Sign in", f, ticket, who)
	return page.Write(w, status, &p)
}
