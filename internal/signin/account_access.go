package signin

import (
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// listAccess fills in where the person is signed in and what the person has allowed.
func (s *Server) listAccess(r *http.Request, who *authn.Person, p *page.Account) error {
	ctx, user := r.Context(), who.User.ID
	sessions, err := s.Account.Endings.Sessions(ctx, user)
	if err != nil {
		return err
	}
	for _, v := range sessions {
		p.Sessions = append(p.Sessions, page.AccountSession{
			ID: v.ID, Agent: page.BrowserName(v.Agent), Network: v.Network, Since: at(v.CreatedAt), Seen: at(v.SeenAt), Here: v.ID == who.Session.ID,
		})
	}
	grants, err := s.Account.Endings.Grants(ctx, user)
	if err != nil {
		return err
	}
	for _, g := range grants {
		name, err := s.clientName(r, g.Client)
		if err != nil {
			return err
		}
		p.Grants = append(p.Grants, page.AccountGrant{ID: g.ID, Application: name, Device: g.Device != nil, Since: at(g.CreatedAt)})
	}
	consents, err := s.Account.Endings.Store.Consents(ctx, user)
	if err != nil {
		return err
	}
	for _, c := range consents {
		name, err := s.clientName(r, c.Client)
		if err != nil {
			return err
		}
		p.Consents = append(p.Consents, page.AccountConsent{Client: string(c.Client), Application: name, Scopes: c.Scopes, Since: at(c.At)})
	}
	return nil
}

func (s *Server) clientName(r *http.Request, id iam.ClientID) (string, error) {
	c, err := s.Client(r.Context(), id)
	if err != nil || c == nil || c.Name == "" {
		return string(id), err
	}
	return c.Name, nil
}

func at(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// endAccess ends what one of the page's buttons names, if it is the person's own. What is not there has ended already: no fault.
func (s *Server) endAccess(w http.ResponseWriter, r *http.Request, who *authn.Person, f web.Form) error {
	ctx, user, id := r.Context(), who.User.ID, f.Get("id")
	switch f.Get("do") {
	case "end-session", "end-others":
		sessions, err := s.Account.Endings.Sessions(ctx, user)
		if err != nil {
			return err
		}
		for _, v := range sessions {
			if v.ID == id || id == "" && f.Get("do") == "end-others" && v.ID != who.Session.ID {
				if err := s.Account.Endings.Session(ctx, v); err != nil {
					return err
				}
			}
		}
	case "end-grant":
		grants, err := s.Account.Endings.Grants(ctx, user)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if g.ID == id {
				if err := s.Account.Endings.Grant(ctx, user, id); err != nil {
					return err
				}
			}
		}
	case "withdraw":
		if err := s.Account.Endings.Consent(ctx, user, iam.ClientID(id)); err != nil {
			return err
		}
	default:
		return iam.Errorf(iam.Invalid, "this page has no such button")
	}
	return web.SeeOther(w, PathAccount)
}
