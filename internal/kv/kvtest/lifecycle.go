package kvtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// calls returns one call of each method that takes a context.
func calls(s kv.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error {
			_, err := s.Get(ctx, "u", key(plain, "k"))
			return err
		},
		"Apply": func(ctx context.Context) error {
			_, err := s.Apply(ctx, "u", kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{put(plain, "k", "v")}, Events: event("e")})
			return err
		},
		"List": func(ctx context.Context) error {
			_, err := s.List(ctx, "u", indexed, kv.ListOptions{Limit: 1})
			return err
		},
		"ReadLog": func(ctx context.Context) error {
			_, err := s.ReadLog(ctx, "u", "", 1, 0)
			return err
		},
		"waiting ReadLog": func(ctx context.Context) error {
			_, err := s.ReadLog(ctx, "idle", "", 1, time.Minute)
			return err
		},
		"LogTail": func(ctx context.Context) error {
			_, err := s.LogTail(ctx, "u")
			return err
		},
		"TrimLog": func(ctx context.Context) error { return s.TrimLog(ctx, "u", time.Now()) },
		"Scan": func(ctx context.Context) error {
			return s.Scan(ctx, func(kv.Unit, string, kv.Item) error { return nil })
		},
		"Health": func(ctx context.Context) error {
			_, err := s.Health(ctx)
			return err
		},
	}
}

func endedContextDoesNothing(t *testing.T, s kv.Store) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(s) {
		if err := call(ended); !errors.Is(err, kv.ErrUnavailable) {
			t.Errorf("%s with an ended context: got %v, want ErrUnavailable", name, err)
		}
	}
	wantAbsent(t, s, "u", key(plain, "k"))
	wantEvents(t, s, "u")

	// The end of a context wakes a waiting reader up, who must not believe that it is current.
	for _, end := range []string{"cancel", "deadline"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		if end == "cancel" {
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(30*time.Millisecond, cancel)
		}
		began := time.Now()
		if entries, err := s.ReadLog(ctx, "u", "", 1, time.Minute); !errors.Is(err, kv.ErrUnavailable) {
			t.Errorf("%s while waiting: got %d entries, %v; want ErrUnavailable", end, len(entries), err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s while waiting: returned after %v", end, took)
		}
		cancel()
	}
}

// cancelledWriteIsRetriedOnce ends contexts in the midst of writes: each outcome is success or ErrUnavailable, and a retry of
// the same transaction leads to it having been applied exactly once.
func cancelledWriteIsRetriedOnce(t *testing.T, s kv.Store) {
	const each = 25
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				tx := kv.Tx{ID: kv.NewTxID(), Checks: []kv.Check{{Key: key(plain, id)}}, Puts: []kv.Put{put(plain, id, "v")}, Events: event(id)}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(1500))*time.Microsecond)
				_, err := s.Apply(ctx, "u", tx)
				cancel()
				if err != nil && !errors.Is(err, kv.ErrUnavailable) {
					t.Errorf("first attempt: got %v, want success or ErrUnavailable", err)
				}
				if _, err := s.Apply(t.Context(), "u", tx); err != nil {
					t.Errorf("retry: %v", err)
				}
			}
		})
	}
	wg.Wait()
	count := map[string]int{}
	for _, e := range readAll(t, s, "u", "") {
		count[string(e.Data)]++
	}
	if len(count) != 8*each {
		t.Errorf("got events of %d transactions, want %d", len(count), 8*each)
	}
	for id, n := range count {
		if n != 1 {
			t.Errorf("transaction %s has %d events, want 1", id, n)
		}
	}
}

func healthNamesTheEngine(t *testing.T, s kv.Store) {
	h, err := s.Health(t.Context())
	if err != nil || h.Engine == "" {
		t.Errorf("Health: got %+v, %v; want an engine", h, err)
	}
	for _, w := range h.Warnings {
		if w == "" {
			t.Error("Health: an empty warning")
		}
	}
}

// closedStoreIsUnavailable closes the store under load: acknowledged or ErrUnavailable, nothing else, and no one is left waiting.
func closedStoreIsUnavailable(t *testing.T, s kv.Store) {
	var wg sync.WaitGroup
	started := make(chan struct{}, workers+1)
	for w := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				_, err := s.Apply(context.Background(), "u", kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{put(plain, fmt.Sprintf("%d-%d", w, i), "v")}})
				if i == 0 {
					started <- struct{}{}
				}
				if err == nil {
					_, err = s.Get(context.Background(), "u", key(plain, "k"))
				}
				if err != nil {
					if !errors.Is(err, kv.ErrUnavailable) {
						t.Errorf("while closing: got %v, want ErrUnavailable", err)
					}
					return
				}
			}
		})
	}
	woken := make(chan error, 1)
	go func() {
		started <- struct{}{}
		_, err := s.ReadLog(context.Background(), "u", "", 1, time.Minute)
		woken <- err
	}()
	for range workers + 1 {
		<-started
	}
	time.Sleep(50 * time.Millisecond) // the reader waits by now; were it late, its call would find the store closed
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	select {
	case err := <-woken:
		if !errors.Is(err, kv.ErrUnavailable) {
			t.Errorf("reader waiting at Close: got %v, want ErrUnavailable", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("reader waiting at Close: not woken")
	}
	wg.Wait()
	for name, call := range calls(s) {
		if err := call(context.Background()); !errors.Is(err, kv.ErrUnavailable) {
			t.Errorf("%s after Close: got %v, want ErrUnavailable", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
