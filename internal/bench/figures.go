package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// run measures everything, store by store.
func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := startRedis(ctx, dir)
	if err != nil {
		return err
	}
	defer db.stop()
	b := &bench{options: o, dir: dir, redis: db}
	return errors.Join(b.tokens(ctx), b.introspection(ctx), b.growth(ctx), b.rest(ctx), b.overload(ctx))
}

type bench struct {
	options
	dir   string
	redis *redisServer
}

// folder makes a data folder and returns it with the URL of an embedded store in it.
func (b *bench) folder(name string) (data, url string, err error) {
	data = filepath.Join(b.dir, name)
	return data, "bolt:" + filepath.Join(data, "gatehouse.db"), os.MkdirAll(data, 0o700)
}

// A figure is a median with its extremes.
type figure struct{ low, median, high float64 }

func figureOf(values []float64) figure {
	slices.Sort(values)
	return figure{values[0], values[len(values)/2], values[len(values)-1]}
}

func (b *bench) row(name, bar, format string, f figure) {
	fmt.Printf("%-58s "+format+" ("+format+" to "+format+")   bar %s\n", name, f.median, f.low, f.high, bar)
}

// A side is one of the two servers that are compared.
type side struct {
	process *process
	target  target
}

// turn loads a side for one turn and returns what it saw, and the CPU time for each good answer in microseconds.
func (b *bench) turn(ctx context.Context, s side) (result, float64, error) {
	before, err := s.process.cpu()
	if err != nil {
		return result{}, 0, err
	}
	r, err := load(ctx, s.target, b.conns, b.length)
	if err != nil {
		return r, 0, err
	}
	after, err := s.process.cpu()
	if err != nil {
		return r, 0, err
	}
	if r.good == 0 {
		return r, 0, errors.New("no good answer")
	}
	return r, float64((after - before).Microseconds()) / float64(r.good), nil
}

// compare takes turns and returns the ratios of CPU per answer and of rates, a over b.
func (b *bench) compare(ctx context.Context, name string, x, y side) (cpu, rate figure, err error) {
	var cpus, rates, xs, ys []float64
	for _, s := range []side{x, y} { // caches, connections and the heap settle
		if _, _, err := b.turn(ctx, s); err != nil {
			return cpu, rate, fmt.Errorf("%s: %w", name, err)
		}
	}
	for range b.rounds {
		rx, cx, err := b.turn(ctx, x)
		if err != nil {
			return cpu, rate, fmt.Errorf("%s: %w", name, err)
		}
		ry, cy, err := b.turn(ctx, y)
		if err != nil {
			return cpu, rate, fmt.Errorf("%s: %w", name, err)
		}
		cpus, rates = append(cpus, cx/cy), append(rates, rx.rate()/ry.rate())
		xs, ys = append(xs, cx), append(ys, cy)
	}
	fmt.Printf("%-58s CPU %.0f µs against %.0f µs\n", name, figureOf(xs).median, figureOf(ys).median)
	return figureOf(cpus), figureOf(rates), nil
}

func (b *bench) tokenTarget(p *process, clients int) target {
	return target{addr: p.addr, path: "/oauth/token", want: `{"access_token":"`, body: func(r *rand.Rand) []byte {
		return []byte("grant_type=client_credentials&client_id=" + clientID(r.IntN(clients)) + "&client_secret=" + clientSecret + "&audience=" + url.QueryEscape(audience))
	}}
}

// tokens is CPU per token against the floor, on both stores, and the store operations that a token costs.
func (b *bench) tokens(ctx context.Context) error {
	if !b.wants("token") {
		return nil
	}
	for _, s := range []string{"embedded", "redis"} {
		data, store, err := b.folder("token-" + s)
		if err != nil {
			return err
		}
		if s == "redis" {
			store = b.redis.url
		}
		if err := b.newStore(ctx, data, store, 1000); err != nil {
			return err
		}
		broker, err := b.startBroker(ctx, data, store)
		if err != nil {
			return err
		}
		payload, err := payloadSize(b.tokenTarget(broker, 1000))
		if err != nil {
			return err
		}
		floor, err := startFloor(ctx, payload, "")
		if err != nil {
			return err
		}
		name := "token, ES256, 1,000 clients, " + s + " store"
		cpu, rate, err := b.compare(ctx, name, side{broker, b.tokenTarget(broker, 1000)}, side{floor, b.tokenTarget(floor, 1000)})
		if err == nil {
			b.row("  CPU against the floor", "<= 1.25", "%.2f", cpu)
			b.row("  rate against the floor", "-", "%.2f", rate)
		}
		if err == nil && s == "redis" {
			err = b.operations(ctx, broker)
		}
		floor.stop()
		broker.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// operations counts what Redis is asked while tokens are issued to clients that the broker has cached.
func (b *bench) operations(ctx context.Context, broker *process) error {
	db := redis.NewClient(&redis.Options{Addr: b.redis.addr})
	defer db.Close()
	if err := db.ConfigResetStat(ctx).Err(); err != nil {
		return err
	}
	r, err := load(ctx, b.tokenTarget(broker, 1000), b.conns, b.length)
	if err != nil {
		return err
	}
	stats, err := db.Info(ctx, "commandstats").Result()
	if err != nil {
		return err
	}
	reads, writes := 0, 0
	for line := range strings.Lines(stats) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "cmdstat_"), ":")
		calls := 0
		if _, err := fmt.Sscanf(rest, "calls=%d,", &calls); err != nil {
			continue
		}
		switch name {
		case "get", "mget", "getrange":
			reads += calls
		case "set", "setrange", "del", "zadd", "zrem", "xadd", "evalsha", "eval", "xtrim":
			writes += calls
		}
	}
	fmt.Printf("%-58s %d reads, %d writes for %d tokens   bar 0, 0 (key rotation's lease aside)\n", "  store operations", reads, writes, r.good)
	return nil
}

