package directory_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/keys"
)

// A lossy engine carries out every seventh transaction and then says that it does not know, as when the connection breaks.
type lossy struct {
	kv.Store
	calls atomic.Int64
}

func (e *lossy) Apply(ctx context.Context, u kv.Unit, tx kv.Tx) (kv.Result, error) {
	r, err := e.Store.Apply(ctx, u, tx)
	if err == nil && e.calls.Add(1)%7 == 0 {
		return kv.Result{}, fmt.Errorf("%w: the answer was lost", kv.ErrUnavailable)
	}
	return r, err
}

// replica is a directory on a Redis server that others use, too.
func replica(t *testing.T, url string) *directory.Service {
	t.Helper()
	c, err := rediskv.ParseURL(url)
	check(t, err)
	engine, err := rediskv.Open(t.Context(), c)
	check(t, err)
	st := store.New(&lossy{Store: engine}, store.Options{Lease: 2 * time.Second, Budget: 10 * time.Second, CacheEntries: 1000, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		st.Run(ctx, func() { close(ready) })
	}()
	t.Cleanup(func() { cancel(); <-done; check(t, engine.Close()) })
	<-ready
	hasher, err := secret.NewHasher(make([]byte, secret.PepperSize), 0)
	check(t, err)
	key, err := hasher.Derive(audit.KeyLabel)
	check(t, err)
	return &directory.Service{
		Store: st, Secrets: hasher, Audit: key, Algorithms: []keys.Alg{keys.ES256}, Issuer: "https://gatehouse.example", Now: time.Now,
		Models: &directory.Models{Store: st}, Revoke: func(context.Context, iam.RevocationRef) error { return nil },
	}
}

// However many replicas write at once, and whatever answers are lost, a stream has no fork, no gap, and one line for each change.
func TestReplicasMakeOneChain(t *testing.T) {
	url := redistest.Start(t).URL()
	replicas := []*directory.Service{replica(t, url), replica(t, url)}
	const writers, each = 4, 10
	var all sync.WaitGroup
	failed := make(chan error, 2*writers*each)
	for r, s := range replicas {
		for w := range writers {
			all.Go(func() {
				for i := range each {
					_, err := s.CreateUser(context.Background(), operator, apiv1.NewUser{Name: fmt.Sprintf("u-%d-%d-%d", r, w, i)})
					failed <- err
				}
			})
		}
	}
	all.Wait()
	close(failed)
	for err := range failed {
		check(t, err)
	}
	view, err := replicas[0].OpenAudit(t.Context(), operator, directory.AuditPlace{Stream: audit.Platform})
	check(t, err)
	report, err := view.Verify(t.Context(), "", func() {})
	check(t, err)
	if want := uint64(2 * writers * each); report.Lines != want || len(report.Faults) > 0 {
		t.Errorf("got %+v, want %d lines", report, want)
	}
}

// A change inside an organization and its line are never apart, wherever the store stops.
func TestLineAndChangeAreOne(t *testing.T) {
	w := newWorld(t)
	lines := func() uint64 {
		n, err := w.Node(t.Context(), operator, "acme")
		check(t, err)
		h, err := w.Store.AuditHeadNow(t.Context(), n.ID)
		check(t, err)
		return h.Seq
	}
	before := lines()
	gone := errors.New("changed its mind")
	w.mu.Lock()
	w.refuse = gone
	w.mu.Unlock()
	err := errorOf(w.Assign(t.Context(), operator, "acme", apiv1.Assignment{User: "bob", Role: "reader"}))
	if !errors.Is(err, gone) {
		t.Fatalf("got %v, want the fault of the mark", err)
	}
	if got := lines(); got != before+1 {
		t.Errorf("the change was made, its mark is owed: got %d lines more, want 1", got-before)
	}
	if err := errorOf(w.Assign(t.Context(), operator, "acme", apiv1.Assignment{User: "zed", Role: "king"})); err == nil {
		t.Fatal("a role that does not exist was given")
	}
	if got := lines(); got != before+1 {
		t.Errorf("a refused change has %d lines", got-before-1)
	}
}
