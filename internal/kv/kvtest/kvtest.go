// Package kvtest is the one suite that every engine of package kv passes: the contract in kv.go as tests. An engine's own tests
// call Run and add what only that engine promises. It imports kv and the rapid property tester, and no engine.
package kvtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// The collections that the suite uses, one of each kind.
var (
	indexed   = &kv.Coll{Name: "idx", Indexed: true}
	plain     = &kv.Coll{Name: "plain"}
	ephemeral = &kv.Coll{Name: "eph", Indexed: true, Ephemeral: true}
)

// Run checks that the stores which open returns keep the contract. open is called once for each rule; it returns an empty
// store that nothing else writes to, and closes it in a cleanup (a second Close does nothing). The engine must live on this
// machine: rules about expiry compare its clock with the local one and allow 2 ms of rounding.
func Run(t *testing.T, open func(t *testing.T) kv.Store) {
	for _, rule := range []struct {
		name  string
		check func(t *testing.T, s kv.Store)
	}{
		{"AbsentIsVersionZero", absentIsVersionZero},
		{"PutGetDelete", putGetDelete},
		{"ValuesAreBinarySafe", valuesAreBinarySafe},
		{"VersionsGrowAndNeverRepeat", versionsGrowAndNeverRepeat},
		{"FailedCheckAppliesNothing", failedCheckAppliesNothing},
		{"KeysAreInjective", keysAreInjective},
		{"ReplayIsFoundBeforeChecks", replayIsFoundBeforeChecks},
		{"ReplayNeedsAStandingPut", replayNeedsAStandingPut},
		{"SameTransactionAtOnceAppliesOnce", sameTransactionAtOnceAppliesOnce},
		{"ExpiryIsExact", expiryIsExact},
		{"ExpiredIsAbsent", expiredIsAbsent},
		{"OverwritingMovesExpiry", overwritingMovesExpiry},
		{"ListIsOrderedAndPaged", listIsOrderedAndPaged},
		{"ListFollowsWrites", listFollowsWrites},
		{"ListPassesExpired", listPassesExpired},
		{"LogIsInCommitOrder", logIsInCommitOrder},
		{"LogWaits", logWaits},
		{"LogGap", logGap},
		{"TrimKeepsNewest", trimKeepsNewest},
		{"LogsAreIsolated", logsAreIsolated},
		{"InvalidCallsAreRefused", invalidCallsAreRefused},
		{"LimitsAreReached", limitsAreReached},
		{"ScanSeesEveryLiveRecord", scanSeesEveryLiveRecord},
		{"TransfersConserveTheSum", transfersConserveTheSum},
		{"CreateOnlyHasOneWinner", createOnlyHasOneWinner},
		{"FollowerMissesNothing", followerMissesNothing},
		{"RandomTransactionsFollowTheModel", randomTransactionsFollowTheModel},
		{"EndedContextDoesNothing", endedContextDoesNothing},
		{"CancelledWriteIsRetriedOnce", cancelledWriteIsRetriedOnce},
		{"HealthNamesTheEngine", healthNamesTheEngine},
		{"ClosedStoreIsUnavailable", closedStoreIsUnavailable},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, open(t)) })
	}
}

func key(c *kv.Coll, id string) kv.Key { return kv.Key{Coll: c, ID: id} }

func put(c *kv.Coll, id, value string) kv.Put {
	return kv.Put{Key: key(c, id), Value: []byte(value)}
}

// apply applies tx under a fresh ID where it has none and fails the test when it is refused.
func apply(t testing.TB, s kv.Store, u kv.Unit, tx kv.Tx) kv.Result {
	t.Helper()
	if tx.ID == "" {
		tx.ID = kv.NewTxID()
	}
	res, err := s.Apply(t.Context(), u, tx)
	if err != nil {
		t.Fatalf("Apply in %q: %v", u, err)
	}
	return res
}

// get reads one record.
func get(t testing.TB, s kv.Store, u kv.Unit, k kv.Key) kv.Item {
	t.Helper()
	items, err := s.Get(t.Context(), u, k)
	if err != nil || len(items) != 1 {
		t.Fatalf("Get %q in %q: got %d items, %v; want 1", k.ID, u, len(items), err)
	}
	return items[0]
}

