package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// engine opens an embedded store in a folder of the test's own.
func engine(t *testing.T) kv.Store {
	t.Helper()
	e, err := boltkv.Open(filepath.Join(t.TempDir(), "gatehouse.db"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// replica starts a Store over an engine that others may share, and waits until it is up to date.
func replica(t *testing.T, e kv.Store, change ...func(*store.Options)) *store.Store {
	t.Helper()
	o := store.Options{Lease: 2 * time.Second, Budget: 2 * time.Second, CacheEntries: 10_000, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	s := store.New(e, o)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, func() { close(ready) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-ready
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func organization(name string) *iam.Node {
	return &iam.Node{ID: iam.NodeID(iam.NewID("n")), Name: name, Level: iam.LevelOrganization, Model: "floxhub"}
}

// eventually waits for what a change stream brings; the bound is the product's own.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, within)
		}
		time.Sleep(time.Millisecond)
	}
}

// A change by one replica is seen by another within a second, whatever that one has cached.
func TestChangeReachesEveryReplicaWithinASecond(t *testing.T) {
	ctx := context.Background()
	e := engine(t)
	a, b := replica(t, e), replica(t, e)
	org := organization("acme")
	client := &iam.Client{ID: "ci", Name: "ci", Organization: org.ID}
	must(t, a.Update(ctx, func(tx *store.Tx) error {
		return errors.Join(tx.PutNode(org), tx.PutClient(client))
	}))
	eventually(t, time.Second, "client on the other replica", func() bool {
		c, err := b.Client(ctx, "ci")
		must(t, err)
		return c != nil
	})
	must(t, a.Update(ctx, func(tx *store.Tx) error {
		c, err := tx.Client("ci")
		if err != nil {
			return err
		}
		c.Disabled = true
		return tx.PutClient(c)
	}))
	if c, err := a.Client(ctx, "ci"); err != nil || !c.Disabled {
		t.Fatalf("own change: got %+v, %v, want it disabled at once", c, err)
	}
	eventually(t, time.Second, "disabled on the other replica", func() bool {
		c, err := b.Client(ctx, "ci")
		must(t, err)
		return c.Disabled
	})
	must(t, a.Update(ctx, func(tx *store.Tx) error { return tx.DeleteClient("ci") }))
	eventually(t, time.Second, "gone on the other replica", func() bool {
		c, err := b.Client(ctx, "ci")
		must(t, err)
		return c == nil
	})
}

// Two transactions that decide on the same records never both win on what they read.
func TestUpdateRunsAgainWhenItsReadsChanged(t *testing.T) {
	ctx := context.Background()
	e := engine(t)
	s := replica(t, e)
	org := organization("acme")
	must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.PutNode(org) }))
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := s.Update(ctx, func(tx *store.Tx) error {
					n, err := tx.Node(org.ID)
					if err != nil {
						return err
					}
					n.DisplayName += "x"
					return tx.PutNode(n)
				})
				if err != nil {
					t.Errorf("writer %d, change %d: %v", w, i, err)
				}
			}
		})
	}
	wg.Wait()
	n, err := s.Node(ctx, org.ID)
	must(t, err)
	if got := len(n.DisplayName); got != writers*each {
		t.Errorf("changes kept: got %d, want %d", got, writers*each)
	}
}

// A name belongs to one record; giving it up frees it; the other scope does not care.
func TestNamesAreUniqueInTheirScope(t *testing.T) {
	ctx := context.Background()
	s := replica(t, engine(t))
	acme, beta := organization("acme"), organization("beta")
	must(t, s.Update(ctx, func(tx *store.Tx) error { return errors.Join(tx.PutNode(acme), tx.PutNode(beta)) }))
	put := func(id, name string, org iam.NodeID) error {
		return s.Update(ctx, func(tx *store.Tx) error {
			return tx.PutClient(&iam.Client{ID: iam.ClientID(id), Name: name, Organization: org})
		})
	}
	must(t, put("c1", "ci", acme.ID))
	if err := put("c2", "ci", acme.ID); iam.CodeOf(err) != "name_taken" {
		t.Errorf("same name, same organization: got %v, want name_taken", err)
	}
	must(t, put("c2", "ci", beta.ID))
	must(t, put("c1", "release", acme.ID))
	must(t, put("c3", "ci", acme.ID))
	if err := put("c3", "ci", beta.ID); iam.CodeOf(err) != "client_id_taken" {
		t.Errorf("client id of another organization: got %v, want client_id_taken", err)
	}
	c, err := s.ClientNamed(ctx, acme.ID, "ci")
	must(t, err)
	if c == nil || c.ID != "c3" {
		t.Errorf("acme's ci: got %+v, want c3", c)
	}
	page, err := s.Clients(ctx, acme.ID, store.PageOptions{})
	must(t, err)
	if len(page.Items) != 2 || page.Items[0].ID != "c3" || page.Items[1].ID != "c1" {
		t.Errorf("acme's clients: got %v, want c3 (ci), c1 (release)", page.Items)
	}
}

