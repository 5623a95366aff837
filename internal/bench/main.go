// Command bench measures what Gatehouse promises about performance, as ratios against a bare server measured in the same run on
// the same machine: see docs/performance.md. make bench builds the broker and runs it.
//
// Every server is a process of its own; its CPU time is the operating system's account of it. Rounds are interleaved — floor,
// broker, floor, broker — and the median of the rounds' ratios is printed, so that a machine whose speed drifts drifts for both.
// A figure whose median misses its bar is printed as missed, and once more at the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 { // the processes that this program starts of itself
		switch os.Args[1] {
		case "floor":
			exit(serveFloor(os.Args[2:]))
			return
		case "generate":
			exit(serveLoad(ctx, os.Args[2:]))
			return
		}
	}
	var o options
	flag.StringVar(&o.binary, "binary", "bin/gatehouse", "the broker to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds for each figure")
	flag.DurationVar(&o.length, "length", 2*time.Second, "length of one server's turn in a round")
	flag.IntVar(&o.conns, "connections", 16, "keep-alive connections of the load")
	flag.IntVar(&o.crowd, "crowd", 512, "connections of the overload")
	flag.IntVar(&o.many, "many", 1_000_000, "clients of the large store")
	flag.IntVar(&o.active, "active", 100_000, "of them, those that ask for tokens")
	flag.IntVar(&o.members, "members", 100_000, "members of the large organization")
	flag.IntVar(&o.organizations, "organizations", 10_000, "organizations of the large directory")
	flag.StringVar(&o.only, "only", "", "measure only the figures whose name contains this")
	flag.Parse()
	fmt.Printf("%s, %d processors, %s; %d rounds of %s, %d connections; median (lowest to highest)\n\n",
		runtime.Version(), runtime.NumCPU(), machine(), o.rounds, o.length, o.conns)
	exit(run(ctx, o))
}

type options struct {
	binary string
	rounds int
	length time.Duration
	conns  int
	crowd  int
	many   int
	active int
	only   string

	members, organizations int

	cpus []int // the processors of the broker; nil: all
}

func (o options) wants(figure string) bool { return strings.Contains(figure, o.only) }

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// machine names the processor, where the system tells.
func machine() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOOS + "/" + runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}
