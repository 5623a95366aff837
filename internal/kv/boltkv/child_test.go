package boltkv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
)

// roles are what the test binary does instead of testing when a test starts it again as a process of its own.
var roles = map[string]func(path string) error{
	"write": writeUntilKilled,
	"hold":  holdUntilClosed,
	"fill":  fillTheDisk,
}

const roleEnv = "BOLTKV_TEST_ROLE"

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleEnv)]; ok {
		if err := role(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child returns the command that plays a role on the store at path.
func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, path)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// startChild starts cmd and returns the lines that it prints; at the end of the test it is dead.
func startChild(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return bufio.NewScanner(out)
}

// holdUntilClosed has the store open until its standard input ends.
func holdUntilClosed(path string) error {
	s, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return s.Close()
}

var chain = &kv.Coll{Name: "chain", Indexed: true}

// writeUntilKilled has 16 writers who each append to a chain of their own: step n writes two records and an event at once, and
// is printed when it is acknowledged.
func writeUntilKilled(path string) error {
	s, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	errs := make(chan error)
	for w := range 16 {
		go func() {
			run := kv.NewTxID()
			for n := 0; ; n++ {
				id := fmt.Sprintf("%s-%d-%d", run, w, n)
				tx := kv.Tx{
					ID: kv.NewTxID(),
					Puts: []kv.Put{
						{Key: kv.Key{Coll: chain, ID: id + "-a"}, Value: []byte(id)},
						{Key: kv.Key{Coll: chain, ID: id + "-b"}, Value: []byte(id)},
					},
					Events: [][]byte{[]byte(id)},
				}
				if _, err := s.Apply(context.Background(), "chains", tx); err != nil {
					errs <- err
					return
				}
				fmt.Println(id)
			}
		}()
	}
	return <-errs
}

// A diskFull is a run of fillTheDisk: the file-size limit of the process stands for the end of the disk.
type diskFull struct {
	s     *boltkv.Store
	value []byte
	acked []kv.Key
}

// fillTheDisk lets writes fail in two ways and checks that reads go on, that nothing acknowledged is lost and that the same
// transaction succeeds once there is space again, without a restart.
func fillTheDisk(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		return err
	}
	d := &diskFull{s: s, value: make([]byte, 64<<10)}
	for range 20 {
		if _, err := d.write(kv.NewTxID()); err != nil {
			return err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := d.full("the file cannot grow", uint64(info.Size())); err != nil {
		return err
	}
	// The file's size is there already, but its pages cannot be written: a hole without a block behind it.
	if err := d.full("pages cannot be written", 32<<10); err != nil {
		return err
	}
	return s.Close()
}

func (d *diskFull) write(txID string) (kv.Key, error) {
	k := kv.Key{Coll: chain, ID: fmt.Sprintf("%06d", len(d.acked))}
	_, err := d.s.Apply(context.Background(), "full", kv.Tx{
		ID:     txID,
		Checks: []kv.Check{{Key: k}},
		Puts:   []kv.Put{{Key: k, Value: d.value}},
		Events: [][]byte{[]byte(k.ID)},
	})
	if err == nil {
		d.acked = append(d.acked, k)
	}
	return k, err
}

func (d *diskFull) full(name string, limit uint64) error {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: was.Max}); err != nil {
		return err
	}
	refused := ""
	for range 1000 {
		txID := kv.NewTxID()
		if _, err := d.write(txID); err != nil {
			if !errors.Is(err, kv.ErrUnavailable) || !errors.Is(err, syscall.EFBIG) && limit == 32<<10 {
				return fmt.Errorf("%s: got %w, want ErrUnavailable and its cause", name, err)
			}
			refused = txID
			break
		}
	}
	if refused == "" {
		return fmt.Errorf("%s: no write was refused", name)
	}
	// It stays refused, at once and for many at a time; reads do not notice.
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			_, err := d.s.Apply(context.Background(), "full", kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{{Key: kv.Key{Coll: chain, ID: fmt.Sprint("other-", i)}, Value: make([]byte, 200<<10)}}})
			if !errors.Is(err, kv.ErrUnavailable) {
				errs[i] = fmt.Errorf("%s: got %w, want ErrUnavailable", name, err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(append(errs, d.readAll(name))...); err != nil {
		return err
	}
	h, err := d.s.Health(context.Background())
	if err != nil || len(h.Warnings) == 0 {
		return fmt.Errorf("%s: Health: got %v, %v; want a warning", name, h, err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	if _, err := d.write(refused); err != nil {
		return fmt.Errorf("%s: retry with space: %w", name, err)
	}
	if h, err = d.s.Health(context.Background()); err != nil || len(h.Warnings) != 0 {
		return fmt.Errorf("%s: Health with space again: got %v, %v; want no warning", name, h, err)
	}
	return d.readAll(name)
}

// readAll checks that what was acknowledged, and nothing else, is there.
func (d *diskFull) readAll(name string) error {
	items, err := d.s.Get(context.Background(), "full", d.acked...)
	if err != nil {
		return fmt.Errorf("%s: read: %w", name, err)
	}
	for _, it := range items {
		if len(it.Value) != len(d.value) {
			return fmt.Errorf("%s: %s is lost", name, it.ID)
		}
	}
	page, err := d.s.List(context.Background(), "full", chain, kv.ListOptions{Limit: kv.MaxPage, KeysOnly: true})
	if err != nil || len(page.Items) != len(d.acked) {
		return fmt.Errorf("%s: got %d records, %v; want %d", name, len(page.Items), err, len(d.acked))
	}
	entries, err := d.s.ReadLog(context.Background(), "full", "", kv.MaxPage, 0)
	if err != nil || len(entries) != len(d.acked) {
		return fmt.Errorf("%s: got %d events, %v; want %d", name, len(entries), err, len(d.acked))
	}
	return nil
}
