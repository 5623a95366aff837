package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/keys"
)

const (
	audience = "https://hub.flox.dev/api"
	perOrg   = 1000
)

func clientID(i int) string { return fmt.Sprintf("bench-%07d", i) }

// clientSecret is the secret of client i: imported, with 32 characters or more, so that a keyed hash is kept of it.
func clientSecret(i int) string { return "0123456789abcdef0123456789abcdef-" + clientID(i) }

// engines are those that the token path is measured on.
var engines = []string{"embedded", "redis"}

// newStore makes a store with so many clients in organizations of a thousand: the broker sets it up, then the records go in
// below the API, since making a million clients one by one is not what is measured. db is nil unless the engine is Redis; the
// caller stops it.
func (b *bench) newStore(ctx context.Context, name, engine string, clients int) (data, url string, db *redisServer, err error) {
	if data, url, err = b.folder(name + "-" + engine); err != nil {
		return data, url, nil, err
	}
	if engine == "redis" {
		if db, err = startRedis(ctx, data); err != nil {
			return data, url, nil, err
		}
		url = db.url
	}
	err = b.fill(ctx, data, url, func(ctx context.Context, st *store.Store) error { return seed(ctx, st, data, clients) })
	if err != nil && db != nil {
		db.stop()
	}
	return data, url, db, err
}

// fill has a broker set a store up, and puts records into it.
func (b *bench) fill(ctx context.Context, data, url string, put func(context.Context, *store.Store) error) error {
	p, err := b.startBroker(ctx, data, url)
	if err != nil {
		return err
	}
	p.stop()
	var engine kv.Store
	if path, ok := strings.CutPrefix(url, "bolt:"); ok {
		engine, err = boltkv.Open(path, boltkv.Options{})
	} else {
		var c rediskv.Config
		if c, err = rediskv.ParseURL(url); err == nil {
			engine, err = rediskv.Open(ctx, c)
		}
	}
	if err != nil {
		return err
	}
	st := store.New(engine, store.Options{Budget: time.Minute, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	return errors.Join(put(ctx, st), engine.Close())
}

func seed(ctx context.Context, st *store.Store, data string, clients int) error {
	hasher, err := openHasher(ctx, st, data)
	if err != nil {
		return err
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	orgs := (clients + perOrg - 1) / perOrg
	for range min(64, orgs) {
		wg.Go(func() {
			for {
				org := int(next.Add(1)) - 1
				if org >= orgs {
					return
				}
				if err := seedOrg(ctx, st, hasher, org*perOrg, min(clients, (org+1)*perOrg)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func seedOrg(ctx context.Context, st *store.Store, hasher *secret.Hasher, from, to int) error {
	now := time.Now()
	org := &iam.Node{ID: iam.NodeID(iam.NewID("n")), Name: fmt.Sprintf("bench-%d", from/perOrg), Level: iam.LevelOrganization, Model: "floxhub", CreatedAt: now}
	if err := st.Update(ctx, func(tx *store.Tx) error { return tx.PutNode(org) }); err != nil {
		return err
	}
	const batch = 5 // as many as one transaction takes
	for ; from < to; from += batch {
		err := st.Update(ctx, func(tx *store.Tx) error {
			for i := from; i < min(from+batch, to); i++ {
				hash, err := hasher.Hash(ctx, clientSecret(i))
				if err != nil {
					return err
				}
				c := &iam.Client{
					ID: iam.ClientID(clientID(i)), Name: clientID(i), Organization: org.ID, AuthMethod: iam.AuthBasic,
					GrantTypes: []iam.GrantType{iam.GrantClientCredentials}, Audiences: []string{audience},
					Secrets:   []iam.Secret{{ID: iam.SecretID(iam.NewID("s")), Name: "ci", Hash: hash, CreatedAt: now}},
					CreatedAt: now,
				}
				if err := tx.PutClient(c); err != nil {
					return err
				}
				if err := tx.Assign(org.ID, c.ID.Subject(), []iam.RoleID{"writer"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// openHasher returns what makes the hashes that the broker stores of secrets.
func openHasher(ctx context.Context, st *store.Store, data string) (*secret.Hasher, error) {
	text, err := os.ReadFile(filepath.Join(data, "kek"))
	if err != nil {
		return nil, err
	}
	kek, err := keys.ParseKEK(string(text))
	if err != nil {
		return nil, err
	}
	sealer, err := keys.NewSealer(kek)
	if err != nil {
		return nil, err
	}
	inst, err := st.Installation(ctx)
	if err != nil {
		return nil, err
	}
	pepper, err := sealer.Open("pepper", inst.ID, inst.Pepper)
	if err != nil {
		return nil, err
	}
	return secret.NewHasher(pepper, 0)
}
