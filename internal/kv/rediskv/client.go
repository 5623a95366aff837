package rediskv

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

const (
	minIOTimeout = 700 * time.Millisecond // of one write or one read
	ioMargin     = 200 * time.Millisecond // by which it exceeds the wait for replicas
	dialTimeout  = 500 * time.Millisecond
	poolTimeout  = 500 * time.Millisecond

	// Connections for each server: for single commands, for pipelines (of which safeWrites may wait for replicas, so that a
	// replica that hangs leaves the others free), and for readers that wait in a log. All but idleConns are made when needed.
	poolSize, idleConns = 32, 4
	pipelines           = 32
	safeWrites          = 24
	followers           = 128
)

func (c Config) ioTimeout() time.Duration { return max(minIOTimeout, c.AckTimeout+ioMargin) }

// callTimeout is how long an exchange may take with its one retry and all redirections.
func (c Config) callTimeout() time.Duration { return 2*c.ioTimeout() + 100*time.Millisecond }

// client opens a client of all the servers. That it sends a command again after a broken connection is safe because of Tx.ID.
func (c Config) client(size, idle int) redis.UniversalClient {
	io := c.ioTimeout()
	silent := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch c.Mode {
	case Cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: c.Addrs, Username: c.Username, Password: string(c.Password), TLSConfig: c.TLS, ClientName: clientName,
			DialTimeout: dialTimeout, DialerRetries: 1, ReadTimeout: io, WriteTimeout: io, ContextTimeoutEnabled: true,
			PoolSize: size, MinIdleConns: idle, PipelinePoolSize: pipelines, PoolTimeout: poolTimeout, Protocol: 3,
			// Not the node's client but the cluster's tries again, on the node that then has the slot.
			MaxRetries: -1, MaxRedirects: maxRedirects, MaxRetryBackoff: maxBackoff, ClusterStateReloadInterval: 10 * time.Second,
			DisableRoutingPolicies: true, DisableIdentity: true, MaintNotificationsConfig: silent,
		})
	case Sentinel:
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: c.MasterName, SentinelAddrs: c.Addrs,
			SentinelUsername: c.SentinelUsername, SentinelPassword: string(c.SentinelPassword),
			Username: c.Username, Password: string(c.Password), TLSConfig: c.TLS, ClientName: clientName,
			DialTimeout: dialTimeout, DialerRetries: 1, ReadTimeout: io, WriteTimeout: io, ContextTimeoutEnabled: true,
			PoolSize: size, MinIdleConns: idle, PipelinePoolSize: pipelines, PoolTimeout: poolTimeout, Protocol: 3,
			MaxRetries: 1, DisableIdentity: true,
		})
	default:
		return redis.NewClient(&redis.Options{
			Addr: c.Addrs[0], Username: c.Username, Password: string(c.Password), TLSConfig: c.TLS, ClientName: clientName,
			DialTimeout: dialTimeout, DialerRetries: 1, ReadTimeout: io, WriteTimeout: io, ContextTimeoutEnabled: true,
			PoolSize: size, MinIdleConns: idle, PipelinePoolSize: pipelines, PoolTimeout: poolTimeout, Protocol: 3,
			MaxRetries: 1, DisableIdentity: true, MaintNotificationsConfig: silent,
		})
	}
}

const (
	clientName   = "gatehouse" // as CLIENT LIST shows it
	maxRedirects = 8
	minBackoff   = 8 * time.Millisecond
	maxBackoff   = 64 * time.Millisecond
)

// A server is one that holds records: the only one, the primary of the moment, or a master of the cluster.
type server struct {
	*redis.Client
	breaker *breaker
	safe    chan struct{} // holds a token for each write that waits for replicas
}

// server returns the one that has a unit.
func (s *Store) server(ctx context.Context, u kv.Unit) (*server, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.known(s.client.(*redis.Client)), nil
	}
	node, err := cluster.MasterForKey(ctx, s.logKey(u))
	if err != nil {
		return nil, err
	}
	return s.known(node), nil
}

func (s *Store) known(c *redis.Client) *server {
	if v, ok := s.servers.Load(c); ok {
		return v.(*server)
	}
	v, _ := s.servers.LoadOrStore(c, &server{Client: c, breaker: newBreaker(), safe: make(chan struct{}, safeWrites)})
	return v.(*server)
}

// all returns every server that holds records; it asks a cluster which these are.
func (s *Store) all(ctx context.Context) ([]*server, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return []*server{s.known(s.client.(*redis.Client))}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.callTimeout())
	defer cancel()
	var mu sync.Mutex
	var list []*server
	err := cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, s.known(node))
		return nil
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("the cluster has no master")
	}
	return list, err
}

// ready returns an error when a call shall do nothing.
func (s *Store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return errClosed
	}
	return fault(ctx, ctx.Err())
}

// call makes one exchange about a unit: within the time of a call, unless the breaker of the unit's server is open, and with
// every error of the engine turned into one of kv's.
func (s *Store) call(ctx context.Context, u kv.Unit, exchange func(context.Context, *server) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, s.cfg.callTimeout())
	defer cancel()
	srv, err := s.server(bounded, u)
	if err != nil {
		return fault(ctx, err)
	}
	if !srv.breaker.allow() {
		return fault(ctx, errOpen)
	}
	err = exchange(bounded, srv)
	switch {
	case isAnswer(err):
		srv.breaker.answered()
	case ctx.Err() == nil: // the caller's impatience says nothing about the server
		srv.breaker.failed()
	}
	return fault(ctx, err)
}
