package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// The endpoints that people's sign-in uses.
const (
	pathAuthorize = "/authorize"
	pathDevice    = "/oauth/device/code"
	pathToken     = "/oauth/token"
	pathRevoke    = "/oauth/revoke"
)

// maxAnswer bounds what is read of an answer of the OAuth endpoints.
const maxAnswer = 1 << 20

// An oauthError is an answer of RFC 6749 §5.2.
type oauthError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// Error is the description, and the code that programs read.
func (e *oauthError) Error() string {
	if e.Description == "" {
		return e.Code
	}
	return fmt.Sprintf("%s (%s)", strings.TrimSuffix(e.Description, "."), e.Code)
}

// later reports whether the same request may well succeed later.
func (e *oauthError) later() bool {
	return e.status >= http.StatusInternalServerError || e.status == http.StatusTooManyRequests
}

// post sends a form to an OAuth endpoint as the client of the command line and decodes the answer, unless into is nil. Its error is an
// *oauthError, or a fault when what answers is no such endpoint.
func (c *connection) post(ctx context.Context, path string, form url.Values, into any) error {
	form.Set("client_id", string(iam.CommandLineID))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+path, strings.NewReader(form.Encode()))
	if err != nil {
		return usage(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return c.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return c.unreachable(err)
	}
	if response.StatusCode == http.StatusOK {
		if into == nil {
			return nil
		}
		if err := json.Unmarshal(body, into); err != nil {
			return c.unreachable(fmt.Errorf("%s answered something else than JSON", path))
		}
		return nil
	}
	refused := &oauthError{status: response.StatusCode}
	if json.Unmarshal(body, refused) != nil || refused.Code == "" {
		return c.unreachable(fmt.Errorf("%s answered %d", path, response.StatusCode))
	}
	return refused
}

// refusal makes what an endpoint answered a fault with an exit code. what says what could not be done.
func refusal(what string, err error) error {
	var answer *oauthError
	if !errors.As(err, &answer) {
		return err
	}
	f := &fault{exit: exitRefused, err: fmt.Errorf("%s: %w", what, err)}
	switch {
	case answer.status >= http.StatusInternalServerError:
		f.exit, f.next = exitUnreachable, "try again later"
	case answer.status == http.StatusTooManyRequests:
		f.next = "try again later"
	}
	return f
}

// A tokenAnswer is what the token endpoint gives (RFC 6749 §5.1, OIDC Core §3.1.3.3).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
}

// renewBefore is how long before its end a token is renewed, and no more than a quarter of its life.
const renewBefore = time.Minute

// issued returns the tokens of an answer with the times at which they end by the clock of this machine.
func (a *tokenAnswer) issued(now time.Time) issued {
	life := time.Duration(a.ExpiresIn) * time.Second
	out := issued{AccessToken: a.AccessToken, ExpiresAt: now.Add(life), IDToken: a.IDToken}
	out.RenewAt = out.ExpiresAt.Add(-min(renewBefore, life/4))
	if id, err := readClaims(a.IDToken); a.IDToken != "" && err == nil {
		out.IDExpiresAt = now.Add(time.Duration(id.ExpiresAt-id.IssuedAt) * time.Second)
	}
	return out
}

// tokenClaims are what the command line reads of tokens that it has got from the server itself, which needs no signature
// (OIDC Core §3.1.3.7).
type tokenClaims struct {
	Issuer    string `json:"iss"`
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp"`
	OrgID     string `json:"org_id"`
	OrgName   string `json:"org_name"`
}

func readClaims(jwt string) (c tokenClaims, err error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return c, errors.New("the server gave a token that is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil {
		return c, errors.New("the server gave a token that cannot be read")
	}
	return c, nil
}
