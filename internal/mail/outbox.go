package mail

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A Job finds out whether there is a letter to send, and writes it; nil: there is none.
type Job func(ctx context.Context) (*Letter, error)

// An Outbox carries out jobs in the background, in the order in which they came. Whoever asks for something that only some people have
// is answered before anybody has looked who he is.
type Outbox struct {
	deliver func(ctx context.Context, l *Letter) error
	jobs    chan Job
	log     *slog.Logger
}

const (
	queued   = 256              // jobs that wait; a further one is refused
	workers  = 4                // jobs at once: a server that answers slowly holds up no more than one each
	jobTime  = 30 * time.Second // of one attempt
	drainFor = 5 * time.Second  // for what still waits when the process ends
)

// delays lie between the attempts to deliver a letter.
var delays = []time.Duration{2 * time.Second, 15 * time.Second}

// NewOutbox returns an outbox whose letters deliver sends. Nothing happens before Run.
func NewOutbox(deliver func(ctx context.Context, l *Letter) error, log *slog.Logger) *Outbox {
	return &Outbox{deliver: deliver, jobs: make(chan Job, queued), log: log}
}

// Post has a job done soon, and reports false when so many wait that it was not taken.
func (o *Outbox) Post(j Job) bool {
	select {
	case o.jobs <- j:
		return true
	default:
		return false
	}
}

// Run carries jobs out until ctx ends, and then finishes what is under way or waits, for a moment.
func (o *Outbox) Run(ctx context.Context) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainFor, end) })()
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { o.work(ctx, life) })
	}
	running.Wait()
}

func (o *Outbox) work(ctx, life context.Context) {
	for life.Err() == nil {
		select {
		case j := <-o.jobs:
			o.do(ctx, life, j)
			continue
		default:
		}
		select {
		case j := <-o.jobs:
			o.do(ctx, life, j)
		case <-ctx.Done():
			return // and nothing waits
		}
	}
}

// do carries one job out. The log never says to whom: that would be a list of the people.
func (o *Outbox) do(ctx, life context.Context, j Job) {
	letter, err := j(life)
	if err != nil {
		o.log.WarnContext(ctx, "a mail could not be written", "error", err)
		return
	}
	if letter == nil {
		return
	}
	for attempt := 0; ; attempt++ {
		once, cancel := context.WithTimeout(life, jobTime)
		err = o.deliver(once, letter)
		cancel()
		if err == nil {
			return
		}
		if attempt == len(delays) || life.Err() != nil {
			o.log.ErrorContext(ctx, "a mail was given up", "subject", letter.Subject, "attempts", attempt+1, "error", err)
			return
		}
		o.log.WarnContext(ctx, "a mail was not taken; trying again", "subject", letter.Subject, "after", delays[attempt].String(), "error", err)
		select {
		case <-time.After(delays[attempt]):
		case <-ctx.Done(): // there is no later
		}
	}
}
