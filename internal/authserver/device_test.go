package authserver_test

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// devices are clients that sign people in on devices: a command line, one that works in one organization at a time, and one
// with a secret.
const devices = world + `
---
kind: User
metadata: {name: ann}
spec: {email: ann@acme.example}
---
kind: User
metadata: {name: loner}
spec: {email: loner@acme.example}
---
kind: User
metadata: {name: both}
spec: {email: both@acme.example}
---
kind: Organization
metadata: {name: gamma}
spec: {model: floxhub, displayName: Gamma Ltd, assignments: [{user: dan, role: owner}, {user: ann, role: reader}, {user: both, role: reader}]}
---
kind: Organization
metadata: {name: delta}
spec: {model: floxhub, displayName: Delta Ltd, assignments: [{user: dan, role: owner}, {user: both, role: writer}]}
---
kind: Client
metadata: {name: flox-cli}
spec:
  clientId: cli
  grantTypes: [` + deviceGrant + `, refresh_token]
  tokenEndpointAuthMethod: none
  applicationType: native
  audiences: [https://hub.flox.dev/api]
  scopes: [openid, profile, offline_access, catalog:read]
---
kind: Client
metadata: {name: picky}
spec:
  clientId: picky
  grantTypes: [` + deviceGrant + `]
  tokenEndpointAuthMethod: none
  organization: required
  scopes: [openid]
---
kind: Client
metadata: {name: tv}
spec:
  clientId: tv
  grantTypes: [` + deviceGrant + `]
  scopes: [openid]
  secrets: [{name: s, value: tv-secret-0123456789abcdef0123456789}]
`

func startDevices(t *testing.T, opts ...apptest.Option) *apptest.Broker {
	t.Helper()
	return apptest.Start(t, append(opts, apptest.Apply(apptest.File(t, "world.yaml", devices)))...)
}

// A device is one that waits.
type device struct {
	t                  *testing.T
	client, code, user string
}

func begin(t *testing.T, b *apptest.Broker, client string, pairs ...string) *device {
	t.Helper()
	a := b.Post("/oauth/device/code", append([]string{"client_id", client}, pairs...)...)
	m := a.JSON(t)
	d := &device{t: t, client: client}
	d.code, _ = m["device_code"].(string)
	d.user, _ = m["user_code"].(string)
	if a.Status != http.StatusOK || d.code == "" || d.user == "" {
		t.Fatalf("begin: got %s", a)
	}
	return d
}

func (d *device) poll(b *apptest.Broker, pairs ...string) apptest.Answer {
	d.t.Helper()
	return b.Post("/oauth/token", append([]string{"grant_type", deviceGrant, "client_id", d.client, "device_code", d.code}, pairs...)...)
}

// decide opens the page of a device in a browser and presses a button.
func (d *device) decide(v *apptest.Visitor, decision string, pairs ...string) apptest.Answer {
	d.t.Helper()
	shown := v.Get("/activate?user_code=" + d.user)
	if shown.Status != http.StatusOK || !strings.Contains(shown.Body, `id="device-approve"`) {
		d.t.Fatalf("page of %s: got %s", d.user, shown.Body)
	}
	return v.Submit(shown, "/activate", append([]string{"decision", decision}, pairs...)...)
}

func (d *device) approve(v *apptest.Visitor, pairs ...string) {
	d.t.Helper()
	if a := d.decide(v, "approve", pairs...); a.Status != http.StatusOK || !strings.Contains(a.Body, "is connected") {
		d.t.Fatalf("approve: got %d %s", a.Status, a.Body)
	}
}

