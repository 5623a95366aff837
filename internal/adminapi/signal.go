package adminapi

import "sync"

// A signal wakes those who wait for something to have happened. Few may wait at a time: each holds a place of those that the
// limiter of the API has.
type signal struct {
	mu     sync.Mutex
	raised chan struct{}
	places chan struct{}
}

const maxWaiting = 2

func newSignal() *signal {
	return &signal{raised: make(chan struct{}), places: make(chan struct{}, maxWaiting)}
}

// raise wakes everybody who waits.
func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.raised)
	s.raised = make(chan struct{})
}

// wait returns what is closed when the signal is next raised. Whoever takes it before looking misses nothing.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raised
}

// enter takes a place, if there is one.
func (s *signal) enter() bool {
	select {
	case s.places <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *signal) leave() { <-s.places }
