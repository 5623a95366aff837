package outbound_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/outbound"
)

// canary is a server that nobody should reach; it counts who did.
func canary(t *testing.T, start func(http.Handler) *httptest.Server, handle http.HandlerFunc) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	hits := new(atomic.Int32)
	s := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		if handle != nil {
			handle(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s, hits
}

func client(t *testing.T, g *outbound.Guard, trusted *httptest.Server) *http.Client {
	t.Helper()
	c := outbound.New(g)
	t.Cleanup(c.CloseIdleConnections)
	if trusted != nil && trusted.TLS != nil {
		roots := x509.NewCertPool()
		roots.AddCert(trusted.Certificate())
		outbound.Trust(c, roots)
	}
	return c
}

// A name is judged by what it resolves to when it is dialled: "localhost" is 127.0.0.1 however innocent it looks.
func TestWhatANameResolvesToIsWhatCounts(t *testing.T) {
	s, hits := canary(t, httptest.NewTLSServer, nil)
	c := client(t, new(outbound.Guard), s)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "https://"), ":")
	for _, host := range []string{"localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "127.1"} {
		resp, err := c.Get("https://" + host + ":" + port + "/")
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s: got %s, want a refusal", host, resp.Status)
		}
		if host == "localhost" && !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", host, err)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the server was reached %d times", n)
	}
}

func TestWhatTheOperatorAllowsIsCalled(t *testing.T) {
	s, hits := canary(t, httptest.NewTLSServer, nil)
	c := client(t, &outbound.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, s)
	resp, err := c.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if hits.Load() != 1 {
		t.Errorf("reached %d times, want once", hits.Load())
	}
	// Allowing a network does not allow plain http in it.
	plain, clearHits := canary(t, httptest.NewServer, nil)
	if _, err := c.Get(plain.URL); !errors.Is(err, outbound.ErrRefused) || clearHits.Load() != 0 {
		t.Errorf("http: got %v and %d calls, want ErrRefused and none", err, clearHits.Load())
	}
}

func TestADevelopersMachineCallsItselfInClearAndNobodyElse(t *testing.T) {
	s, _ := canary(t, httptest.NewServer, nil)
	c := client(t, &outbound.Guard{Loopback: true, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, nil)
	resp, err := c.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if _, err := c.Get("http://192.0.2.1/"); !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("http to an allowed network: got %v, want ErrRefused", err)
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	target, hits := canary(t, httptest.NewServer, nil)
	s, _ := canary(t, httptest.NewServer, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	})
	resp, err := client(t, &outbound.Guard{Loopback: true}, nil).Post(s.URL, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect || hits.Load() != 0 {
		t.Errorf("got %s and %d calls of the target, want 307 and none", resp.Status, hits.Load())
	}
}

func TestALongAnswerIsAnErrorAndNotAShortOne(t *testing.T) {
	size := outbound.MaxAnswer
	s, _ := canary(t, httptest.NewServer, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) })
	c := client(t, &outbound.Guard{Loopback: true}, nil)
	read := func() (int, error) {
		resp, err := c.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return len(b), err
	}
	if n, err := read(); n != size || err != nil {
		t.Errorf("%d bytes: got %d, %v", size, n, err)
	}
	size++
	if n, err := read(); n != outbound.MaxAnswer || !errors.Is(err, outbound.ErrTooLong) {
		t.Errorf("%d bytes: got %d, %v, want ErrTooLong", size, n, err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s, hits := canary(t, func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		s.StartTLS()
		return s
	}, nil)
	if _, err := client(t, &outbound.Guard{Loopback: true}, s).Get(s.URL); err == nil || hits.Load() != 0 {
		t.Errorf("TLS 1.1: got %v and %d calls, want an error and none", err, hits.Load())
	}
}
