package rediskv_test

import (
	"fmt"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

func BenchmarkGet(b *testing.B) {
	s := benchStore(b)
	var tx kv.Tx
	var keys []kv.Key
	for i := range 6 {
		k := key(fmt.Sprintf("k%d", i))
		keys = append(keys, k)
		tx.Puts = append(tx.Puts, kv.Put{Key: k, Value: make([]byte, 1024)})
	}
	tx.ID = kv.NewTxID()
	if _, err := s.Apply(b.Context(), "u", tx); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 6} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Get(b.Context(), "u", keys[:n]...); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkApply reads nothing: it checks and overwrites one record and appends one event.
func BenchmarkApply(b *testing.B) {
	s := benchStore(b)
	var version kv.Version
	b.ReportAllocs()
	for b.Loop() {
		k := kv.Key{Coll: indexed, ID: "k"}
		res, err := s.Apply(b.Context(), "u", kv.Tx{
			ID: kv.NewTxID(), Checks: []kv.Check{{Key: k, Version: version}},
			Puts: []kv.Put{{Key: k, Value: make([]byte, 1024)}}, Events: [][]byte{[]byte("event")},
		})
		if err != nil {
			b.Fatal(err)
		}
		version = res.Version
	}
}

func benchStore(b *testing.B) *rediskv.Store {
	b.Helper()
	c, err := rediskv.ParseURL(redistest.Start(b, "--appendfsync", "everysec").URL())
	if err != nil {
		b.Fatal(err)
	}
	s, err := rediskv.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}
