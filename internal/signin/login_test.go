package signin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

const (
	alice    = "alice"
	password = "gravel tumble oat"
	wrong    = "gravel tumble oak"
)

// start starts a broker with alice, who has a password, bob, who is disabled, and carol, who has none.
func start(t *testing.T, opts ...apptest.Option) *apptest.Broker {
	t.Helper()
	file := apptest.File(t, "people.yaml", `kind: User
metadata: {name: alice}
spec: {email: alice@acme.example, emailVerified: true, password: {value: `+password+`}, claims: {name: "Alice <img src=x onerror=alert(1)>"}}
---
kind: User
metadata: {name: bob}
spec: {email: bob@acme.example, disabled: true, password: {value: `+password+`}}
---
kind: User
metadata: {name: carol}
spec: {email: carol@acme.example}
`)
	return apptest.Start(t, append(opts, apptest.Apply(file), apptest.Set("trustedProxies", "127.0.0.0/8"))...)
}

// from makes a visitor from a network of its own.
func from(b *apptest.Broker, address string) *visitor {
	v := newVisitor(b)
	v.Header.Set("X-Forwarded-For", address)
	return v
}

func signedIn(t *testing.T, v *visitor) bool {
	t.Helper()
	a := v.Get("/account")
	if a.Status != http.StatusOK && a.Header.Get("Location") != "/login" {
		t.Fatalf("/account: got %v", a)
	}
	return a.Status == http.StatusOK
}

func wantStatus(t *testing.T, what string, a apptest.Answer, want int) {
	t.Helper()
	if a.Status != want {
		t.Errorf("%s: got %v, want %d", what, a, want)
	}
}

// A person signs in by name or by verified address, and is then at the account.
func TestSignsInByNameOrVerifiedAddress(t *testing.T) {
	b := start(t)
	for _, name := range []string{alice, " Alice ", "alice@acme.example", "ALICE@acme.example"} {
		v := newVisitor(b)
		a := v.Login(name, password)
		if a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/account" || !signedIn(t, v) {
			t.Errorf("%q: got %v to %q, want 303 to /account", name, a, a.Header.Get("Location"))
		}
	}
	v := newVisitor(b)
	wantStatus(t, "unverified address", v.Login("carol@acme.example", password), http.StatusBadRequest)
}

