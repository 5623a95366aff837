package token

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/keys"
)

// logoutTokenLife is how long a logout token holds: it is made when it is sent.
const logoutTokenLife = 2 * time.Minute

// LogoutToken signs what tells a client that a session has ended (Back-Channel Logout §2.4), by the algorithm of its ID tokens.
func (i *Issuer) LogoutToken(client *iam.Client, user iam.UserID, sessionID string) (string, error) {
	now := i.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": i.Issuer, "aud": client.ID, "sub": user, "sid": sessionID, "jti": NewGrantID(),
		"iat": now.Unix(), "exp": now.Add(logoutTokenLife).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}},
	})
	if err != nil {
		return "", fmt.Errorf("logout token: %w", err)
	}
	alg := idTokenAlg(client)
	signer, err := i.Ring().Signer(alg, keys.TypeLogoutToken)
	if err != nil {
		return "", iam.Errorf(iam.Unavailable, "no %s key can sign yet; try again", alg).WithCause(err)
	}
	jws, err := signer.Sign(nil, payload)
	if err != nil {
		return "", fmt.Errorf("logout token: %w", err)
	}
	return string(jws), nil
}

// idTokenAlg is by what a client's ID tokens are signed: RS256 if it names nothing (OIDC Registration §2).
func idTokenAlg(c *iam.Client) keys.Alg {
	if c.Web != nil && c.Web.IDTokenSigningAlg != "" {
		return keys.Alg(c.Web.IDTokenSigningAlg)
	}
	return keys.RS256
}
