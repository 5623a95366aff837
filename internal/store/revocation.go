package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// mark is the record of an iam.Revocation; times in seconds since 1970 as in a token.
type mark struct {
	Kind      iam.RevocationKind `json:"kind"`
	ID        string             `json:"id"`
	NotBefore int64              `json:"nbf,omitempty"`
	ExpiresAt int64              `json:"exp"`
}

// Revoke writes a mark and returns when it is as durable as the configuration asks for. A mark only ever moves forward: the
// later of two NotBefore and the later of two ExpiresAt hold, in whatever order they come.
func (s *Store) Revoke(ctx context.Context, r iam.Revocation) error { return s.revoke(ctx, r) }

// RevokeIssued writes a mark that kills every token issued so far to what ref names, those included whose iat is ahead of the
// clock because of an earlier mark.
func (s *Store) RevokeIssued(ctx context.Context, ref iam.RevocationRef, expires time.Time) error {
	now := s.now()
	last := s.marks.lastIssued(now, ref)
	// What the mark hits lives as much longer as its iat is ahead.
	return s.revoke(ctx, iam.Revocation{RevocationRef: ref, NotBefore: last, ExpiresAt: expires.Add(max(last.Sub(now), 0))})
}

func (s *Store) revoke(ctx context.Context, r iam.Revocation) error {
	if !kv.ValidID(r.String()) {
		return iam.Errorf(iam.Invalid, "%s %q cannot be revoked: malformed", r.Kind, r.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	k := revocations.key(r.String())
	for range maxAttempts {
		if s.lost.Load() {
			return errLost
		}
		items, err := s.kv.Get(ctx, revocationUnit, k)
		if err != nil {
			return unavailable(err)
		}
		m := mark{Kind: r.Kind, ID: r.ID, ExpiresAt: r.ExpiresAt.Unix()}
		if !r.NotBefore.IsZero() {
			m.NotBefore = r.NotBefore.Unix()
		}
		if items[0].Version != 0 {
			old, err := revocations.decode(k.ID, items[0].Value)
			if err != nil {
				return err
			}
			m.NotBefore, m.ExpiresAt = max(m.NotBefore, old.NotBefore), max(m.ExpiresAt, old.ExpiresAt)
		}
		value, err := revocations.encode(&m)
		if err != nil {
			return err
		}
		event, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("encode revocation: %w", err)
		}
		_, err = apply(ctx, s.kv, revocationUnit, kv.Tx{
			ID:     kv.NewTxID(),
			Checks: []kv.Check{{Key: k, Version: items[0].Version}},
			Puts:   []kv.Put{{Key: k, Value: value, ExpiresAt: time.Unix(m.ExpiresAt, 0)}},
			Events: [][]byte{event},
			Ack:    kv.AckSafe,
		})
		if errors.Is(err, kv.ErrConflict) {
			continue
		}
		if err == nil {
			s.marks.acknowledged(m, s.now())
			s.saw(m)
		}
		return unavailable(err)
	}
	return errBusy
}

// saw takes a mark into this replica's copy.
func (s *Store) saw(m mark) {
	if s.marks.add(m) {
		s.hold()
	}
}

// Revoked reports whether any of the marks named hits a token issued at iat. It asks the store, in one read: what was
// acknowledged by any replica is seen.
func (s *Store) Revoked(ctx context.Context, iat time.Time, refs ...iam.RevocationRef) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	keys := make([]kv.Key, 0, len(refs))
	for _, r := range refs {
		if id := r.String(); r.ID != "" && kv.ValidID(id) {
			keys = append(keys, revocations.key(id))
		}
	}
	items, err := s.kv.Get(ctx, revocationUnit, keys...)
	if err != nil {
		return false, unavailable(err)
	}
	if s.lost.Load() {
		return false, errLost
	}
	for _, it := range items {
		if it.Version == 0 {
			continue
		}
		m, err := revocations.decode(it.ID, it.Value)
		if err != nil {
			return false, err
		}
		if m.NotBefore == 0 || iat.Unix() <= m.NotBefore {
			return true, nil
		}
	}
	return false, nil
}

