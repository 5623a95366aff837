package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A Store reads and changes Gatehouse's records. New makes one; Run must run for the cache to answer.
type Store struct {
	kv            kv.Store
	now           func() time.Time
	lease, budget time.Duration
	log           *slog.Logger

	cache *cache
	// asOf is when the directory's log was last known to be read to its end. The cache may answer for a lease from then, unless a
	// revocation has come since: what that one takes away must not be given again from records older than it.
	asOf    atomic.Pointer[time.Time]
	barrier atomic.Pointer[time.Time]
	rev     atomic.Uint64
	marks   *marks

	ours atomic.Pointer[string] // the id of the installation that this store must be of
	lost atomic.Bool            // it no longer is

	mu       sync.Mutex
	watchers map[*kv.Coll][]func()
}

// Options are what New needs besides the engine.
type Options struct {
	// Lease is how long the cache may answer after the directory's log was last read. 0 turns the cache off.
	Lease time.Duration
	// Budget bounds one change or one read of the store, retries included.
	Budget time.Duration
	// CacheEntries bounds the cache; an entry takes about 1 KiB and exists only for what was used.
	CacheEntries int
	Now          func() time.Time
	Log          *slog.Logger
}

// New returns a Store over an engine.
func New(engine kv.Store, o Options) *Store {
	return &Store{
		kv: engine, now: o.Now, lease: o.Lease, budget: o.Budget, log: o.Log,
		cache:    newCache(o.CacheEntries),
		marks:    newMarks(),
		watchers: make(map[*kv.Coll][]func()),
	}
}

// Health asks the engine how it is.
func (s *Store) Health(ctx context.Context) (kv.Health, error) {
	h, err := s.kv.Health(ctx)
	return h, unavailable(err)
}

// contactLost is how long after the last read of a log this replica counts as cut off, whatever the lease.
const contactLost = 5 * time.Second

// Current reports whether this replica follows both logs: what readiness means for the store.
func (s *Store) Current() bool {
	limit := max(s.lease, contactLost)
	return within(s.asOf.Load(), s.now(), limit) && within(s.marks.asOf.Load(), s.now(), limit) && !s.lost.Load()
}

// within reports whether now is less than limit after then, by the monotonic clock and by the wall clock: neither a step back of
// the one nor a sleep of the machine, which the other does not count, makes something old look new.
func within(then *time.Time, now time.Time, limit time.Duration) bool {
	return then != nil && now.Sub(*then) < limit && now.Round(0).Sub(then.Round(0)) < limit
}

// Bind says which installation the store holds. From now on a store that was emptied or replaced under this replica, by a restart
// without persistence or a failover to an empty server, answers as unavailable: nobody is told that a client or a revocation does
// not exist because everything is gone.
func (s *Store) Bind(installation string) { s.ours.Store(&installation) }

var errLost = iam.Errorf(iam.Unavailable, "the store was emptied or replaced: restore it")

// ourself checks that the store still is the one that Bind named.
func (s *Store) ourself(ctx context.Context) error {
	id := s.ours.Load()
	if id == nil {
		return nil
	}
	i, err := s.Installation(ctx)
	if err != nil {
		return err
	}
	if s.lost.Store(i == nil || i.ID != *id); s.lost.Load() {
		return errLost
	}
	return nil
}

// Revision is the time, in microseconds since 1970, of the newest change to the directory that this replica has seen. It only grows.
func (s *Store) Revision() kv.Version { return kv.Version(s.rev.Load()) }

func (s *Store) sawRevision(v kv.Version) {
	for {
		old := s.rev.Load()
		if uint64(v) <= old || s.rev.CompareAndSwap(old, uint64(v)) {
			return
		}
	}
}

// cacheFresh reports whether the cache may answer.
func (s *Store) cacheFresh() bool {
	return !s.held() && within(s.asOf.Load(), s.now(), s.lease)
}

// held reports whether the directory's log has to be read before the cache may answer again.
func (s *Store) held() bool {
	barrier, asOf := s.barrier.Load(), s.asOf.Load()
	return barrier != nil && (asOf == nil || asOf.Before(*barrier))
}

// hold keeps the cache from answering until the directory's log has been read anew: a revocation has arrived, and the change that
// called for it lies in that log.
func (s *Store) hold() {
	now := s.now()
	s.barrier.Store(&now)
}

// A change is an entry of the directory's log: which records a transaction wrote.
type change struct {
	Keys []string   `json:"k"` // "collection id"
	Rev  kv.Version `json:"t"`
}

// Run follows the logs of the directory and of the revocations until ctx ends. It first brings this replica up to date and then
// calls ready once.
func (s *Store) Run(ctx context.Context, ready func()) {
	var synced sync.WaitGroup
	synced.Add(2)
	go func() {
		synced.Wait()
		if ctx.Err() == nil {
			ready()
		}
	}()
	var running sync.WaitGroup
	running.Go(func() { s.follow(ctx, directoryUnit(), directoryFollower{s}, synced.Done) })
	running.Go(func() { s.follow(ctx, revocationUnit, revocationFollower{s}, synced.Done) })
	running.Wait()
}

// A follower keeps something in memory true to a unit's log.
type follower interface {
	// reload reads everything; the log is then followed from a position before it.
	reload(ctx context.Context) error
	// apply takes one entry.
	apply(data []byte) error
	// current says that everything written before asOf has been applied.
	current(ctx context.Context, asOf time.Time) error
	// wait is how long one read of the log may wait for news.
	wait() time.Duration
}

