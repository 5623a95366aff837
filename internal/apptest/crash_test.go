package apptest_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// What was acknowledged before a kill -9 of the broker is there when it is back, round after round on one file (security
// catalogue R07, R17).
func TestKillingTheBrokerLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve("--dev")
	ledger := newLedger(t, 4)
	for round := range 5 {
		ledger.work(t, func() { p.kill() }, time.Duration(100+130*round)*time.Millisecond, p.broker)
		p = s.serve("--dev")
		ledger.check(t, p.broker)
	}
	p.stop()
	db, err := bbolt.Open(s.path("data", "gatehouse.db"), 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bbolt.Tx) error {
		for fault := range tx.Check() {
			t.Errorf("bbolt check: %v", fault)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// What was acknowledged by either of two replicas before a kill -9 of their Redis is there when it is back, on both. Redis syncs
// its append-only file before it answers, as docs/operations.md tells to set it.
func TestKillingRedisLosesNothing(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	data := t.TempDir()
	a := apptest.Start(t, apptest.Data(data), apptest.Set("store", redis.URL()))
	b := apptest.Start(t, apptest.Data(data), apptest.Set("store", redis.URL()))
	ledger := newLedger(t, 4)
	for round := range 4 {
		ledger.work(t, redis.Kill, time.Duration(150+150*round)*time.Millisecond, a, b)
		redis.Restart()
		for _, broker := range []*apptest.Broker{a, b} {
			await(t, "ready broker", func() bool {
				answer, err := broker.Try(request(t, http.MethodGet, broker.Ops+"/readyz", nil))
				return err == nil && answer.Status == http.StatusOK
			})
		}
		time.Sleep(propagation)
		ledger.check(t, a)
		ledger.check(t, b)
	}
}

// propagation is the time after which a change is seen by every replica, as architecture.md promises.
const propagation = time.Second

// A ledger is what clients were told that is done. Each worker has a client, an audience, and tokens of its own.
type ledger struct {
	workers []*worker
}

type worker struct {
	client, audience string
	secrets          []string // of the client: each ended those before; the last few may be unacknowledged
	acked            int      // how many of secrets were acknowledged
	lifetime         int      // seconds: the audience's last acknowledged token lifetime, which counts the changes
	tried            int      // the last that was asked for
	revoked          []string // acknowledged
	kept             []string // never asked to be revoked
	created, deleted []string // clients, acknowledged
	steps            int
}

// baseLifetime is where the counting by token lifetimes starts, in seconds.
const baseLifetime = 600

func newLedger(t testing.TB, n int) *ledger {
	l := &ledger{}
	for i := range n {
		l.workers = append(l.workers, &worker{client: fmt.Sprintf("crash-%d", i), audience: fmt.Sprintf("crash-%d", i)})
	}
	return l
}

// work has all workers make changes, at any of the brokers in turn, and kills something in the middle of it.
func (l *ledger) work(t testing.TB, kill func(), after time.Duration, brokers ...*apptest.Broker) {
	t.Helper()
	for _, w := range l.workers {
		if w.lifetime == 0 {
			w.setUp(t, brokers[0])
		}
	}
	before := l.steps()
	stop := make(chan struct{})
	var running sync.WaitGroup
	for i, w := range l.workers {
		running.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				w.step(brokers[n%len(brokers)])
			}
		})
	}
	time.Sleep(after) // a kill at any moment is as good as at another
	kill()
	time.Sleep(20 * time.Millisecond) // some more that must fail
	close(stop)
	running.Wait()
	if got := l.steps() - before; got < len(l.workers) {
		t.Errorf("the workers were told of %d changes before the kill, want some of each", got)
	}
}

func (l *ledger) steps() (n int) {
	for _, w := range l.workers {
		n += w.steps
	}
	return n
}

func (w *worker) setUp(t testing.TB, b *apptest.Broker) {
	t.Helper()
	ctx, api := context.Background(), b.API()
	w.lifetime, w.tried = baseLifetime, baseLifetime
	_, err := api.CreateAudience(ctx, apiv1.NewAudience{Name: w.audience, AudienceSpec: w.spec(baseLifetime)})
	if err != nil {
		t.Fatal(err)
	}
	made, err := api.CreateClient(ctx, w.newClient(w.client))
	if err != nil {
		t.Fatal(err)
	}
	w.secrets, w.acked = []string{made.Secret.Value}, 1
}

func (w *worker) identifier() string { return "https://" + w.audience + ".example" }

func (w *worker) spec(lifetime int) apiv1.AudienceSpec {
	return apiv1.AudienceSpec{Identifier: w.identifier(), TokenLifetime: apiv1.Duration(time.Duration(lifetime) * time.Second)}
}

func (w *worker) newClient(id string) apiv1.NewClient {
	return apiv1.NewClient{Name: id, Organization: "acme", ClientSpec: apiv1.ClientSpec{ClientID: id, Audiences: []string{w.identifier()}}}
}

