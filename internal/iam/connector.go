package iam

import (
	"slices"
	"strings"
	"time"
)

// A ConnectorType is how a provider is spoken to.
type ConnectorType string

// The types of connector: GitHub (or a GitHub Enterprise Server), and any OpenID provider.
const (
	ConnectorGitHub ConnectorType = "github"
	ConnectorOIDC   ConnectorType = "oidc"
)

// A SignUp says who of those that sign in by a connector for the first time becomes a user.
type SignUp string

// The rules of signing up. Each lets in whom the one before it does.
const (
	SignUpInvited SignUp = "invited" // whose name at the provider, or verified address, somebody has invited
	SignUpMapped  SignUp = "mapped"  // whom a mapping gives something
	SignUpAnyone  SignUp = "anyone"
)

// A Connector is an upstream provider that people sign in by.
type Connector struct {
	Name        string        `json:"name"`
	Type        ConnectorType `json:"type"`
	DisplayName string        `json:"display_name,omitempty"`
	// Issuer is that of an OpenID provider, or the address of a GitHub Enterprise Server; "": github.com.
	Issuer      string   `json:"issuer,omitempty"`
	ClientID    ClientID `json:"client_id"`
	Sealed      []byte   `json:"sealed,omitempty"` // the client secret, sealed under SecretPurpose
	Scopes      []string `json:"scopes,omitempty"` // none: those that the type needs
	SignUp      SignUp   `json:"sign_up,omitempty"`
	LinkAddress bool     `json:"link_verified_email,omitempty"` // an address that the provider has verified is proof enough

	// AllowedOrganizations are the GitHub organizations, by name or numeric id, or teams, as "name/team": whoever is in none of them
	// does not get in. None: everybody may.
	AllowedOrganizations []string           `json:"allowed_organizations,omitempty"`
	Mappings             []ConnectorMapping `json:"mappings,omitempty"`
	// StrongACR and StrongAMR are the values of acr and amr by which the provider says that somebody has used a second factor.
	StrongACR []string `json:"strong_acr,omitempty"`
	StrongAMR []string `json:"strong_amr,omitempty"`
	// ReauthenticateAfter is how long a sign-in by the connector counts, for sessions and for refresh tokens: then the person has to
	// come by the provider again. Zero: as long as any other.
	ReauthenticateAfter time.Duration `json:"reauthenticate_after,omitempty"`
	Disabled            bool          `json:"disabled,omitempty"`
	CreatedAt           time.Time     `json:"created_at"`
}

// ConnectorSecretPurpose is the purpose for which the client secret of a connector is sealed; the record is the connector's name.
const ConnectorSecretPurpose = "connector-secret"

// A ConnectorMapping gives whoever has a value in a claim a role at a node, a group there, or both.
type ConnectorMapping struct {
	Claim string `json:"claim"`
	Value string `json:"value"` // exact
	Node  NodeID `json:"node"`
	Role  RoleID `json:"role,omitempty"`
	Group string `json:"group,omitempty"` // by id or name
}

// An Identity is what a provider says of somebody who has just signed in there. Subject alone is who it is.
type Identity struct {
	Connector     string
	Subject       string // never changes, and is never given to somebody else
	Name          string // what people call the account; may be another's tomorrow
	Email         string
	EmailVerified bool
	Profile       map[string]any      // claims of OpenID Connect Core §5.1
	Claims        map[string][]string // what mappings look at
	ACR           string
	AMR           []string
	AuthTime      time.Time // zero: the provider does not say
}

// VerifiedAddress is User.VerifiedAddress of what the provider says.
func (i *Identity) VerifiedAddress() string {
	if !i.EmailVerified {
		return ""
	}
	return strings.ToLower(i.Email)
}

// Mapped returns the mappings that are true of an identity.
func (c *Connector) Mapped(id *Identity) (out []ConnectorMapping) {
	for _, m := range c.Mappings {
		if slices.Contains(id.Claims[m.Claim], m.Value) {
			out = append(out, m)
		}
	}
	return out
}

// Strong reports whether the provider says that the person has used a second factor.
func (c *Connector) Strong(id *Identity) bool {
	return id.ACR != "" && slices.Contains(c.StrongACR, id.ACR) ||
		slices.ContainsFunc(id.AMR, func(m string) bool { return slices.Contains(c.StrongAMR, m) })
}

// Counts reports whether a sign-in by the connector still counts. One by a connector that is gone (nil) or disabled does not.
func (c *Connector) Counts(signedIn, now time.Time) bool {
	return c != nil && !c.Disabled && (c.ReauthenticateAfter == 0 || now.Before(signedIn.Add(c.ReauthenticateAfter)))
}

// Title is what people read on the button.
func (c *Connector) Title() string {
	switch {
	case c.DisplayName != "":
		return c.DisplayName
	case c.Type == ConnectorGitHub:
		return "GitHub"
	}
	return c.Name
}

// MappedRoles are what a person holds because of the mappings of a connector, so that it can be taken back.
type MappedRoles struct {
	Roles  []MappedRole  `json:"roles,omitempty"`
	Groups []MappedGroup `json:"groups,omitempty"`
}

// A MappedRole is a role that a mapping gave.
type MappedRole struct {
	Node NodeID `json:"node"`
	Role RoleID `json:"role"`
}

// A MappedGroup is a group that a mapping put somebody into.
type MappedGroup struct {
	Group GroupID `json:"group"`
}
