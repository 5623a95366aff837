package authserver

import (
	"context"
	"log/slog"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// A quota is a place where something counts of which there may be so many and no more.
type quota struct {
	kind, key string
	limit     iam.Limit
}

// take counts one more at each place, or at none: then it returns refusal, with how long to wait.
func (s *Server) take(ctx context.Context, at []quota, now time.Time, refusal *iam.Error) error {
	for i, q := range at {
		wait, err := s.Grants.Take(ctx, q.kind, q.key, q.limit, now)
		if err != nil {
			return err
		}
		if wait > 0 {
			web.Add(ctx, slog.String("limit", q.kind))
			if err := s.giveBack(ctx, at[:i], now); err != nil {
				return err
			}
			return refusal.WithCause(web.Wait(wait))
		}
	}
	return nil
}

// giveBack undoes a take of this now.
func (s *Server) giveBack(ctx context.Context, at []quota, now time.Time) error {
	for _, q := range at {
		if err := s.Grants.GiveBack(ctx, q.kind, q.key, q.limit, now); err != nil {
			return err
		}
	}
	return nil
}
