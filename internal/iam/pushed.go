package iam

import "time"

// A PushedRequest is an authorization request that a client has sent ahead, for a browser to name (RFC 9126).
type PushedRequest struct {
	Client ClientID            `json:"client"`
	Form   map[string][]string `json:"form"`    // its parameters; nothing that the client proved itself with
	EndsAt time.Time           `json:"ends_at"` // until then a browser may come with it
	// KeptUntil is when the record ends: a browser that came in time is still signing somebody in.
	KeptUntil time.Time `json:"kept_until"`
}
