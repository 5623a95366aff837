package apiv1

import (
	"context"
	"time"
)

// An Invitation is what waits for a person to come: roles at a node for whoever has an address or an account at a provider.
type Invitation struct {
	ID        string    `json:"id"`
	Login     Login     `json:"login" doc:"Of an address, the connector is email."`
	Roles     []string  `json:"roles" nullable:"false"`
	InvitedBy string    `json:"invited_by,omitempty" doc:"A user's name, or client:ID."`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"From then on it is over. Absent: never."`
	Waits     string    `json:"waits,omitempty" doc:"The person has come, and the access model refused this with that code."`
	Mailed    bool      `json:"mailed,omitempty" doc:"Of one that was just made: a letter is on its way."`
	Link      string    `json:"link,omitempty" doc:"Of one that was just made with delivery link: what takes it up, once. Shown this once."`
}

// How a one-time link comes to whom it is for.
const (
	DeliveryMail = "mail"
	DeliveryLink = "link"
)

// NewInvitation names one of Email and Login.
type NewInvitation struct {
	Email     string    `json:"email,omitempty" doc:"Who proves to have this address."`
	Login     *Login    `json:"login,omitempty" doc:"Who signs in with this account at an upstream provider."`
	Role      string    `json:"role,omitempty" doc:"Absent: the role for those who join."`
	ExpiresIn *Duration `json:"expires_in,omitempty" doc:"Up to a year, in whole seconds. Absent: 14 days."`
	Delivery  string    `json:"delivery,omitempty" enum:"mail,link" doc:"Of an address: mail sends a link to it, whoever opens that has proved to have the address; link returns one to hand over, which proves nothing. Absent: mail where it is configured."`
}

func invitations(node string) string { return "/nodes" + segment(node) + "/invitations" }

// ListInvitations lists the invitations to a node that are not over.
func (c *Client) ListInvitations(ctx context.Context, node string, o PageOptions) (Page[Invitation], error) {
	v, _, err := get[Page[Invitation]](ctx, c, invitations(node), o.query())
	return v, err
}

// Invite invites somebody to a node. To invite somebody again renews the invitation.
func (c *Client) Invite(ctx context.Context, node string, n NewInvitation) (Invitation, error) {
	v, _, err := create[Invitation](ctx, c, invitations(node), n)
	return v, err
}

// DeleteInvitation takes an invitation back.
func (c *Client) DeleteInvitation(ctx context.Context, node, id string) error {
	return c.delete(ctx, invitations(node)+segment(id))
}

// A UserLogin is an account of a user at an upstream provider.
type UserLogin struct {
	ID        string    `json:"id"`
	Connector string    `json:"connector"`
	Subject   string    `json:"subject" doc:"What the provider never changes: its numeric or opaque id of the account."`
	Name      string    `json:"name" doc:"What the account is called; it may change."`
	LinkedAt  time.Time `json:"linked_at"`
}

// NewUserLogin is what it takes to link one.
type NewUserLogin struct {
	Connector string `json:"connector"`
	Subject   string `json:"subject"`
	Name      string `json:"name,omitempty"`
}

// A UserLinked is a linked account and what became of the invitations to its name.
type UserLinked struct {
	UserLogin
	Bound []Bound `json:"bound" nullable:"false"`
}

// Bound says what became of an invitation when the person came.
type Bound struct {
	Node  string   `json:"node"`
	Roles []string `json:"roles" nullable:"false" doc:"What the user holds there now."`
	Waits string   `json:"waits,omitempty" doc:"The code of the refusal that left it pending."`
}

func userLogins(user string) string { return "/users" + segment(user) + "/logins" }

// ListUserLogins lists the accounts of a user at upstream providers.
func (c *Client) ListUserLogins(ctx context.Context, user string) (Page[UserLogin], error) {
	v, _, err := get[Page[UserLogin]](ctx, c, userLogins(user), nil)
	return v, err
}

// LinkUserLogin says that an account at a provider is a user's, and gives the user what it was invited to.
func (c *Client) LinkUserLogin(ctx context.Context, user string, n NewUserLogin) (UserLinked, error) {
	v, _, err := create[UserLinked](ctx, c, userLogins(user), n)
	return v, err
}

// UnlinkUserLogin takes an account from a user, who keeps the roles that came by it.
func (c *Client) UnlinkUserLogin(ctx context.Context, user, id string) error {
	return c.delete(ctx, userLogins(user)+segment(id))
}
