package keys_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/keys"
)

var es256 = []keys.Alg{keys.ES256}

// short is a policy for tests: 30 s of window, 30 minutes of signing, 64 s of lingering.
var short = keys.Policy{JWKSMaxAge: 28 * time.Second, ClockSkew: time.Second, RotateEvery: 30 * time.Minute, MaxTokenLifetime: time.Minute}

const (
	window = 30 * time.Second
	linger = 64 * time.Second
)

// describe is changes in one line: "ES256 new pending, ES256 old active".
func describe(set []*keys.Key, changes []keys.Change) string {
	var parts []string
	for _, c := range changes {
		from := "new"
		for _, k := range set {
			if k.ID == c.KeyID {
				from = string(k.State)
			}
		}
		if c.Reason == "" {
			from += " (without reason)"
		}
		parts = append(parts, fmt.Sprintf("%s %s to %s", c.Alg, from, c.To))
	}
	return strings.Join(parts, ", ")
}

// step plans at now, checks what is due and when to come back, and applies it.
func step(t *testing.T, set []*keys.Key, algs []keys.Alg, now time.Time, want string, wantNext time.Time) []*keys.Key {
	t.Helper()
	changes, next := keys.Plan(set, algs, short, now)
	if got := describe(set, changes); got != want {
		t.Fatalf("at +%s: got %q, want %q", now.Sub(start), got, want)
	}
	if !next.Equal(wantNext) {
		t.Fatalf("at +%s: next is +%s, want +%s", now.Sub(start), next.Sub(start), wantNext.Sub(start))
	}
	set = apply(t, set, changes, now)
	if again, next := keys.Plan(set, algs, short, now); len(again) != 0 || !next.Equal(wantNext) {
		t.Fatalf("at +%s, planned again: got %q and +%s, want nothing and +%s", now.Sub(start), describe(set, again), next.Sub(start), wantNext.Sub(start))
	}
	return set
}

// MIS-01: the life of a key, moment by moment.
func TestKeysRotate(t *testing.T) {
	at := func(d time.Duration) time.Time { return start.Add(d) }
	switchAt := short.RotateEvery
	set := step(t, nil, es256, start, "ES256 new to active", at(switchAt-window))
	first := keyOf(t, set, keys.ES256, keys.Active)
	set = step(t, set, es256, at(switchAt-window-1), "", at(switchAt-window))
	set = step(t, set, es256, at(switchAt-window), "ES256 new to pending", at(switchAt))
	second := keyOf(t, set, keys.ES256, keys.Pending)
	set = step(t, set, es256, at(switchAt-1), "", at(switchAt))
	set = step(t, set, es256, at(switchAt), "ES256 pending to active, ES256 active to retired", at(switchAt+linger))
	if k := keyOf(t, set, keys.ES256, keys.Active); k.ID != second.ID || !k.ActiveAt.Equal(at(switchAt)) {
		t.Errorf("got %v active since %s", k, k.ActiveAt)
	}
	if k := keyOf(t, set, keys.ES256, keys.Retired); k.ID != first.ID || !k.RetiredAt.Equal(at(switchAt)) || !k.RemoveAt.Equal(at(switchAt+linger)) {
		t.Errorf("got %v retired at %s until %s", k, k.RetiredAt, k.RemoveAt)
	}
	set = step(t, set, es256, at(switchAt+linger-1), "", at(switchAt+linger))
	set = step(t, set, es256, at(switchAt+linger), "ES256 retired to removed", at(2*switchAt-window))
	// A broker that was switched off for years comes back to a rotation like any other.
	late := at(10 * 365 * 24 * time.Hour)
	set = step(t, set, es256, late, "ES256 new to pending", late.Add(window))
	step(t, set, es256, late.Add(window), "ES256 pending to active, ES256 active to retired", late.Add(window+linger))
}

// All algorithms of the first set-up sign at once; one that is added later is published first, one that is dropped stops.
func TestAlgorithmsComeAndGo(t *testing.T) {
	both := []keys.Alg{keys.ES256, keys.EdDSA}
	set := step(t, nil, []keys.Alg{keys.EdDSA, keys.ES256, keys.EdDSA}, start, "ES256 new to active, EdDSA new to active", start.Add(short.RotateEvery-window))
	set = step(t, set, es256, start, "EdDSA active to retired", start.Add(linger))
	set = step(t, set, both, start, "EdDSA new to pending", start.Add(window))
	set = step(t, set, es256, start, "EdDSA pending to removed", start.Add(linger))
	set = step(t, set, both, start, "EdDSA new to pending", start.Add(window))
	now := start.Add(window)
	set = step(t, set, both, now, "EdDSA pending to active", start.Add(linger))
	set = step(t, set, nil, now, "ES256 active to retired, EdDSA active to retired", start.Add(linger))
	set = step(t, set, nil, start.Add(linger), "EdDSA retired to removed", now.Add(linger))
	set = step(t, set, nil, now.Add(linger), "ES256 retired to removed, EdDSA retired to removed", time.Time{})
	step(t, set, es256, now.Add(linger), "ES256 new to pending", now.Add(linger+window))
}