// LOG-05: nobody learns from an answer who exists, who is disabled, and who has a password.
func TestOneAnswerForWhateverIsWrong(t *testing.T) {
	b := start(t)
	token := regexp.MustCompile(`name="form_token" value="[^"]*"|value="[a-z]*"`)
	var first apptest.Answer
	for i, c := range []struct{ name, password string }{
		{"alice", wrong}, {"nobod", password}, {"bob", password}, {"bob", wrong}, {"carol", password}, {"alice", ""}, {"alice", strings.Repeat("x", 600)},
	} {
		v := newVisitor(b)
		a := v.Login(c.name, c.password)
		a.Body = token.ReplaceAllString(a.Body, "")
		if i == 0 {
			first = a
			if a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "is not right") {
				t.Fatalf("wrong password: got %v", a)
			}
			continue
		}
		if a.Status != first.Status || a.Body != first.Body || len(a.Header) != len(first.Header) || len(a.Header["Set-Cookie"]) != len(first.Header["Set-Cookie"]) {
			t.Errorf("%+v: got %v, want the answer for a wrong password, %v", c, a, first)
		}
	}
	for _, secret := range []string{password, wrong, "nobod"} {
		if strings.Contains(b.Log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// LOG-07, LOG-10: whoever guesses is slowed down, whatever he says about himself; whom he guesses at signs in from elsewhere, and from
// the browser that he has always used.
func TestGuessingSlowsTheGuesserAlone(t *testing.T) {
	b := start(t)
	known := from(b, "192.0.2.1")
	wantStatus(t, "first sign-in", known.Login(alice, password), http.StatusSeeOther)
	known.Jar.SetCookies(mustURL(t, b.URL), []*http.Cookie{{Name: "gatehouse-session", MaxAge: -1, Path: "/"}})

	guesser := from(b, "192.0.2.1")
	guesser.Get("/login")
	for i := range 10 {
		guesser.Header.Set("X-Real-IP", "203.0.113."+string(rune('0'+i)))
		wantStatus(t, "guess", guesser.Send("/login", "username", alice, "password", wrong), http.StatusBadRequest)
	}
	a := guesser.Send("/login", "username", "ALICE@acme.example", "password", password)
	if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" || !strings.Contains(a.Body, `id="login-submit"`) || signedIn(t, guesser) {
		t.Errorf("the right password after ten wrong: got %v, want 429 and the page", a)
	}
	if e := b.Log.Events("/login"); e[len(e)-1]["guessing"] != true {
		t.Errorf("the log does not tell of guessing: %v", e[len(e)-1])
	}
	wantStatus(t, "another network", from(b, "192.0.2.2").Login(alice, password), http.StatusSeeOther)
	wantStatus(t, "a known browser from the guesser's network", known.Login(alice, password), http.StatusSeeOther)
	wantStatus(t, "somebody else from there", from(b, "192.0.2.1").Login("nobody", password), http.StatusBadRequest)
}

// LOG-07: what a known browser may do is counted too, and is worth nothing for anybody else.
func TestAKnownBrowserIsCountedByItself(t *testing.T) {
	b := start(t)
	v := from(b, "192.0.2.1")
	wantStatus(t, "sign-in", v.Login(alice, password), http.StatusSeeOther)
	for range 10 {
		wantStatus(t, "guess", v.Send("/login", "username", alice, "password", wrong, "form_token", formToken(t, v)), http.StatusBadRequest)
	}
	wantStatus(t, "right after ten wrong", v.Send("/login", "username", alice, "password", password, "form_token", formToken(t, v)), http.StatusTooManyRequests)
	wantStatus(t, "another browser", from(b, "192.0.2.1").Login(alice, password), http.StatusSeeOther)
}

var formTokenValue = regexp.MustCompile(`name="form_token" value="([^"]*)"`)

// formToken reads the form token of the account page of a visitor who is signed in.
func formToken(t *testing.T, v *visitor) string {
	t.Helper()
	m := formTokenValue.FindStringSubmatch(v.Get("/account").Body)
	if m == nil {
		t.Fatal("the account has no form")
	}
	return m[1]
}

// LOG-01, LOG-21: a form that this browser was not shown, or that another site has sent, signs nobody in.
func TestFormsOfStrangersAreRefused(t *testing.T) {
	b := start(t)
	wantStatus(t, "no pre-session", b.Post("/login", "username", alice, "password", password), http.StatusForbidden)

	other := newVisitor(b)
	other.Get("/login")
	v := newVisitor(b)
	v.Get("/login")
	stolen := formTokenValue.FindStringSubmatch(other.Get("/login").Body)[1]
	wantStatus(t, "another browser's token", v.Send("/login", "username", alice, "password", password, "form_token", stolen), http.StatusForbidden)

	v.Header.Set("Sec-Fetch-Site", "cross-site")
	wantStatus(t, "cross-site", v.Login(alice, password), http.StatusForbidden)
	v.Header.Del("Sec-Fetch-Site")

	wantStatus(t, "sign-in", v.Login(alice, password), http.StatusSeeOther)
	before := other.Get("/login").Body
	wantStatus(t, "account, no token", v.Send("/account", "do", "password", "form_token", ""), http.StatusForbidden)
	wantStatus(t, "account, another's", v.Send("/account", "do", "password", "form_token", formTokenValue.FindStringSubmatch(before)[1]), http.StatusForbidden)
}

// LOG-03, LOG-04: the session's cookie is ours alone, new at each sign-in, and never one that somebody has put there.
func TestTheSessionIsNewAtEachSignIn(t *testing.T) {
	b := start(t)
	v := newVisitor(b)
	site := mustURL(t, b.URL)
	v.Jar.SetCookies(site, []*http.Cookie{{Name: "gatehouse-session", Value: "sid_preset.secret", Path: "/"}})
	var values []string
	for range 2 {
		v.Get("/login")
		if signedIn(t, v) {
			v.Get("/account")
		}
		a := v.Send("/login", "username", alice, "password", password)
		wantStatus(t, "sign-in", a, http.StatusSeeOther)
		for _, c := range (&http.Response{Header: a.Header}).Cookies() {
			if c.Name == "gatehouse-session" {
				values = append(values, c.Value)
			}
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("cookie %s: got %+v", c.Name, c)
			}
		}
	}
	if len(values) != 2 || values[0] == values[1] || strings.Contains(values[0], "preset") {
		t.Errorf("sessions: got %q, want two of ours", values)
	}
	stale := newVisitor(b)
	stale.Jar.SetCookies(site, []*http.Cookie{{Name: "gatehouse-session", Value: values[0], Path: "/"}})
	if signedIn(t, stale) {
		t.Error("the cookie of before the second sign-in still opens the account")
	}
}

