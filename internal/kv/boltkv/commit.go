package boltkv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// The bounds of one bbolt transaction: enough to share the syncs, small enough to keep memory and waiting short.
const (
	maxGroup      = 512
	maxGroupBytes = 8 << 20
	maxRemovals   = 1000 // expired records of a sweep, entries of a trim
	sweepEvery    = time.Second
)

// A job is one change that waits for the committer. run either writes all that it means to or returns an error of package kv
// having written nothing, so that the others of its group are not affected.
type job struct {
	run  func(*batch) error
	size int // bytes that it writes, roughly
	err  error
	done chan struct{}
}

// errNothingToWrite rolls a group back that only read.
var errNothingToWrite = errors.New("nothing to write")

// write hands run to the committer and returns when its outcome is known: it is not abandoned when ctx ends.
func (s *Store) write(ctx context.Context, size int, run func(*batch) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	j := &job{run: run, size: size, done: make(chan struct{})}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	s.queue = append(s.queue, j)
	s.mu.Unlock()
	s.signal()
	<-j.done
	return j.err
}

func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take removes the next group from the queue.
func (s *Store) take() (group []*job, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for n < len(s.queue) && n < maxGroup && (n == 0 || size+s.queue[n].size <= maxGroupBytes) {
		size += s.queue[n].size
		n++
	}
	group = s.queue[:n:n]
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil
	}
	return group, s.closed
}

// commitLoop is the committer: the only goroutine that writes to the file. It runs until the store is closed and the queue
// is empty. What comes in while a group is synced is the next group.
func (s *Store) commitLoop() {
	defer close(s.done)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		sweepDue := false
		select {
		case <-s.wake:
		case <-tick.C:
			sweepDue = true
		}
		for {
			group, closed := s.take()
			if len(group) == 0 && !sweepDue {
				if closed {
					return
				}
				break
			}
			more := false
			if sweepDue {
				group = append(group, &job{done: make(chan struct{}), run: func(b *batch) error {
					more = b.sweep()
					return nil
				}})
			}
			s.commit(group)
			sweepDue = more && s.writeErr.Load() == nil
		}
	}
}

// commit applies a group and tells everyone the outcome.
func (s *Store) commit(group []*job) {
	touched, err := s.commitGroup(group)
	if err != nil {
		s.writeErr.Store(&err)
	} else {
		s.writeErr.Store(nil)
		s.announce(touched)
	}
	for _, j := range group {
		if err != nil {
			j.err = err
		}
		if errors.Is(j.err, kv.ErrCorrupt) {
			s.badSums.Add(1)
		}
		close(j.done)
	}
	// Those who were just answered often write again: let them into the next group rather than the one after it.
	runtime.Gosched()
}

// commitGroup applies the jobs in one bbolt transaction and returns once it is on disk. An error means that none of them is
// known to be applied. touched are the units with new events.
func (s *Store) commitGroup(group []*job) (touched map[kv.Unit]bool, err error) {
	defer s.guard(debug.SetPanicOnFault(true), &err)
	if err := s.damage.Load(); err != nil {
		return nil, *err
	}
	if err := s.settle(); err != nil {
		return nil, unavailable(err)
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		b := newBatch(tx, s.now())
		for _, j := range group {
			j.err = j.run(b)
			if b.err != nil {
				return b.err
			}
		}
		if !b.dirty {
			return errNothingToWrite
		}
		touched = b.touched
		return b.records.SetSequence(b.last)
	})
	if err == nil || errors.Is(err, errNothingToWrite) {
		return touched, nil
	}
	s.unsettled = true
	return nil, s.engineError(err)
}

// settle brings the disk to what the system's cache holds after a commit that failed. When the sync of a meta page fails,
// readers see the new one while the disk may still hold the old one; a further commit would reuse pages that the old one needs,
// and a crash before its own meta page was synced would find neither whole. Both meta pages are therefore written again, as
// they are, and synced before anything else is. Data pages need no such care: no meta page points to them yet.
func (s *Store) settle() error {
	if !s.unsettled {
		return nil
	}
	metas := make([]byte, 2*s.page)
	if _, err := s.file.ReadAt(metas, 0); err != nil {
		return fmt.Errorf("read meta pages: %w", err)
	}
	if _, err := s.file.WriteAt(metas, 0); err != nil {
		return fmt.Errorf("write meta pages: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync meta pages: %w", err)
	}
	s.unsettled = false
	return nil
}

// A batch is the state of one group: its bbolt transaction and clock. Its first engine error sticks, and ends the group.
type batch struct {
	records, expiry, log *bbolt.Bucket

	now     time.Time
	nowMS   uint64
	last    uint64 // the highest version given
	dirty   bool
	touched map[kv.Unit]bool
	err     error
}

func newBatch(tx *bbolt.Tx, now time.Time) *batch {
	b := &batch{
		records: tx.Bucket(bucketRecords),
		expiry:  tx.Bucket(bucketExpiry),
		log:     tx.Bucket(bucketLog),
		now:     now,
		nowMS:   millis(now),
		touched: map[kv.Unit]bool{},
	}
	b.last = b.records.Sequence()
	return b
}

func millis(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) }

// next returns a version above all that the store ever gave, whatever the clock says.
func (b *batch) next() uint64 {
	b.last = max(b.last+1, uint64(max(b.now.UnixMicro(), 0)))
	return b.last
}

func (b *batch) put(bucket *bbolt.Bucket, key, value []byte) {
	b.dirty = true
	if err := bucket.Put(key, value); err != nil && b.err == nil {
		b.err = err
	}
}

func (b *batch) delete(bucket *bbolt.Bucket, key []byte) {
	b.dirty = true
	if err := bucket.Delete(key); err != nil && b.err == nil {
		b.err = err
	}
}

// sweep removes records that have expired, a bounded number of them, and reports whether there are more.
func (b *batch) sweep() (more bool) {
	var expired [][]byte
	c := b.expiry.Cursor()
	for k, _ := c.First(); len(k) > 8 && binary.BigEndian.Uint64(k) <= b.nowMS; k, _ = c.Next() {
		if len(expired) == maxRemovals {
			more = true
			break
		}
		expired = append(expired, append([]byte(nil), k...))
	}
	for _, k := range expired {
		key := k[8:]
		// What cannot be read is removed with the rest: its time has come whatever it was.
		if r, err := peekRecord(key, b.records.Get(key)); err != nil || r.expiry == binary.BigEndian.Uint64(k) {
			b.delete(b.records, key)
		}
		b.delete(b.expiry, k)
	}
	return more
}
