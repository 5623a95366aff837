package store

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A tally is how often something was done of late. The window of its limit is cut into parts, each of which has a count, so that a
// record stays small whatever the limit is, and no more than the limit ever fits into a window, wherever that begins.
type tally struct {
	Newest int64 `json:"newest"` // the number of the newest part, counted from 1970
	Counts []int `json:"counts"` // of that part and those before it
}

// tallyParts is how many parts a window has. What was done is remembered for up to a part longer than the window.
const tallyParts = 10

// turn makes now the newest part. A clock that is behind that of whoever counted last counts there.
func (t *tally) turn(now int64) {
	t.Newest = max(t.Newest, now-tallyParts-1)
	for ; t.Newest < now; t.Newest++ {
		t.Counts = append([]int{0}, t.Counts...)
	}
	if len(t.Counts) == 0 {
		t.Counts = []int{0}
	}
	t.Counts = t.Counts[:min(len(t.Counts), tallyParts+1)]
}

// opens returns the number of the part in which one more fits: the newest, or a later one.
func (t *tally) opens(most int) int64 {
	sum := 0
	for _, n := range t.Counts {
		sum += n
	}
	if sum < most {
		return t.Newest
	}
	for i := len(t.Counts) - 1; i >= 0; i-- {
		if sum -= t.Counts[i]; sum < most {
			return t.Newest - int64(i) + tallyParts + 1
		}
	}
	return t.Newest + tallyParts + 1
}

// Take counts one more of a kind of things by a key, if the limit has room for it; else it returns how long that takes, and has counted
// nothing. It is exact: of those who take the last place at once, on whatever replicas, one gets it. The key may be anything; only
// its hash is kept. Once the limit is reached, nothing is written.
func (s *Store) Take(ctx context.Context, kind, key string, l iam.Limit, now time.Time) (wait time.Duration, err error) {
	part := l.Window / tallyParts
	err = s.retally(ctx, kind, key, l, now, func(t *tally) bool {
		at := t.opens(l.Most)
		if wait = 0; at > t.Newest {
			wait = time.Unix(0, at*int64(part)).Sub(now)
			return false
		}
		t.Counts[0]++
		return true
	})
	return wait, err
}

// GiveBack undoes a Take of this now.
func (s *Store) GiveBack(ctx context.Context, kind, key string, l iam.Limit, now time.Time) error {
	taken := now.UnixNano() / int64(l.Window/tallyParts)
	return s.retally(ctx, kind, key, l, now, func(t *tally) bool {
		i := t.Newest - taken
		if i < 0 || i >= int64(len(t.Counts)) || t.Counts[i] == 0 {
			return false
		}
		t.Counts[i]--
		return true
	})
}

// retally has fn change a tally, from none at first, until nobody was faster.
func (s *Store) retally(ctx context.Context, kind, key string, l iam.Limit, now time.Time, fn func(*tally) (write bool)) error {
	h, part := hashID(key), l.Window/tallyParts
	p := place[tally]{tallyUnit(kind, h), tallies, h}
	const attempts = 100
	for range attempts {
		t, version, err := find(ctx, s, p)
		if err != nil {
			return err
		}
		if t == nil {
			t = &tally{Newest: now.UnixNano() / int64(part)}
		}
		t.turn(now.UnixNano() / int64(part))
		if !fn(t) {
			return nil
		}
		err = replace(ctx, s, p, version, t, now.Add(l.Window+2*part))
		if !errors.Is(err, kv.ErrConflict) {
			return err
		}
	}
	return errBusy
}

// Room returns how long it takes until a limit has room for one more, 0 when it has. It counts nothing and writes nothing.
func (s *Store) Room(ctx context.Context, kind, key string, l iam.Limit, now time.Time) (wait time.Duration, err error) {
	err = s.retally(ctx, kind, key, l, now, func(t *tally) bool {
		if at := t.opens(l.Most); at > t.Newest {
			wait = time.Unix(0, at*int64(l.Window/tallyParts)).Sub(now)
		}
		return false
	})
	return wait, err
}
