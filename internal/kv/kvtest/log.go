package kvtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

func event(s string) [][]byte { return [][]byte{[]byte(s)} }

func logIsInCommitOrder(t *testing.T, s kv.Store) {
	if c := tail(t, s, "u"); c != "" {
		t.Errorf("LogTail of an empty log: got %q", c)
	}
	wantEvents(t, s, "u")
	var want []string
	seen := map[kv.Cursor]bool{}
	for i := range 120 {
		data := fmt.Sprintf("event %d", i)
		tx := kv.Tx{Events: [][]byte{[]byte(data), []byte(data + " more")}}
		if i%2 == 0 {
			tx.Puts = []kv.Put{put(plain, "k", data)}
		}
		res := apply(t, s, "u", tx)
		if res.Cursor == "" || seen[res.Cursor] {
			t.Fatalf("cursor %q is empty or repeated", res.Cursor)
		}
		seen[res.Cursor] = true
		if c := tail(t, s, "u"); c != res.Cursor {
			t.Errorf("LogTail: got %q, want %q", c, res.Cursor)
		}
		want = append(want, data, data+" more")
	}
	entries := wantEvents(t, s, "u", want...)

	for _, at := range []int{0, 1, 99, len(entries) - 2, len(entries) - 1} {
		got, err := s.ReadLog(t.Context(), "u", entries[at].Cursor, 5, 0)
		if err != nil {
			t.Fatalf("ReadLog after entry %d: %v", at, err)
		}
		if n := min(5, len(entries)-at-1); len(got) != n {
			t.Errorf("ReadLog after entry %d: got %d entries, want %d", at, len(got), n)
		}
		for i, e := range got {
			if next := entries[at+1+i]; e.Cursor != next.Cursor || string(e.Data) != string(next.Data) {
				t.Errorf("ReadLog after entry %d: got %q at %q, want %q at %q", at, e.Data, e.Cursor, next.Data, next.Cursor)
			}
		}
	}
}

func logWaits(t *testing.T, s kv.Store) {
	const patience = 80 * time.Millisecond
	began := time.Now()
	if entries, err := s.ReadLog(t.Context(), "u", "", 10, patience); err != nil || len(entries) != 0 {
		t.Errorf("idle log: got %d entries, %v; want none", len(entries), err)
	}
	if took := time.Since(began); took < patience-rounding {
		t.Errorf("idle log: returned after %v, want %v", took, patience)
	}

	for _, name := range []string{"empty log", "log with entries"} {
		t.Run(name, func(t *testing.T) {
			after := tail(t, s, "u")
			type answer struct {
				entries []kv.Entry
				err     error
			}
			const readers = 3
			answers := make(chan answer, readers)
			for range readers {
				go func() {
					entries, err := s.ReadLog(t.Context(), "u", after, 10, 20*time.Second)
					answers <- answer{entries, err}
				}()
			}
			// Another unit's event and a write without event wake nobody up for nothing.
			apply(t, s, "other", kv.Tx{Events: event("foreign")})
			apply(t, s, "u", kv.Tx{Puts: []kv.Put{put(plain, "k", "v")}})
			select {
			case a := <-answers:
				t.Fatalf("woken without an event: %d entries, %v", len(a.entries), a.err)
			case <-time.After(patience):
			}
			began := time.Now()
			cursor := apply(t, s, "u", kv.Tx{Events: event("news")}).Cursor
			for range readers {
				a := <-answers
				if a.err != nil || len(a.entries) != 1 || string(a.entries[0].Data) != "news" || a.entries[0].Cursor != cursor {
					t.Errorf("got %+v, want the news at %q", a, cursor)
				}
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("woken %v after the event", took)
			}
		})
	}
}

func wantGap(t testing.TB, s kv.Store, u kv.Unit, after kv.Cursor) {
	t.Helper()
	for _, wait := range []time.Duration{0, 20 * time.Second} {
		if entries, err := s.ReadLog(t.Context(), u, after, 10, wait); !errors.Is(err, kv.ErrGap) {
			t.Errorf("ReadLog in %q after %q waiting %v: got %d entries, %v; want ErrGap", u, after, wait, len(entries), err)
		}
	}
}

func logGap(t *testing.T, s kv.Store) {
	apply(t, s, "other", kv.Tx{Events: event("1")})
	foreign := tail(t, s, "other")
	wantGap(t, s, "u", foreign)
	apply(t, s, "u", kv.Tx{Events: event("1")})
	wantGap(t, s, "u", foreign)
	for _, c := range []kv.Cursor{"0", "0-0", "1", "1-1", "$", "-", "+", "x", "\x00", "99999999999999999999", "9999999999999-0", "-1", " ", "00000000000000000000000001"} {
		wantGap(t, s, "u", c)
	}
}

func trimKeepsNewest(t *testing.T, s kv.Store) {
	trim := func(before time.Time) {
		t.Helper()
		if err := s.TrimLog(t.Context(), "u", before); err != nil {
			t.Fatalf("TrimLog: %v", err)
		}
	}
	trim(time.Now().Add(time.Hour)) // of an empty log
	var cursors []kv.Cursor
	for i := range 3 {
		cursors = append(cursors, apply(t, s, "u", kv.Tx{Events: event(fmt.Sprint("old ", i))}).Cursor)
	}
	trim(time.Now().Add(-time.Hour))
	trim(time.Time{})
	wantEvents(t, s, "u", "old 0", "old 1", "old 2")

	time.Sleep(2 * rounding)
	between := time.Now()
	time.Sleep(2 * rounding)
	for i := range 2 {
		cursors = append(cursors, apply(t, s, "u", kv.Tx{Events: event(fmt.Sprint("new ", i))}).Cursor)
	}
	trim(between)
	wantEvents(t, s, "u", "new 0", "new 1")
	for _, c := range cursors[:3] {
		wantGap(t, s, "u", c)
	}
	if got := readAll(t, s, "u", cursors[3]); len(got) != 1 || string(got[0].Data) != "new 1" {
		t.Errorf("after the oldest that is left: got %d entries", len(got))
	}

	for range 2 {
		trim(time.Now().Add(time.Hour))
		wantEvents(t, s, "u", "new 1")
	}
	wantGap(t, s, "u", cursors[3])
	if got := tail(t, s, "u"); got != cursors[4] {
		t.Errorf("LogTail: got %q, want %q", got, cursors[4])
	}
	apply(t, s, "u", kv.Tx{Events: event("next")})
	if got := readAll(t, s, "u", cursors[4]); len(got) != 1 || string(got[0].Data) != "next" {
		t.Errorf("after the newest: got %d entries, want the next", len(got))
	}

	// More than any engine drops in one step.
	for range 40 {
		var tx kv.Tx
		for range kv.MaxOps {
			tx.Events = append(tx.Events, []byte("bulk"))
		}
		apply(t, s, "u", tx)
	}
	trim(time.Now().Add(time.Hour))
	wantEvents(t, s, "u", "bulk")
}

func logsAreIsolated(t *testing.T, s kv.Store) {
	units := []kv.Unit{"a", "ab", "a:", "a/", "b", "l", "a!"}
	for round := range 2 {
		for _, u := range units {
			apply(t, s, u, kv.Tx{Events: event(fmt.Sprint(u, " ", round))})
		}
	}
	if err := s.TrimLog(t.Context(), "a", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	wantEvents(t, s, "a", "a 1")
	for _, u := range units[1:] {
		wantEvents(t, s, u, string(u)+" 0", string(u)+" 1")
	}
}