func (s *Store) follow(ctx context.Context, u kv.Unit, f follower, synced func()) {
	const retryMin, retryMax = 20 * time.Millisecond, 250 * time.Millisecond
	var once sync.Once
	defer once.Do(synced)
	loaded, current, failing, cursor, pause := false, false, false, kv.Cursor(""), retryMin
	step := func() error {
		if !loaded {
			tail, err := s.kv.LogTail(ctx, u)
			if err != nil {
				return err
			}
			if err := f.reload(ctx); err != nil {
				return err
			}
			cursor, loaded, current = tail, true, false
		}
		wait := f.wait()
		if !current {
			wait = 0 // whoever starts, or comes back, wants to answer now
		}
		asOf := s.now()
		entries, err := s.kv.ReadLog(ctx, u, cursor, kv.MaxLogPage, wait)
		if errors.Is(err, kv.ErrGap) {
			loaded = false
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := f.apply(e.Data); err != nil {
				return fmt.Errorf("log entry %q: %w", e.Cursor, err)
			}
			cursor = e.Cursor
		}
		if current = len(entries) < kv.MaxLogPage; !current {
			return nil
		}
		if err := f.current(ctx, asOf); err != nil {
			return err
		}
		once.Do(synced)
		return nil
	}
	for ctx.Err() == nil {
		err := step()
		if err == nil {
			if failing {
				s.log.InfoContext(ctx, "following the log again", "unit", string(u))
			}
			failing, pause = false, retryMin
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if !failing {
			s.log.WarnContext(ctx, "cannot follow the log", "unit", string(u), "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		failing, current, pause = true, false, min(2*pause, retryMax)
	}
}

type directoryFollower struct{ *Store }

func (f directoryFollower) reload(ctx context.Context) error {
	if err := f.ourself(ctx); err != nil {
		return err
	}
	f.cache.clear()
	f.sawRevision(kv.Version(f.now().UnixMicro()))
	f.notifyAll()
	return nil
}

func (f directoryFollower) apply(data []byte) error {
	var c change
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("%w: %w", kv.ErrCorrupt, err)
	}
	f.changed(c.Keys)
	f.sawRevision(c.Rev)
	return nil
}

func (f directoryFollower) current(_ context.Context, asOf time.Time) error {
	f.asOf.Store(&asOf)
	return nil
}

// wait leaves room in the lease for a slow answer, and is no wait at all while the cache is held.
func (f directoryFollower) wait() time.Duration {
	if f.held() {
		return 0
	}
	return min(max(f.lease/4, 100*time.Millisecond), time.Second)
}

// changed forgets the records named "collection id" and tells the watchers of their collections.
func (s *Store) changed(names []string) {
	told := make(map[*kv.Coll]bool, 1)
	for _, name := range names {
		coll, id, _ := strings.Cut(name, " ")
		c := collectionNamed[coll]
		if c == nil {
			continue // written by a newer version; nothing of it is cached here
		}
		s.cache.invalidate(kv.Key{Coll: c, ID: id})
		told[c] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range told {
		for _, fn := range s.watchers[c] {
			fn()
		}
	}
}

func (s *Store) notifyAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fns := range s.watchers {
		for _, fn := range fns {
			fn()
		}
	}
}

// WatchKeys calls fn, which must not block, after every change of the signing keys by any replica.
func (s *Store) WatchKeys(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[signingKeys.Coll] = append(s.watchers[signingKeys.Coll], fn)
}

// cached reads a record through the cache; nil, nil when it is absent. The record is shared: nobody may change it.
func cached[T any](ctx context.Context, s *Store, c collection[T], id string) (*T, error) {
	e, err := cachedEntry(ctx, s, c, id)
	if err != nil {
		return nil, err
	}
	v, _ := e.value.(*T)
	return v, nil
}

// noEntry is that of an id that no record can have: absent, not a fault of the caller.
var noEntry = &entry{}

// cachedEntry is cached with the version of the record, 0 when it is absent.
func cachedEntry[T any](ctx context.Context, s *Store, c collection[T], id string) (*entry, error) {
	k := c.key(id)
	if !kv.ValidID(id) {
		return noEntry, nil
	}
	fresh := s.cacheFresh()
	if fresh {
		if e := s.cache.get(k); e != nil {
			return e, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	ticket := s.cache.ticket(k)
	items, err := s.kv.Get(ctx, directoryUnit(), k)
	if err != nil {
		return nil, unavailable(err)
	}
	if s.lost.Load() {
		return nil, errLost
	}
	e := &entry{version: items[0].Version}
	if e.version != 0 {
		v, err := c.decode(id, items[0].Value)
		if err != nil {
			return nil, err
		}
		e.value = v
		s.sawRevision(e.version)
	}
	if fresh {
		s.cache.put(k, e, ticket)
	}
	return e, nil
}

// unavailable turns an engine's failure into what the rest of Gatehouse acts on.
func unavailable(err error) error {
	if errors.Is(err, kv.ErrUnavailable) || errors.Is(err, kv.ErrUnconfirmed) || errors.Is(err, context.DeadlineExceeded) {
		return iam.Errorf(iam.Unavailable, "the store does not answer; try again").WithCause(err)
	}
	return err
}
