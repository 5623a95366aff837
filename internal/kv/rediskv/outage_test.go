package rediskv_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// The tests that measure time are not parallel, so that they do not measure the others.

const (
	hungBudget = 1500*time.Millisecond + slack // both attempts
	openBudget = 50*time.Millisecond + slack   // the breaker answers
	slack      = 300 * time.Millisecond        // of a loaded machine
)

// unavailable makes a call that must fail with ErrUnavailable in time.
func unavailable(t *testing.T, what string, budget time.Duration, call func() error) {
	t.Helper()
	began := time.Now()
	err := call()
	if took := time.Since(began); !errors.Is(err, kv.ErrUnavailable) || took > budget {
		t.Errorf("%s: got %v after %v, want ErrUnavailable within %v", what, err, took, budget)
	}
}

func get(s *rediskv.Store, u kv.Unit) error {
	_, err := s.Get(context.Background(), u, key("k"))
	return err
}

func set(s *rediskv.Store, u kv.Unit, ack kv.Ack) error {
	tx := puts("k")
	tx.Ack = ack
	_, err := s.Apply(context.Background(), u, tx)
	return err
}

func TestHungServerIsUnavailableInTime(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, srv.URL()+"?replicas_ack=1") // no replica: what is safe waits for none in vain
	srv.Pause()
	unavailable(t, "Get", hungBudget, func() error { return get(s, "u") })
	unavailable(t, "Apply", hungBudget, func() error { return set(s, "u", kv.AckPrimary) })
	unavailable(t, "safe Apply", hungBudget, func() error { return set(s, "u", kv.AckSafe) })
	for range 10 {
		unavailable(t, "Get with the breaker open", hungBudget, func() error { return get(s, "u") })
	}
	began := time.Now()
	for range 50 {
		_ = get(s, "u")
	}
	if took := time.Since(began); took > hungBudget+openBudget {
		t.Errorf("50 calls to a hung server took %v: the breaker lets more than one through", took)
	}
	// Of callers that come at once when it may be tried again, one tries.
	time.Sleep(300 * time.Millisecond)
	var slow atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			began := time.Now()
			_ = get(s, "u")
			if time.Since(began) > openBudget {
				slow.Add(1)
			}
		})
	}
	wg.Wait()
	if n := slow.Load(); n > 2 {
		t.Errorf("%d of 50 callers waited for a hung server, want 1", n)
	}
	unavailable(t, "Health", hungBudget, func() error { _, err := s.Health(t.Context()); return err })

	srv.Resume()
	awaitTrue(t, "recovery", func() bool { return get(s, "u") == nil })
	if err := set(s, "u", kv.AckPrimary); err != nil {
		t.Errorf("after recovery: %v", err)
	}
}

func TestGoneServerIsUnavailableAtOnce(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	srv.Kill()
	for i := range 6 {
		unavailable(t, fmt.Sprintf("Get %d", i), openBudget, func() error { return get(s, "u") })
		unavailable(t, fmt.Sprintf("Apply %d", i), openBudget, func() error { return set(s, "u", kv.AckPrimary) })
	}
	unavailable(t, "ReadLog", openBudget, func() error {
		_, err := s.ReadLog(t.Context(), "u", "", 1, time.Minute)
		return err
	})
	srv.Restart()
	awaitTrue(t, "recovery", func() bool { return get(s, "u") == nil })
}

// A caller that gives up says nothing about the server.
func TestImpatientCallersDoNotOpenTheBreaker(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	srv.Pause()
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if _, err := s.Get(ctx, "u", key("k")); !errors.Is(err, kv.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want ErrUnavailable by the deadline", err)
		}
		cancel()
	}
	srv.Resume()
	if err := get(s, "u"); err != nil {
		t.Errorf("after callers gave up: %v", err)
	}
}

func TestWaitingReaderNoticesAHungServer(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	time.AfterFunc(100*time.Millisecond, srv.Pause)
	unavailable(t, "waiting ReadLog", 2500*time.Millisecond+slack, func() error {
		_, err := s.ReadLog(context.Background(), "u", "", 1, time.Minute)
		return err
	})
}

// The loss of a node of a cluster costs its units only.
func TestClusterGoesOnWithoutANode(t *testing.T) {
	c := redistest.StartCluster(t)
	s := open(t, c.URL()+"?replicas_ack=0")
	lost := c.Nodes[1]
	var dead, alive []kv.Unit
	for i := 0; len(dead) < 3 || len(alive) < 6; i++ {
		u := kv.Unit(fmt.Sprintf("u:%d", i))
		if c.Owner(c.Slot("gh1:{"+string(u)+"}l")) == lost {
			dead = append(dead, u)
		} else {
			alive = append(alive, u)
		}
	}
	for _, how := range []string{"hung", "gone"} {
		budget := hungBudget
		if how == "hung" {
			lost.Pause()
		} else {
			lost.Resume()
			lost.Kill()
		}
		for _, u := range dead[:3] {
			unavailable(t, how+": unit of the lost node", budget, func() error { return set(s, u, kv.AckPrimary) })
		}
		for _, u := range alive[:6] {
			began := time.Now()
			if err := set(s, u, kv.AckPrimary); err != nil {
				t.Errorf("%s: unit of another node: %v", how, err)
			}
			if took := time.Since(began); took > openBudget {
				t.Errorf("%s: unit of another node took %v", how, took)
			}
		}
	}
}

// Memory that is full refuses writes whole.
func TestFullMemoryRefusesWholeWrites(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	if err := set(s, "u", kv.AckPrimary); err != nil {
		t.Fatal(err)
	}
	srv.Conf("maxmemory", "1")
	tx := kv.Tx{ID: kv.NewTxID(), Deletes: []kv.Key{key("k")}, Puts: []kv.Put{{Key: key("new")}}, Events: [][]byte{[]byte("e")}}
	_, err := s.Apply(t.Context(), "u", tx)
	if !errors.Is(err, kv.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "OOM") {
		t.Errorf("got %v, want ErrUnavailable for lack of memory", err)
	}
	if got := value(t, s, "u", key("k")); got != "v" {
		t.Errorf("a refused delete left %q", got)
	}
	srv.Conf("maxmemory", "0")
	if n := len(readAll(t, s, "u")); n != 1 {
		t.Errorf("got %d events, want 1", n)
	}
	if res, err := s.Apply(t.Context(), "u", tx); err != nil || res.Replayed {
		t.Errorf("retry with memory: got %+v, %v", res, err)
	}
}

// A server that lost its scripts, as one does that takes over, gets the script again.
func TestForgottenScriptIsSentAgain(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	redistest.StartReplica(t, primary)
	s := open(t, primary.URL()+"?replicas_ack=1&ack_timeout=5s")
	for _, ack := range []kv.Ack{kv.AckPrimary, kv.AckSafe} {
		primary.Do("script", "flush")
		if err := set(s, "u", ack); err != nil {
			t.Errorf("after SCRIPT FLUSH: %v", err)
		}
	}
}
