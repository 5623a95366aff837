package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// remoteVariables are the environment of the verbs that talk to a server.
var remoteVariables = []string{
	"GATEHOUSE_SERVER", "GATEHOUSE_CLIENT_ID", "GATEHOUSE_CLIENT_SECRET", "GATEHOUSE_CLIENT_SECRET_FILE",
	"GATEHOUSE_ACCESS_TOKEN", "GATEHOUSE_ACCESS_TOKEN_FILE",
}

const (
	defaultServer = "http://127.0.0.1:8080"
	operatorID    = "operator"        // the client that init and serve --dev make
	operatorFile  = "operator.secret" // where serve --dev leaves its secret, in the data folder
	callTimeout   = time.Minute       // one request to the server, from its connection to the end of its answer
	maxMetadata   = 1 << 20
)

// A remote is what the flags say about the server and who asks it. The zero value takes everything from the environment.
type remote struct {
	server, clientID, secretFile, accessFile, data string
}

// addRemote gives a verb, or all verbs of a noun, the flags that name the server and the credentials.
func addRemote(cmd *cobra.Command) *remote {
	r := &remote{}
	flags := cmd.PersistentFlags()
	flags.StringVar(&r.server, "server", "", "address of the server (GATEHOUSE_SERVER; default that of the last login, or "+defaultServer+")")
	flags.StringVar(&r.clientID, "client-id", "", "client to act as, instead of the person who is signed in (GATEHOUSE_CLIENT_ID; default "+operatorID+")")
	flags.StringVar(&r.secretFile, "client-secret-file", "", "file with its secret, - for standard input (GATEHOUSE_CLIENT_SECRET_FILE, or the secret itself in GATEHOUSE_CLIENT_SECRET)")
	flags.StringVar(&r.accessFile, "access-token-file", "", "file with an access token to act with instead, - for standard input (GATEHOUSE_ACCESS_TOKEN_FILE, or the token itself in GATEHOUSE_ACCESS_TOKEN)")
	flags.StringVar(&r.data, "data", defaultData, "folder whose "+operatorFile+" is used for a server on this machine when no secret is given")
	return r
}

// A connection is a server that has said who it is, and the credentials for it.
type connection struct {
	server string // the address without a slash at its end
	local  bool   // on this machine
	issuer string
	id     string
	secret secret.Secret
	http   *http.Client
}

// connect finds the server and the credentials of a client. Nothing secret has been sent when it returns.
func (p *program) connect(ctx context.Context, r *remote) (*connection, error) {
	c, err := p.address(r)
	if err != nil {
		return nil, err
	}
	c.id = cmp.Or(r.clientID, p.getenv("GATEHOUSE_CLIENT_ID"))
	if c.secret, err = p.clientSecret(r, c); err != nil {
		return nil, err
	}
	c.id = cmp.Or(c.id, operatorID)
	return c, c.meet(ctx)
}

