package activity

import (
	"context"
	"strings"
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// How many refused token requests a replica keeps of a minute: in all, and of one client, so that a broken job hides no other.
const (
	maxDenials         = 300
	maxDenialsOfClient = 20
	// maxDenialsWaiting bounds what waits to be written while the store does not answer.
	maxDenialsWaiting = 2 * maxDenials
	// maxAsked bounds how much of each thing that was asked is kept.
	maxAsked = 512
	// maxAskedAudiences bounds how many audiences are kept of those that were asked for.
	maxAskedAudiences = 20
)

type denials struct {
	mu       sync.Mutex
	minute   int64
	total    int
	ofClient map[iam.ClientID]int
	waiting  []iam.DeniedRequest
}

// Denied keeps a refused token request, if there is room for it in its minute. It sets when.
func (r *Recorder) Denied(d iam.DeniedRequest) {
	now := r.now()
	q := &r.denials
	q.mu.Lock()
	defer q.mu.Unlock()
	if minute := now.Unix() / 60; minute != q.minute {
		q.minute, q.total, q.ofClient = minute, 0, make(map[iam.ClientID]int)
	}
	if q.total >= maxDenials || q.ofClient[d.Client] >= maxDenialsOfClient || len(q.waiting) >= maxDenialsWaiting {
		return
	}
	q.total++
	q.ofClient[d.Client]++
	d.At = now.UTC()
	d.Asked, d.Message = bounded(d.Asked), cut(d.Message)
	q.waiting = append(q.waiting, d)
}

// bounded cuts what was asked to what is kept, in copies, so that no request's body is held for it.
func bounded(a iam.TokenAsked) iam.TokenAsked {
	out := iam.TokenAsked{Organization: cut(a.Organization), Scope: cut(a.Scope), Details: cut(a.Details)}
	for _, aud := range a.Audiences[:min(len(a.Audiences), maxAskedAudiences)] {
		out.Audiences = append(out.Audiences, cut(aud))
	}
	return out
}

func cut(s string) string { return strings.ToValidUTF8(strings.Clone(s[:min(len(s), maxAsked)]), "") }

func (r *Recorder) flushDenials(ctx context.Context) error {
	q := &r.denials
	q.mu.Lock()
	due := q.waiting
	q.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	if err := r.store.PutDenied(ctx, due); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append([]iam.DeniedRequest(nil), q.waiting[len(due):]...)
	return nil
}
