package store_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// onBothEngines runs a test on the embedded store and on two replicas of one Redis.
func onBothEngines(t *testing.T, test func(t *testing.T, a, b *store.Store)) {
	t.Run("bolt", func(t *testing.T) {
		s := replica(t, engine(t))
		test(t, s, s)
	})
	t.Run("redis", func(t *testing.T) {
		url := redistest.Start(t).URL()
		open := func() kv.Store {
			c, err := rediskv.ParseURL(url)
			must(t, err)
			e, err := rediskv.Open(t.Context(), c)
			must(t, err)
			t.Cleanup(func() { _ = e.Close() })
			return e
		}
		test(t, replica(t, open()), replica(t, open()))
	})
}

// Of many who spend a grant at once, on several replicas, one does and the others see it spent.
func TestAGrantIsSpentOnce(t *testing.T) {
	onBothEngines(t, func(t *testing.T, a, b *store.Store) {
		ctx, now := context.Background(), time.Now()
		for round := range 10 {
			g := &iam.Grant{ID: "grant" + strconv.Itoa(round), ExpiresAt: now.Add(time.Hour), Code: &iam.CodeGrant{ExpiresAt: now.Add(time.Minute)}}
			must(t, a.CreateGrant(ctx, g))
			errSpent := errors.New("spent")
			var won, lost atomic.Int32
			var wg sync.WaitGroup
			for i := range 20 {
				s := a
				if i%2 == 1 {
					s = b
				}
				wg.Go(func() {
					err := s.ChangeGrant(ctx, g.ID, func(g *iam.Grant) (bool, error) {
						if !g.Code.SpentAt.IsZero() {
							return false, errSpent
						}
						g.Code.SpentAt = now
						return true, nil
					})
					switch {
					case err == nil:
						won.Add(1)
					case errors.Is(err, errSpent):
						lost.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 || lost.Load() != 19 {
				t.Fatalf("round %d: %d spent it and %d saw it spent, want 1 and 19", round, won.Load(), lost.Load())
			}
		}
	})
}

// What a person has allowed is listed, on every replica, until it is taken back; a grant that was never there changes to nothing.
func TestWhatAPersonHasAllowedIsListed(t *testing.T) {
	onBothEngines(t, func(t *testing.T, a, b *store.Store) {
		ctx, now := context.Background(), time.Now().Truncate(time.Millisecond).UTC()
		u := iam.UserID("u_1")
		must(t, a.PutUserGrant(ctx, u, iam.UserGrant{ID: "g1", Client: "app", CreatedAt: now}, now.Add(time.Hour)))
		must(t, a.PutUserGrant(ctx, u, iam.UserGrant{ID: "g1", Client: "app", Offline: true, CreatedAt: now}, now.Add(time.Hour)))
		must(t, a.PutUserGrant(ctx, "u_2", iam.UserGrant{ID: "g2", Client: "app"}, now.Add(time.Hour)))
		list, err := b.UserGrants(ctx, u)
		must(t, err)
		if len(list) != 1 || !list[0].Offline || !list[0].CreatedAt.Equal(now) {
			t.Fatalf("listed %+v, want the one grant as it was written last", list)
		}
		must(t, b.DeleteUserGrant(ctx, u, "g1"))
		if list, err = a.UserGrants(ctx, u); err != nil || len(list) != 0 {
			t.Fatalf("after it was taken back: %v %v, want nothing", list, err)
		}
		must(t, a.PutConsent(ctx, u, &iam.Consent{Client: "app", Scopes: []string{"openid"}, At: now}))
		if c, err := b.Consent(ctx, u, "app"); err != nil || c == nil || len(c.Scopes) != 1 {
			t.Fatalf("consent: %v %v", c, err)
		}
		must(t, b.DeleteConsent(ctx, u, "app"))
		if c, err := a.Consent(ctx, u, "app"); err != nil || c != nil {
			t.Fatalf("consent taken back: %v %v, want none", c, err)
		}
		seen := false
		must(t, a.ChangeGrant(ctx, "nothing", func(g *iam.Grant) (bool, error) { seen = g == nil; return true, nil }))
		if !seen {
			t.Fatal("a grant that was never there is not nil")
		}
	})
}

// A session is its user's until it ends; the list shows those that have not.
func TestSessionsEnd(t *testing.T) {
	onBothEngines(t, func(t *testing.T, a, b *store.Store) {
		ctx, now := context.Background(), time.Now()
		for _, id := range []string{"sid_1", "sid_2"} {
			must(t, a.CreateSession(ctx, &iam.Session{ID: id, User: "u_1", EndsAt: now.Add(time.Hour)}))
		}
		must(t, b.DeleteSession(ctx, "u_1", "sid_1"))
		list, err := a.Sessions(ctx, "u_1")
		must(t, err)
		if len(list) != 1 || list[0].ID != "sid_2" {
			t.Fatalf("sessions %v, want the one that was not ended", list)
		}
		if s, err := a.Session(ctx, "sid_1"); err != nil || s != nil {
			t.Fatalf("the ended session: %v %v, want none", s, err)
		}
	})
}

// Of many who see a thing for the first time at once, one is told that he is the first.
func TestOnceIsOnce(t *testing.T) {
	onBothEngines(t, func(t *testing.T, a, b *store.Store) {
		ctx, until := context.Background(), time.Now().Add(time.Hour)
		var first atomic.Int32
		var wg sync.WaitGroup
		for i := range 30 {
			s := a
			if i%2 == 1 {
				s = b
			}
			wg.Go(func() {
				ok, err := s.Once(ctx, "jti", "any { thing }", until)
				if err != nil {
					t.Error(err)
				}
				if ok {
					first.Add(1)
				}
			})
		}
		wg.Wait()
		if first.Load() != 1 {
			t.Fatalf("%d were the first, want 1", first.Load())
		}
		if ok, err := b.Once(ctx, "par", "any { thing }", until); err != nil || !ok {
			t.Fatalf("another kind of thing: %v %v, want the first", ok, err)
		}
	})
}
