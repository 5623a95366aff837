package boltkv_test

import (
	"path/filepath"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/kv/kvtest"
)

// open opens a store in a folder of the test's own and closes it at the end.
func open(t testing.TB, path string, o boltkv.Options) *boltkv.Store {
	t.Helper()
	s, err := boltkv.Open(path, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// The embedded engine keeps the contract, and what it leaves behind is whole.
func TestContract(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kv.Store {
		path := filepath.Join(t.TempDir(), "store.db")
		t.Cleanup(func() {
			if err := boltkv.Check(path); err != nil {
				t.Errorf("Check: %v", err)
			}
		})
		return open(t, path, boltkv.Options{})
	})
}
