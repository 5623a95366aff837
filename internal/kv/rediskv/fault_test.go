package rediskv_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

var (
	plain   = &kv.Coll{Name: "plain"}
	indexed = &kv.Coll{Name: "idx", Indexed: true}
)

func key(id string) kv.Key { return kv.Key{Coll: plain, ID: id} }

func puts(id string) kv.Tx {
	return kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{{Key: key(id), Value: []byte("v")}}, Events: [][]byte{[]byte(id)}}
}

// A load is writers that each count in a record of their own, one event for each step, and retry with the same transaction
// until they know the outcome.
type load struct {
	s     *rediskv.Store
	ack   kv.Ack
	units []kv.Unit // one for each writer
	stop  chan struct{}
	wg    sync.WaitGroup
	acked []atomic.Int64

	retries, replays atomic.Int64
}

func startLoad(t *testing.T, s *rediskv.Store, ack kv.Ack, units ...kv.Unit) *load {
	l := &load{s: s, ack: ack, units: units, stop: make(chan struct{}), acked: make([]atomic.Int64, len(units))}
	for w := range units {
		l.wg.Go(func() { l.write(t, w) })
	}
	return l
}

func (l *load) write(t *testing.T, w int) {
	var version kv.Version
	for n := 1; ; n++ {
		select {
		case <-l.stop:
			return
		default:
		}
		tx := kv.Tx{
			ID: kv.NewTxID(), Ack: l.ack,
			Checks: []kv.Check{{Key: key(strconv.Itoa(w)), Version: version}},
			Puts:   []kv.Put{{Key: key(strconv.Itoa(w)), Value: []byte(strconv.Itoa(n))}, {Key: kv.Key{Coll: indexed, ID: strconv.Itoa(w)}}},
			Events: [][]byte{[]byte(fmt.Sprint(w, " ", n))},
		}
		for {
			res, err := l.s.Apply(context.Background(), l.units[w], tx)
			if err == nil {
				version = res.Version
				if res.Replayed {
					l.replays.Add(1)
				}
				l.acked[w].Add(1)
				break
			}
			if !errors.Is(err, kv.ErrUnavailable) && !errors.Is(err, kv.ErrUnconfirmed) {
				t.Errorf("writer %d step %d: got %v, want success or to be told to retry", w, n, err)
				return
			}
			l.retries.Add(1)
			time.Sleep(10 * time.Millisecond) // the faults are in real time
		}
	}
}

// finish stops the writers and checks that acknowledged = applied = events.
func (l *load) finish(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	// Reads and safe writes have connections of their own, and so come back on their own after an outage.
	awaitTrue(t, "reads", func() bool { return get(l.s, l.units[0]) == nil })
	events := map[string]int{}
	seen := map[kv.Unit]bool{}
	var sum int64
	for w, u := range l.units {
		items, err := l.s.Get(t.Context(), u, key(strconv.Itoa(w)))
		if err != nil {
			t.Fatalf("Get: %v", err)
		}
		acked := l.acked[w].Load()
		sum += acked
		if got := string(items[0].Value); got != strconv.FormatInt(acked, 10) && (acked > 0 || got != "") {
			t.Errorf("writer %d: record says %q, %d were acknowledged", w, got, acked)
		}
		if !seen[u] {
			seen[u] = true
			for _, e := range readAll(t, l.s, u) {
				events[string(e.Data)]++
			}
		}
	}
	for w := range l.units {
		for n := range l.acked[w].Load() {
			if name := fmt.Sprint(w, " ", n+1); events[name] != 1 {
				t.Errorf("acknowledged step %q has %d events, want 1", name, events[name])
			}
		}
	}
	if int64(len(events)) != sum || sum == 0 {
		t.Errorf("got %d events for %d acknowledged writes", len(events), sum)
	}
	t.Logf("%d acknowledged, %d replays, %d retries", sum, l.replays.Load(), l.retries.Load())
}

func readAll(t *testing.T, s *rediskv.Store, u kv.Unit) (all []kv.Entry) {
	t.Helper()
	var after kv.Cursor
	for {
		entries, err := s.ReadLog(t.Context(), u, after, kv.MaxPage, 0)
		if err != nil {
			t.Fatalf("ReadLog: %v", err)
		}
		if len(entries) == 0 {
			return all
		}
		all = append(all, entries...)
		after = entries[len(entries)-1].Cursor
	}
}

func units(n int, format string) []kv.Unit {
	list := make([]kv.Unit, n)
	for i := range list {
		list[i] = kv.Unit(format)
		if format == "" {
			list[i] = kv.Unit("u:" + strconv.Itoa(i))
		}
	}
	return list
}

