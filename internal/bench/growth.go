package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// growth is the rate with a million clients against a thousand, a client's first token against its next ones, and what a client
// takes in Redis. Of the million, so many are active, spread over all; the broker's cache is made large enough for them.
func (b *bench) growth(ctx context.Context) error {
	for _, engine := range engines {
		if err := b.grown(ctx, engine); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) grown(ctx context.Context, engine string) error {
	const few = 1000
	active := min(b.active, b.many)
	entries := "GATEHOUSE_CACHE_ENTRIES=" + strconv.Itoa(min(max(100_000, 4*active), 10_000_000))
	prefix := "growth, " + engine + ": "
	var sides [2]side
	var memory [2]float64
	for i, clients := range []int{few, b.many} {
		start := time.Now()
		data, store, db, err := b.newStore(ctx, "growth-"+strconv.Itoa(clients), engine, clients)
		if err != nil {
			return err
		}
		if clients == b.many {
			fmt.Printf("%-62s %.0f s\n", fmt.Sprintf("%smaking %d clients", prefix, clients), time.Since(start).Seconds())
		}
		if db != nil {
			defer db.stop()
			if memory[i], err = usedMemory(ctx, db.addr); err != nil {
				return err
			}
		}
		p, err := b.startBroker(ctx, data, store, entries)
		if err != nil {
			return err
		}
		defer p.stop()
		drawn := min(active, clients)
		spread := clients / drawn
		sides[i] = side{p, tokenTarget(p.addr, drawn, spread)}
		first, err := b.first(ctx, p, sides[i].target, drawn, spread)
		if err != nil {
			return err
		}
		if clients == b.many {
			_, next, err := b.turn(ctx, sides[i])
			if err != nil {
				return err
			}
			b.row(prefix+"CPU of a client's first token against its next", "%.2f", figureOf(first/next), bar{})
		}
	}
	cpu, rate, err := b.compare(ctx, sides[1], sides[0])
	if err != nil {
		return err
	}
	resident, err := sides[1].process.resident("RssAnon")
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s%d clients (%d active) against %d", prefix, b.many, active, few)
	b.row(name+", rate", "%.2f", rate, bar{least: 0.9})
	b.row(name+", CPU", "%.2f", cpu, bar{})
	b.row(prefix+"memory of the broker without its file, MiB", "%.0f", figureOf(resident), bar{})
	if memory[1] > 0 {
		b.row(prefix+"memory of Redis for each client, bytes", "%.0f", figureOf((memory[1]-memory[0])/float64(b.many-few)), bar{most: 1536})
	}
	return nil
}

// first asks for one token of every active client, so that all are cached, and returns the CPU time for each in microseconds.
func (b *bench) first(ctx context.Context, p *process, t target, active, spread int) (float64, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	err = each(ctx, t, b.conns, active, func(i int) []byte { return tokenForm(i * spread) }, func(int, []byte) error { return nil })
	if err != nil {
		return 0, err
	}
	after, err := p.cpu()
	return float64((after - before).Microseconds()) / float64(active), err
}

// usedMemory is what the records take. The log of changes, which the broker trims, is taken out: nobody follows it yet.
func usedMemory(ctx context.Context, addr string) (float64, error) {
	db := redis.NewClient(&redis.Options{Addr: addr})
	defer db.Close()
	logs, err := db.Keys(ctx, "*}l").Result()
	if err != nil {
		return 0, err
	}
	for _, log := range logs {
		if err := db.XTrimMaxLen(ctx, log, 1).Err(); err != nil {
			return 0, err
		}
	}
	info, err := db.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		var bytes float64
		if _, err := fmt.Sscanf(line, "used_memory:%f", &bytes); err == nil {
			return bytes, nil
		}
	}
	return 0, errors.New("no used_memory in INFO")
}
