package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// A login is what a person asks for who signs in.
type login struct {
	organization string
	audiences    []string // beside the admin API
	scopes       []string // beside those of OpenID Connect
}

// loginScopes are asked for at every login: who it is, and that it lasts.
var loginScopes = []string{"openid", "profile", "email", "offline_access"}

// form is the authorization request, as RFC 8628 §3.1 and RFC 6749 §4.1.1 have it.
func (l *login) form(c *connection) url.Values {
	form := url.Values{
		"scope":    {strings.Join(append(append([]string{}, loginScopes...), l.scopes...), " ")},
		"audience": append([]string{token.AdminAudience(c.issuer)}, l.audiences...),
	}
	if l.organization != "" {
		form.Set("organization", l.organization)
	}
	return form
}

func (p *program) loginCommand() *cobra.Command {
	var want login
	var browser bool
	r := &remote{}
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in as a person",
		Long: `Sign in as a person. The command line shows a link and a code; open the link in any browser, on any device, and compare the code
there before you approve. With --browser the browser of this machine comes back by itself.

From then on every verb acts for you, and "gatehouse token" prints your tokens, until "gatehouse logout". The credential is kept in the
keyring of the system, or where there is none in a file that you alone can read (always with GATEHOUSE_CREDENTIALS=file).`,
		Example: `  gatehouse login --server https://id.example
  gatehouse login --server https://id.example --browser --organization acme`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&r.server, "server", "", "address of the server (GATEHOUSE_SERVER; default that of the last login, or "+defaultServer+")")
	flags.StringVar(&want.organization, "organization", "", "organization to work in, by name or id")
	flags.StringArrayVar(&want.audiences, "audience", nil, "audience that you want tokens for, beside the admin API; the first becomes the default of 'gatehouse token'; may be repeated")
	flags.StringArrayVar(&want.scopes, "scope", nil, "scope that you want tokens with; may be repeated")
	flags.BoolVar(&browser, "browser", false, "sign in with the browser of this machine, without a code to compare")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		c, err := p.address(r)
		if err != nil {
			return err
		}
		if err := c.meet(ctx); err != nil {
			return err
		}
		ask := p.deviceLogin
		if browser {
			ask = p.browserLogin
		}
		answer, err := ask(ctx, c, &want)
		if err != nil {
			return err
		}
		return p.keepLogin(ctx, c, &want, answer)
	}
	return cmd
}

// keepLogin keeps what a login brought, and says who is signed in.
func (p *program) keepLogin(ctx context.Context, c *connection, want *login, answer *tokenAnswer) error {
	if answer.RefreshToken == "" {
		return &fault{exit: exitRefused, err: fmt.Errorf("%s gave no refresh token, so the sign-in would not last", c.server), next: fmt.Sprintf("an operator must let client %s have refresh_token and offline_access", iam.CommandLineID)}
	}
	claims, err := readClaims(answer.AccessToken)
	if err != nil {
		return err
	}
	api := &apiv1.Client{BaseURL: c.server, HTTPClient: c.http, Token: func(context.Context) (string, error) { return answer.AccessToken, nil }}
	me, err := api.Whoami(ctx)
	if err != nil {
		return fmt.Errorf("ask who has signed in: %w", err)
	}
	admin := token.AdminAudience(c.issuer)
	of := &credential{Issuer: c.issuer, User: me.Name, Organization: claims.OrgID, Audiences: append(append([]string{}, want.audiences...), admin)}
	of.remember(tokenRequest{audiences: []string{admin}, organization: of.Organization}, answer.issued(time.Now()))

	keep := p.keep()
	unlock, err := keep.lockServer(ctx, c.server)
	if err != nil {
		return err
	}
	defer unlock()
	old := ""
	err = keep.change(ctx, func(k *kept) error {
		if was := k.Servers[c.server]; was != nil {
			old, _ = keep.refreshToken(c.server, was) // one that cannot be had cannot be ended either
		}
		of.InKeyring = !keep.fileOnly
		if err := keep.put(c.server, of, answer.RefreshToken); err != nil {
			of.InKeyring = false // a machine can have the library's keyring and none that works
			of.RefreshToken = answer.RefreshToken
		}
		if k.Servers == nil {
			k.Servers = make(map[string]*credential)
		}
		k.Servers[c.server], k.Current = of, c.server
		return nil
	})
	if err != nil {
		return err
	}
	if old != "" {
		_ = c.revoke(ctx, old) // it ends by itself
	}
	where := ""
	if claims.OrgName != "" {
		where = ", in organization " + claims.OrgName
	}
	if err := p.say("signed in to %s as %s%s", c.server, me.Name, where); err != nil {
		return err
	}
	if name := p.instead(&remote{}); name != "" {
		p.warn("%s is set: it is used instead of your sign-in", name)
	}
	return nil
}

