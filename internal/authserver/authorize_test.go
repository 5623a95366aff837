package authserver_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// site is what people sign in to: applications of every kind, and people in no, one and two organizations.
const site = world + `
---
kind: User
metadata: {name: ada}
spec: {email: ada@acme.example}
---
kind: User
metadata: {name: bob}
spec: {email: bob@nowhere.example}
---
kind: User
metadata: {name: eve}
spec: {email: eve@both.example}
---
kind: Organization
metadata: {name: north}
spec: {model: floxhub, assignments: [{user: ada, role: owner}, {user: eve, role: owner}]}
---
kind: Organization
metadata: {name: south}
spec: {model: floxhub, assignments: [{user: eve, role: owner}]}
---
kind: Client
metadata: {name: shop}
spec:
  clientId: shop
  grantTypes: [authorization_code, refresh_token]
  redirectUris: ["https://shop.example/cb", "https://shop.example/cb?from=gate"]
  requirePkce: false
  audiences: [https://rs256.example/api]
  secrets: [{name: s, value: shop-secret-0123456789abcdef0123456789}]
---
kind: Client
metadata: {name: quiet}
spec:
  clientId: quiet
  grantTypes: [authorization_code, refresh_token]
  redirectUris: ["https://quiet.example/cb"]
  consent: implicit
  secrets: [{name: s, value: quiet-secret-0123456789abcdef0123456789}]
---
kind: Client
metadata: {name: desk}
spec:
  clientId: desk
  grantTypes: [authorization_code, refresh_token]
  applicationType: native
  tokenEndpointAuthMethod: none
  redirectUris: ["http://127.0.0.1/cb", "http://[::1]/cb?a=b", "http://localhost:7777/cb", "com.example.desk:/cb"]
---
kind: Client
metadata: {name: team}
spec:
  clientId: team
  grantTypes: [authorization_code]
  redirectUris: ["https://team.example/cb"]
  consent: implicit
  organization: required
  requirePkce: false
  secrets: [{name: s, value: team-secret-0123456789abcdef0123456789}]
---
kind: Client
metadata: {name: robot}
spec:
  clientId: robot
  grantTypes: [client_credentials]
  redirectUris: ["https://robot.example/cb"]
  secrets: [{name: s, value: robot-secret-0123456789abcdef0123456789}]
`

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // of RFC 7636, appendix B

// A visitor is a browser that goes where it is told, one step at a time.
type visitor struct {
	*apptest.Visitor
	t *testing.T
	b *apptest.Broker
}

func visit(t *testing.T, b *apptest.Broker) *visitor { return &visitor{b.Visitor(), t, b} }

func (v *visitor) signIn(name string) { v.SignIn(name, "1") }

// follow goes through redirects to pages of ours until there is an answer that is none, or that leads elsewhere or to sign in.
func (v *visitor) follow(a apptest.Answer) apptest.Answer {
	v.t.Helper()
	for range 10 {
		to := a.Header.Get("Location")
		if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "/login") {
			return a
		}
		if a.Status != http.StatusSeeOther {
			v.t.Errorf("AUT-14: got %d on the way to %s, want 303", a.Status, to)
		}
		a = v.Get(to)
	}
	v.t.Fatal("the redirects never end")
	return a
}

// authorize asks /authorize and follows.
func (v *visitor) authorize(pairs ...string) apptest.Answer {
	v.t.Helper()
	return v.follow(v.Get("/authorize?" + query(pairs...)))
}

// press sends the form of a page by a button, and follows.
func (v *visitor) press(path string, page apptest.Answer, name, value string) apptest.Answer {
	v.t.Helper()
	return v.follow(v.Submit(page, path, name, value))
}

// ask is a good request of shop, with changes: name, value; "" takes a parameter out.
func ask(changes ...string) []string {
	return change([]string{
		"client_id", "shop", "redirect_uri", "https://shop.example/cb", "response_type", "code", "scope", "openid", "state", "st&t=1", "nonce", "n",
	}, changes...)
}

// desk is a good request of the public client.
func desk(changes ...string) []string {
	return change([]string{
		"client_id", "desk", "redirect_uri", "http://127.0.0.1:53211/cb", "response_type", "code", "scope", "openid", "state", "s",
		"code_challenge", challenge, "code_challenge_method", "S256",
	}, changes...)
}

