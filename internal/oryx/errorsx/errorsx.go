// Package errorsx is the part of github.com/ory/x/errorsx that fosite calls.
//
// It replaces the original through the replace directive of the main module, so that a token endpoint does not link gRPC,
// Jaeger and a database library. WithStack keeps the error as it is: fosite wraps an error on its success path once for each
// handler that a request is not for, and a stack trace there is pure cost.
package errorsx

// StatusCodeCarrier is an error that knows its HTTP status.
type StatusCodeCarrier interface{ StatusCode() int }

// RequestIDCarrier is an error that knows the request that it answers.
type RequestIDCarrier interface{ RequestID() string }

// ReasonCarrier is an error that knows why it happened.
type ReasonCarrier interface{ Reason() string }

// DebugCarrier is an error with a detail for the log.
type DebugCarrier interface{ Debug() string }

// StatusCarrier is an error with the text of its HTTP status.
type StatusCarrier interface{ Status() string }

// Cause returns the innermost error that err wraps through a Cause method.
func Cause(err error) error {
	for err != nil {
		c, ok := err.(interface{ Cause() error })
		if !ok || c.Cause() == nil {
			break
		}
		err = c.Cause()
	}
	return err
}

// WithStack returns err unchanged.
func WithStack(err error) error { return err }
