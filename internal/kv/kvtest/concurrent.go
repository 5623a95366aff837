package kvtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

const workers = 16

// transfersConserveTheSum moves units between pairs of accounts at once and checks that nothing is made or lost, and that
// the log has one event for each acknowledged transfer.
func transfersConserveTheSum(t *testing.T, s kv.Store) {
	const accounts, transfers, start = 8, 40, 1000
	account := func(i int) kv.Key { return key(indexed, fmt.Sprintf("account-%d", i)) }
	var setup kv.Tx
	for i := range accounts {
		setup.Puts = append(setup.Puts, kv.Put{Key: account(i), Value: []byte(strconv.Itoa(start))})
	}
	apply(t, s, "bank", setup)

	var acked, conflicts atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < transfers; {
				pair := rand.Perm(accounts)[:2]
				from, to := account(pair[0]), account(pair[1])
				items, err := s.Get(t.Context(), "bank", from, to)
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				a, _ := strconv.Atoi(string(items[0].Value))
				b, _ := strconv.Atoi(string(items[1].Value))
				_, err = s.Apply(t.Context(), "bank", kv.Tx{
					ID:     kv.NewTxID(),
					Checks: []kv.Check{{Key: from, Version: items[0].Version}, {Key: to, Version: items[1].Version}},
					Puts:   []kv.Put{{Key: from, Value: []byte(strconv.Itoa(a - 1))}, {Key: to, Value: []byte(strconv.Itoa(b + 1))}},
					Events: event(from.ID + " to " + to.ID),
				})
				switch {
				case errors.Is(err, kv.ErrConflict):
					conflicts.Add(1)
				case err != nil:
					t.Errorf("Apply: %v", err)
					return
				default:
					acked.Add(1)
					done++
				}
			}
		})
	}
	wg.Wait()

	balances := make(map[string]int)
	sum := 0
	for i := range accounts {
		n, err := strconv.Atoi(string(get(t, s, "bank", account(i)).Value))
		if err != nil {
			t.Fatal(err)
		}
		balances[account(i).ID] = n
		sum += n
	}
	if sum != accounts*start {
		t.Errorf("sum is %d, want %d", sum, accounts*start)
	}
	entries := readAll(t, s, "bank", "")
	if int64(len(entries)) != acked.Load() || acked.Load() != workers*transfers {
		t.Errorf("got %d events for %d acknowledged transfers, want %d", len(entries), acked.Load(), workers*transfers)
	}
	for _, e := range entries {
		var from, to string
		if _, err := fmt.Sscanf(string(e.Data), "%s to %s", &from, &to); err != nil {
			t.Fatal(err)
		}
		balances[from]++
		balances[to]--
	}
	for id, n := range balances {
		if n != start {
			t.Errorf("%s: the log leads back to %d, want %d", id, n, start)
		}
	}
	t.Logf("%d transfers, %d conflicts", acked.Load(), conflicts.Load())
}

func createOnlyHasOneWinner(t *testing.T, s kv.Store) {
	for round := range 20 {
		k := key(ephemeral, fmt.Sprintf("nonce-%d", round))
		var winners, losers atomic.Int64
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				_, err := s.Apply(t.Context(), "race", kv.Tx{
					ID:     kv.NewTxID(),
					Checks: []kv.Check{{Key: k}},
					Puts:   []kv.Put{{Key: k, ExpiresAt: time.Now().Add(time.Minute)}},
				})
				switch {
				case err == nil:
					winners.Add(1)
				case errors.Is(err, kv.ErrConflict):
					losers.Add(1)
				default:
					t.Errorf("Apply: %v", err)
				}
			})
		}
		wg.Wait()
		if winners.Load() != 1 || losers.Load() != workers-1 {
			t.Fatalf("round %d: %d winners and %d losers of %d", round, winners.Load(), losers.Load(), workers)
		}
	}
}

// followerMissesNothing: a reader that follows the log while it is written sees every event once, in the order of the
// record that all writers count in.
func followerMissesNothing(t *testing.T, s kv.Store) {
	const writers, each = 8, 40
	counter := key(plain, "counter")
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < each; {
				items, err := s.Get(t.Context(), "u", counter)
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				n, _ := strconv.Atoi(string(items[0].Value))
				next := strconv.Itoa(n + 1)
				_, err = s.Apply(t.Context(), "u", kv.Tx{
					ID:     kv.NewTxID(),
					Checks: []kv.Check{{Key: counter, Version: items[0].Version}},
					Puts:   []kv.Put{{Key: counter, Value: []byte(next)}},
					Events: event(next),
				})
				if err == nil {
					done++
				} else if !errors.Is(err, kv.ErrConflict) {
					t.Errorf("Apply: %v", err)
					return
				}
			}
		})
	}
	var after kv.Cursor
	for want := 1; want <= writers*each; {
		entries, err := s.ReadLog(t.Context(), "u", after, 7, 20*time.Second)
		if err != nil || len(entries) == 0 {
			t.Fatalf("ReadLog after event %d: %d entries, %v", want-1, len(entries), err)
		}
		for _, e := range entries {
			if string(e.Data) != strconv.Itoa(want) {
				t.Fatalf("got event %q, want %d", e.Data, want)
			}
			want++
			after = e.Cursor
		}
	}
	wg.Wait()
}
