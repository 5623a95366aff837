package apptest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// A stage is a broker with Ada, who is a reader in acme and in byron, and with two applications: app, which everybody consents to, and
// asker, which asks. Nothing on it needs a real browser.
type stage struct {
	*apptest.Broker
	app    *apptest.RelyingParty
	secret map[string]string // by client
}

func newStage(t testing.TB, b *apptest.Broker) *stage {
	t.Helper()
	s := &stage{Broker: b, app: apptest.NewRelyingParty(t), secret: map[string]string{}}
	ctx, api := t.Context(), b.API()
	s.person("ada")
	if _, err := api.CreateOrganization(ctx, apiv1.NewNode{Name: "byron", NodeSpec: apiv1.NodeSpec{Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: "owner", Role: "owner"}}}); err != nil {
		t.Fatal(err)
	}
	for _, org := range []string{"acme", "byron"} {
		s.assign(org, "ada", "reader")
	}
	for id, consent := range map[string]string{"app": "implicit", "asker": ""} {
		made, err := api.CreateClient(ctx, apiv1.NewClient{Name: id, ClientSpec: apiv1.ClientSpec{
			ClientID: id, GrantTypes: []string{"authorization_code", "refresh_token"}, RedirectURIs: []string{s.app.Callback()},
			Audiences: []string{apptest.Audience}, Scopes: []string{"openid", "email", "offline_access"}, Consent: consent,
		}})
		if err != nil {
			t.Fatal(err)
		}
		s.secret[id] = made.Secret.Value
	}
	return s
}

// on is the stage with the next requests at another replica.
func (s *stage) on(b *apptest.Broker) *stage { return &stage{b, s.app, s.secret} }

// person makes a user with the password of all.
func (s *stage) person(name string) {
	s.T.Helper()
	spec := apiv1.UserSpec{Email: name + "@acme.example", EmailVerified: true, Password: &apiv1.SecretRef{Value: password}}
	if _, err := s.API().CreateUser(s.T.Context(), apiv1.NewUser{Name: name, UserSpec: spec}); err != nil {
		s.T.Fatal(err)
	}
}

func (s *stage) assign(org, user, role string) {
	s.T.Helper()
	if _, err := s.API().Assign(s.T.Context(), org, apiv1.Assignment{User: user, Role: role}); err != nil {
		s.T.Fatal(err)
	}
}

// authorize is the path at which a browser begins a request for everything that an application may have, in acme.
func (s *stage) authorize(client string, pairs ...string) string {
	pairs = append([]string{"scope", "openid email offline_access", "organization", "acme"}, pairs...)
	return strings.TrimPrefix(s.app.Authorize(s.Broker, client, pairs...), s.URL)
}

// push sends a request ahead of the browser.
func (s *stage) push() apptest.Answer {
	s.T.Helper()
	return s.Post("/oauth/par", "client_id", "app", "client_secret", s.secret["app"], "response_type", "code", "redirect_uri", s.app.Callback(),
		"scope", "openid", "code_challenge", strings.Repeat("c", 43), "code_challenge_method", "S256")
}

// toApp follows a browser from a path to the application and returns what it brings there.
func (s *stage) toApp(v *apptest.Visitor, path string) url.Values {
	s.T.Helper()
	for range 10 {
		a := v.Get(path)
		if brought := s.brought(a); brought != nil {
			return brought
		}
		if path = a.Header.Get("Location"); a.Status != http.StatusSeeOther || !strings.HasPrefix(path, "/") {
			s.T.Fatalf("on the way to the application: got %s, %q", a, path)
		}
	}
	s.T.Fatal("sent around in circles")
	return nil
}

// brought returns what an answer sends to the application, nil when it sends nobody there.
func (s *stage) brought(a apptest.Answer) url.Values {
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(to.String(), s.app.Callback()) {
		return nil
	}
	return to.Query()
}

// code returns a code for app from somebody who is signed in.
func (s *stage) code(v *apptest.Visitor, pairs ...string) string {
	s.T.Helper()
	brought := s.toApp(v, s.authorize("app", pairs...))
	if brought.Get("code") == "" {
		s.T.Fatalf("the application got %v, want a code", brought)
	}
	return brought.Get("code")
}

func (s *stage) redeem(code string) apptest.Answer {
	s.T.Helper()
	return s.app.Exchange(s.Broker, "app", code, "client_secret", s.secret["app"])
}

func (s *stage) refresh(token string, pairs ...string) apptest.Answer {
	s.T.Helper()
	return s.Post("/oauth/token", append([]string{"grant_type", "refresh_token", "client_id", "app", "client_secret", s.secret["app"], "refresh_token", token}, pairs...)...)
}

// inspect asks about a token as app.
func (s *stage) inspect(token string) apptest.Answer {
	s.T.Helper()
	return s.Post("/oauth/introspect", "client_id", "app", "client_secret", s.secret["app"], "token", token)
}

func (s *stage) active(token string) bool {
	s.T.Helper()
	a := s.inspect(token)
	if a.Status != http.StatusOK {
		s.T.Fatalf("introspection: got %s", a)
	}
	return a.JSON(s.T)["active"] == true
}

// device has a program ask for a code.
func (s *stage) device() apptest.Answer {
	s.T.Helper()
	return s.Post("/oauth/device/code", "client_id", "gatehouse-cli", "scope", "openid offline_access", "organization", "acme")
}

func (s *stage) poll(deviceCode string) apptest.Answer {
	s.T.Helper()
	return s.Post("/oauth/token", "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", "gatehouse-cli", "device_code", deviceCode)
}

// approve connects a device.
func (s *stage) approve(v *apptest.Visitor, userCode string) {
	s.T.Helper()
	shown := v.Get("/activate?user_code=" + userCode)
	if a := v.Submit(shown, "/activate", "decision", "approve"); a.Status != http.StatusOK {
		s.T.Fatalf("approve %s: got %s after %s", userCode, a, shown)
	}
}

// tokens are what the token endpoint gives.
type tokens struct{ access, id, refresh string }

func (s *stage) got(a apptest.Answer) tokens {
	s.T.Helper()
	if a.Status != http.StatusOK {
		s.T.Fatalf("got %s, want tokens", a)
	}
	m := a.JSON(s.T)
	text := func(name string) string { v, _ := m[name].(string); return v }
	return tokens{text("access_token"), text("id_token"), text("refresh_token")}
}

// refused fails the test unless an answer of the token endpoint has a status and a code.
func refused(t testing.TB, what string, a apptest.Answer, status int, codes ...string) {
	t.Helper()
	if a.Status == status {
		got, _ := a.JSON(t)["error"].(string)
		for _, code := range codes {
			if got == code {
				return
			}
		}
	}
	t.Errorf("%s: got %s, want %d %v", what, a, status, codes)
}
