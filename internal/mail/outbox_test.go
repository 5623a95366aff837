package mail

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func letter(to string) Job {
	return func(context.Context) (*Letter, error) { return &Letter{To: to, Subject: "s"}, nil }
}

// A letter that the server does not take is tried again, and then given up; the log never says to whom it was.
func TestLettersAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int64
		var log strings.Builder
		o := NewOutbox(func(_ context.Context, l *Letter) error {
			if n := tries.Add(1); l.To == "ann@acme.example" && n < 3 || l.To == "bob@acme.example" {
				return errors.New("not now")
			}
			return nil
		}, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); o.Run(ctx) }()
		o.Post(letter("ann@acme.example"))
		time.Sleep(time.Minute)
		if got := tries.Load(); got != 3 {
			t.Errorf("ann's letter was tried %d times, want 3", got)
		}
		if strings.Contains(log.String(), "given up") {
			t.Errorf("ann's letter was given up: %s", &log)
		}
		o.Post(letter("bob@acme.example"))
		time.Sleep(time.Minute)
		if got := tries.Load(); got != 6 {
			t.Errorf("tried %d times in all, want 6", got)
		}
		stop()
		<-done
		if text := log.String(); !strings.Contains(text, "given up") || strings.Contains(text, "acme.example") {
			t.Errorf("the log says %s", text)
		}
	})
}

// So many jobs wait and no more; what waits when the process ends is still sent.
func TestWhatWaitsIsBoundedAndSentAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		o := NewOutbox(func(context.Context, *Letter) error { sent.Add(1); return nil }, slog.New(slog.DiscardHandler))
		for i := range queued {
			if !o.Post(letter("ann@acme.example")) {
				t.Fatalf("job %d was refused", i)
			}
		}
		if o.Post(letter("ann@acme.example")) {
			t.Error("one more was taken")
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		o.Run(ctx)
		if got := sent.Load(); got != queued {
			t.Errorf("%d letters were sent, want %d", got, queued)
		}
	})
}

// A server that hangs holds the end of the process up for a moment only.
func TestTheEndWaitsAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewOutbox(func(ctx context.Context, _ *Letter) error { <-ctx.Done(); return ctx.Err() }, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); o.Run(ctx) }()
		for range 20 {
			o.Post(letter("ann@acme.example"))
		}
		synctest.Wait()
		stop()
		began := time.Now()
		<-done
		if took := time.Since(began); took > drainFor {
			t.Errorf("the end took %v, want at most %v", took, drainFor)
		}
	})
}
