package iam

import (
	"strings"
	"time"
)

// A Node is a place in the tree that roles are held at: an organization, or a level above or below it, as its access model says.
// A node without a parent names the Model that its whole tree follows.
type Node struct {
	ID          NodeID            `json:"id"`
	Parent      NodeID            `json:"parent,omitempty"`
	Level       Level             `json:"level"`
	Kind        string            `json:"kind,omitempty"` // one of the level's kinds, where it has several
	Name        string            `json:"name"`
	DisplayName string            `json:"display_name,omitempty"`
	Model       string            `json:"model,omitempty"`
	Settings    map[string]string `json:"settings,omitempty"`
	Seats       int               `json:"seats,omitempty"`    // how many seats it has paid for; 0: not limited
	Disabled    bool              `json:"disabled,omitempty"` // suspended: nobody gets a token for it or below it
	CreatedAt   time.Time         `json:"created_at"`
}

// A User is a person. Name is the handle that people see; ID is what tokens carry.
type User struct {
	ID            UserID         `json:"id"`
	Name          string         `json:"name"`
	Email         string         `json:"email,omitempty"`
	EmailVerified bool           `json:"email_verified,omitempty"`
	PasswordHash  string         `json:"password_hash,omitempty"` // PHC string, argon2id
	Claims        map[string]any `json:"claims,omitempty"`        // standard claims of OIDC Core §5.1
	PlatformRole  PlatformRole   `json:"platform_role,omitempty"`
	Disabled      bool           `json:"disabled,omitempty"`
	CreatedAt     time.Time      `json:"created_at"`
	// ProfileChangedAt is when the claims or the address were last changed; zero: never.
	ProfileChangedAt time.Time `json:"profile_changed_at,omitzero"`
}

// UpdatedAt is when what applications are told of the user last changed (OIDC Core §5.1).
func (u *User) UpdatedAt() time.Time {
	if u.ProfileChangedAt.IsZero() {
		return u.CreatedAt
	}
	return u.ProfileChangedAt
}

// VerifiedAddress returns the address that is known to be the user's, as invitations name it; "" when there is none.
func (u *User) VerifiedAddress() string {
	if !u.EmailVerified {
		return ""
	}
	return strings.ToLower(u.Email)
}

// A Group is a named set of users that holds roles as one. Its members are held apart (store), since there may be many.
type Group struct {
	ID        GroupID   `json:"id"`
	Node      NodeID    `json:"node"`
	Name      string    `json:"name"` // unique at its node; what the groups claim carries
	CreatedAt time.Time `json:"created_at"`
}

// A PlatformRole gives rights over the whole installation through the admin API.
type PlatformRole string

// Operator may do everything that the admin API offers; Auditor may read it.
const (
	Operator PlatformRole = "operator"
	Auditor  PlatformRole = "auditor"
)

// A Client is an OAuth client (RFC 6749 §2). With an Organization it is that organization's machine; without, it belongs to the
// platform: a web, native or device application. The fields follow the registration metadata of RFC 7591 §2.
type Client struct {
	ID               ClientID     `json:"id"`
	Name             string       `json:"name"` // unique in its organization
	Organization     NodeID       `json:"organization,omitempty"`
	Disabled         bool         `json:"disabled,omitempty"`
	PlatformRole     PlatformRole `json:"platform_role,omitempty"`
	GrantTypes       []GrantType  `json:"grant_types"`
	AuthMethod       AuthMethod   `json:"token_endpoint_auth_method"`
	StrictAuthMethod bool         `json:"strict_auth_method,omitempty"` // refuse basic where post is registered, and the reverse
	Secrets          []Secret     `json:"secrets,omitempty"`
	Audiences        []string     `json:"audiences,omitempty"` // identifiers it may ask for; the first is the default
	Scopes           []string     `json:"scopes,omitempty"`    // it may ask for; none: those of its audiences
	RedirectURIs     []string     `json:"redirect_uris,omitempty"`
	Web              *WebClient   `json:"web,omitempty"` // what only clients that sign people in have
	CreatedAt        time.Time    `json:"created_at"`
}

// WebClient is the part of a Client that concerns signing people in.
type WebClient struct {
	ApplicationType        string   `json:"application_type,omitempty"` // web or native
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	BackchannelLogoutURI   string   `json:"backchannel_logout_uri,omitempty"`
	AllowedOrigins         []string `json:"allowed_origins,omitempty"`
	IDTokenSigningAlg      string   `json:"id_token_signed_response_alg,omitempty"`
	OptionalPKCE           bool     `json:"optional_pkce,omitempty"` // requirePkce: false
	Consent                string   `json:"consent,omitempty"`       // "implicit": the operator has consented for everybody
	Organization           string   `json:"organization,omitempty"`  // "required": a picker is shown
	OrganizationSwitch     bool     `json:"organization_switch,omitempty"`
}

