package apptest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// probePeriod is how often the balancer asks whether a replica is ready. Drain.Delay is at least two of them.
const probePeriod = 100 * time.Millisecond

// Rolling restarts of two replicas behind a balancer that honours readiness lose no request (security catalogue R25).
func TestRollingRestartLosesNoRequest(t *testing.T) {
	t.Parallel()
	first := newSite(t, "GATEHOUSE_STORE="+redistest.Start(t).URL()).production()
	first.set("GATEHOUSE_DRAIN_DELAY=600ms")
	second := first.replica()
	serve := []string{"serve", "--apply", "acme.yaml"}
	replicas := []*process{first.serve(serve[1:]...), second.serve(serve[1:]...)}

	lb := startBalancer(t, replicas...)
	load := startLoad(t, lb.URL, 6)
	for range 2 {
		for i, p := range replicas {
			load.await(100)
			p.terminate()
			if r := p.wait(); r.code != 0 {
				t.Errorf("SIGTERM: got exit code %d, want 0:\n%s", r.code, r.errors)
			}
			replicas[i] = p.site.serve(serve[1:]...)
			lb.await(p.site)
		}
	}
	load.await(100)
	load.stop()
}

// A request that is under way when the process is told to end is answered, and so is one on a kept connection while the balancer
// has not noticed yet.
func TestDrainAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := newSite(t).production()
	s.set("GATEHOUSE_DRAIN_DELAY=500ms")
	p := s.serve("--apply", "acme.yaml")
	body := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"pipeline"}, "client_secret": {pipelineSecret}, "audience": {apptest.Audience},
	}.Encode()
	head := fmt.Sprintf("POST /oauth/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n", s.address, len(body))

	slow, kept := dial(t, s.address), dial(t, s.address)
	kept.send(t, head+body)
	kept.want(t, http.StatusOK)
	slow.send(t, head+body[:10])

	p.terminate()
	await(t, "red readiness", func() bool {
		a, err := p.probe("/readyz")
		return err == nil && a.Status == http.StatusServiceUnavailable
	})
	kept.send(t, head+body)
	kept.want(t, http.StatusOK)
	await(t, "closed listener", func() bool {
		c, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	slow.send(t, body[10:])
	slow.want(t, http.StatusOK)
	if r := p.wait(); r.code != 0 {
		t.Errorf("SIGTERM: got exit code %d, want 0:\n%s", r.code, r.errors)
	}
}

// A wire is a connection that a test writes itself.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, address string) wire {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return wire{c, bufio.NewReader(c)}
}

func (w wire) send(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

func (w wire) want(t testing.TB, status int) {
	t.Helper()
	response, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != status {
		t.Fatalf("got %d %s, %v, want %d", response.StatusCode, body, err, status)
	}
}

// A balancer sends requests in turn to the replicas that said at the last probe that they are ready. It tries no request twice.
type balancer struct {
	*httptest.Server
	t        testing.TB
	backends []*backend
}

type backend struct {
	site  *site
	ready atomic.Bool
	proxy *httputil.ReverseProxy
}

func startBalancer(t testing.TB, replicas ...*process) *balancer {
	t.Helper()
	b := &balancer{t: t}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	for _, p := range replicas {
		target := &url.URL{Scheme: "http", Host: p.address}
		b.backends = append(b.backends, &backend{site: p.site, proxy: &httputil.ReverseProxy{
			Transport: transport,
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				http.Error(w, "balancer: "+err.Error(), http.StatusBadGateway)
			},
		}})
	}
	var next atomic.Uint64
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := next.Add(1)
		for i := range uint64(len(b.backends)) {
			if backend := b.backends[(start+i)%uint64(len(b.backends))]; backend.ready.Load() {
				backend.proxy.ServeHTTP(w, r)
				return
			}
		}
		http.Error(w, "balancer: no replica is ready", http.StatusBadGateway)
	}))
	stop := make(chan struct{})
	var probing sync.WaitGroup
	for _, x := range b.backends {
		x.probe()
		probing.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(probePeriod):
					x.probe()
				}
			}
		})
	}
	t.Cleanup(func() { close(stop); probing.Wait(); b.Close(); transport.CloseIdleConnections() })
	return b
}

var prober = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (b *backend) probe() {
	response, err := prober.Get("http://" + b.site.operations + "/readyz")
	if err == nil {
		_ = response.Body.Close()
	}
	b.ready.Store(err == nil && response.StatusCode == http.StatusOK)
}

// await waits until the balancer knows that a replica is back.
func (b *balancer) await(s *site) {
	b.t.Helper()
	await(b.t, "replica known to the balancer", func() bool {
		for _, x := range b.backends {
			if x.site == s {
				return x.ready.Load()
			}
		}
		return false
	})
}

// A load is clients that fetch tokens without pause on kept connections.
type load struct {
	t       testing.TB
	done    chan struct{}
	once    sync.Once
	running sync.WaitGroup
	count   atomic.Int64
	mu      sync.Mutex
	faults  []string
}

func startLoad(t testing.TB, address string, clients int) *load {
	t.Helper()
	l := &load{t: t, done: make(chan struct{})}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"pipeline"}, "client_secret": {pipelineSecret}, "audience": {apptest.Audience}}.Encode()
	for range clients {
		l.running.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: patience}
			for {
				select {
				case <-l.done:
					return
				case <-time.After(2 * time.Millisecond): // leaves the other tests some of the machine
				}
				l.note(client.Post(address+"/oauth/token", "application/x-www-form-urlencoded", strings.NewReader(form)))
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

func (l *load) note(response *http.Response, err error) {
	l.count.Add(1)
	if err == nil {
		defer response.Body.Close()
		var body []byte
		if body, err = io.ReadAll(response.Body); err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("%d %s", response.StatusCode, body)
		}
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.faults = append(l.faults, err.Error())
	}
}

// await waits for so many more requests.
func (l *load) await(n int64) {
	l.t.Helper()
	from := l.count.Load()
	await(l.t, "load", func() bool { return l.count.Load() >= from+n })
}

// stop ends the load and reports every request that failed.
func (l *load) stop() {
	l.once.Do(func() {
		close(l.done)
		l.running.Wait()
		if len(l.faults) > 0 {
			l.t.Errorf("%d of %d requests failed, want none: %.3000q", len(l.faults), l.count.Load(), l.faults)
		}
	})
}
