package apiv1

import "time"

// A Key is a signing key, without its private part.
type Key struct {
	ID        string    `json:"kid"`
	Alg       string    `json:"alg"`
	State     string    `json:"state" doc:"pending, active, retired or removed."`
	CreatedAt time.Time `json:"created_at"`
	ActiveAt  time.Time `json:"active_at,omitzero" doc:"When it begins or began to sign."`
	RetiredAt time.Time `json:"retired_at,omitzero" doc:"When it stopped signing."`
	RemoveAt  time.Time `json:"remove_at,omitzero" doc:"When it leaves the key set."`
}

// A KeyRotation asks for a new key of an algorithm.
type KeyRotation struct {
	Alg string `json:"alg" doc:"ES256, EdDSA or RS256."`
}

// A Revocation is a mark that kills tokens.
type Revocation struct {
	Kind      string    `json:"kind" doc:"jti, grant, client, user, member, organization, session or key."`
	ID        string    `json:"id"`
	NotBefore time.Time `json:"not_before,omitzero" doc:"Tokens issued until then are dead. Absent: every one."`
	ExpiresAt time.Time `json:"expires_at" doc:"When the last token that it hits has died."`
}

// A NewRevocation names what to end: Kind and ID, or a Token.
type NewRevocation struct {
	Kind  string `json:"kind,omitempty" enum:"jti,grant,client,user,member,organization,session"`
	ID    string `json:"id,omitempty" doc:"Of a member: organization/user. Organizations, users and members may be named."`
	Token string `json:"token,omitempty" doc:"An access token to end, whoever it was issued to."`
}

// A Revoked says what was ended.
type Revoked struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// An Identity is who the caller is to the API.
type Identity struct {
	Issuer       string    `json:"issuer"`
	Subject      string    `json:"sub"`
	ClientID     string    `json:"client_id"`
	Name         string    `json:"name"`
	PlatformRole string    `json:"platform_role,omitempty"`
	Organization string    `json:"organization,omitempty"`
	Scope        string    `json:"scope,omitempty"`
	ExpiresAt    time.Time `json:"expires_at" doc:"When the token that was used ends."`
}
