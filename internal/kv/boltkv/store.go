// Package boltkv is the embedded engine of package kv: one bbolt file, one process, every acknowledged write synced to disk.
//
// Reads are bbolt read transactions. Writes of all goroutines meet in one committer that applies as many as are waiting in one
// bbolt transaction: two syncs serve the whole group. A damaged or foreign file is refused by name, never replaced, and a page
// fault or panic below us is an ErrCorrupt, not the end of the process.
//
// It imports kv and bbolt; what the records mean is none of its business.
package boltkv

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// Options are what Open may be told. The zero value is good.
type Options struct {
	Now func() time.Time // nil: time.Now
}

// A Store is an open file. It implements kv.Store.
type Store struct {
	path   string
	id     string
	db     *bbolt.DB
	file   *os.File // the one that db has open and locked
	page   int      // bytes
	now    func() time.Time
	opened []string // warnings that Open had

	mu      sync.Mutex
	queue   []*job
	closed  bool
	wake    chan struct{} // capacity 1: there is something in queue, or closed is set
	closing chan struct{} // closed when Close begins
	done    chan struct{} // closed when the committer has returned

	unsettled bool // only the committer's: see settle

	watchMu sync.Mutex
	watched map[kv.Unit]chan struct{} // closed at the unit's next event

	damage   atomic.Pointer[error] // the first damage to the file's structure; ends all use
	writeErr atomic.Pointer[error] // why the last group was not committed; nil after one that was
	badSums  atomic.Int64          // records and events read whose checksum was wrong
}

var _ kv.Store = (*Store)(nil)

// Open opens the store at path and creates it, 0600 in a folder of 0700, when there is no such file. What is there already is
// never replaced: an empty, damaged or foreign file is kv.ErrCorrupt, a store that another process holds kv.ErrUnavailable,
// and a format from a later release an error of its own; each is one line with the file and the remedy.
func Open(path string, o Options) (*Store, error) {
	if err := createIfAbsent(path); err != nil {
		return nil, err
	}
	f, err := openFile(path, false, verifyLimit)
	if err != nil {
		return nil, err
	}
	if f.meta.end*uint64(f.meta.pageSize) <= verifyLimit {
		if err := f.verifyContent(); err != nil {
			return nil, closeAfter(f, err)
		}
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	s := &Store{
		path:    path,
		id:      f.header.ID,
		db:      f.db,
		file:    f.file,
		page:    f.meta.pageSize,
		now:     now,
		opened:  f.warnings(),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		watched: make(map[kv.Unit]chan struct{}),
	}
	go s.commitLoop()
	return s, nil
}

// ID is the random name that the store was given when it was created; copies of it keep the name.
func (s *Store) ID() string { return s.id }

// Close commits the writes that wait, waits for reads and copies under way and releases the file.
func (s *Store) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		<-s.done
		return nil
	}
	close(s.closing)
	s.signal()
	<-s.done
	if s.damage.Load() != nil {
		// bbolt's locks may have been held where it panicked: release the file itself and leave the mapping to the end of the process.
		release(s.file)
		return nil
	}
	if err := s.db.Close(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Health warns of what an operator should see to. It answers with an error when the file is damaged.
func (s *Store) Health(ctx context.Context) (kv.Health, error) {
	if err := s.ready(ctx); err != nil {
		return kv.Health{}, err
	}
	h := kv.Health{Engine: engine(), Warnings: append([]string(nil), s.opened...)}
	if err := s.writeErr.Load(); err != nil {
		h.Warnings = append(h.Warnings, fmt.Sprintf("The last write to %s was refused (%v): free space on its disk or repair it; writing resumes by itself.", s.path, *err))
	}
	if n := s.badSums.Load(); n > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("%d reads of %s met a wrong checksum: run 'gatehouse store check' and restore the last good backup.", n, s.path))
	}
	h.Warnings = append(h.Warnings, diskWarnings(s.path)...)
	return h, nil
}

// engine names bbolt and the version that was linked; bbolt's own constant is behind its releases.
func engine() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "go.etcd.io/bbolt" {
				return "bbolt " + strings.TrimPrefix(dep.Version, "v")
			}
		}
	}
	return "bbolt"
}

// WriteTo writes a consistent copy of the store, as of now, that Open accepts. Reads and writes go on meanwhile; the file may
// grow by what is written in that time.
func (s *Store) WriteTo(w io.Writer) (int64, error) {
	tx, err := s.begin()
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	n, err := tx.WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("copy store %s: %w", s.path, err)
	}
	return n, nil
}

// ready returns why a call cannot begin.
func (s *Store) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	return s.usable()
}

func (s *Store) usable() error {
	if err := s.damage.Load(); err != nil {
		return *err
	}
	select {
	case <-s.closing:
		return errClosed
	default:
		return nil
	}
}