func change(form []string, changes ...string) []string {
	out := append([]string{}, form...)
	for i := 0; i+1 < len(changes); i += 2 {
		found := false
		for k := 0; k < len(out); k += 2 {
			if out[k] == changes[i] {
				out[k+1], found = changes[i+1], true
			}
		}
		if !found {
			out = append(out, changes[i], changes[i+1])
		}
	}
	for k := 0; k < len(out); k += 2 {
		if out[k+1] == "" {
			out = append(out[:k], out[k+2:]...)
			k -= 2
		}
	}
	return out
}

func query(pairs ...string) string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(out, "&")
}

func openSite(t *testing.T) *apptest.Broker {
	t.Helper()
	return apptest.Start(t, apptest.Apply(apptest.File(t, "site.yaml", site)))
}

// wantPage checks that a refusal is told to the person and leads nowhere.
func wantPage(t *testing.T, a apptest.Answer, status int) {
	t.Helper()
	if a.Status != status || a.Header.Get("Location") != "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		t.Errorf("got %s to %q, want a page with %d", a, a.Header.Get("Location"), status)
	}
}

// wantAnswer checks that the browser is sent to a redirect URI, and returns what the client is told. Every answer says who gives it.
func wantAnswer(t *testing.T, b *apptest.Broker, a apptest.Answer, to string) url.Values {
	t.Helper()
	location := a.Header.Get("Location")
	if a.Status != http.StatusSeeOther || !strings.HasPrefix(location, to) {
		t.Errorf("got %s to %q, want 303 to %s", a, location, to)
		return url.Values{}
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("iss"); got != b.Issuer {
		t.Errorf("AUT-06: iss: got %q, want %q", got, b.Issuer)
	}
	if got := a.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("COD-07: referrer policy: got %q", got)
	}
	return u.Query()
}

func wantCode(t *testing.T, b *apptest.Broker, a apptest.Answer, to string) string {
	t.Helper()
	got := wantAnswer(t, b, a, to)
	if len(got.Get("code")) < 22 || got.Get("error") != "" {
		t.Errorf("got %v, want a code", got)
	}
	return got.Get("code")
}

func wantRefusal(t *testing.T, b *apptest.Broker, a apptest.Answer, to, code string) url.Values {
	t.Helper()
	got := wantAnswer(t, b, a, to)
	if got.Get("error") != code || got.Has("code") {
		t.Errorf("got %v, want %s", got, code)
	}
	return got
}

// What cannot be told to a registered address is told to the person (AUT-01, AUT-02, AUT-03, AUT-08, RED-01), whatever else is wrong.
func TestNothingLeavesForAnAddressThatIsNotRegistered(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	v.signIn("ada")
	for name, request := range map[string][]string{
		"AUT-01 no client":              ask("client_id", ""),
		"AUT-01 unknown client":         ask("client_id", "nobody"),
		"AUT-02 other address":          ask("redirect_uri", "https://evil.example/cb"),
		"AUT-02 and more is wrong":      ask("redirect_uri", "https://evil.example/cb", "response_type", "token", "scope", "x", "prompt", "none login"),
		"AUT-03 openid without address": ask("redirect_uri", ""),
		"two addresses registered":      ask("redirect_uri", "", "scope", ""),
		"AUT-08 client twice":           append(ask(), "client_id", "shop"),
		"AUT-08 address twice":          append(ask(), "redirect_uri", "https://shop.example/cb"),
		"AUT-08 address twice, one bad": append(ask(), "redirect_uri", "https://evil.example/cb"),
	} {
		t.Run(name, func(t *testing.T) { wantPage(t, v.authorize(request...), http.StatusBadRequest) })
	}
	for _, uri := range []string{
		"https://shop.example/cb/", "https://shop.example/CB", "HTTPS://SHOP.EXAMPLE/cb", "https://shop.example/cb?x=1", "https://shop.example/cb#f",
		"https://shop.example/cb/../cb", "http://shop.example/cb", "https://shop.example:443/cb", "https://shop.example/cb%2f", "https://shop.example/cb ",
		"https://user@shop.example/cb", "https://shop.example.evil.example/cb", "//shop.example/cb", "javascript:alert(1)", "https://shop.example\\@evil.example/cb",
	} {
		t.Run("RED-01 "+uri, func(t *testing.T) { wantPage(t, v.authorize(ask("redirect_uri", uri)...), http.StatusBadRequest) })
	}
}

