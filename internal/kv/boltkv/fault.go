package boltkv

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

var errClosed = fmt.Errorf("%w: the store is closed", kv.ErrUnavailable)

func unavailable(cause error) error { return fmt.Errorf("%w: %w", kv.ErrUnavailable, cause) }

func corrupt(path string, what any) error {
	reason := strings.TrimPrefix(fmt.Sprint(what), kv.ErrCorrupt.Error()+": ")
	return fmt.Errorf("%w: %s: %s: stop the server, keep the file for analysis and restore the last good backup", kv.ErrCorrupt, path, reason)
}

// catch is deferred, with debug.SetPanicOnFault(true) as its first argument, around everything that reads the mapped file:
// bbolt trusts its pages, so damage shows as a panic or as a memory fault. It turns both into kv.ErrCorrupt and restores the
// setting, which is the goroutine's own.
func catch(onFault bool, path string, err *error) {
	debug.SetPanicOnFault(onFault)
	if r := recover(); r != nil {
		*err = corrupt(path, r)
	}
}

// guard is catch for an open store. After a panic nothing is known about bbolt's locks and lists, so the store refuses
// everything from then on: no answer is built on a file that is known to be damaged.
func (s *Store) guard(onFault bool, err *error) {
	debug.SetPanicOnFault(onFault)
	if r := recover(); r != nil {
		*err = corrupt(s.path, r)
		s.damage.CompareAndSwap(nil, err)
	}
}

// begin starts a read transaction for a caller that reads no page through it outside of a guard.
func (s *Store) begin() (tx *bbolt.Tx, err error) {
	defer s.guard(debug.SetPanicOnFault(true), &err)
	if err := s.usable(); err != nil {
		return nil, err
	}
	tx, err = s.db.Begin(false)
	return tx, s.engineError(err)
}

// view runs fn in a read transaction. fn returns only errors of package kv.
func (s *Store) view(fn func(*bbolt.Tx) error) (err error) {
	defer s.guard(debug.SetPanicOnFault(true), &err)
	if err := s.usable(); err != nil {
		return err
	}
	err = s.engineError(s.db.View(fn))
	if errors.Is(err, kv.ErrCorrupt) {
		s.badSums.Add(1)
	}
	return err
}

// engineError maps an error that may be bbolt's or the system's own.
func (s *Store) engineError(err error) error {
	switch {
	case err == nil, errors.Is(err, kv.ErrCorrupt), errors.Is(err, kv.ErrGap), errors.Is(err, kv.ErrUnavailable):
		return err
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return errClosed
	default:
		return unavailable(err)
	}
}
