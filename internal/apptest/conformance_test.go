package apptest_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// A conformance is what the modules of the suite's basic and form_post plans have: a broker over TLS, two clients by basic
// authentication and one by post, none of which must use PKCE, a person with every standard claim, and a scripted browser.
type conformance struct {
	*testing.T
	broker  *apptest.Broker
	browser *apptest.Visitor
	person  apptest.Login
	secrets map[string]string
	mode    string // response_mode; "": the default, query
	state   string // of the last request
	keys    oidc.KeySet
}

const (
	callback     = "https://rp.example/test/a/gatehouse/callback"
	firstClient  = "first"
	secondClient = "second"
	postClient   = "post"
)

// conform runs a module as the basic plan does and as the form_post plan does, each on one broker.
func conform(t *testing.T, module func(c *conformance)) {
	t.Parallel()
	b := apptest.StartTLS(t)
	secrets := make(map[string]string)
	for id, method := range map[string]string{firstClient: "client_secret_basic", secondClient: "client_secret_basic", postClient: "client_secret_post"} {
		secrets[id] = b.AddClient(id, apiv1.ClientSpec{
			TokenEndpointAuthMethod: method, RedirectURIs: []string{callback}, RequirePKCE: new(false),
			GrantTypes: []string{"authorization_code", "refresh_token"}, StrictAuthMethod: true,
		})
	}
	person := b.AddPerson("ada")
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), b.HTTP), b.Issuer+"/.well-known/jwks.json")
	for plan, mode := range map[string]string{"basic": "", "form_post": "form_post"} {
		t.Run(plan, func(t *testing.T) {
			t.Parallel()
			module(&conformance{T: t, broker: b, browser: b.Visitor(), person: person, secrets: secrets, mode: mode, keys: keys})
		})
	}
}

// another is the same module with a new browser, in which nobody is signed in.
func (c *conformance) another() *conformance {
	other := *c
	other.browser = c.broker.Visitor()
	return &other
}

// request is what the suite sends, with changes: name, value; "" takes a parameter out.
func (c *conformance) request(changes ...string) url.Values {
	c.state = oauth2.GenerateVerifier()
	q := url.Values{
		"response_type": {"code"}, "client_id": {firstClient}, "redirect_uri": {callback}, "scope": {"openid"},
		"state": {c.state}, "nonce": {oauth2.GenerateVerifier()},
	}
	if c.mode != "" {
		q.Set("response_mode", c.mode)
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if q.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return q
}

// authorize sends a request through the browser.
func (c *conformance) authorize(q url.Values) apptest.Journey {
	c.Helper()
	return c.browser.Travel("/authorize?"+q.Encode(), c.person)
}

// answer returns what a journey brought to the callback, which must have come as the mode says.
func (c *conformance) answer(j apptest.Journey) url.Values {
	c.Helper()
	if j.To == nil {
		c.Fatalf("the browser was left at %v, want it at the callback", j.Page)
	}
	got, to := j.To.Query(), *j.To
	to.RawQuery = ""
	if c.mode == "form_post" {
		if got = j.Form; j.To.RawQuery != "" {
			c.Errorf("form_post: got %s, want nothing in the query", j.To)
		}
	} else if j.Form != nil {
		c.Errorf("query: got the form %v", j.Form)
	}
	if to.String() != callback || got.Get("state") != c.state || got.Get("iss") != c.broker.Issuer {
		c.Fatalf("got %v at %s, want the state %q of %s at %s", got, &to, c.state, c.broker.Issuer, callback)
	}
	return got
}

// code is answer for a request that succeeds.
func (c *conformance) code(j apptest.Journey) string {
	c.Helper()
	got := c.answer(j)
	if got.Get("error") != "" || len(got.Get("code")) < 22 { // at least 128 bits of base64url
		c.Fatalf("got %v, want a code of 22 characters or more", got)
	}
	return got.Get("code")
}

// post calls the token endpoint as a client.
func (c *conformance) post(client string, form ...string) apptest.Answer {
	c.Helper()
	if client == postClient {
		return c.broker.Post("/oauth/token", append(form, "client_id", client, "client_secret", c.secrets[client])...)
	}
	r := c.broker.Form("/oauth/token", form...)
	r.SetBasicAuth(client, c.secrets[client])
	return c.broker.Do(r)
}

// redeem is post of a code.
func (c *conformance) redeem(client, code string, more ...string) apptest.Answer {
	c.Helper()
	return c.post(client, append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback}, more...)...)
}