// A native client may listen at any port of the loopback address that it has registered (RED-06), and at nothing else.
func TestLoopbackAddressesMatchAnyPort(t *testing.T) {
	b := openSite(t)
	for uri, good := range map[string]bool{
		"http://127.0.0.1/cb":            true,
		"http://127.0.0.1:1/cb":          true,
		"http://127.0.0.1:65535/cb":      true,
		"http://[::1]:53211/cb?a=b":      true,
		"http://localhost:7777/cb":       true,
		"com.example.desk:/cb":           true,
		"http://127.0.0.1:0/cb":          false,
		"http://127.0.0.1:65536/cb":      false,
		"http://127.0.0.1:/cb":           false,
		"http://127.0.0.1:53211/other":   false,
		"http://127.0.0.1:53211/cb?x=1":  false,
		"http://127.0.0.1:53211/cb#f":    false,
		"https://127.0.0.1:53211/cb":     false,
		"http://127.0.0.2:53211/cb":      false,
		"http://127.0.0.1.evil.test/cb":  false,
		"http://127.0.0.1:1@evil.test/":  false,
		"http://127.0.0.1:80:80/cb":      false,
		"http://[::1]:53211/cb":          false,
		"http://localhost:7778/cb":       false,
		"http://127.0.0.1:53211//cb":     false,
		"com.example.desk:/cb/more":      false,
		"http://user@127.0.0.1:53211/cb": false,
	} {
		t.Run(uri, func(t *testing.T) {
			a := b.Get("/authorize?" + query(desk("redirect_uri", uri)...))
			if !good {
				wantPage(t, a, http.StatusBadRequest)
			} else if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/authorize/resume?ticket=") {
				t.Errorf("got %s to %q", a, a.Header.Get("Location"))
			}
		})
	}
}

