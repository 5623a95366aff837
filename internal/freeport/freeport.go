// Package freeport gives tests loopback ports that no other test process is given, so that a port stays free between the moment it is
// given and the moment a server takes it, and between the end of a server and its next start. Only tests import it.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports lie below those that kernels give to outgoing connections. They are divided into blocks; the process that listens at the
// first port of a block has the others to itself, until it ends.
const (
	first  = 10000
	blocks = 340
	size   = 64
)

var (
	mu    sync.Mutex
	mine  []net.Listener // at the first ports of our blocks: they live as long as the process
	block int            // the one that we give from
	next  = size
)

// Next returns a free loopback port, another one at each call.
func Next() (string, error) {
	mu.Lock()
	defer mu.Unlock()
	for range blocks * size {
		if next == size {
			if err := claim(); err != nil {
				return "", err
			}
		}
		port := strconv.Itoa(first + block*size + next)
		next++
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil { // else it is held by something that is no test
			_ = l.Close()
			return port, nil
		}
	}
	return "", errNone
}

var errNone = errors.New("no free loopback port between 10000 and 31759: what is listening there?")

// claim takes a block that nobody has.
func claim() error {
	start := rand.IntN(blocks)
	for i := range blocks {
		b := (start + i) % blocks
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+b*size)))
		if err == nil {
			mine, block, next = append(mine, l), b, 1
			return nil
		}
	}
	return errNone
}
