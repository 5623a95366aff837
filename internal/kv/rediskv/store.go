// Package rediskv is the storage engine on Redis 6.2 or newer, or Valkey: one server, a primary under Sentinel, or a cluster. It
// implements kv.Store, whose contract and suite (kvtest) say what holds; here is how. A unit is a hash tag, so that all of it is
// on one server. A commit is one Lua script (apply.lua), a read is one MGET, the log is a stream. The server's clock alone rules
// expiry and versions. layout.go shows every key.
//
// What an acknowledgement is worth: AckPrimary survives what the server's append-only file survives, and is lost with a primary
// that fails over before its replicas have it. AckSafe has reached ReplicasAck replicas as well; it is lost only when all of
// these are lost too, or were cut off from the sentinels. It is no consensus.
//
// The least rights that a server's ACL may give:
//
//	~gh1:* -@all +evalsha +eval +mget +get +getrange +set +setrange +del +zadd +zrem +zrange +zrangebyscore +xadd +xrange
//	+xrevrange +xread +xtrim +time +scan +info +hello +auth +client|setname +wait
//	with Cluster also +cluster|slots +cluster|info +asking; with Sentinel nothing more
//
// It imports kv and go-redis.
package rediskv

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A Store is a kv.Store on Redis.
type Store struct {
	cfg     Config
	client  redis.UniversalClient
	follow  redis.UniversalClient // for reads that wait, so that they take no connection from the others
	servers sync.Map              // *redis.Client to *server

	gatherings sync.Map // kv.Unit to *gathering

	mu     sync.RWMutex // held for reading by each write under way; for writing while closed is set
	closed atomic.Bool
	waits  sync.WaitGroup // reads that wait
}

var _ kv.Store = (*Store)(nil)

// Open connects to the servers of c and checks that they may be used; Health tells what is not as it should be. It fails with
// kv.ErrUnavailable when a server does not answer or must not be used, and kv.ErrCorrupt when the namespace is not ours.
func Open(ctx context.Context, c Config) (*Store, error) {
	cfg, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, client: cfg.client(poolSize, idleConns), follow: cfg.client(followers, 0)}
	if _, err := s.Health(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.claim(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close implements kv.Store. Reads that wait return at once.
func (s *Store) Close() error {
	s.mu.Lock()
	again := s.closed.Swap(true)
	s.mu.Unlock()
	if again {
		return nil
	}
	err := s.follow.Close()
	s.waits.Wait()
	return errors.Join(err, s.client.Close())
}