// What is wrong with a request is told to the client before anybody signs in, with the state and the issuer (AUT-04 to AUT-08,
// PKC-01, PKC-02).
func TestFaultsAreToldBeforeSigningIn(t *testing.T) {
	b := openSite(t)
	const shop, local = "https://shop.example/cb", "http://127.0.0.1:53211/cb"
	for _, c := range []struct {
		name    string
		request []string
		code    string
	}{
		{"AUT-04 no response_type", ask("response_type", ""), "invalid_request"},
		{"AUT-04 unknown response_type", ask("response_type", "x"), "unsupported_response_type"},
		{"AUT-05 token", ask("response_type", "token"), "unsupported_response_type"},
		{"AUT-05 id_token", ask("response_type", "id_token"), "unsupported_response_type"},
		{"AUT-05 code token", ask("response_type", "code token"), "unsupported_response_type"},
		{"AUT-05 fragment", ask("response_mode", "fragment"), "invalid_request"},
		{"AUT-07 request object", ask("request", "eyJhbGciOiJub25lIn0.e30."), "request_not_supported"},
		{"AUT-07 request_uri", ask("request_uri", "http://127.0.0.1:1/canary"), "request_uri_not_supported"},
		{"AUT-08 scope twice", append(ask(), "scope", "openid"), "invalid_request"},
		{"AUT-08 response_type twice", append(ask(), "response_type", "code"), "invalid_request"},
		{"AUT-08 unknown twice", append(ask(), "x", "1", "x", "2"), "invalid_request"},
		{"PKC-01 public client without a challenge", desk("code_challenge", "", "code_challenge_method", ""), "invalid_request"},
		{"PKC-01 method alone", desk("code_challenge", ""), "invalid_request"},
		{"PKC-02 plain", desk("code_challenge_method", "plain"), "invalid_request"},
		{"PKC-02 unknown method", desk("code_challenge_method", "S512"), "invalid_request"},
		{"PKC-02 method omitted", desk("code_challenge_method", ""), "invalid_request"},
		{"PKC-02 optional PKCE, plain", ask("code_challenge", challenge, "code_challenge_method", "plain"), "invalid_request"},
		{"challenge of another length", desk("code_challenge", challenge+"x"), "invalid_request"},
		{"challenge in other characters", desk("code_challenge", challenge[:42]+"="), "invalid_request"},
		{"prompt unknown", ask("prompt", "create"), "invalid_request"},
		{"prompt none and login", ask("prompt", "none login"), "invalid_request"},
		{"max_age in words", ask("max_age", "soon"), "invalid_request"},
		{"max_age below zero", ask("max_age", "-1"), "invalid_request"},
		{"max_age of many digits", ask("max_age", strings.Repeat("9", 30)), "invalid_request"},
		{"claims no object", ask("claims", `["name"]`), "invalid_request"},
		{"claims of another form", ask("claims", `{"id_token":"name"}`), "invalid_request"},
		{"claims too long", ask("claims", `{"userinfo":{"`+strings.Repeat("x", 5000)+`":null}}`), "invalid_request"},
		{"essential acr that nobody has", ask("claims", `{"id_token":{"acr":{"essential":true,"values":["urn:x"]}}}`), "unmet_authentication_requirements"},
		{"hint that is no ID token", ask("id_token_hint", "x.y.z"), "invalid_request"},
		{"audience of others", ask("audience", other), "invalid_target"},
		{"relative resource", ask("resource", "/api"), "invalid_target"},
		{"details that cannot be read", ask("authorization_details", "{}"), "invalid_authorization_details"},
		{"scope that nobody gives", ask("scope", "nothing"), "invalid_scope"},
		{"too long for an address", ask("nonce", strings.Repeat("n", 2000), "claims", `{"userinfo":{"`+strings.Repeat("x", 3000)+`":null}}`), "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := b.Get("/authorize?" + query(c.request...))
			to, state := shop, "st&t=1"
			if strings.HasPrefix(c.request[1], "desk") {
				to, state = local, "s"
			}
			if got := wantRefusal(t, b, a, to, c.code); got.Get("state") != state || got.Get("error_description") == "" {
				t.Errorf("got %v, want the state %s and a description", got, state)
			}
		})
	}
	got := wantRefusal(t, b, b.Get("/authorize?"+query(append(ask(), "state", "other")...)), shop, "invalid_request")
	if got.Has("state") {
		t.Errorf("AUT-08: got the state %q, of two", got.Get("state"))
	}
	a := b.Get("/authorize?" + query("client_id", "robot", "redirect_uri", "https://robot.example/cb", "response_type", "code"))
	wantRefusal(t, b, a, "https://robot.example/cb", "unauthorized_client")
}

// Who has signed in and let the client have what it asks for is sent back with a code; the second time nobody is asked. A request by
// POST goes the same way (AUT-15).
func TestSigningInToAnApplication(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	a := v.authorize(ask()...)
	if !strings.HasPrefix(a.Header.Get("Location"), "/login?ticket=") {
		t.Fatalf("nobody is signed in: got %s to %q, want /login", a, a.Header.Get("Location"))
	}
	ticket := strings.TrimPrefix(a.Header.Get("Location"), "/login?")
	v.signIn("ada")
	consent := v.follow(v.Get("/authorize/resume?" + ticket))
	if consent.Status != http.StatusOK || !strings.Contains(consent.Body, "shop</bdi> wants access") || !strings.Contains(consent.Body, "know who you are") {
		t.Fatalf("got %s, want the page for consent", consent)
	}
	if policy := consent.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' https://shop.example") {
		t.Errorf("policy: got %q: the form must be able to lead to the client", policy)
	}
	a = v.press("/consent", consent, "decision", "accept")
	first := wantCode(t, b, a, "https://shop.example/cb?")
	if got := wantAnswer(t, b, a, "https://shop.example/cb?"); got.Get("state") != "st&t=1" {
		t.Errorf("state: got %q", got.Get("state"))
	}
	again := wantCode(t, b, v.authorize(ask("state", "")...), "https://shop.example/cb?")
	if first[:16] == again[:16] {
		t.Error("two codes are of one grant")
	}
	if a := v.authorize(ask("state", "")...); wantAnswer(t, b, a, "https://shop.example/cb").Has("state") {
		t.Error("a state that was not sent came back")
	}
	a = v.authorize(ask("redirect_uri", "https://shop.example/cb?from=gate")...)
	wantCode(t, b, a, "https://shop.example/cb?from=gate&code=")

	r := b.Form("/authorize", ask()...)
	r.Header.Set("Origin", "https://shop.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	wantCode(t, b, v.follow(v.b.Do(r)), "https://shop.example/cb?")
	if strings.Contains(b.Log.String(), again) {
		t.Error("COD-07: a code is in the log")
	}
}

