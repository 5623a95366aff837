package web_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// backend is one of the replicas behind a balancer.
type backend struct {
	url       string
	readiness *web.Readiness
	ready     atomic.Bool // what the balancer believes
	stop      context.CancelFunc
	ended     chan error
}

func startBackend(t *testing.T, probe time.Duration) *backend {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	b := &backend{readiness: web.NewReadiness(), stop: stop, ended: make(chan error, 1)}
	b.ready.Store(true)
	public := newRouter(t, web.RouterConfig{}, web.Route{Methods: []string{"POST"}, Path: "/oauth/token", Form: &web.FormOptions{}, Handler: ok})
	operations, err := web.NewOperations(slog.DiscardHandler, web.NewMetrics(), b.readiness)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/readyz", operations)
	mux.Handle("/", public)
	l := listen(t)
	b.url = "http://" + l.Addr().String()
	server := web.NewServer(mux, nil, web.Limits{}, slog.DiscardHandler)
	go func() {
		b.ended <- web.Serve(ctx, server, l, web.Drain{Begin: b.readiness.Drain, Delay: 5 * probe, Timeout: 5 * time.Second})
	}()
	return b
}

// R25, P6: a replica behind a balancer that honours readiness ends without one failed request, with 32 clients that POST on
// kept connections all the while.
func TestDrainLosesNoRequest(t *testing.T) {
	const probe = 20 * time.Millisecond
	backends := []*backend{startBackend(t, probe), startBackend(t, probe)}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // the balancer's probes
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		for tick := time.NewTicker(probe); ; {
			select {
			case <-quit:
				tick.Stop()
				return
			case <-tick.C:
			}
			for _, b := range backends {
				res, err := client.Get(b.url + "/readyz")
				if err == nil {
					_ = res.Body.Close()
				}
				b.ready.Store(err == nil && res.StatusCode == 200)
			}
		}
	})
	var answered, onDraining, failed atomic.Int64
	for c := range 32 {
		wg.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			for i := c; ; i++ {
				select {
				case <-quit:
					return
				default:
				}
				b := backends[i%2]
				if !b.ready.Load() {
					b = backends[(i+1)%2]
				}
				r, _ := http.NewRequest("POST", b.url+"/oauth/token", strings.NewReader("grant_type=x"))
				r.Header.Set("Content-Type", formType)
				r.GetBody = nil // so that no failure is repaired by a retry
				res, err := transport.RoundTrip(r)
				if err == nil {
					_, err = io.ReadAll(res.Body)
					_ = res.Body.Close()
				}
				if err != nil || res.StatusCode != 200 {
					failed.Add(1)
					t.Logf("failed: %v", err)
					continue
				}
				answered.Add(1)
				if b == backends[0] {
					onDraining.Add(1)
				}
			}
		})
	}
	for onDraining.Load() < 500 {
		time.Sleep(time.Millisecond)
	}
	backends[0].stop()
	if err := <-backends[0].ended; err != nil {
		t.Errorf("drain: %v", err)
	}
	rest := answered.Load()
	for answered.Load() < rest+500 {
		time.Sleep(time.Millisecond)
	}
	close(quit)
	wg.Wait()
	backends[1].stop()
	if err := <-backends[1].ended; err != nil {
		t.Errorf("drain of the other: %v", err)
	}
	if n := failed.Load(); n != 0 {
		t.Errorf("%d of %d requests failed", n, n+answered.Load())
	}
}

// A drain goes on serving new connections until its delay is over, then waits for what is under way, and at the end of its
// patience cuts that and says so.
func TestServeDrainsInOrder(t *testing.T) {
	begun, release := make(chan struct{}, 1), make(chan struct{})
	router := newRouter(t, web.RouterConfig{}, get("/quick", ok), get("/slow", func(w http.ResponseWriter, r *http.Request) error {
		begun <- struct{}{}
		select {
		case <-release:
			return ok(w, r)
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}))
	for _, patient := range []bool{true, false} {
		l := listen(t)
		url := "http://" + l.Addr().String()
		timeout := 10 * time.Second
		if !patient {
			timeout = 10 * time.Millisecond
		}
		ctx, stop := context.WithCancel(t.Context())
		red, ended := make(chan struct{}), make(chan error, 1)
		server := web.NewServer(router, nil, web.Limits{}, slog.DiscardHandler)
		go func() {
			ended <- web.Serve(ctx, server, l, web.Drain{Begin: func() { close(red) }, Delay: 300 * time.Millisecond, Timeout: timeout})
		}()
		answer := make(chan error, 1)
		go func() {
			res, err := http.Get(url + "/slow")
			if err == nil {
				_, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
			}
			answer <- err
		}()
		<-begun
		stop()
		<-red
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url + "/quick")
		if err != nil {
			t.Fatalf("a new connection during the delay: %v", err)
		}
		_ = res.Body.Close()
		if patient {
			release <- struct{}{}
		}
		err, lost := <-ended, <-answer
		if patient && (err != nil || lost != nil) {
			t.Errorf("patient: Serve says %v, the client %v", err, lost)
		}
		if !patient && (!errors.Is(err, context.DeadlineExceeded) || lost == nil) {
			t.Errorf("impatient: Serve says %v, the client %v", err, lost)
		}
	}
}

