package apiv1

import (
	"context"
	"net/http"
	"time"
)

// A Connector is an upstream provider that people sign in by, as the API shows it: without its secret.
type Connector struct {
	Name string `json:"name"`
	ConnectorSpec
	CallbackURL string    `json:"callback_url,omitempty" doc:"The redirect URI to register with the provider; no other connector has it."`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	ETag        string    `json:"-"` // the version read, for an update that must not overwrite another's
}

// NewConnector is what it takes to make one.
type NewConnector struct {
	Name string `json:"name" doc:"Unique in the installation. It never changes: people's accounts are known by it."`
	ConnectorSpec
}

// A ConnectorSpec says how people sign in by a provider, and who of them gets in.
type ConnectorSpec struct {
	Type                 string             `json:"type" yaml:"type" doc:"github or oidc. It never changes."`
	DisplayName          string             `json:"display_name,omitempty" yaml:"displayName,omitempty" doc:"What the button says. Absent: GitHub, or the name."`
	Issuer               string             `json:"issuer,omitempty" yaml:"issuer,omitempty" doc:"Of an OpenID provider: its issuer, which never changes. Of github: the address of a GitHub Enterprise Server; absent: github.com."`
	ClientID             string             `json:"client_id" yaml:"clientId" doc:"Of the application that is registered with the provider."`
	ClientSecret         *SecretRef         `json:"client_secret,omitempty" yaml:"clientSecret,omitempty" doc:"Write only. Absent in an update: it stays."`
	Scopes               []string           `json:"scopes,omitempty" yaml:"scopes,omitempty" doc:"Absent: those that are needed."`
	SignUp               string             `json:"sign_up,omitempty" yaml:"signUp,omitempty" doc:"Who becomes a user at the first sign-in: invited (the default), mapped (and whom a mapping gives something), or anyone."`
	LinkVerifiedEmail    bool               `json:"link_verified_email,omitempty" yaml:"linkVerifiedEmail,omitempty" doc:"Whoever comes with an address that the provider has verified is the user whose verified address it is. Only for a provider that is trusted to take over accounts; never for holders of a platform role."`
	AllowedOrganizations []string           `json:"allowed_organizations,omitempty" yaml:"allowedOrganizations,omitempty" doc:"Of github: organizations by numeric id or name, or teams as name/team. Whoever is in none of them is refused."`
	Mappings             []ConnectorMapping `json:"mappings,omitempty" yaml:"mappings,omitempty" doc:"What people get, and lose again, by what the provider says of them."`
	ACR                  *ConnectorACR      `json:"acr,omitempty" yaml:"acr,omitempty" doc:"How the provider says that a second factor was used: such a sign-in has the acr 2."`
	ReauthenticateAfter  Duration           `json:"reauthenticate_after,omitzero" yaml:"reauthenticateAfter,omitempty" doc:"How long a sign-in counts for sessions and refresh tokens before the person has to come by the provider again. Absent: as long as any other."`
	Disabled             bool               `json:"disabled,omitempty" yaml:"disabled,omitempty" doc:"Nobody signs in by it, and no sign-in by it counts any more."`
}

// A ConnectorMapping gives whoever has a value in a claim a role at a node, a group there, or both.
type ConnectorMapping struct {
	Claim        string `json:"claim" yaml:"claim" doc:"As in groups. GitHub has groups: the organizations by name and by numeric id, and the teams as name/team."`
	Value        string `json:"value" yaml:"value" doc:"Exact."`
	Organization string `json:"organization" yaml:"organization" doc:"Id or path of the organization or node."`
	Role         string `json:"role,omitempty" yaml:"role,omitempty"`
	Group        string `json:"group,omitempty" yaml:"group,omitempty" doc:"A group of the organization or node."`
}

// A ConnectorACR are the values by which a provider says that a second factor was used.
type ConnectorACR struct {
	Values []string `json:"values,omitempty" yaml:"values,omitempty" doc:"Of the claim acr."`
	AMR    []string `json:"amr,omitempty" yaml:"amr,omitempty" doc:"Of the claim amr, as in mfa."`
}

// ListConnectors lists connectors by name.
func (c *Client) ListConnectors(ctx context.Context, o PageOptions) (Page[Connector], error) {
	v, _, err := get[Page[Connector]](ctx, c, "/connectors", o.query())
	return v, err
}

// GetConnector returns a connector by name.
func (c *Client) GetConnector(ctx context.Context, name string) (Connector, error) {
	v, etag, err := get[Connector](ctx, c, "/connectors"+segment(name), nil)
	v.ETag = etag
	return v, err
}

// CreateConnector makes a connector.
func (c *Client) CreateConnector(ctx context.Context, n NewConnector) (Connector, error) {
	v, etag, err := create[Connector](ctx, c, "/connectors", n)
	v.ETag = etag
	return v, err
}

// UpdateConnector replaces a connector's spec. A spec without a secret leaves the secret as it is.
func (c *Client) UpdateConnector(ctx context.Context, name string, s ConnectorSpec, etag string) (Connector, error) {
	v, etag, err := send[Connector](ctx, c, http.MethodPut, "/connectors"+segment(name), etag, s)
	v.ETag = etag
	return v, err
}

// DeleteConnector ends a connector: nobody signs in by it any more, and no sign-in by it counts.
func (c *Client) DeleteConnector(ctx context.Context, name string) error {
	return c.delete(ctx, "/connectors"+segment(name))
}
