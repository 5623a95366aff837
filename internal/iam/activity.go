package iam

import "time"

// FailedAuthentications counts what failed for one subject, from one network, in one minute.
type FailedAuthentications struct {
	Organization NodeID    `json:"organization,omitempty"` // of the subject, or the node that it belongs to; "": it belongs to none
	Subject      string    `json:"subject"`                // as Subject.String writes it, SubjectUnknown or SubjectOther
	Network      string    `json:"network,omitempty"`      // an IPv4 address or a /64 of IPv6; "": one of too many
	Minute       time.Time `json:"minute"`
	First        time.Time `json:"first"`
	Last         time.Time `json:"last"`
	Count        int64     `json:"count"`
}

// What FailedAuthentications counts together: those of subjects that do not exist, and those that are too many to be told apart.
const (
	SubjectUnknown = "unknown"
	SubjectOther   = "other"
)

// A Use names what can have been used: a secret of a client, or a subject in an organization by a token that speaks for it there.
type Use struct {
	Organization NodeID
	Subject      Subject
	Secret       SecretID
}

// A LastUse tells when something was used last.
type LastUse struct {
	Use
	At time.Time
}

// A DeniedRequest is a token request of an authenticated client that was refused, kept so that the refusal can be explained.
type DeniedRequest struct {
	RequestID string     `json:"request_id"`
	At        time.Time  `json:"at"`
	Client    ClientID   `json:"client"`
	Home      NodeID     `json:"home,omitempty"` // the organization that the client belongs to, or its node
	Subject   Subject    `json:"subject"`        // whom the token would have spoken for
	Grant     GrantType  `json:"grant,omitempty"`
	Asked     TokenAsked `json:"asked"`
	Code      string     `json:"code"`
	Message   string     `json:"message"`
}

// TokenAsked is what a token request asked for, in its own words.
type TokenAsked struct {
	Organization string   `json:"organization,omitempty"`
	Audiences    []string `json:"audiences,omitempty"`
	Scope        string   `json:"scope,omitempty"`
	Details      string   `json:"authorization_details,omitempty"`
}