// Denying is told to the client, and asked again the next time.
func TestDenyingConsent(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	v.signIn("ada")
	for range 2 {
		a := v.press("/consent", v.authorize(ask()...), "decision", "deny")
		if got := wantRefusal(t, b, a, "https://shop.example/cb?", "access_denied"); got.Get("state") != "st&t=1" {
			t.Errorf("state: got %q", got.Get("state"))
		}
	}
}

// prompt=none asks nobody anything (AUT-09): the client hears what would have been asked.
func TestPromptNoneAsksNothing(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	const to = "https://shop.example/cb?"
	none := ask("prompt", "none")
	wantRefusal(t, b, v.authorize(none...), to, "login_required")
	v.signIn("ada")
	wantRefusal(t, b, v.authorize(none...), to, "consent_required")
	v.press("/consent", v.authorize(ask()...), "decision", "accept")
	wantCode(t, b, v.authorize(none...), to)
	wantRefusal(t, b, v.authorize(ask("prompt", "none", "scope", "openid email")...), to, "consent_required")
	wantRefusal(t, b, v.authorize(ask("prompt", "none", "claims", `{"userinfo":{"email":null}}`)...), to, "consent_required")
	wantRefusal(t, b, v.authorize(ask("prompt", "none", "max_age", "0")...), to, "login_required")
	wantCode(t, b, v.authorize(ask("prompt", "none", "acr_values", "2")...), to) // a wish
	e := visit(t, b)
	e.signIn("eve")
	a := e.authorize("client_id", "team", "redirect_uri", "https://team.example/cb", "response_type", "code", "prompt", "none")
	wantRefusal(t, b, a, "https://team.example/cb?", "interaction_required")
}

// A fresh sign-in is wanted by prompt=login and a max_age that has passed (AUT-11), and one is enough.
func TestFreshSignIn(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	v.signIn("ada")
	v.press("/consent", v.authorize(ask()...), "decision", "accept")
	for name, request := range map[string][]string{
		"prompt=login":                ask("prompt", "login"),
		"max_age=0":                   ask("max_age", "0"),
		"acr_values=2":                ask("acr_values", "2"),
		"essential acr":               ask("claims", `{"id_token":{"acr":{"essential":true,"value":"2"}}}`),
		"somebody else's sub":         ask("claims", `{"id_token":{"sub":{"value":"u_other"}}}`),
		"prompt=login and more words": ask("prompt", "consent login"),
	} {
		t.Run(name, func(t *testing.T) {
			v := &visitor{v.Visitor, t, b}
			a := v.authorize(request...)
			to, ok := strings.CutPrefix(a.Header.Get("Location"), "/login?")
			if !ok {
				t.Fatalf("got %s to %q, want /login", a, a.Header.Get("Location"))
			}
			v.signIn("ada")
			a = v.follow(v.Get("/authorize/resume?" + to))
			switch name {
			case "essential acr":
				wantRefusal(t, b, a, "https://shop.example/cb?", "unmet_authentication_requirements")
			case "somebody else's sub":
				wantRefusal(t, b, a, "https://shop.example/cb?", "login_required")
			case "prompt=login and more words":
				wantCode(t, b, v.press("/consent", a, "decision", "accept"), "https://shop.example/cb?")
			default:
				wantCode(t, b, a, "https://shop.example/cb?")
			}
		})
	}
	wantCode(t, b, v.authorize(ask("max_age", "10000")...), "https://shop.example/cb?")
	v.SignIn("ada", "2")
	wantCode(t, b, v.authorize(ask("acr_values", "2", "prompt", "none")...), "https://shop.example/cb?")
	wantCode(t, b, v.authorize(ask("claims", `{"id_token":{"acr":{"essential":true,"value":"2"}}}`)...), "https://shop.example/cb?")
}

