package redistest

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A Wire leads to a Server and can be cut at any one of the commands that pass it, before the server has seen the command or when only
// the answer is missing. It counts the commands that read and write records; what a client sends for itself (HELLO, INFO, following a
// log) comes when it likes.
type Wire struct {
	server   *Server
	listener net.Listener
	ended    sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool // open, of both sides
	left   int               // commands until the cut; 0: none is to come
	cut    Cut
	struck bool // the cut has come
	down   bool
	closed bool
}

// A Cut says what becomes of the command at which a Wire is cut, and of those after it.
type Cut struct {
	Executed bool // the server carries the command out, and its answer is lost
	Once     bool // one connection breaks; otherwise nothing passes any more
}

// StartWire lays a wire to a server. It ends with the test.
func StartWire(t testing.TB, s *Server) *Wire {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", FreePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{server: s, listener: listener, conns: make(map[net.Conn]bool)}
	w.ended.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

// URL is the address of the near end as a redis:// URL.
func (w *Wire) URL() string { return "redis://" + w.listener.Addr().String() }

// CutAt cuts the wire at the nth command from now on.
func (w *Wire) CutAt(n int, c Cut) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.cut, w.struck = n, c, false
}

// Mend makes everything pass again and reports whether the cut had come.
func (w *Wire) Mend() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.down = 0, false
	return w.struck
}

func (w *Wire) close() {
	_ = w.listener.Close()
	w.mu.Lock()
	w.closed = true
	for c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.ended.Wait()
}

func (w *Wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.server.Addr())
		if err != nil || !w.open(near, far) {
			_ = near.Close()
			if far != nil {
				_ = far.Close()
			}
			continue
		}
		line := &strand{wire: w, near: near, far: far}
		w.ended.Go(line.answers)
		w.ended.Go(line.commands)
	}
}

// open takes up a connection unless the wire is cut.
func (w *Wire) open(near, far net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down || w.closed {
		return false
	}
	w.conns[near], w.conns[far] = true, true
	return true
}

// pass counts a command and reports whether it goes through, and whether its answer does.
func (w *Wire) pass(name string) (command, answer bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return false, false
	}
	if w.left == 0 || !ofRecords[name] {
		return true, true
	}
	if w.left--; w.left > 0 {
		return true, true
	}
	w.struck, w.down = true, !w.cut.Once
	return w.cut.Executed, false
}

// broken closes all connections when nothing passes any more.
func (w *Wire) broken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		for c := range w.conns {
			_ = c.Close()
		}
	}
}

// ofRecords are the commands that read or write records.
var ofRecords = map[string]bool{"mget": true, "getrange": true, "zrange": true, "eval": true, "evalsha": true}

// A strand is one connection through a Wire.
type strand struct {
	wire      *Wire
	near, far net.Conn

	mu   sync.Mutex
	lost bool // the next answer is
}

func (s *strand) end() {
	_ = s.near.Close()
	_ = s.far.Close()
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	delete(s.wire.conns, s.near)
	delete(s.wire.conns, s.far)
}

// commands brings commands to the server one by one.
func (s *strand) commands() {
	defer s.end()
	from := bufio.NewReader(s.near)
	for {
		raw, name, err := readCommand(from)
		if err != nil {
			return
		}
		command, answer := s.wire.pass(name)
		if !answer {
			s.mu.Lock()
			s.lost = true
			s.mu.Unlock()
		}
		if !command {
			s.wire.broken()
			return
		}
		if _, err := s.far.Write(raw); err != nil {
			return
		}
	}
}

// answers brings answers back. One that is to be lost has arrived here, so its command was carried out.
func (s *strand) answers() {
	defer s.end()
	buffer := make([]byte, 64<<10)
	for {
		n, err := s.far.Read(buffer)
		if err != nil {
			return
		}
		s.mu.Lock()
		lost := s.lost
		s.mu.Unlock()
		if lost {
			s.wire.broken()
			return
		}
		if _, err := s.near.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// readCommand reads one command, an array of bulk strings, and returns it as it came and its name in lower case.
func readCommand(r *bufio.Reader) (raw []byte, name string, err error) {
	line := func(kind byte) (int, error) {
		text, err := r.ReadBytes('\n')
		if err != nil {
			return 0, err
		}
		raw = append(raw, text...)
		if text[0] != kind {
			return 0, io.ErrUnexpectedEOF
		}
		return strconv.Atoi(strings.TrimSpace(string(text[1:])))
	}
	parts, err := line('*')
	if err != nil {
		return nil, "", err
	}
	for i := range parts {
		size, err := line('$')
		if err != nil {
			return nil, "", err
		}
		at := len(raw)
		raw = append(raw, make([]byte, size+len("\r\n"))...)
		if _, err := io.ReadFull(r, raw[at:]); err != nil {
			return nil, "", err
		}
		if i == 0 {
			name = strings.ToLower(string(raw[at : at+size]))
		}
	}
	return raw, name, nil
}
