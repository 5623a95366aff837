package app

import (
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// people is what the pages and the grants of people share.
type people struct {
	cookies  *web.Cookies
	sessions *authn.Sessions
	tickets  *authn.Tickets
	handles  *token.Handles
}

func (a *App) people(hasher *secret.Hasher) (*people, error) {
	c := a.options.Config
	derived := make(map[string][]byte, 3)
	for _, label := range []string{web.FormKeyLabel, authn.TicketKeyLabel, token.HandleKeyLabel} {
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
		sessions: &authn.Sessions{Store: a.store, Cookies: cookies, Idle: c.Sessions.Idle, Lifetime: c.Sessions.Lifetime, Now: time.Now},
	}, nil
}
