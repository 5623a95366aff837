package web_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// later is the cause of a refusal that knows when it ends.
type later time.Duration

func (l later) Error() string             { return "quota" }
func (l later) RetryAfter() time.Duration { return time.Duration(l) }

// MIS-05: each kind of error has its status, its code and its message, and shows nothing else (RFC 9457).
func TestProblemShowsTheErrorAndNoMore(t *testing.T) {
	inner := errors.New("INNER /etc/passwd pgx.Conn")
	for _, c := range []struct {
		err    error
		status int
		code   string
		retry  string
	}{
		{iam.Errorf(iam.Invalid, "m"), 400, "invalid", ""},
		{iam.Refuse(iam.Invalid, web.CodeBodyTooLarge, "m"), 413, "body_too_large", ""},
		{iam.Refuse(iam.Invalid, web.CodeRequestTimeout, "m"), 408, "request_timeout", ""},
		{iam.Refuse(iam.Invalid, web.CodeUnsupportedMediaType, "m"), 415, "unsupported_media_type", ""},
		{iam.Refuse(iam.Invalid, web.CodeMisdirected, "m"), 421, "misdirected_request", ""},
		{iam.Errorf(iam.Unauthenticated, "m"), 401, "unauthenticated", ""},
		{iam.Errorf(iam.Forbidden, "m"), 403, "forbidden", ""},
		{iam.Errorf(iam.NotFound, "m"), 404, "not_found", ""},
		{iam.Refuse(iam.Conflict, "last_holder", "m"), 409, "last_holder", ""},
		{iam.Errorf(iam.Stale, "m"), 412, "stale", ""},
		{iam.Errorf(iam.TooMany, "m"), 429, "too_many", "1"},
		{iam.Errorf(iam.TooMany, "m").WithCause(later(41001 * time.Millisecond)), 429, "too_many", "42"},
		{iam.Errorf(iam.TooMany, "m").WithCause(later(0)), 429, "too_many", "1"},
		{iam.Errorf(iam.Unavailable, "m").WithCause(inner), 503, "unavailable", "1"},
		{fmt.Errorf("wrapped: %w", iam.Errorf(iam.NotFound, "m").WithCause(inner)), 404, "not_found", ""},
		{iam.Errorf(iam.Internal, "INNER"), 500, "internal", ""},
		{inner, 500, "internal", ""},
	} {
		router := newRouter(t, web.RouterConfig{}, get("/", func(http.ResponseWriter, *http.Request) error { return c.err }))
		w := do(router, httptest.NewRequest("GET", "/", nil))
		p := problem(t, w)
		if w.Code != c.status || p.Code != c.code || w.Header().Get("Retry-After") != c.retry {
			t.Errorf("%v: got %d %q Retry-After %q, want %d %q %q", c.err, w.Code, p.Code, w.Header().Get("Retry-After"), c.status, c.code, c.retry)
		}
		if strings.Contains(w.Body.String(), "INNER") || p.Detail == "" || p.Title != http.StatusText(c.status) || p.Type != "about:blank" || p.RequestID == "" {
			t.Errorf("%v: got %s", c.err, w.Body)
		}
		if got := w.Header().Get("WWW-Authenticate") != ""; got != (c.status == 401) {
			t.Errorf("%v: got WWW-Authenticate %q", c.err, w.Header().Get("WWW-Authenticate"))
		}
	}
}

// A request with many faults hears of all of them.
func TestProblemNamesEachFault(t *testing.T) {
	err := iam.Errorf(iam.Invalid, "2 faults")
	err.Fields = []iam.Field{{Path: "clients[2].role", Message: "no such role"}, {Path: "name", Message: "too long"}}
	router := newRouter(t, web.RouterConfig{}, get("/", func(http.ResponseWriter, *http.Request) error { return err }))
	p := problem(t, do(router, httptest.NewRequest("GET", "/", nil)))
	if want := []web.ProblemField{{Path: "clients[2].role", Detail: "no such role"}, {Path: "name", Detail: "too long"}}; !reflect.DeepEqual(p.Errors, want) {
		t.Errorf("got %v want %v", p.Errors, want)
	}
}

// A fault in making an answer is an error, not half an answer.
func TestJSONFailsBeforeItWrites(t *testing.T) {
	router := newRouter(t, web.RouterConfig{}, get("/", func(w http.ResponseWriter, _ *http.Request) error { return web.JSON(w, 200, func() {}) }))
	if w := do(router, httptest.NewRequest("GET", "/", nil)); w.Code != 500 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