// DEV-01: the answer has all that RFC 8628 §3.2 asks for, and codes that cannot be guessed.
func TestDeviceRequestAnswers(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	a := b.Post("/oauth/device/code", "client_id", "cli", "scope", "openid offline_access")
	m := a.JSON(t)
	if a.Status != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %s %v", a, a.Header)
	}
	user, _ := m["user_code"].(string)
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(user) {
		t.Errorf("user_code: got %q", user)
	}
	if code, _ := m["device_code"].(string); !strings.HasPrefix(code, "gate_dc_") || len(code) < 60 {
		t.Errorf("device_code: got %q", code)
	}
	if m["expires_in"] != 600.0 || m["interval"] != 5.0 {
		t.Errorf("got expires_in %v, interval %v, want 600 and 5", m["expires_in"], m["interval"])
	}
	if want := b.Issuer + "/activate"; m["verification_uri"] != want || m["verification_uri_complete"] != want+"?user_code="+user {
		t.Errorf("got %v and %v", m["verification_uri"], m["verification_uri_complete"])
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		if got := b.Get(path).JSON(t)["device_authorization_endpoint"]; got != b.Issuer+"/oauth/device/code" {
			t.Errorf("%s: got device_authorization_endpoint %v", path, got)
		}
	}
}

// DEV-01: what the client alone decides is refused at once, by the codes of the token endpoint.
func TestDeviceRequestRefuses(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	for _, c := range []struct {
		code  string
		pairs []string
	}{
		{"invalid_client", []string{"client_id", "nobody"}},
		{"invalid_client", []string{"client_id", "tv"}},
		{"invalid_client", []string{"client_id", "tv", "client_secret", "tv-secret-0123456789abcdef012345678x"}},
		{"unauthorized_client", []string{"client_id", "spa"}},
		{"invalid_target", []string{"client_id", "cli", "audience", "https://other.example/api"}},
		{"invalid_scope", []string{"client_id", "cli", "scope", "catalog:write"}},
		{"invalid_authorization_details", []string{"client_id", "cli", "authorization_details", "{}"}},
		{"access_denied", []string{"client_id", "cli", "organization", "nowhere"}},
		{"invalid_request", []string{"client_id", "cli", "scope", "openid", "scope", "openid"}},
	} {
		status := http.StatusBadRequest
		if c.code == "invalid_client" {
			status = http.StatusUnauthorized
		}
		wantError(t, b.Post("/oauth/device/code", c.pairs...), status, c.code)
	}
	begin(t, b, "tv", "client_secret", "tv-secret-0123456789abcdef0123456789")
}

// DEV-02: a device is told to wait, and one that asks too often to wait longer. None of it is a refusal for the audit log.
func TestPollingDeviceWaits(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d := begin(t, b, "cli")
	wantError(t, d.poll(b), http.StatusBadRequest, "authorization_pending")
	for range 3 {
		wantError(t, d.poll(b), http.StatusBadRequest, "slow_down")
	}
	d.approve(b.SignedIn("ann"))
	if a := d.poll(b); a.Status != http.StatusOK {
		t.Errorf("approved: got %s, want a token however soon it asks", a)
	}
	wantError(t, b.Post("/oauth/token", "grant_type", deviceGrant, "client_id", "cli"), http.StatusBadRequest, "invalid_request")
	wantError(t, b.Post("/oauth/token", "grant_type", deviceGrant, "client_id", "cli", "device_code", d.code+"x"), http.StatusBadRequest, "invalid_grant")
}

// DEV-03: who was refused hears that, and so does who has waited too long.
func TestDeviceIsDeniedOrExpires(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d := begin(t, b, "cli")
	if a := d.decide(b.SignedIn("ann"), "deny"); a.Status != http.StatusOK || !strings.Contains(a.Body, "was not connected") {
		t.Errorf("deny: got %s", a)
	}
	for range 2 {
		wantError(t, d.poll(b), http.StatusBadRequest, "access_denied")
	}
	if a := b.SignedIn("ann").Get("/activate?user_code=" + d.user); strings.Contains(a.Body, "device-approve") {
		t.Error("a device that was refused can be approved")
	}

	short := startDevices(t, apptest.Config(func(c *config.Config) { c.Grants.DeviceLifetime = 300 * time.Millisecond }))
	d = begin(t, short, "cli")
	until(t, "expired_token", func() bool { return d.poll(short).JSON(t)["error"] == "expired_token" })
	if a := short.SignedIn("ann").Get("/activate?user_code=" + d.user); a.Status != http.StatusBadRequest || strings.Contains(a.Body, "device-approve") {
		t.Errorf("page of an expired code: got %s", a)
	}
}