// What a person has decided holds in the session in which it was decided: whoever sits down next is asked.
func TestDecisionsAreOfOneSession(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	v.signIn("ada")
	consent := v.authorize(ask()...)
	a := v.Submit(consent, "/consent", "decision", "accept")
	accepted := a.Header.Get("Location")
	if !strings.HasPrefix(accepted, "/authorize/resume?ticket=") {
		t.Fatalf("got %s to %q", a, accepted)
	}
	other := visit(t, b)
	other.signIn("bob")
	if a := other.follow(other.Get(accepted)); a.Status != http.StatusOK || !strings.Contains(a.Body, "consent-accept") {
		t.Errorf("another person's consent: got %s to %q, want to be asked", a, a.Header.Get("Location"))
	}
	if a := other.Submit(consent, "/consent", "decision", "accept"); a.Status != http.StatusForbidden {
		t.Errorf("another browser's form: got %s, want 403", a)
	}
	wantCode(t, b, v.follow(v.Get(accepted)), "https://shop.example/cb?")
	for _, ticket := range []string{"", "x", accepted[len("/authorize/resume?ticket="):] + "A"} {
		wantPage(t, v.Get("/authorize/resume?ticket="+ticket), http.StatusBadRequest)
	}
}

// prompt=consent asks whatever was said before, and so does a public client that wants to stay (OIDC Core §11); an operator may have
// consented for everybody.
func TestWhoIsAskedForConsent(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	v.signIn("ada")
	asked := func(request []string) bool {
		t.Helper()
		a := v.authorize(request...)
		return a.Status == http.StatusOK && strings.Contains(a.Body, "consent-accept")
	}
	quiet := func(changes ...string) []string {
		return change([]string{
			"client_id", "quiet", "redirect_uri", "https://quiet.example/cb", "response_type", "code", "scope", "openid offline_access",
			"code_challenge", challenge, "code_challenge_method", "S256",
		}, changes...)
	}
	if asked(quiet()) {
		t.Error("consent: implicit asks")
	}
	if !asked(quiet("prompt", "consent")) {
		t.Error("prompt=consent does not ask")
	}
	for _, request := range [][]string{desk("scope", "openid offline_access"), ask("scope", "openid offline_access")} {
		v.press("/consent", v.authorize(request...), "decision", "accept")
	}
	if asked(desk()) {
		t.Error("a public client asks for the same again")
	}
	if !asked(desk("scope", "openid offline_access")) {
		t.Error("a public client gets, unseen, what works while the person is away")
	}
	if asked(ask("scope", "openid offline_access")) {
		t.Error("a confidential client asks for the same again")
	}
}

// The answer by form_post is a form of the page, with nothing in an address, and hostile state is only text (AUT-13).
func TestFormPost(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	v.signIn("ada")
	v.press("/consent", v.authorize(ask()...), "decision", "accept")
	hostile := "\r\nX: 1\"'<script>alert(1)</script>ü"
	a := v.authorize(ask("response_mode", "form_post", "state", hostile)...)
	if a.Status != http.StatusOK || a.Header.Get("Location") != "" || !strings.Contains(a.Body, `action="https://shop.example/cb"`) || !strings.Contains(a.Body, `name="code"`) ||
		!strings.Contains(a.Body, "form-post-continue") || strings.Contains(a.Body, "<script>alert") || strings.Count(a.Body, "<script>") != 1 {
		t.Errorf("got %s\n%s", a, a.Body)
	}
	if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://shop.example") || !strings.Contains(policy, "script-src 'sha256-") {
		t.Errorf("policy: got %q", policy)
	}
	if a := b.Get("/authorize?" + query(ask("response_mode", "form_post", "response_type", "x")...)); a.Status != http.StatusOK || !strings.Contains(a.Body, `value="unsupported_response_type"`) || !strings.Contains(a.Body, `value="`+b.Issuer) {
		t.Errorf("an error: got %s", a)
	}
	for _, state := range []string{hostile, strings.Repeat("s", 2048), "a b+c&d=e%20"} {
		a := v.authorize(ask("state", state)...)
		if got := wantAnswer(t, b, a, "https://shop.example/cb?"); got.Get("state") != state || a.Header.Get("X") != "" {
			t.Errorf("state: got %q, want %q", got.Get("state"), state)
		}
	}
	if got := wantRefusal(t, b, v.authorize(ask("state", strings.Repeat("s", 8192))...), "https://shop.example/cb?", "invalid_request"); len(got.Get("state")) != 8192 {
		t.Errorf("a state of 8 KiB: got %d bytes", len(got.Get("state")))
	}
}