// A signIn is what a client has in the end.
type signIn struct {
	access, refresh, idToken string
	claims                   map[string]any // of the ID token
}

// tokens checks a good answer of the token endpoint, and its ID token.
func (c *conformance) tokens(client string, a apptest.Answer) signIn {
	c.Helper()
	m := a.JSON(c)
	if a.Status != http.StatusOK || m["token_type"] != "Bearer" || !(m["expires_in"].(float64) > 0) ||
		!strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") || a.Header.Get("Cache-Control") != "no-store" {
		c.Fatalf("token endpoint: got %v %v", a, a.Header)
	}
	s := signIn{access: m["access_token"].(string), idToken: m["id_token"].(string)}
	s.refresh, _ = m["refresh_token"].(string)
	verifier := oidc.NewVerifier(c.broker.Issuer, c.keys, &oidc.Config{ClientID: client})
	verified, err := verifier.Verify(oidc.ClientContext(c.Context(), c.broker.HTTP), s.idToken)
	if err != nil {
		c.Fatalf("ID token: %v", err)
	}
	if err := errorOf(verified.VerifyAccessToken(s.access), verified.Claims(&s.claims)); err != nil {
		c.Fatalf("ID token: %v", err)
	}
	if h := headerOf(c, s.idToken); h["alg"] != "RS256" || h["kid"] == "" || h["kid"] == nil {
		c.Errorf("header of the ID token: got %v, want RS256 with kid", h)
	}
	for _, name := range []string{"name", "email", "address", "phone_number"} {
		if s.claims[name] != nil {
			c.Errorf("the ID token has %s, which UserInfo is for", name)
		}
	}
	return s
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// signIn sends a request that succeeds, and redeems its code.
func (c *conformance) signIn(changes ...string) signIn {
	c.Helper()
	q := c.request(changes...)
	s := c.tokens(q.Get("client_id"), c.redeem(q.Get("client_id"), c.code(c.authorize(q))))
	if nonce, _ := s.claims["nonce"].(string); nonce != q.Get("nonce") {
		c.Errorf("nonce: got %q, want %q", nonce, q.Get("nonce"))
	}
	return s
}

// userinfo asks about the person by GET.
func (c *conformance) userinfo(access string) apptest.Answer {
	c.Helper()
	r := request(c, http.MethodGet, c.broker.URL+"/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+access)
	return c.broker.Do(r)
}

// same checks that a second sign-in came of the same authentication.
func (c *conformance) same(first, second signIn) {
	c.Helper()
	if first.claims["sub"] != second.claims["sub"] || first.claims["auth_time"] != second.claims["auth_time"] || first.claims["auth_time"] == nil {
		c.Errorf("got sub %v and auth_time %v, want those of the first, %v and %v",
			second.claims["sub"], second.claims["auth_time"], first.claims["sub"], first.claims["auth_time"])
	}
}

// wantShown checks which pages a journey came by.
func (c *conformance) wantShown(j apptest.Journey, want ...string) {
	c.Helper()
	if !slices.Equal(j.Shown, want) {
		c.Errorf("pressed: got %q, want %q", j.Shown, want)
	}
}

// secondsLater waits until so many seconds have passed: the suite has the clock on the wall.
func secondsLater(n int) { time.Sleep(time.Duration(n) * time.Second) }

// Module oidcc-server: the code flow, its ID token and UserInfo.
func TestConformanceServer(t *testing.T) {
	conform(t, func(c *conformance) {
		s := c.signIn()
		for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nonce", "sid"} {
			if s.claims[name] == nil {
				c.Errorf("the ID token has no %s: %v", name, s.claims)
			}
		}
		if info := c.userinfo(s.access); info.Status != http.StatusOK || info.JSON(c)["sub"] != s.claims["sub"] {
			c.Errorf("UserInfo: got %v, want the sub %v", info, s.claims["sub"])
		}
	})
}

// Module oidcc-response-type-missing.
func TestConformanceResponseTypeMissing(t *testing.T) {
	conform(t, func(c *conformance) {
		if got := c.answer(c.authorize(c.request("response_type", ""))); got.Get("error") != "invalid_request" {
			c.Errorf("got %v, want invalid_request", got)
		}
	})
}

