package scenario

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// The folders of the facts outlive the tests that seed them: others copy them.
var seeds = struct {
	sync.Mutex
	dir string
	of  map[string]func() *seeded
}{of: map[string]func() *seeded{}}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "scenario")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	seeds.dir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(seeds.dir, "facts")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// facts seeds a table's facts, once for all tests.
func facts(t *testing.T, name string) *seeded {
	t.Helper()
	seeds.Lock()
	once := seeds.of[name]
	if once == nil {
		once = sync.OnceValue(func() *seeded { return readTables(t)[name].seed(t) })
		seeds.of[name] = once
	}
	seeds.Unlock()
	s := once()
	if s == nil {
		t.Fatalf("the facts of %s could not be seeded", name)
	}
	return s
}

// restart starts a broker on the store of one that was stopped.
func restart(t *testing.T, w *world) *apptest.Broker {
	t.Helper()
	return apptest.Start(t, apptest.Data(w.Data))
}
