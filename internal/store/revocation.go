package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
func (s *Store) Revoke(ctx context.Context, r iam.Revocation) error {
	if !kv.ValidID(r.String()) {
		return iam.Errorf(iam.Invalid, "%s %q cannot be revoked: malformed", r.Kind, r.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	k := revocations.key(r.String())
	for range maxAttempts {
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
			s.marks.add(m)
		}
		return unavailable(err)
	}
	return iam.Refuse(iam.Unavailable, "busy", "too many changes at once; try again")
}

// Revoked reports whether any of the marks named hits a token issued at iat. It asks the store, in one read: what was
// acknowledged by any replica is seen.
func (s *Store) Revoked(ctx context.Context, iat time.Time, refs ...iam.RevocationRef) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	keys := make([]kv.Key, 0, len(refs))
	for _, r := range refs {
		if r.ID != "" && kv.ValidID(r.String()) {
			keys = append(keys, revocations.key(r.String()))
		}
	}
	items, err := s.kv.Get(ctx, revocationUnit, keys...)
	if err != nil {
		return false, unavailable(err)
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

// IssuedAfter returns the earliest iat that no mark known to this replica kills, for a token issued at now.
func (s *Store) IssuedAfter(now time.Time, refs ...iam.RevocationRef) time.Time {
	return s.marks.after(now, refs)
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

// TrimRevocationLog drops log entries that no follower needs any more.
func (s *Store) TrimRevocationLog(ctx context.Context, before time.Time) error {
	return unavailable(s.kv.TrimLog(ctx, revocationUnit, before))
}

// marks is this replica's copy of the NotBefore marks, so that a token is not dead when it is issued.
type marks struct {
	mu    *sync.RWMutex
	nbf   map[iam.RevocationRef]mark
	until *atomic.Int64
}

func newMarks() marks {
	return marks{mu: new(sync.RWMutex), nbf: make(map[iam.RevocationRef]mark), until: new(atomic.Int64)}
}

// marksLease is how long after the last read of the log the copy counts as current, for readiness.
const marksLease = 5 * time.Second

func (m marks) fresh(now time.Time) bool { return now.UnixNano() < m.until.Load() }

func (m marks) add(x mark) {
	if x.NotBefore == 0 {
		return
	}
	ref := iam.RevocationRef{Kind: x.Kind, ID: x.ID}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.nbf[ref]; x.NotBefore > old.NotBefore {
		m.nbf[ref] = x
	}
}

func (m marks) after(now time.Time, refs []iam.RevocationRef) time.Time {
	iat := now.Unix()
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.nbf) > 0 {
		for _, r := range refs {
			iat = max(iat, m.nbf[r].NotBefore+1)
		}
	}
	return time.Unix(iat, 0)
}

type revocationFollower struct{ *Store }

func (f revocationFollower) reload(ctx context.Context) error {
	now := f.now().Unix()
	f.marks.mu.Lock()
	for ref, m := range f.marks.nbf {
		if m.ExpiresAt < now {
			delete(f.marks.nbf, ref)
		}
	}
	f.marks.mu.Unlock()
	for p := (PageOptions{Limit: kv.MaxPage}); ; {
		page, err := f.Revocations(ctx, p)
		if err != nil {
			return err
		}
		for _, r := range page.Items {
			if !r.NotBefore.IsZero() {
				f.marks.add(mark{Kind: r.Kind, ID: r.ID, NotBefore: r.NotBefore.Unix(), ExpiresAt: r.ExpiresAt.Unix()})
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
	f.marks.add(m)
	return nil
}

func (f revocationFollower) current(asOf time.Time) {
	f.marks.until.Store(asOf.Add(marksLease).UnixNano())
}

func (f revocationFollower) wait() time.Duration { return time.Second }
