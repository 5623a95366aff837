package iam

import "time"

// A LogoutNotice is that a client has still to be told of the end of a session (OpenID Connect Back-Channel Logout 1.0).
type LogoutNotice struct {
	ID        string    `json:"id"` // the same for the same session and client
	Client    ClientID  `json:"client"`
	User      UserID    `json:"user"`
	SessionID string    `json:"sid"`
	Tries     int       `json:"tries,omitempty"` // begun so far
	DueAt     time.Time `json:"due_at"`          // before then somebody is trying, or nobody should
	ExpiresAt time.Time `json:"expires_at"`      // then it is given up
}
