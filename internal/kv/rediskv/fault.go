package rediskv

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

var (
	errClosed = fmt.Errorf("%w: the store is closed", kv.ErrUnavailable)
	// errBusy: as many writes wait for replicas as may.
	errBusy = errors.New("too many writes wait for replicas")
)

// isAnswer reports whether err shows that the server works: it sent something, if only a refusal, or was not asked.
func isAnswer(err error) bool {
	if err == nil { // before anything that allocates
		return true
	}
	var reply redis.Error
	return errors.As(err, &reply) || isOurs(err) || errors.Is(err, errBusy)
}

func isOurs(err error) bool {
	return errors.Is(err, kv.ErrCorrupt) || errors.Is(err, kv.ErrGap) || errors.Is(err, kv.ErrConflict) ||
		errors.Is(err, kv.ErrUnconfirmed) || errors.Is(err, kv.ErrUnavailable) || errors.Is(err, kv.ErrInvalid)
}

// fault turns an error of the engine into one of kv's. The engine's text goes along, its error does not; it never holds a value
// or a password. The end of ctx stays visible to errors.Is.
func fault(ctx context.Context, err error) error {
	switch {
	case err == nil || isOurs(err):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", kv.ErrUnavailable, ctx.Err())
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return fmt.Errorf("%w: a key of the store holds something else: %v", kv.ErrCorrupt, err)
	default:
		return fmt.Errorf("%w: redis: %v", kv.ErrUnavailable, err)
	}
}