// IssuedAfter returns the earliest iat, at or after now, that no mark known to this replica kills. It is ahead of the clock right
// after a mark; a mark that comes then reaches the tokens that were given it.
func (s *Store) IssuedAfter(now time.Time, refs ...iam.RevocationRef) time.Time {
	return s.marks.after(now, s.now(), refs)
}

// Revocations lists the marks in force, by kind and id.
func (s *Store) Revocations(ctx context.Context, p PageOptions) (Page[iam.Revocation], error) {
	return list(ctx, s, revocationUnit, revocations, "", p, func(_ string, m *mark) (iam.Revocation, bool, error) {
		r := iam.Revocation{RevocationRef: iam.RevocationRef{Kind: m.Kind, ID: m.ID}, ExpiresAt: time.Unix(m.ExpiresAt, 0)}
		if m.NotBefore != 0 {
			r.NotBefore = time.Unix(m.NotBefore, 0)
		}
		return r, true, nil
	})
}

// TrimLogs drops the log entries older than before, which no follower needs any more.
func (s *Store) TrimLogs(ctx context.Context, before time.Time) error {
	return unavailable(errors.Join(s.kv.TrimLog(ctx, revocationUnit, before), s.kv.TrimLog(ctx, directoryUnit(), before)))
}

// marks is this replica's copy of the NotBefore marks, so that a token is not dead when it is issued, and its memory of every
// mark that it acknowledged itself. A failover of Redis can forget acknowledged writes; marks only grow, so writing them again,
// in any order and any number of times, puts back what was lost.
type marks struct {
	asOf   atomic.Pointer[time.Time]
	mu     sync.RWMutex
	nbf    map[iam.RevocationRef]mark
	own    map[iam.RevocationRef]ownMark
	ahead  map[iam.RevocationRef]int64 // iat of tokens given ahead of the clock
	newest int64                       // the latest NotBefore of all
	purged time.Time
}

func newMarks() *marks {
	return &marks{
		nbf: make(map[iam.RevocationRef]mark), own: make(map[iam.RevocationRef]ownMark), ahead: make(map[iam.RevocationRef]int64),
	}
}

// An ownMark is one that this replica acknowledged. It is missing until it came back by the log.
type ownMark struct {
	mark
	at      time.Time
	missing bool
}

// logDelay is how long a mark may take from its acknowledgement to its entry in the log before it counts as forgotten.
const logDelay = 3 * time.Second

// add takes a mark and reports whether it moves a NotBefore forward.
func (m *marks) add(x mark) bool {
	ref := iam.RevocationRef{Kind: x.Kind, ID: x.ID}
	m.mu.Lock()
	defer m.mu.Unlock()
	if x.NotBefore <= m.nbf[ref].NotBefore {
		return false
	}
	m.nbf[ref], m.newest = x, max(m.newest, x.NotBefore)
	return true
}

func (m *marks) acknowledged(x mark, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own[iam.RevocationRef{Kind: x.Kind, ID: x.ID}] = ownMark{mark: x, at: now, missing: true}
}

// logged notes that a mark is in the log. A later one of the same thing contains it.
func (m *marks) logged(x mark) {
	ref := iam.RevocationRef{Kind: x.Kind, ID: x.ID}
	m.mu.Lock()
	defer m.mu.Unlock()
	if o, ok := m.own[ref]; ok && o.missing && x.NotBefore >= o.NotBefore && x.ExpiresAt >= o.ExpiresAt {
		o.missing = false
		m.own[ref] = o
	}
}

