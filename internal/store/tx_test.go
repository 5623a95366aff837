package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A change that is too large for one step is refused as such, with the limit, and nothing of it is made.
func TestUpdateRefusesWhatDoesNotFitIntoOneStep(t *testing.T) {
	s := replica(t, engine(t))
	create := func(n int) error {
		return s.Update(t.Context(), func(tx *store.Tx) error {
			for i := range n {
				if err := tx.PutUser(&iam.User{ID: iam.UserID(fmt.Sprintf("u_%d", i)), Name: fmt.Sprintf("n%d", i)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	const fits = (kv.MaxOps - 1) / 4 // two reads and two writes each, and the log
	err := create(fits + 1)
	if iam.KindOf(err) != iam.Invalid || iam.CodeOf(err) != "too_large" || !strings.Contains(err.Error(), fmt.Sprint(kv.MaxOps)) {
		t.Errorf("%d users at once: got %v, want too_large with the limit", fits+1, err)
	}
	if page, err := s.Users(t.Context(), store.PageOptions{}); err != nil || len(page.Items) > 0 {
		t.Errorf("after the refusal: got %d users, %v, want none", len(page.Items), err)
	}
	if err := create(fits); err != nil {
		t.Errorf("%d users at once: %v", fits, err)
	}
}

// A record that is too large is refused as such, before anything is written.
func TestUpdateRefusesARecordThatIsTooLarge(t *testing.T) {
	s := replica(t, engine(t))
	org := organization("acme")
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		org.DisplayName = strings.Repeat("x", kv.MaxValue)
		return tx.PutNode(org)
	})
	if iam.KindOf(err) != iam.Invalid || iam.CodeOf(err) != "too_large" {
		t.Errorf("got %v, want too_large", err)
	}
	if n, err := s.Node(t.Context(), org.ID); n != nil || err != nil {
		t.Errorf("after the refusal: got %v, %v, want nothing", n, err)
	}
}

// A transaction sees its own writes; View sees them, too, and keeps none; an error keeps none either.
func TestTransactionSeesItsOwnWrites(t *testing.T) {
	s := replica(t, engine(t))
	gaveUp := errors.New("gave up")
	body := func(tx *store.Tx) error {
		must(t, tx.PutUser(&iam.User{ID: "u_1", Name: "ann"}))
		if u, err := tx.UserNamed("ann"); err != nil || u == nil || u.ID != "u_1" {
			t.Errorf("created: got %+v, %v", u, err)
		}
		must(t, tx.PutUser(&iam.User{ID: "u_1", Name: "eve"}))
		if u, err := tx.UserNamed("ann"); err != nil || u != nil {
			t.Errorf("the name given up: got %+v, %v", u, err)
		}
		must(t, tx.DeleteUser("u_1"))
		if u, err := tx.User("u_1"); err != nil || u != nil {
			t.Errorf("removed: got %+v, %v", u, err)
		}
		return tx.PutUser(&iam.User{ID: "u_2", Name: "ann"})
	}
	must(t, s.View(t.Context(), body))
	if err := s.Update(t.Context(), func(tx *store.Tx) error { must(t, body(tx)); return gaveUp }); !errors.Is(err, gaveUp) {
		t.Errorf("got %v, want the error of the function", err)
	}
	if page, err := s.Users(t.Context(), store.PageOptions{}); err != nil || len(page.Items) > 0 {
		t.Errorf("after a view and an error: got %d users, %v, want none", len(page.Items), err)
	}
	must(t, s.Update(t.Context(), body))
	page, err := s.Users(t.Context(), store.PageOptions{})
	must(t, err)
	if len(page.Items) != 1 || page.Items[0].ID != "u_2" {
		t.Errorf("got %v, want u_2 alone", page.Items)
	}
}

// Once Update has returned, no read of this replica shows what was before, however many read meanwhile.
func TestReadsFollowOwnWrites(t *testing.T) {
	s := replica(t, engine(t))
	org := organization("acme")
	must(t, s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutNode(org) }))
	var acknowledged atomic.Int64
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				least := acknowledged.Load()
				n, err := s.Node(context.Background(), org.ID)
				if err != nil || int64(n.Seats) < least {
					t.Errorf("got %+v, %v, %d was acknowledged before", n, err, least)
					return
				}
			}
		})
	}
	for i := range 200 {
		must(t, s.Update(t.Context(), func(tx *store.Tx) error {
			n, err := tx.Node(org.ID)
			if err != nil {
				return err
			}
			n.Seats = i + 1
			return tx.PutNode(n)
		}))
		acknowledged.Store(int64(i + 1))
	}
	close(done)
	readers.Wait()
}

