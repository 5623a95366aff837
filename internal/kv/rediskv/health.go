package rediskv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// Health implements kv.Store. All that it knows comes from INFO, since CONFIG is often forbidden on managed services.
func (s *Store) Health(ctx context.Context) (kv.Health, error) {
	if err := s.ready(ctx); err != nil {
		return kv.Health{}, err
	}
	servers, err := s.all(ctx)
	if err != nil {
		return kv.Health{}, fault(ctx, err)
	}
	var h kv.Health
	for _, srv := range servers {
		in, err := s.info(ctx, srv)
		if err != nil {
			return kv.Health{}, fault(ctx, fmt.Errorf("%s: %w", s.name(srv), err))
		}
		srv.breaker.answered() // whoever hears that the server is well will send it work at once
		if reason := s.refusal(in); reason != "" {
			return kv.Health{}, fmt.Errorf("%w: %s %s", kv.ErrUnavailable, s.name(srv), reason)
		}
		for _, warning := range s.warnings(in) {
			h.Warnings = append(h.Warnings, s.name(srv)+" "+warning)
		}
		product, version := in.product()
		h.Engine = fmt.Sprintf("%s %s %s", product, version, s.cfg.Mode)
	}
	return h, nil
}

// name is what an operator calls a server.
func (s *Store) name(srv *server) string {
	if s.cfg.Mode == Sentinel {
		return "redis primary " + s.cfg.MasterName
	}
	return "redis at " + srv.Options().Addr
}

// An info is what INFO says, field by field.
type info map[string]string

func (s *Store) info(ctx context.Context, srv *server) (info, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.callTimeout())
	defer cancel()
	text, err := srv.Info(ctx).Result()
	if err != nil {
		return nil, err
	}
	in := info{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			in[name] = value
		}
	}
	if s.cfg.Mode == Cluster {
		if text, err = srv.ClusterInfo(ctx).Result(); err != nil {
			return nil, err
		}
		if strings.Contains(text, "cluster_state:fail") {
			in["cluster_state"] = "fail"
		}
	}
	return in, nil
}

// product returns "redis" or "valkey" and its version. Valkey also tells which version of Redis it is compatible with.
func (in info) product() (name, version string) {
	if in["server_name"] == "valkey" {
		return "valkey", in["valkey_version"]
	}
	return "redis", in["redis_version"]
}

// mode is "standalone", "sentinel" or "cluster" as the server sees itself, "" when it does not say.
func (in info) mode() string {
	if mode := in["server_mode"]; mode != "" {
		return mode
	}
	return in["redis_mode"]
}

// old reports whether the server is older than Redis 6.2, which brought what is used here: PXAT, ZRANGE BYLEX, XTRIM MINID.
func (in info) old() bool {
	majorText, rest, _ := strings.Cut(in["redis_version"], ".")
	minorText, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(majorText)
	minor, _ := strconv.Atoi(minorText)
	return err == nil && (major < 6 || major == 6 && minor < 2)
}

// refusal says why the server must not be used, "" when it may.
func (s *Store) refusal(in info) string {
	policy := in["maxmemory_policy"]
	switch {
	case in.mode() == "sentinel":
		return "is a sentinel: write redis+sentinel://"
	case in.mode() == "cluster" && s.cfg.Mode != Cluster:
		return "is a node of a cluster: write redis+cluster://"
	case in.old():
		return "has version " + in["redis_version"] + ", at least 6.2 is needed"
	case policy != "" && policy != "noeviction" && !s.cfg.AllowEviction:
		return "evicts records when its memory is full (maxmemory-policy " + policy + "), and revocations and clients with them: set maxmemory-policy noeviction"
	case in["loading"] == "1":
		return "is still loading its data"
	case in["role"] == "slave":
		return "is a replica and takes no writes: name the primary"
	case in["cluster_state"] == "fail":
		return "says that the cluster is down"
	case in["aof_last_write_status"] == "err":
		return "could not write its append-only file: see to its disk"
	case in["rdb_last_bgsave_status"] == "err":
		return "could not write its last snapshot: see to its disk and memory"
	}
	return ""
}

// warnings says what is at risk and what to change.
func (s *Store) warnings(in info) (list []string) {
	if policy := in["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		list = append(list, "may evict records when its memory is full, by your override: set maxmemory-policy noeviction")
	}
	if in["aof_enabled"] == "0" {
		list = append(list, "keeps no append-only file, so a restart loses all that came after the last snapshot: set appendonly yes")
	}
	replicas, _ := strconv.Atoi(in["connected_slaves"])
	if replicas < s.cfg.ReplicasAck {
		list = append(list, fmt.Sprintf("has %d replicas, but %d must confirm a revocation, so none can be acknowledged: add replicas or lower redis.replicasAck",
			replicas, s.cfg.ReplicasAck))
	}
	if replicas > 0 && s.cfg.ReplicasAck == 0 {
		list = append(list, "has replicas that need not confirm a revocation, so a failover may lose it: set redis.replicasAck")
	}
	if _, guarded := in["min_slaves_good_slaves"]; !guarded && (replicas > 0 || s.cfg.ReplicasAck > 0) {
		list = append(list, "takes writes while it is cut off from its replicas, which are lost later: set min-replicas-to-write 1")
	}
	return list
}

// claim makes sure that the namespace is of this layout, and marks one that is new.
func (s *Store) claim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.callTimeout())
	defer cancel()
	key := s.cfg.Namespace + layoutKey
	// SET NX answers nil when the key is there; then it is read.
	err := s.client.SetArgs(ctx, key, layoutVersion, redis.SetArgs{Mode: "NX"}).Err()
	if err == nil {
		return nil
	}
	if !errors.Is(err, redis.Nil) {
		return fault(ctx, err)
	}
	found, err := s.client.Get(ctx, key).Result()
	if err != nil {
		return fault(ctx, err)
	}
	if found != layoutVersion {
		return fmt.Errorf("%w: namespace %q has layout %q, this version knows %q: use the version that wrote it, or another namespace",
			kv.ErrCorrupt, s.cfg.Namespace, found, layoutVersion)
	}
	return nil
}
