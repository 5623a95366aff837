package apptest_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// A chain is a broker at which people sign in by way of another one. Each has the browser that is used there.
type chain struct {
	*stage // of the broker that applications know
	up     *stage
	here   *apptest.Visitor
	there  *apptest.Visitor
}

// newChain makes grace a user of the upper broker, in its group engineers, and lets in below whom a mapping gives something: engineers
// are writers and in the group crew.
func newChain(t *testing.T) *chain {
	t.Helper()
	ctx := t.Context()
	down, up := apptest.Start(t), apptest.Start(t)
	c := &chain{stage: newStage(t, down), up: newStage(t, up).cast("grace", floxhub)}
	made, err := up.API().CreateClient(ctx, apiv1.NewClient{Name: "below", ClientSpec: apiv1.ClientSpec{
		ClientID: "below", GrantTypes: []string{"authorization_code"}, RedirectURIs: []string{down.Issuer + "/login/above/callback"},
		Scopes: []string{"openid", "profile", "email"}, OrganizationChoice: "required", Consent: "implicit",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for s, group := range map[*stage]string{c.up: "engineers", c.stage: "crew"} {
		if _, err := s.API().CreateGroup(ctx, s.org, apiv1.NewGroup{Name: group}); err != nil {
			t.Fatal(err)
		}
	}
	c.join(t)
	connector := apiv1.NewConnector{Name: "above", ConnectorSpec: apiv1.ConnectorSpec{
		Type: "oidc", Issuer: up.Issuer, ClientID: "below", ClientSecret: &apiv1.SecretRef{Value: made.Secret.Value}, SignUp: "mapped",
		Mappings: []apiv1.ConnectorMapping{{Claim: "groups", Value: "engineers", Organization: c.org, Role: "writer", Group: "crew"}},
	}}
	if _, err := down.API().CreateConnector(ctx, connector); err != nil {
		t.Fatal(err)
	}
	return c
}

// join puts grace among the engineers.
func (c *chain) join(t *testing.T) {
	t.Helper()
	if err := c.up.API().AddMember(t.Context(), c.up.org, "engineers", "grace"); err != nil {
		t.Fatal(err)
	}
}

// leave takes her out.
func (c *chain) leave(t *testing.T) {
	t.Helper()
	if err := c.up.API().RemoveMember(t.Context(), c.up.org, "engineers", "grace"); err != nil {
		t.Fatal(err)
	}
}

// signIn has a new person go to the application, choose the upper broker on the page for signing in, sign in there, and come back. It
// returns the last answer: what the application is brought, or a page that says why not.
func (c *chain) signIn() apptest.Answer {
	c.T.Helper()
	c.here, c.there = c.Visitor(), c.up.Visitor()
	shown := c.here.Follow(c.here.Get(c.authorize(c.client)))
	link := html.UnescapeString(between(shown.Body, `href="/login/above?`, `"`))
	at, a := c.here, c.here.Get("/login/above?"+link)
	for range 20 {
		to := a.Header.Get("Location")
		switch {
		case strings.HasPrefix(to, c.app.Callback()):
			return a
		case strings.HasPrefix(to, c.up.URL):
			at, to = c.there, strings.TrimPrefix(to, c.up.URL)
		case strings.HasPrefix(to, c.URL):
			at, to = c.here, strings.TrimPrefix(to, c.URL)
		case ok(a) && at == c.there && strings.Contains(a.Body, `name="password"`):
			a = at.Submit(a, "/login", "username", "grace", "password", password)
			continue
		case to == "":
			return a
		}
		a = at.Get(to)
	}
	c.T.Fatal("sent around in circles")
	return apptest.Answer{}
}

// signedIn returns the tokens that the application gets.
func (c *chain) signedIn() tokens {
	c.T.Helper()
	a := c.signIn()
	brought := c.brought(a)
	if !brought.Has("code") {
		c.T.Fatalf("got %s %v, want a code", a, brought)
	}
	return c.got(c.redeem(brought.Get("code")))
}

// Another Gatehouse is a provider like any: people come by it, are given what its groups are mapped to, and lose that with the group,
// at the next sign-in. What came of a sign-in by it is refreshed as long as the connector is in use.
func TestGatehouseIsAProviderOfGatehouse(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	ctx, api := t.Context(), c.API()
	first := c.signedIn()
	id := claimsOf(t, first.id)
	if id["org_name"] != c.org || id["acr"] != "1" {
		t.Errorf("got the ID token %v, want one for %s", id, c.org)
	}
	if u, err := api.GetUser(ctx, "grace"); err != nil || u.ID != id["sub"] || u.Email != "grace@acme.example" || !u.EmailVerified {
		t.Errorf("got the user %+v, %v, want grace as she is above", u, err)
	}
	if roles, groups := id["roles"], id["groups"]; len(roles.([]any)) != 1 || roles.([]any)[0] != "writer" || len(groups.([]any)) != 1 || groups.([]any)[0] != "crew" {
		t.Errorf("got the roles %v and groups %v, want writer and crew", roles, groups)
	}
	above, err := c.up.API().GetUser(ctx, "grace")
	if err != nil {
		t.Fatal(err)
	}
	logins, err := api.ListUserLogins(ctx, "grace")
	if err != nil || len(logins.Items) != 1 || logins.Items[0].Subject != above.ID {
		t.Errorf("got the accounts %+v, %v, want the one with the sub of the upper broker, %s", logins.Items, err, above.ID)
	}
	second := c.got(c.refresh(first.refresh))

	connector, err := api.GetConnector(ctx, "above")
	if err != nil {
		t.Fatal(err)
	}
	use := func(disabled bool) {
		t.Helper()
		connector.Disabled = disabled
		if _, err := api.UpdateConnector(ctx, "above", connector.ConnectorSpec, ""); err != nil {
			t.Fatal(err)
		}
	}
	use(true)
	refused(t, "a refresh while the connector is disabled", c.refresh(second.refresh), http.StatusBadRequest, "invalid_grant")
	if a := c.here.Get("/account"); !leadsTo("/login")(a) {
		t.Errorf("a session while the connector is disabled: got %s, want to be sent to sign in", a)
	}
	use(false)
	third := c.got(c.refresh(second.refresh)) // which the refusal has not spent

	c.leave(t)
	if a := c.signIn(); c.brought(a).Get("error") != "access_denied" {
		t.Errorf("somebody whom nothing is mapped to any more: got %s %v, want access_denied", a, c.brought(a))
	}
	if c.active(third.access) {
		t.Error("a token with a role that a mapping took back is active")
	}
	refused(t, "a refresh for the organization that was left", c.refresh(third.refresh), http.StatusBadRequest, "access_denied")
	c.join(t)
	c.signedIn()
	c.got(c.refresh(third.refresh))

	// Whoever is disabled above does not come in below.
	above.Disabled = true
	if _, err := c.up.API().UpdateUser(ctx, "grace", above.UserSpec, ""); err != nil {
		t.Fatal(err)
	}
	if a := c.signIn(); a.Status != http.StatusBadRequest {
		t.Errorf("somebody who is disabled above: got %s, want that the password is refused there", a)
	}
}

// An application that wants a second factor gets it from a provider that says so, and learns what it got; a session by one factor is
// sent to sign in again, once.
func TestProviderThatSaysMFAIsAStepUp(t *testing.T) {
	t.Parallel()
	p := apptest.NewProvider(t)
	s := newStage(t, apptest.Start(t))
	if _, err := s.API().CreateConnector(t.Context(), oidcConnector(p, func(c *apiv1.ConnectorSpec) {
		c.ACR = &apiv1.ConnectorACR{AMR: []string{"mfa"}}
		c.Mappings = []apiv1.ConnectorMapping{{Claim: "groups", Value: "staff", Organization: s.org, Role: "reader"}}
	})); err != nil {
		t.Fatal(err)
	}
	person := func(amr ...string) {
		p.Person(map[string]any{"sub": "7", "preferred_username": "kay", "groups": []string{"staff"}, "amr": amr})
	}
	v := visit(t, s.Broker)
	// travel follows the browser, by the provider if that is asked for, to the application.
	travel := func(pairs ...string) (brought url.Values, byProvider int) {
		t.Helper()
		to := s.authorize(s.client, pairs...)
		for range 12 {
			got := v.get(to)
			if strings.HasPrefix(got.location, s.app.Callback()) {
				u, err := url.Parse(got.location)
				if err != nil {
					t.Fatal(err)
				}
				return u.Query(), byProvider
			}
			if to = got.location; to == "" {
				to = "/login/corp?" + html.UnescapeString(between(got.body, `href="/login/corp?`, `"`))
				byProvider++
			}
		}
		t.Fatal("sent around in circles")
		return nil, 0
	}
	tokens := func(brought url.Values) map[string]any {
		t.Helper()
		if !brought.Has("code") {
			t.Fatalf("the application got %v, want a code", brought)
		}
		return claimsOf(t, s.got(s.redeem(brought.Get("code"))).id)
	}

	person("pwd")
	brought, trips := travel()
	if id := tokens(brought); id["acr"] != "1" || trips != 1 {
		t.Errorf("one factor: got acr %v after %d trips, want 1 after one", id["acr"], trips)
	}
	brought, trips = travel("acr_values", "2")
	if id := tokens(brought); id["acr"] != "1" || trips != 1 {
		t.Errorf("a wish that the provider does not fulfil: got acr %v after %d trips, want 1 after one", id["acr"], trips)
	}
	const essential = `{"id_token":{"acr":{"essential":true,"values":["2"]}}}`
	if brought, trips = travel("claims", essential); brought.Get("error") != "unmet_authentication_requirements" || trips != 1 {
		t.Errorf("a demand that the provider does not fulfil: got %v after %d trips", brought, trips)
	}
	person("pwd", "mfa")
	brought, trips = travel("claims", essential)
	id := tokens(brought)
	if id["acr"] != "2" || trips != 1 {
		t.Errorf("two factors: got acr %v after %d trips, want 2 after one", id["acr"], trips)
	}
	if amr, _ := id["amr"].([]any); len(amr) != 2 || amr[1] != "mfa" {
		t.Errorf("two factors: got amr %v, want pwd and mfa", id["amr"])
	}
	brought, trips = travel("acr_values", "2")
	if id := tokens(brought); id["acr"] != "2" || trips != 0 {
		t.Errorf("a session by two factors: got acr %v after %d trips, want 2 at once", id["acr"], trips)
	}
}
