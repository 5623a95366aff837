package authn

import (
	"context"
	"net/netip"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Tallies count what is done of late, exactly, across replicas. Take counts one more if the limit has room for it, else it returns how
// long that takes; Room tells the same and counts nothing; GiveBack undoes a Take of that now.
type Tallies interface {
	Take(ctx context.Context, kind, key string, l iam.Limit, now time.Time) (wait time.Duration, err error)
	Room(ctx context.Context, kind, key string, l iam.Limit, now time.Time) (wait time.Duration, err error)
	GiveBack(ctx context.Context, kind, key string, l iam.Limit, now time.Time) error
}

// The limits on wrong passwords. A browser in which somebody has signed in before is counted by itself for that person, so that no
// stranger's guesses keep a person out of where he works; all others are counted together, from a network and in all.
var (
	guessesOfBrowser = iam.Limit{Most: 10, Window: 5 * time.Minute} // for one account, of a browser that knows it
	guessesOfPair    = iam.Limit{Most: 10, Window: 5 * time.Minute} // for one account, from one network
	guessesOfNetwork = iam.Limit{Most: 100, Window: 10 * time.Minute}
	guessesOfAccount = iam.Limit{Most: 100, Window: time.Hour}
)

// A guess is a place where an attempt counts.
type guess struct {
	kind, key string
	limit     iam.Limit
}

// guessesAt returns where an attempt at an account counts; device is what the browser is known by for that account, "" when it is not.
func guessesAt(account, device string, from netip.Addr) []guess {
	if device != "" {
		return []guess{{"pw-browser", account + "\x00" + device, guessesOfBrowser}}
	}
	source := web.NetworkOf(from)
	return []guess{
		{"pw-pair", account + "\x00" + source, guessesOfPair},
		{"pw-network", source, guessesOfNetwork},
		{"pw-account", account, guessesOfAccount},
	}
}

// take counts an attempt at each place, or at none: then it returns how long it takes until there is room. It counts before the password
// is looked at, so that of many attempts at once no more are looked at than the limits say; and where a limit is reached already it
// writes nothing.
func take(ctx context.Context, t Tallies, at []guess, now time.Time) (wait time.Duration, err error) {
	for _, g := range at {
		if wait, err := t.Room(ctx, g.kind, g.key, g.limit, now); err != nil || wait > 0 {
			return wait, err
		}
	}
	for i, g := range at {
		wait, err := t.Take(ctx, g.kind, g.key, g.limit, now)
		if err != nil || wait > 0 {
			if back := giveBack(ctx, t, at[:i], now); err == nil {
				err = back
			}
			return wait, err
		}
	}
	return 0, nil
}

// giveBack undoes take: the attempt was no guess.
func giveBack(ctx context.Context, t Tallies, at []guess, now time.Time) error {
	for _, g := range at {
		if err := t.GiveBack(ctx, g.kind, g.key, g.limit, now); err != nil {
			return err
		}
	}
	return nil
}
