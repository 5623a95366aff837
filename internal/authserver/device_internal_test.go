package authserver

import (
	"context"
	"errors"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
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

// fullFor is a store in which one kind of things has reached its limit.
type fullFor struct {
	GrantStore
	kind  string
	asked []string
}

func (f *fullFor) Take(_ context.Context, kind, key string, l iam.Limit, _ time.Time) (time.Duration, error) {
	f.asked = append(f.asked, kind+" "+key+" "+strconv.Itoa(l.Most))
	if kind == f.kind {
		return 90*time.Second + 1, nil
	}
	return 0, nil
}

func (f *fullFor) GiveBack(context.Context, string, string, iam.Limit, time.Time) error { return nil }

// DEV-13: devices are counted by network and by client, and one too many of either is told when to come back.
func TestDevicesOfAClientAreBounded(t *testing.T) {
	for _, kind := range []string{"device-network", "device-client", ""} {
		store := &fullFor{kind: kind}
		s := &Server{Grants: store, Policy: &token.Policy{Now: time.Now}, Lives: Lives{Device: 10 * time.Minute}}
		err, w := s.admitDevice(t.Context(), &iam.Client{ID: "cli"}), httptest.NewRecorder()
		web.SetRetryAfter(w.Header(), err)
		if full := iam.KindOf(err) == iam.TooMany; full != (kind != "") || full && w.Header().Get("Retry-After") != "91" {
			t.Errorf("limit of %q: got %v and Retry-After %q after %q", kind, err, w.Header().Get("Retry-After"), store.asked)
		}
		if kind == "" && (len(store.asked) != 2 || store.asked[1] != "device-client cli 5000") {
			t.Errorf("got %q, want one of the network and one of the client", store.asked)
		}
	}
}
