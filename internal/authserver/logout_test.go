package authserver_test

import (
	"context"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/authserver"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/outbound"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/keys"
)

const exitIssuer = "http://id.example"

// An exit is the end session endpoint over an embedded store, with users ann and bob and the application shop, which is told of the
// end of sessions.
type exit struct {
	t        *testing.T
	url      string
	store    *store.Store
	people   *authn.Sessions
	ring     *keys.Ring
	tokens   *token.Issuer
	notifier *authserver.Notifier
	client   *iam.Client

	mu     sync.Mutex
	told   []url.Values // what came to the application
	answer func(n int) int
}

func newRing(t *testing.T) *keys.Ring {
	t.Helper()
	at := time.Now().Add(-time.Hour)
	changes, _ := keys.Plan(nil, []keys.Alg{keys.ES256, keys.RS256}, keys.DefaultPolicy(), at)
	all, _, err := keys.Apply(nil, changes, at)
	noError(t, err)
	ring, err := keys.NewRing(all)
	noError(t, err)
	return ring
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newExit(t *testing.T) *exit {
	t.Helper()
	e := &exit{t: t, ring: newRing(t), answer: func(int) int { return http.StatusOK }}
	engine, err := boltkv.Open(filepath.Join(t.TempDir(), "gatehouse.db"), boltkv.Options{})
	noError(t, err)
	e.store = store.New(engine, store.Options{Lease: 2 * time.Second, Budget: 5 * time.Second, CacheEntries: 1000, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		e.store.Run(ctx, func() { close(ready) })
	}()
	t.Cleanup(func() { cancel(); <-done; noError(t, engine.Close()) })
	<-ready

	application := httptest.NewServer(http.HandlerFunc(e.hear))
	t.Cleanup(application.Close)
	ring := func() *keys.Ring { return e.ring }
	inspector := &token.Inspector{
		Issuer: exitIssuer, Ring: ring, Revocations: e.store, Directory: e.store, Now: time.Now, Refresh: func(context.Context) error { return nil },
	}
	revoker := &token.Revoker{Inspector: inspector, Marks: e.store, MaxLifetime: iam.MaxTokenLifetime, ClockSkew: time.Minute, Now: time.Now}
	e.tokens = &token.Issuer{Issuer: exitIssuer, Ring: ring, Now: time.Now}
	e.notifier = authserver.NewNotifier(authserver.Notifier{
		Store: e.store, Tokens: e.tokens, HTTP: outbound.New(&outbound.Guard{Loopback: true}), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	endings := &authn.Endings{Store: e.store, Mark: revoker.All, Noticed: e.notifier.Wake, Idle: time.Hour, Now: time.Now}
	e.people = &authn.Sessions{
		Store: e.store, Cookies: &web.Cookies{Key: make([]byte, 32)}, Endings: endings, Idle: time.Hour, Lifetime: 24 * time.Hour, Now: time.Now,
	}
	tickets, err := authn.NewTickets(make([]byte, 32), time.Now)
	noError(t, err)
	server := &authserver.Server{
		Issuer: exitIssuer, Policy: &token.Policy{Issuer: exitIssuer, Directory: e.store, Now: time.Now}, Tokens: e.tokens, Inspector: inspector,
		Revoker: revoker, Grants: e.store, People: e.people, Tickets: tickets, Endings: endings, Algorithms: []keys.Alg{keys.ES256, keys.RS256},
	}
	routes, err := server.Routes()
	noError(t, err)
	router, err := web.NewRouter(web.RouterConfig{Log: slog.DiscardHandler, Metrics: web.NewMetrics()}, routes...)
	noError(t, err)
	ts := httptest.NewServer(router)
	t.Cleanup(ts.Close)
	e.url = ts.URL
	e.client = &iam.Client{ID: "shop", Name: "shop", Web: &iam.WebClient{
		PostLogoutRedirectURIs: []string{"https://shop.example/bye", "https://shop.example/bye?a=b"}, BackchannelLogoutURI: application.URL + "/logout",
	}}
	noError(t, e.store.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(
			tx.PutUser(&iam.User{ID: "u_ann", Name: "ann"}), tx.PutUser(&iam.User{ID: "u_bob", Name: "bob"}), tx.PutClient(e.client),
			tx.PutClient(&iam.Client{ID: "other", Name: "other", Web: &iam.WebClient{PostLogoutRedirectURIs: []string{"https://other.example/bye"}}}),
		)
	}))
	return e
}

func (e *exit) hear(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, r.PostForm)
	w.WriteHeader(e.answer(len(e.told)))
}

// runs has the notifier at work until the test ends.
func (e *exit) runs() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { e.notifier.Run(ctx) })
	e.t.Cleanup(func() { cancel(); running.Wait() })
}

