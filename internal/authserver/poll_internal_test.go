package authserver

import (
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// DEV-02: from the first poll that comes too soon, the interval is 5 seconds longer. A device that keeps to it is never told to slow
// down, and one that asks without a pause causes two writes in an interval.
func TestIntervalGrowsForWhoAsksTooSoon(t *testing.T) {
	start := time.Now()
	d := &iam.DeviceGrant{Interval: pollInterval}
	for _, c := range []struct {
		at    time.Duration
		want  error
		write bool
	}{
		{0, errPending, true},
		{5 * time.Second, errPending, true},
		{9500 * time.Millisecond, errPending, true}, // sent at 10 s, by a network that was slow the time before
		{11 * time.Second, errTooSoon, true},
		{12 * time.Second, errTooSoon, false},
		{15 * time.Second, errTooSoon, false}, // 5 seconds would have done before
		{20 * time.Second, errPending, true},
		{30 * time.Second, errPending, true},
		{31 * time.Second, errTooSoon, true}, // 15 seconds from now on
		{41 * time.Second, errTooSoon, false},
		{45 * time.Second, errPending, true},
	} {
		write, got := polled(d, start.Add(c.at))
		if !errors.Is(got, c.want) || write != c.write {
			t.Errorf("at %s: got %v, write %t, want %v, %t", c.at, got, write, c.want, c.write)
		}
	}
}

// A user code that is drawn reads back as itself, and what is not one reads as none.
func TestUserCodesReadBack(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		code := newUserCode()
		if got, ok := readUserCode(code); !ok || got != code || seen[code] {
			t.Fatalf("%q: got %q, %t, drawn before: %t", code, got, ok, seen[code])
		}
		seen[code] = true
	}
	for _, typed := range []string{"", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF-GHJ1", "BCDF_GHJK", "ΒCDF-GHJK", "\x00BCDF-GHJK", "BCDF-GHJı"} {
		if got, ok := readUserCode(typed); ok {
			t.Errorf("%q: got %q, want none", typed, got)
		}
	}
}