// DEV-04: a device code is its own client's.
func TestDeviceCodeOfAnotherClient(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d := begin(t, b, "cli")
	other := device{t, "picky", d.code, d.user}
	wantError(t, other.poll(b), http.StatusBadRequest, "invalid_grant")
	d.approve(b.SignedIn("ann"))
	wantError(t, other.poll(b), http.StatusBadRequest, "invalid_grant")
	if a := d.poll(b); a.Status != http.StatusOK {
		t.Errorf("its own client: got %s", a)
	}
}

// DEV-05: begun at one replica, approved at another, redeemed at both at once: one token, that holds, and no fault.
func TestDeviceCodeIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	redis, data := redistest.Start(t), t.TempDir()
	file := apptest.File(t, "world.yaml", devices)
	var brokers []*apptest.Broker
	for i := range 2 {
		opts := []apptest.Option{apptest.Data(data), apptest.Set("store", redis.URL())}
		if i == 0 {
			opts = append(opts, apptest.Apply(file))
		}
		brokers = append(brokers, apptest.Start(t, opts...))
	}
	d := begin(t, brokers[0], "cli", "scope", "openid offline_access")
	wantError(t, d.poll(brokers[1]), http.StatusBadRequest, "authorization_pending")
	d.approve(brokers[0].SignedIn("ann").On(brokers[1]))
	answers := make([]apptest.Answer, 50)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = d.poll(brokers[i%2]) })
	}
	all.Wait()
	var token string
	for _, a := range answers {
		m := a.JSON(t)
		switch {
		case a.Status == http.StatusOK && token == "":
			token, _ = m["access_token"].(string)
		case a.Status == http.StatusOK:
			t.Fatal("redeemed twice")
		default:
			wantError(t, a, http.StatusBadRequest, "invalid_grant")
		}
	}
	if token == "" {
		t.Fatal("redeemed by nobody")
	}
	for _, b := range brokers {
		wantError(t, d.poll(b), http.StatusBadRequest, "invalid_grant")
	}
	r := brokers[1].Post("/oauth/introspect", "client_id", "hub-api", "client_secret", "hub-api-secret-0123456789abcdef0123456789", "token", token)
	if r.Status != http.StatusOK {
		t.Errorf("introspect: got %s", r)
	}
}

// What is approved is in the token: the person, the organization, how the person signed in; and the client may stay signed in.
func TestDeviceTokenSpeaksForThePerson(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d := begin(t, b, "cli", "scope", "openid offline_access", "organization", "gamma")
	d.approve(b.SignedIn("ann"))
	m := d.poll(b).JSON(t)
	access, _ := m["access_token"].(string)
	c := part(t, access, 1)
	if c["client_id"] != "cli" || c["org_name"] != "gamma" || c["acr"] != "1" || c["sid"] == nil || c["auth_time"] == nil {
		t.Errorf("access token: got %v", c)
	}
	id, _ := m["id_token"].(string)
	if i := part(t, id, 1); i["sub"] != c["sub"] || i["aud"] != "cli" || i["org_name"] != "gamma" || i["sid"] != c["sid"] {
		t.Errorf("ID token: got %v", i)
	}
	if refresh, _ := m["refresh_token"].(string); !strings.HasPrefix(refresh, "gate_rt_") {
		t.Errorf("refresh token: got %q", refresh)
	}
}

// While the store is away nobody is told that a code is wrong or a device refused, and the same page and the same device go on after.
func TestDeviceLoginOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	b := startDevices(t, apptest.Set("store", redis.URL()))
	d, v := begin(t, b, "cli"), b.SignedIn("ann")
	shown := v.Get("/activate?user_code=" + d.user)
	redis.Pause()
	var all sync.WaitGroup // while the client is still known
	all.Go(func() { wantError(t, d.poll(b), http.StatusServiceUnavailable, "temporarily_unavailable") })
	all.Go(func() {
		wantError(t, b.Post("/oauth/device/code", "client_id", "cli"), http.StatusServiceUnavailable, "temporarily_unavailable")
	})
	all.Go(func() {
		a := v.Submit(shown, "/activate", "decision", "approve")
		if a.Status != http.StatusServiceUnavailable || !strings.Contains(a.Body, "Try again") || a.Header.Get("Retry-After") == "" {
			t.Errorf("page: got %s", a)
		}
	})
	all.Wait()
	redis.Resume()
	until(t, "approve after the outage", func() bool {
		return v.Submit(shown, "/activate", "decision", "approve").Status == http.StatusOK
	})
	until(t, "token after the outage", func() bool { return d.poll(b).Status == http.StatusOK })
}