// A listener that fails is an error at once, not a server that answers nobody.
func TestServeReturnsListenerError(t *testing.T) {
	l := listen(t)
	_ = l.Close()
	if err := web.Serve(t.Context(), web.NewServer(http.NotFoundHandler(), nil, web.Limits{}, slog.DiscardHandler), l, web.Drain{}); err == nil {
		t.Error("got no error")
	}
}

// pipes is a listener for connections in memory, so that a test's clock governs their deadlines.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// DOS-03, DOS-04, R32: who sends a header or a body too slowly, reads too slowly or says nothing is cut at its limit, and holds
// no slot while it dawdles.
func TestSlowClientsAreCut(t *testing.T) {
	limit := web.NewLimiterOf("t", 1, 0, time.Second)
	for name, c := range map[string]struct {
		send   string
		repeat string // sent every 5 s
		reads  bool
		after  time.Duration
	}{
		"header":   {"GET / HTTP/1.1\r\n", "X: y\r\n", true, 10 * time.Second},
		"body":     {"POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: " + formType + "\r\nContent-Length: 1000\r\n\r\n", "a", true, 30 * time.Second},
		"idle":     {"GET /small HTTP/1.1\r\nHost: x\r\n\r\n", "", true, 120 * time.Second},
		"read":     {"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", "", false, 60 * time.Second},
		"no bytes": {"", "", true, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				large := get("/large", func(w http.ResponseWriter, _ *http.Request) error {
					_, err := w.Write(make([]byte, 1<<20))
					return err
				})
				form := web.Route{Methods: []string{"POST"}, Path: "/form", Form: &web.FormOptions{}, Limit: limit, Handler: ok}
				router := newRouter(t, web.RouterConfig{}, get("/small", ok), large, form)
				l := newPipes()
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					ended <- web.Serve(ctx, web.NewServer(router, nil, web.Limits{}, slog.DiscardHandler), l, web.Drain{Timeout: time.Minute})
				}()
				conn := l.dial()
				start := time.Now()
				var sender sync.WaitGroup
				sender.Go(func() {
					_, err := io.WriteString(conn, c.send)
					for err == nil && c.repeat != "" {
						time.Sleep(5 * time.Second)
						_, err = io.WriteString(conn, c.repeat)
					}
				})
				if name == "body" {
					time.Sleep(20 * time.Second)
					if s := limit.State(); s.Working != 0 {
						t.Errorf("a slow body holds a slot: %+v", s)
					}
				}
				if c.reads {
					_, _ = io.Copy(io.Discard, conn)
				} else {
					time.Sleep(2 * c.after)
					n, _ := io.Copy(io.Discard, conn)
					if n > 64<<10 {
						t.Errorf("got %d bytes after the limit", n)
					}
					start = start.Add(c.after) // the cut itself is not seen from here
				}
				if took := time.Since(start); took < c.after-time.Second || took > c.after+6*time.Second {
					t.Errorf("cut after %v, want %v", took, c.after)
				}
				_ = conn.Close()
				sender.Wait()
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// DOS-05: a header beyond 16 KiB is 431. DOS-12: HTTP/2 is not spoken in clear.
func TestServerRefusesLargeHeadersAndCleartextHTTP2(t *testing.T) {
	l := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- web.Serve(ctx, web.NewServer(newRouter(t, web.RouterConfig{}, get("/", ok)), nil, web.Limits{}, slog.DiscardHandler), l, web.Drain{Timeout: time.Second})
	}()
	ask := func(request string) string {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		go func() { _, _ = io.WriteString(conn, request) }()
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return strings.TrimSpace(line)
	}
	for _, c := range []struct{ name, request, want string }{
		{"15 KiB", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + strings.Repeat("a", 15<<10) + "\r\n\r\n", "HTTP/1.1 200 OK"},
		{"21 KiB", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 21<<10) + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		{"10000 cookies", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("Cookie: a=b\r\n", 10_000) + "\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		{"h2c", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 404 Not Found"},
		{"h2c upgrade", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n", "HTTP/1.1 200 OK"},
	} {
		if got := ask(c.request); got != c.want {
			t.Errorf("%s: got %q want %q", c.name, got, c.want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
