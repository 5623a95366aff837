package app

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/outbound"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/keys"
)

// upstream answers the pages by which people sign in at a provider.
func (a *App) upstream(p *people, hasher *secret.Hasher, sealer *keys.Sealer) (*signin.Upstream, error) {
	c := a.options.Config
	key, err := hasher.Derive(authn.TripKeyLabel)
	if err != nil {
		return nil, err
	}
	trips, err := authn.NewTrips(key, a.store.Once, time.Now)
	if err != nil {
		return nil, err
	}
	return &signin.Upstream{
		Providers: &authn.Upstreams{
			Issuer: c.Issuer, HTTP: outbound.New(a.guard()), Unseal: sealer.Open, Now: time.Now,
		},
		Trips: trips, Tickets: p.tickets, People: p.sessions, Cookies: p.cookies,
		Connector: a.store.Connector, Arrive: a.directory.Arrive, Link: a.directory.LinkArrival,
		Limit: limiter("upstream", c), Now: time.Now, Log: a.log,
	}, nil
}

// counts reports whether a sign-in at a time by a connector still counts, for sessions and for what a person has allowed.
func (a *App) counts(ctx context.Context, connector string, at time.Time) (bool, error) {
	c, err := a.store.Connector(ctx, connector)
	return err == nil && c.Counts(at, time.Now()), err
}

// connectors returns those by which people can sign in, by name.
func (a *App) connectors(ctx context.Context) (out []signin.Connector, err error) {
	for p := (store.PageOptions{Limit: kv.MaxPage}); ; {
		page, err := a.store.Connectors(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, c := range page.Items {
			if !c.Disabled {
				out = append(out, signin.Connector{Name: c.Name, DisplayName: c.Title()})
			}
		}
		if p.After = page.Next; p.After == "" {
			return out, nil
		}
	}
}
