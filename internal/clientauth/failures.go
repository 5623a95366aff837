package clientauth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Failures slows down a source that keeps presenting wrong credentials. It never touches a request that is right, so nobody
// can lock a client out by failing in its name; a source that is over the limit hears 429 instead of 401 and gets no slow hash
// computed.
type Failures struct {
	seed   maphash.Seed
	shards [16]failureShard
}

type failureShard struct {
	mu sync.Mutex
	// until is, for each source, the time at which its allowance is whole again (GCRA's theoretical arrival time).
	until map[string]time.Time
}

// A source may fail failureBurst times at once and then once per failureInterval.
const (
	failureBurst    = 60
	failureInterval = time.Second
	// maxSources bounds the memory of one shard. Past it, sources whose allowance is whole are forgotten.
	maxSources = 4096
)

var errSlowDown = iam.Refuse(iam.TooMany, "slow_down", "too many failed authentications from this address: wait a minute, then check the client's credentials").WithCause(web.Wait(time.Minute))

// NewFailures returns an empty count.
func NewFailures() *Failures {
	f := &Failures{seed: maphash.MakeSeed()}
	for i := range f.shards {
		f.shards[i].until = make(map[string]time.Time)
	}
	return f
}

// allow counts a failure and reports whether the source was still within its allowance.
func (f *Failures) allow(source string, now time.Time) bool {
	source = network(source)
	s := f.shard(source)
	s.mu.Lock()
	defer s.mu.Unlock()
	until := s.until[source]
	if until.Before(now) {
		until = now
	}
	until = until.Add(failureInterval)
	if until.After(now.Add(failureBurst * failureInterval)) {
		return false
	}
	if len(s.until) >= maxSources {
		s.forget(now)
	}
	s.until[source] = until
	return true
}

// exhausted reports whether the next failure of the source will be refused.
func (f *Failures) exhausted(source string, now time.Time) bool {
	source = network(source)
	s := f.shard(source)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until[source].After(now.Add((failureBurst - 1) * failureInterval))
}

func (f *Failures) shard(source string) *failureShard {
	return &f.shards[maphash.String(f.seed, source)%uint64(len(f.shards))]
}

// forget drops the sources that have nothing to be remembered for, or all when an attack comes from more than fit.
func (s *failureShard) forget(now time.Time) {
	for k, until := range s.until {
		if until.Before(now) {
			delete(s.until, k)
		}
	}
	if len(s.until) >= maxSources {
		clear(s.until)
	}
}

// network returns what one subscriber is taken to own, however it is written: an IPv4 address, a /64 of IPv6.
func network(source string) string {
	addr, err := netip.ParseAddr(source)
	if err != nil {
		return source
	}
	return web.NetworkOf(addr)
}