// What is below a node cannot slip in while the node is being removed.
func TestNodeIsRemovedOnlyWhenEmpty(t *testing.T) {
	ctx := context.Background()
	s := replica(t, engine(t))
	for i := range 20 {
		org := organization(fmt.Sprintf("org%d", i))
		must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.PutNode(org) }))
		var removed, added error
		var wg sync.WaitGroup
		wg.Go(func() {
			removed = s.Update(ctx, func(tx *store.Tx) error { return tx.DeleteNode(org.ID) })
		})
		wg.Go(func() {
			added = s.Update(ctx, func(tx *store.Tx) error {
				return tx.PutClient(&iam.Client{ID: iam.ClientID(iam.NewID("c")), Name: "ci", Organization: org.ID})
			})
		})
		wg.Wait()
		if (removed == nil) == (added == nil) {
			t.Fatalf("round %d: removed: %v, added: %v, want exactly one to succeed", i, removed, added)
		}
	}
}

// Marks only move forward, whatever order they come in.
func TestRevocationMarksAreMonotone(t *testing.T) {
	ctx := context.Background()
	s := replica(t, engine(t))
	ref := iam.RevocationRef{Kind: iam.RevokedClient, ID: "ci"}
	now := time.Now().Truncate(time.Second)
	mark := func(at time.Time) {
		must(t, s.Revoke(ctx, iam.Revocation{RevocationRef: ref, NotBefore: at, ExpiresAt: now.Add(time.Hour)}))
	}
	mark(now)
	mark(now.Add(-time.Minute))
	for _, c := range []struct {
		iat  time.Time
		dead bool
	}{{now.Add(-time.Second), true}, {now, true}, {now.Add(time.Second), false}} {
		dead, err := s.Revoked(ctx, c.iat, ref)
		must(t, err)
		if dead != c.dead {
			t.Errorf("token of %s after a mark at %s: revoked %v, want %v", c.iat, now, dead, c.dead)
		}
	}
	if got, want := s.IssuedAfter(now, ref), now.Add(time.Second); !got.Equal(want) {
		t.Errorf("next iat: got %s, want %s", got, want)
	}
}

// A revocation that one replica acknowledged is seen by every other at once: it is read from the store.
func TestRevocationIsSeenByOtherReplicasAtOnce(t *testing.T) {
	ctx := context.Background()
	e := engine(t)
	a, b := replica(t, e), replica(t, e)
	ref := iam.RevocationRef{Kind: iam.RevokedToken, ID: "grant.random"}
	must(t, a.Revoke(ctx, iam.Revocation{RevocationRef: ref, ExpiresAt: time.Now().Add(time.Hour)}))
	dead, err := b.Revoked(ctx, time.Now(), ref)
	must(t, err)
	if !dead {
		t.Error("revoked on one replica, alive on the other")
	}
	org := iam.RevocationRef{Kind: iam.RevokedOrganization, ID: "n_1"}
	now := time.Now()
	must(t, a.Revoke(ctx, iam.Revocation{RevocationRef: org, NotBefore: now, ExpiresAt: now.Add(time.Hour)}))
	eventually(t, time.Second, "the other replica issues after the mark", func() bool {
		return b.IssuedAfter(now, org).Unix() == now.Unix()+1
	})
}

// An engine that stops answering fails reads and writes as unavailable once the lease has ended, and the cache serves until then.
func TestCacheAnswersOnlyWithinItsLease(t *testing.T) {
	ctx := context.Background()
	shared := engine(t)
	e := &faulty{Store: shared}
	begun, passed := time.Now(), atomic.Int64{}
	const lease = 400 * time.Millisecond
	s := replica(t, e, func(o *store.Options) {
		o.Lease, o.Budget = lease, 100*time.Millisecond
		o.Now = func() time.Time { return begun.Add(time.Duration(passed.Load())) }
	})
	org := organization("acme")
	before := s.Revision()
	must(t, replica(t, shared).Update(ctx, func(tx *store.Tx) error { return tx.PutNode(org) }))
	eventually(t, 10*time.Second, "the change comes by the log", func() bool { return s.Revision() > before })
	if _, err := s.Node(ctx, org.ID); err != nil {
		t.Fatal(err)
	}
	e.set(true)
	if _, err := s.Node(ctx, org.ID); err != nil {
		t.Errorf("within the lease: got %v, want the cached node", err)
	}
	passed.Store(int64(lease))
	if _, err := s.Node(ctx, org.ID); iam.KindOf(err) != iam.Unavailable {
		t.Errorf("after the lease: got %v, want unavailable", err)
	}
	if _, err := s.Revoked(ctx, time.Now(), iam.RevocationRef{Kind: iam.RevokedToken, ID: "x"}); iam.KindOf(err) != iam.Unavailable {
		t.Errorf("revocation check: got %v, want unavailable", err)
	}
	if err := s.Update(ctx, func(tx *store.Tx) error { return tx.PutNode(organization("beta")) }); iam.KindOf(err) != iam.Unavailable {
		t.Errorf("update: got %v, want unavailable", err)
	}
	e.set(false)
	eventually(t, 10*time.Second, "service returns by itself", func() bool {
		_, err := s.Node(ctx, org.ID)
		return err == nil && s.Current()
	})
}