// A person has no token for an organization that he is not in (AUT-18), and chooses where he is in several.
func TestOrganizations(t *testing.T) {
	b := openSite(t)
	team := func(changes ...string) []string {
		return change([]string{"client_id", "team", "redirect_uri", "https://team.example/cb", "response_type", "code", "scope", "openid"}, changes...)
	}
	const to = "https://team.example/cb?"
	bob, ada, eve := visit(t, b), visit(t, b), visit(t, b)
	bob.signIn("bob")
	ada.signIn("ada")
	eve.signIn("eve")
	wantRefusal(t, b, bob.authorize(team()...), to, "access_denied")
	wantRefusal(t, b, bob.authorize(team("organization", "north")...), to, "access_denied")
	wantRefusal(t, b, ada.authorize(team("organization", "south")...), to, "access_denied")
	wantRefusal(t, b, ada.authorize(team("organization", "nowhere")...), to, "access_denied")
	wantCode(t, b, ada.authorize(team()...), to)
	wantCode(t, b, eve.authorize(team("organization", "north")...), to)
	picker := eve.authorize(team()...)
	if picker.Status != http.StatusOK || !strings.Contains(picker.Body, ">north<") || !strings.Contains(picker.Body, ">south<") || strings.Contains(picker.Body, `value="-"`) {
		t.Fatalf("got %s\n%s", picker, picker.Body)
	}
	value := regexp.MustCompile(`value="([^"]*)" id="organization-0"`).FindStringSubmatch(picker.Body)
	wantCode(t, b, eve.press("/organization", picker, "organization", value[1]), to)
	if a := eve.press("/organization", picker, "organization", "beta"); a.Status != http.StatusBadRequest {
		t.Errorf("an organization that is not on the page: got %s", a)
	}
	if a := ada.authorize(team("prompt", "select_account")...); a.Status != http.StatusOK || !strings.Contains(a.Body, ">ada<") || !strings.Contains(a.Body, "switch-account") {
		t.Errorf("prompt=select_account: got %s", a)
	}
}

// A pushed request (RFC 9126) is checked at once and stands for itself: what the browser adds to it is not looked at, another client
// cannot use it, and it may be visited again until its code is issued.
func TestPushedRequests(t *testing.T) {
	b := openSite(t)
	push := func(pairs ...string) apptest.Answer {
		return b.Post("/oauth/par", append(pairs, "client_secret", "shop-secret-0123456789abcdef0123456789")...)
	}
	a := push(ask()...)
	uri, _ := a.JSON(t)["request_uri"].(string)
	if a.Status != http.StatusCreated || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || a.JSON(t)["expires_in"] != 90.0 || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %s", a)
	}
	v := visit(t, b)
	v.signIn("ada")
	visitIt := []string{"client_id", "shop", "request_uri", uri, "redirect_uri", "https://evil.example/cb", "prompt", "none", "response_type", "token"}
	v.authorize(visitIt...)
	consent := v.authorize(visitIt...)
	wantPage(t, v.authorize("client_id", "quiet", "request_uri", uri), http.StatusBadRequest)
	if got := wantAnswer(t, b, v.press("/consent", consent, "decision", "accept"), "https://shop.example/cb?"); got.Get("code") == "" || got.Get("state") != "st&t=1" {
		t.Errorf("got %v", got)
	}
	wantPage(t, v.authorize(visitIt...), http.StatusBadRequest)
	wantPage(t, v.authorize("client_id", "shop", "request_uri", uri+"x"), http.StatusBadRequest)

	for name, c := range map[string]struct {
		form []string
		code string
	}{
		"address":       {ask("redirect_uri", "https://evil.example/cb"), "invalid_request"},
		"response_type": {ask("response_type", "token"), "unsupported_response_type"},
		"request_uri":   {ask("request_uri", uri), "invalid_request"},
		"request":       {ask("request", "x"), "request_not_supported"},
		"too long":      {ask("state", strings.Repeat("s", 20<<10)), "invalid_request"},
		"scope":         {ask("scope", "nothing"), "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, push(c.form...), http.StatusBadRequest, c.code) })
	}
	wantError(t, b.Post("/oauth/par", append(ask(), "client_secret", "wrong-secret-0123456789abcdef0123456789")...), http.StatusUnauthorized, "invalid_client")
	wantError(t, b.Post("/oauth/par", desk("code_challenge", "", "code_challenge_method", "")...), http.StatusBadRequest, "invalid_request")
	long := strings.Repeat("s", 9000)
	a = push(ask("state", long)...)
	uri, _ = a.JSON(t)["request_uri"].(string)
	if got := wantAnswer(t, b, v.authorize("client_id", "shop", "request_uri", uri), "https://shop.example/cb?"); got.Get("state") != long || got.Get("code") == "" {
		t.Errorf("a long state, pushed: got %d bytes", len(got.Get("state")))
	}
}

