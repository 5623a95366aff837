package main

import (
	"context"
	"math/rand/v2"
)

// introspection is CPU per introspection, at first sight of a token and again, revocation checked in Redis, against a bare handler
// that verifies the signature and reads Redis once.
func (b *bench) introspection(ctx context.Context) error {
	data, store, db, err := b.newStore(ctx, "introspection", "redis", 1000)
	if err != nil {
		return err
	}
	defer db.stop()
	broker, err := b.startBroker(ctx, data, store)
	if err != nil {
		return err
	}
	defer broker.stop()
	issue := tokenTarget(broker.addr, 1, 1)
	payload, err := payloadSize(ctx, issue)
	if err != nil {
		return err
	}
	floor, err := startFloor(ctx, payload, db.addr)
	if err != nil {
		return err
	}
	defer floor.stop()

	inspect := func(p *process, tokens []string) target {
		return target{addr: p.addr, path: "/oauth/introspect", want: `{"active":true`, form: func(r *rand.Rand) []byte {
			return []byte("client_id=" + clientID(0) + "&client_secret=" + clientSecret(0) + "&token=" + tokens[r.IntN(len(tokens))])
		}}
	}
	theirs, err := fetchTokens(ctx, tokenTarget(floor.addr, 1, 1), 1000)
	if err != nil {
		return err
	}
	// Twice as many tokens as the broker remembers, chosen at random: most are not remembered when they come again, and those that
	// are make the figure smaller than it is for a true first sight; then few tokens again and again.
	for _, c := range []struct {
		name   string
		bar    bar
		tokens int
	}{{"first sight", bar{most: 1.30}, 200_000}, {"again", bar{most: 0.40}, 100}} {
		mine, err := fetchTokens(ctx, issue, c.tokens)
		if err != nil {
			return err
		}
		cpu, _, err := b.compare(ctx, side{broker, inspect(broker, mine)}, side{floor, inspect(floor, theirs)})
		if err != nil {
			return err
		}
		b.row("introspection, "+c.name+": CPU against verify and one read", "%.2f", cpu, c.bar)
	}
	return nil
}

// fetchTokens asks for n tokens.
func fetchTokens(ctx context.Context, t target, n int) ([]string, error) {
	out := make([]string, n)
	form := tokenForm(0)
	err := each(ctx, t, 16, n, func(int) []byte { return form }, func(i int, answer []byte) (err error) {
		out[i], err = accessToken(answer)
		return err
	})
	return out, err
}