// Public reports whether the client has no credential (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.AuthMethod == AuthNone }

// A GrantType is a grant_type of the token endpoint.
type GrantType string

// The grant types that Gatehouse knows.
const (
	GrantClientCredentials GrantType = "client_credentials"
	GrantAuthorizationCode GrantType = "authorization_code"
	GrantRefreshToken      GrantType = "refresh_token"
	GrantDeviceCode        GrantType = "urn:ietf:params:oauth:grant-type:device_code"
	GrantTokenExchange     GrantType = "urn:ietf:params:oauth:grant-type:token-exchange"
	GrantJWTBearer         GrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// An AuthMethod is a token_endpoint_auth_method (RFC 7591 §2).
type AuthMethod string

// The client authentication methods that Gatehouse knows.
const (
	AuthBasic         AuthMethod = "client_secret_basic"
	AuthPost          AuthMethod = "client_secret_post"
	AuthNone          AuthMethod = "none"
	AuthPrivateKeyJWT AuthMethod = "private_key_jwt"
)

// A Secret is one of the credentials of a client. Only its hash is kept.
type Secret struct {
	ID        SecretID  `json:"id"`
	Name      string    `json:"name"`
	Hash      string    `json:"hash"` // see package secret
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
}

// An Audience is a resource server (RFC 8707): what its access tokens look like and who may introspect them.
type Audience struct {
	Identifier      string        `json:"identifier"` // the aud claim, an absolute URI
	Name            string        `json:"name"`
	TokenLifetime   time.Duration `json:"token_lifetime,omitempty"` // zero: DefaultTokenLifetime
	SigningAlg      string        `json:"signing_alg,omitempty"`    // zero: ES256
	Scopes          []string      `json:"scopes,omitempty"`
	ResourceServers []ClientID    `json:"resource_servers,omitempty"` // may introspect tokens of this audience
	CreatedAt       time.Time     `json:"created_at"`
}

// The life of an access token: what an audience gets that says nothing, and the longest it may ask for.
const (
	DefaultTokenLifetime = 15 * time.Minute
	MaxTokenLifetime     = 24 * time.Hour
)

// An Assignment says that a subject holds roles at a node. What a login holds waits for the person to come.
type Assignment struct {
	Node       NodeID      `json:"node"`
	Subject    Subject     `json:"subject"`
	Roles      []RoleID    `json:"roles"`
	Invitation *Invitation `json:"invitation,omitempty"` // of a login that somebody has invited
}

// An Invitation says how a login came to hold something. Once it has ended, the login holds nothing.
type Invitation struct {
	By        Subject   `json:"by"`
	At        time.Time `json:"at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
	Waits     string    `json:"waits,omitempty"`     // the code of the refusal that kept it from the person, who had come
}

// Ended reports whether the invitation is over.
func (i *Invitation) Ended(now time.Time) bool {
	return i != nil && !i.ExpiresAt.IsZero() && !now.Before(i.ExpiresAt)
}

// A Login is an account of a person at an upstream provider. Subject is what the provider never changes and never gives to
// somebody else; Name is what people call it, and may be another's tomorrow.
type Login struct {
	Connector string    `json:"connector"`
	Subject   string    `json:"subject"`
	Name      string    `json:"name"`
	User      UserID    `json:"user"`
	LinkedAt  time.Time `json:"linked_at"`
}

// ConnectorEmail is the connector of addresses: the account is the mailbox, and its name the address in lower case.
const ConnectorEmail = "email"

// Invited returns the subject that an invitation to the account's name is about.
func (l *Login) Invited() Subject { return LoginNamed(l.Connector, l.Name) }

// LoginNamed returns the subject that whoever has this name at a provider is until the person comes.
func LoginNamed(connector, name string) Subject {
	return Subject{Kind: SubjectLogin, ID: connector + "/" + name}
}

// A CustomRole is a role that an organization made for itself: for nodes of Level at and below Node.
type CustomRole struct {
	ID          RoleID       `json:"id"`
	Node        NodeID       `json:"node"`
	Level       Level        `json:"level"`
	Base        RoleID       `json:"base"` // the role it was copied from; who may hold it and who assigns it follow that role
	Permissions []Permission `json:"permissions"`
}
