package freeport_test

import (
	"net"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/freeport"
)

// Each port is given once, and is free.
func TestNextIsFreeAndNew(t *testing.T) {
	seen := make(map[string]bool)
	for range 200 {
		port, err := freeport.Next()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("port %s was given twice", port)
		}
		seen[port] = true
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
