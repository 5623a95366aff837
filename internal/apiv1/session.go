package apiv1

import (
	"context"
	"time"
)

// A Session is a browser in which somebody is signed in.
type Session struct {
	ID         string    `json:"id" doc:"The sid of the tokens that come of it."`
	Current    bool      `json:"current,omitempty" doc:"The token of this request came of it."`
	Connector  string    `json:"connector,omitempty" doc:"By which provider the person signed in. Absent: here."`
	ACR        string    `json:"acr,omitempty"`
	AMR        []string  `json:"amr,omitempty" doc:"How the person proved to be who it is (RFC 8176)."`
	Network    string    `json:"network,omitempty" doc:"Where the browser was when the session began."`
	Agent      string    `json:"agent,omitempty" doc:"What the browser called itself then."`
	Clients    []string  `json:"clients,omitempty" doc:"Client ids of the applications that were opened from it."`
	CreatedAt  time.Time `json:"created_at"`
	SignedInAt time.Time `json:"signed_in_at" doc:"The last proof of who it is."`
	SeenAt     time.Time `json:"seen_at" doc:"To the minute."`
	EndsAt     time.Time `json:"ends_at" doc:"Whatever is done."`
}

// A Grant is what somebody has allowed an application or a device to have.
type Grant struct {
	ID           string    `json:"id" doc:"What stands before the dot in the jti of its tokens."`
	Client       string    `json:"client"`
	ClientName   string    `json:"client_name,omitempty"`
	Device       bool      `json:"device,omitempty" doc:"By device login."`
	Offline      bool      `json:"offline,omitempty" doc:"It has refresh tokens: it goes on when nobody is signed in."`
	Scopes       []string  `json:"scopes,omitempty"`
	Organization string    `json:"organization,omitempty" doc:"The id of the organization that was chosen."`
	Session      string    `json:"session,omitempty" doc:"The session that it ends with."`
	Network      string    `json:"network,omitempty" doc:"Where the device asked from."`
	CreatedAt    time.Time `json:"created_at"`
	RefreshedAt  time.Time `json:"refreshed_at,omitzero" doc:"When a refresh token was last used. Absent: none was."`
	ExpiresAt    time.Time `json:"expires_at"`
}

// A Consent is that somebody lets an application have scopes without being asked again.
type Consent struct {
	Client     string    `json:"client"`
	ClientName string    `json:"client_name,omitempty"`
	Scopes     []string  `json:"scopes"`
	At         time.Time `json:"at"`
}

// ListSessions lists the browsers in which a person is signed in.
func (c *Client) ListSessions(ctx context.Context, user string) (Page[Session], error) {
	v, _, err := get[Page[Session]](ctx, c, "/users"+segment(user)+"/sessions", nil)
	return v, err
}

// EndSession signs a person out in one browser, and ends what came of it.
func (c *Client) EndSession(ctx context.Context, user, session string) error {
	return c.delete(ctx, "/users"+segment(user)+"/sessions"+segment(session))
}

// EndSessions signs a person out everywhere: every session, grant and token of today ends.
func (c *Client) EndSessions(ctx context.Context, user string) error {
	return c.delete(ctx, "/users"+segment(user)+"/sessions")
}

// ListGrants lists the applications and devices that a person has let in.
func (c *Client) ListGrants(ctx context.Context, user string) (Page[Grant], error) {
	v, _, err := get[Page[Grant]](ctx, c, "/users"+segment(user)+"/grants", nil)
	return v, err
}

// EndGrant ends what a person has allowed one application or device, with all its tokens.
func (c *Client) EndGrant(ctx context.Context, user, grant string) error {
	return c.delete(ctx, "/users"+segment(user)+"/grants"+segment(grant))
}

// ListConsents lists what a person lets applications have.
func (c *Client) ListConsents(ctx context.Context, user string) (Page[Consent], error) {
	v, _, err := get[Page[Consent]](ctx, c, "/users"+segment(user)+"/consents", nil)
	return v, err
}

// EndConsent takes back what a person lets an application have, and ends what came of it.
func (c *Client) EndConsent(ctx context.Context, user, client string) error {
	return c.delete(ctx, "/users"+segment(user)+"/consents"+segment(client))
}
