package activity

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Store is where a Recorder writes. Each call replaces or extends what this replica wrote before, so that one that failed may be
// made again.
type Store interface {
	PutFailures(ctx context.Context, replica string, counts []iam.FailedAuthentications) error
	PutUses(ctx context.Context, uses []iam.LastUse) error
	PutDenied(ctx context.Context, requests []iam.DeniedRequest) error
}

// A Recorder collects the activity of one replica. Its methods may be called from many goroutines and never wait for the store.
type Recorder struct {
	store   Store
	replica string
	now     func() time.Time
	log     *slog.Logger

	failures failures
	uses     uses
	denials  denials
}

// New returns a Recorder of a replica, whose name no other one has or had.
func New(store Store, replica string, now func() time.Time, log *slog.Logger) *Recorder {
	r := &Recorder{store: store, replica: replica, now: now, log: log}
	r.failures.counts = make(map[failure]*count)
	r.uses.init()
	return r
}

// The rhythm of Run, and how long it has for the last flush.
const (
	every     = 10 * time.Second
	lastFlush = 5 * time.Second
)

// Run writes what was collected until ctx ends, and then the rest.
func (r *Recorder) Run(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := r.flush(ctx, false); err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "writing activity", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			if err := r.flush(last, true); err != nil {
				r.log.WarnContext(last, "writing the last activity", "error", err)
			}
			return
		}
	}
}

// Flush writes all that was collected. What could not be written stays for the next time.
func (r *Recorder) Flush(ctx context.Context) error { return r.flush(ctx, true) }

// flush writes what is due, or all. No two run at once.
func (r *Recorder) flush(ctx context.Context, all bool) error {
	return errors.Join(r.flushFailures(ctx), r.flushDenials(ctx), r.flushUses(ctx, all))
}