// hears waits until the application was told n times.
func (e *exit) hears(n int) []url.Values {
	e.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		e.mu.Lock()
		told := slices.Clone(e.told)
		e.mu.Unlock()
		if len(told) >= n {
			return told
		}
	}
	e.t.Fatalf("the application was not told %d times", n)
	return nil
}

// A tab is a browser at the exit. It follows nothing by itself.
type tab struct {
	e      *exit
	client *http.Client
}

func (e *exit) tab() *tab {
	jar, err := cookiejar.New(nil)
	noError(e.t, err)
	return &tab{e, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signIn signs a user in, who has then opened the shop.
func (b *tab) signIn(user iam.UserID) *iam.Session {
	e := b.e
	e.t.Helper()
	at, err := url.Parse(e.url)
	noError(e.t, err)
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, e.url, nil)
	for _, c := range b.client.Jar.Cookies(at) {
		r.AddCookie(c)
	}
	u, err := e.store.User(e.t.Context(), user)
	noError(e.t, err)
	s, err := e.people.SignIn(w, r, authn.Authentication{User: u, ACR: "1", AMR: []string{"pwd"}})
	noError(e.t, err)
	noError(e.t, e.people.Uses(e.t.Context(), s, "shop"))
	b.client.Jar.SetCookies(at, w.Result().Cookies())
	return s
}

// idToken is an ID token of the shop, or of a client that is named, for a session.
func (e *exit) idToken(s *iam.Session, by *token.Issuer, client *iam.Client, life time.Duration) string {
	e.t.Helper()
	t, err := by.IDToken(&token.Authorization{
		Grant: token.NewGrantID(), Client: client, Subject: string(s.User), SessionID: s.ID, IssuedAt: time.Now().Add(-time.Minute), AuthTime: s.AuthTime,
	}, token.IDToken{Lifetime: life})
	noError(e.t, err)
	return t
}

func (e *exit) hint(s *iam.Session) string { return e.idToken(s, e.tokens, e.client, time.Hour) }

// leave calls the endpoint. The method SEND is a form that another site has the browser post: no cookie of ours goes with it.
func (b *tab) leave(method string, pairs ...string) (*http.Response, string) {
	b.e.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	if method == http.MethodGet {
		return b.read(b.client.Get(b.e.url + authserver.PathLogout + "?" + form.Encode()))
	}
	by := b.client
	if method == "SEND" {
		by = &http.Client{CheckRedirect: b.client.CheckRedirect}
	}
	return b.read(by.PostForm(b.e.url+authserver.PathLogout, form))
}

func (b *tab) read(resp *http.Response, err error) (*http.Response, string) {
	b.e.t.Helper()
	noError(b.e.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	noError(b.e.t, err)
	return resp, string(body)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// confirm presses the button of the page that asks.
func (b *tab) confirm(page string) (*http.Response, string) {
	b.e.t.Helper()
	if !strings.Contains(page, `id="logout-confirm"`) {
		b.e.t.Fatalf("got %s, want the page that asks", page)
	}
	var pairs []string
	for _, f := range hiddenField.FindAllStringSubmatch(page, -1) {
		pairs = append(pairs, html.UnescapeString(f[1]), html.UnescapeString(f[2]))
	}
	return b.leave(http.MethodPost, pairs...)
}

func (e *exit) wantSession(s *iam.Session, there bool) {
	e.t.Helper()
	got, err := e.store.Session(e.t.Context(), s.ID)
	noError(e.t, err)
	if (got != nil) != there {
		e.t.Errorf("session: got %v, want it there: %v", got, there)
	}
}

const signedOut = "You are signed out"

// OUT-01 and the module oidcc-rp-initiated-logout: whoever shows the person's ID token ends the session at once, and the browser goes
// to the registered address with the state. An ID token that has expired does.
func TestConformanceRPInitiatedLogout(t *testing.T) {
	e := newExit(t)
	state := strings.Repeat("s~ &", 32)
	for name, to := range map[string]string{"bye": "https://shop.example/bye", "with a query": "https://shop.example/bye?a=b"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, "SEND"} {
			b := e.tab()
			s := b.signIn("u_ann")
			expired := e.idToken(s, e.tokens, e.client, time.Second)
			resp, body := b.leave(method, "id_token_hint", expired, "post_logout_redirect_uri", to, "state", state, "logout_hint", "x", "ui_locales", "de")
			if method != http.MethodGet { // posted: taken up by a navigation, which brings the cookies
				resp, body = b.read(b.client.Get(e.url + resp.Header.Get("Location")))
			}
			want := to + map[bool]string{true: "&", false: "?"}[strings.Contains(to, "?")] + "state=" + url.QueryEscape(state)
			if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || got != want {
				t.Errorf("%s by %s: got %s to %q, want %q (%s)", name, method, resp.Status, got, want, body)
			}
			e.wantSession(s, false)
			dead, err := e.store.Revoked(t.Context(), s.AuthTime, iam.RevocationRef{Kind: iam.RevokedSession, ID: s.ID})
			if err != nil || !dead {
				t.Errorf("the session's tokens live on: %v", err)
			}
		}
	}
}

// The module oidcc-rp-initiated-logout-no-state: what was not sent is not made up.
func TestConformanceRPInitiatedLogoutNoState(t *testing.T) {
	e := newExit(t)
	b := e.tab()
	s := b.signIn("u_ann")
	resp, _ := b.leave(http.MethodGet, "id_token_hint", e.hint(s), "post_logout_redirect_uri", "https://shop.example/bye")
	if got := resp.Header.Get("Location"); got != "https://shop.example/bye" {
		t.Errorf("got %q", got)
	}
}

// OUT-03 and the modules …-bad-post-logout-redirect-uri, …-query-added-to-post-logout-redirect-uri: an address that is not registered
// for the client to the letter is gone to by nobody, and the page says why.
func TestConformanceRPInitiatedLogoutUnregisteredURI(t *testing.T) {
	e := newExit(t)
	b := e.tab()
	s := b.signIn("u_ann")
	for _, to := range []string{
		"https://shop.example/bye?foo=bar", "https://shop.example/bye/", "https://shop.example/BYE", "https://shop.example/bye#x", "https://evil.example/",
		"//evil.example", `/\evil.example`, "/account", "javascript:alert(1)", "https://other.example/bye", "https://shop.example/bye?a=b&c=d",
	} {
		resp, body := b.leave(http.MethodGet, "id_token_hint", e.hint(s), "post_logout_redirect_uri", to, "state", "x")
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" || !strings.Contains(body, "not registered") {
			t.Errorf("%s: got %s to %q", to, resp.Status, resp.Header.Get("Location"))
		}
	}
	e.wantSession(s, true)
}

// OUT-03 and the modules …-modified-id-token-hint, …-bad-id-token-hint, …-no-id-token-hint: without a good ID token of ours nobody is
// signed out unasked and nobody is sent anywhere, confirmed or not.
func TestConformanceRPInitiatedLogoutBadHint(t *testing.T) {
	e := newExit(t)
	foreign := &token.Issuer{Issuer: exitIssuer, Ring: func() *keys.Ring { return newRing(t) }, Now: time.Now}
	elsewhere := &token.Issuer{Issuer: "http://other.example", Ring: func() *keys.Ring { return e.ring }, Now: time.Now}
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, hint := range map[string]func(s *iam.Session) string{
		"none at all":    func(*iam.Session) string { return "" },
		"another key":    func(s *iam.Session) string { return e.idToken(s, foreign, e.client, time.Hour) },
		"another issuer": func(s *iam.Session) string { return e.idToken(s, elsewhere, e.client, time.Hour) },
		"no signature":   func(s *iam.Session) string { h := e.hint(s); return h[:strings.LastIndexByte(h, '.')+1] },
		"algorithm none": func(s *iam.Session) string {
			return b64(`{"alg":"none","typ":"JWT"}`) + "." + strings.Split(e.hint(s), ".")[1] + "."
		},
		"no token":           func(*iam.Session) string { return "x.y.z" },
		"a logout token":     func(s *iam.Session) string { x, _ := e.tokens.LogoutToken(e.client, s.User, s.ID); return x },
		"longer than any is": func(*iam.Session) string { return strings.Repeat("x", keys.MaxTokenSize+1) },
		"the payload replaced": func(s *iam.Session) string {
			p := strings.Split(e.hint(s), ".")
			return p[0] + "." + b64(`{"sub":"u_ann"}`) + "." + p[2]
		},
	} {
		b := e.tab()
		s := b.signIn("u_ann")
		pairs := []string{"post_logout_redirect_uri", "https://shop.example/bye", "state", "x", "client_id", "shop"}
		if h := hint(s); h != "" {
			pairs = append(pairs, "id_token_hint", h)
		}
		method := http.MethodGet
		if name == "longer than any is" {
			method = http.MethodPost
		}
		resp, body := b.leave(method, pairs...)
		if method == http.MethodPost {
			resp, body = b.read(b.client.Get(e.url + resp.Header.Get("Location")))
		}
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Location") != "" {
			t.Errorf("%s: got %s to %q", name, resp.Status, resp.Header.Get("Location"))
		}
		e.wantSession(s, true)
		resp, body = b.confirm(body)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, signedOut) {
			t.Errorf("%s, confirmed: got %s %q", name, resp.Status, resp.Header.Get("Location"))
		}
		e.wantSession(s, false)
	}
}

