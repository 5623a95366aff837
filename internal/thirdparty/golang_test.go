package thirdparty_test

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/cli/oauth"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// discover returns what a client in Go finds out from the issuer's address, and the context in which it trusts the certificate.
func discover(t *testing.T, b *apptest.Broker) (context.Context, *oidc.Provider) {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), b.HTTP)
	provider, err := oidc.NewProvider(ctx, b.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, provider
}

// verify checks the ID token of an answer, and that UserInfo speaks of the same person.
func verify(ctx context.Context, t *testing.T, provider *oidc.Provider, client string, got *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, _ := got.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: client}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(got.AccessToken); err != nil {
		t.Error(err)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(got))
	if err != nil {
		t.Fatal(err)
	}
	if info.Subject != id.Subject || info.Email != "ada@acme.example" || !info.EmailVerified {
		t.Errorf("UserInfo: got %+v, want Ada's, who is %s", info, id.Subject)
	}
	return id
}

// golang.org/x/oauth2 signs in by code with PKCE and renews the token; go-oidc checks the ID token.
func TestGoSignsInByCode(t *testing.T) {
	t.Parallel()
	b := apptest.StartTLS(t)
	who := b.AddPerson("ada")
	secret := b.AddClient("shop", apiv1.ClientSpec{GrantTypes: []string{"authorization_code", "refresh_token"}, RedirectURIs: []string{callback}})
	ctx, provider := discover(t, b)
	config := oauth2.Config{
		ClientID: "shop", ClientSecret: secret, Endpoint: provider.Endpoint(), RedirectURL: callback,
		Scopes: []string{oidc.ScopeOpenID, "email", oidc.ScopeOfflineAccess},
	}
	verifier, state, nonce := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	j := b.Visitor().Travel(config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)), who)
	if j.To == nil || j.To.Query().Get("state") != state {
		t.Fatalf("the browser is left at %v, %v", j.To, j.Page)
	}
	code := j.To.Query().Get("code")
	if _, err := config.Exchange(ctx, code, oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Fatal("a wrong verifier was accepted")
	}
	j = b.Visitor().Travel(config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)), who)
	got, err := config.Exchange(ctx, j.To.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if id := verify(ctx, t, provider, "shop", got); id.Nonce != nonce {
		t.Errorf("nonce: got %q, want %q", id.Nonce, nonce)
	}
	renewed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: got.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if renewed.AccessToken == got.AccessToken || renewed.RefreshToken == got.RefreshToken {
		t.Error("the refresh brought what was there before")
	}
	verify(ctx, t, provider, "shop", renewed)
}

// addDevice creates a client that signs people in by a code on its screen.
func addDevice(b *apptest.Broker) {
	b.T.Helper()
	b.AddClient("tool", apiv1.ClientSpec{TokenEndpointAuthMethod: "none", ApplicationType: "native", GrantTypes: []string{deviceGrant, "refresh_token"}})
}

// approve presses the button of the page that compares codes.
func approve(t *testing.T, v *apptest.Visitor, shown apptest.Answer) {
	t.Helper()
	if done := v.Follow(v.Submit(shown, "/activate", "decision", "approve")); done.Status != http.StatusOK {
		t.Fatalf("approve, on the page %v: got %v", shown, done)
	}
}

// golang.org/x/oauth2 signs in by the link that a device shows.
func TestGoSignsInByDevice(t *testing.T) {
	t.Parallel()
	b := apptest.StartTLS(t)
	who := b.AddPerson("ada")
	addDevice(b)
	ctx, provider := discover(t, b)
	config := oauth2.Config{ClientID: "tool", Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "email", oidc.ScopeOfflineAccess}}
	device, err := config.DeviceAuth(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if device.Interval < 1 || device.VerificationURIComplete == "" || device.Expiry.IsZero() {
		t.Fatalf("got %+v, want an interval, an expiry and a link with the code", device)
	}
	v := b.Visitor()
	approve(t, v, v.Travel(device.VerificationURIComplete, who).Page)
	got, err := config.DeviceAccessToken(ctx, device)
	if err != nil {
		t.Fatal(err)
	}
	verify(ctx, t, provider, "tool", got)
	if _, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: got.RefreshToken}).Token(); err != nil {
		t.Errorf("refresh: %v", err)
	}
}

// The library of GitHub's command line signs in by device: it shows a code, which the person types, and needs an interval in the
// answer.
func TestCLIOAuthSignsInByDevice(t *testing.T) {
	t.Parallel()
	b := apptest.StartTLS(t)
	who := b.AddPerson("ada")
	addDevice(b)
	var out bytes.Buffer
	userCode := ""
	flow := oauth.Flow{
		Host:     &oauth.Host{DeviceCodeURL: b.Issuer + "/oauth/device/code", AuthorizeURL: b.Issuer + "/authorize", TokenURL: b.Issuer + "/oauth/token"},
		ClientID: "tool", Scopes: []string{"openid", "offline_access"}, HTTPClient: b.HTTP, Stdout: &out,
		DisplayCode: func(code, _ string) error { userCode = code; return nil },
		BrowseURL: func(address string) error {
			v := b.Visitor()
			asked := v.Travel(address, who).Page
			approve(t, v, v.TravelOn(v.Submit(asked, "/activate", "user_code", userCode), who).Page)
			return nil
		},
	}
	got, err := flow.DeviceFlow()
	if err != nil {
		t.Fatal(err)
	}
	if got.Token == "" || got.RefreshToken == "" || got.Type != "Bearer" {
		t.Errorf("got %+v, want a token and one to renew it", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.Issuer+"/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+got.Token)
	if a := b.Do(r); a.Status != http.StatusOK {
		t.Errorf("UserInfo: got %v", a)
	}
}
