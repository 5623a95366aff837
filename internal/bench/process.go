package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a server under measurement.
type process struct {
	cmd  *exec.Cmd
	addr string
	data string        // the broker's folder
	up   time.Duration // from start to the first good answer
	log  *os.File
}

// cpu returns the time that the process has used, in user and kernel mode.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("bench reads processor time from /proc, so it runs on Linux: %w", err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("unexpected /proc/PID/stat")
	}
	user, err1 := strconv.Atoi(fields[11])
	kernel, err2 := strconv.Atoi(fields[12])
	const tick = time.Second / 100 // USER_HZ, the same on every Linux
	return time.Duration(user+kernel) * tick, errors.Join(err1, err2)
}

// resident returns the memory that the process holds, in MiB: VmRSS, or RssAnon, which leaves out the pages of files that it has
// mapped and that the system takes back when it needs them.
func (p *process) resident(what string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, what+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kb) / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/PID/status", what)
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	done := make(chan struct{})
	go func() { defer close(done); _ = p.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
	if p.log != nil {
		_ = p.log.Close()
	}
}

// startFloor starts this program as the floor.
func startFloor(ctx context.Context, payload int, redisAddr string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "floor", "-payload", strconv.Itoa(payload), "-redis", redisAddr)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start the floor: %w", err)
	}
	return &process{cmd: cmd, addr: strings.TrimSpace(addr)}, nil
}

// startBroker starts the broker in development mode over a store and waits until it is ready.
func (o options) startBroker(ctx context.Context, data, store string, settings ...string) (*process, error) {
	public, operations, err := twoAddresses()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(data, "broker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "serve", "--dev", "--data", data)
	cmd.Env = append(os.Environ(), append(settings, "GATEHOUSE_STORE="+store, "GATEHOUSE_LISTEN="+public, "GATEHOUSE_OPERATIONS_LISTEN="+operations)...)
	cmd.Stdout, cmd.Stderr = log, log
	p := &process{cmd: cmd, addr: public, data: data, log: log}
	start := time.Now()
	if err := startOn(o.cpus, cmd); err != nil {
		return nil, err
	}
	for {
		r, err := http.Get("http://" + operations + "/readyz")
		if err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				p.up = time.Since(start)
				return p, nil
			}
		}
		if time.Since(start) > 20*time.Second || ctx.Err() != nil {
			p.stop()
			return nil, fmt.Errorf("the broker did not become ready; its log is %s", log.Name())
		}
		time.Sleep(time.Millisecond)
	}
}

func twoAddresses() (a, b string, err error) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer first.Close()
	second, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer second.Close()
	return first.Addr().String(), second.Addr().String(), nil
}

// A redisServer is a Redis of the bench's own. It does not sync its file: the bench measures the broker, and the token path
// writes nothing.
type redisServer struct {
	process
	url string
}

func startRedis(ctx context.Context, dir string) (*redisServer, error) {
	addr, _, err := twoAddresses()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(ctx, "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no", "--loglevel", "warning")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (install it: apt-get install redis-server, or brew install redis)", err)
	}
	s := &redisServer{process: process{cmd: cmd, addr: addr}, url: "redis://" + addr}
	for range 500 {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return s, conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.stop()
	return nil, errors.New("redis-server did not start")
}