// OUT-02 and the modules …-no-params, …-only-state, …-no-post-logout-redirect-uri: a link in another site's page signs nobody out; with
// the person's ID token the page says that it is done.
func TestConformanceRPInitiatedLogoutAsks(t *testing.T) {
	e := newExit(t)
	for name, pairs := range map[string][]string{"no parameter": nil, "only a state": {"state", "x"}} {
		b := e.tab()
		s := b.signIn("u_ann")
		_, page := b.leave(http.MethodGet, pairs...)
		e.wantSession(s, true)
		if resp, body := b.confirm(page); resp.StatusCode != http.StatusOK || !strings.Contains(body, signedOut) {
			t.Errorf("%s: got %s %s", name, resp.Status, body)
		}
		e.wantSession(s, false)
	}
	b := e.tab()
	s := b.signIn("u_ann")
	if resp, body := b.leave(http.MethodGet, "id_token_hint", e.hint(s), "state", "x"); resp.StatusCode != http.StatusOK || !strings.Contains(body, signedOut) {
		t.Errorf("with an ID token alone: got %s %s", resp.Status, body)
	}
	e.wantSession(s, false)
	// Nobody is signed in: there is nothing to ask.
	if resp, body := b.leave(http.MethodGet); resp.StatusCode != http.StatusOK || !strings.Contains(body, signedOut) {
		t.Errorf("again: got %s %s", resp.Status, body)
	}
}

