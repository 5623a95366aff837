package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

// tokenTarget asks for tokens of clients chosen at random: client i is one of so many, spread evenly over all.
func tokenTarget(addr string, clients, spread int) target {
	return target{addr: addr, path: "/oauth/token", want: `{"access_token":"`, form: func(r *rand.Rand) []byte {
		return tokenForm(r.IntN(clients) * spread)
	}}
}

func tokenForm(client int) []byte {
	return []byte("grant_type=client_credentials&client_id=" + clientID(client) + "&client_secret=" + clientSecret(client) + "&audience=" + url.QueryEscape(audience))
}

// tokens is CPU per token against the floor, on both stores, and the store operations that a token costs.
func (b *bench) tokens(ctx context.Context) error {
	for _, engine := range engines {
		if err := b.token(ctx, engine); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) token(ctx context.Context, engine string) error {
	const clients = 1000
	data, store, db, err := b.newStore(ctx, "token", engine, clients)
	if err != nil {
		return err
	}
	if db != nil {
		defer db.stop()
	}
	broker, err := b.startBroker(ctx, data, store)
	if err != nil {
		return err
	}
	defer broker.stop()
	mine := tokenTarget(broker.addr, clients, 1)
	payload, err := payloadSize(ctx, mine)
	if err != nil {
		return err
	}
	floor, err := startFloor(ctx, payload, "")
	if err != nil {
		return err
	}
	defer floor.stop()
	cpu, rate, err := b.compare(ctx, side{broker, mine}, side{floor, tokenTarget(floor.addr, clients, 1)})
	if err != nil {
		return err
	}
	b.row("token, "+engine+": CPU against the floor", "%.2f", cpu, bar{most: 1.25})
	b.row("token, "+engine+": rate against the floor", "%.2f", rate, bar{})
	resident, err := broker.resident("VmRSS")
	if err != nil {
		return err
	}
	b.row("token, "+engine+": memory after the load, MiB", "%.0f", figureOf(resident), bar{})
	if db == nil {
		return nil
	}
	before, err := operations(ctx, db.addr)
	if err != nil {
		return err
	}
	r, err := load(ctx, mine, b.conns, b.length)
	if err != nil {
		return err
	}
	after, err := operations(ctx, db.addr)
	if err != nil {
		return err
	}
	b.row("token, "+engine+": reads of the store for each", "%.3f", figureOf(float64(after.reads-before.reads)/float64(r.Good)), bar{most: 0.001})
	b.row("token, "+engine+": writes to the store for each", "%.3f", figureOf(float64(after.writes-before.writes)/float64(r.Good)), bar{most: 0.001})
	return nil
}

// counts are the commands that a Redis has executed. The broker's own duties, such as the lease of key rotation, are among them.
type counts struct{ reads, writes int }

func operations(ctx context.Context, addr string) (c counts, err error) {
	db := redis.NewClient(&redis.Options{Addr: addr})
	defer db.Close()
	stats, err := db.Info(ctx, "commandstats").Result()
	if err != nil {
		return c, err
	}
	for line := range strings.Lines(stats) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "cmdstat_"), ":")
		calls := 0
		if _, err := fmt.Sscanf(rest, "calls=%d,", &calls); err != nil {
			continue
		}
		switch name {
		case "get", "mget", "getrange":
			c.reads += calls
		case "evalsha", "eval", "xtrim": // whatever writes goes through the script
			c.writes += calls
		}
	}
	return c, nil
}

// payloadSize asks for one token and measures its claims.
func payloadSize(ctx context.Context, t target) (int, error) {
	var size int
	err := each(ctx, t, 1, 1, func(int) []byte { return t.form(rand.New(rand.NewPCG(1, 2))) }, func(_ int, answer []byte) error {
		token, err := accessToken(answer)
		if err != nil {
			return err
		}
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			return errors.New("not a JWT")
		}
		size = len(parts[1]) * 3 / 4
		return nil
	})
	return size, err
}

func accessToken(answer []byte) (string, error) {
	var a struct {
		AccessToken string `json:"access_token"`
	}
	err := json.Unmarshal(answer, &a)
	return a.AccessToken, err
}
