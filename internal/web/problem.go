package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A ProblemBody is the JSON of an error on the API surface (RFC 9457 §3.1). Type is always about:blank, so Title is the status
// in words; programs act on Code. Errors names each fault of a request that has many.
type ProblemBody struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Code      string         `json:"code"`
	RequestID string         `json:"request_id,omitempty"`
	Errors    []ProblemField `json:"errors,omitempty"`
}

// A ProblemField is one fault: Path as in "clients[2].role", Detail a sentence.
type ProblemField struct {
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

// ProblemOf returns what may be shown of err, without its RequestID. An Internal error shows nothing of itself.
func ProblemOf(err error) ProblemBody {
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind == iam.Internal {
		e = &iam.Error{Kind: iam.Internal, Code: iam.Internal.String(), Message: "the server met a fault of its own; its log has the details under this request id"}
	}
	status := StatusOf(e)
	p := ProblemBody{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code}
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, ProblemField{Path: f.Path, Detail: f.Message})
	}
	return p
}

// Problem is the ErrorWriter of the API surface: application/problem+json (RFC 9457).
func Problem(w http.ResponseWriter, r *http.Request, err error) {
	p := ProblemOf(err)
	p.RequestID = RequestID(r.Context())
	h := w.Header()
	if p.Status == http.StatusUnauthorized && h["Www-Authenticate"] == nil {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 §15.5.2: a 401 names a scheme.
	}
	SetRetryAfter(h, err)
	body, fault := json.Marshal(p)
	if fault != nil {
		panic(fault) // Strings and integers always marshal.
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	// A failed write means that the peer has gone: nobody is left to tell.
	_, _ = w.Write(body)
}

// A Wait is the cause of a refusal that ends by itself: how long that takes.
type Wait time.Duration

// Error implements error.
func (w Wait) Error() string { return "for " + time.Duration(w).Round(time.Second).String() }

// RetryAfter is what SetRetryAfter looks for.
func (w Wait) RetryAfter() time.Duration { return time.Duration(w) }

// SetRetryAfter sets Retry-After (RFC 9110 §10.2.3) on answers of 429 and 503, in whole seconds and at least 1. An error in
// err's chain that knows when says so by a method RetryAfter() time.Duration.
func SetRetryAfter(h http.Header, err error) {
	if kind := iam.KindOf(err); kind != iam.TooMany && kind != iam.Unavailable {
		return
	}
	seconds := int64(1)
	var timed interface{ RetryAfter() time.Duration }
	if errors.As(err, &timed) {
		seconds = max(1, int64((timed.RetryAfter()+time.Second-1)/time.Second))
	}
	h.Set("Retry-After", strconv.FormatInt(seconds, 10))
}
