package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A mark reaches every token that was issued before it, those too that an earlier mark of the same second put ahead of the clock,
// and none that is issued after it.
func TestMarkReachesTokensThatAreAheadOfTheClock(t *testing.T) {
	now := time.Now()
	s := replica(t, engine(t), func(o *store.Options) { o.Now = func() time.Time { return now } })
	client := iam.RevocationRef{Kind: iam.RevokedClient, ID: "ci"}
	org := iam.RevocationRef{Kind: iam.RevokedOrganization, ID: "n_1"}
	for round := range 5 {
		for _, ref := range []iam.RevocationRef{client, org} {
			issued := s.IssuedAfter(now, client, org)
			if issued.Sub(now) > iam.MaxIssuedAhead {
				return // nobody is given such a token
			}
			if dead, err := s.Revoked(t.Context(), issued, client, org); dead || err != nil {
				t.Fatalf("round %d: a token of %s is dead when it is issued (%v)", round, issued, err)
			}
			must(t, s.RevokeIssued(t.Context(), ref, now.Add(time.Hour)))
			if dead, err := s.Revoked(t.Context(), issued, client, org); !dead || err != nil {
				t.Fatalf("round %d: a token of %s, with the clock at %s, outlives a mark of %s (%v)", round, issued, now, ref, err)
			}
		}
	}
}

// A mark reaches the tokens of other replicas, too, which are ahead of the clock because of the mark before it.
func TestMarkReachesTokensOfOtherReplicas(t *testing.T) {
	now := time.Now()
	at := func(o *store.Options) { o.Now = func() time.Time { return now } }
	e := engine(t)
	a, b := replica(t, e, at), replica(t, e, at)
	ref := iam.RevocationRef{Kind: iam.RevokedClient, ID: "ci"}
	for round := range 5 {
		before := b.IssuedAfter(now, ref)
		if before.Sub(now) > iam.MaxIssuedAhead {
			return // nobody is given such a token
		}
		must(t, a.RevokeIssued(t.Context(), ref, now.Add(time.Hour)))
		if dead, err := b.Revoked(t.Context(), before, ref); !dead || err != nil {
			t.Fatalf("round %d: the other replica's token of %s, with the clock at %s, outlives the mark (%v)", round, before, now, err)
		}
		eventually(t, time.Second, "the mark on the other replica", func() bool { return b.IssuedAfter(now, ref).After(before) })
	}
}

// stalled is an engine whose directory's log tells nothing while it is held.
type stalled struct {
	kv.Store
	held    sync.Mutex
	waiting atomic.Int64
}

func (s *stalled) ReadLog(ctx context.Context, u kv.Unit, after kv.Cursor, limit int, wait time.Duration) ([]kv.Entry, error) {
	if u == "d" {
		s.waiting.Add(1)
		s.held.Lock()
		s.waiting.Add(-1)
		defer s.held.Unlock()
		wait = 0
	}
	return s.Store.ReadLog(ctx, u, after, limit, wait)
}

// With the mark, a replica knows the change that called for it, however late the directory's log is: what it issues from then on
// is decided on what holds since.
func TestMarkNeverArrivesBeforeItsChange(t *testing.T) {
	e := engine(t)
	late := &stalled{Store: e}
	a, b := replica(t, e), replica(t, late, func(o *store.Options) { o.Lease = 10 * time.Second })
	ref := iam.RevocationRef{Kind: iam.RevokedClient, ID: "ci"}
	must(t, a.Update(t.Context(), func(tx *store.Tx) error { return tx.PutClient(&iam.Client{ID: "ci", Name: "ci"}) }))
	late.held.Lock()
	defer late.held.Unlock()
	eventually(t, time.Second, "all that was read of the log is applied", func() bool { return late.waiting.Load() > 0 })
	if c, err := b.Client(t.Context(), "ci"); err != nil || c.Disabled {
		t.Fatalf("at first: got %+v, %v, want it enabled", c, err)
	}
	must(t, a.Update(t.Context(), func(tx *store.Tx) error {
		return tx.PutClient(&iam.Client{ID: "ci", Name: "ci", Disabled: true})
	}))
	if c, err := b.Client(t.Context(), "ci"); err != nil || c.Disabled {
		t.Fatalf("before the mark: got %+v, %v, want what the cache has", c, err)
	}
	now := time.Now()
	must(t, a.RevokeIssued(t.Context(), ref, now.Add(time.Hour)))
	eventually(t, time.Second, "mark on the other replica", func() bool { return b.IssuedAfter(now, ref).Unix() > now.Unix() })
	if c, err := b.Client(t.Context(), "ci"); err != nil || !c.Disabled {
		t.Errorf("got %+v, %v, want it disabled: the mark is known already", c, err)
	}
}

