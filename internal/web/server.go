package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits bound what one connection may take. A zero field has the value of DefaultLimits.
type Limits struct {
	ReadHeader time.Duration // from the first byte, or the end of the handshake, to the end of the header
	Read       time.Duration // to the end of the body
	Write      time.Duration // from the end of the header to the end of the answer; longer answers extend it by http.ResponseController
	Idle       time.Duration // between requests; longer than a balancer's own, which must be the one to close
	Header     int           // bytes of the header; beyond them, and the 4 KiB that net/http adds, the answer is 431
	Streams    int           // requests at once on a connection of HTTP/2
}

// DefaultLimits returns the limits of a public listener.
func DefaultLimits() Limits {
	return Limits{
		ReadHeader: 10 * time.Second,
		Read:       30 * time.Second,
		Write:      60 * time.Second,
		Idle:       120 * time.Second,
		Header:     16 << 10,
		Streams:    100,
	}
}

// NewServer makes the server of a listener. With a TLS configuration it speaks HTTP/1.1 and HTTP/2, without one HTTP/1.1 alone:
// cleartext HTTP/2 would pass by proxies that look at each request. Its own complaints go to log as warnings.
func NewServer(handler http.Handler, tlsConfig *tls.Config, limits Limits, log slog.Handler) *http.Server {
	standard := DefaultLimits()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(tlsConfig != nil)
	return &http.Server{
		Handler:           handler,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: cmp.Or(limits.ReadHeader, standard.ReadHeader),
		ReadTimeout:       cmp.Or(limits.Read, standard.Read),
		WriteTimeout:      cmp.Or(limits.Write, standard.Write),
		IdleTimeout:       cmp.Or(limits.Idle, standard.Idle),
		MaxHeaderBytes:    cmp.Or(limits.Header, standard.Header),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: cmp.Or(limits.Streams, standard.Streams)},
		Protocols:         protocols,
		ErrorLog:          slog.NewLogLogger(log, slog.LevelWarn),
	}
}

// A Drain is how a server ends. The order is the one that was measured to lose nothing: turning connections away before the
// balancer has stopped sending loses the requests that are on their way.
type Drain struct {
	Begin   func()        // makes readiness red; may be nil
	Delay   time.Duration // how long to serve on as ever, kept connections too: at least two of the balancer's probes
	Timeout time.Duration // how long requests under way may then take; what is left is cut
}

// Serve serves until ctx ends and then drains: Begin, serving on for Delay, http.Server.Shutdown, and after Timeout Close. It
// returns nil when every request under way was answered.
func Serve(ctx context.Context, server *http.Server, listener net.Listener, drain Drain) error {
	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(listener, "", "")
		} else {
			failed <- server.Serve(listener)
		}
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	if drain.Begin != nil {
		drain.Begin()
	}
	delay := time.NewTimer(drain.Delay)
	defer delay.Stop()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s while draining: %w", listener.Addr(), err)
	case <-delay.C:
	}
	// ctx has ended; the requests under way have not.
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain.Timeout)
	defer cancel()
	err := server.Shutdown(shutdown)
	if err != nil {
		err = fmt.Errorf("drain %s: requests were cut after %s: %w", listener.Addr(), drain.Timeout, errors.Join(err, server.Close()))
	}
	<-failed
	return err
}
