package rediskv

import (
	"errors"
	"sync/atomic"
	"time"
)

const (
	breakAfter = 3
	breakFor   = 250 * time.Millisecond
)

// errOpen is the answer while a breaker is open.
var errOpen = errors.New("the server did not answer the last calls")

// A breaker spares callers the wait for a server that is gone or hangs. After breakAfter calls in a row without any answer it
// refuses for breakFor, then lets one call through to try, and so on until one is answered. Each server of a cluster has its
// own, since the slots of the others go on.
type breaker struct {
	epoch    time.Time
	failures atomic.Int32
	until    atomic.Int64 // since epoch; 0 while closed
}

func newBreaker() *breaker { return &breaker{epoch: time.Now()} }

// closed reports whether the server is not known to be silent.
func (b *breaker) closed() bool { return b.until.Load() == 0 }

func (b *breaker) allow() bool {
	until := b.until.Load()
	if until == 0 {
		return true
	}
	now := int64(time.Since(b.epoch))
	// The swap lets one caller through in each period.
	return now >= until && b.until.CompareAndSwap(until, now+int64(breakFor))
}

func (b *breaker) answered() {
	if b.failures.Load() != 0 { // the common case writes to no shared memory
		b.failures.Store(0)
		b.until.Store(0)
	}
}

func (b *breaker) failed() {
	if b.failures.Add(1) >= breakAfter {
		b.until.Store(int64(time.Since(b.epoch) + breakFor))
	}
}
