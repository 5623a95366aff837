package boltkv_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
)

// The store and its folder are the owner's alone, whatever the umask.
func TestFilesAreTheOwnersAlone(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "store.db")
	s := open(t, path, boltkv.Options{})
	for name, want := range map[string]fs.FileMode{filepath.Dir(dir): 0o700, dir: 0o700, path: 0o600} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got mode %v, %v; want %v", name, info.Mode().Perm(), err, want)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("got files %v, want the store alone", files)
	}
	if h, err := s.Health(t.Context()); err != nil || len(h.Warnings) != 0 || !strings.HasPrefix(h.Engine, "bbolt") {
		t.Errorf("Health: got %+v, %v; want no warning", h, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	h, err := open(t, path, boltkv.Options{}).Health(t.Context())
	if err != nil || len(h.Warnings) != 1 || !strings.Contains(h.Warnings[0], "chmod 600") {
		t.Errorf("Health of a file open to the group: got %+v, %v; want a warning", h, err)
	}
}

// However many begin at once on nothing, one store comes to be and one of them has it.
func TestOneOfManyCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	stores := make([]*boltkv.Store, 8)
	errs := make([]error, len(stores))
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() { stores[i], errs[i] = boltkv.Open(path, boltkv.Options{}) })
	}
	wg.Wait()
	id := ""
	for i, s := range stores {
		switch {
		case errs[i] == nil && id == "":
			id = s.ID()
			apply(t, s, kv.Tx{Puts: []kv.Put{{Key: thing}}})
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		case !errors.Is(errs[i], kv.ErrUnavailable):
			t.Errorf("got %v, want one store and ErrUnavailable for the others", errs[i])
		}
	}
	s := open(t, path, boltkv.Options{})
	if id == "" || s.ID() != id || read(t, s, thing).Version == 0 {
		t.Errorf("got store %q, want %q with its record", s.ID(), id)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("got files %v, want the store alone", files)
	}
}

// What is no regular file is refused, and a link that leads nowhere is not filled.
func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, dangling, fifo} {
		if s, err := boltkv.Open(path, boltkv.Options{}); err == nil {
			t.Errorf("%s: opened", path)
			_ = s.Close()
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("got files %v, want the two that were there", files)
	}
}

// A copy that is written while others write is one consistent moment: in each pair both halves are of the same step.
func TestHotCopyIsConsistent(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "store.db"), boltkv.Options{})
	left, right := kv.Key{Coll: things, ID: "left"}, kv.Key{Coll: things, ID: "right"}
	step := func(n int) {
		v := fmt.Append(nil, n)
		apply(t, s, kv.Tx{Puts: []kv.Put{{Key: left, Value: v}, {Key: right, Value: v}, {Key: kv.Key{Coll: things, ID: kv.NewTxID()}, Value: bytes.Repeat(v, 3000)}}, Events: [][]byte{v}})
	}
	step(0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
				step(n)
			}
		}
	})
	for n := range 10 {
		path := filepath.Join(dir, fmt.Sprintf("copy-%d.db", n))
		var b bytes.Buffer
		if written, err := s.WriteTo(&b); err != nil || written != int64(b.Len()) {
			t.Fatalf("WriteTo: got %d, %v", written, err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := boltkv.Check(path); err != nil {
			t.Error(err)
		}
		c := open(t, path, boltkv.Options{})
		l, r := read(t, c, left), read(t, c, right)
		tail, err := c.LogTail(t.Context(), "u")
		if err != nil || l.Version == 0 || l.Version != r.Version || tail == "" || !bytes.Equal(l.Value, r.Value) {
			t.Errorf("copy %d: got %q and %q with log up to %q, %v; want the same step", n, l.Value, r.Value, tail, err)
		}
		if c.ID() != s.ID() {
			t.Errorf("copy %d: got id %q, want %q", n, c.ID(), s.ID())
		}
		apply(t, c, kv.Tx{Puts: []kv.Put{{Key: left}}})
	}
	close(stop)
	wg.Wait()
	broken := errors.New("broken pipe")
	if _, err := s.WriteTo(writerFunc(func([]byte) (int, error) { return 0, broken })); err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("WriteTo a broken writer: got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Compact keeps every record, event and version and gives the space of what was deleted back.
func TestCompactKeepsAllAndShrinks(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "store.db"), filepath.Join(dir, "compact.db")
	s := open(t, src, boltkv.Options{})
	var deletes []kv.Key
	for range 40 {
		k := kv.Key{Coll: things, ID: kv.NewTxID()}
		apply(t, s, kv.Tx{Puts: []kv.Put{{Key: k, Value: make([]byte, kv.MaxValue)}}, Events: [][]byte{[]byte(k.ID)}})
		deletes = append(deletes, k)
	}
	last := apply(t, s, kv.Tx{Puts: []kv.Put{{Key: thing, Value: []byte("kept")}}, Deletes: deletes})
	id := s.ID()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := boltkv.Compact(src, dst); err != nil {
		t.Fatal(err)
	}
	before, err1 := os.Stat(src)
	after, err2 := os.Stat(dst)
	if err := errors.Join(err1, err2); err != nil || after.Size() > before.Size()/10 || after.Mode().Perm() != 0o600 {
		t.Errorf("got %d bytes of %d, mode %v, %v; want a tenth at most, 0600", after.Size(), before.Size(), after.Mode(), err)
	}
	if err := boltkv.Compact(src, dst); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Compact onto a file: got %v, want fs.ErrExist", err)
	}
	c := open(t, dst, boltkv.Options{Now: (&clock{}).now}) // a clock of year 1: versions come from the file
	if it := read(t, c, thing); it.Version != last.Version || string(it.Value) != "kept" || c.ID() != id {
		t.Errorf("got %+v of store %q, want version %d of store %q", it, c.ID(), last.Version, id)
	}
	if entries, err := c.ReadLog(t.Context(), "u", "", 100, 0); err != nil || len(entries) != 40 {
		t.Errorf("got %d events, %v; want 40", len(entries), err)
	}
	if next := apply(t, c, kv.Tx{Puts: []kv.Put{{Key: thing}}}); next.Version <= last.Version {
		t.Errorf("got version %d, want above %d", next.Version, last.Version)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("got files %v, want the two stores", files)
	}
}
