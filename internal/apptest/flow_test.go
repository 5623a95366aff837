package apptest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

const password = "correct horse battery staple"

// A scene is a broker with Ada, who is in two organizations, and with an application that she signs in to.
type scene struct {
	*apptest.Broker
	app    *apptest.RelyingParty
	secret string
	tab    *apptest.Tab
}

// everywhere runs a test on the embedded store, and on two replicas on one Redis that take turns: there, whatever needs two requests
// is begun at one and finished at the other.
func everywhere(t *testing.T, test func(t *testing.T, s *scene)) {
	t.Parallel()
	t.Run("bolt", func(t *testing.T) {
		t.Parallel()
		test(t, newScene(t, apptest.Start(t)))
	})
	t.Run("redis, two replicas", func(t *testing.T) {
		t.Parallel()
		test(t, newScene(t, apptest.Replicas(t, 2, apptest.Set("store", redistest.Start(t).URL()))))
	})
}

func newScene(t *testing.T, b *apptest.Broker) *scene {
	t.Helper()
	s := &scene{Broker: b, app: apptest.NewRelyingParty(t), tab: apptest.Browser(t)}
	ctx, api := t.Context(), b.API()
	ada := apiv1.NewUser{Name: "ada", UserSpec: apiv1.UserSpec{
		Email: "ada@acme.example", EmailVerified: true, Password: &apiv1.SecretRef{Value: password}, Claims: map[string]any{"name": "Ada Lovelace"},
	}}
	if _, err := api.CreateUser(ctx, ada); err != nil {
		t.Fatal(err)
	}
	if _, err := api.CreateOrganization(ctx, apiv1.NewNode{Name: "byron", NodeSpec: apiv1.NodeSpec{DisplayName: "Byron & Daughters", Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: "owner", Role: "owner"}}}); err != nil {
		t.Fatal(err)
	}
	for _, org := range []string{"acme", "byron"} {
		if _, err := api.Assign(ctx, org, apiv1.Assignment{User: "ada", Role: "reader"}); err != nil {
			t.Fatal(err)
		}
	}
	s.secret = s.client("travel", apiv1.ClientSpec{})
	return s
}

// client registers the application once more, under another name and with other rules, and returns its secret.
func (s *scene) client(name string, spec apiv1.ClientSpec) string {
	s.T.Helper()
	spec.ClientID, spec.GrantTypes = name, []string{"authorization_code", "refresh_token"}
	spec.RedirectURIs, spec.PostLogoutRedirectURIs = []string{s.app.Callback()}, []string{s.app.Callback()}
	spec.Audiences, spec.Scopes = []string{apptest.Audience}, []string{"openid", "profile", "email", "offline_access"}
	made, err := s.API().CreateClient(s.T.Context(), apiv1.NewClient{Name: name, ClientSpec: spec})
	if err != nil {
		s.T.Fatal(err)
	}
	return made.Secret.Value
}

// at fails the test unless the browser is on a page of a path, which says something.
func (s *scene) at(path, says string) {
	s.T.Helper()
	u, err := url.Parse(s.tab.URL())
	if err != nil {
		s.T.Fatal(err)
	}
	if got := s.tab.Text(); u.Path != path || !strings.Contains(got, says) {
		s.T.Fatalf("at %s:\n%s\nwant %s and %q", s.tab.URL(), got, path, says)
	}
}

// signIn fills in the page for that.
func (s *scene) signIn() {
	s.T.Helper()
	s.at("/login", "Sign in")
	s.tab.Fill("username", "ada")
	s.tab.Fill("password", password)
	s.tab.Click("login-submit")
}

// redeem exchanges the code of an answer and returns what the token endpoint said.
func (s *scene) redeem(client, secret string, answer apptest.Returned) map[string]any {
	s.T.Helper()
	got := s.app.Exchange(s.Broker, client, answer.Get("code"), "client_secret", secret)
	if got.Status != http.StatusOK {
		s.T.Fatalf("redeem %v: got %s", answer.Values, got)
	}
	return got.JSON(s.T)
}

// A person signs in to an application by password, is asked once whether it may know her, and never again; an application that wants
// its answers as a form gets them so.
func TestPersonSignsInToAnApplication(t *testing.T) {
	everywhere(t, func(t *testing.T, s *scene) {
		s.tab.Go(s.app.Authorize(s.Broker, "travel", "scope", "openid profile email", "organization", "acme"))
		s.at("/login", "Sign in")
		s.tab.Look("login")
		s.tab.Fill("username", "ada")
		s.tab.Fill("password", "wrong")
		s.tab.Click("login-submit")
		if s.tab.Status() == http.StatusOK || s.tab.Value("username") != "ada" || s.tab.Value("password") != "" {
			t.Errorf("a wrong password: got %d, %q, %q", s.tab.Status(), s.tab.Value("username"), s.tab.Value("password"))
		}
		s.tab.Look("login-failed")
		s.signIn()
		s.at("/consent", "travel")
		s.tab.Look("consent")
		s.tab.Click("consent-accept")
		if got := s.tab.Text(); !strings.Contains(got, "Welcome to the application") {
			t.Fatalf("at %s: %s", s.tab.URL(), got)
		}
		tokens := s.redeem("travel", s.secret, s.app.Answer(s.Broker))
		if tokens["id_token"] == nil || tokens["access_token"] == nil {
			t.Fatalf("got %v, want an ID token and an access token", tokens)
		}

		s.tab.Go(s.app.Authorize(s.Broker, "travel", "scope", "openid email", "organization", "acme", "response_mode", "form_post"))
		s.tab.Await(s.app.Callback())
		answer := s.app.Answer(s.Broker)
		if answer.Method != http.MethodPost {
			t.Errorf("the answer came by %s, want POST", answer.Method)
		}
		s.redeem("travel", s.secret, answer)
	})
}

