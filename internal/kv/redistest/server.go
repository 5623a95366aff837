// Package redistest starts real redis-servers for tests: one alone, with replicas, under Sentinel, as a cluster; each on free
// loopback ports, in a directory of its own, stopped when the test ends. They can be killed, restarted, and stopped in their
// tracks like a host that hangs. It is for tests only and imports nothing of Gatehouse.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-id/gatehouse/internal/freeport"
)

// patience bounds every wait for a server to become what was asked for; on a loaded machine it is long, and nobody waits it out.
const patience = 20 * time.Second

// A Server is one redis-server process, or after Kill the place of one.
type Server struct {
	t    testing.TB
	args []string
	dir  string
	port int

	admin *redis.Client // RESP2, no retry: says what the server says

	mu   sync.Mutex
	proc *process
}

type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start starts a server that answers before Start returns. It syncs its append-only file before it answers (appendfsync
// always), never evicts and writes no snapshots; extra are further options as of the command line ("--appendonly", "no") and
// win over these.
func Start(t testing.TB, extra ...string) *Server {
	t.Helper()
	args := []string{
		"--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", "",
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}
	return start(t, "", append(args, extra...))
}

// StartReplica starts a replica of primary and returns when it is in step.
func StartReplica(t testing.TB, primary *Server, extra ...string) *Server {
	t.Helper()
	s := Start(t, append([]string{"--replicaof", "127.0.0.1", strconv.Itoa(primary.port)}, extra...)...)
	// The primary counts it for WAIT from its first acknowledgement on, which comes after the link is up.
	primary.await("replica in step", func() bool {
		return strings.Contains(primary.Do("info", "replication"), fmt.Sprintf("port=%d,state=online", s.port))
	})
	return s
}

// start starts a server. A non-empty conf is written to a file that the server may rewrite, as Sentinel demands.
func start(t testing.TB, conf string, args []string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is not installed: apt-get install redis-server, or: brew install redis")
	}
	s := &Server{t: t, dir: t.TempDir()}
	t.Cleanup(s.shutdown)
	if conf != "" {
		file := filepath.Join(s.dir, "redis.conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{file}, args...)
	}
	for {
		s.port, _ = strconv.Atoi(FreePort(t))
		s.args = append(args, "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir)
		err := s.launch()
		if err == nil {
			break
		}
		if !errors.Is(err, errPortTaken) {
			t.Fatal(err)
		}
	}
	s.admin = redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: 2})
	return s
}

// Addr is host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the address as a redis:// URL.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Dir is where the server keeps its files.
func (s *Server) Dir() string { return s.dir }

// Do sends a command and returns the reply as text, one line for each element; an error reply fails the test.
func (s *Server) Do(args ...any) string {
	s.t.Helper()
	reply, err := s.TryDo(args...)
	if err != nil {
		s.t.Fatalf("redis at %s: %v: %v", s.Addr(), args, err)
	}
	return reply
}

// TryDo is Do for a server that may refuse or not be there.
func (s *Server) TryDo(args ...any) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	reply, err := s.admin.Do(ctx, args...).Result()
	return text(reply), err
}

func text(reply any) string {
	list, ok := reply.([]any)
	if !ok {
		return fmt.Sprint(reply)
	}
	lines := make([]string, len(list))
	for i, item := range list {
		lines[i] = text(item)
	}
	return strings.Join(lines, "\n")
}

// Conf changes a setting of the running server; Restart forgets it.
func (s *Server) Conf(name, value string) {
	s.t.Helper()
	s.Do("config", "set", name, value)
}

// Kill ends the process at once (SIGKILL), as a crash of redis-server does. Data that it handed to the kernel stays.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return
	}
	_ = s.proc.cmd.Process.Kill() // SIGKILL ends a stopped process too
	<-s.proc.exited
	s.proc = nil
}

// Restart starts the server again on the same port with the same files, killing it first if it runs.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.launch(); err != nil {
		s.t.Fatal(err)
	}
}

// Pause stops the process in its tracks (SIGSTOP): the kernel still accepts connections, nobody answers on them.
func (s *Server) Pause() { s.t.Helper(); s.signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (s *Server) Resume() { s.t.Helper(); s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		s.t.Fatalf("redis at %s does not run", s.Addr())
	}
	if err := s.proc.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) shutdown() {
	s.Kill()
	if s.admin != nil {
		_ = s.admin.Close()
	}
}

var errPortTaken = errors.New("port is taken")

// launch starts the process and waits until it answers a PING, so until it has loaded its files.
func (s *Server) launch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out bytes.Buffer
	cmd := exec.Command("redis-server", s.args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	proc := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(proc.exited)
	}()
	s.proc = proc
	deadline := time.After(patience)
	for {
		select {
		case <-proc.exited:
			s.proc = nil
			if strings.Contains(out.String(), "Address already in use") {
				return errPortTaken
			}
			return fmt.Errorf("redis-server did not start:\n%s", out.String())
		case <-deadline:
			return fmt.Errorf("redis-server at %s does not answer after %v", s.Addr(), patience)
		case <-time.After(5 * time.Millisecond):
			if s.answers() {
				return nil
			}
		}
	}
}

// answers speaks the protocol itself: no client pool that must first forget the server that was here before. An error reply
// counts unless the server is still loading, since it may demand a password.
func (s *Server) answers() bool {
	c, err := net.DialTimeout("tcp", s.Addr(), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	reply := make([]byte, 64)
	n, err := c.Read(reply)
	return err == nil && !bytes.HasPrefix(reply[:n], []byte("-LOADING"))
}

func (s *Server) await(what string, holds func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			s.t.Fatalf("redis at %s: no %s after %v", s.Addr(), what, patience)
		}
		time.Sleep(10 * time.Millisecond) // polls another process, which has no clock of ours
	}
}

// FreePort returns a free loopback port, which stays free between a Kill and its Restart.
func FreePort(t testing.TB) string {
	t.Helper()
	port, err := freeport.Next()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Field returns the value of a field of INFO and its like, lines of name:value; "" when there is none.
func Field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}
