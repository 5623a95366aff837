package keys

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Change is one step of one key. Plan, RotateNow and Remove say which are due, Apply makes them.
type Change struct {
	Alg    Alg
	KeyID  string    // empty: a key to be generated
	To     State     // the state after the change
	Due    time.Time // To pending: when it may sign; To retired: when its last token is dead; otherwise zero
	Reason string    // for the audit log
}

// Plan says what is due at now so that each of algs has a key that signs, and when there will be something to do again (zero:
// never). It is a pure function: with its own changes applied it finds nothing more to do until next, and with only the first
// few of them applied it finds the rest.
//
// The very first keys sign at once, since no verifier can have a copy of the JWK set yet: it pays to name all algorithms from
// the start. Every later key is published for the window of the policy before it signs, also the first key of an algorithm
// that is added later. An algorithm that is no longer in algs stops signing.
//
// When the clock went back, what it made in the future is not waited for: a pending key from there is replaced, an active one
// rotates.
func Plan(keys []*Key, algs []Alg, p Policy, now time.Time) (changes []Change, next time.Time) {
	now = wall(now)
	all := slices.Clone(algs)
	for _, k := range keys {
		all = append(all, k.Alg)
	}
	slices.Sort(all)
	for _, alg := range slices.Compact(all) {
		pl := planner{policy: p, now: now, alg: alg, family: familyOf(keys, alg)}
		switch {
		case !slices.Contains(algs, alg):
			pl.stop()
		case len(keys) == 0:
			pl.setUp()
		default:
			pl.rotate()
		}
		pl.sweep()
		changes = append(changes, pl.changes...)
		next = sooner(next, pl.next)
	}
	return changes, next
}

// RotateNow says what begins a rotation of alg before its time: a pending successor, unless there is one already. Plan activates
// it as soon as it has been published for the window.
func RotateNow(keys []*Key, alg Alg, p Policy, now time.Time) []Change {
	pl := planner{policy: p, now: wall(now), alg: alg, family: familyOf(keys, alg)}
	if len(pl.pending) == 0 {
		pl.publish("rotation was asked for")
	}
	return pl.changes
}

