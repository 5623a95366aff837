package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// run measures everything, figure by figure.
func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir}
	for _, f := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"token", b.tokens}, {"introspection", b.introspection}, {"rest", b.rest}, {"overload", b.overload}, {"growth", b.growth},
		{"directory", b.directory},
	} {
		if !o.wants(f.name) {
			continue
		}
		if err := f.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Println()
	}
	if len(b.missed) > 0 {
		fmt.Println("Missed:")
	}
	for _, name := range b.missed {
		fmt.Println("  " + name)
	}
	return nil
}

type bench struct {
	options
	dir    string
	missed []string
}

// folder makes a data folder and returns it with the URL of an embedded store in it.
func (b *bench) folder(name string) (data, url string, err error) {
	data = filepath.Join(b.dir, name)
	return data, "bolt:" + filepath.Join(data, "gatehouse.db"), os.MkdirAll(data, 0o700)
}

// A figure is a median with its extremes.
type figure struct{ low, median, high float64 }

func figureOf(values ...float64) figure {
	slices.Sort(values)
	return figure{values[0], values[len(values)/2], values[len(values)-1]}
}

// A bar is what a figure has to keep to. The zero bar is none.
type bar struct{ most, least float64 }

func (x bar) keeps(v float64) bool { return (x.most == 0 || v <= x.most) && v >= x.least }

func (x bar) String() string {
	switch {
	case x.most != 0:
		return fmt.Sprintf("at most %g", x.most)
	case x.least != 0:
		return fmt.Sprintf("at least %g", x.least)
	}
	return "-"
}

// row prints a figure beside its bar and notes when its median misses it.
func (b *bench) row(name, format string, f figure, x bar) {
	verdict := ""
	if !x.keeps(f.median) {
		verdict = "   MISSED"
		b.missed = append(b.missed, name)
	}
	fmt.Printf("%-62s "+format+" ("+format+" to "+format+")   bar %s%s\n", name, f.median, f.low, f.high, x, verdict)
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
	if r.Good == 0 {
		return r, 0, errors.New("no good answer")
	}
	return r, float64((after - before).Microseconds()) / float64(r.Good), nil
}

// compare takes turns and returns the ratios of CPU per answer and of rates, x over y.
func (b *bench) compare(ctx context.Context, x, y side) (cpu, rate figure, err error) {
	var cpus, rates []float64
	for round := range b.rounds + 1 {
		rx, cx, err := b.turn(ctx, x)
		if err != nil {
			return cpu, rate, err
		}
		ry, cy, err := b.turn(ctx, y)
		if err != nil {
			return cpu, rate, err
		}
		if round > 0 { // in the first, caches, connections and the heap settle
			cpus, rates = append(cpus, cx/cy), append(rates, rx.rate()/ry.rate())
		}
	}
	return figureOf(cpus...), figureOf(rates...), nil
}
