package apiv1

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// An Error is a refusal by the server: a problem (RFC 9457) as it was sent. Programs act on Code.
type Error struct {
	Status     int           `json:"status"`
	Code       string        `json:"code"`
	Title      string        `json:"title"`
	Detail     string        `json:"detail"`
	RequestID  string        `json:"request_id,omitempty"`
	Errors     []FieldError  `json:"errors,omitempty"`
	RetryAfter time.Duration `json:"-"` // from the answer's header; 0 when it has none
}

// A FieldError is one fault of a request with several.
type FieldError struct {
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

// Error is one line, and one more for each fault.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Detail)
	if e.Detail == "" {
		b.WriteString(http.StatusText(e.Status))
	}
	for _, f := range e.Errors {
		b.WriteString("\n  ")
		if f.Path != "" {
			b.WriteString(f.Path + ": ")
		}
		b.WriteString(f.Detail)
	}
	return b.String()
}

// CodeOf returns the code of the Error in err's chain, "" when the server refused nothing.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
