package activity

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// How many counts a replica begins in a minute. The first that many are told apart by subject and network, as many again by subject,
// and the rest is one count: an attack from many networks on one client hides no other client, and none takes more room.
const (
	maxByNetwork = 200
	maxBySubject = 200
	// maxCounts bounds what waits to be written while the store does not answer.
	maxCounts = 10 * (maxByNetwork + maxBySubject)
)

// failure is what is counted.
type failure struct {
	minute  int64 // since 1970
	org     iam.NodeID
	subject string
	network string
}

type count struct {
	first, last time.Time
	n           int64
	written     int64 // of n
}

type failures struct {
	mu                   sync.Mutex
	minute               int64
	byNetwork, bySubject int // begun in this minute
	counts               map[failure]*count
}

// Failed counts a failed authentication as a client; nil: as one that there is not. network is where it came from.
func (r *Recorder) Failed(client *iam.Client, network string) {
	now := r.now()
	f := failure{minute: now.Unix() / 60, subject: iam.SubjectUnknown, network: network}
	if client != nil {
		f.org, f.subject = client.Organization, client.ID.Subject().String()
	}
	r.failures.add(f, now)
}

func (f *failures) add(what failure, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if what.minute != f.minute {
		f.minute, f.byNetwork, f.bySubject = what.minute, 0, 0
	}
	c := f.counts[what]
	full := len(f.counts) >= maxCounts
	if c == nil && !full && f.byNetwork < maxByNetwork {
		f.byNetwork++
		c = f.begin(what, now)
	}
	if c == nil {
		what.network = ""
		c = f.counts[what]
	}
	if c == nil && !full && f.bySubject < maxBySubject {
		f.bySubject++
		c = f.begin(what, now)
	}
	if c == nil {
		what.org, what.subject = "", iam.SubjectOther
		if c = f.counts[what]; c == nil {
			c = f.begin(what, now)
		}
	}
	c.n++
	if now.After(c.last) {
		c.last = now
	}
}

func (f *failures) begin(what failure, now time.Time) *count {
	c := &count{first: now, last: now}
	f.counts[what] = c
	return c
}

// flushFailures writes the counts that have grown and forgets those of minutes that are over.
func (r *Recorder) flushFailures(ctx context.Context) error {
	f := &r.failures
	f.mu.Lock()
	due := make([]iam.FailedAuthentications, 0, len(f.counts))
	for what, c := range f.counts {
		if c.n > c.written {
			due = append(due, iam.FailedAuthentications{
				Organization: what.org, Subject: what.subject, Network: what.network, Minute: time.Unix(60*what.minute, 0).UTC(),
				First: c.first.UTC(), Last: c.last.UTC(), Count: c.n,
			})
		}
	}
	f.mu.Unlock()
	if len(due) > 0 {
		if err := r.store.PutFailures(ctx, r.replica, due); err != nil {
			return err
		}
	}
	now := r.now().Unix() / 60
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range due {
		what := failure{d.Minute.Unix() / 60, d.Organization, d.Subject, d.Network}
		f.counts[what].written = d.Count
	}
	for what, c := range f.counts {
		if c.n == c.written && what.minute < now {
			delete(f.counts, what)
		}
	}
	return nil
}
