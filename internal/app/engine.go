package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
)

// openEngine opens the storage engine that the configuration names.
func openEngine(ctx context.Context, c *config.Config) (kv.Store, error) {
	if path, embedded := c.Store.Path(); embedded {
		return opened(boltkv.Open(path, boltkv.Options{}))
	}
	rc, err := rediskv.ParseURL(string(c.Store))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	rc.Namespace = c.Redis.Namespace
	rc.ReplicasAck = c.Redis.ReplicasAck
	rc.AckTimeout = c.Redis.AckTimeout
	rc.AllowEviction = c.Redis.AllowEviction
	engine, err := opened(rediskv.Open(ctx, rc))
	if errors.Is(err, kv.ErrUnavailable) {
		err = fmt.Errorf("%w: start the server, or correct GATEHOUSE_STORE", err)
	}
	return engine, err
}

// opened keeps a nil engine from becoming a kv.Store that is not nil.
func opened[S kv.Store](engine S, err error) (kv.Store, error) {
	if err != nil {
		return nil, err
	}
	return engine, nil
}