// Modules oidcc-userinfo-get, oidcc-userinfo-post-header and oidcc-userinfo-post-body.
func TestConformanceUserInfo(t *testing.T) {
	conform(t, func(c *conformance) {
		s := c.signIn()
		header := c.broker.Form("/userinfo")
		header.Header.Set("Authorization", "Bearer "+s.access)
		for name, a := range map[string]apptest.Answer{
			"get": c.userinfo(s.access), "post-header": c.broker.Do(header), "post-body": c.broker.Post("/userinfo", "access_token", s.access),
		} {
			if a.Status != http.StatusOK || a.JSON(c)["sub"] != s.claims["sub"] {
				c.Errorf("%s: got %v, want the sub %v", name, a, s.claims["sub"])
			}
		}
	})
}

// Module oidcc-ensure-request-without-nonce-succeeds-for-code-flow.
func TestConformanceRequestWithoutNonce(t *testing.T) {
	conform(t, func(c *conformance) { c.signIn("nonce", "") })
}

// Modules oidcc-scope-profile, -email, -address, -phone and -all: each scope's claims, of the right types, and no others.
func TestConformanceScopes(t *testing.T) {
	conform(t, func(c *conformance) {
		claims := map[string]map[string]any{
			"profile": {
				"name": "", "family_name": "", "given_name": "", "middle_name": "", "nickname": "", "preferred_username": "", "profile": "",
				"picture": "", "website": "", "gender": "", "birthdate": "", "zoneinfo": "", "locale": "", "updated_at": 0.0,
			},
			"email":   {"email": "", "email_verified": false},
			"address": {"address": map[string]any{}},
			"phone":   {"phone_number": "", "phone_number_verified": false},
		}
		all := map[string]any{}
		for _, of := range claims {
			maps.Copy(all, of)
		}
		claims["profile email address phone"] = all
		for scope, want := range claims {
			info := c.userinfo(c.signIn("scope", "openid "+scope).access).JSON(c)
			for name := range all {
				got, there := info[name]
				if _, wanted := want[name]; there != wanted || wanted && jsonKind(got) != jsonKind(want[name]) {
					c.Errorf("scope %s: got %s = %v, want it there: %v", scope, name, got, wanted)
				}
			}
		}
	})
}

// jsonKind tells texts, numbers, booleans and objects apart.
func jsonKind(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case map[string]any:
		return "object"
	}
	return "nothing"
}

// Module oidcc-alternate-happy-flow: any order of parameters and of scopes.
func TestConformanceAlternateHappyFlow(t *testing.T) {
	conform(t, func(c *conformance) {
		q := c.request("scope", "email openid profile")
		names := slices.Sorted(maps.Keys(q))
		slices.Reverse(names)
		var backwards []string
		for _, name := range names {
			backwards = append(backwards, name+"="+url.QueryEscape(q.Get(name)))
		}
		j := c.browser.Travel("/authorize?"+strings.Join(backwards, "&"), c.person)
		c.tokens(firstClient, c.redeem(firstClient, c.code(j)))
	})
}

// Modules oidcc-display-page, -display-popup, -login-hint, -ui-locales, -claims-locales and
// -ensure-request-with-unknown-parameter-succeeds: what is only a wish, or unknown, does no harm.
func TestConformanceHarmlessParameters(t *testing.T) {
	conform(t, func(c *conformance) {
		for _, parameter := range [][]string{
			{"display", "page"}, {"display", "popup"}, {"login_hint", "bob@example.org"}, {"ui_locales", "se"}, {"claims_locales", "se"}, {"extra", "foobar"},
		} {
			c.another().signIn(parameter...)
		}
	})
}

// Module oidcc-prompt-login: whoever is signed in does it again, and the ID token says when.
func TestConformancePromptLogin(t *testing.T) {
	conform(t, func(c *conformance) {
		first := c.signIn()
		secondsLater(1)
		q := c.request("prompt", "login")
		j := c.authorize(q)
		c.wantShown(j, "login-submit")
		second := c.tokens(firstClient, c.redeem(firstClient, c.code(j)))
		if first.claims["sub"] != second.claims["sub"] || !(second.claims["auth_time"].(float64) > first.claims["auth_time"].(float64)) {
			c.Errorf("got %v after %v, want a later auth_time of the same sub", second.claims, first.claims)
		}
	})
}