// payloadSize asks for one token and measures its claims.
func payloadSize(t target) (int, error) {
	answer, err := fetchToken(t)
	if err != nil {
		return 0, err
	}
	parts := strings.Split(answer, ".")
	if len(parts) != 3 {
		return 0, errors.New("not a JWT")
	}
	return len(parts[1]) * 3 / 4, nil
}

func fetchToken(t target) (string, error) {
	r, err := http.Post("http://"+t.addr+t.path, "application/x-www-form-urlencoded", strings.NewReader(string(t.body(rand.New(rand.NewPCG(1, 2))))))
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.AccessToken == "" {
		return "", fmt.Errorf("no token: %d %.200s", r.StatusCode, body)
	}
	return answer.AccessToken, nil
}

// introspection is CPU per introspection, at first sight of a token and again, revocation checked in Redis, against a bare handler
// that verifies the signature and reads Redis once.
func (b *bench) introspection(ctx context.Context) error {
	if !b.wants("introspection") {
		return nil
	}
	data, _, err := b.folder("introspection")
	if err != nil {
		return err
	}
	db, err := startRedis(ctx, data)
	if err != nil {
		return err
	}
	defer db.stop()
	if err := b.newStore(ctx, data, db.url, 1000); err != nil {
		return err
	}
	broker, err := b.startBroker(ctx, data, db.url)
	if err != nil {
		return err
	}
	defer broker.stop()
	issue := b.tokenTarget(broker, 1)
	payload, err := payloadSize(issue)
	if err != nil {
		return err
	}
	floor, err := startFloor(ctx, payload, db.addr)
	if err != nil {
		return err
	}
	defer floor.stop()
	issueFloor := b.tokenTarget(floor, 1)

	inspect := func(p *process, tokens []string) target {
		return target{addr: p.addr, path: "/oauth/introspect", want: `{"active":true`, body: func(r *rand.Rand) []byte {
			return []byte("client_id=" + clientID(0) + "&client_secret=" + clientSecret + "&token=" + tokens[r.IntN(len(tokens))])
		}}
	}
	// More tokens than the broker remembers, so that each is a first sight; then one token again and again.
	const fresh = 60_000
	for _, c := range []struct {
		name, bar string
		tokens    int
	}{{"introspection, first sight", "<= 1.30", fresh}, {"introspection, again", "<= 0.40", 100}} {
		mine, err := fetchTokens(ctx, issue, c.tokens)
		if err != nil {
			return err
		}
		theirs, err := fetchTokens(ctx, issueFloor, min(c.tokens, 1000))
		if err != nil {
			return err
		}
		cpu, _, err := b.compare(ctx, c.name, side{broker, inspect(broker, mine)}, side{floor, inspect(floor, theirs)})
		if err != nil {
			return err
		}
		b.row("  CPU against verify and one read of Redis", c.bar, "%.2f", cpu)
	}
	return nil
}

// growth is the rate with a million clients against a thousand, and what a client takes in Redis.
func (b *bench) growth(ctx context.Context) error {
	if !b.wants("growth") {
		return nil
	}
	for _, s := range []string{"embedded", "redis"} {
		sides := make([]side, 2)
		var perClient float64
		for i, n := range []int{1000, b.many} {
			data, store, err := b.folder(fmt.Sprintf("growth-%s-%d", s, n))
			if err != nil {
				return err
			}
			var db *redisServer
			if s == "redis" {
				if db, err = startRedis(ctx, data); err != nil {
					return err
				}
				defer db.stop()
				store = db.url
			}
			start := time.Now()
			if err := b.newStore(ctx, data, store, n); err != nil {
				return err
			}
			if n == b.many {
				fmt.Printf("%-58s %.0f s\n", fmt.Sprintf("growth: making %d clients, %s store", n, s), time.Since(start).Seconds())
			}
			if db != nil && n == b.many {
				if perClient, err = memoryPerClient(ctx, db.addr, n); err != nil {
					return err
				}
			}
			p, err := b.startBroker(ctx, data, store, "GATEHOUSE_CACHE_ENTRIES=3000000")
			if err != nil {
				return err
			}
			defer p.stop()
			t := b.tokenTarget(p, n)
			if err := warm(ctx, p, n); err != nil {
				return err
			}
			sides[i] = side{p, t}
		}
		name := fmt.Sprintf("growth: %d clients against 1,000, %s store, cached", b.many, s)
		cpu, rate, err := b.compare(ctx, name, sides[1], sides[0])
		if err != nil {
			return err
		}
		b.row("  rate", ">= 0.90", "%.2f", rate)
		b.row("  CPU per token", "-", "%.2f", cpu)
		if perClient > 0 {
			fmt.Printf("%-58s %.0f B   bar <= 1536 B\n", "  Redis memory per client with its secret, role and indexes", perClient)
		}
		resident, err := sides[1].process.resident()
		if err != nil {
			return err
		}
		fmt.Printf("%-58s %.0f MiB\n", "  memory of the broker with all of them cached", resident)
	}
	return nil
}

