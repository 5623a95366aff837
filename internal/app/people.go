package app

import (
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// people is what the pages and the grants of people share.
type people struct {
	cookies  *web.Cookies
	sessions *authn.Sessions
	tickets  *authn.Tickets
	handles  *token.Handles
	browsers *authn.Browsers
}

func (a *App) people(hasher *secret.Hasher) (*people, error) {
	c := a.options.Config
	derived := make(map[string][]byte, 4)
	for _, label := range []string{web.FormKeyLabel, authn.TicketKeyLabel, token.HandleKeyLabel, authn.BrowserKeyLabel} {
		key, err := hasher.Derive(label)
		if err != nil {
			return nil, err
		}
		derived[label] = key
	}
	tickets, err := authn.NewTickets(derived[authn.TicketKeyLabel], time.Now)
	if err != nil {
		return nil, err
	}
	cookies := &web.Cookies{Secure: strings.HasPrefix(c.Issuer, "https://"), Key: derived[web.FormKeyLabel]}
	return &people{
		cookies: cookies, tickets: tickets, handles: &token.Handles{Key: derived[token.HandleKeyLabel]},
		browsers: &authn.Browsers{Cookies: cookies, Key: derived[authn.BrowserKeyLabel], Now: time.Now},
		sessions: &authn.Sessions{Store: a.store, Cookies: cookies, Idle: c.Sessions.Idle, Lifetime: c.Sessions.Lifetime, Counts: a.counts, Now: time.Now},
	}, nil
}

// signIn answers the pages on which people sign in and look after their account.
func (a *App) signIn(p *people, hasher *secret.Hasher, endings *authn.Endings) *signin.Server {
	c := a.options.Config
	s := &signin.Server{
		People: p.sessions, Browsers: p.browsers, Tickets: p.tickets, Cookies: p.cookies, Client: a.store.Client, Limit: limiter("signin", c),
		Connectors: a.connectors,
	}
	if c.SignIn.Passwords {
		s.Passwords = &authn.Passwords{
			Users: a.store, Hasher: hasher, Tallies: a.store, Browsers: p.browsers, Rehash: a.directory.RehashPassword, Now: time.Now,
		}
	}
	s.Account = &signin.Account{Places: a.directory.Own, SetPassword: a.directory.SetPassword, Endings: endings}
	s.Links = &signin.Links{
		Links: a.letters.Links, Letters: a.letters, User: a.store.User,
		Offered: a.directory.Offered, Accept: a.directory.Accept, Verify: a.directory.VerifyAddress,
	}
	return s
}