func TestBrokenConnectionsApplyOnce(t *testing.T) {
	t.Parallel()
	for name, ack := range map[string]kv.Ack{"primary": kv.AckPrimary, "safe": kv.AckSafe} {
		t.Run(name, func(t *testing.T) {
			primary := redistest.Start(t)
			redistest.StartReplica(t, primary)
			s := open(t, primary.URL()+"?replicas_ack=1")
			l := startLoad(t, s, ack, units(8, "u")...)
			for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
				primary.Do("client", "kill", "type", "normal", "skipme", "yes")
			}
			l.finish(t)
			if l.replays.Load() == 0 {
				t.Error("no retry found its transaction applied: the test broke no connection at the right moment")
			}
		})
	}
}

// With appendfsync always, what was acknowledged survives the crash of the server.
func TestServerCrashLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := open(t, srv.URL())
	l := startLoad(t, s, kv.AckPrimary, units(8, "")...)
	for range 4 {
		time.Sleep(300 * time.Millisecond)
		srv.Kill()
		time.Sleep(20 * time.Millisecond)
		srv.Restart()
	}
	time.Sleep(300 * time.Millisecond)
	l.finish(t)
}

// Sentinel makes the replica primary that has the most, so what one of two confirmed outlives the primary.
func TestFailoverKeepsSafeWrites(t *testing.T) {
	t.Parallel()
	sentinel := redistest.StartSentinel(t, 2)
	s := open(t, sentinel.URL())
	l := startLoad(t, s, kv.AckSafe, units(4, "")...)
	awaitTrue(t, "writes", func() bool { return l.total() > 100 })
	sentinel.Primary.Kill()
	before := l.total()
	awaitTrue(t, "writes after the failover", func() bool { return l.total() > before+100 })
	l.finish(t)
}

func (l *load) total() (sum int64) {
	for w := range l.acked {
		sum += l.acked[w].Load()
	}
	return sum
}

func awaitTrue(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s in time", what)
		}
	}
}

// Writes go on while their slot moves to another node key by key. Nobody confirms them, as the nodes have no replicas, which
// is how a safe write shows here that it arrived.
func TestMovingSlotAppliesOnce(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	for name, ack := range map[string]kv.Ack{"primary": kv.AckPrimary, "safe": kv.AckSafe} {
		t.Run(name, func(t *testing.T) {
			unit := kv.Unit("moving:" + name)
			s := open(t, c.URL()+"?replicas_ack=1&ack_timeout=1ms")
			stop := make(chan struct{})
			counts := make([]int, 4)
			var written atomic.Int64
			var wg sync.WaitGroup
			end := sync.OnceFunc(func() { close(stop) })
			defer end()
			for w := range counts {
				wg.Go(func() { counts[w] = countUp(t, s, unit, ack, key(strconv.Itoa(w)), &written, stop) })
			}
			slot := c.Slot("gh1:{" + string(unit) + "}l")
			for range 4 {
				before := written.Load()
				awaitTrue(t, "writes between moves", func() bool { return written.Load() > before+20 })
				c.Migrate(slot, nil)
			}
			end()
			wg.Wait()
			sum := 0
			for w, n := range counts {
				sum += n
				if got := value(t, s, unit, key(strconv.Itoa(w))); got != strconv.Itoa(n) {
					t.Errorf("writer %d: record says %s, want %d", w, got, n)
				}
			}
			if events := len(readAll(t, s, unit)); events != sum || sum == 0 {
				t.Errorf("got %d events for %d writes", events, sum)
			}
			t.Logf("%d writes", sum)
		})
	}
}

// countUp counts in a record until it is told to stop. ErrUnconfirmed counts as applied.
func countUp(t *testing.T, s *rediskv.Store, u kv.Unit, ack kv.Ack, k kv.Key, written *atomic.Int64, stop chan struct{}) (n int) {
	for {
		select {
		case <-stop:
			return n
		default:
		}
		items, err := s.Get(context.Background(), u, k)
		if errors.Is(err, kv.ErrUnavailable) {
			continue
		}
		if err != nil {
			t.Errorf("Get: %v", err)
			return n
		}
		tx := kv.Tx{
			ID: kv.NewTxID(), Ack: ack, Checks: []kv.Check{{Key: k, Version: items[0].Version}},
			Puts:   []kv.Put{{Key: k, Value: []byte(strconv.Itoa(n + 1))}, {Key: kv.Key{Coll: indexed, ID: k.ID}}},
			Events: [][]byte{[]byte("e")},
		}
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			_, err = s.Apply(context.Background(), u, tx)
			if !errors.Is(err, kv.ErrUnavailable) || time.Now().After(end) {
				break
			}
		}
		if err != nil && !errors.Is(err, kv.ErrUnconfirmed) {
			t.Errorf("Apply: %v", err)
			return n
		}
		n++
		written.Add(1)
	}
}