// DOS-09: whoever knows no more than the name of a public client cannot have requests kept without end; a client that proves who it is
// is not kept from pushing by that.
func TestPushedRequestsOfPublicClientsAreBounded(t *testing.T) {
	b := openSite(t)
	for i := range 500 {
		if a := b.Post("/oauth/par", desk()...); a.Status != http.StatusCreated {
			t.Fatalf("request %d: got %s", i, a)
		}
	}
	a := b.Post("/oauth/par", desk()...)
	wantError(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
	if a.Header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	if a := b.Post("/oauth/par", append(ask(), "client_secret", "shop-secret-0123456789abcdef0123456789")...); a.Status != http.StatusCreated {
		t.Errorf("a confidential client: got %s", a)
	}
}

// What somebody has taken back is asked for anew, also by a page from before that is still in the history of the browser.
func TestWithdrawnConsentHoldsAgainstPagesFromBefore(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	v.signIn("ada")
	accepted := v.Submit(v.authorize(ask()...), "/consent", "decision", "accept")
	back := accepted.Header.Get("Location")
	wantCode(t, b, v.follow(accepted), "https://shop.example/cb?")
	wantCode(t, b, v.follow(v.Get(back)), "https://shop.example/cb?")

	account := v.Get("/account")
	token := regexp.MustCompile(`name="form_token" value="([^"]*)"`).FindStringSubmatch(account.Body)
	if token == nil {
		t.Fatalf("the account page: got %s", account)
	}
	if a := v.Do(b.Form("/account", "form_token", token[1], "do", "withdraw", "id", "shop")); a.Status != http.StatusSeeOther {
		t.Fatalf("withdraw: got %s", a)
	}
	if a := v.follow(v.Get(back)); a.Status != http.StatusOK || !strings.Contains(a.Body, `action="/consent"`) {
		t.Errorf("the page from before: got %s to %q, want to be asked", a, a.Header.Get("Location"))
	}
}

// A link does not bring what listens on the person's device a code without a question, even for a client that the operator has
// consented to, such as the command line: who has not signed in for it is asked (RFC 8252 §8.6).
func TestProgramsOnTheDeviceGetNothingUnseen(t *testing.T) {
	b := openSite(t)
	v := visit(t, b)
	v.signIn("ada")
	request := []string{
		"client_id", "gatehouse-cli", "redirect_uri", "http://127.0.0.1:49152/callback", "response_type", "code", "scope", "openid offline_access",
		"code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method", "S256",
	}
	const to = "http://127.0.0.1:49152/callback?"
	wantRefusal(t, b, v.authorize(append(request, "prompt", "none")...), to, "consent_required")
	asked := v.authorize(request...)
	if asked.Status != http.StatusOK || !strings.Contains(asked.Body, `action="/consent"`) {
		t.Fatalf("got %s to %q, want to be asked", asked, asked.Header.Get("Location"))
	}
	wantCode(t, b, v.press("/consent", asked, "decision", "accept"), to)
	if a := v.authorize(request...); a.Status != http.StatusOK {
		t.Errorf("again: got %s to %q, want to be asked again", a, a.Header.Get("Location"))
	}
	signedIn := v.authorize(append(request, "prompt", "login")...).Header.Get("Location")
	v.signIn("ada")
	ticket, err := url.Parse(signedIn)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, b, v.follow(v.Get("/authorize/resume?ticket="+ticket.Query().Get("ticket"))), to)
}