// The ID token of somebody else, or of an earlier session, is no reason to sign this person out unasked; once the person agrees, the
// application gets the browser back.
func TestAnothersIDTokenSignsNobodyOut(t *testing.T) {
	e := newExit(t)
	earlier := e.tab().signIn("u_ann")
	for _, s := range []*iam.Session{e.tab().signIn("u_bob"), earlier} {
		b := e.tab()
		mine := b.signIn("u_ann")
		resp, body := b.leave(http.MethodGet, "id_token_hint", e.hint(s), "post_logout_redirect_uri", "https://shop.example/bye", "state", "x")
		if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "form-action 'self' https://shop.example") {
			t.Errorf("got %s, %v", resp.Status, resp.Header)
		}
		e.wantSession(mine, true)
		if resp, _ := b.confirm(body); resp.Header.Get("Location") != "https://shop.example/bye?state=x" {
			t.Errorf("confirmed: got %s to %q", resp.Status, resp.Header.Get("Location"))
		}
		e.wantSession(mine, false)
		e.wantSession(s, true)
	}
}

// The form that signs out is this browser's, in this session: another's, another site's and an old one do nothing.
func TestSigningOutNeedsTheFormOfThisBrowser(t *testing.T) {
	e := newExit(t)
	b, thief := e.tab(), e.tab()
	s := b.signIn("u_ann")
	theirs := thief.signIn("u_bob")
	_, page := thief.leave(http.MethodGet)
	resp, _ := b.confirm(page)
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("another browser's form: got %s, want 403", resp.Status)
	}
	_, page = b.leave(http.MethodGet)
	again := b.signIn("u_bob") // ends the session of ann
	if resp, _ := b.confirm(page); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a form of the session before: got %s, want 403", resp.Status)
	}
	e.wantSession(s, false)
	e.wantSession(theirs, true)
	e.wantSession(again, true)
	// A ticket of another page is none of this one.
	if resp, _ := b.leave(http.MethodGet, "ticket", "x"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a forged ticket: got %s, want 400", resp.Status)
	}
	if resp, _ := b.leave(http.MethodGet, "id_token_hint", e.hint(again), "client_id", "other"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("another client_id: got %s, want 400", resp.Status)
	}
	e.wantSession(again, true)
}

