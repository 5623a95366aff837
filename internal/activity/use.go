package activity

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

const (
	useShards = 16
	// maxUses bounds the memory of one shard: what is used for the first time while it is full is noted at its next use.
	maxUses = 8192
	// useGrain is how long a last use stands before a newer one is written.
	useGrain = time.Minute
)

// uses are last uses, noted for every token: one lookup under the lock of a shard, and no garbage for what was used lately.
type uses struct {
	seed   maphash.Seed
	shards [useShards]useShard
}

type useShard struct {
	mu   sync.Mutex
	last map[iam.Use]*lastUse
}

type lastUse struct{ at, written time.Time }

func (u *uses) init() {
	u.seed = maphash.MakeSeed()
	for i := range u.shards {
		u.shards[i].last = make(map[iam.Use]*lastUse)
	}
}

// SecretUsed notes that a client has proved itself with a secret.
func (r *Recorder) SecretUsed(client iam.ClientID, secret iam.SecretID) {
	r.uses.note(iam.Use{Subject: client.Subject(), Secret: secret}, string(secret), r.now())
}

// SubjectUsed notes that a token was issued that speaks for a subject in an organization.
func (r *Recorder) SubjectUsed(org iam.NodeID, subject iam.Subject) {
	r.uses.note(iam.Use{Organization: org, Subject: subject}, subject.ID, r.now())
}

func (u *uses) note(what iam.Use, spread string, now time.Time) {
	s := &u.shards[maphash.String(u.seed, spread)%useShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.last[what]
	if l == nil {
		if len(s.last) >= maxUses {
			return
		}
		l = &lastUse{}
		s.last[what] = l
	}
	l.at = now
}

// flushUses writes the last uses that are newer than what was written a minute ago, or all, and forgets what is not used any more.
func (r *Recorder) flushUses(ctx context.Context, all bool) error {
	for i := range r.uses.shards {
		if err := r.flushShard(ctx, &r.uses.shards[i], all); err != nil {
			return err
		}
	}
	return nil
}

func (r *Recorder) flushShard(ctx context.Context, s *useShard, all bool) error {
	now := r.now()
	var due []iam.LastUse
	s.mu.Lock()
	for what, l := range s.last {
		switch {
		case l.at.After(l.written) && (all || now.Sub(l.written) >= useGrain):
			due = append(due, iam.LastUse{Use: what, At: l.at.UTC()})
		case !l.at.After(l.written) && now.Sub(l.written) >= useGrain:
			delete(s.last, what)
		}
	}
	s.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	if err := r.store.PutUses(ctx, due); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range due {
		if l := s.last[d.Use]; l != nil {
			l.written = d.At
		}
	}
	return nil
}