// Modules oidcc-prompt-none-not-logged-in and oidcc-prompt-none-logged-in.
func TestConformancePromptNone(t *testing.T) {
	conform(t, func(c *conformance) {
		j := c.authorize(c.request("prompt", "none"))
		c.wantShown(j)
		if got := c.answer(j); got.Get("error") != "login_required" {
			c.Errorf("not signed in: got %v, want login_required", got)
		}
		first := c.signIn()
		j = c.authorize(c.request("prompt", "none"))
		c.wantShown(j)
		c.same(first, c.tokens(firstClient, c.redeem(firstClient, c.code(j))))
	})
}

// Modules oidcc-max-age-1 and oidcc-max-age-10000: a sign-in that is too old is done again, another is not.
func TestConformanceMaxAge(t *testing.T) {
	conform(t, func(c *conformance) {
		first := c.signIn("max_age", "10000")
		secondsLater(2)
		j := c.authorize(c.request("max_age", "10000"))
		c.wantShown(j)
		c.same(first, c.tokens(firstClient, c.redeem(firstClient, c.code(j))))

		j = c.authorize(c.request("max_age", "1"))
		c.wantShown(j, "login-submit")
		again := c.tokens(firstClient, c.redeem(firstClient, c.code(j)))
		if at := again.claims["auth_time"].(float64); !(at > first.claims["auth_time"].(float64)) || time.Since(time.Unix(int64(at), 0)) > time.Minute {
			c.Errorf("max_age=1: got auth_time %v after %v, want a new one", at, first.claims["auth_time"])
		}
	})
}

// Module oidcc-id-token-hint: with prompt=none, silent for the person that the hint names.
func TestConformanceIDTokenHint(t *testing.T) {
	conform(t, func(c *conformance) {
		first := c.signIn()
		j := c.authorize(c.request("prompt", "none", "id_token_hint", first.idToken))
		c.wantShown(j)
		c.same(first, c.tokens(firstClient, c.redeem(firstClient, c.code(j))))
	})
}

// Module oidcc-ensure-request-with-acr-values-succeeds, with the values that the metadata names.
func TestConformanceACRValues(t *testing.T) {
	conform(t, func(c *conformance) {
		var metadata struct {
			Values []string `json:"acr_values_supported"`
		}
		decode(t, c.broker.Get("/.well-known/openid-configuration").Body, &metadata)
		s := c.signIn("acr_values", strings.Join(metadata.Values, " "))
		if got, _ := s.claims["acr"].(string); !slices.Contains(metadata.Values, got) {
			c.Errorf("acr: got %q, want one of %q", got, metadata.Values)
		}
	})
}

// Module oidcc-codereuse: a code is good once, and whoever brings it again ends what came of it.
func TestConformanceCodeReuse(t *testing.T) {
	conform(t, func(c *conformance) {
		code := c.code(c.authorize(c.request()))
		first := c.tokens(firstClient, c.redeem(firstClient, code))
		if info := c.userinfo(first.access); info.Status != http.StatusOK {
			c.Fatalf("UserInfo: got %v", info)
		}
		if a := c.redeem(firstClient, code); a.Status != http.StatusBadRequest || a.JSON(c)["error"] != "invalid_grant" {
			c.Errorf("the code again: got %v, want 400 invalid_grant", a)
		}
		if info := c.userinfo(first.access); info.Status != http.StatusUnauthorized {
			c.Errorf("UserInfo with the token of a code that was used twice: got %v, want 401", info)
		}
	})
}

// Module oidcc-ensure-registered-redirect-uri: a page, and no redirect.
func TestConformanceRegisteredRedirectURI(t *testing.T) {
	conform(t, func(c *conformance) {
		for _, uri := range []string{callback + "/x", callback + "?foo=bar", "https://evil.example/"} {
			j := c.authorize(c.request("redirect_uri", uri))
			if j.To != nil || j.Page.Status != http.StatusBadRequest || !strings.Contains(j.Page.Body, "redirect_uri") {
				c.Errorf("%s: got %v at %v, want a page about redirect_uri", uri, j.Page, j.To)
			}
		}
	})
}

