package web

import (
	"cmp"
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Limiter keeps one class of work within what the machine can do, so that more requests than that do not make all of them slow.
// So many are worked on at once; a bounded number wait; the others get errOverloaded, 503 with Retry-After.
//
// Those who wait are served in the order in which they came as long as all of them fit. Once one does not fit, more is coming than
// can be done, and the order turns round: the one who has waited longest is refused and the newest is served first, until nobody
// waits. So under lasting overload what is served has hardly waited, where first come first served would make everyone wait for
// the whole queue. A burst that fits, and callers who each wait for their answer before they ask again, are not refused at all.
//
// Classes do not touch each other: what must answer under any load has a Limiter of its own or none.
type Limiter struct {
	name     string
	capacity int
	depth    int
	maxWait  time.Duration

	mu           sync.Mutex
	free         int
	waiting      int
	first, last  *waiter // by arrival
	newestFirst  bool
	refusedTotal uint64
}

// A waiter is in the list until served or refused says why it left it.
type waiter struct {
	prev, next *waiter
	verdict    chan error // buffered: nil for a slot
}

// The default numbers, per processor (GOMAXPROCS).
//
// slotsPerProc: when the work only computes, n requests at once each take n/processors times as long as one alone; 4 keeps
// what is served below the bound of 5 times and leaves the rest for the waits in the kernel and for refusing others. When the
// work waits for storage, 4 at once keep a processor busy that computes for a quarter of the time, and give the storage
// engine's group commit something to group.
//
// waitersPerProc: a burst from 256 connections on two processors fits. It bounds memory too, at 64 KiB of body each.
//
// maxQueueWait: a caller who has waited so long is better served by the answer to try elsewhere. Only slow storage gets there:
// a full queue of token requests is worked off in some 15 ms.
const (
	slotsPerProc   = 4
	waitersPerProc = 128
	maxQueueWait   = 250 * time.Millisecond
)

// errOverloaded is answered 503 with Retry-After: 1.
var errOverloaded = iam.Refuse(iam.Unavailable, CodeOverloaded, "the server is at its capacity; try again later")

// NewLimiter makes a Limiter with the default numbers for this machine. The name is its label in metrics.
func NewLimiter(name string) *Limiter { return NewLimiterSized(name, 0, 0) }

// NewLimiterSized is NewLimiter with a number of requests that work at once and that wait; 0 is the default for this machine.
func NewLimiterSized(name string, capacity, depth int) *Limiter {
	procs := runtime.GOMAXPROCS(0)
	return NewLimiterOf(name, cmp.Or(capacity, slotsPerProc*procs), cmp.Or(depth, waitersPerProc*procs), maxQueueWait)
}

// NewLimiterOf makes a Limiter that lets capacity requests work and depth others wait, each for at most maxWait.
func NewLimiterOf(name string, capacity, depth int, maxWait time.Duration) *Limiter {
	return &Limiter{name: name, capacity: capacity, depth: depth, maxWait: maxWait, free: capacity}
}

// Acquire takes a slot, which the caller gives back with Release, or refuses with an iam.Error of kind Unavailable and code
// CodeOverloaded. It returns ctx's error when that ends first.
func (l *Limiter) Acquire(ctx context.Context) error {
	l.mu.Lock()
	if l.free > 0 { // then nobody waits
		l.free--
		l.mu.Unlock()
		return nil
	}
	if l.depth == 0 {
		l.refusedTotal++
		l.mu.Unlock()
		return errOverloaded
	}
	if l.waiting == l.depth {
		l.newestFirst = true
		oldest := l.first
		l.remove(oldest)
		l.refusedTotal++
		oldest.verdict <- errOverloaded
	}
	w := &waiter{verdict: make(chan error, 1)}
	l.push(w)
	l.mu.Unlock()

	timeout := time.NewTimer(l.maxWait)
	defer timeout.Stop()
	select {
	case err := <-w.verdict:
		return err
	case <-timeout.C:
		return l.leave(w, errOverloaded)
	case <-ctx.Done():
		return l.leave(w, ctx.Err())
	}
}

// leave gives up waiting for reason, unless the verdict came at the same moment: it stands.
func (l *Limiter) leave(w *waiter, reason error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case err := <-w.verdict:
		return err
	default:
	}
	l.remove(w)
	if reason == errOverloaded {
		l.refusedTotal++
	}
	return reason
}

// Release gives a slot back, to a waiter if there is one.
func (l *Limiter) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == 0 {
		l.free++
		return
	}
	next := l.first
	if l.newestFirst {
		next = l.last
	}
	l.remove(next)
	next.verdict <- nil
}

func (l *Limiter) push(w *waiter) {
	if w.prev = l.last; w.prev != nil {
		w.prev.next = w
	} else {
		l.first = w
	}
	l.last = w
	l.waiting++
}

func (l *Limiter) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	l.waiting--
	if l.waiting == 0 {
		l.newestFirst = false
	}
}

// A LimiterState is what a Limiter is doing.
type LimiterState struct {
	Working, Waiting int
	Refused          uint64 // since the start
}

// State returns what the Limiter is doing at this moment.
func (l *Limiter) State() LimiterState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LimiterState{Working: l.capacity - l.free, Waiting: l.waiting, Refused: l.refusedTotal}
}
