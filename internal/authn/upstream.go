package authn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Upstreams speaks to the providers of connectors.
type Upstreams struct {
	Issuer string // ours
	// HTTP calls the providers. It bounds the time and the size of answers and decides which addresses may be called.
	HTTP *http.Client
	// Unseal opens the secret of a connector for a purpose.
	Unseal func(purpose, id string, sealed []byte) ([]byte, error)
	Now    func() time.Time

	mu        sync.Mutex
	providers map[string]*oidcProvider // by issuer
}

// CallbackURL is the redirect URI of a connector: each has its own, so that an answer says whose it is (RFC 9700 §4.4.2).
func (u *Upstreams) CallbackURL(connector string) string {
	return u.Issuer + "/login/" + connector + "/callback"
}

// Begin returns where a browser goes to sign in at the provider. fresh is the earliest authentication that will do, zero for any;
// strong asks for a second factor, where the provider knows of one; hint is the name that the person may want to sign in by.
func (u *Upstreams) Begin(ctx context.Context, c *iam.Connector, t *Trip, fresh time.Time, strong bool, hint string) (string, error) {
	config, options, err := u.request(ctx, c, t)
	if err != nil {
		return "", err
	}
	options = append(options, oauth2.S256ChallengeOption(t.Verifier))
	if hint != "" {
		options = append(options, oauth2.SetAuthURLParam(hintParameter(c), hint))
	}
	if c.Type == iam.ConnectorOIDC {
		if !fresh.IsZero() {
			age := max(0, int(u.Now().Sub(fresh)/time.Second))
			options = append(options, oauth2.SetAuthURLParam("max_age", fmt.Sprint(age)))
		}
		if strong && len(c.StrongACR) > 0 {
			options = append(options, oauth2.SetAuthURLParam("acr_values", strings.Join(c.StrongACR, " ")))
		}
	}
	return config.AuthCodeURL(t.State, options...), nil
}

// Complete takes the provider's answer and returns who has signed in there. fresh is that of Begin.
func (u *Upstreams) Complete(ctx context.Context, c *iam.Connector, t *Trip, answer url.Values, fresh time.Time) (*iam.Identity, error) {
	if code := answer.Get("error"); code != "" {
		return nil, iam.Refuse(iam.Invalid, "upstream_refused", "%s has not signed you in: %s", c.Title(), said(code, answer.Get("error_description")))
	}
	code := answer.Get("code")
	if code == "" {
		return nil, errTrip
	}
	config, _, err := u.request(ctx, c, t)
	if err != nil {
		return nil, err
	}
	if c.Type == iam.ConnectorOIDC {
		if err := u.checkIssuer(ctx, c, answer.Get("iss")); err != nil {
			return nil, err
		}
	}
	token, err := config.Exchange(u.context(ctx), code, oauth2.VerifierOption(t.Verifier))
	if err != nil {
		return nil, wrong(c, "gives no token", err)
	}
	var id *iam.Identity
	if c.Type == iam.ConnectorGitHub {
		id, err = u.githubIdentity(ctx, c, token)
	} else {
		id, err = u.oidcIdentity(ctx, c, t, token, fresh)
	}
	if err != nil {
		return nil, err
	}
	id.Connector = c.Name
	return id, nil
}

// request is what both legs of a trip have in common.
func (u *Upstreams) request(ctx context.Context, c *iam.Connector, t *Trip) (*oauth2.Config, []oauth2.AuthCodeOption, error) {
	config := &oauth2.Config{ClientID: string(c.ClientID), RedirectURL: u.CallbackURL(c.Name), Scopes: c.Scopes}
	if c.Sealed != nil {
		secret, err := u.Unseal(iam.ConnectorSecretPurpose, c.Name, c.Sealed)
		if err != nil {
			return nil, nil, fmt.Errorf("the secret of connector %q: %w", c.Name, err)
		}
		config.ClientSecret = string(secret)
	}
	if c.Type == iam.ConnectorGitHub {
		config.Endpoint = githubEndpoint(c)
		if len(config.Scopes) == 0 {
			config.Scopes = githubScopes(c)
		}
		return config, nil, nil
	}
	p, err := u.provider(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	config.Endpoint = p.endpoint(config.ClientSecret)
	if len(config.Scopes) == 0 {
		config.Scopes = []string{"openid", "profile", "email"}
	}
	return config, []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("nonce", t.Nonce)}, nil
}

// context carries the HTTP client to libraries that look there for it.
func (u *Upstreams) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, u.HTTP)
}

// wrong is what a failed call to a provider comes to: it refuses, or it does not answer as it should, which may pass.
func wrong(c *iam.Connector, what string, err error) error {
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) && refusal.Response.StatusCode < 500 {
		return iam.Refuse(iam.Invalid, "upstream_refused", "%s %s: start again where you came from", c.Title(), what).WithCause(brief(err))
	}
	return iam.Refuse(iam.Unavailable, "upstream_unavailable", "%s %s", c.Title(), what).WithCause(brief(err))
}

// untrue refuses what a provider has said.
func untrue(c *iam.Connector, err error) error {
	return iam.Refuse(iam.Invalid, "upstream_refused", "what %s says of you cannot be relied on: start again where you came from", c.Title()).WithCause(brief(err))
}

// brief is what the log gets of a fault at a provider: a line. The errors of libraries hold the whole answer, which may be long and may
// hold anything, such as what we have sent.
func brief(err error) error {
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) {
		return fmt.Errorf("token endpoint: %s %s", refusal.Response.Status, said(refusal.ErrorCode, refusal.ErrorDescription))
	}
	return errors.New(said(err.Error(), ""))
}

// said makes a line of what a provider gives as its reason. It is a stranger's text, so it is cut, and is text only.
func said(code, description string) string {
	if description == "" {
		description = code
	}
	return cut(strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(description, "")), 200)
}

// hintParameter is what the provider calls the name that somebody may want to sign in by.
func hintParameter(c *iam.Connector) string {
	if c.Type == iam.ConnectorGitHub {
		return "login"
	}
	return "login_hint" // OIDC Core §3.1.2.1
}