// Every page works where no script runs, by the keyboard, and on a phone.
func TestPersonSignsInWithoutScripts(t *testing.T) {
	everywhere(t, func(t *testing.T, s *scene) {
		s.tab.Scripts(false)
		s.tab.Width(apptest.Phone)
		s.tab.Go(s.app.Authorize(s.Broker, "travel", "organization", "acme", "response_mode", "form_post"))
		s.at("/login", "Sign in")
		s.tab.Fill("username", "ada")
		s.tab.Fill("password", password)
		s.tab.Enter("password")
		s.at("/consent", "travel")
		s.tab.Click("consent-accept")
		s.tab.Look("form-post")
		s.tab.Click("form-post-continue")
		s.redeem("travel", s.secret, s.app.Answer(s.Broker))
	})
}

// Whoever denies an application what it asks for is taken back to it, without a code.
func TestPersonDeniesConsent(t *testing.T) {
	everywhere(t, func(t *testing.T, s *scene) {
		s.tab.Go(s.app.Authorize(s.Broker, "travel", "organization", "acme"))
		s.signIn()
		s.tab.Click("consent-deny")
		if got := s.app.Answer(s.Broker); got.Get("error") != "access_denied" || got.Has("code") {
			t.Errorf("got %v, want access_denied", got.Values)
		}
	})
}

// An application that works for one organization at a time asks which, and its tokens are for that one.
func TestPersonChoosesAnOrganization(t *testing.T) {
	everywhere(t, func(t *testing.T, s *scene) {
		secret := s.client("ledger", apiv1.ClientSpec{OrganizationChoice: "required", Consent: "implicit"})
		s.tab.Go(s.app.Authorize(s.Broker, "ledger"))
		s.signIn()
		s.at("/organization", "byron")
		s.tab.Look("organization")
		s.tab.Press("form li:nth-child(2) button")
		tokens := s.redeem("ledger", secret, s.app.Answer(s.Broker))
		got := s.Post("/oauth/introspect", "client_id", "ledger", "client_secret", secret, "token", tokens["access_token"].(string)).JSON(t)
		if got["active"] != true || got["org_name"] != "byron" {
			t.Errorf("got %v, want an active token for byron", got)
		}
	})
}

// A program on another device is connected by comparing its code, and gets its token once.
func TestPersonConnectsADevice(t *testing.T) {
	everywhere(t, func(t *testing.T, s *scene) {
		device := func() map[string]any {
			a := s.Post("/oauth/device/code", "client_id", "gatehouse-cli", "scope", "openid offline_access")
			if a.Status != http.StatusOK {
				t.Fatalf("device code: got %s", a)
			}
			return a.JSON(t)
		}
		poll := func(d map[string]any) apptest.Answer {
			return s.Post("/oauth/token", "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", "gatehouse-cli", "device_code", d["device_code"].(string))
		}
		first := device()
		s.tab.Go(first["verification_uri"].(string))
		s.at("/activate", "Code on the device")
		s.tab.Look("device-code")
		s.tab.Fill("user_code", strings.ToLower(first["user_code"].(string)))
		s.tab.Click("device-continue")
		s.signIn()
		s.at("/activate", first["user_code"].(string))
		s.tab.Look("device")
		if s.tab.Has("[name=organization]") {
			s.tab.Choose("organization", s.tab.Eval(`document.querySelector("[name=organization]").value`))
		}
		s.tab.Click("device-approve")
		s.tab.Look("device-done")
		if got := poll(first); got.Status != http.StatusOK || got.JSON(t)["access_token"] == nil {
			t.Errorf("approved: got %s", got)
		}
		if got := poll(first); got.Status != http.StatusBadRequest {
			t.Errorf("redeemed twice: got %s", got)
		}

		second := device()
		s.tab.Go(second["verification_uri_complete"].(string))
		s.at("/activate", second["user_code"].(string))
		s.tab.Click("device-deny")
		if got := poll(second); got.Status != http.StatusBadRequest || got.JSON(t)["error"] != "access_denied" {
			t.Errorf("denied: got %s, want access_denied", got)
		}
	})
}

// Whoever signs out is asked, is signed out, and finds the browser asking for a password again.
func TestPersonSignsOut(t *testing.T) {
	everywhere(t, func(t *testing.T, s *scene) {
		s.tab.Go(s.URL + "/account")
		s.signIn()
		s.at("/account", "Ada")
		s.tab.Look("account")
		s.tab.Click("sign-out")
		s.at("/oidc/logout", "Sign out")
		s.tab.Look("logout")
		s.tab.Click("logout-confirm")
		if got := s.tab.Text(); !strings.Contains(got, "signed out") {
			t.Fatalf("at %s: %s", s.tab.URL(), got)
		}
		s.tab.Look("signed-out")
		s.tab.Go(s.URL + "/account")
		s.at("/login", "Sign in")
	})
}
