package rediskv_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// Reads that come at the same time go together, and each gets what it asked for.
func TestReadsAtTheSameTimeShareAnExchange(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	const records = 40
	for i := range records {
		tx := kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{{Key: key(fmt.Sprint("k", i)), Value: fmt.Append(nil, "v", i)}}}
		if _, err := s.Apply(t.Context(), "u", tx); err != nil {
			t.Fatal(err)
		}
	}
	const readers, rounds = 32, 100
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			for n := range rounds {
				// Absent records and several keys at once, so that a place counted wrong shows.
				i, j := (r*7+n)%records, (r+n*3)%records
				items, err := s.Get(t.Context(), "u", key(fmt.Sprint("k", i)), key("absent"), key(fmt.Sprint("k", j)))
				if err != nil {
					t.Error(err)
					return
				}
				got := fmt.Sprintf("%s %d %s", items[0].Value, items[1].Version, items[2].Value)
				if want := fmt.Sprintf("v%d 0 v%d", i, j); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	wg.Wait()
	_, line, _ := strings.Cut(srv.Do("info", "commandstats"), "cmdstat_mget:calls=")
	var calls int
	if _, err := fmt.Sscanf(line, "%d,", &calls); err != nil || calls == 0 || calls > readers*rounds/2 {
		t.Errorf("%d reads made %d exchanges (%v), want less than half as many", readers*rounds, calls, err)
	}
}

// A caller that gives up takes none of those with it that wait for the same exchange, and a server that hangs makes nobody wait
// longer than it would alone.
func TestReadsThatShareAnExchangeFailAlone(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	if err := set(s, "u", kv.AckPrimary); err != nil {
		t.Fatal(err)
	}
	srv.Pause()
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			began := time.Now()
			ctx, patient := t.Context(), i%3 != 0
			if !patient {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			_, err := s.Get(ctx, "u", key("k"))
			switch took := time.Since(began); {
			case patient && err != nil:
				t.Errorf("a patient reader got %v", err)
			case !patient && (!errors.Is(err, context.DeadlineExceeded) || took > openBudget):
				t.Errorf("an impatient reader got %v after %v", err, took)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	srv.Resume()
	wg.Wait()
}

// A flight that the server does not answer fails in time for all that wait for it.
func TestReadsOfAHungServerFailInTime(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	srv.Pause()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { unavailable(t, "Get", hungBudget, func() error { return get(s, "u") }) })
	}
	wg.Wait()
	srv.Resume()
	awaitTrue(t, "recovery", func() bool { return get(s, "u") == nil })
}