// LOG-12: nothing in a request says where the browser goes on.
func TestNoParameterChoosesWhereToGo(t *testing.T) {
	b := start(t)
	for _, to := range []string{"//e.example", `/\e.example`, "/%09/e.example", "https:e.example", "javascript:alert(1)"} {
		q := "?return_to=" + url.QueryEscape(to) + "&next=" + url.QueryEscape(to)
		v := newVisitor(b)
		v.Get("/login" + q)
		a := v.Send("/login", "username", alice, "password", password, "return_to", to)
		if got := a.Header.Get("Location"); got != "/account" {
			t.Errorf("%s: got %q, want /account", to, got)
		}
		wantStatus(t, "a ticket that is none", v.Get("/login?ticket="+url.QueryEscape(to)), http.StatusBadRequest)
	}
}

// LOG-15: what is too long is refused before any of it is hashed.
func TestHugePasswordsAreNotHashed(t *testing.T) {
	b := start(t)
	v := newVisitor(b)
	wantStatus(t, "1 MB", v.Login(alice, strings.Repeat("x", 1<<20)), http.StatusRequestEntityTooLarge)
}

// LOG-02, LOG-16: pages run nothing that is not ours, whatever somebody calls himself.
func TestPagesAreSealed(t *testing.T) {
	b := start(t)
	v := newVisitor(b)
	v.Login(alice, password)
	for _, a := range []apptest.Answer{b.Get("/login"), v.Get("/account"), v.Send("/login", "username", `"><script>alert(1)</script>`, "password", wrong)} {
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || a.Header.Get("X-Frame-Options") != "DENY" ||
			a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers: got %v", a.Header)
		}
		if strings.Contains(a.Body, "<img") || strings.Contains(a.Body, "<script") {
			t.Errorf("a page has markup of a stranger: %s", a.Body)
		}
	}
}

// LOG-20, OUT-05: who is disabled or deleted is out at once.
func TestDisabledAndDeletedPeopleAreOut(t *testing.T) {
	b := start(t)
	v, w := newVisitor(b), newVisitor(b)
	wantStatus(t, "sign-in", v.Login(alice, password), http.StatusSeeOther)
	api := b.API()
	u, err := api.GetUser(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	u.Disabled = true
	if _, err := api.UpdateUser(t.Context(), u.ID, u.UserSpec, u.ETag); err != nil {
		t.Fatal(err)
	}
	if signedIn(t, v) {
		t.Error("somebody disabled is still signed in")
	}
	wantStatus(t, "disabled", w.Login(alice, password), http.StatusBadRequest)
}

// contract.md 1: the link that development prints signs the owner in, once, and not by being looked at.
func TestDevelopmentLinkWorksOnce(t *testing.T) {
	b := start(t)
	link := regexp.MustCompile(`http://\S+/link\?token=\S+`).FindString(waitOut(t, b))
	if link == "" {
		t.Fatal("no link")
	}
	u := mustURL(t, link)
	path := u.RequestURI()
	v, w := newVisitor(b), newVisitor(b)
	for range 2 {
		wantStatus(t, "look", v.Get(path), http.StatusOK)
	}
	wantStatus(t, "look", w.Get(path), http.StatusOK)
	if signedIn(t, v) {
		t.Fatal("a look at the link has signed in")
	}
	v.Get(path)
	wantStatus(t, "use", v.Send("/link"), http.StatusSeeOther)
	if !signedIn(t, v) || !strings.Contains(v.Get("/account").Body, "owner") {
		t.Error("the link has not signed in the owner")
	}
	wantStatus(t, "second use", w.Send("/link"), http.StatusForbidden)
	wantStatus(t, "made up", b.Get("/link?token=AAAA"), http.StatusForbidden)
}

// Without passwords there is no form for one, and none is taken.
func TestPasswordsCanBeOff(t *testing.T) {
	b := start(t, apptest.Set("signIn.passwords", "false"))
	v := newVisitor(b)
	if a := v.Get("/login"); a.Status != http.StatusOK || strings.Contains(a.Body, "login-submit") {
		t.Errorf("got %v", a)
	}
	wantStatus(t, "password", v.Send("/login", "username", alice, "password", password), http.StatusForbidden)
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// waitOut returns what the broker has told people, once it serves.
func waitOut(t *testing.T, b *apptest.Broker) string {
	t.Helper()
	b.Handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/login", nil))
	b.Get("/login") // Run has said it before it answers
	return b.Out.String()
}
