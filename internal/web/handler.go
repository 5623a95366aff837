package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Handler answers a request, or returns why it did not and leaves w untouched: the route's ErrorWriter writes the answer.
type Handler func(w http.ResponseWriter, r *http.Request) error

// An ErrorWriter writes err in the form of one surface: Problem for the API, the JSON of RFC 6749 §5.2 for OAuth, a page for
// people. It shows no more of err than the Code, Message and Fields of its iam.Error, and nothing at all of an Internal one.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, err error)

// FromHTTP makes a Handler of h, which writes its own errors.
func FromHTTP(h http.Handler) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

// JSON writes v as the whole answer. The answer is marshalled first, so that a fault is still an error and not half an answer.
func JSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header()["Content-Type"] = contentJSON
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

// The codes of the refusals that this package makes. Those whose HTTP status is not that of their kind are in StatusOf.
const (
	CodeMalformed            = "malformed_request" // it cannot be read; "invalid" is the code of what can, and asks for what cannot be
	CodeBodyTooLarge         = "body_too_large"
	CodeRequestTimeout       = "request_timeout"
	CodeUnsupportedMediaType = "unsupported_media_type"
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeMisdirected          = "misdirected_request"
	CodeOverloaded           = "overloaded"
)

// Status returns the HTTP status of a kind of error.
func Status(kind iam.Kind) int {
	switch kind {
	case iam.Invalid:
		return http.StatusBadRequest
	case iam.Unauthenticated:
		return http.StatusUnauthorized
	case iam.Forbidden:
		return http.StatusForbidden
	case iam.NotFound:
		return http.StatusNotFound
	case iam.Conflict:
		return http.StatusConflict
	case iam.Stale:
		return http.StatusPreconditionFailed
	case iam.TooMany:
		return http.StatusTooManyRequests
	case iam.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// StatusOf returns the HTTP status of err: that of its code where HTTP has one of its own, else that of its kind.
func StatusOf(err error) int {
	var e *iam.Error
	if !errors.As(err, &e) {
		return http.StatusInternalServerError
	}
	if e.Kind == iam.Invalid {
		switch e.Code {
		case CodeBodyTooLarge:
			return http.StatusRequestEntityTooLarge
		case CodeRequestTimeout:
			return http.StatusRequestTimeout
		case CodeUnsupportedMediaType:
			return http.StatusUnsupportedMediaType
		case CodeMethodNotAllowed:
			return http.StatusMethodNotAllowed
		case CodeMisdirected:
			return http.StatusMisdirectedRequest
		}
	}
	return Status(e.Kind)
}
