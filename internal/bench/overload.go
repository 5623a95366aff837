package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"
)

// overload is four times the load that fits: how much useful work is left, and how long what is served takes. The broker and the
// load generator are processes of their own on processors of their own, so that neither takes from the other; the generator sends
// at fixed times, whether or not answers come, as far as its connections are free.
func (b *bench) overload(ctx context.Context) error {
	procs := runtime.NumCPU()
	if procs < 2 {
		fmt.Println("overload: not measured, it takes two processors")
		return nil
	}
	mine, theirs := processors(0, procs/2), processors(procs/2, procs)
	const clients = 1000
	data, store, _, err := b.newStore(ctx, "overload", "embedded", clients)
	if err != nil {
		return err
	}
	pinned := b.options
	pinned.cpus = mine
	p, err := pinned.startBroker(ctx, data, store)
	if err != nil {
		return err
	}
	defer p.stop()
	generate := func(conns int, rate float64) (generated, error) {
		return b.generate(ctx, theirs, p.addr, clients, conns, rate)
	}
	if _, err := generate(b.conns, 0); err != nil {
		return err
	}
	var offered, useful, tail, refused, lights, tails []float64
	for range b.rounds {
		full, err := generate(b.conns, 0)
		if err != nil {
			return err
		}
		light, err := generate(b.conns, full.Rate/10)
		if err != nil {
			return err
		}
		much, err := generate(b.crowd, 4*full.Rate)
		if err != nil {
			return err
		}
		offered = append(offered, much.Offered/full.Rate)
		useful = append(useful, much.Rate/full.Rate)
		refused = append(refused, much.Refused/full.Rate)
		tail = append(tail, float64(much.P99)/float64(light.P99))
		lights, tails = append(lights, float64(light.P99.Microseconds())/1e3), append(tails, float64(much.P99.Microseconds())/1e3)
	}
	fmt.Printf("overload: broker on %d processors, generator on %d others; 4 × capacity, due at fixed times, over %d connections\n", len(mine), len(theirs), b.crowd)
	b.row("overload: sent, against capacity", "%.2f", figureOf(offered...), bar{})
	b.row("overload: refused with 503, against capacity", "%.2f", figureOf(refused...), bar{})
	b.row("overload: useful rate against capacity", "%.2f", figureOf(useful...), bar{least: 0.9})
	b.row("overload: p99 of what is served against that at 1/10 of capacity", "%.1f", figureOf(tail...), bar{most: 5})
	b.row("overload: p99 at 1/10 of capacity, ms", "%.2f", figureOf(lights...), bar{})
	b.row("overload: p99 of what is served, ms", "%.2f", figureOf(tails...), bar{})
	return nil
}

func processors(from, to int) (list []int) {
	for ; from < to; from++ {
		list = append(list, from)
	}
	return list
}

// generated is what a load generator reports. Rates are per second.
type generated struct {
	Offered, Rate, Refused float64
	P99                    time.Duration
}

// generate starts this program as a load generator; rate 0 is a closed loop.
func (b *bench) generate(ctx context.Context, cpus []int, addr string, clients, conns int, rate float64) (g generated, err error) {
	self, err := os.Executable()
	if err != nil {
		return g, err
	}
	cmd := exec.CommandContext(ctx, self, "generate", "-addr", addr, "-clients", strconv.Itoa(clients), "-connections", strconv.Itoa(conns),
		"-rate", fmt.Sprint(rate), "-length", b.length.String())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := startOn(cpus, cmd); err != nil {
		return g, err
	}
	if err := cmd.Wait(); err != nil {
		return g, fmt.Errorf("load generator: %w", err)
	}
	return g, json.Unmarshal(out.Bytes(), &g)
}

// serveLoad is the load generator.
func serveLoad(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("generate", flag.ContinueOnError)
	addr := flags.String("addr", "", "whom to ask for tokens")
	clients := flags.Int("clients", 1, "of how many clients")
	conns := flags.Int("connections", 1, "over how many connections")
	rate := flags.Float64("rate", 0, "requests a second; 0: the next when the last is answered")
	length := flags.Duration("length", time.Second, "for how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	t := tokenTarget(*addr, *clients, 1)
	var r result
	var err error
	if *rate > 0 {
		r, err = arrive(ctx, t, *conns, *rate, *length)
	} else {
		r, err = load(ctx, t, *conns, *length)
	}
	if err != nil {
		return err
	}
	s := r.took.Seconds()
	return json.NewEncoder(os.Stdout).Encode(generated{
		Offered: float64(r.Good+r.Refused) / s, Rate: r.rate(), Refused: float64(r.Refused) / s, P99: r.quantile(.99),
	})
}