// revoke ends a refresh token and all that came of it (RFC 7009).
func (c *connection) revoke(ctx context.Context, refresh string) error {
	return c.post(ctx, pathRevoke, url.Values{"token": {refresh}, "token_type_hint": {"refresh_token"}}, nil)
}

// A deviceAnswer is what the device authorization endpoint gives (RFC 8628 §3.2).
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int64  `json:"expires_in"`
	Interval   *int64 `json:"interval"`
}

// deviceLogin signs a person in who approves in a browser anywhere (RFC 8628).
func (p *program) deviceLogin(ctx context.Context, c *connection, want *login) (*tokenAnswer, error) {
	var device deviceAnswer
	if err := c.post(ctx, pathDevice, want.form(c), &device); err != nil {
		return nil, noLogin(err)
	}
	if device.DeviceCode == "" || device.UserCode == "" || device.URI == "" {
		return nil, c.unreachable(errors.New("its answer to a device login is not complete (RFC 8628)"))
	}
	p.showCode(&device)
	stop := p.spin("waiting for your approval")
	defer stop()
	return c.await(ctx, &device)
}

// noLogin says why nobody is signed in, and who can help when the client of the command line may not ask for what was wanted.
func noLogin(err error) error {
	err = refusal("no login", err)
	var f *fault
	var answer *oauthError
	if errors.As(err, &f) && errors.As(err, &answer) {
		switch answer.Code {
		case "invalid_target":
			f.next = fmt.Sprintf("an operator can add it to the audiences of client %s", iam.CommandLineID)
		case "invalid_scope":
			f.next = fmt.Sprintf("an operator can add it to the scopes of client %s", iam.CommandLineID)
		}
	}
	return err
}

// defaultInterval is what RFC 8628 §3.2 has where the server does not say.
const defaultInterval = 5

// await asks for the token until the person has approved or denied, or the code has ended.
func (c *connection) await(ctx context.Context, device *deviceAnswer) (*tokenAnswer, error) {
	interval := defaultInterval * time.Second
	if device.Interval != nil {
		interval = time.Duration(max(*device.Interval, 1)) * time.Second
	}
	expired := time.After(time.Duration(device.ExpiresIn) * time.Second)
	form := url.Values{
		"grant_type": {string(iam.GrantDeviceCode)}, "device_code": {device.DeviceCode}, "audience": {token.AdminAudience(c.issuer)},
	}
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-expired:
			return nil, &fault{exit: exitRefused, err: errors.New("nobody approved in time"), next: "run gatehouse login again"}
		case <-time.After(interval):
		}
		answer := &tokenAnswer{}
		err := c.post(ctx, pathToken, form, answer)
		if err == nil {
			return answer, nil
		}
		var refused *oauthError
		switch {
		case !errors.As(err, &refused):
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			interval *= 2 // RFC 8628 §3.5: no answer
		case refused.Code == "authorization_pending":
		case refused.Code == "slow_down":
			interval += 5 * time.Second
		case refused.later():
			interval *= 2
		case refused.Code == "access_denied":
			return nil, &fault{exit: exitRefused, err: fmt.Errorf("the login was denied: %w", refused)}
		case refused.Code == "expired_token":
			return nil, &fault{exit: exitRefused, err: errors.New("nobody approved in time"), next: "run gatehouse login again"}
		default:
			return nil, noLogin(err)
		}
	}
}

// showCode tells the person where to go and what to compare. It goes to standard error: what the verb prints is not that.
func (p *program) showCode(device *deviceAnswer) {
	link := device.Complete
	if link == "" {
		link = device.URI
	}
	_, _ = fmt.Fprintf(p.err, "\nTo sign in, open this link in a browser:\n\n    %s\n\nand compare the code there with this one:\n\n    %s\n\n",
		printable(link), printable(device.UserCode))
	if p.terminal() {
		_, _ = fmt.Fprintln(p.err, drawQR(link, p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb"))
	}
}

// terminal reports whether somebody reads standard error as it is written.
func (p *program) terminal() bool {
	file, ok := p.err.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// spin shows on a terminal that the program waits, until stop is called.
func (p *program) spin(what string) (stop func()) {
	if !p.terminal() || p.getenv("TERM") == "dumb" {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(120 * time.Millisecond)
		defer ticker.Stop()
		frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		for i := 0; ; i++ {
			_, _ = fmt.Fprintf(p.err, "\r%c %s…", frames[i%len(frames)], what)
			select {
			case <-done:
				_, _ = fmt.Fprint(p.err, "\r\x1b[K")
				return
			case <-ticker.C:
			}
		}
	}()
	return func() { close(done); <-ended }
}
