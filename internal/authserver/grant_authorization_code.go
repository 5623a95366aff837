package authserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// authorizationCode is the grant of RFC 6749 §4.1.3: a client redeems the code that the browser has brought it, once.
type authorizationCode struct{ server *Server }

// CanHandleTokenEndpointRequest is asked after the grant type has chosen this handler.
func (authorizationCode) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(string(iam.GrantAuthorizationCode))
}

// CanSkipClientAuth is never: a public client says who it is as well.
func (authorizationCode) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

// HandleTokenEndpointRequest finds the grant whose code this is and checks everything about it; it is spent when the policy has
// agreed. A wrong client, redirect URI or verifier leaves the code as it is, so that nobody can spoil another's.
func (h authorizationCode) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	s, form := h.server, r.GetRequestForm()
	client := r.GetClient().(fositeClient).Client
	if err := allowed(client, iam.GrantAuthorizationCode); err != nil {
		return err
	}
	code := form.Get("code")
	if code == "" {
		return iam.Refuse(iam.Invalid, "invalid_request", "the parameter code is missing")
	}
	id, ok := s.Handles.Coded(code)
	if !ok {
		return errGrant
	}
	g, err := s.Grants.Grant(ctx, id)
	if err != nil {
		return err
	}
	if g == nil || g.Code == nil || g.Client != client.ID {
		return errGrant
	}
	if err := redeemable(g.Code, s.Policy.Now()); err != nil {
		return s.reused(ctx, id, err)
	}
	if err := checkRedirectURI(g.Code, client, form); err != nil {
		return err
	}
	if err := checkVerifier(g.Code.Challenge, form.Get("code_verifier")); err != nil {
		return err
	}
	if err := s.onBehalf(ctx, r, g); err != nil {
		return err
	}
	r.GetSession().(*session).nonce = g.Nonce
	return nil
}

// PopulateTokenEndpointResponse mints the tokens and spends the code.
func (h authorizationCode) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, w fosite.AccessResponder) error {
	now := h.server.Policy.Now()
	return h.server.mintFor(ctx, r, w, func(g *iam.Grant) (bool, error) {
		if g.Code == nil {
			return false, errGrant
		}
		if err := redeemable(g.Code, now); err != nil {
			return false, err
		}
		g.Code.SpentAt = now
		return true, nil
	})
}

// redeemable refuses a code that was spent or has expired.
func redeemable(c *iam.CodeGrant, now time.Time) error {
	if !c.SpentAt.IsZero() {
		return errReused
	}
	if !now.Before(c.ExpiresAt) {
		return errGrant
	}
	return nil
}

// checkRedirectURI wants the redirect URI of the authorization request again, byte for byte, if it named one (RFC 6749 §4.1.3). One
// that named none was sent to the only one that is registered.
func checkRedirectURI(c *iam.CodeGrant, client *iam.Client, form url.Values) error {
	want, got := c.RedirectURI, form.Get("redirect_uri")
	if want == "" && len(client.RedirectURIs) == 1 && got != "" {
		want = client.RedirectURIs[0]
	}
	if got != want {
		return iam.Refuse(iam.Invalid, "invalid_grant", "redirect_uri must be the one of the authorization request")
	}
	return nil
}

var errVerifier = iam.Refuse(iam.Invalid, "invalid_grant", "code_verifier does not belong to the code_challenge of the authorization request (RFC 7636, section 4.6)")

// checkVerifier proves that who redeems the code is who asked for it (RFC 7636 §4.6). A verifier for a request without a challenge is
// refused as well: somebody has taken the challenge out (RFC 9700 §4.8.2).
func checkVerifier(challenge, verifier string) error {
	if challenge == "" && verifier == "" {
		return nil
	}
	if challenge == "" || !wellFormedVerifier(verifier) {
		return errVerifier
	}
	sum := sha256.Sum256([]byte(verifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) != 1 {
		return errVerifier
	}
	return nil
}

// wellFormedVerifier is the grammar of RFC 7636 §4.1.
func wellFormedVerifier(v string) bool {
	if len(v) < 43 || len(v) > 128 {
		return false
	}
	for i := range len(v) {
		switch c := v[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}