// warm asks for one token of every client, so that all are cached.
func warm(ctx context.Context, p *process, clients int) error {
	var next = make(chan int, 1024)
	go func() {
		defer close(next)
		for i := range clients {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	done := make(chan error, 32)
	for range 32 {
		go func() {
			for i := range next {
				t := target{addr: p.addr, path: "/oauth/token", body: func(*rand.Rand) []byte {
					return []byte("grant_type=client_credentials&client_id=" + clientID(i) + "&client_secret=" + clientSecret)
				}}
				if _, err := fetchToken(t); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	var errs error
	for range 32 {
		errs = errors.Join(errs, <-done)
	}
	return errs
}

func memoryPerClient(ctx context.Context, addr string, clients int) (float64, error) {
	db := redis.NewClient(&redis.Options{Addr: addr})
	defer db.Close()
	info, err := db.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		var bytes float64
		if _, err := fmt.Sscanf(line, "used_memory:%f", &bytes); err == nil {
			return bytes / float64(clients), nil
		}
	}
	return 0, errors.New("no used_memory in INFO")
}

// rest is the broker at rest: memory, start, size.
func (b *bench) rest(ctx context.Context) error {
	if !b.wants("rest") {
		return nil
	}
	data, store, err := b.folder("rest")
	if err != nil {
		return err
	}
	first, err := b.startBroker(ctx, data, store)
	if err != nil {
		return err
	}
	first.stop()
	var starts, residents []float64
	for range b.rounds {
		p, err := b.startBroker(ctx, data, store)
		if err != nil {
			return err
		}
		time.Sleep(time.Second)
		resident, err := p.resident()
		p.stop()
		if err != nil {
			return err
		}
		starts, residents = append(starts, float64(p.up.Milliseconds())), append(residents, resident)
	}
	size, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.row("rest: start to ready, ms", "<= 150", "%.0f", figureOf(starts))
	b.row("rest: memory, MiB", "<= 40", "%.0f", figureOf(residents))
	fmt.Printf("%-58s %.1f MB   bar <= 32 MB\n", "rest: binary", float64(size.Size())/1e6)
	return nil
}

// overload is four times the load that fits: how much useful work is left, and how long what is served takes.
func (b *bench) overload(ctx context.Context) error {
	if !b.wants("overload") {
		return nil
	}
	data, store, err := b.folder("overload")
	if err != nil {
		return err
	}
	if err := b.newStore(ctx, data, store, 1000); err != nil {
		return err
	}
	p, err := b.startBroker(ctx, data, store)
	if err != nil {
		return err
	}
	defer p.stop()
	t := b.tokenTarget(p, 1000)
	var useful, tail []float64
	for range b.rounds {
		fits, err := load(ctx, t, b.conns, b.length)
		if err != nil {
			return err
		}
		quiet, err := load(ctx, t, 1, b.length)
		if err != nil {
			return err
		}
		much, err := load(ctx, t, 64*b.conns, b.length)
		if err != nil {
			return err
		}
		useful = append(useful, much.rate()/fits.rate())
		tail = append(tail, float64(much.quantile(.99))/float64(quiet.quantile(.99)))
	}
	b.row(fmt.Sprintf("overload, %d connections: useful rate against capacity", 64*b.conns), ">= 0.90", "%.2f", figureOf(useful))
	b.row("  p99 of what is served against the unloaded p99", "<= 5", "%.1f", figureOf(tail))
	return nil
}

// fetchTokens asks for n tokens.
func fetchTokens(ctx context.Context, t target, n int) ([]string, error) {
	out := make([]string, n)
	errs := make(chan error, 16)
	for w := range 16 {
		go func() {
			var err error
			for i := w; i < n && err == nil && ctx.Err() == nil; i += 16 {
				out[i], err = fetchToken(t)
			}
			errs <- err
		}()
	}
	var all error
	for range 16 {
		all = errors.Join(all, <-errs)
	}
	return out, errors.Join(all, ctx.Err())
}