// Where records lie is as much a format as what they are: a key that is built differently would not find what is stored.
func TestKeyLayout(t *testing.T) {
	e := engine(t)
	s := replica(t, e)
	household(t, s)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(
			tx.PutInstallation(&store.Installation{ID: "i_1"}), tx.PutSigningKey(&store.SigningKey{ID: "kid"}),
			tx.PutUser(&iam.User{ID: "u_ann", Name: "ann"}), tx.PutAudience(&iam.Audience{Identifier: "https://hub.example/api", Name: "hub"}),
			tx.PutClient(&iam.Client{ID: "web", Name: "web"}), tx.PutNode(&iam.Node{ID: "n_p", Name: "p", Level: "project", Parent: "n_acme"}),
			tx.Assign("n_p", iam.Subject{Kind: iam.SubjectLogin, ID: "github/ann"}, []iam.RoleID{"view"}),
			tx.Owe(iam.RevocationRef{Kind: iam.RevokedMember, ID: "n_acme/u_ann"}),
		)
	}))
	must(t, s.Revoke(t.Context(), iam.Revocation{
		RevocationRef: iam.RevocationRef{Kind: iam.RevokedMember, ID: "n_acme/u_ann"}, ExpiresAt: time.Now().Add(time.Hour),
	}))
	_, err := s.Lead(t.Context(), "keys", "r_1", time.Hour)
	must(t, err)
	var got []string
	must(t, e.Scan(t.Context(), func(u kv.Unit, coll string, it kv.Item) error {
		got = append(got, fmt.Sprintf("%s %s %s", u, coll, it.ID))
		return nil
	}))
	slices.Sort(got)
	want := []string{
		"d assign n_acme/client:ci", "d assign n_acme/group:g_1", "d assign n_acme/user:u_ann", "d assign n_acme/user:u_bob",
		"d assign n_beta/client:ci", "d assign n_p/login:github/ann",
		"d audience https://hub.example/api", "d audname hub",
		"d child n_acme/n_p", "d child n_holding/n_acme", "d child n_holding/n_beta",
		"d client ci", "d client web", "d clientname -/web", "d clientname n_acme/ci",
		"d customrole n_acme", "d debt member:n_acme/u_ann",
		"d group g_1", "d groupmember g_1/u_ann", "d groupname n_acme/team",
		"d holding client:ci", "d holding group:g_1", "d holding login:github/ann", "d holding user:u_ann", "d holding user:u_bob",
		"d key kid", "d meta installation",
		"d node n_acme", "d node n_beta", "d node n_holding", "d node n_p",
		"d nodename -/acme", "d nodename -/beta", "d nodename -/holding", "d nodename n_acme/p",
		"d user u_ann", "d username ann",
		"lead lease keys", "rev rev member:n_acme/u_ann",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// A record of a newer version is a fault wherever it is read: it is never taken for absent, and never written over.
func TestNewerRecordIsNeverTakenForAbsent(t *testing.T) {
	e := engine(t)
	s := replica(t, e)
	_, err := e.Apply(t.Context(), "d", kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{{
		Key: kv.Key{Coll: &kv.Coll{Name: "client"}, ID: "ci"}, Value: []byte(`{"v":2,"id":"ci","name":"ci","grant_types":[]}`),
	}}})
	must(t, err)
	if c, err := s.Client(t.Context(), "ci"); c != nil || !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("read: got %+v, %v, want %v", c, err, kv.ErrCorrupt)
	}
	err = s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutClient(&iam.Client{ID: "ci", Name: "mine"}) })
	if !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("change: got %v, want %v", err, kv.ErrCorrupt)
	}
	// A function that does not look at the errors of its reads changes nothing either.
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		_, _ = tx.Client("ci")
		return tx.PutUser(&iam.User{ID: "u_1", Name: "ann"})
	})
	if !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("change that ignores the fault: got %v, want %v", err, kv.ErrCorrupt)
	}
	if u, err := s.User(t.Context(), "u_1"); u != nil || err != nil {
		t.Errorf("after it: got %+v, %v, want nothing", u, err)
	}
}

