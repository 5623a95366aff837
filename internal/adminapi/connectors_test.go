package adminapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

const upstreamSecret = "upstream-client-secret-that-nobody-sees"

func github() apiv1.NewConnector {
	return apiv1.NewConnector{Name: "github", ConnectorSpec: apiv1.ConnectorSpec{
		Type: "github", ClientID: "Iv1.8a61f9b3a7aba766", ClientSecret: &apiv1.SecretRef{Value: upstreamSecret},
		AllowedOrganizations: []string{"9919"}, ReauthenticateAfter: apiv1.Duration(24 * time.Hour),
		Mappings: []apiv1.ConnectorMapping{{Claim: "groups", Value: "acme/eng", Organization: "acme", Role: "writer"}},
	}}
}

// The secret of a connector is kept sealed and is shown to nobody: not by the API, the audit log, the export or the log.
func TestConnectorSecretsAreShownToNobody(t *testing.T) {
	b := startNeighbours(t)
	ctx, api := t.Context(), b.as("operator")
	made, err := api.CreateConnector(ctx, github())
	check(t, err)
	if want := issuer + "/login/github/callback"; made.CallbackURL != want || made.ClientSecret != nil {
		t.Errorf("got callback %q and secret %v, want %q and none", made.CallbackURL, made.ClientSecret, want)
	}
	got, err := api.GetConnector(ctx, "github")
	check(t, err)
	got.DisplayName = "GitHub of Acme"
	updated, err := api.UpdateConnector(ctx, "github", got.ConnectorSpec, got.ETag)
	check(t, err)
	if updated.DisplayName != got.DisplayName || len(updated.Mappings) != 1 || updated.Mappings[0].Organization != "acme" {
		t.Errorf("got %+v, want the new name, and the rest as it was", updated)
	}
	if _, err := api.UpdateConnector(ctx, "github", got.ConnectorSpec, got.ETag); codeOf(err) != "stale" {
		t.Errorf("an update with an old ETag: got %v, want stale", err)
	}
	stored, err := b.store.Connector(ctx, "github")
	check(t, err)
	if len(stored.Sealed) == 0 || strings.Contains(string(stored.Sealed), upstreamSecret) {
		t.Errorf("the store holds %q, want the secret sealed, and kept by an update without one", stored.Sealed)
	}
	list := b.send("GET", "/api/v1/connectors", "auditor", "")
	export := b.send("GET", "/api/v1/export", "operator", "")
	log := b.send("GET", "/api/v1/audit?page_size=1000", "operator", "")
	if list.status != 200 || export.status != 200 || log.status != 200 {
		t.Fatalf("got list %d, export %d, audit %d %s", list.status, export.status, log.status, log.body)
	}
	if !strings.Contains(export.body, `"kind":"Connector"`) || !strings.Contains(log.body, "connector.create") {
		t.Error("the export or the audit log says nothing of the connector")
	}
	if all := list.body + export.body + log.body + b.log.String(); strings.Contains(all, upstreamSecret) {
		t.Error("the secret was shown")
	}
	check(t, api.DeleteConnector(ctx, "github"))
	if _, err := api.GetConnector(ctx, "github"); codeOf(err) != "not_found" {
		t.Errorf("after it was deleted: got %v, want not_found", err)
	}
}

// Connectors say who gets in, so only an operator makes them (ADM-04).
func TestOnlyOperatorsChangeConnectors(t *testing.T) {
	b := startNeighbours(t)
	for _, by := range []string{"auditor", b.person("alice", ""), "stranger"} {
		if _, err := b.as(by).CreateConnector(t.Context(), github()); codeOf(err) != "forbidden" {
			t.Errorf("got %v, want forbidden", err)
		}
	}
	if c, err := b.store.Connector(t.Context(), "github"); err != nil || c != nil {
		t.Errorf("got %v %v, want nothing stored", c, err)
	}
}

// Applied twice, a connector's document changes nothing the second time; pruned, it is gone.
func TestConnectorsAreAppliedOnce(t *testing.T) {
	b := startNeighbours(t)
	ctx, api := t.Context(), b.as("operator")
	spec := github().ConnectorSpec
	doc := apiv1.Document{Kind: apiv1.KindConnector, Metadata: apiv1.Metadata{Name: "github"}, Spec: &spec}
	for i, want := range []int{1, 0} {
		plan, err := api.Apply(ctx, []apiv1.Document{doc}, apiv1.ApplyOptions{})
		check(t, err)
		if len(plan.Changes) != want {
			t.Errorf("apply %d: got %+v, want %d changes", i+1, plan.Changes, want)
		}
	}
	spec.ClientSecret = &apiv1.SecretRef{Value: "another-secret-of-the-provider"}
	plan, err := api.Apply(ctx, []apiv1.Document{doc}, apiv1.ApplyOptions{})
	check(t, err)
	if len(plan.Changes) != 1 || strings.Join(plan.Changes[0].Fields, " ") != "client_secret" {
		t.Errorf("another secret: got %+v, want that alone", plan.Changes)
	}
}

// What a connector cannot be is refused, each fault by its field.
func TestFaultsOfConnectorsAreNamed(t *testing.T) {
	b := startNeighbours(t)
	ctx, api := t.Context(), b.as("operator")
	for field, change := range map[string]func(*apiv1.NewConnector){
		"name":                     func(c *apiv1.NewConnector) { c.Name = "email" },
		"type":                     func(c *apiv1.NewConnector) { c.Type = "saml" },
		"issuer":                   func(c *apiv1.NewConnector) { c.Issuer = "http://idp.example" },
		"client_id":                func(c *apiv1.NewConnector) { c.ClientID = "" },
		"client_secret":            func(c *apiv1.NewConnector) { c.ClientSecret = nil },
		"sign_up":                  func(c *apiv1.NewConnector) { c.SignUp = "everybody" },
		"mappings[0].organization": func(c *apiv1.NewConnector) { c.Mappings[0].Organization = "nowhere" },
		"mappings[0].role":         func(c *apiv1.NewConnector) { c.Mappings[0].Role = "emperor" },
		"mappings[0].group":        func(c *apiv1.NewConnector) { c.Mappings[0].Group = "nobodies" },
		"mappings[0].claim":        func(c *apiv1.NewConnector) { c.Mappings[0].Claim = "email" },
		"reauthenticate_after":     func(c *apiv1.NewConnector) { c.ReauthenticateAfter = apiv1.Duration(time.Second) },
	} {
		c := github()
		change(&c)
		if _, err := api.CreateConnector(ctx, c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v, want a refusal that names it", field, err)
		}
	}
	check(t, errorOf(api.CreateConnector(ctx, github())))
	moved := github().ConnectorSpec
	moved.Issuer = "https://github.other.example"
	if _, err := api.UpdateConnector(ctx, "github", moved, ""); err == nil || !strings.Contains(err.Error(), "issuer") {
		t.Errorf("another provider under the same name: got %v, want a refusal", err)
	}
}
