package boltkv_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
)

// fill writes n records of 1 KiB.
func fill(b *testing.B, s *boltkv.Store, n int) {
	b.Helper()
	for i := 0; i < n; i += 50 {
		var tx kv.Tx
		for j := range 50 {
			tx.Puts = append(tx.Puts, kv.Put{Key: kv.Key{Coll: things, ID: fmt.Sprintf("%08d", i+j)}, Value: make([]byte, 1024)})
		}
		apply(b, s, tx)
	}
}

// One operation is what a change costs: read a record, check its version, write it of 1 KiB with an event, on disk.
func BenchmarkApply(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "store.db"), boltkv.Options{})
			fill(b, s, 10_000)
			value := make([]byte, 1024)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						k := kv.Key{Coll: things, ID: fmt.Sprintf("%08d", n*7919%10_000)}
						items, err := s.Get(b.Context(), "u", k)
						if err != nil {
							b.Error(err)
							return
						}
						_, err = s.Apply(b.Context(), "u", kv.Tx{
							ID:     kv.NewTxID(),
							Checks: []kv.Check{{Key: k, Version: items[0].Version}},
							Puts:   []kv.Put{{Key: k, Value: value}},
							Events: [][]byte{value[:100]},
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
		})
	}
}

// One operation reads six records of 1 KiB in one snapshot, as the answer to a token request does without its cache.
func BenchmarkGet6(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "store.db"), boltkv.Options{})
	fill(b, s, 10_000)
	var keys [1000][6]kv.Key
	for i := range keys {
		for j := range keys[i] {
			keys[i][j] = kv.Key{Coll: things, ID: fmt.Sprintf("%08d", (i*6+j)*7919%10_000)}
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		if _, err := s.Get(b.Context(), "u", keys[n%1000][:]...); err != nil {
			b.Fatal(err)
		}
	}
}

// One operation lists a page of 100 records of 1 KiB.
func BenchmarkList100(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "store.db"), boltkv.Options{})
	fill(b, s, 10_000)
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		if _, err := s.List(b.Context(), "u", things, kv.ListOptions{Limit: 100, After: fmt.Sprintf("%08d", n*100%10_000)}); err != nil {
			b.Fatal(err)
		}
	}
}