func value(t *testing.T, s *rediskv.Store, u kv.Unit, k kv.Key) string {
	t.Helper()
	items, err := s.Get(t.Context(), u, k)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return string(items[0].Value)
}

func TestHungReplicaLeavesSafeWriteUnconfirmed(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	replica := redistest.StartReplica(t, primary)
	s := open(t, primary.URL()+"?replicas_ack=1&ack_timeout=100ms")
	replica.Pause()
	tx := puts("k")
	tx.Ack = kv.AckSafe
	for attempt := range 2 { // a retry does not make it safer
		if _, err := s.Apply(t.Context(), "u", tx); !errors.Is(err, kv.ErrUnconfirmed) {
			t.Errorf("attempt %d with a hung replica: got %v, want ErrUnconfirmed", attempt, err)
		}
	}
	if got := value(t, s, "u", key("k")); got != "v" {
		t.Errorf("the primary has %q, want the write", got)
	}
	if _, err := s.Apply(t.Context(), "u", puts("other")); err != nil {
		t.Errorf("AckPrimary with a hung replica: %v", err)
	}
	replica.Resume()
	awaitTrue(t, "confirmation", func() bool {
		res, err := s.Apply(t.Context(), "u", tx)
		if err == nil && !res.Replayed {
			t.Error("a retry was applied anew")
		}
		return err == nil
	})
	if n := len(readAll(t, s, "u")); n != 2 {
		t.Errorf("got %d events, want 2", n)
	}
}

// However many safe writes wait for a replica that hangs, other calls find a connection.
func TestHungReplicaLeavesReadsAlone(t *testing.T) {
	primary := redistest.Start(t)
	replica := redistest.StartReplica(t, primary)
	s := open(t, primary.URL()+"?replicas_ack=1")
	replica.Pause()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if err := set(s, "u", kv.AckSafe); !errors.Is(err, kv.ErrUnconfirmed) && !errors.Is(err, kv.ErrUnavailable) {
				t.Errorf("safe Apply: got %v, want ErrUnconfirmed or ErrUnavailable", err)
			}
		})
	}
	time.Sleep(200 * time.Millisecond) // until they all wait
	for range 100 {
		began := time.Now()
		if err := get(s, "u"); err != nil {
			t.Errorf("Get: %v", err)
		}
		if took := time.Since(began); took > openBudget {
			t.Errorf("Get took %v", took)
		}
	}
	wg.Wait()
	if err := set(s, "u", kv.AckPrimary); err != nil {
		t.Errorf("Apply afterwards: %v", err)
	}
	replica.Resume()
	awaitTrue(t, "confirmation", func() bool { return set(s, "u", kv.AckSafe) == nil })
}

// WAIT after a script that wrote nothing speaks about nothing on newer servers, so a safe attempt always writes.
func TestSafeAttemptAlwaysWrites(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	redistest.StartReplica(t, primary)
	s := open(t, primary.URL()+"?replicas_ack=1&ack_timeout=5s")
	replay := puts("k")
	v, err := s.Apply(t.Context(), "u", replay)
	if err != nil {
		t.Fatal(err)
	}
	replay.Ack = kv.AckSafe
	absent := kv.Tx{ID: kv.NewTxID(), Deletes: []kv.Key{key("absent")}, Ack: kv.AckSafe}
	check := kv.Tx{ID: kv.NewTxID(), Checks: []kv.Check{{Key: key("k"), Version: v.Version}}, Ack: kv.AckSafe}
	for name, tx := range map[string]kv.Tx{"replay": replay, "delete of what is absent": absent, "checks alone": check} {
		dirty := func() string {
			return redistest.Field(primary.Do("info", "persistence"), "rdb_changes_since_last_save")
		}
		before := dirty()
		if _, err := s.Apply(t.Context(), "u", tx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after := dirty(); after == before {
			t.Errorf("%s wrote nothing", name)
		}
	}
	items, err := s.Get(t.Context(), "u", key("k"), key("absent"))
	if err != nil || items[0].Version != v.Version || string(items[0].Value) != "v" || items[1].Version != 0 {
		t.Errorf("after that: got %+v, %v; want the record as it was", items, err)
	}
}
