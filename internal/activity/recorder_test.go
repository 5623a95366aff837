package activity_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/activity"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// world is a store whose clock stands still, and whose engine may be out and counts the records that are written.
type world struct {
	t      *testing.T
	now    time.Time
	store  *store.Store
	engine *counting
}

type counting struct {
	kv.Store
	down atomic.Bool
	puts atomic.Int64
}

func (e *counting) Apply(ctx context.Context, u kv.Unit, tx kv.Tx) (kv.Result, error) {
	if e.down.Load() {
		return kv.Result{}, kv.ErrCorrupt // an error that nobody retries
	}
	e.puts.Add(int64(len(tx.Puts)))
	return e.Store.Apply(ctx, u, tx)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	engine, err := boltkv.Open(filepath.Join(t.TempDir(), "gatehouse.db"), boltkv.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, engine.Close()) })
	w := &world{t: t, now: time.Now().Truncate(time.Minute), engine: &counting{Store: engine}}
	w.store = store.New(w.engine, store.Options{Budget: 5 * time.Second, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)})
	return w
}

func (w *world) replica(name string) *activity.Recorder {
	return activity.New(w.store, name, func() time.Time { return w.now }, slog.New(slog.DiscardHandler))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// counts returns what the store says of an organization, page by page of one line.
func (w *world) counts(org iam.NodeID) (out []iam.FailedAuthentications) {
	w.t.Helper()
	for p := (store.PageOptions{Limit: 1}); ; {
		page, err := w.store.Failures(w.t.Context(), org, "", p)
		check(w.t, err)
		out = append(out, page.Items...)
		if p.After = page.Next; p.After == "" {
			return out
		}
	}
}

// What several replicas count of the same adds up, however often each writes it, newest minute first; organizations see their own.
func TestReplicasAddUp(t *testing.T) {
	w := newWorld(t)
	ci := &iam.Client{ID: "ci", Organization: "n_1"}
	a, b := w.replica("r_a"), w.replica("r_b")
	for minute := range 2 {
		for i := range 3 {
			a.Failed(ci, "192.0.2.1")
			b.Failed(ci, "192.0.2.1")
			b.Failed(&iam.Client{ID: "ci", Organization: "n_10"}, "192.0.2.1")
			a.Failed(nil, "2001:db8::/64")
			w.now = w.now.Add(time.Second)
			if i != 1 {
				check(t, a.Flush(t.Context()))
			}
		}
		check(t, b.Flush(t.Context()))
		check(t, b.Flush(t.Context()))
		w.now = w.now.Truncate(time.Minute).Add(time.Duration(1+minute) * time.Minute)
	}
	got := w.counts("n_1")
	if len(got) != 2 || got[0].Count != 6 || got[1].Count != 6 || !got[0].Minute.After(got[1].Minute) || got[1].Last.Sub(got[1].First) != 2*time.Second {
		t.Errorf("n_1: got %+v, want two minutes of 6", got)
	}
	if got := w.counts(""); len(got) != 2 || got[0].Subject != iam.SubjectUnknown || got[0].Count != 3 || got[0].Network != "2001:db8::/64" {
		t.Errorf("unknown clients: got %+v", got)
	}
}

// An attack from networks without end leaves a bounded number of counts and hides no other client.
func TestAttackHidesNoOtherClient(t *testing.T) {
	w := newWorld(t)
	r := w.replica("r_a")
	for i := range 10_000 {
		r.Failed(&iam.Client{ID: "target", Organization: "n_1"}, fmt.Sprintf("10.0.%d.%d", i/250, i%250))
	}
	for range 7 {
		r.Failed(&iam.Client{ID: "other", Organization: "n_2"}, "192.0.2.1")
	}
	check(t, r.Flush(t.Context()))
	sum := int64(0)
	got := w.counts("n_1")
	for _, f := range got {
		sum += f.Count
	}
	if len(got) > 201 || sum != 10_000 {
		t.Errorf("the target: %d lines that count %d, want at most 201 that count all", len(got), sum)
	}
	if got := w.counts("n_2"); len(got) != 1 || got[0].Count != 7 || got[0].Network != "" {
		t.Errorf("the other: got %+v", got)
	}
}

// A last use is written at most once a minute, and at the end.
func TestLastUseIsWrittenOnceAMinute(t *testing.T) {
	w := newWorld(t)
	r := w.replica("r_a")
	ctx, stop := context.WithCancel(t.Context())
	for range 50 {
		r.SecretUsed("ci", "s_1")
		r.SubjectUsed("n_1", iam.ClientID("ci").Subject())
		check(t, r.Flush(ctx))
		w.now = w.now.Add(time.Second)
	}
	if got := w.engine.puts.Load(); got != 2 {
		t.Errorf("in a minute: %d records written, want 2", got)
	}
	w.now = w.now.Add(time.Minute)
	r.SecretUsed("ci", "s_1")
	r.SubjectUsed("n_1", iam.ClientID("ci").Subject())
	last := w.now
	stop()
	r.Run(ctx) // which has ended: what is left is written
	if at, err := w.store.SecretUsed(t.Context(), "ci", "s_1"); err != nil || !at.Equal(last) {
		t.Errorf("secret: got %v, %v, want %v", at, err, last)
	}
	if at, err := w.store.SubjectUsed(t.Context(), "n_1", iam.ClientID("ci").Subject()); err != nil || !at.Equal(last) {
		t.Errorf("subject: got %v, %v, want %v", at, err, last)
	}
	got, err := w.store.SecretsUsed(t.Context(), "ci", "s_1", "s_2")
	if err != nil || len(got) != 1 || !got["s_1"].Equal(last) {
		t.Errorf("secrets: got %v, %v", got, err)
	}
	if at, err := w.store.SubjectUsed(t.Context(), "n_2", iam.ClientID("ci").Subject()); err != nil || !at.IsZero() {
		t.Errorf("another organization: got %v, %v, want never", at, err)
	}
}

// What could not be written is written later, and nothing twice.
func TestOutageLosesNothing(t *testing.T) {
	w := newWorld(t)
	r := w.replica("r_a")
	w.engine.down.Store(true)
	r.Failed(&iam.Client{ID: "ci", Organization: "n_1"}, "192.0.2.1")
	r.SecretUsed("ci", "s_1")
	r.Denied(iam.DeniedRequest{RequestID: "q1", Client: "ci", Home: "n_1", Code: "access_denied"})
	if err := r.Flush(t.Context()); !errors.Is(err, kv.ErrCorrupt) {
		t.Fatalf("got %v, want the fault", err)
	}
	w.now = w.now.Add(time.Minute)
	r.Failed(&iam.Client{ID: "ci", Organization: "n_1"}, "192.0.2.1")
	w.engine.down.Store(false)
	check(t, r.Flush(t.Context()))
	check(t, r.Flush(t.Context()))
	if got := w.counts("n_1"); len(got) != 2 || got[0].Count != 1 || got[1].Count != 1 {
		t.Errorf("failures: got %+v, want one in each minute", got)
	}
	if at, err := w.store.SecretUsed(t.Context(), "ci", "s_1"); err != nil || at.IsZero() {
		t.Errorf("last use: got %v, %v", at, err)
	}
	if d, err := w.store.Denied(t.Context(), "q1"); err != nil || d == nil {
		t.Errorf("refused request: got %v, %v", d, err)
	}
}

// Refused requests are bounded for each client and in all, the first of a request id stands, and each organization has its own.
func TestRefusedRequestsAreBounded(t *testing.T) {
	w := newWorld(t)
	r := w.replica("r_a")
	for i := range 1000 {
		r.Denied(iam.DeniedRequest{RequestID: fmt.Sprintf("q%d", i), Client: "broken", Home: "n_1", Code: "invalid_scope"})
	}
	r.Denied(iam.DeniedRequest{RequestID: "q0", Client: "rival", Home: "n_2", Code: "access_denied"})
	r.Denied(iam.DeniedRequest{RequestID: "bad id {}", Client: "rival", Home: "n_2", Code: "access_denied"})
	check(t, r.Flush(t.Context()))
	page, err := w.store.DeniedRequests(t.Context(), "n_1", store.PageOptions{})
	check(t, err)
	if len(page.Items) != 20 {
		t.Errorf("got %d requests, want 20", len(page.Items))
	}
	if d, err := w.store.Denied(t.Context(), "q0"); err != nil || d == nil || d.Client != "broken" {
		t.Errorf("q0: got %+v, %v, want the first", d, err)
	}
	if page, err := w.store.DeniedRequests(t.Context(), "n_2", store.PageOptions{}); err != nil || len(page.Items) != 0 {
		t.Errorf("n_2: got %+v, %v", page, err)
	}
}

// A request that asks for more than a record holds keeps no other from being written, and is told in short itself.
func TestALongRequestHidesNoOther(t *testing.T) {
	w := newWorld(t)
	r := w.replica("r_a")
	long := make([]string, 6000)
	for i := range long {
		long[i] = "<<<<<<<<<"
	}
	r.Denied(iam.DeniedRequest{
		RequestID: "long", Client: "broken", Home: "n_1", Code: "invalid_target", Asked: iam.TokenAsked{Audiences: long},
		Message: strings.Repeat("<", 60<<10),
	})
	r.Denied(iam.DeniedRequest{RequestID: "short", Client: "ci", Home: "n_1", Code: "access_denied"})
	check(t, r.Flush(t.Context()))
	for _, id := range []string{"long", "short"} {
		if d, err := w.store.Denied(t.Context(), id); err != nil || d == nil {
			t.Errorf("%s: got %v, %v", id, d, err)
		}
	}
	check(t, w.store.PutDenied(t.Context(), []iam.DeniedRequest{
		{RequestID: "huge", At: w.now, Home: "n_1", Message: strings.Repeat("m", kv.MaxValue)}, {RequestID: "after", At: w.now, Home: "n_1"},
	}))
	if d, err := w.store.Denied(t.Context(), "after"); err != nil || d == nil {
		t.Errorf("after one too large for the store: got %v, %v", d, err)
	}
}
