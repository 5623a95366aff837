package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// A person is who is signed in to a server, by what login has left on this machine.
type person struct {
	*connection
	kept *credentials
}

// signedIn returns the person that the command line acts for: the one who has signed in, unless a flag or the environment says which
// client or token to act with. nil: it is nobody.
func (p *program) signedIn(r *remote) (*person, error) {
	if p.instead(r) != "" {
		return nil, nil
	}
	c, err := p.address(r)
	if err != nil {
		return nil, err
	}
	x := &person{connection: c, kept: p.keep()}
	k, err := x.kept.read()
	if err != nil || k.Servers[c.server] == nil {
		return nil, err
	}
	return x, nil
}

// instead names the flag or the variable that says which client or token to act with in place of the person, "" for none.
func (p *program) instead(r *remote) string {
	for _, flag := range []struct{ name, value string }{
		{"--client-id", r.clientID}, {"--client-secret-file", r.secretFile}, {"--access-token-file", r.accessFile},
	} {
		if flag.value != "" {
			return flag.name
		}
	}
	for _, name := range remoteVariables {
		if name != "GATEHOUSE_SERVER" && p.getenv(name) != "" {
			return name
		}
	}
	return ""
}

// credential returns what is kept of the person now.
func (x *person) credential() (*credential, error) {
	k, err := x.kept.read()
	if err != nil {
		return nil, err
	}
	of := k.Servers[x.server]
	if of == nil {
		return nil, notSignedIn(x.server)
	}
	return of, nil
}

// meet asks the server who it is, which must be the one that the person has signed in to.
func (x *person) meet(ctx context.Context) error {
	if err := x.connection.meet(ctx); err != nil {
		return err
	}
	of, err := x.credential()
	if err != nil {
		return err
	}
	if of.Issuer != x.issuer {
		return &fault{
			exit: exitNotSignedIn, err: fmt.Errorf("the server at %s says that it is %s, and was %s at the last login", x.server, x.issuer, of.Issuer),
			next: "run: gatehouse login" + serverFlag(x.server) + " if that is right",
		}
	}
	return nil
}

// token returns a token for what is asked: one that is still good, or else a new one. Of all processes that want one at the same time
// one refreshes, and the others find what it has got.
func (x *person) token(ctx context.Context, r tokenRequest, refused string) (issued, error) {
	of, err := x.credential()
	if err != nil {
		return issued{}, err
	}
	if t, ok := of.remembered(&r, refused); ok {
		return t, nil
	}
	unlock, err := x.kept.lockServer(ctx, x.server)
	if err != nil {
		return issued{}, err
	}
	defer unlock()
	if of, err = x.credential(); err != nil {
		return issued{}, err
	}
	if t, ok := of.remembered(&r, refused); ok {
		return t, nil
	}
	t, _, err := x.refresh(ctx, of, r)
	return t, err
}

// remembered completes what is asked and returns the token that is kept for it, unless that is the one which the server has refused.
func (c *credential) remembered(r *tokenRequest, refused string) (issued, bool) {
	if r.organization == "" {
		r.organization = c.Organization
	}
	if len(r.audiences) == 0 && len(c.Audiences) > 0 {
		r.audiences = c.Audiences[:1]
	}
	t, ok := c.Tokens[tokenKey(*r)]
	return t, ok && t.AccessToken != refused && time.Now().Before(t.RenewAt) && (t.IDToken == "" || time.Now().Before(t.IDExpiresAt))
}

// refresh gets a token for what is asked and keeps it with the new refresh token. The caller holds the server's lock. Once begun it is
// carried out: a refresh token that was used and whose successor nobody has is a sign-in that is lost.
func (x *person) refresh(ctx context.Context, of *credential, r tokenRequest) (issued, tokenClaims, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	refresh, err := x.kept.refreshToken(x.server, of)
	if err != nil {
		return issued{}, tokenClaims{}, err
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "audience": r.audiences}
	if r.organization != "" {
		form.Set("organization", r.organization)
	}
	if r.details != "" {
		form.Set("authorization_details", r.details)
	}
	if len(r.scopes) > 0 {
		form.Set("scope", strings.Join(r.scopes, " "))
	}
	var answer tokenAnswer
	err = x.post(ctx, pathToken, form, &answer)
	if err != nil && exitCode(err) == exitUnreachable && ctx.Err() == nil {
		// An answer may have been lost; the server gives the same one to whoever asks again soon.
		err = x.post(ctx, pathToken, form, &answer)
	}
	if err != nil {
		return issued{}, tokenClaims{}, x.refused(of, err)
	}
	claims, err := readClaims(answer.AccessToken)
	if err != nil {
		return issued{}, tokenClaims{}, err
	}
	t := answer.issued(time.Now())
	err = x.kept.change(ctx, func(k *kept) error {
		of := k.Servers[x.server]
		if of == nil {
			return notSignedIn(x.server)
		}
		if answer.RefreshToken != "" && answer.RefreshToken != refresh {
			if err := x.kept.put(x.server, of, answer.RefreshToken); err != nil {
				return err
			}
		}
		of.remember(r, t)
		return nil
	})
	return t, claims, err
}

// remember keeps a token, and forgets those that nobody should be handed any more.
func (c *credential) remember(r tokenRequest, t issued) {
	maps.DeleteFunc(c.Tokens, func(_ string, old issued) bool { return !time.Now().Before(old.RenewAt) })
	if c.Tokens == nil {
		c.Tokens = make(map[string]issued)
	}
	c.Tokens[tokenKey(r)] = t
}

// refused says what a refused refresh means to the person.
func (x *person) refused(of *credential, err error) error {
	var answer *oauthError
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Code {
	case "invalid_grant", "invalid_client", "unauthorized_client":
		return &fault{exit: exitNotSignedIn, err: fmt.Errorf("the sign-in of %s at %s has ended: %w", of.User, x.server, err), next: "run: gatehouse login" + serverFlag(x.server)}
	case "invalid_target":
		return &fault{exit: exitRefused, err: fmt.Errorf("no token for %s: %w", of.User, err), next: "run: gatehouse login --audience AUDIENCE" + serverFlag(x.server)}
	}
	return refusal("no token for "+of.User, err)
}

// admin is the request of a token for the admin API.
func (x *person) admin() tokenRequest {
	return tokenRequest{audiences: []string{token.AdminAudience(x.issuer)}}
}

// api returns the admin API as the person.
func (x *person) api() *apiv1.Client {
	http := *x.http
	http.Transport = &renewing{base: x.http.Transport, person: x}
	return &apiv1.Client{BaseURL: x.server, HTTPClient: &http, Token: func(ctx context.Context) (string, error) {
		t, err := x.token(ctx, x.admin(), "")
		return t.AccessToken, err
	}}
}

// renewing asks again, once, with a new token where the server refuses the one that is remembered: what the person may do can have
// changed, which ends the tokens from before and not the sign-in.
type renewing struct {
	base   http.RoundTripper
	person *person
}

// RoundTrip is http.RoundTripper.
func (t *renewing) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	answer, err := base.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return answer, err
	}
	used, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	fresh, err := t.person.token(r.Context(), t.person.admin(), used)
	if err != nil {
		return answer, nil // which says what the matter is
	}
	again := r.Clone(r.Context())
	again.Header.Set("Authorization", "Bearer "+fresh.AccessToken)
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return answer, nil
		}
	}
	_ = answer.Body.Close()
	return base.RoundTrip(again)
}
