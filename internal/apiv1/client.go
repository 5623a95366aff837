package apiv1

import "time"

// An OAuthClient is an OAuth client (RFC 6749 §2) as the API shows it; its secrets are listed apart.
type OAuthClient struct {
	Name         string `json:"name"`
	Organization string `json:"organization,omitempty" doc:"The path of the organization that it belongs to. Absent: a platform client."`
	ClientSpec
	CreatedAt time.Time `json:"created_at"`
	ETag      string    `json:"-"` // the version read
}

// NewClient is what it takes to make one.
type NewClient struct {
	Name         string `json:"name" doc:"Unique in its organization."`
	Organization string `json:"organization,omitempty" doc:"Path or id of the organization that it belongs to. Absent: a platform client."`
	ClientSpec
}

// A ClientSpec describes a client in the names of RFC 7591 §2 and of OpenID Connect registration.
type ClientSpec struct {
	ClientID                string             `json:"client_id,omitempty" yaml:"clientId,omitempty" doc:"Absent: it is generated. It never changes."`
	Disabled                bool               `json:"disabled,omitempty" yaml:"disabled,omitempty"`
	GrantTypes              []string           `json:"grant_types,omitempty" yaml:"grantTypes,omitempty" doc:"Absent: client_credentials for a client of an organization, else authorization_code."`
	TokenEndpointAuthMethod string             `json:"token_endpoint_auth_method,omitempty" yaml:"tokenEndpointAuthMethod,omitempty" doc:"client_secret_basic (the default), client_secret_post or none."`
	StrictAuthMethod        bool               `json:"strict_auth_method,omitempty" yaml:"strictAuthMethod,omitempty" doc:"Refuse post where basic is registered, and the reverse."`
	Role                    string             `json:"role,omitempty" yaml:"role,omitempty" doc:"What a client of an organization holds there. Absent on creation: the role for those who join."`
	Assignments             []ClientAssignment `json:"assignments,omitzero" yaml:"assignments,omitempty" doc:"Roles at other nodes."` // nil: as they are
	PlatformRole            string             `json:"platform_role,omitempty" yaml:"platformRole,omitempty" doc:"operator or auditor: rights over the admin API. Platform clients only."`
	Audiences               []string           `json:"audiences,omitempty" yaml:"audiences,omitempty" doc:"Identifiers or names of audiences that it may ask for; the first is the default."`
	Scopes                  []string           `json:"scopes,omitempty" yaml:"scopes,omitempty" doc:"Scopes that it may ask for. Absent: those of its audiences."`
	Secrets                 []SecretSpec       `json:"secrets,omitzero" yaml:"secrets,omitempty" doc:"Secrets to import. Never shown."` // nil: as they are

	RedirectURIs           []string `json:"redirect_uris,omitempty" yaml:"redirectUris,omitempty"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty" yaml:"postLogoutRedirectUris,omitempty"`
	BackchannelLogoutURI   string   `json:"backchannel_logout_uri,omitempty" yaml:"backchannelLogoutUri,omitempty"`
	AllowedOrigins         []string `json:"allowed_origins,omitempty" yaml:"allowedOrigins,omitempty" doc:"Origins of pages that may call the token endpoint."`
	ApplicationType        string   `json:"application_type,omitempty" yaml:"applicationType,omitempty" doc:"web (the default) or native."`
	IDTokenSigningAlg      string   `json:"id_token_signed_response_alg,omitempty" yaml:"idTokenSignedResponseAlg,omitempty" doc:"Absent: RS256."`
	RequirePKCE            *bool    `json:"require_pkce,omitempty" yaml:"requirePkce,omitempty" doc:"Absent: true. A public client cannot do without."`
	Consent                string   `json:"consent,omitempty" yaml:"consent,omitempty" doc:"implicit: the operator has consented for everybody."`
	OrganizationChoice     string   `json:"organization_choice,omitempty" yaml:"organization,omitempty" doc:"required: people choose an organization when they sign in."`
	OrganizationSwitch     bool     `json:"organization_switch,omitempty" yaml:"organizationSwitch,omitempty" doc:"A refresh may change the organization."`
}

// A ClientAssignment gives a client a role at a node.
type ClientAssignment struct {
	Node string `json:"node" yaml:"node" doc:"Path or id."`
	Role string `json:"role,omitempty" yaml:"role,omitempty"`
}

// A SecretSpec is a secret that the caller chose. Over the wire it has a value.
type SecretSpec struct {
	Name      string `json:"name" yaml:"name"`
	SecretRef `yaml:",inline"`
	ExpiresAt time.Time `json:"expires_at,omitzero" yaml:"expiresAt,omitempty" doc:"Absent: never."`
}

// A ClientCreated is the answer to a creation. It holds the secret that was generated, if the request brought none, this once.
type ClientCreated struct {
	OAuthClient
	Secret *SecretCreated `json:"secret,omitempty" doc:"The generated secret, shown this once."`
}

// A Secret is a credential of a client, without the credential.
type Secret struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at,omitzero" doc:"Absent: never."`
	ExpiresSoon bool      `json:"expires_soon,omitempty" doc:"It has ended, or ends within 14 days."`
	LastUsedAt  time.Time `json:"last_used_at,omitzero" doc:"To the minute. Absent: not known, or never."`
}

// A SecretRotation asks for a new secret of a client.
type SecretRotation struct {
	Name           string    `json:"name,omitempty" doc:"Unique in the client. Absent: one is chosen."`
	ExpireOldAfter *Duration `json:"expire_old_after,omitempty" doc:"How long the secrets of today go on. 0s ends them at once; absent leaves them as they are."`
	ExpiresAt      time.Time `json:"expires_at,omitzero" doc:"When the new one ends. Absent: never."`
	Value          string    `json:"value,omitempty" doc:"A secret to import. Absent: one is generated."`
}

// A SecretCreated is a new secret, shown once.
type SecretCreated struct {
	Secret
	Value string `json:"value,omitempty" doc:"The secret itself; absent when it was imported."`
}
