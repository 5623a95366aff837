package apptest_test

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

const commandLineClient = "/clients/gatehouse-cli"

// forget makes a store as it was before there was a client of the command line.
func forget(t *testing.T, engine kv.Store) {
	t.Helper()
	st := store.New(engine, store.Options{Budget: 10 * time.Second, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	err := st.Update(t.Context(), func(tx *store.Tx) error {
		inst, err := tx.Installation()
		if err != nil {
			return err
		}
		inst.CommandLine = false
		if err := tx.PutInstallation(inst); err != nil {
			return err
		}
		return tx.DeleteClient("gatehouse-cli")
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whoever has the address of a server can sign in from the command line: its client is there from the first set-up on, and in a store
// from before it comes with the next start. Where an operator has deleted it, it stays away.
func TestCommandLineHasItsClient(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	b := apptest.Start(t, apptest.Data(data))
	made := b.Admin(http.MethodGet, commandLineClient, "").JSON(t)
	if made["token_endpoint_auth_method"] != "none" || made["consent"] != "implicit" || made["organization_switch"] != true {
		t.Errorf("after the first set-up: got %v, want a public client with consent that may switch organizations", made)
	}
	b.Stop()

	engine, err := boltkv.Open(filepath.Join(data, "gatehouse.db"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	forget(t, engine)
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	b = apptest.Start(t, apptest.Data(data))
	if a := b.Admin(http.MethodGet, commandLineClient, ""); a.Status != http.StatusOK {
		t.Errorf("in an older store: got %v, want the client", a)
	}
	api := b.API()
	export, err := api.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	others := slices.DeleteFunc(slices.Clone(export), func(d apiv1.Document) bool { return d.Metadata.Name == "gatehouse-cli" })
	if len(others) != len(export)-1 {
		t.Errorf("export has the client %d times, want once", len(export)-len(others))
	}
	for name, docs := range map[string][]apiv1.Document{"its export": export, "documents without it": others} {
		plan, err := api.Apply(t.Context(), docs, apiv1.ApplyOptions{Prune: true})
		if err != nil || len(plan.Changes) != 0 {
			t.Errorf("apply --prune of %s: got %v, %v, want no change", name, plan.Changes, err)
		}
	}
	if a := b.Admin(http.MethodDelete, commandLineClient, ""); a.Status != http.StatusNoContent {
		t.Fatalf("delete: got %v", a)
	}
	b.Stop()
	b = apptest.Start(t, apptest.Data(data))
	if a := b.Admin(http.MethodGet, commandLineClient, ""); a.Status != http.StatusNotFound {
		t.Errorf("after it was deleted: got %v, want 404", a)
	}
}

// Replicas that start at once on an older store make the client of the command line once.
func TestReplicasMakeTheCommandLinesClientOnce(t *testing.T) {
	t.Parallel()
	redis, data := redistest.Start(t), t.TempDir()
	b := apptest.Start(t, apptest.Data(data), apptest.Set("store", redis.URL()))
	b.Stop()
	c, err := rediskv.ParseURL(redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rediskv.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	forget(t, engine)
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	brokers := make([]*apptest.Broker, 3)
	failed := make([]error, len(brokers))
	var starting sync.WaitGroup
	for i := range brokers {
		starting.Go(func() {
			brokers[i], failed[i] = apptest.TryStart(t, apptest.Data(data), apptest.Set("store", redis.URL()))
		})
	}
	starting.Wait()
	for i, b := range brokers {
		if failed[i] != nil {
			t.Fatalf("replica %d: %v", i, failed[i])
		}
		if a := b.Admin(http.MethodGet, commandLineClient, ""); a.Status != http.StatusOK {
			t.Errorf("replica %d: got %v, want the client", i, a)
		}
	}
}
