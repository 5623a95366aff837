package apptest

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// Replicas starts several brokers on one folder and one store, which the options must name, behind a front that gives every request to
// the next of them: whatever takes two requests is begun at one and finished at another. The broker that it returns is the front; it
// has no Handler and no Ops of its own.
func Replicas(t testing.TB, n int, opts ...Option) *Broker {
	t.Helper()
	address, data := FreeAddress(t), t.TempDir()
	b := &Broker{T: t, URL: "http://" + address, Issuer: "http://" + address, Data: data, Log: &Log{}}
	opts = append([]Option{Data(data), Set("issuer", b.Issuer)}, opts...)
	var to []*url.URL
	for range n {
		replica := Start(t, opts...)
		u, err := url.Parse(replica.URL)
		if err != nil {
			t.Fatal(err)
		}
		b.app, to = replica.app, append(to, u)
	}
	var turn atomic.Uint64
	front := &http.Server{Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		next := turn.Load()
		if !strings.HasPrefix(r.In.URL.Path, "/assets/") { // which a browser asks for when it likes
			next = turn.Add(1)
		}
		r.SetURL(to[next%uint64(n)])
		r.Out.Host = r.In.Host
	}}}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = front.Serve(listener) // until it is closed
	}()
	t.Cleanup(func() {
		_ = front.Close()
		<-ended
	})
	return b
}
