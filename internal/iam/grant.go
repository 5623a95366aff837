package iam

import "time"

// A Grant is what a person has allowed a client to have, from the authorization code or device code to the last refresh token of the
// family. There is one record of it; its id is the first part of the jti of every token that comes of it, so that one mark ends
// them all.
type Grant struct {
	ID        string    `json:"id"`
	Client    ClientID  `json:"client"`
	User      UserID    `json:"user,omitempty"` // "": a device waits for somebody
	CreatedAt time.Time `json:"created_at"`     // when the person allowed it, or the device began to wait
	ExpiresAt time.Time `json:"expires_at"`     // when the record ends: nothing that it says can matter any more

	Scopes       []string `json:"scopes,omitempty"`
	Audiences    []string `json:"audiences,omitempty"`             // a token request may ask for fewer
	Organization NodeID   `json:"organization,omitempty"`          // the one chosen; "": none was
	Details      string   `json:"authorization_details,omitempty"` // as asked, JSON (RFC 9396 §2)
	Claims       string   `json:"claims,omitempty"`                // as asked, JSON (OIDC Core §5.5)
	Nonce        string   `json:"nonce,omitempty"`
	JKT          string   `json:"jkt,omitempty"` // the thumbprint of the key that its tokens are bound to (RFC 9449)

	AuthTime  time.Time `json:"auth_time,omitzero"`
	ACR       string    `json:"acr,omitempty"`
	AMR       []string  `json:"amr,omitempty"`
	SessionID string    `json:"sid,omitempty"`
	Connector string    `json:"connector,omitempty"` // that of the session

	Code    *CodeGrant     `json:"code,omitempty"`
	Device  *DeviceGrant   `json:"device,omitempty"`
	Refresh *RefreshFamily `json:"refresh,omitempty"`
}

// A CodeGrant is the authorization code of a grant (RFC 6749 §4.1). The code itself is derived from the grant's id and is not kept.
type CodeGrant struct {
	RedirectURI string    `json:"redirect_uri,omitempty"` // as the request named it; "": it did not
	Challenge   string    `json:"challenge,omitempty"`    // of PKCE, S256 (RFC 7636); "": none was sent
	ExpiresAt   time.Time `json:"expires_at"`
	SpentAt     time.Time `json:"spent_at,omitzero"`
}

// The states of a DeviceGrant.
const (
	DevicePending  = "pending"
	DeviceApproved = "approved"
	DeviceDenied   = "denied"
	DeviceSpent    = "spent"
)

// A DeviceGrant is a device that waits for a person (RFC 8628). The device code is derived from the grant's id and is not kept.
type DeviceGrant struct {
	State     string        `json:"state"`
	ExpiresAt time.Time     `json:"expires_at"` // of the device code and the user code
	Interval  time.Duration `json:"interval"`   // the least time between two polls; grows when one comes too soon
	PolledAt  time.Time     `json:"polled_at,omitzero"`
	Hurried   bool          `json:"hurried,omitempty"` // a poll has come too soon after PolledAt
	Network   string        `json:"network,omitempty"` // where the device asked from, told to whoever is asked to approve
	Agent     string        `json:"agent,omitempty"`   // what it said that it is
}

// A RefreshFamily is the chain of refresh tokens of a grant (RFC 9700 §4.14.2). The tokens are derived from the grant's id and their
// generation and are not kept, so that whoever repeats a refresh within the grace gets the same successor.
type RefreshFamily struct {
	Generation uint64    `json:"generation"` // of the one token that may be used
	TurnedAt   time.Time `json:"turned_at"`  // when the generation before it was used
	IdleEndsAt time.Time `json:"idle_ends_at"`
	EndsAt     time.Time `json:"ends_at"` // whatever is done
}

// A UserGrant is an entry of the list of what a person has allowed.
type UserGrant struct {
	ID        string    `json:"id"`
	Client    ClientID  `json:"client"`
	SessionID string    `json:"sid,omitempty"`
	Device    bool      `json:"device,omitempty"`  // by device login
	Offline   bool      `json:"offline,omitempty"` // it has refresh tokens
	CreatedAt time.Time `json:"created_at"`
}

// A Consent is that a person let a client have scopes, remembered so that the person is asked once.
type Consent struct {
	Client ClientID  `json:"client"`
	Scopes []string  `json:"scopes"`
	At     time.Time `json:"at"`
}

// A Session is a browser in which a person is signed in.
type Session struct {
	ID        string     `json:"id"` // the sid of tokens; no secret
	User      UserID     `json:"user"`
	Hash      string     `json:"hash"` // of the secret in the browser's cookie
	AuthTime  time.Time  `json:"auth_time"`
	ACR       string     `json:"acr"`
	AMR       []string   `json:"amr"`
	Connector string     `json:"connector,omitempty"` // by which provider the person signed in; "": here
	CreatedAt time.Time  `json:"created_at"`
	SeenAt    time.Time  `json:"seen_at"` // exact to a minute
	EndsAt    time.Time  `json:"ends_at"` // whatever is done
	Network   string     `json:"network,omitempty"`
	Agent     string     `json:"agent,omitempty"`   // what the browser calls itself
	Clients   []ClientID `json:"clients,omitempty"` // that the person has signed in to from here: told when the session ends
}