// until asks again and again until it is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// A page that has the browsers of its readers ask for codes, as pictures or frames, uses up nobody's guesses and learns nothing.
func TestPagesElsewhereGuessNoUserCodes(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d, v := begin(t, b, "cli"), b.SignedIn("ann")
	open := func(destination, code string) apptest.Answer {
		r, err := http.NewRequest(http.MethodGet, b.URL+"/activate?user_code="+code, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Dest", destination)
		return v.Do(r)
	}
	for _, destination := range []string{"image", "iframe", "empty", "script", "object", "image"} {
		if a := open(destination, "BBBB-BBBB"); a.Status != http.StatusOK || strings.Contains(a.Body, "There is no device") {
			t.Errorf("as %s: got %s", destination, a)
		}
	}
	if a := open("iframe", d.user); strings.Contains(a.Body, "device-warning") {
		t.Error("a frame was shown the device")
	}
	if a := open("document", d.user); !strings.Contains(a.Body, "device-warning") {
		t.Errorf("the person: got %s", a)
	}
}

// DEV-06: after five wrong codes a browser hears 429, a right code included; neither another session nor another browser of the
// network is a way around that.
func TestGuessingUserCodesIsBounded(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d, v := begin(t, b, "cli"), b.SignedIn("ann")
	shown := v.Get("/activate")
	for i := range 10 {
		a := v.Submit(shown, "/activate", "user_code", "BBBB-BBB"+string("BCDFGHJKLM"[i]))
		want := http.StatusBadRequest
		if i >= 5 {
			want = http.StatusTooManyRequests
		}
		if a.Status != want {
			t.Fatalf("wrong code %d: got %d, want %d", i+1, a.Status, want)
		}
		if want == http.StatusTooManyRequests && a.Header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
	}
	for _, v := range []*apptest.Visitor{v, b.SignedIn("both"), b.Visitor()} {
		if a := v.Get("/activate?user_code=" + d.user); a.Status != http.StatusTooManyRequests {
			t.Errorf("right code: got %s, want 429", a)
		}
	}
}

// Right codes are no guesses, however many there are and however often their pages are looked at.
func TestRightCodesAreNotCounted(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	v := b.SignedIn("ann")
	for range 4 {
		d := begin(t, b, "cli")
		for range 2 {
			v.Get("/activate?user_code=" + d.user)
		}
		d.approve(v)
	}
}

// DEV-08: a link with the code in it shows who asks, for what, from where and since when, and does nothing.
func TestDeviceLinkOnlyShows(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	r := b.Form("/oauth/device/code", "client_id", "cli", "scope", "openid offline_access catalog:read", "organization", "gamma")
	r.Header.Set("User-Agent", "flox/1.2 <b>")
	m := b.Do(r).JSON(t)
	d := &device{t, "cli", m["device_code"].(string), m["user_code"].(string)}
	shown := b.SignedIn("ann").Get("/activate?user_code=" + d.user)
	for _, want := range []string{
		d.user, "flox-cli", "Gamma Ltd", "Know who you are", "Stay signed in", "catalog:read", hub, "127.0.0.1", "flox/1.2 &lt;b&gt;", "just now",
		`id="device-approve"`, `id="device-deny"`, "Compare the code",
	} {
		if !strings.Contains(shown.Body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if shown.Header.Get("X-Frame-Options") != "DENY" || shown.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %v", shown.Header)
	}
	wantError(t, d.poll(b), http.StatusBadRequest, "authorization_pending")
}

// Whoever is not signed in is sent to sign in, and comes back to the page that asks, not to a decision.
func TestDeviceSendsToSignIn(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d, v := begin(t, b, "cli"), b.Visitor()
	entered := v.Submit(v.Get("/activate"), "/activate", "user_code", d.user)
	asked := v.Get(entered.Header.Get("Location"))
	to, err := url.Parse(asked.Header.Get("Location"))
	if err != nil || asked.Status != http.StatusSeeOther || to.Path != "/login" || to.Host != "" {
		t.Fatalf("got %s to %v", asked, to)
	}
	back := b.SignedIn("ann").Get("/activate?" + to.RawQuery)
	if back.Status != http.StatusOK || !strings.Contains(back.Body, d.user) || !strings.Contains(back.Body, "device-approve") {
		t.Errorf("after signing in: got %s", back)
	}
	wantError(t, d.poll(b), http.StatusBadRequest, "authorization_pending")
}

// DEV-09: a decision is taken from no form but one that this browser was shown in this session.
func TestDeviceDecisionNeedsItsForm(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d, ann := begin(t, b, "cli"), b.SignedIn("ann")
	path := "/activate?user_code=" + d.user
	shown, elsewhere := ann.Get(path), b.SignedIn("ann").Get(path)
	token := regexp.MustCompile(`name="form_token" value="([^"]*)"`)
	without := shown
	without.Body = token.ReplaceAllString(shown.Body, "")
	for name, form := range map[string]apptest.Answer{"without a token": without, "of another session": elsewhere} {
		if a := ann.Submit(form, "/activate", "decision", "approve"); a.Status != http.StatusForbidden {
			t.Errorf("%s: got %s, want 403", name, a)
		}
	}
	r := b.Form("/activate", "decision", "approve", "form_token", html.UnescapeString(token.FindStringSubmatch(shown.Body)[1]))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := ann.Do(r); a.Status != http.StatusForbidden {
		t.Errorf("from another site: got %s, want 403", a)
	}
	wantError(t, d.poll(b), http.StatusBadRequest, "authorization_pending")
}

// DEV-11: a token request gets what was approved, whatever scope it names.
func TestDeviceTokenHasTheApprovedScope(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d := begin(t, b, "cli", "scope", "openid")
	d.approve(b.SignedIn("ann"))
	a := d.poll(b, "scope", "openid offline_access catalog:read")
	m := a.JSON(t)
	if a.Status != http.StatusOK || m["scope"] != "openid" || m["refresh_token"] != nil {
		t.Errorf("got %s, want scope openid and no refresh token", a)
	}
}

// DEV-12: a person who has no access with the client, or in the organization, approves nothing; the device is told so.
func TestDeviceOfAPersonWithoutAccess(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	for user, d := range map[string]*device{"ann": begin(t, b, "cli", "organization", "beta"), "loner": begin(t, b, "picky")} {
		if a := d.decide(b.SignedIn(user), "approve"); a.Status != http.StatusForbidden || !strings.Contains(a.Body, "no access") {
			t.Errorf("%s: got %s", user, a)
		}
		wantError(t, d.poll(b), http.StatusBadRequest, "access_denied")
	}
}

// A client that works in one organization at a time has the person choose one, if there is a choice.
func TestDeviceOrganizationIsChosen(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d, v := begin(t, b, "picky"), b.SignedIn("both")
	shown := v.Get("/activate?user_code=" + d.user)
	if !strings.Contains(shown.Body, "Gamma Ltd") || !strings.Contains(shown.Body, "Delta Ltd") || strings.Contains(shown.Body, "Acme Inc") {
		t.Errorf("choices: got %s", shown.Body)
	}
	if a := d.decide(v, "approve"); a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "Choose the organization") {
		t.Errorf("without a choice: got %s", a)
	}
	d.approve(v, "organization", "delta")
	access, _ := d.poll(b).JSON(t)["access_token"].(string)
	if c := part(t, access, 1); c["org_name"] != "delta" {
		t.Errorf("got organization %v, want delta", c["org_name"])
	}
	d = begin(t, b, "picky")
	d.approve(b.SignedIn("ann"), "organization", "delta") // there is nothing to choose for her
	access, _ = d.poll(b).JSON(t)["access_token"].(string)
	if c := part(t, access, 1); c["org_name"] != "gamma" {
		t.Errorf("got organization %v, want gamma", c["org_name"])
	}
}

// DEV-13: a network gets a bounded number of devices that wait, and is told when to come back.
func TestDevicesOfANetworkAreBounded(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	for range 100 {
		begin(t, b, "cli")
	}
	a := b.Post("/oauth/device/code", "client_id", "cli")
	wantError(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
	if wait := a.Header.Get("Retry-After"); wait == "" || wait == "0" {
		t.Errorf("Retry-After: got %q", wait)
	}
}

// DEV-16: what was entered is shown as text.
func TestUserCodeIsEscaped(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	const hostile = `"><svg/onload=alert(1)>`
	v := b.SignedIn("ann")
	for _, a := range []apptest.Answer{
		v.Get("/activate?user_code=" + url.QueryEscape(hostile)),
		v.Submit(v.Get("/activate"), "/activate", "user_code", hostile),
	} {
		if a.Status != http.StatusBadRequest || strings.Contains(a.Body, "<svg/") {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
}

// DEV-17: a code is the same in lower case, with spaces, and without its dash.
func TestUserCodeSpellings(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	d, v := begin(t, b, "cli"), b.SignedIn("ann")
	bare := strings.ReplaceAll(d.user, "-", "")
	for _, typed := range []string{strings.ToLower(d.user), bare, " " + bare[:3] + " " + bare[3:] + " ", bare[:4] + " – " + bare[4:]} {
		a := v.Follow(v.Submit(v.Get("/activate"), "/activate", "user_code", typed))
		if a.Status != http.StatusOK || !strings.Contains(a.Body, d.user) {
			t.Errorf("%q: got %s", typed, a)
		}
	}
}

// A person connects a device in a browser that runs no scripts: reads the code, compares it, chooses where the program is to work.
func TestDevicePagesInABrowser(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	tab := apptest.Browser(t)
	tab.Scripts(false)
	b.SignedIn("both").Lend(tab)
	d := begin(t, b, "picky", "scope", "openid")
	tab.Go(b.URL + "/activate")
	tab.Look("device-code")
	tab.Fill("user_code", "bbbb bbbb")
	tab.Click("device-continue")
	if got := tab.Text(); tab.Status() != http.StatusBadRequest || !strings.Contains(got, "no device with this code") {
		t.Errorf("wrong code: got %d %s", tab.Status(), got)
	}
	tab.Look("device-code-wrong")
	tab.Fill("user_code", strings.ToLower(d.user))
	tab.Click("device-continue")
	if got := tab.Text(); !strings.Contains(got, d.user) {
		t.Errorf("page that asks: got %s", got)
	}
	tab.Look("device")
	tab.Choose("organization", tab.Value("organization"))
	tab.Click("device-approve")
	if got := tab.Text(); !strings.Contains(got, "You may close this window") {
		t.Errorf("page at the end: got %s", got)
	}
	tab.Look("device-done")
	if a := d.poll(b); a.Status != http.StatusOK {
		t.Errorf("device: got %s", a)
	}
	d = begin(t, b, "cli", "scope", "openid offline_access catalog:read", "organization", "gamma")
	tab.Go(b.URL + "/activate?user_code=" + d.user)
	tab.Look("device-link")
	tab.Click("device-deny")
	tab.Look("device-denied")
	wantError(t, d.poll(b), http.StatusBadRequest, "access_denied")
}

// A third party's client signs a person in on a device.
func TestOAuth2LibrarySignsInOnADevice(t *testing.T) {
	t.Parallel()
	b := startDevices(t)
	c := oauth2.Config{
		ClientID: "cli", Scopes: []string{"openid", "offline_access"},
		Endpoint: oauth2.Endpoint{DeviceAuthURL: b.URL + "/oauth/device/code", TokenURL: b.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := c.DeviceAuth(ctx)
	if err != nil {
		t.Fatal(err)
	}
	(&device{t, "cli", answer.DeviceCode, answer.UserCode}).approve(b.SignedIn("ann"))
	got, err := c.DeviceAccessToken(ctx, answer)
	if err != nil || got.AccessToken == "" || got.RefreshToken == "" || got.Extra("id_token") == nil {
		t.Errorf("got %v, %v", got, err)
	}
}
