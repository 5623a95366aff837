package directory_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/keys"
)

var operator = directory.Operator(iam.ClientID("operator").Subject())

// A world is a directory with organization acme: alice owns it, bob writes, and zed is nobody there. It notes what is revoked.
type world struct {
	*directory.Service
	t  *testing.T
	id map[string]iam.UserID

	mu      sync.Mutex
	revoked []string
	refuse  error // what Revoke fails with
}

// embedded opens a store in a file.
func embedded(t *testing.T) kv.Store {
	t.Helper()
	engine, err := boltkv.Open(filepath.Join(t.TempDir(), "gatehouse.db"), boltkv.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, engine.Close()) })
	return engine
}

// serve starts a directory on an engine, as each replica does, that revokes nothing.
func serve(t *testing.T, engine kv.Store) *directory.Service {
	t.Helper()
	st := store.New(engine, store.Options{Lease: 2 * time.Second, Budget: 10 * time.Second, CacheEntries: 1000, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		st.Run(ctx, func() { close(ready) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-ready
	hasher, err := secret.NewHasher(make([]byte, secret.PepperSize), 0)
	check(t, err)
	return &directory.Service{
		Store: st, Secrets: hasher, Algorithms: []keys.Alg{keys.ES256}, Issuer: "https://gatehouse.example", Now: time.Now,
		Revoke: func(context.Context, iam.RevocationRef) error { return nil }, Models: &directory.Models{Store: st},
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, id: make(map[string]iam.UserID)}
	w.Service = serve(t, embedded(t))
	w.Revoke = w.revoke
	for _, name := range []string{"alice", "bob", "zed"} {
		u, err := w.CreateUser(ctx, operator, apiv1.NewUser{Name: name})
		check(t, err)
		w.id[name] = iam.UserID(u.ID)
	}
	check(t, errorOf(w.CreateNode(ctx, operator, apiv1.NewNode{
		Name: "acme", NodeSpec: apiv1.NodeSpec{Model: "floxhub"},
		Assignments: []apiv1.Assignment{{User: "alice", Role: "owner"}, {User: "bob", Role: "writer"}},
	})))
	return w
}

func (w *world) revoke(_ context.Context, ref iam.RevocationRef) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	w.revoked = append(w.revoked, ref.String())
	return nil
}

// by is the actor that a user is by the rights of the access model.
func (w *world) by(name string) directory.By { return directory.By{Actor: access.User(w.id[name])} }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func errorOf[T any](_ T, err error) error { return err }

// Whoever acts by an access model may do what it says, and nothing about the installation.
func TestRightsOfTheModel(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	machine := apiv1.NewClient{Name: "ci", Organization: "acme"}
	chosen := apiv1.NewClient{Name: "other", Organization: "acme", ClientSpec: apiv1.ClientSpec{ClientID: "chosen"}}
	for _, c := range []struct {
		what, who, code string
		do              func(by directory.By) error
	}{
		{"client", "zed", "unknown_reference", func(by directory.By) error { return errorOf(w.CreateClient(ctx, by, "", machine)) }},
		{"client", "bob", "forbidden", func(by directory.By) error { return errorOf(w.CreateClient(ctx, by, "", machine)) }},
		{"client", "alice", "", func(by directory.By) error { return errorOf(w.CreateClient(ctx, by, "", machine)) }},
		{"client id", "alice", "operator_only", func(by directory.By) error { return errorOf(w.CreateClient(ctx, by, "", chosen)) }},
		{"platform client", "alice", "forbidden", func(by directory.By) error { return errorOf(w.CreateClient(ctx, by, "", apiv1.NewClient{Name: "p"})) }},
		{"audience", "alice", "forbidden", func(by directory.By) error {
			return errorOf(w.CreateAudience(ctx, by, apiv1.NewAudience{Name: "a", AudienceSpec: apiv1.AudienceSpec{Identifier: "https://a.test"}}))
		}},
		{"user", "alice", "forbidden", func(by directory.By) error { return errorOf(w.CreateUser(ctx, by, apiv1.NewUser{Name: "eve"})) }},
		{"organization", "alice", "forbidden", func(by directory.By) error {
			return errorOf(w.CreateNode(ctx, by, apiv1.NewNode{Name: "beta", NodeSpec: apiv1.NodeSpec{Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: "alice", Role: "owner"}}}))
		}},
		{"documents", "alice", "forbidden", func(by directory.By) error { return errorOf(w.Apply(ctx, by, apiv1.ApplyRequest{})) }},
		{"assignment", "zed", "not_found", func(by directory.By) error { return errorOf(w.Assign(ctx, by, "acme", apiv1.Assignment{User: "zed"})) }},
		{"assignment", "bob", "forbidden", func(by directory.By) error { return errorOf(w.Assign(ctx, by, "acme", apiv1.Assignment{User: "zed"})) }},
		{"assignment", "alice", "", func(by directory.By) error { return errorOf(w.Assign(ctx, by, "acme", apiv1.Assignment{User: "zed"})) }},
		{"own role", "alice", "own_role_locked", func(by directory.By) error {
			return errorOf(w.Assign(ctx, by, "acme", apiv1.Assignment{User: "alice", Role: "writer"}))
		}},
		{"removal", "bob", "forbidden", func(by directory.By) error { return w.Unassign(ctx, by, "acme", apiv1.Assignment{User: "zed"}) }},
		{"removal", "alice", "", func(by directory.By) error { return w.Unassign(ctx, by, "acme", apiv1.Assignment{User: "zed"}) }},
	} {
		err := c.do(w.by(c.who))
		if got := iam.CodeOf(err); (err == nil) != (c.code == "") || err != nil && got != c.code {
			t.Errorf("%s by %s: got %v, want %q", c.what, c.who, err, c.code)
		}
	}
}

// A change whose revocation could not be written is not acknowledged, and Settle makes up for it.
func TestRevocationsAreOwedUntilWritten(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.refuse = iam.Errorf(iam.Unavailable, "the store does not answer")
	if err := w.Unassign(ctx, operator, "acme", apiv1.Assignment{User: "bob"}); iam.KindOf(err) != iam.Unavailable {
		t.Fatalf("got %v, want unavailable", err)
	}
	if err := w.Settle(ctx); iam.KindOf(err) != iam.Unavailable {
		t.Errorf("settling without a store: got %v", err)
	}
	w.refuse = nil
	check(t, w.Settle(ctx))
	org, err := w.Node(ctx, operator, "acme")
	check(t, err)
	if want := []string{"member:" + org.ID + "/" + string(w.id["bob"])}; !slices.Equal(w.revoked, want) {
		t.Errorf("got revocations %v, want %v", w.revoked, want)
	}
	check(t, w.Settle(ctx))
	if len(w.revoked) != 1 {
		t.Errorf("a debt was paid twice: %v", w.revoked)
	}
}

// Who leaves, by whatever way, loses the tokens: once for each organization concerned.
func TestMembersTokensEnd(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	check(t, errorOf(w.CreateNode(ctx, operator, apiv1.NewNode{Name: "ws", NodeSpec: apiv1.NodeSpec{Model: "flowx"}, Assignments: []apiv1.Assignment{{User: "alice", Role: "org_admin"}}})))
	check(t, errorOf(w.CreateNode(ctx, operator, apiv1.NewNode{Name: "sales", Parent: "ws", NodeSpec: apiv1.NodeSpec{Level: "workspace"}})))
	check(t, errorOf(w.CreateGroup(ctx, operator, "ws/sales", apiv1.NewGroup{Name: "team", GroupSpec: apiv1.GroupSpec{Members: []string{"bob", "zed"}}})))
	check(t, errorOf(w.Assign(ctx, operator, "ws/sales", apiv1.Assignment{Group: "team", Role: "workspace_user"})))
	org, err := w.Node(ctx, operator, "ws")
	check(t, err)
	member := func(user string) string { return "member:" + org.ID + "/" + string(w.id[user]) }
	for _, c := range []struct {
		what string
		do   func() error
		want []string
	}{
		{"out of the group", func() error { return w.RemoveMember(ctx, operator, "ws/sales", "team", "zed") }, []string{member("zed")}},
		{"the group's role", func() error {
			return w.Unassign(ctx, operator, "ws/sales", apiv1.Assignment{Group: "team", Role: "workspace_user"})
		}, []string{member("bob")}},
		{"the group", func() error { return w.DeleteGroup(ctx, operator, "ws/sales", "team", directory.Existing("")) }, []string{member("bob")}},
		{"the person", func() error { return w.DeleteUser(ctx, operator, "zed", directory.Existing("")) }, []string{"user:" + string(w.id["zed"])}},
	} {
		w.revoked = nil
		check(t, c.do())
		slices.Sort(w.revoked)
		if !slices.Equal(w.revoked, c.want) {
			t.Errorf("%s: got revocations %v, want %v", c.what, w.revoked, c.want)
		}
	}
}