// Module oidcc-ensure-post-request-succeeds.
func TestConformancePostRequest(t *testing.T) {
	conform(t, func(c *conformance) {
		var form []string
		for name, values := range c.request() {
			form = append(form, name, values[0])
		}
		j := c.browser.TravelOn(c.browser.Do(c.broker.Form("/authorize", form...)), c.person)
		c.tokens(firstClient, c.redeem(firstClient, c.code(j)))
	})
}

// Module oidcc-server-client-secret-post.
func TestConformanceClientSecretPost(t *testing.T) {
	conform(t, func(c *conformance) { c.signIn("client_id", postClient) })
}

// Modules oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported,
// oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported and oidcc-ensure-request-object-with-redirect-uri.
func TestConformanceRequestObject(t *testing.T) {
	conform(t, func(c *conformance) {
		q := c.request()
		object := make(map[string]string)
		for name, values := range q {
			object[name] = values[0]
		}
		data, err := json.Marshal(object)
		if err != nil {
			c.Fatal(err)
		}
		for name, parameter := range map[string][2]string{
			"request_not_supported": {"request", unsignedJWT(data)}, "request_uri_not_supported": {"request_uri", "https://rp.example/request.jwt"},
		} {
			got := c.answer(c.authorize(c.request(parameter[0], parameter[1])))
			if got.Get("error") != name {
				c.Errorf("%s: got %v, want %s", parameter[0], got, name)
			}
		}
		object["redirect_uri"] = "https://evil.example/"
		if data, err = json.Marshal(object); err != nil {
			c.Fatal(err)
		}
		if got := c.answer(c.authorize(c.request("request", unsignedJWT(data)))); got.Get("error") != "request_not_supported" {
			c.Errorf("a request object with another redirect_uri: got %v, want request_not_supported", got)
		}
	})
}

// Module oidcc-claims-essential: the name from UserInfo, which the scope alone would not bring.
func TestConformanceClaimsEssential(t *testing.T) {
	conform(t, func(c *conformance) {
		s := c.signIn("claims", `{"userinfo":{"name":{"essential":true}}}`)
		if info := c.userinfo(s.access).JSON(c); info["name"] != "Ada Lovelace" || info["nickname"] != nil {
			c.Errorf("UserInfo: got %v, want the name alone", info)
		}
	})
}

// Module oidcc-refresh-token: a new access token of the same person, for the client alone that has the refresh token.
func TestConformanceRefreshToken(t *testing.T) {
	conform(t, func(c *conformance) {
		offline := []string{"scope", "openid offline_access", "prompt", "consent"}
		first, second := c.signIn(offline...), c.signIn(append(offline, "client_id", secondClient)...)
		if first.refresh == "" || second.refresh == "" {
			c.Fatal("offline_access brought no refresh token")
		}
		refreshed := c.tokens(firstClient, c.post(firstClient, "grant_type", "refresh_token", "refresh_token", first.refresh))
		c.same(first, refreshed)
		if nonce := refreshed.claims["nonce"]; refreshed.access == first.access || nonce != nil && nonce != first.claims["nonce"] {
			c.Errorf("refreshed: got nonce %v, and the same access token: %v", nonce, refreshed.access == first.access)
		}
		if info := c.userinfo(refreshed.access); info.Status != http.StatusOK {
			c.Errorf("UserInfo: got %v", info)
		}
		stolen := c.post(firstClient, "grant_type", "refresh_token", "refresh_token", second.refresh)
		if stolen.Status != http.StatusBadRequest || stolen.JSON(c)["error"] != "invalid_grant" {
			c.Errorf("another client's refresh token: got %v, want 400 invalid_grant", stolen)
		}
	})
}

// Module oidcc-ensure-request-with-valid-pkce-succeeds, and a wrong verifier does not.
func TestConformanceValidPKCE(t *testing.T) {
	conform(t, func(c *conformance) {
		for _, good := range []bool{true, false} {
			verifier := oauth2.GenerateVerifier()
			code := c.code(c.authorize(c.request("code_challenge", oauth2.S256ChallengeFromVerifier(verifier), "code_challenge_method", "S256")))
			if good {
				c.tokens(firstClient, c.redeem(firstClient, code, "code_verifier", verifier))
			} else if a := c.redeem(firstClient, code, "code_verifier", oauth2.GenerateVerifier()); a.Status != http.StatusBadRequest || a.JSON(c)["error"] != "invalid_grant" {
				c.Errorf("a wrong verifier: got %v, want invalid_grant", a)
			}
		}
	})
}
