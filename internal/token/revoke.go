package token

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Marks writes revocations. Both methods return when the mark is durable. RevokeIssued kills every token issued so far.
type Marks interface {
	Revoke(ctx context.Context, r iam.Revocation) error
	RevokeIssued(ctx context.Context, ref iam.RevocationRef, expires time.Time) error
}

// A Revoker ends tokens.
type Revoker struct {
	Inspector *Inspector
	Marks     Marks
	// MaxLifetime is the longest life of any access token, ClockSkew how far a verifier's clock may be behind.
	MaxLifetime, ClockSkew time.Duration
	// MaxGrant is how long a grant may bring tokens: a mark that ends grants with what they rest on must outlast them.
	MaxGrant time.Duration
	Now      func() time.Time
}

// Token ends an access token of the calling client (RFC 7009 §2.1). A token that is none of ours, or has died, needs no ending:
// that is success (§2.2). Another client's token is invalid_request and stays as it is.
func (r *Revoker) Token(ctx context.Context, token string, caller *iam.Client) error {
	t, err := r.Inspector.verify(ctx, token)
	if err != nil {
		if iam.KindOf(err) == iam.Unauthenticated {
			return nil
		}
		return err
	}
	if t.claims.ClientID != caller.ID {
		return iam.Refuse(iam.Invalid, "invalid_request", "the token was not issued to this client")
	}
	return r.claims(ctx, t.claims)
}

// TokenID returns the id of an access token that AnyToken would end.
func (r *Revoker) TokenID(ctx context.Context, token string) (string, error) {
	t, err := r.Inspector.verify(ctx, token)
	switch {
	case err != nil && iam.KindOf(err) == iam.Unauthenticated:
		return "", notOurs(err)
	case err != nil:
		return "", err
	}
	return t.claims.ID, nil
}

func notOurs(err error) error {
	return iam.Errorf(iam.NotFound, "the token is not an access token of this issuer").WithCause(errors.Unwrap(err))
}

// AnyToken ends an access token whoever it was issued to: the operator's right. It returns the token's id, and iam.NotFound when
// the token is none of ours. One that has died needs no ending.
func (r *Revoker) AnyToken(ctx context.Context, token string) (string, error) {
	t, err := r.Inspector.verify(ctx, token)
	if err != nil {
		if iam.KindOf(err) == iam.Unauthenticated {
			return "", notOurs(err)
		}
		return "", err
	}
	return t.claims.ID, r.claims(ctx, t.claims)
}

func (r *Revoker) claims(ctx context.Context, c *Claims) error {
	end := unix(c.ExpiresAt).Add(r.ClockSkew)
	if !r.Now().Before(end) {
		return nil
	}
	return r.Marks.Revoke(ctx, iam.Revocation{RevocationRef: iam.RevocationRef{Kind: iam.RevokedToken, ID: c.ID}, ExpiresAt: end})
}

// All ends every token issued so far to what ref names: a client, user, member, organization, session or key. A jti or a grant is
// ended whole.
func (r *Revoker) All(ctx context.Context, ref iam.RevocationRef) error {
	// A token may carry an iat a little ahead of the clock, right after an earlier mark; so may the clock of another replica.
	expires := r.Now().Add(r.MaxLifetime + 2*r.ClockSkew)
	switch ref.Kind {
	case iam.RevokedToken, iam.RevokedGrant, iam.RevokedKey:
		return r.Marks.Revoke(ctx, iam.Revocation{RevocationRef: ref, ExpiresAt: expires})
	case iam.RevokedClient, iam.RevokedUser: // a session's grants are ended one by one: there is a mark for each time somebody signs out
		expires = r.Now().Add(max(r.MaxLifetime, r.MaxGrant) + 2*r.ClockSkew)
	}
	return r.Marks.RevokeIssued(ctx, ref, expires)
}
