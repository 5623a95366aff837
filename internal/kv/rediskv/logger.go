package rediskv

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo sends what the client library has to tell (another primary, a connection that could not be made) to l, for the whole
// process: the library knows one logger, by default standard error. Call it before the first Open.
func LogTo(l *slog.Logger) { redis.SetLogger(logger{l}) }

type logger struct{ *slog.Logger }

// Printf implements the library's logging interface.
func (l logger) Printf(ctx context.Context, format string, v ...any) {
	l.WarnContext(ctx, "redis client", "message", fmt.Sprintf(format, v...))
}