// A rotation that is asked for begins at once and still honours the window; asking twice is asking once.
func TestRotateNow(t *testing.T) {
	set := setUp(t, keys.ES256)
	now := start.Add(time.Minute)
	changes := keys.RotateNow(set, keys.ES256, short, now)
	if got := describe(set, changes); got != "ES256 new to pending" {
		t.Fatalf("got %q", got)
	}
	set = apply(t, set, changes, now)
	if again := keys.RotateNow(set, keys.ES256, short, now.Add(time.Second)); len(again) != 0 {
		t.Errorf("asked twice: got %q", describe(set, again))
	}
	set = step(t, set, es256, now.Add(window-1), "", now.Add(window))
	step(t, set, es256, now.Add(window), "ES256 pending to active, ES256 active to retired", now.Add(window+linger))
}

// An emergency removes the key at once and lets a successor sign at once.
func TestRemove(t *testing.T) {
	remove := func(set []*keys.Key, k *keys.Key, want string) []*keys.Key {
		t.Helper()
		changes, err := keys.Remove(set, k.ID, start)
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(set, changes); got != want {
			t.Errorf("remove %v: got %q, want %q", k, got, want)
		}
		after := apply(t, set, changes, start)
		ring := ringOf(t, after)
		if signer := mustSigner(t, ring, keys.ES256, "JWT").Key(); signer.ID == k.ID || !signer.ActiveAt.Equal(start) {
			t.Errorf("remove %v: %v signs since %s", k, signer, signer.ActiveAt)
		}
		if body, _ := ring.JWKS(); strings.Contains(string(body), k.ID) {
			t.Errorf("remove %v: it is published", k)
		}
		if changes, _ := keys.Plan(after, es256, short, start); len(changes) != 0 {
			t.Errorf("remove %v: then %q is due", k, describe(after, changes))
		}
		// Only the first change may have been made: the algorithm signs all the same.
		mustSigner(t, ringOf(t, apply(t, set, changes[:1], start)), keys.ES256, "JWT")
		return after
	}
	set := setUp(t, keys.ES256)
	a := keyOf(t, set, keys.ES256, keys.Active)
	set = remove(set, a, "ES256 new to active, ES256 active to removed")
	if again, err := keys.Remove(set, a.ID, start); err != nil || len(again) != 0 {
		t.Errorf("removed twice: got %q, %v", describe(set, again), err)
	}

	set = apply(t, set, keys.RotateNow(set, keys.ES256, short, start), start)
	b, c := keyOf(t, set, keys.ES256, keys.Active), keyOf(t, set, keys.ES256, keys.Pending)
	remove(set, c, "ES256 pending to removed")
	set = remove(set, b, "ES256 pending to active, ES256 active to removed")
	if got := keyOf(t, set, keys.ES256, keys.Active); got.ID != c.ID {
		t.Errorf("got %v, want the pending key %v to sign", got, c)
	}
	if _, err := keys.Remove(set, "x", start); !errors.Is(err, keys.ErrUnknownKey) {
		t.Errorf("unknown key: got %v, want %v", err, keys.ErrUnknownKey)
	}
}

// What a clock that ran ahead has made does not hold up what follows.
func TestClockThatWentBack(t *testing.T) {
	year := 365 * 24 * time.Hour
	ahead := start.Add(year)
	set := step(t, nil, es256, ahead, "ES256 new to active", ahead.Add(short.RotateEvery-window))
	set = step(t, set, es256, start, "ES256 new to pending", start.Add(window)) // the active key is from the future: it rotates
	// The key from the future may have signed tokens that live by its clock.
	step(t, set, es256, start.Add(window), "ES256 pending to active, ES256 active to retired", start.Add(short.RotateEvery))

	set = setUp(t, keys.ES256)
	set = apply(t, set, keys.RotateNow(set, keys.ES256, short, ahead), ahead)
	step(t, set, es256, start, "ES256 pending to removed, ES256 new to pending", start.Add(window))
}

