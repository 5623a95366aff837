package apptest_test

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// A visitor is a browser that follows redirects one at a time.
type visitor struct {
	t    testing.TB
	b    *apptest.Broker
	http *http.Client
}

func visit(t testing.TB, b *apptest.Broker) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, b, &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// seen is what a visitor has got: a status, where it sends him, and what it says.
type seen struct {
	status   int
	location string
	body     string
	header   http.Header
}

func (v *visitor) do(r *http.Request) seen {
	v.t.Helper()
	answer, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	var body strings.Builder
	if _, err := io.Copy(&body, answer.Body); err != nil {
		v.t.Fatal(err)
	}
	return seen{answer.StatusCode, answer.Header.Get("Location"), body.String(), answer.Header}
}

func (v *visitor) get(at string) seen {
	v.t.Helper()
	if strings.HasPrefix(at, "/") {
		at = v.b.URL + at
	}
	r, err := http.NewRequest(http.MethodGet, at, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(r)
}

// answer goes to a provider and returns the address by which it sends the browser back.
func (v *visitor) answer(connector string) string {
	v.t.Helper()
	out := v.get("/login/" + connector)
	if out.status != http.StatusSeeOther {
		v.t.Fatalf("/login/%s: got %d %.300s, want 303 to the provider", connector, out.status, out.body)
	}
	back := v.get(out.location)
	if back.status != http.StatusFound {
		v.t.Fatalf("the provider: got %d %.300s, want 302", back.status, back.body)
	}
	return back.location
}

// signIn goes to a provider and back.
func (v *visitor) signIn(connector string) seen {
	v.t.Helper()
	return v.get(v.answer(connector))
}

// signedIn reports whether somebody is signed in: the page that adds an account is shown to nobody else.
func (v *visitor) signedIn(connector string) bool {
	v.t.Helper()
	return v.get("/login/"+connector+"/link").status == http.StatusOK
}

func (v *visitor) wantIn(connector string) {
	v.t.Helper()
	if got := v.signIn(connector); got.status != http.StatusSeeOther || got.location != "/account" {
		v.t.Fatalf("got %d %q %s, want to be signed in", got.status, got.location, got.body)
	}
	if !v.signedIn(connector) {
		v.t.Fatal("after the callback nobody is signed in")
	}
}

// wantOut demands that the callback refuses, with a code, and makes no session.
func (v *visitor) wantOut(connector string, got seen, status int, code string) {
	v.t.Helper()
	if got.status != status || !strings.Contains(got.body, code) {
		v.t.Errorf("got %d %.1500s, want %d %s", got.status, got.body, status, code)
	}
	if v.signedIn(connector) {
		v.t.Error("somebody is signed in")
	}
}

func oidcConnector(p *apptest.Provider, change func(*apiv1.ConnectorSpec)) apiv1.NewConnector {
	c := apiv1.NewConnector{Name: "corp", ConnectorSpec: apiv1.ConnectorSpec{
		Type: "oidc", Issuer: p.URL, ClientID: apptest.UpstreamClient, ClientSecret: &apiv1.SecretRef{Value: apptest.UpstreamSecret}, SignUp: "anyone",
	}}
	if change != nil {
		change(&c.ConnectorSpec)
	}
	return c
}

// upstream starts a broker with an OpenID provider as the connector corp.
func upstream(t *testing.T, change func(*apiv1.ConnectorSpec)) (*apptest.Broker, *apptest.Provider) {
	t.Helper()
	b, p := apptest.Start(t), apptest.NewProvider(t)
	p.Person(map[string]any{"sub": "248289761001", "preferred_username": "Jane.Doe", "name": "Jane Doe", "email": "jane@corp.example", "email_verified": true})
	if _, err := b.API().CreateConnector(t.Context(), oidcConnector(p, change)); err != nil {
		t.Fatal(err)
	}
	return b, p
}

// gitHub starts a broker with a GitHub as the connector github.
func gitHub(t *testing.T, change func(*apiv1.ConnectorSpec)) (*apptest.Broker, *apptest.Provider) {
	t.Helper()
	b, p := apptest.Start(t), apptest.NewGitHub(t)
	c := oidcConnector(p, change)
	c.Name, c.Type = "github", "github"
	if _, err := b.API().CreateConnector(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return b, p
}

// Whoever comes for the first time becomes a user, once; the account is known by the provider's subject.
func TestUpstreamMakesAUserOnce(t *testing.T) {
	b, p := upstream(t, nil)
	visit(t, b).wantIn("corp")
	u, err := b.API().GetUser(t.Context(), "jane.doe")
	if err != nil {
		t.Fatal(err)
	}
	if u.Email != "jane@corp.example" || !u.EmailVerified || u.Claims["name"] != "Jane Doe" {
		t.Errorf("got %+v, want what the provider has verified", u)
	}
	p.Person(map[string]any{"sub": "248289761001", "preferred_username": "jane-renamed"})
	visit(t, b).wantIn("corp")
	logins, err := b.API().ListUserLogins(t.Context(), "jane.doe")
	if err != nil || len(logins.Items) != 1 || logins.Items[0].Name != "jane-renamed" || logins.Items[0].Subject != "248289761001" {
		t.Errorf("got %+v %v, want the one account under its new name", logins.Items, err)
	}
}

// OID-09: an answer is worth something once, in the browser that was sent for it, and with its state, nonce and code verifier.
func TestUpstreamAnswersBelongToOneTripOfOneBrowser(t *testing.T) {
	b, p := upstream(t, nil)
	const bad = "invalid_state"
	t.Run("another browser's", func(t *testing.T) {
		victim, attacker := visit(t, b), visit(t, b)
		got := victim.get(attacker.answer("corp"))
		victim.wantOut("corp", got, 400, bad)
		victim.answer("corp") // a trip of its own does not help
		victim.wantOut("corp", victim.get(attacker.answer("corp")), 400, bad)
	})
	t.Run("replayed", func(t *testing.T) {
		v := visit(t, b)
		back := v.answer("corp")
		at, err := url.Parse(b.URL)
		if err != nil {
			t.Fatal(err)
		}
		kept := v.http.Jar.Cookies(at)
		if got := v.get(back); got.status != 303 {
			t.Fatalf("got %d %s, want to be signed in", got.status, got.body)
		}
		again := visit(t, b)
		again.http.Jar.SetCookies(at, kept)
		again.wantOut("corp", again.get(back), 400, bad)
	})
	t.Run("without state", func(t *testing.T) {
		p.Return(func(q url.Values) { q.Del("state") })
		defer p.Return(nil)
		v := visit(t, b)
		v.wantOut("corp", v.signIn("corp"), 400, bad)
	})
	t.Run("without a trip", func(t *testing.T) {
		v := visit(t, b)
		v.wantOut("corp", v.get("/login/corp/callback?code=x&state=y"), 400, bad)
	})
	t.Run("with a parameter twice", func(t *testing.T) {
		v := visit(t, b)
		v.wantOut("corp", v.get(v.answer("corp")+"&state=z"), 400, "more than once")
	})
	t.Run("with another's code", func(t *testing.T) { // whose verifier this browser does not have
		other, v := visit(t, b), visit(t, b)
		stolen, err := url.Parse(other.answer("corp"))
		if err != nil {
			t.Fatal(err)
		}
		mine, err := url.Parse(v.answer("corp"))
		if err != nil {
			t.Fatal(err)
		}
		q := mine.Query()
		q.Set("code", stolen.Query().Get("code"))
		mine.RawQuery = q.Encode()
		before := p.Tokens()
		v.wantOut("corp", v.get(mine.String()), 400, "upstream_refused")
		if p.Tokens() != before {
			t.Error("the provider gave a token for another's code")
		}
	})
}

// RFC 9700 §4.4, RFC 9207: an answer names its provider, and comes to the redirect URI of its connector.
func TestUpstreamRefusesMixUp(t *testing.T) {
	b, p := upstream(t, nil)
	evil := apptest.NewProvider(t)
	c := oidcConnector(evil, nil)
	c.Name = "evil"
	if _, err := b.API().CreateConnector(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(url.Values){
		"another's iss": func(q url.Values) { q.Set("iss", evil.URL) },
		"no iss":        func(q url.Values) { q.Del("iss") },
	} {
		p.Return(change)
		v := visit(t, b)
		if got := v.signIn("corp"); got.status != 400 || v.signedIn("corp") {
			t.Errorf("%s: got %d, want 400 and no session", name, got.status)
		}
	}
	p.Return(nil)
	v := visit(t, b)
	back := strings.Replace(v.answer("corp"), "/login/corp/", "/login/evil/", 1)
	v.wantOut("evil", v.get(back), 400, "invalid_state")
	if p.Tokens()+evil.Tokens() != 0 {
		t.Error("a code was sent somewhere")
	}
}

// OID-11: an ID token is signed by the provider's key, for us, now, with our nonce.
func TestUpstreamIDTokensAreVerified(t *testing.T) {
	b := apptest.Start(t)
	change := func(name string, v any) func(*apptest.Provider, map[string]any) string {
		return func(p *apptest.Provider, claims map[string]any) string {
			if claims[name] = v; v == nil {
				delete(claims, name)
			}
			return p.Signed(jose.RS256, p.Key(), claims)
		}
	}
	for name, sign := range map[string]func(*apptest.Provider, map[string]any) string{
		"alg none": func(_ *apptest.Provider, claims map[string]any) string {
			body, _ := json.Marshal(claims)
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
		},
		"HS256 with the client secret": func(p *apptest.Provider, claims map[string]any) string {
			return p.Signed(jose.HS256, []byte(apptest.UpstreamSecret), claims)
		},
		"another's key": func(p *apptest.Provider, claims map[string]any) string {
			return p.Signed(jose.RS256, apptest.NewProvider(t).Key(), claims)
		},
		"wrong aud":       change("aud", "somebody-else"),
		"several aud":     change("aud", []string{apptest.UpstreamClient, "somebody-else"}),
		"another's azp":   change("azp", "somebody-else"),
		"wrong iss":       change("iss", "https://evil.example"),
		"expired":         change("exp", time.Now().Add(-time.Minute).Unix()),
		"no exp":          change("exp", nil),
		"from the future": change("iat", time.Now().Add(time.Hour).Unix()),
		"no nonce":        change("nonce", nil),
		"wrong nonce":     change("nonce", "another"),
		"no sub":          change("sub", nil),
		"none at all":     func(*apptest.Provider, map[string]any) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			p := apptest.NewProvider(t)
			p.Person(map[string]any{"sub": "1", "preferred_username": "eve"})
			c := oidcConnector(p, nil)
			c.Name = "c" + strings.ToLower(strings.NewReplacer(" ", "-", "'", "").Replace(name))
			if _, err := b.API().CreateConnector(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			p.Sign(sign)
			v := visit(t, b)
			v.wantOut(c.Name, v.signIn(c.Name), 400, "upstream_refused")
			if _, err := b.API().GetUser(t.Context(), "eve"); err == nil {
				t.Error("a user was made")
			}
		})
	}
}

// OID-12: what the provider says is text.
func TestUpstreamErrorsAreEscaped(t *testing.T) {
	b, p := upstream(t, nil)
	p.Return(func(q url.Values) {
		q.Del("code")
		q.Set("error", "access_denied")
		q.Set("error_description", "<script>alert(1)</script>")
	})
	v := visit(t, b)
	got := v.signIn("corp")
	v.wantOut("corp", got, 400, "&lt;script&gt;")
	if strings.Contains(got.body, "<script") {
		t.Errorf("got %s, want no script", got.body)
	}
}

// OID-13: an account is its provider and the provider's immutable id, never a name or an address.
func TestUpstreamAccountsAreKnownByProviderAndID(t *testing.T) {
	b, p := gitHub(t, nil)
	p.Account(583231, "octocat", "octo@corp.example", nil)
	visit(t, b).wantIn("github")
	other := apptest.NewProvider(t)
	other.Person(map[string]any{"sub": "583231", "preferred_username": "octocat"})
	if _, err := b.API().CreateConnector(t.Context(), oidcConnector(other, nil)); err != nil {
		t.Fatal(err)
	}
	visit(t, b).wantIn("corp")
	p.Account(999, "octocat", "", nil) // somebody has taken the name that the first has given up
	visit(t, b).wantIn("github")
	for _, name := range []string{"octocat", "octocat-2", "octocat-3"} {
		logins, err := b.API().ListUserLogins(t.Context(), name)
		if err != nil || len(logins.Items) != 1 {
			t.Errorf("%s: got %+v %v, want three people with one account each", name, logins.Items, err)
		}
	}
	// Nor is an address proof, unless the operator says so.
	p.Account(1000, "thief", "octo@corp.example", nil)
	v := visit(t, b)
	v.wantOut("github", v.signIn("github"), 403, "account_exists")
}

// The default lets in who was invited, by name or by verified address, and gives what the invitation says.
func TestUpstreamLetsInWhoIsInvited(t *testing.T) {
	b, p := upstream(t, func(c *apiv1.ConnectorSpec) { c.SignUp = "" })
	v := visit(t, b)
	v.wantOut("corp", v.signIn("corp"), 403, "not_invited")
	if _, err := b.API().GetUser(t.Context(), "jane.doe"); err == nil {
		t.Error("a user was made")
	}
	if _, err := b.API().Invite(t.Context(), "acme", apiv1.NewInvitation{Email: "jane@corp.example", Role: "writer"}); err != nil {
		t.Fatal(err)
	}
	p.Person(map[string]any{"sub": "7", "preferred_username": "mallory", "email": "jane@corp.example", "email_verified": false})
	v.wantOut("corp", v.signIn("corp"), 403, "not_invited")
	p.Person(map[string]any{"sub": "8", "preferred_username": "jane", "email": "jane@corp.example", "email_verified": true})
	v.wantIn("corp")
	wantRole(t, b, "jane", "writer")
	if _, err := b.API().Assign(t.Context(), "acme", apiv1.Assignment{Login: &apiv1.Login{Connector: "corp", Name: "bill"}, Role: "reader"}); err != nil {
		t.Fatal(err)
	}
	p.Person(map[string]any{"sub": "9", "preferred_username": "bill"})
	visit(t, b).wantIn("corp")
	wantRole(t, b, "bill", "reader")
}

// What a mapping gave is taken back when the provider no longer says so; what somebody holds otherwise stays.
func TestUpstreamMappingsGiveAndTakeBack(t *testing.T) {
	b, p := upstream(t, func(c *apiv1.ConnectorSpec) {
		c.SignUp = "mapped"
		c.Mappings = []apiv1.ConnectorMapping{{Claim: "groups", Value: "eng", Organization: "acme", Role: "writer"}}
	})
	jane := map[string]any{"sub": "1", "preferred_username": "jane", "groups": []string{"sales"}}
	p.Person(jane)
	v := visit(t, b)
	v.wantOut("corp", v.signIn("corp"), 403, "not_invited")
	jane["groups"] = []string{"sales", "eng"}
	p.Person(jane)
	v.wantIn("corp")
	wantRole(t, b, "jane", "writer")
	jane["groups"] = []string{"engineers"}
	p.Person(jane)
	v.wantIn("corp")
	wantRole(t, b, "jane", "")
	if _, err := b.API().Assign(t.Context(), "acme", apiv1.Assignment{User: "jane", Role: "writer"}); err != nil {
		t.Fatal(err)
	}
	for _, groups := range [][]string{{"eng"}, {}} {
		jane["groups"] = groups
		p.Person(jane)
		v.wantIn("corp")
		wantRole(t, b, "jane", "writer")
	}
}

// OID-16: whoever leaves the organization does not get in again; an answer of a kind that GitHub never gives lets nobody in.
func TestUpstreamGitHubOrganizationsAreAskedEachTime(t *testing.T) {
	b, p := gitHub(t, func(c *apiv1.ConnectorSpec) { c.AllowedOrganizations = []string{"9919"} })
	p.Account(1, "bob", "", map[string]int{"acme-inc": 9919})
	v := visit(t, b)
	v.wantIn("github")
	for _, name := range []string{"other", "9919"} { // an organization may call itself by another's id
		p.Account(1, "bob", "", map[string]int{name: 7})
		v := visit(t, b)
		v.wantOut("github", v.signIn("github"), 403, "not_allowed")
	}
	for _, body := range []string{`{"id":"1","login":"bob"}`, `{"id":0,"login":"bob"}`, `{"login":"bob"}`, `[]`, `null`, `{"id":1.5,"login":"bob"}`} {
		p.Account(1, "bob", "", map[string]int{"acme-inc": 9919})
		p.Answers("/user", body)
		v := visit(t, b)
		v.wantOut("github", v.signIn("github"), 400, "upstream_refused")
	}
}

// OID-16: a sign-in counts as long as the connector says, and not at all when the connector is disabled.
func TestUpstreamSignInsCountAsLongAsTheConnector(t *testing.T) {
	b, _ := upstream(t, nil)
	v := visit(t, b)
	v.wantIn("corp")
	c, err := b.API().GetConnector(t.Context(), "corp")
	if err != nil {
		t.Fatal(err)
	}
	other := oidcConnector(apptest.NewProvider(t), nil)
	other.Name = "other"
	if _, err := b.API().CreateConnector(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	c.Disabled = true
	if _, err := b.API().UpdateConnector(t.Context(), "corp", c.ConnectorSpec, ""); err != nil {
		t.Fatal(err)
	}
	if v.signedIn("other") {
		t.Error("a sign-in by a disabled connector counts")
	}
	if got := v.get("/login/corp"); got.status != 404 {
		t.Errorf("got %d, want 404 for a disabled connector", got.status)
	}
}

// Somebody adds an account who has just proved to be here and there, in one session, by our form.
func TestUpstreamLinksWithProofOfBoth(t *testing.T) {
	b, _ := upstream(t, nil)
	v := visit(t, b)
	v.wantIn("corp")
	hub := apptest.NewGitHub(t)
	c := oidcConnector(hub, func(c *apiv1.ConnectorSpec) { c.SignUp = "invited" })
	c.Name, c.Type = "github", "github"
	if _, err := b.API().CreateConnector(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	hub.Account(42, "jane-at-github", "jane@home.example", nil)
	stranger := visit(t, b)
	if got := stranger.get("/login/github/link"); got.status != 303 || !strings.HasPrefix(got.location, "/login?ticket=") {
		t.Errorf("nobody: got %d %q, want to be sent to sign in", got.status, got.location)
	}
	forged := b.Form("/login/github/link", "form_token", "guessed")
	if got := v.do(forged); got.status != 403 {
		t.Errorf("a form of another site: got %d, want 403", got.status)
	}
	shown := v.get("/login/github/link")
	token := between(shown.body, `name="form_token" value="`, `"`)
	onward := v.do(b.Form("/login/github/link", "form_token", token))
	to := html.UnescapeString(between(onward.body, `id="onward" href="`, `"`))
	if onward.status != 200 || !strings.HasPrefix(to, hub.URL) {
		t.Fatalf("got %d %s, want a page that leads to the provider", onward.status, onward.body)
	}
	back := v.get(to).location
	if got := stranger.get(back); got.status != 400 {
		t.Errorf("another browser: got %d, want 400", got.status)
	}
	if got := v.get(back); got.status != 303 || got.location != "/account" {
		t.Fatalf("got %d %s, want the account linked", got.status, got.body)
	}
	logins, err := b.API().ListUserLogins(t.Context(), "jane.doe")
	if err != nil || len(logins.Items) != 2 {
		t.Errorf("got %+v %v, want two accounts", logins.Items, err)
	}
	visit(t, b).wantIn("github") // who needs no invitation: it is jane
}

func between(s, begin, end string) string {
	_, rest, _ := strings.Cut(s, begin)
	out, _, _ := strings.Cut(rest, end)
	return out
}

func wantRole(t *testing.T, b *apptest.Broker, user, role string) {
	t.Helper()
	list, err := b.API().ListAssignments(t.Context(), "acme", apiv1.PageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, a := range list.Items {
		if a.User == user {
			got += a.Role
		}
	}
	if got != role {
		t.Errorf("%s holds %q at acme, want %q", user, got, role)
	}
}
