package iam

import (
	"errors"
	"fmt"
)

// A Kind says what the caller can do about an Error. It decides the HTTP status; the Code decides the wording for programs.
type Kind uint8

// The kinds of error. The zero value is Internal, so that an error nobody classified is never taken for the caller's fault.
const (
	Internal        Kind = iota // a fault of ours: 500, details only in the log
	Invalid                     // the request can never succeed as it is: 400 or 422
	Unauthenticated             // who asks is not known: 401
	Forbidden                   // who asks is known and may not: 403
	NotFound                    // absent, or its existence is not the caller's to know: 404
	Conflict                    // the state of things forbids it now: 409
	Stale                       // the caller decided on an old version: 412
	TooMany                     // a limit is reached, later is fine: 429
	Unavailable                 // the store or a peer does not answer: 503, retry later
)

var kindCodes = [...]string{"internal", "invalid", "unauthenticated", "forbidden", "not_found", "conflict", "stale", "too_many", "unavailable"}

// String returns the Code of an error of this kind that has none of its own.
func (k Kind) String() string {
	if int(k) < len(kindCodes) {
		return kindCodes[k]
	}
	return kindCodes[Internal]
}

// An Error is a refusal or a fault that has an audience: Kind to act on, Code for programs, Message for the reader of the
// answer, Cause for the log alone.
type Error struct {
	Kind    Kind
	Code    string // stable snake_case: "not_found", "last_holder", "invalid_target"
	Message string // a sentence without secrets, shown to whoever asked
	Cause   error  // never shown
	Fields  []Field
}

// A Field names one fault of a request with many: Path as in "clients[2].role".
type Field struct{ Path, Message string }

// Errorf makes an Error whose code is the kind's own.
func Errorf(kind Kind, format string, args ...any) *Error {
	return Refuse(kind, kind.String(), format, args...)
}

// Refuse makes an Error with a code of its own.
func Refuse(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithCause returns a copy of e that carries cause for the log.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// Error is for logs: it includes the cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Code + ": " + e.Message
	}
	return e.Code + ": " + e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first Error in err's chain, Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// CodeOf returns the code of the first Error in err's chain, "internal" when there is none.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal.String()
}