// forgetful is an engine that acknowledges the next revocation and then does not have it, as a failover may do.
type forgetful struct {
	kv.Store
	next atomic.Bool
}

func (f *forgetful) Apply(ctx context.Context, u kv.Unit, tx kv.Tx) (kv.Result, error) {
	if u == "rev" && f.next.Swap(false) {
		return kv.Result{Version: 1, Cursor: "1"}, nil
	}
	return f.Store.Apply(ctx, u, tx)
}

// A mark that was acknowledged and that the store has forgotten is written again by the replica that acknowledged it.
func TestForgottenMarksAreWrittenAgain(t *testing.T) {
	var ahead atomic.Int64
	e := &forgetful{Store: engine(t)}
	s := replica(t, e, func(o *store.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	for _, ref := range []iam.RevocationRef{{Kind: iam.RevokedToken, ID: "grant.random"}, {Kind: iam.RevokedClient, ID: "ci"}} {
		iat := s.IssuedAfter(time.Now(), ref)
		e.next.Store(true)
		m := iam.Revocation{RevocationRef: ref, ExpiresAt: time.Now().Add(time.Hour)}
		if ref.Kind == iam.RevokedClient {
			m.NotBefore = iat
		}
		must(t, s.Revoke(t.Context(), m))
		if dead, err := s.Revoked(t.Context(), iat, ref); dead || err != nil {
			t.Fatalf("the store has not forgotten the mark: %v, %v", dead, err)
		}
		ahead.Add(int64(4 * time.Second)) // until it counts as forgotten
		eventually(t, 3*time.Second, "the mark of "+ref.String()+" is back", func() bool {
			dead, err := s.Revoked(t.Context(), iat, ref)
			must(t, err)
			return dead
		})
	}
}

// Marks are listed as they were made, those that have ended are gone, and what could be no mark is refused.
func TestRevocationsAreListed(t *testing.T) {
	s := replica(t, engine(t))
	now := time.Now().Truncate(time.Second)
	want := []iam.Revocation{
		{RevocationRef: iam.RevocationRef{Kind: iam.RevokedClient, ID: "ci"}, NotBefore: now, ExpiresAt: now.Add(time.Hour)},
		{RevocationRef: iam.RevocationRef{Kind: iam.RevokedKey, ID: "kid"}, ExpiresAt: now.Add(time.Hour)},
		{RevocationRef: iam.RevocationRef{Kind: iam.RevokedMember, ID: "n_1/u_1"}, NotBefore: now, ExpiresAt: now.Add(time.Hour)},
	}
	for _, m := range want {
		must(t, s.Revoke(t.Context(), m))
	}
	page, err := s.Revocations(t.Context(), store.PageOptions{})
	must(t, err)
	if fmt.Sprint(page.Items) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", page.Items, want)
	}
	for _, id := range []string{"a b", "é", "{"} {
		if err := s.Revoke(t.Context(), iam.Revocation{RevocationRef: iam.RevocationRef{Kind: iam.RevokedToken, ID: id}, ExpiresAt: now.Add(time.Hour)}); iam.KindOf(err) != iam.Invalid {
			t.Errorf("%q: got %v, want it refused", id, err)
		}
		if dead, err := s.Revoked(t.Context(), now, iam.RevocationRef{Kind: iam.RevokedToken, ID: id}); dead || err != nil {
			t.Errorf("%q: got %v, %v, want no such mark", id, dead, err)
		}
	}
}

// However many mark one thing at once, from several replicas, the latest of all marks holds.
func TestConcurrentMarksAllCount(t *testing.T) {
	e := engine(t)
	a, b := replica(t, e), replica(t, e)
	ref := iam.RevocationRef{Kind: iam.RevokedUser, ID: "u_1"}
	now := time.Now().Truncate(time.Second)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var faults error
	for i := range 8 {
		s := []*store.Store{a, b}[i%2]
		wg.Go(func() {
			m := iam.Revocation{RevocationRef: ref, NotBefore: now.Add(time.Duration(i) * time.Second), ExpiresAt: now.Add(time.Hour - time.Duration(i)*time.Minute)}
			err := s.Revoke(context.Background(), m)
			mu.Lock()
			defer mu.Unlock()
			faults = errors.Join(faults, err)
		})
	}
	wg.Wait()
	must(t, faults)
	page, err := a.Revocations(t.Context(), store.PageOptions{})
	must(t, err)
	if len(page.Items) != 1 || !page.Items[0].NotBefore.Equal(now.Add(7*time.Second)) || !page.Items[0].ExpiresAt.Equal(now.Add(time.Hour)) {
		t.Errorf("got %v, want one mark with the latest of both times", page.Items)
	}
}
