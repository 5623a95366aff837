package boltkv_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
)

// Nothing that was acknowledged is missing after the process was killed in the midst of writes, nothing is there in part,
// and the file is whole.
func TestKilledProcessLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	acked := map[string]bool{}
	for round := range 5 {
		cmd := child(t, "write", path)
		lines := startChild(t, cmd)
		if !lines.Scan() || lines.Text() != "open" {
			t.Fatalf("child: got %q, want that the store is open", lines.Text())
		}
		// Not at a rest between commits but after some number of acknowledgements, in the midst of the next.
		for want := 300 + 37*round; want > 0 && lines.Scan(); want-- {
			acked[lines.Text()] = true
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it had printed before it died
			acked[lines.Text()] = true
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		if err := boltkv.Check(path); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}

	s := open(t, path, boltkv.Options{})
	parts := map[string]int{}
	err := s.Scan(t.Context(), func(u kv.Unit, coll string, it kv.Item) error {
		if u != "chains" || coll != chain.Name || !strings.HasPrefix(it.ID, string(it.Value)) {
			t.Errorf("got %s %s %s %q", u, coll, it.ID, it.Value)
		}
		parts[string(it.Value)]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var after kv.Cursor
	for {
		entries, err := s.ReadLog(t.Context(), "chains", after, kv.MaxPage, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			parts[string(e.Data)]++
			after = e.Cursor
		}
	}
	for id, n := range parts {
		if n != 3 {
			t.Errorf("transaction %s: got %d of its 3 parts", id, n)
		}
	}
	for id := range acked {
		if id != "" && parts[id] == 0 {
			t.Errorf("transaction %s was acknowledged and is lost", id)
		}
	}
	t.Logf("%d transactions acknowledged, %d applied", len(acked), len(parts))
}

// Of two processes the second is told so within seconds, whatever it wants of the file, and gets the store when the first is done.
func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	cmd := child(t, "hold", path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if lines := startChild(t, cmd); !lines.Scan() {
		t.Fatal("the child does not open the store")
	}
	for name, try := range map[string]func() error{
		"Open": func() error {
			_, err := boltkv.Open(path, boltkv.Options{})
			return err
		},
		"Check":   func() error { return boltkv.Check(path) },
		"Compact": func() error { return boltkv.Compact(path, path+".compact") },
	} {
		began := time.Now()
		err := try()
		if !errors.Is(err, kv.ErrUnavailable) || !strings.Contains(err.Error(), "another process has the store "+path+" open") {
			t.Errorf("%s: got %v, want that another process has the store open", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: told after %v", name, took)
		}
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("child: %v", err)
	}
	open(t, path, boltkv.Options{})
}

// A disk without space refuses writes and nothing else, loses nothing, and writes resume by themselves (see fillTheDisk).
func TestFullDiskRefusesWritesAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if out, err := child(t, "fill", path).Output(); err != nil {
		t.Fatalf("child: %v %s", err, out)
	}
	if err := boltkv.Check(path); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("got files %q, want the store alone", left)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
