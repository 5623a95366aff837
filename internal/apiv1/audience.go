package apiv1

import "time"

// An Audience is a resource server as the API shows it.
type Audience struct {
	Name string `json:"name"`
	AudienceSpec
	CreatedAt time.Time `json:"created_at,omitzero"`
	ETag      string    `json:"-"` // the version read, for an update that must not overwrite another's
}

// NewAudience is what it takes to make one.
type NewAudience struct {
	Name string `json:"name" doc:"Unique in the installation."`
	AudienceSpec
}

// An AudienceSpec says what access tokens for a resource server look like (RFC 8707).
type AudienceSpec struct {
	Identifier      string   `json:"identifier" yaml:"identifier" doc:"The aud claim, an absolute URI. It never changes."`
	TokenLifetime   Duration `json:"token_lifetime,omitzero" yaml:"tokenLifetime,omitempty" doc:"As in 15m, at most 24h. Absent: the installation's default."`
	SigningAlg      string   `json:"signing_alg,omitempty" yaml:"signingAlg,omitempty" doc:"ES256, EdDSA or RS256. Absent: ES256."`
	Scopes          []string `json:"scopes,omitempty" yaml:"scopes,omitempty" doc:"Scopes that clients of this audience may ask for."`
	ResourceServers []string `json:"resource_servers,omitempty" yaml:"resourceServers,omitempty" doc:"The client ids that may introspect tokens of this audience."`
}
