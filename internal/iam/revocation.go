package iam

import "time"

// A RevocationKind says what a revocation hits.
type RevocationKind string

// A revocation of the first two kinds kills the tokens that carry the id. One of the others kills those issued until its
// NotBefore.
const (
	RevokedToken        RevocationKind = "jti"
	RevokedGrant        RevocationKind = "grant"
	RevokedClient       RevocationKind = "client"
	RevokedUser         RevocationKind = "user"
	RevokedMember       RevocationKind = "member" // organization/user
	RevokedOrganization RevocationKind = "organization"
	RevokedSession      RevocationKind = "session"
	RevokedKey          RevocationKind = "key"
)

// A RevocationRef names what a revocation may exist for.
type RevocationRef struct {
	Kind RevocationKind
	ID   string
}

// String returns "kind:id".
func (r RevocationRef) String() string { return string(r.Kind) + ":" + r.ID }

// A Revocation kills tokens. With NotBefore it kills those whose iat is at or before it, without it every one. ExpiresAt is when
// the last token that it can hit has died.
type Revocation struct {
	RevocationRef
	NotBefore time.Time
	ExpiresAt time.Time
}

// MaxIssuedAhead is how far the iat of a token may be ahead of the clock, right after a revocation. Whoever would get one further
// ahead is asked to come back, so that a stream of revocations moves neither tokens nor marks into the future.
const MaxIssuedAhead = 2 * time.Second
