package rediskv

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A gathering joins reads of one unit. A read that comes while no other is on its way goes at once; those that come meanwhile
// gather and go together, as one MGET, when that one is back. An exchange with the server costs this process more than all
// that it does with the answer, so under load the reads of many requests cost little more than one, and alone a read waits
// for nobody. Every read is still sent after it was asked for: what was acknowledged before is seen.
type gathering struct {
	mu      sync.Mutex
	current *flight // the last one that was sent; nil when it is back
	next    *flight // what gathers meanwhile; nil while nobody waits
}

// patience is how long a read may be on its way for others to wait for it. Past it the server is slow or gone, and everyone
// asks for himself.
const patience = 5 * time.Millisecond

// A flight is one MGET.
type flight struct {
	sent    time.Time
	args    []any         // as in a command
	done    chan struct{} // closed when records or err is there
	records []any
	err     error
}

// gather is mget, together with others where that is cheaper. It is for few keys.
func (s *Store) gather(ctx context.Context, u kv.Unit, args []any) ([]any, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if strings.Contains(string(u), ":") { // one of many units: few read it at once, and nothing would forget it
		return s.mget(ctx, u, args)
	}
	srv, err := s.server(ctx, u)
	if err != nil || !srv.breaker.closed() {
		return s.mget(ctx, u, args)
	}
	g := s.gathering(u)
	f, first, alone := g.join(args)
	if alone {
		f.records, f.err = s.mget(ctx, u, args)
		s.landed(g, u, f, f.err != nil && ctx.Err() == nil)
		return f.records, f.err
	}
	select {
	case <-f.done:
		if f.err != nil {
			return nil, f.err
		}
		return f.records[first : first+len(args)-1], nil
	case <-ctx.Done():
		return nil, fault(ctx, ctx.Err())
	}
}

func (s *Store) gathering(u kv.Unit) *gathering {
	if g, ok := s.gatherings.Load(u); ok {
		return g.(*gathering)
	}
	g, _ := s.gatherings.LoadOrStore(u, new(gathering))
	return g.(*gathering)
}

// join returns the flight that a read goes with and where its records will be in it; alone means that the caller sends it now.
func (g *gathering) join(args []any) (f *flight, first int, alone bool) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.current == nil || now.Sub(g.current.sent) > patience || (g.next != nil && len(g.next.args)+len(args) > chunk) {
		f = &flight{sent: now}
		if g.current == nil {
			g.current = f
		}
		return f, 0, true
	}
	if g.next == nil {
		g.next = &flight{args: make([]any, 1, 8*len(args)), done: make(chan struct{})}
		g.next.args[0] = args[0]
	}
	first = len(g.next.args) - 1
	g.next.args = append(g.next.args, args[1:]...)
	return g.next, first, false
}

// landed sends those who gathered while f was on its way. When the server did not answer it, they hear the same: they have
// waited as long as one may wait for a server that hangs.
func (s *Store) landed(g *gathering, u kv.Unit, f *flight, failed bool) {
	g.mu.Lock()
	if g.current != f {
		g.mu.Unlock()
		return
	}
	next := g.next
	g.current, g.next = next, nil
	if next != nil && !failed {
		next.sent = time.Now()
	} else {
		g.current = nil
	}
	g.mu.Unlock()
	if next == nil {
		return
	}
	if failed {
		next.err = f.err
		close(next.done)
		return
	}
	go s.send(g, u, next) // Close waits for it
}

// send is the flight of those who gathered: for all of them, so under no one's context.
func (s *Store) send(g *gathering, u kv.Unit, f *flight) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f.records, f.err = s.mget(context.Background(), u, f.args)
	close(f.done)
	s.landed(g, u, f, f.err != nil)
}