// An id that no record can have is absent, not a fault; it can come from anybody.
func TestImpossibleIDsAreAbsent(t *testing.T) {
	s := replica(t, engine(t))
	for _, id := range []string{"", " ", "a b", "\x00", "é", "{x}", ";", strings.Repeat("x", 257)} {
		c, err := s.Client(t.Context(), iam.ClientID(id))
		o, err2 := s.Organization(t.Context(), id)
		p, err3 := s.Path(t.Context(), iam.NodeID(id))
		if c != nil || o != nil || p != nil || errors.Join(err, err2, err3) != nil {
			t.Errorf("%q: got %v, %v, %v, %v, want nothing", id, c, o, p, errors.Join(err, err2, err3))
		}
		must(t, s.Update(t.Context(), func(tx *store.Tx) error {
			if c, err := tx.Client(iam.ClientID(id)); c != nil || err != nil {
				t.Errorf("%q in a transaction: got %v, %v, want nothing", id, c, err)
			}
			return nil
		}))
	}
}

// swapped is an engine that can be exchanged for another under its users.
type swapped struct {
	kv.Store
	mu  sync.Mutex
	now kv.Store
}

func (w *swapped) engine() kv.Store {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *swapped) swap(e kv.Store) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = e
}

func (w *swapped) Get(ctx context.Context, u kv.Unit, k ...kv.Key) ([]kv.Item, error) {
	return w.engine().Get(ctx, u, k...)
}

func (w *swapped) Apply(ctx context.Context, u kv.Unit, tx kv.Tx) (kv.Result, error) {
	return w.engine().Apply(ctx, u, tx)
}

func (w *swapped) List(ctx context.Context, u kv.Unit, c *kv.Coll, o kv.ListOptions) (kv.Page, error) {
	return w.engine().List(ctx, u, c, o)
}

func (w *swapped) ReadLog(ctx context.Context, u kv.Unit, after kv.Cursor, limit int, wait time.Duration) ([]kv.Entry, error) {
	return w.engine().ReadLog(ctx, u, after, limit, wait)
}

func (w *swapped) LogTail(ctx context.Context, u kv.Unit) (kv.Cursor, error) {
	return w.engine().LogTail(ctx, u)
}

// A store that was emptied under a running replica answers nothing and takes nothing, until it is restored: nobody is told that a
// client, a key or a revocation does not exist because everything is gone.
func TestEmptiedStoreIsUnavailable(t *testing.T) {
	full := engine(t)
	empty, err := boltkv.Open(filepath.Join(t.TempDir(), "empty.db"), boltkv.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, empty.Close()) })
	w := &swapped{now: full, Store: full}
	s := replica(t, w)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.PutInstallation(&store.Installation{ID: "i_1"}), tx.PutSigningKey(&store.SigningKey{ID: "kid"}),
			tx.PutClient(&iam.Client{ID: "ci", Name: "ci"}))
	}))
	s.Bind("i_1")
	ref := iam.RevocationRef{Kind: iam.RevokedClient, ID: "ci"}
	must(t, s.Revoke(t.Context(), iam.Revocation{RevocationRef: ref, ExpiresAt: time.Now().Add(time.Hour)}))

	w.swap(empty)
	eventually(t, 2*time.Second, "the loss is noticed", func() bool {
		_, err := s.Client(t.Context(), "ci")
		return iam.KindOf(err) == iam.Unavailable && !s.Current()
	})
	for what, ask := range map[string]func() error{
		"client": func() error { _, err := s.Client(t.Context(), "ci"); return err },
		"keys":   func() error { _, err := s.SigningKeys(t.Context()); return err },
		"list":   func() error { _, err := s.Clients(t.Context(), "", store.PageOptions{}); return err },
		"marks":  func() error { _, err := s.Revoked(t.Context(), time.Now(), ref); return err },
		"revoke": func() error {
			return s.Revoke(t.Context(), iam.Revocation{RevocationRef: ref, ExpiresAt: time.Now().Add(time.Hour)})
		},
		"view": func() error {
			return s.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Client("ci"); return err })
		},
		"change": func() error {
			return s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutClient(&iam.Client{ID: "ci", Name: "ci"}) })
		},
		"blind change": func() error { return s.Update(t.Context(), func(tx *store.Tx) error { return tx.Owe(ref) }) },
	} {
		if err := ask(); iam.KindOf(err) != iam.Unavailable {
			t.Errorf("%s: got %v, want unavailable", what, err)
		}
	}
	written := 0
	must(t, empty.Scan(t.Context(), func(kv.Unit, string, kv.Item) error { written++; return nil }))
	if written > 0 {
		t.Errorf("%d records were written into the empty store", written)
	}

	w.swap(full)
	eventually(t, 2*time.Second, "service returns by itself", func() bool {
		c, err := s.Client(t.Context(), "ci")
		return err == nil && c != nil && s.Current()
	})
	if dead, err := s.Revoked(t.Context(), time.Now(), ref); !dead || err != nil {
		t.Errorf("after the store is back: revoked %v, %v, want true", dead, err)
	}
}