// forgotten returns the marks to write again: all that this replica acknowledged, or those that did not come back in time.
func (m *marks) forgotten(all bool, now time.Time) []mark {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []mark
	for _, o := range m.own {
		if o.ExpiresAt > now.Unix() && (all || o.missing && now.Sub(o.at) > logDelay) {
			out = append(out, o.mark)
		}
	}
	return out
}

// purge drops marks that can hit no living token.
func (m *marks) purge(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.purged) < time.Minute {
		return
	}
	m.purged = now
	maps.DeleteFunc(m.nbf, func(_ iam.RevocationRef, x mark) bool { return x.ExpiresAt < now.Unix() })
	maps.DeleteFunc(m.ahead, func(_ iam.RevocationRef, iat int64) bool { return iat < now.Unix() })
	maps.DeleteFunc(m.own, func(_ iam.RevocationRef, x ownMark) bool { return x.ExpiresAt < now.Unix() })
}

func (m *marks) after(from, now time.Time, refs []iam.RevocationRef) time.Time {
	iat := from.Unix()
	m.mu.RLock()
	if len(m.nbf) > 0 {
		for _, r := range refs {
			iat = max(iat, m.nbf[r].NotBefore+1)
		}
	}
	m.mu.RUnlock()
	// One that is too far ahead is not issued, and so moves no later mark.
	if iat > now.Unix() && iat <= now.Add(iam.MaxIssuedAhead).Unix() {
		m.mu.Lock()
		for _, r := range refs {
			m.ahead[r] = max(m.ahead[r], iat)
		}
		m.mu.Unlock()
	}
	return time.Unix(iat, 0)
}

// lastIssued returns the latest iat that a token of what ref names can have by now. Of other replicas it is known only that they are
// ahead right after a mark: by one second, or by as much as an earlier mark of the same thing put them.
func (m *marks) lastIssued(now time.Time, ref iam.RevocationRef) time.Time {
	m.mu.RLock()
	defer m.mu.RUnlock()
	iat := max(now.Unix(), m.ahead[ref])
	if m.newest >= now.Unix() {
		iat = max(iat, now.Unix()+1, m.nbf[ref].NotBefore+1)
	}
	return time.Unix(iat, 0)
}

type revocationFollower struct{ *Store }

func (f revocationFollower) reload(ctx context.Context) error {
	if err := f.ourself(ctx); err != nil {
		return err
	}
	if err := f.writeAgain(ctx, true); err != nil {
		return err
	}
	for p := (PageOptions{Limit: kv.MaxPage}); ; {
		page, err := f.Revocations(ctx, p)
		if err != nil {
			return err
		}
		for _, r := range page.Items {
			if !r.NotBefore.IsZero() {
				f.saw(mark{Kind: r.Kind, ID: r.ID, NotBefore: r.NotBefore.Unix(), ExpiresAt: r.ExpiresAt.Unix()})
			}
		}
		if page.Next == "" {
			return nil
		}
		p.After = page.Next
	}
}

func (f revocationFollower) apply(data []byte) error {
	var m mark
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("%w: %w", kv.ErrCorrupt, err)
	}
	f.marks.logged(m)
	f.saw(m)
	return nil
}

func (f revocationFollower) current(ctx context.Context, asOf time.Time) error {
	if err := f.writeAgain(ctx, false); err != nil {
		return err
	}
	f.marks.purge(asOf)
	f.marks.asOf.Store(&asOf)
	return nil
}

// writeAgain puts back marks that the store has forgotten, or may have.
func (f revocationFollower) writeAgain(ctx context.Context, all bool) error {
	for _, m := range f.marks.forgotten(all, f.now()) {
		r := iam.Revocation{RevocationRef: iam.RevocationRef{Kind: m.Kind, ID: m.ID}, ExpiresAt: time.Unix(m.ExpiresAt, 0)}
		if m.NotBefore != 0 {
			r.NotBefore = time.Unix(m.NotBefore, 0)
		}
		if err := f.Revoke(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (f revocationFollower) wait() time.Duration { return time.Second }
