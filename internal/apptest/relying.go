package apptest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// A RelyingParty is an application that signs people in: a server with a callback, and the secrets of its one request under way.
type RelyingParty struct {
	t       testing.TB
	server  *httptest.Server
	answers chan Returned

	State, Nonce, Verifier string
}

// Returned is what came to the callback, and how.
type Returned struct {
	Method string
	url.Values
}

// NewRelyingParty starts an application, which ends with the test.
func NewRelyingParty(t testing.TB) *RelyingParty {
	t.Helper()
	p := &RelyingParty{t: t, answers: make(chan Returned, 16)}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callback" {
			http.NotFound(w, r)
			return
		}
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.answers <- Returned{r.Method, r.Form}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>Application</title><p>Welcome to the application")
	}))
	t.Cleanup(p.server.Close)
	return p
}

// Callback is the redirect URI of the application.
func (p *RelyingParty) Callback() string { return p.server.URL + "/callback" }

// Authorize returns the address by which a browser begins to sign in at a broker, for a client, with the parameters given beside or
// instead of the usual ones: name, value, name, value. Each call begins a new request.
func (p *RelyingParty) Authorize(b *Broker, client string, pairs ...string) string {
	p.State, p.Nonce, p.Verifier = oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	q := url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {p.Callback()}, "scope": {"openid"}, "state": {p.State}, "nonce": {p.Nonce},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(p.Verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return b.URL + "/authorize?" + q.Encode()
}

// Answer waits for what a browser brings to the callback, and fails the test unless it belongs to the request under way.
func (p *RelyingParty) Answer(b *Broker) Returned {
	p.t.Helper()
	select {
	case got := <-p.answers:
		if got.Get("state") != p.State || got.Get("iss") != b.Issuer {
			p.t.Fatalf("the callback got %v, want the state %q of %s", got.Values, p.State, b.Issuer)
		}
		return got
	case <-time.After(patience):
		p.t.Fatal("nothing came to the callback")
		return Returned{}
	}
}

// Exchange redeems a code at a broker, with further parameters such as the client's secret.
func (p *RelyingParty) Exchange(b *Broker, client, code string, pairs ...string) Answer {
	p.t.Helper()
	return b.Post("/oauth/token", append([]string{
		"grant_type", "authorization_code", "client_id", client, "code", code, "redirect_uri", p.Callback(), "code_verifier", p.Verifier,
	}, pairs...)...)
}

// Origin is where the application is.
func (p *RelyingParty) Origin() string { return strings.TrimSuffix(p.Callback(), "/callback") }