// Remove says what an emergency needs: the key with this id leaves the JWK set at once, and if it was signing, a successor signs
// in its place at once — the pending one, else a new one, which verifiers do not know before they fetch the JWK set again.
// The removal belongs into the revocation feed as well. Removing a removed key changes nothing.
func Remove(keys []*Key, id string, now time.Time) ([]Change, error) {
	i := slices.IndexFunc(keys, func(k *Key) bool { return k.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("remove %q: %w", id, ErrUnknownKey)
	}
	k := keys[i]
	if k.State == Removed {
		return nil, nil
	}
	pl := planner{now: wall(now), alg: k.Alg, family: familyOf(keys, k.Alg)}
	// The successor comes first: if only that is applied, the algorithm still signs.
	if k.State == Active && len(pl.active) == 1 {
		successor := ""
		if len(pl.pending) > 0 {
			successor = pl.pending[0].ID
		}
		pl.change(successor, Active, time.Time{}, "successor of a key removed in an emergency")
	}
	pl.change(id, Removed, time.Time{}, "emergency removal")
	return pl.changes, nil
}

// A family is the keys of one algorithm.
type family struct {
	pending []*Key // the one that is to sign first comes first
	active  []*Key // the one that signs comes first
	retired []*Key
}

func familyOf(keys []*Key, alg Alg) (f family) {
	for _, k := range keys {
		switch {
		case k.Alg != alg:
		case k.State == Pending:
			f.pending = append(f.pending, k)
		case k.State == Active:
			f.active = append(f.active, k)
		case k.State == Retired:
			f.retired = append(f.retired, k)
		}
	}
	slices.SortFunc(f.pending, func(a, b *Key) int { return cmp.Or(a.ActiveAt.Compare(b.ActiveAt), cmp.Compare(a.ID, b.ID)) })
	slices.SortFunc(f.active, func(a, b *Key) int { return byActivation(b, a) })
	return f
}

// A planner collects the changes of one algorithm and when to look again.
type planner struct {
	family
	policy  Policy
	now     time.Time
	alg     Alg
	changes []Change
	next    time.Time
}

// setUp makes the first key, which signs at once.
func (pl *planner) setUp() {
	pl.change("", Active, time.Time{}, "first set-up")
	pl.wake(pl.rotationStart(pl.now))
}

// rotate brings the family to one active key and, when its time comes, a pending successor.
func (pl *planner) rotate() {
	var signer, successor *Key
	for i, k := range pl.active {
		if i == 0 {
			signer = k
		} else {
			pl.retire(k, "another key of the algorithm signs")
		}
	}
	replace := false
	for _, k := range pl.pending {
		switch {
		case pl.fromFuture(k.CreatedAt):
			pl.change(k.ID, Removed, time.Time{}, "made by a clock that was ahead; it never signed")
			replace = true
		case successor != nil:
			pl.change(k.ID, Removed, time.Time{}, "another key is pending; it never signed")
		default:
			successor = k
		}
	}
	switch {
	case successor != nil && pl.now.Before(successor.ActiveAt):
		pl.wake(successor.ActiveAt)
	case successor != nil:
		pl.change(successor.ID, Active, time.Time{}, "published long enough")
		if signer != nil {
			pl.retire(signer, "its successor signs")
		}
		pl.wake(pl.rotationStart(later(pl.now, successor.CreatedAt)))
	case signer == nil:
		pl.publish("the algorithm has no key that signs")
	case replace, pl.fromFuture(signer.ActiveAt), !pl.now.Before(pl.rotationStart(signer.ActiveAt)):
		pl.publish("rotation is due")
	default:
		pl.wake(pl.rotationStart(signer.ActiveAt))
	}
}

// stop ends the signing of an algorithm that is no longer wanted.
func (pl *planner) stop() {
	for _, k := range pl.pending {
		pl.change(k.ID, Removed, time.Time{}, "the algorithm is not in use; it never signed")
	}
	for _, k := range pl.active {
		pl.retire(k, "the algorithm is not in use")
	}
}

// sweep removes the retired keys whose last token is dead.
func (pl *planner) sweep() {
	for _, k := range pl.retired {
		if pl.now.Before(k.RemoveAt) {
			pl.wake(k.RemoveAt)
		} else {
			pl.change(k.ID, Removed, time.Time{}, "its last token has expired")
		}
	}
}

func (pl *planner) publish(reason string) {
	signs := pl.now.Add(pl.policy.window())
	pl.change("", Pending, signs, reason)
	pl.wake(signs)
}

func (pl *planner) retire(k *Key, reason string) {
	// A key that a clock ahead of ours activated may have signed tokens that live by that clock.
	remove := later(pl.now, k.ActiveAt).Add(pl.policy.linger())
	pl.change(k.ID, Retired, remove, reason)
	pl.wake(remove)
}

func (pl *planner) change(id string, to State, due time.Time, reason string) {
	pl.changes = append(pl.changes, Change{Alg: pl.alg, KeyID: id, To: to, Due: due, Reason: reason})
}

func (pl *planner) wake(t time.Time) { pl.next = sooner(pl.next, t) }

// rotationStart is when the successor of a key that signs since activeAt must be published, for the switch to fall on
// RotateEvery.
func (pl *planner) rotationStart(activeAt time.Time) time.Time {
	return activeAt.Add(pl.policy.RotateEvery - pl.policy.window())
}

func (pl *planner) fromFuture(t time.Time) bool { return t.After(pl.now.Add(pl.policy.ClockSkew)) }

// sooner returns the earlier of two times, where zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Apply makes changes: after is all keys as they then are, written those among them that are new or changed, which the caller
// stores in one transaction. The keys passed in stay as they are. A key that stops signing loses its private part for good.
func Apply(keys []*Key, changes []Change, now time.Time) (after, written []*Key, err error) {
	now = wall(now)
	after = slices.Clone(keys)
	for _, c := range changes {
		k, err := c.apply(after, now)
		if err != nil {
			return nil, nil, fmt.Errorf("make %s key %q %s: %w", c.Alg, c.KeyID, c.To, err)
		}
		if i := slices.IndexFunc(after, func(old *Key) bool { return old.ID == k.ID }); i >= 0 {
			after[i] = k
		} else {
			after = append(after, k)
		}
		written = append(written, k)
	}
	return after, written, nil
}

// apply returns the key that c makes or changes.
func (c Change) apply(keys []*Key, now time.Time) (*Key, error) {
	var k Key
	if c.KeyID == "" {
		made, err := Generate(c.Alg, now)
		if err != nil {
			return nil, err
		}
		k = *made
	} else {
		i := slices.IndexFunc(keys, func(k *Key) bool { return k.ID == c.KeyID })
		if i < 0 {
			return nil, ErrUnknownKey
		}
		if k = *keys[i]; k.State.rank() >= c.To.rank() {
			return nil, fmt.Errorf("key is %s already", k.State)
		}
	}
	from := k.State
	k.State = c.To
	switch c.To {
	case Pending:
		k.ActiveAt = c.Due
	case Active:
		k.ActiveAt = later(now, k.CreatedAt)
	case Retired:
		k.RetiredAt, k.RemoveAt, k.private = later(now, k.ActiveAt), c.Due, nil
	case Removed:
		k.RemoveAt, k.private = now, nil
		switch from {
		case Pending:
			k.ActiveAt = time.Time{}
		case Active:
			k.RetiredAt = now
		}
	default:
		return nil, fmt.Errorf("state %q is not one that a change leads to", c.To)
	}
	return &k, nil
}