// faulty is an engine whose connection can be cut.
type faulty struct {
	kv.Store
	fail sync.Mutex
	down bool
}

func (f *faulty) set(down bool) {
	f.fail.Lock()
	defer f.fail.Unlock()
	f.down = down
}

func (f *faulty) cut() error {
	f.fail.Lock()
	defer f.fail.Unlock()
	if f.down {
		return kv.ErrUnavailable
	}
	return nil
}

func (f *faulty) Get(ctx context.Context, u kv.Unit, k ...kv.Key) ([]kv.Item, error) {
	if err := f.cut(); err != nil {
		return nil, err
	}
	return f.Store.Get(ctx, u, k...)
}

func (f *faulty) List(ctx context.Context, u kv.Unit, c *kv.Coll, o kv.ListOptions) (kv.Page, error) {
	if err := f.cut(); err != nil {
		return kv.Page{}, err
	}
	return f.Store.List(ctx, u, c, o)
}

func (f *faulty) Apply(ctx context.Context, u kv.Unit, tx kv.Tx) (kv.Result, error) {
	if err := f.cut(); err != nil {
		return kv.Result{}, err
	}
	return f.Store.Apply(ctx, u, tx)
}

func (f *faulty) ReadLog(ctx context.Context, u kv.Unit, after kv.Cursor, limit int, wait time.Duration) ([]kv.Entry, error) {
	if err := f.cut(); err != nil {
		return nil, err
	}
	entries, err := f.Store.ReadLog(ctx, u, after, limit, wait)
	if cut := f.cut(); cut != nil {
		return nil, cut
	}
	return entries, err
}

// The lease of a duty has one holder at a time.
func TestLeadHasOneHolder(t *testing.T) {
	ctx := context.Background()
	s := replica(t, engine(t))
	a, err := s.Lead(ctx, "keys", "a", time.Minute)
	must(t, err)
	b, err := s.Lead(ctx, "keys", "b", time.Minute)
	must(t, err)
	again, err := s.Lead(ctx, "keys", "a", time.Minute)
	must(t, err)
	if !a || b || !again {
		t.Errorf("a, b, a again: got %v %v %v, want true false true", a, b, again)
	}
}

// A client's roles go with it; a role elsewhere is found through its holding.
func TestDeletingAClientTakesItsRoles(t *testing.T) {
	ctx := context.Background()
	s := replica(t, engine(t))
	acme, beta := organization("acme"), organization("beta")
	c := &iam.Client{ID: "ci", Name: "ci", Organization: acme.ID}
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		return errors.Join(tx.PutNode(acme), tx.PutNode(beta), tx.PutClient(c),
			tx.Assign(acme.ID, c.ID.Subject(), []iam.RoleID{"writer"}), tx.Assign(beta.ID, c.ID.Subject(), []iam.RoleID{"reader"}))
	}))
	h, err := s.Holding(ctx, c.ID.Subject())
	must(t, err)
	if len(h.Nodes) != 1 || h.Nodes[0] != beta.ID {
		t.Errorf("holding: got %v, want beta only", h.Nodes)
	}
	f := s.Facts(ctx)
	if r := f.Roles(acme.ID, c.ID.Subject()); len(r) != 1 || r[0] != "writer" {
		t.Errorf("roles in acme: got %v, want writer", r)
	}
	must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.DeleteClient("ci") }))
	f = s.Facts(ctx)
	if r := append(f.Roles(acme.ID, c.ID.Subject()), f.Roles(beta.ID, c.ID.Subject())...); len(r) != 0 || f.Err() != nil {
		t.Errorf("roles after deletion: got %v, %v, want none", r, f.Err())
	}
	must(t, s.Update(ctx, func(tx *store.Tx) error { return errors.Join(tx.DeleteNode(acme.ID), tx.DeleteNode(beta.ID)) }))
}
