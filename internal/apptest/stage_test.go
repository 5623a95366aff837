package apptest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// A stage is a broker with somebody who is a reader in an organization, and with an application that everybody consents to. Nothing on it
// needs a real browser.
type stage struct {
	*apptest.Broker
	app               *apptest.RelyingParty
	user, org, client string
	secret            string // of the client
}

// newStage makes the stage of Ada.
func newStage(t testing.TB, b *apptest.Broker) *stage {
	t.Helper()
	return (&stage{Broker: b, app: apptest.NewRelyingParty(t)}).cast("ada", floxhub)
}

// cast is a stage on the same broker with a user, an organization and a client of its own, named after the user.
func (s *stage) cast(user string, r rules) *stage {
	s.T.Helper()
	c := &stage{Broker: s.Broker, app: s.app, user: user, org: user + "-works", client: user + "-app"}
	c.person(user)
	c.organization(c.org, r)
	c.secret = c.register(c.client, "implicit")
	return c
}

// register makes a client that may have everything, and returns its secret.
func (s *stage) register(client, consent string) string {
	s.T.Helper()
	made, err := s.API().CreateClient(s.T.Context(), apiv1.NewClient{Name: client, ClientSpec: apiv1.ClientSpec{
		ClientID: client, GrantTypes: []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		RedirectURIs: []string{s.app.Callback()}, Audiences: []string{apptest.Audience}, Scopes: []string{"openid", "email", "offline_access"}, Consent: consent,
	}})
	if err != nil {
		s.T.Fatal(err)
	}
	return made.Secret.Value
}

// rules are an access model, and its roles for somebody who runs an organization and for the user.
type rules struct{ model, runs, holds string }

var (
	floxhub   = rules{"floxhub", "owner", "reader"}
	flakiness = rules{"flakiness", "admin", "member"} // in which members can be suspended
)

// organization makes one in which the user holds something.
func (s *stage) organization(name string, r rules) {
	s.T.Helper()
	n := apiv1.NewNode{Name: name, NodeSpec: apiv1.NodeSpec{Model: r.model}, Assignments: []apiv1.Assignment{{User: "owner", Role: r.runs}, {User: s.user, Role: r.holds}}}
	if _, err := s.API().CreateOrganization(s.T.Context(), n); err != nil {
		s.T.Fatal(err)
	}
}

// on is the stage with the next requests at another replica.
func (s *stage) on(b *apptest.Broker) *stage {
	c := *s
	c.Broker = b
	return &c
}

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

// authorize is the path at which a browser begins a request for everything that an application may have.
func (s *stage) authorize(client string, pairs ...string) string {
	pairs = append([]string{"scope", "openid email offline_access", "organization", s.org}, pairs...)
	return strings.TrimPrefix(s.app.Authorize(s.Broker, client, pairs...), s.URL)
}

// push sends a request ahead of the browser.
func (s *stage) push() apptest.Answer {
	s.T.Helper()
	return s.Post("/oauth/par", "client_id", s.client, "client_secret", s.secret, "response_type", "code", "redirect_uri", s.app.Callback(),
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

// code returns a code from somebody who is signed in.
func (s *stage) code(v *apptest.Visitor, pairs ...string) string {
	s.T.Helper()
	brought := s.toApp(v, s.authorize(s.client, pairs...))
	if brought.Get("code") == "" {
		s.T.Fatalf("the application got %v, want a code", brought)
	}
	return brought.Get("code")
}

func (s *stage) redeem(code string) apptest.Answer {
	s.T.Helper()
	return s.app.Exchange(s.Broker, s.client, code, "client_secret", s.secret)
}

func (s *stage) refresh(token string, pairs ...string) apptest.Answer {
	s.T.Helper()
	return s.Post("/oauth/token", append(s.refreshForm(token), pairs...)...)
}

func (s *stage) refreshForm(token string) []string {
	return []string{"grant_type", "refresh_token", "client_id", s.client, "client_secret", s.secret, "refresh_token", token}
}

// inspect asks about a token as the client.
func (s *stage) inspect(token string) apptest.Answer {
	s.T.Helper()
	return s.Post("/oauth/introspect", "client_id", s.client, "client_secret", s.secret, "token", token)
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
	return s.Post("/oauth/device/code", "client_id", s.client, "client_secret", s.secret, "scope", "openid offline_access", "organization", s.org)
}

func (s *stage) poll(deviceCode string) apptest.Answer {
	s.T.Helper()
	return s.Post("/oauth/token", "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", s.client, "client_secret", s.secret, "device_code", deviceCode)
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
