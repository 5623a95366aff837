package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// browserTimeout is how long the browser of this machine may take.
const browserTimeout = 10 * time.Minute

// returned is the page of the browser when it has come back.
const returned = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Gatehouse</title>
<body style="font: 1.1rem system-ui, sans-serif; margin: 4rem auto; max-width: 32rem; padding: 0 1rem">
<h1 style="font-size: 1.4rem">%s</h1><p>You may close this window and go back to the terminal.</p></body></html>
`

// browserLogin signs a person in with the browser of this machine, which comes back to a port that we listen on for this once
// (RFC 8252 §7.3).
func (p *program) browserLogin(ctx context.Context, c *connection, want *login) (*tokenAnswer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if listener, err = net.Listen("tcp", "[::1]:0"); err != nil {
			return nil, fmt.Errorf("listen for the browser: %w", err)
		}
	}
	redirect := "http://" + listener.Addr().String() + "/callback"
	verifier, state := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	form := want.form(c)
	form.Set("client_id", string(iam.CommandLineID))
	form.Set("response_type", "code")
	form.Set("redirect_uri", redirect)
	form.Set("state", state)
	form.Set("code_challenge", oauth2.S256ChallengeFromVerifier(verifier))
	form.Set("code_challenge_method", "S256")

	came := make(chan callback, 1)
	server := &http.Server{
		Handler:           receive(state, c.issuer, came),
		ReadHeaderTimeout: 10 * time.Second,
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until it is shut down
	}()
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second) // the browser is still being told
		defer cancel()
		_ = server.Shutdown(ending)
		<-served
	}()

	link := c.issuer + pathAuthorize + "?" + form.Encode()
	_, _ = fmt.Fprintf(p.err, "\nYour browser is opened. If it is not, open this link on this machine:\n\n    %s\n\n", printable(link))
	open := p.browse
	if open == nil {
		open = openBrowser
	}
	_ = open(link) // the link is there to be opened by hand
	stop := p.spin("waiting for your browser")
	defer stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(browserTimeout):
		return nil, &fault{exit: exitRefused, err: errors.New("the browser did not come back in time"), next: "run gatehouse login again"}
	case back := <-came:
		if back.err != nil {
			return nil, back.err
		}
		return c.redeem(ctx, back.code, redirect, verifier)
	}
}

// redeem brings a code to the token endpoint (RFC 6749 §4.1.3, RFC 7636 §4.5).
func (c *connection) redeem(ctx context.Context, code, redirect, verifier string) (*tokenAnswer, error) {
	answer := &tokenAnswer{}
	err := c.post(ctx, pathToken, url.Values{
		"grant_type": {string(iam.GrantAuthorizationCode)}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier},
		"audience": {token.AdminAudience(c.issuer)},
	}, answer)
	return answer, noLogin(err)
}

// A callback is what the browser came back with.
type callback struct {
	code string
	err  error
}

// receive answers the browser. Only what has our state counts: any page can send a browser here.
func receive(state, issuer string, came chan<- callback) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/callback" || r.Method != http.MethodGet || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			http.Error(w, "This is not the answer to the login of this command line.", http.StatusBadRequest)
			return
		}
		back := callback{code: q.Get("code")}
		switch {
		case q.Get("iss") != issuer: // RFC 9207 §2.4: another server's code must not come to this one
			back.err = &fault{exit: exitRefused, err: fmt.Errorf("the answer came from %q, not from %s", q.Get("iss"), issuer)}
		case q.Get("error") != "":
			back.err = noLogin(&oauthError{status: http.StatusBadRequest, Code: q.Get("error"), Description: q.Get("error_description")})
		case back.code == "":
			back.err = &fault{exit: exitRefused, err: errors.New("the answer has no code")}
		}
		headline := "The command line has your answer."
		if back.err != nil {
			headline = "You are not signed in."
		}
		header := w.Header()
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		header.Set("Cache-Control", "no-store")
		header.Set("Referrer-Policy", "no-referrer")
		_, _ = fmt.Fprintf(w, returned, headline)
		select {
		case came <- back:
		default: // it came before
		}
	})
}

// openBrowser asks the system to show a page.
func openBrowser(link string) error {
	name, args := "xdg-open", []string{link}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", link}
	}
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // it ends when it likes; nobody needs what it says
	return nil
}