// OUT-05: the cookie of a session that has ended opens nothing, wherever it is replayed.
func TestTheCookieOfAnEndedSessionIsWorthNothing(t *testing.T) {
	e := newExit(t)
	b := e.tab()
	s := b.signIn("u_ann")
	at, err := url.Parse(e.url)
	noError(t, err)
	r := httptest.NewRequest(http.MethodGet, e.url, nil)
	for _, c := range b.client.Jar.Cookies(at) {
		r.AddCookie(c)
	}
	if p, err := e.people.Current(r); err != nil || p == nil {
		t.Fatalf("before: got %v, %v", p, err)
	}
	b.leave(http.MethodGet, "id_token_hint", e.hint(s))
	if p, err := e.people.Current(r); err != nil || p != nil {
		t.Errorf("after: got %v, %v, want nobody", p, err)
	}
	for _, c := range b.client.Jar.Cookies(at) {
		if c.Name == "gatehouse-session" {
			t.Error("the browser keeps the cookie")
		}
	}
}

// What was allowed for when nobody is there goes on without the session, and so do devices; everything else ends with it.
func TestSigningOutEndsWhatNeedsTheSession(t *testing.T) {
	e := newExit(t)
	b := e.tab()
	s := b.signIn("u_ann")
	grant := func(device bool, scopes ...string) string {
		g := &iam.Grant{ID: token.NewGrantID(), Client: "shop", User: s.User, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), SessionID: s.ID, Scopes: scopes}
		if len(scopes) > 0 || device {
			g.Refresh = &iam.RefreshFamily{Generation: 1, EndsAt: g.ExpiresAt, IdleEndsAt: g.ExpiresAt}
		}
		if device {
			g.Device = &iam.DeviceGrant{State: iam.DeviceSpent}
		}
		noError(t, e.store.PutUserGrant(t.Context(), s.User, iam.UserGrant{ID: g.ID, Client: g.Client, SessionID: s.ID}, g.ExpiresAt))
		noError(t, e.store.CreateGrant(t.Context(), g))
		return g.ID
	}
	short, offline, device := grant(false), grant(false, "offline_access"), grant(true)
	b.leave(http.MethodGet, "id_token_hint", e.hint(s))
	for id, stays := range map[string]bool{short: false, offline: true, device: true} {
		g, err := e.store.Grant(t.Context(), id)
		noError(t, err)
		if (g != nil) != stays || g != nil && g.SessionID != "" {
			t.Errorf("got %+v, want it to stay, without the session: %v", g, stays)
		}
		if g != nil {
			// Its next refresh is not hit by the mark of the session.
			dead, err := e.store.Revoked(t.Context(), g.CreatedAt, iam.RevocationRef{Kind: iam.RevokedGrant, ID: id}, iam.RevocationRef{Kind: iam.RevokedSession, ID: g.SessionID})
			if err != nil || dead {
				t.Errorf("got dead %v, %v", dead, err)
			}
		}
	}
}

