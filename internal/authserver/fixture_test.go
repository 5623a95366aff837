package authserver_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/authserver"
	"github.com/gatehouse-id/gatehouse/internal/clientauth"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/keys"
)

const (
	issuer     = "http://127.0.0.1:8080"
	hub        = "https://hub.flox.dev/api"
	testSecret = "0123456789abcdef0123456789abcdef0123456789"
)

// newServer wires the endpoints over an embedded store with one organization and one machine client.
func newServer(tb testing.TB) *web.Router {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.DiscardHandler)
	engine, err := boltkv.Open(filepath.Join(tb.TempDir(), "gatehouse.db"), boltkv.Options{})
	check(tb, err)
	st := store.New(engine, store.Options{Lease: 2 * time.Second, Budget: 2 * time.Second, CacheEntries: 10_000, Now: time.Now, Log: log})
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		st.Run(ctx, func() { close(ready) })
	}()
	tb.Cleanup(func() { cancel(); <-done; check(tb, engine.Close()) })
	<-ready

	hasher, err := secret.NewHasher(make([]byte, secret.PepperSize), 0)
	check(tb, err)
	hash, err := hasher.Hash(ctx, testSecret)
	check(tb, err)
	org := &iam.Node{ID: "n_acme", Name: "acme", Level: iam.LevelOrganization, Model: "floxhub"}
	client := &iam.Client{
		ID: "release", Name: "release", Organization: org.ID, AuthMethod: iam.AuthBasic,
		GrantTypes: []iam.GrantType{iam.GrantClientCredentials}, Audiences: []string{hub},
		Secrets: []iam.Secret{{ID: "s_1", Name: "ci", Hash: hash}},
	}
	check(tb, st.Update(ctx, func(tx *store.Tx) error {
		return errors.Join(tx.PutNode(org), tx.PutAudience(&iam.Audience{Identifier: hub, Name: "hub"}), tx.PutClient(client),
			tx.Assign(org.ID, client.ID.Subject(), []iam.RoleID{"writer"}))
	}))

	now := time.Now()
	policy := keys.DefaultPolicy()
	changes, _ := keys.Plan(nil, []keys.Alg{keys.ES256}, policy, now)
	all, _, err := keys.Apply(nil, changes, now)
	check(tb, err)
	ring, err := keys.NewRing(all)
	check(tb, err)
	inspector := &token.Inspector{Issuer: issuer, Ring: func() *keys.Ring { return ring }, Revocations: st, Directory: st, Now: time.Now}
	s := &authserver.Server{
		Issuer:  issuer,
		Clients: &clientauth.Authenticator{Directory: st, Secrets: hasher, Failures: clientauth.NewFailures(), Now: time.Now},
		Policy: &token.Policy{
			Issuer: issuer, Directory: st, DefaultLifetime: iam.DefaultTokenLifetime,
			Facts:    func(ctx context.Context) token.Facts { return st.Facts(ctx) },
			Model:    func(name string) *access.Model { m, _ := access.Preset(name); return m },
			Revision: func() uint64 { return uint64(st.Revision()) },
		},
		Tokens:       &token.Issuer{Issuer: issuer, Ring: inspector.Ring, IssuedAfter: st.IssuedAfter, Now: time.Now},
		Inspector:    inspector,
		Revoker:      &token.Revoker{Inspector: inspector, Revoke: st.Revoke, MaxLifetime: iam.MaxTokenLifetime, ClockSkew: time.Minute, Now: time.Now},
		Algorithms:   []keys.Alg{keys.ES256},
		JWKSMaxAge:   policy.JWKSMaxAge,
		TokenLimit:   web.NewLimiter("token"),
		InspectLimit: web.NewLimiter("inspect"),
	}
	routes, err := s.Routes()
	check(tb, err)
	s.PublishKeys(ring)
	router, err := web.NewRouter(web.RouterConfig{Log: slog.NewJSONHandler(discard{}, nil), Metrics: web.NewMetrics()}, routes...)
	check(tb, err)
	return router
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