// step makes one change of each kind and notes what was acknowledged. It ends at the first that was not.
func (w *worker) step(b *apptest.Broker) {
	ctx, api := context.Background(), b.API()
	done := func() { w.steps++ }

	// An edit, counted.
	w.tried++
	if _, err := api.UpdateAudience(ctx, w.audience, w.spec(w.tried), ""); err != nil {
		return
	}
	w.lifetime = w.tried
	done()

	// A new secret ends the old one.
	next := fmt.Sprintf("secret-of-the-ledger-%s-%08d", w.client, len(w.secrets))
	w.secrets = append(w.secrets, next)
	atOnce := apiv1.Duration(0)
	if _, err := api.RotateSecret(ctx, w.client, apiv1.SecretRotation{Value: next, ExpireOldAfter: &atOnce}); err != nil {
		return
	}
	w.acked = len(w.secrets)
	done()

	// A client comes, and every other goes.
	id := fmt.Sprintf("%s-%d", w.client, w.tried)
	if _, err := api.CreateClient(ctx, w.newClient(id)); err != nil {
		return
	}
	w.created = append(w.created, id)
	done()
	if w.tried%2 == 0 {
		w.created = w.created[:len(w.created)-1] // either may be, until it is acknowledged
		if err := api.DeleteClient(ctx, id); err != nil {
			return
		}
		w.deleted = append(w.deleted, id)
		done()
	}

	// Of two tokens one is revoked.
	kept, ended := w.token(b), w.token(b)
	if kept == "" || ended == "" {
		return
	}
	w.kept = append(w.kept, kept)
	a, err := b.Try(b.Form("/oauth/revoke", "client_id", w.client, "client_secret", next, "token", ended))
	if err == nil && a.Status == http.StatusOK {
		w.revoked = append(w.revoked, ended)
		done()
	}
}

func (w *worker) token(b *apptest.Broker) string {
	a, err := b.Try(b.Form("/oauth/token", "grant_type", "client_credentials", "client_id", w.client,
		"client_secret", w.secrets[len(w.secrets)-1], "audience", w.identifier()))
	if err != nil || a.Status != http.StatusOK {
		return ""
	}
	token, _ := a.JSON(b.T)["access_token"].(string)
	return token
}

// check compares what the broker knows with what was acknowledged, and takes what it finds where nothing was.
func (l *ledger) check(t testing.TB, b *apptest.Broker) {
	t.Helper()
	for _, w := range l.workers {
		w.check(t, b)
	}
}

func (w *worker) check(t testing.TB, b *apptest.Broker) {
	t.Helper()
	ctx, api := context.Background(), b.API()

	audience, err := api.GetAudience(ctx, w.audience)
	if err != nil {
		t.Errorf("audience %s: %v", w.audience, err)
	} else if got := int(time.Duration(audience.TokenLifetime).Seconds()); got < w.lifetime || got > w.tried {
		t.Errorf("audience %s: got edit %d, want one from %d, which was acknowledged, to %d", w.audience, got-baseLifetime, w.lifetime-baseLifetime, w.tried-baseLifetime)
	} else {
		w.lifetime, w.tried = got, got
	}

	secret := w.goodSecret(t, b)
	if secret == "" {
		return
	}
	for _, token := range w.revoked {
		if w.active(t, b, secret, token) {
			t.Errorf("client %s: a token whose revocation was acknowledged is active", w.client)
		}
	}
	for _, token := range w.kept {
		if !w.active(t, b, secret, token) {
			t.Errorf("client %s: a token that nobody revoked is inactive", w.client)
		}
	}

	for _, id := range w.created {
		if _, err := api.GetClient(ctx, id); err != nil {
			t.Errorf("client %s, whose creation was acknowledged: %v", id, err)
		}
	}
	for _, id := range w.deleted {
		if c, err := api.GetClient(ctx, id); apiv1.CodeOf(err) != "not_found" {
			t.Errorf("client %s, whose deletion was acknowledged: got %+v, %v", id, c.ClientID, err)
		}
	}
}

// goodSecret finds the one secret that the client has: the last that was acknowledged, or one that came after.
func (w *worker) goodSecret(t testing.TB, b *apptest.Broker) string {
	t.Helper()
	good := -1
	for i := max(0, w.acked-2); i < len(w.secrets); i++ {
		if a := b.Post("/oauth/introspect", "client_id", w.client, "client_secret", w.secrets[i], "token", "x"); a.Status == http.StatusOK {
			if good >= 0 {
				t.Errorf("client %s has secrets %d and %d, and the later ended the earlier", w.client, good, i)
			}
			good = i
		}
	}
	if good < w.acked-1 {
		t.Errorf("client %s: got secret %d, want %d, which was acknowledged, or a later one", w.client, good, w.acked-1)
		return ""
	}
	w.secrets = w.secrets[:good+1]
	w.acked = good + 1
	return w.secrets[good]
}

func (w *worker) active(t testing.TB, b *apptest.Broker, secret, token string) bool {
	t.Helper()
	a := b.Post("/oauth/introspect", "client_id", w.client, "client_secret", secret, "token", token)
	if a.Status != http.StatusOK {
		t.Fatalf("introspection: got %v", a)
	}
	active, _ := a.JSON(t)["active"].(bool)
	return active
}
