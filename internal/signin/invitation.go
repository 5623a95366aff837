package signin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// showInvitation says what a link offers, to somebody who is signed in or to somebody new. Who has gone to sign in first comes back by
// the ticket.
func (s *Server) showInvitation(w http.ResponseWriter, r *http.Request) error {
	query, err := web.ReadQuery(r)
	if err != nil {
		return err
	}
	ticket, err := s.ticket(query)
	if err != nil {
		return err
	}
	if ticket != nil {
		if ticket.Path != PathInvitation {
			return iam.Refuse(iam.Invalid, "invalid_ticket", "this is another page's address: open the link of the invitation again")
		}
		return web.SeeOther(w, PathInvitation+"?token="+url.QueryEscape(ticket.Form.Get("token")))
	}
	l, err := s.open(r.Context(), query, iam.LinkInvitation, iam.LinkOperator)
	if err != nil {
		return err
	}
	return s.writeInvitation(w, r, http.StatusOK, l, page.Invitation{})
}

func (s *Server) writeInvitation(w http.ResponseWriter, r *http.Request, status int, l *linked, p page.Invitation) error {
	offer, err := s.Links.Offered(r.Context(), l.Link)
	if err != nil {
		return err
	}
	p.Token, p.Place, p.Path, p.Roles, p.Email = l.token, offer.Name, offer.Path, strings.Join(offer.Roles, ", "), l.Email
	var who *authn.Person
	if l.Purpose == iam.LinkInvitation {
		if who, err = s.People.Current(r); err != nil {
			return err
		}
		if who == nil {
			sealed, err := s.Tickets.Seal(&authn.Ticket{Path: PathInvitation, Form: url.Values{"token": {l.token}}, LoginHint: l.Email})
			if err != nil {
				return err
			}
			p.SignIn = authn.URL(PathLogin, sealed)
		}
	}
	if who != nil {
		p.Account = page.PersonName(who.User)
	}
	p.New = s.Passwords != nil
	title := "An invitation"
	if p.Path == "" {
		title = "The first operator"
	}
	p.Head = s.head(w, r, title, web.Form{}, nil, who)
	return page.Write(w, status, &p)
}

// acceptInvitation gives what a link offers to whoever is signed in, or to somebody new.
func (s *Server) acceptInvitation(w http.ResponseWriter, r *http.Request) error {
	if err := s.Cookies.CheckForm(r); err != nil {
		return err
	}
	ctx, f := r.Context(), web.FormOf(r.Context())
	l, err := s.open(ctx, f, iam.LinkInvitation, iam.LinkOperator)
	if err != nil {
		return err
	}
	if f.Get("do") == "accept" {
		who, err := s.People.Current(r)
		if err != nil {
			return err
		}
		if who == nil {
			return web.SeeOther(w, PathInvitation+"?token="+url.QueryEscape(l.token))
		}
		err = s.Links.Links.Use(ctx, l.Link, func() error {
			_, err := s.Links.Accept(ctx, directory.Acceptance{Link: l.Link, User: who.User.ID})
			return err
		})
		if err != nil {
			return err
		}
		return web.SeeOther(w, PathAccount)
	}
	return s.join(w, r, l, f)
}

// join makes the account of somebody new, and signs in.
func (s *Server) join(w http.ResponseWriter, r *http.Request, l *linked, f web.Form) error {
	if s.Passwords == nil {
		return errPasswordsOff
	}
	a := directory.Acceptance{
		Link: l.Link, Name: strings.TrimSpace(f.Get("username")), DisplayName: strings.TrimSpace(f.Get("name")), Password: f.Get("new_password"),
	}
	again := func(why string) error {
		return s.writeInvitation(w, r, http.StatusBadRequest, l, page.Invitation{Username: a.Name, DisplayName: a.DisplayName, Failed: why})
	}
	if a.Password != f.Get("new_password_again") {
		return again("The two passwords differ.")
	}
	var user *iam.User
	err := s.Links.Links.Use(r.Context(), l.Link, func() (err error) {
		user, err = s.Links.Accept(r.Context(), a)
		return err
	})
	if why := toType(err); why != "" {
		return again(why)
	}
	if err != nil {
		return err
	}
	return s.signIn(w, r, nil, authn.Authentication{User: user, ACR: "1", AMR: []string{"pwd"}})
}