// OUT-06 and the plan oidcc-backchannel-rp-initiated-logout: the application is told who was signed out where, in a token that can be
// taken for no other.
func TestConformanceBackchannelLogout(t *testing.T) {
	e := newExit(t)
	e.runs()
	b := e.tab()
	s := b.signIn("u_ann")
	b.leave(http.MethodGet, "id_token_hint", e.hint(s))
	form := e.hears(1)[0]
	if len(form) != 1 {
		t.Errorf("got %v, want logout_token alone", form)
	}
	jwt := form.Get("logout_token")
	if _, _, err := e.ring.Verify(jwt, keys.TypeLogoutToken); err != nil {
		t.Fatal(err)
	}
	head, claims := part(t, jwt, 0), part(t, jwt, 1)
	if head["typ"] != "logout+jwt" || head["alg"] != "RS256" {
		t.Errorf("header: got %v", head)
	}
	events, _ := claims["events"].(map[string]any)
	if event, ok := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any); !ok || len(event) != 0 || len(events) != 1 {
		t.Errorf("events: got %v", claims["events"])
	}
	if claims["iss"] != exitIssuer || claims["aud"] != "shop" || claims["sub"] != "u_ann" || claims["sid"] != s.ID || claims["jti"] == "" {
		t.Errorf("got %v", claims)
	}
	if iat, exp := claims["iat"].(float64), claims["exp"].(float64); exp-iat != 120 {
		t.Errorf("got a life of %v s, want 120", exp-iat)
	}
	if _, ok := claims["nonce"]; ok {
		t.Error("there is a nonce")
	}
}

// An application that does not answer well is told again, three times in all, and then no more; one that was told is not told again.
func TestBackchannelLogoutIsTriedAgain(t *testing.T) {
	e := newExit(t)
	e.answer = func(n int) int { return map[bool]int{true: http.StatusBadGateway, false: http.StatusNoContent}[n < 2] }
	e.runs()
	b := e.tab()
	s := b.signIn("u_ann")
	b.leave(http.MethodGet, "id_token_hint", e.hint(s))
	e.hears(2)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left, err := e.store.LogoutNotices(t.Context())
		noError(t, err)
		if len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("got %+v left after it was told", left)
		}
	}
}

// A process that ends before it could tell leaves that to the next one: what is to be told is in the store before the session ends.
func TestBackchannelLogoutSurvivesTheProcess(t *testing.T) {
	e := newExit(t)
	b := e.tab()
	s := b.signIn("u_ann")
	b.leave(http.MethodGet, "id_token_hint", e.hint(s)) // nobody tells
	e.wantSession(s, false)
	e.runs() // the next process
	e.hears(1)
}

// Of all replicas that look at a notice at once, one tells.
func TestOneReplicaTells(t *testing.T) {
	e := newExit(t)
	n := &iam.LogoutNotice{Client: "shop", User: "u_ann", SessionID: "sid_x", DueAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	noError(t, e.store.PutLogoutNotice(t.Context(), n))
	var claimed sync.Map
	var racing sync.WaitGroup
	now := time.Now()
	for i := range 8 {
		racing.Go(func() {
			got, err := e.store.ClaimLogoutNotice(t.Context(), n.ID, now, now.Add(time.Minute))
			if err != nil || got != nil {
				claimed.Store(i, err)
			}
		})
	}
	racing.Wait()
	count := 0
	for _, err := range claimed.Range {
		count++
		if err != nil {
			t.Error(err)
		}
	}
	if count != 1 {
		t.Errorf("claimed %d times, want once", count)
	}
	// When the one that took it is gone for good, another may.
	later := now.Add(2 * time.Minute)
	if got, err := e.store.ClaimLogoutNotice(t.Context(), n.ID, later, later.Add(time.Minute)); err != nil || got == nil || got.Tries != 2 {
		t.Errorf("later: got %+v, %v, want the second try", got, err)
	}
}

// The metadata names the end session endpoint, and that clients are told of the end of a session, by its sid (RP-Initiated Logout
// §2.1, Back-Channel Logout §2.1). Of these the metadata of OAuth alone knows nothing.
func TestMetadataNamesTheLogout(t *testing.T) {
	e := newExit(t)
	b := e.tab()
	_, body := b.read(b.client.Get(e.url + authserver.PathOpenIDConfiguration))
	for _, want := range []string{
		`"end_session_endpoint":"` + exitIssuer + `/oidc/logout"`, `"backchannel_logout_supported":true`, `"backchannel_logout_session_supported":true`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("got %s, want %s", body, want)
		}
	}
	if _, body := b.read(b.client.Get(e.url + authserver.PathOAuthMetadata)); strings.Contains(body, "logout") {
		t.Errorf("OAuth metadata: got %s", body)
	}
}
