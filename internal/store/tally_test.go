package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// No window, wherever it begins, has more than the limit; what was refused is not counted, and the wait that is told is enough.
func TestNoMoreThanTheLimitFitsIntoAWindow(t *testing.T) {
	s, ctx := replica(t, engine(t)), t.Context()
	limit := iam.Limit{Most: 5, Window: 10 * time.Minute}
	start := time.Now().Truncate(time.Minute)
	var taken []time.Time
	for at := time.Duration(0); at < time.Hour; at += 7 * time.Second {
		now := start.Add(at)
		wait, err := s.Take(ctx, "test", "a", limit, now)
		if err != nil {
			t.Fatal(err)
		}
		if wait == 0 {
			taken = append(taken, now)
			continue
		}
		if wait < 0 || wait > limit.Window+limit.Window/10 {
			t.Fatalf("wait at %s: got %s", at, wait)
		}
		at += wait - wait%(7*time.Second)
	}
	if len(taken) < 25 {
		t.Errorf("got %d in an hour, want about 5 in each 11 minutes", len(taken))
	}
	for i := limit.Most; i < len(taken); i++ {
		if d := taken[i].Sub(taken[i-limit.Most]); d < limit.Window {
			t.Fatalf("%d within %s, want at most %d in %s", limit.Most+1, d, limit.Most, limit.Window)
		}
	}
}

// Keys and kinds are counted apart, and what is given back can be taken again.
func TestTalliesAreApartAndCanBeGivenBack(t *testing.T) {
	s, ctx, now := replica(t, engine(t)), t.Context(), time.Now()
	limit := iam.Limit{Most: 1, Window: 10 * time.Minute}
	take := func(kind, key string, want bool) {
		t.Helper()
		wait, err := s.Take(ctx, kind, key, limit, now)
		if err != nil || (wait == 0) != want {
			t.Fatalf("take %s %s: got a wait of %s, %v, want taken: %t", kind, key, wait, err, want)
		}
	}
	take("one", "a", true)
	take("one", "a", false)
	take("one", "b", true)
	take("two", "a", true)
	if err := s.GiveBack(ctx, "one", "a", limit, now); err != nil {
		t.Fatal(err)
	}
	take("one", "a", true)
	take("one", "a", false)
}

// Of many who take at once, as many as the limit has room for get it.
func TestTakingAtOnceIsExact(t *testing.T) {
	s, ctx, now := replica(t, engine(t)), t.Context(), time.Now()
	limit := iam.Limit{Most: 5, Window: 10 * time.Minute}
	var all sync.WaitGroup
	got := make([]bool, 40)
	for i := range got {
		all.Go(func() {
			wait, err := s.Take(ctx, "test", "a", limit, now)
			got[i] = wait == 0
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	n := 0
	for _, ok := range got {
		if ok {
			n++
		}
	}
	if n != limit.Most {
		t.Errorf("got %d, want %d", n, limit.Most)
	}
}
