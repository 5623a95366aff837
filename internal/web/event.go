package web

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// An event is one request: what its log line will say, and the context that its handlers see, so that both cost one allocation.
type event struct {
	context.Context
	response
	start     time.Time
	id        string
	idHeader  [1]string
	peer      netip.Addr
	route     string
	vars      map[string]string
	form      Form
	err       error
	broken    bool       // the answer had begun when err came
	mu        sync.Mutex // handlers may add from goroutines of their own
	attrs     []slog.Attr
	attrSpace [eventOwnAttrs + 9]slog.Attr
}

const (
	eventOwnAttrs = 7         // set by end, before those that handlers add
	maxAttr       = 256       // bytes of a string that a stranger may have chosen
	maxCause      = 1024      // bytes of an error in the log
	statusGone    = 499       // logged when the client left before it was answered; never sent
	noRoute       = "unknown" // the route of what is not found
)

type eventKey struct{}

// Value finds the event itself, for the functions below.
func (e *event) Value(key any) any {
	if _, ok := key.(eventKey); ok {
		return e
	}
	return e.Context.Value(key)
}

func eventOf(ctx context.Context) *event {
	e, _ := ctx.Value(eventKey{}).(*event)
	return e
}

// Add puts attributes into the log line of the request that ctx belongs to, such as client_id and grant_type. They must not be
// secret. Long strings are cut; what comes after the answer is in no line, and so is all outside a request.
func Add(ctx context.Context, attrs ...slog.Attr) {
	e := eventOf(ctx)
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range attrs {
		if a.Value.Kind() == slog.KindString {
			a.Value = slog.StringValue(cut(a.Value.String(), maxAttr))
		}
		e.attrs = append(e.attrs, a)
	}
}

// SetRoute names the request's route for the log, where a Prefix route leads to a router of its own. The name is a template such
// as "/api/v1/users/{user}", never the path.
func SetRoute(ctx context.Context, route string) {
	if e := eventOf(ctx); e != nil {
		e.route = route
	}
}

// RequestID returns the id under which the request that ctx belongs to is logged; the answer carries it in X-Request-Id.
func RequestID(ctx context.Context) string {
	if e := eventOf(ctx); e != nil {
		return e.id
	}
	return ""
}

// Peer returns the address that the request came from, as Proxies.ClientIP has found it.
func Peer(ctx context.Context) netip.Addr {
	if e := eventOf(ctx); e != nil {
		return e.peer
	}
	return netip.Addr{}
}

// requestID keeps an id that a proxy in front has chosen, when it cannot do harm in a log or a header, else makes one.
// It names a request and is no secret.
func requestID(offered []string) string {
	if len(offered) == 1 && offered[0] != "" && len(offered[0]) <= 64 && plain(offered[0]) {
		return offered[0]
	}
	var raw [16]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		raw[i], raw[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
	}
	var text [32]byte
	hex.Encode(text[:], raw[:])
	return string(text[:])
}

// plain reports whether s has only letters, digits and - _ . in it.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; !unreserved(c) || c == '~' {
			return false
		}
	}
	return true
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// A panicError is a panic of a handler on its way to the log.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return "panic: " + fmt.Sprint(p.value) }

// end writes the log line: one for each request, whatever happened to it.
func (e *event) end(log slog.Handler, method string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	level := slog.LevelInfo
	switch {
	case e.status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case e.status >= 500, e.broken:
		level = slog.LevelError
	}
	if !log.Enabled(e.Context, level) {
		return
	}
	if e.err != nil {
		e.attrs = append(e.attrs, slog.String("error", iam.CodeOf(e.err)), slog.String("cause", cut(e.err.Error(), maxCause)))
		var p *panicError
		if errors.As(e.err, &p) {
			e.attrs = append(e.attrs, slog.String("stack", string(p.stack)))
		}
	}
	copy(e.attrs, []slog.Attr{
		slog.String("method", method),
		slog.String("route", e.route),
		slog.Int("status", e.status),
		slog.Int64("duration_us", now.Sub(e.start).Microseconds()),
		slog.Int64("bytes", e.bytes),
		slog.String("request_id", e.id),
		{Key: "peer", Value: addrValue(e.peer)},
	})
	record := slog.NewRecord(now, level, "request", 0)
	// A group without a name is written inline; it spares the copy that more than five attributes would cost.
	record.AddAttrs(slog.Attr{Value: slog.GroupValue(e.attrs...)})
	_ = log.Handle(e.Context, record) // A log that cannot be written must not fail a request that succeeded.
}

func addrValue(ip netip.Addr) slog.Value {
	if !ip.IsValid() {
		return slog.StringValue("")
	}
	return slog.StringValue(ip.String())
}

// knownMethod returns method, or OTHER for one that a stranger made up.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "OTHER"
}

// A response counts what is sent.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx are not the answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for writers of streams that look for an http.Flusher.
func (w *response) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush() // An unflushed answer is still sent when its handler returns.
}

// protect calls h and turns a panic into an error. http.ErrAbortHandler stays what it is: a wish to cut the connection.
func protect(h Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				err = http.ErrAbortHandler
				return
			}
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return h(w, r)
}
