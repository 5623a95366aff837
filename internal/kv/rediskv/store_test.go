package rediskv_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/kvtest"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// open opens a store that the test closes.
func open(t *testing.T, url string, change ...func(*rediskv.Config)) *rediskv.Store {
	t.Helper()
	s, err := rediskv.Open(t.Context(), config(t, url, change...))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func config(t *testing.T, url string, change ...func(*rediskv.Config)) rediskv.Config {
	t.Helper()
	c, err := rediskv.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

// suite runs kvtest on one installation, each rule in an emptied store.
func suite(t *testing.T, url string, servers ...*redistest.Server) {
	kvtest.Run(t, func(t *testing.T) kv.Store {
		for _, s := range servers {
			s.Do("flushall")
		}
		return open(t, url)
	})
}

func TestStandaloneKeepsTheContract(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	suite(t, s.URL(), s)
}

func TestSentinelKeepsTheContract(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	suite(t, s.URL()+"?ack_timeout=5s", s.Primary)
}

func TestClusterKeepsTheContract(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	suite(t, c.URL()+"?replicas_ack=0", c.Nodes...)
}