// wantValue checks that k has this version and value.
func wantValue(t testing.TB, s kv.Store, u kv.Unit, k kv.Key, v kv.Version, value string) {
	t.Helper()
	it := get(t, s, u, k)
	if it.ID != k.ID || it.Version != v || string(it.Value) != value {
		t.Errorf("Get %q in %q: got id %q version %d value %q, want version %d value %q", k.ID, u, it.ID, it.Version, it.Value, v, value)
	}
}

// wantAbsent checks that k reads as absent.
func wantAbsent(t testing.TB, s kv.Store, u kv.Unit, k kv.Key) {
	t.Helper()
	if it := get(t, s, u, k); it.ID != k.ID || it.Version != 0 || it.Value != nil || !it.ExpiresAt.IsZero() {
		t.Errorf("Get %q in %q: got %+v, want absent", k.ID, u, it)
	}
}

// wantConflict checks that tx conflicts at the given check with the given current version.
func wantConflict(t testing.TB, s kv.Store, u kv.Unit, tx kv.Tx, check int, current kv.Version) {
	t.Helper()
	if tx.ID == "" {
		tx.ID = kv.NewTxID()
	}
	_, err := s.Apply(t.Context(), u, tx)
	var conflict *kv.ConflictError
	if !errors.Is(err, kv.ErrConflict) || !errors.As(err, &conflict) {
		t.Errorf("Apply in %q: got %v, want a ConflictError", u, err)
		return
	}
	if conflict.Check != check || conflict.Current != current {
		t.Errorf("Apply in %q: got conflict at check %d with version %d, want check %d with version %d", u, conflict.Check, conflict.Current, check, current)
	}
}

// listAll reads all pages and returns the IDs.
func listAll(t testing.TB, s kv.Store, u kv.Unit, c *kv.Coll, o kv.ListOptions) []string {
	t.Helper()
	var ids []string
	for range 5_000 {
		page, err := s.List(t.Context(), u, c, o)
		if err != nil {
			t.Fatalf("List %+v: %v", o, err)
		}
		if len(page.Items) > o.Limit {
			t.Fatalf("List %+v: got %d items", o, len(page.Items))
		}
		for _, it := range page.Items {
			ids = append(ids, it.ID)
		}
		if page.Next == "" {
			return ids
		}
		if page.Next <= o.After {
			t.Fatalf("List %+v: Next %q makes no progress", o, page.Next)
		}
		o.After = page.Next
	}
	t.Fatalf("List %+v: no end after 5000 pages", o)
	return nil
}

// readAll returns the log from after to its end without waiting.
func readAll(t testing.TB, s kv.Store, u kv.Unit, after kv.Cursor) []kv.Entry {
	t.Helper()
	var all []kv.Entry
	for {
		entries, err := s.ReadLog(t.Context(), u, after, 100, 0)
		if err != nil {
			t.Fatalf("ReadLog in %q after %q: %v", u, after, err)
		}
		if len(entries) == 0 {
			return all
		}
		all = append(all, entries...)
		after = entries[len(entries)-1].Cursor
	}
}

// wantEvents checks the data of the log from its start.
func wantEvents(t testing.TB, s kv.Store, u kv.Unit, want ...string) []kv.Entry {
	t.Helper()
	entries := readAll(t, s, u, "")
	got := make([]string, len(entries))
	for i, e := range entries {
		got[i] = string(e.Data)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", append([]string{}, want...)) {
		t.Errorf("log of %q: got %q, want %q", u, got, want)
	}
	return entries
}

func tail(t testing.TB, s kv.Store, u kv.Unit) kv.Cursor {
	t.Helper()
	c, err := s.LogTail(t.Context(), u)
	if err != nil {
		t.Fatalf("LogTail in %q: %v", u, err)
	}
	return c
}

// rounding is what an engine's millisecond clock may differ from ours.
const rounding = 2 * time.Millisecond

// passed returns when at has passed on every engine's clock.
func passed(at time.Time) { time.Sleep(time.Until(at.Add(rounding))) }
