package token

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/keys"
)

// An IDToken is what goes into an ID token beside what the authorization says.
type IDToken struct {
	Nonce       string
	AccessToken string         // it comes with, for at_hash; "": none
	Claims      map[string]any // asked for one by one (OIDC Core §5.5); reserved names are ours
	Lifetime    time.Duration
}

// IDToken signs an ID token (OIDC Core §2) for what was authorized on behalf of a person: by the client's algorithm, RS256 if it names
// none. Profile claims are not in it, they come from UserInfo; the organization that was chosen is.
func (i *Issuer) IDToken(a *Authorization, t IDToken) (string, error) {
	alg := idTokenAlg(a.Client)
	c := make(map[string]any, len(t.Claims)+16)
	maps.Copy(c, t.Claims)
	c["iss"], c["sub"], c["aud"] = i.Issuer, a.Subject, a.Client.ID
	c["iat"], c["exp"] = a.IssuedAt.Unix(), a.IssuedAt.Add(t.Lifetime).Unix()
	c["auth_time"], c["jti"] = a.AuthTime.Unix(), newID(a.Grant)
	put := func(name, value string) {
		if value != "" {
			c[name] = value
		}
	}
	put("nonce", t.Nonce)
	put("acr", a.ACR)
	put("sid", a.SessionID)
	if len(a.AMR) > 0 {
		c["amr"] = a.AMR
	}
	if t.AccessToken != "" {
		c["at_hash"] = atHash(alg, t.AccessToken)
	}
	if o := a.Organization; o != nil {
		c["org_id"], c["org_name"] = o.ID, o.Name
		c["roles"], c["groups"] = append([]iam.RoleID{}, a.Roles...), append([]string{}, a.Groups...)
	}
	for _, x := range a.Extra {
		if strings.Contains(x.Name, ":") {
			c[x.Name] = x.Value
		}
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("ID token: %w", err)
	}
	signer, err := i.Ring().Signer(alg, keys.TypeIDToken)
	if err != nil {
		return "", iam.Errorf(iam.Unavailable, "no %s key can sign yet; try again", alg).WithCause(err)
	}
	jws, err := signer.Sign(nil, payload)
	if err != nil {
		return "", fmt.Errorf("ID token: %w", err)
	}
	return string(jws), nil
}

// atHash is the left half of the access token's hash by the hash of the algorithm (OIDC Core §3.1.3.6); of Ed25519 it is SHA-512.
func atHash(alg keys.Alg, accessToken string) string {
	if alg == keys.EdDSA {
		sum := sha512.Sum512([]byte(accessToken))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