// Changes are made as far as they were applied: a crash after any of them leaves the rest to the next plan.
func TestCrashInTheMiddleOfApply(t *testing.T) {
	set := setUp(t, keys.ES256, keys.EdDSA)
	both := []keys.Alg{keys.ES256, keys.EdDSA}
	for _, now := range []time.Time{start.Add(short.RotateEvery - window), start.Add(short.RotateEvery), start.Add(short.RotateEvery + linger)} {
		changes, _ := keys.Plan(set, both, short, now)
		whole := apply(t, set, changes, now)
		for n := range changes {
			part := apply(t, set, changes[:n], now)
			mustSigner(t, ringOf(t, part), keys.ES256, "JWT")
			rest, _ := keys.Plan(part, both, short, now)
			part = apply(t, part, rest, now)
			if got, want := states(part), states(whole); got != want {
				t.Errorf("at +%s after %d of %q: got %s, want %s", now.Sub(start), n, describe(set, changes), got, want)
			}
		}
		set = whole
	}
}

func states(set []*keys.Key) string {
	var all []string
	for _, k := range set {
		all = append(all, string(k.Alg)+" "+string(k.State))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Apply leaves what it was given as it is, returns what must be stored, and refuses steps back.
func TestApply(t *testing.T) {
	set := setUp(t, algs...)
	before := fmt.Sprint(set)
	k := keyOf(t, set, keys.ES256, keys.Active)
	after, written, err := keys.Apply(set, []keys.Change{{Alg: keys.ES256, To: keys.Pending, Due: start.Add(window)}, {Alg: keys.ES256, KeyID: k.ID, To: keys.Retired, Due: start}}, start)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != 4 || len(written) != 2 || written[0].State != keys.Pending || written[1].ID != k.ID || written[1].State != keys.Retired {
		t.Errorf("got %v, written %v", after, written)
	}
	if fmt.Sprint(set) != before {
		t.Errorf("the keys passed in changed: %v, before %s", set, before)
	}
	retired := written[1]
	if twice := apply(t, after, []keys.Change{{KeyID: written[0].ID, To: keys.Active}, {KeyID: written[0].ID, To: keys.Retired}}, start); !keyOf(t, twice[3:], keys.ES256, keys.Retired).ActiveAt.Equal(start) {
		t.Errorf("two changes of a key: got %v", twice)
	}
	for name, c := range map[string]keys.Change{
		"step back":         {Alg: keys.ES256, KeyID: retired.ID, To: keys.Active},
		"standing still":    {Alg: keys.ES256, KeyID: retired.ID, To: keys.Retired},
		"unknown key":       {Alg: keys.ES256, KeyID: "x", To: keys.Removed},
		"unknown state":     {Alg: keys.ES256, To: "on"},
		"unknown algorithm": {Alg: "HS256", To: keys.Pending},
	} {
		if after, written, err := keys.Apply(after, []keys.Change{c}, start); err == nil || after != nil || written != nil {
			t.Errorf("%s: got %v, %v, %v, want an error alone", name, after, written, err)
		}
	}
}

func TestPolicyValidate(t *testing.T) {
	if err := keys.DefaultPolicy().Validate(); err != nil {
		t.Errorf("default policy: %v", err)
	}
	for want, change := range map[string]func(*keys.Policy){
		"JWKS max-age: 0s":                                   func(p *keys.Policy) { p.JWKSMaxAge = 0 },
		"JWKS max-age: 1.5s is not a whole":                  func(p *keys.Policy) { p.JWKSMaxAge = 1500 * time.Millisecond },
		"JWKS max-age: 24h0m1s":                              func(p *keys.Policy) { p.JWKSMaxAge = 24*time.Hour + time.Second },
		"clock skew: -1s":                                    func(p *keys.Policy) { p.ClockSkew = -time.Second },
		"clock skew: 11m":                                    func(p *keys.Policy) { p.ClockSkew = 11 * time.Minute },
		"longest token lifetime: 0s":                         func(p *keys.Policy) { p.MaxTokenLifetime = 0 },
		"rotation interval: 33m0s is shorter than 34m":       func(p *keys.Policy) { p.RotateEvery = 33 * time.Minute },
		"clock skew: -1s is not between 0s and 10m\nlongest": func(p *keys.Policy) { p.ClockSkew, p.MaxTokenLifetime = -time.Second, -1 },
	} {
		p := keys.DefaultPolicy()
		change(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
