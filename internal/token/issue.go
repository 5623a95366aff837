package token

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/keys"
)

// An Issuer signs access tokens. It writes nothing anywhere.
type Issuer struct {
	Issuer string
	Ring   func() *keys.Ring
	Now    func() time.Time
}

// An AccessToken is a signed token as the token endpoint answers it.
type AccessToken struct {
	Value     string
	ID        string // jti
	Scope     string
	ExpiresIn time.Duration
}

// AccessToken signs a token for what was authorized (RFC 9068). A token that would be larger than MaxTokenSize is refused.
func (i *Issuer) AccessToken(a *Authorization) (AccessToken, error) {
	c := Claims{
		Issuer:       i.Issuer,
		Subject:      a.Subject,
		Audience:     a.Audience,
		ClientID:     a.Client.ID,
		Scope:        strings.Join(a.Scopes, " "),
		Roles:        a.Roles,
		Groups:       a.Groups,
		Entitlements: a.Entitlements,
		Details:      a.Details,
		AccessRev:    a.AccessRev,
		ACR:          a.ACR,
		AMR:          a.AMR,
		SessionID:    a.SessionID,
		Extra:        a.Extra,
	}
	if !a.AuthTime.IsZero() {
		c.AuthTime = a.AuthTime.Unix()
	}
	if a.Organization != nil {
		c.OrgID, c.OrgName = a.Organization.ID, a.Organization.Name
	}
	c.IssuedAt, c.ExpiresAt = a.IssuedAt.Unix(), a.IssuedAt.Add(a.Lifetime).Unix()
	c.ID = newID(a.Grant)

	signer, err := i.Ring().Signer(a.Alg, keys.TypeAccessToken)
	if err != nil {
		return AccessToken{}, iam.Errorf(iam.Unavailable, "no %s key can sign yet; try again", a.Alg).WithCause(err)
	}
	var buf [1024]byte
	payload, err := c.appendJSON(buf[:0])
	if err != nil {
		return AccessToken{}, err
	}
	jws, err := signer.Sign(nil, payload)
	if err != nil {
		return AccessToken{}, fmt.Errorf("access token: %w", err)
	}
	return AccessToken{Value: string(jws), ID: c.ID, Scope: c.Scope, ExpiresIn: time.Duration(c.ExpiresAt-i.Now().Unix()) * time.Second}, nil
}

// newID returns a jti: the grant's id, so that one mark ends all tokens of a grant, and 96 random bits.
func newID(grant string) string {
	var random [12]byte
	rand.Read(random[:])
	b := make([]byte, 0, len(grant)+1+16)
	b = append(b, grant...)
	b = append(b, '.')
	return string(base64.RawURLEncoding.AppendEncode(b, random[:]))
}

// NewGrantID returns the id of a new grant: 96 random bits.
func NewGrantID() string {
	var random [12]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:])
}