// address returns a connection to a server that has not been asked anything.
func (p *program) address(r *remote) (*connection, error) {
	named := cmp.Or(r.server, p.getenv("GATEHOUSE_SERVER"))
	if named == "" {
		k, err := p.keep().read()
		if err != nil {
			return nil, err
		}
		named = cmp.Or(k.Current, defaultServer)
	}
	server, local, err := parseServer(named)
	if err != nil {
		return nil, usage(err)
	}
	return &connection{
		server: server,
		local:  local,
		http: &http.Client{
			Transport: &introduced{p.transport},
			Timeout:   callTimeout,
			// A redirect would carry the secret or the token to another address.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// An introduced transport says in each request what it comes from, which is what a person who approves a device gets to see.
type introduced struct {
	next http.RoundTripper // nil: http.DefaultTransport
}

// RoundTrip sends a request under the name of this program and machine.
func (n *introduced) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", userAgent())
	if n.next == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	return n.next.RoundTrip(r)
}

// userAgent names the program, the machine by the name that its owner knows it by, and the platform: "gatehouse (laptop; linux/amd64)".
func userAgent() string {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	host, err := os.Hostname()
	if err != nil || host == "" || strings.ContainsFunc(host, func(c rune) bool { return c <= ' ' || c > '~' || c == '(' || c == ')' || c == '\\' }) {
		return "gatehouse (" + platform + ")"
	}
	return "gatehouse (" + host + "; " + platform + ")"
}

// meet asks the server who it is.
func (c *connection) meet(ctx context.Context) (err error) {
	if c.issuer, err = c.discover(ctx); err != nil {
		return err
	}
	// RFC 8414 §3.3: what answers under one name must not speak for another. A server on this machine may be reached past the
	// proxy that has the issuer's name.
	if c.issuer != c.server && !c.local {
		return &fault{exit: exitRefused, err: fmt.Errorf("the server at %s says that it is %s", c.server, c.issuer), next: "use --server " + c.issuer + " if that is the one you mean"}
	}
	return nil
}

// parseServer returns the address without a slash at its end and whether it is on this machine. Secrets travel in the clear only
// there.
func parseServer(address string) (server string, local bool, err error) {
	u, err := url.Parse(address)
	if err != nil { // err repeats the address, where a password may stand
		return "", false, errors.New("server address: want one like https://id.example")
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", false, fmt.Errorf("server address %q: want one like https://id.example", u.Redacted())
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	local = host == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme == "http" && !local {
		return "", false, fmt.Errorf("server address %q: secrets are not sent in the clear, want https", address)
	}
	return strings.TrimRight(address, "/"), local, nil
}

// clientSecret returns the secret of the client: from the flag, the environment, or for the operator of a server on this machine
// from the data folder.
func (p *program) clientSecret(r *remote, c *connection) (secret.Secret, error) {
	if file := cmp.Or(r.secretFile, p.getenv("GATEHOUSE_CLIENT_SECRET_FILE")); file != "" {
		value, err := p.readSecret(file, secret.MaxLength)
		if err != nil {
			return "", &fault{exit: exitNotSignedIn, err: err}
		}
		return value, nil
	}
	if value := p.getenv("GATEHOUSE_CLIENT_SECRET"); value != "" {
		return secret.Secret(value), nil
	}
	file := filepath.Join(r.data, operatorFile)
	if _, err := os.Stat(file); err == nil && c.local && (c.id == "" || c.id == operatorID) {
		return p.readSecret(file, secret.MaxLength)
	}
	if c.id == "" {
		return "", notSignedIn(c.server)
	}
	return "", &fault{exit: exitNotSignedIn, err: fmt.Errorf("not signed in: there is no secret for client %q", c.id)}
}

// accessToken returns the token that the command line was told to act with, "" for none. A client that is named by a flag comes
// before a token in the environment.
func (p *program) accessToken(r *remote) (secret.Secret, error) {
	file := r.accessFile
	if file == "" {
		if r.clientID != "" || r.secretFile != "" {
			return "", nil
		}
		if file = p.getenv("GATEHOUSE_ACCESS_TOKEN_FILE"); file == "" {
			return secret.Secret(p.getenv("GATEHOUSE_ACCESS_TOKEN")), nil
		}
	}
	value, err := p.readSecret(file, maxToken)
	if err != nil {
		return "", &fault{exit: exitNotSignedIn, err: err}
	}
	return value, nil
}

// discover asks the server for its issuer (RFC 8414 §3).
func (c *connection) discover(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		return "", usage(err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return "", c.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	if response.StatusCode == http.StatusOK {
		err = json.NewDecoder(io.LimitReader(response.Body, maxMetadata)).Decode(&metadata)
	}
	if err != nil || metadata.Issuer == "" {
		return "", c.unreachable(fmt.Errorf("its metadata (RFC 8414) cannot be read, status %d", response.StatusCode))
	}
	return metadata.Issuer, nil
}

// unreachable says that the server did not answer as one, and why.
func (c *connection) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var transport *url.Error
	if errors.As(err, &transport) {
		err = transport.Err // its text begins with the whole URL
	}
	return &fault{
		exit: exitUnreachable,
		err:  fmt.Errorf("no Gatehouse answers at %s: %w", c.server, err),
		next: nextUnreachable,
	}
}

const nextUnreachable = "start it with 'gatehouse serve', or give its address with --server or GATEHOUSE_SERVER"

// A tokenRequest is what a client_credentials request asks for. What is empty is not asked.
type tokenRequest struct {
	audiences    []string
	organization string
	details      string // authorization_details as they are sent
	scopes       []string
}

// dial returns the admin API of the server, for the holder of the access token that was given, for the client that was named, for the
// person who is signed in, or for the operator of a server on this machine.
func (p *program) dial(ctx context.Context, r *remote) (*apiv1.Client, error) {
	access, err := p.accessToken(r)
	if err != nil {
		return nil, err
	}
	if access == "" {
		x, err := p.signedIn(r)
		if err != nil {
			return nil, err
		}
		if x != nil {
			return x.api(), x.meet(ctx)
		}
		c, err := p.connect(ctx, r)
		if err != nil {
			return nil, err
		}
		tokens := c.tokens(ctx, tokenRequest{audiences: []string{token.AdminAudience(c.issuer)}})
		return c.api(func(context.Context) (string, error) { return c.take(tokens) }), nil
	}
	c, err := p.address(r)
	if err != nil {
		return nil, err
	}
	return c.api(func(context.Context) (string, error) { return access.Reveal(), nil }), c.meet(ctx)
}

func (c *connection) api(token func(context.Context) (string, error)) *apiv1.Client {
	return &apiv1.Client{BaseURL: c.server, HTTPClient: c.http, Token: token}
}

// token gets an access token (RFC 6749 §4.4).
func (c *connection) token(ctx context.Context, r tokenRequest) (issued, error) {
	t, err := c.tokens(ctx, r).Token()
	if err != nil {
		return issued{}, c.tokenFault(err)
	}
	return issued{AccessToken: t.AccessToken, ExpiresAt: t.Expiry}, nil
}

// tokens remembers a token in memory, and gets another when it ends.
func (c *connection) tokens(ctx context.Context, t tokenRequest) oauth2.TokenSource {
	config := clientcredentials.Config{
		ClientID:       c.id,
		ClientSecret:   c.secret.Reveal(),
		TokenURL:       c.server + pathToken,
		Scopes:         t.scopes,
		AuthStyle:      oauth2.AuthStyleInHeader,
		EndpointParams: url.Values{},
	}
	if len(t.audiences) > 0 {
		config.EndpointParams["audience"] = t.audiences
	}
	if t.organization != "" {
		config.EndpointParams.Set("organization", t.organization)
	}
	if t.details != "" {
		config.EndpointParams.Set("authorization_details", t.details)
	}
	return config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, c.http))
}

func (c *connection) take(tokens oauth2.TokenSource) (string, error) {
	t, err := tokens.Token()
	if err != nil {
		return "", c.tokenFault(err)
	}
	return t.AccessToken, nil
}

// tokenFault sorts what the token endpoint answered (RFC 6749 §5.2). The body itself is never repeated.
func (c *connection) tokenFault(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return c.unreachable(err)
	}
	status := answer.Response.StatusCode
	if answer.ErrorCode == "" {
		return c.unreachable(fmt.Errorf("its token endpoint answered %d", status))
	}
	refused := &fault{exit: exitRefused, err: fmt.Errorf("no token for client %q: %s", c.id, answer.ErrorCode)}
	if answer.ErrorDescription != "" {
		refused.err = fmt.Errorf("no token for client %q: %s (%s)", c.id, answer.ErrorDescription, answer.ErrorCode)
	}
	switch {
	case status == http.StatusUnauthorized || answer.ErrorCode == "invalid_client":
		refused.exit = exitNotSignedIn
	case status >= http.StatusInternalServerError:
		refused.exit, refused.next = exitUnreachable, "try again later"
	case status == http.StatusTooManyRequests:
		refused.next = "try again later"
	}
	return refused
}
