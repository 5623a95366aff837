package outbound

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// MaxAnswer is the most that is read of an answer.
const MaxAnswer = 1 << 20

// Timeout is how long a call may take, from the name's resolution to the last byte of the answer.
const Timeout = 10 * time.Second

// ErrTooLong is what reading an answer comes to that is longer than MaxAnswer.
var ErrTooLong = errors.New("the answer is too long")

// New returns a client that keeps to the guard: https with TLS 1.2 or later, no proxy, no redirect followed (a redirect is the
// answer), at most Timeout and MaxAnswer. The roots are the system's, or SSL_CERT_FILE's.
func New(g *Guard) *http.Client {
	secure := transport(g)
	t := &guarded{guard: g, secure: secure}
	if g.Loopback {
		// Plain http stays on the machine, whatever else is allowed.
		t.clear = transport(&Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
	}
	return &http.Client{
		Transport: t, Timeout: Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func transport(g *Guard) *http.Transport {
	dialer := &net.Dialer{Timeout: Timeout / 2, Control: g.control}
	return &http.Transport{
		Proxy:                  nil, // a proxy would dial what we must not
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    Timeout / 2,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    2,
		MaxConnsPerHost:        16, // a slow callee does not take all that we have
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // what is counted is what came
	}
}

// guarded refuses what the dialler cannot see, and bounds the answer.
type guarded struct {
	guard         *Guard
	secure, clear *http.Transport
}

// RoundTrip is http.RoundTripper's.
func (t *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.guard.scheme(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // the contract of RoundTripper; nothing was sent
		}
		return nil, err
	}
	by := t.secure
	if r.URL.Scheme == "http" {
		by = t.clear
	}
	resp, err := by.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: MaxAnswer}
	return resp, nil
}

// CloseIdleConnections is called by http.Client's method of that name.
func (t *guarded) CloseIdleConnections() {
	t.secure.CloseIdleConnections()
	if t.clear != nil {
		t.clear.CloseIdleConnections()
	}
}

// bounded is a body that fails once more than left has come, rather than ending as if it were whole.
type bounded struct {
	io.ReadCloser
	left int
}

// Read is io.Reader's.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLong
	}
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return n - 1, ErrTooLong
	}
	return n, err
}
