package authn

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// An oidcProvider is what the discovery document of an issuer says.
type oidcProvider struct {
	*oidc.Provider
	readAt      time.Time
	announces   bool // it names itself in its answers (RFC 9207)
	authMethods []string
}

// providerLife is how long a discovery document is relied on. Keys are fetched anew whenever a token has an unknown one.
const providerLife = time.Hour

// clockSkew is by how much a provider's clock may be ahead.
const clockSkew = time.Minute

// idTokenAlgs are the algorithms that an ID token may be signed with. With none, or with our own secret as the key, nothing is proved.
var idTokenAlgs = []string{oidc.RS256, oidc.ES256, oidc.EdDSA, oidc.PS256}

// provider returns what is known of a connector's provider, from its discovery document when that is due.
func (u *Upstreams) provider(ctx context.Context, c *iam.Connector) (*oidcProvider, error) {
	u.mu.Lock()
	p := u.providers[c.Issuer]
	u.mu.Unlock()
	if p != nil && u.Now().Sub(p.readAt) < providerLife {
		return p, nil
	}
	// Several at once may read it. The provider keeps its context for the calls to come, so that must not end with this request; the
	// client bounds each call.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), u.HTTP), c.Issuer)
	if err != nil {
		return nil, wrong(c, "does not answer as an OpenID provider does", err)
	}
	p, err = describe(found, c.Issuer)
	if err != nil {
		return nil, wrong(c, "does not answer as an OpenID provider does", err)
	}
	p.readAt = u.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.providers == nil {
		u.providers = make(map[string]*oidcProvider)
	}
	u.providers[c.Issuer] = p
	return p, nil
}

func describe(found *oidc.Provider, issuer string) (*oidcProvider, error) {
	var doc struct {
		Authorization string   `json:"authorization_endpoint"`
		Token         string   `json:"token_endpoint"`
		JWKS          string   `json:"jwks_uri"`
		UserInfo      string   `json:"userinfo_endpoint"`
		Announces     bool     `json:"authorization_response_iss_parameter_supported"`
		AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := found.Claims(&doc); err != nil {
		return nil, err
	}
	for name, endpoint := range map[string]string{"authorization_endpoint": doc.Authorization, "token_endpoint": doc.Token, "jwks_uri": doc.JWKS, "userinfo_endpoint": doc.UserInfo} {
		e, err := url.Parse(endpoint)
		switch {
		case endpoint == "" && name == "userinfo_endpoint":
		case err != nil || e.Host == "" || e.Scheme != "https" && !(e.Scheme == "http" && strings.HasPrefix(issuer, "http://")):
			return nil, fmt.Errorf("%s: %.100q is not an https URL", name, endpoint)
		}
	}
	return &oidcProvider{Provider: found, announces: doc.Announces, authMethods: doc.AuthMethods}, nil
}

// endpoint says how we authenticate there: by the Basic header, which is the default (OIDC Discovery §3), unless only a form will do.
func (p *oidcProvider) endpoint(secret string) oauth2.Endpoint {
	e := p.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInHeader
	if secret == "" || len(p.authMethods) > 0 && !slices.Contains(p.authMethods, "client_secret_basic") {
		e.AuthStyle = oauth2.AuthStyleInParams
	}
	return e
}

// checkIssuer refuses an answer of another provider (RFC 9207 §2.4).
func (u *Upstreams) checkIssuer(ctx context.Context, c *iam.Connector, iss string) error {
	p, err := u.provider(ctx, c)
	if err != nil {
		return err
	}
	if iss != c.Issuer && (p.announces || iss != "") {
		return errTrip.WithCause(fmt.Errorf("iss is %.100q", iss))
	}
	return nil
}

// oidcIdentity verifies an ID token (OIDC Core §3.1.3.7) and asks userinfo for what it does not say.
func (u *Upstreams) oidcIdentity(ctx context.Context, c *iam.Connector, t *Trip, token *oauth2.Token, fresh time.Time) (*iam.Identity, error) {
	p, err := u.provider(ctx, c)
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, untrue(c, errors.New("there is no ID token"))
	}
	verifier := p.VerifierContext(oidc.ClientContext(ctx, u.HTTP), &oidc.Config{ClientID: string(c.ClientID), SupportedSigningAlgs: idTokenAlgs, Now: u.Now})
	verified, err := verifier.Verify(oidc.ClientContext(ctx, u.HTTP), raw)
	if err != nil {
		return nil, untrue(c, err)
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return nil, untrue(c, err)
	}
	authTime := timeOf(claims["auth_time"])
	switch azp, named := claims["azp"]; {
	case subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(t.Nonce)) != 1:
		err = errors.New("the nonce is not ours")
	case named && azp != string(c.ClientID), !named && len(verified.Audience) > 1:
		err = errors.New("the token was issued to somebody else")
	case verified.IssuedAt.After(u.Now().Add(clockSkew)):
		err = errors.New("the token is from the future")
	case !fresh.IsZero() && authTime.Before(fresh.Add(-clockSkew)):
		err = errors.New("the authentication is older than what was asked for, or has no auth_time")
	}
	if err != nil {
		return nil, untrue(c, err)
	}
	if p.UserInfoEndpoint() != "" {
		if err := u.addUserInfo(ctx, c, p, token, claims); err != nil {
			return nil, err
		}
	}
	id := identityOf(verified.Subject, claims)
	id.AuthTime = authTime
	return id, nil
}

// addUserInfo adds the claims of userinfo that the ID token does not have. An address and whether it is verified go together.
func (u *Upstreams) addUserInfo(ctx context.Context, c *iam.Connector, p *oidcProvider, token *oauth2.Token, claims map[string]any) error {
	info, err := p.UserInfo(oidc.ClientContext(ctx, u.HTTP), oauth2.StaticTokenSource(token))
	if err != nil {
		return wrong(c, "does not say who you are", err)
	}
	if info.Subject != claims["sub"] { // OIDC Core §5.3.2
		return untrue(c, errors.New("userinfo is about somebody else"))
	}
	var more map[string]any
	if err := info.Claims(&more); err != nil {
		return untrue(c, err)
	}
	if _, has := claims["email"]; has {
		delete(more, "email_verified")
	}
	for name, v := range more {
		if _, has := claims[name]; !has {
			claims[name] = v
		}
	}
	return nil
}

// identityOf takes from claims what concerns us, each if it has the type that it should have.
func identityOf(subject string, claims map[string]any) *iam.Identity {
	text := func(name string) string { s, _ := claims[name].(string); return s }
	id := &iam.Identity{
		Subject: subject, Name: text("preferred_username"), Email: text("email"), EmailVerified: claims["email_verified"] == true,
		Profile: make(map[string]any), Claims: make(map[string][]string), ACR: text("acr"), AMR: texts(claims["amr"]),
	}
	for _, name := range []string{"name", "given_name", "family_name", "nickname", "picture", "locale", "zoneinfo"} {
		if s := text(name); s != "" {
			id.Profile[name] = s
		}
	}
	for name, v := range claims {
		if values := texts(v); len(values) > 0 {
			id.Claims[name] = values
		}
	}
	return id
}

// texts are the texts of a claim: one, or a list of them.
func texts(v any) (out []string) {
	switch v := v.(type) {
	case string:
		out = []string{v}
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out
}

func timeOf(v any) time.Time {
	switch v := v.(type) {
	case float64:
		return time.Unix(int64(v), 0)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return time.Unix(n, 0)
		}
	}
	return time.Time{}
}
