package adminapi_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Every resource can be made, read, changed and ended over HTTP.
func TestResources(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")

	a, err := api.CreateAudience(ctx, apiv1.NewAudience{Name: "hub", AudienceSpec: apiv1.AudienceSpec{Identifier: "https://hub.example/api"}})
	check(t, err)
	a.TokenLifetime = apiv1.Duration(5 * time.Minute)
	a, err = api.UpdateAudience(ctx, "hub", a.AudienceSpec, a.ETag)
	check(t, err)
	if a.TokenLifetime != apiv1.Duration(5*time.Minute) {
		t.Errorf("got audience %+v", a)
	}

	u, err := api.CreateUser(ctx, apiv1.NewUser{Name: "alice", UserSpec: apiv1.UserSpec{Email: "alice@example.com"}})
	check(t, err)
	_, err = api.CreateUser(ctx, apiv1.NewUser{Name: "alice"})
	wantCode(t, err, "name_taken")

	_, err = api.CreateOrganization(ctx, apiv1.NewNode{Name: "acme", NodeSpec: apiv1.NodeSpec{Model: "flux"}})
	if e := wantCode(t, err, "owner_required"); e.Status != 422 {
		t.Errorf("owner_required: got status %d, want 422", e.Status)
	}
	org, err := api.CreateOrganization(ctx, apiv1.NewNode{
		Name: "acme", NodeSpec: apiv1.NodeSpec{Model: "flux"}, Assignments: []apiv1.Assignment{{User: "alice", Role: "org_owner"}},
	})
	check(t, err)
	n, err := api.CreateNode(ctx, apiv1.NewNode{Name: "web", Parent: "acme", NodeSpec: apiv1.NodeSpec{Level: "project", Settings: map[string]string{"visibility": "public"}}})
	check(t, err)
	if n.Path != "acme/web" || n.Parent != "acme" || n.Settings["visibility"] != "public" {
		t.Errorf("got node %+v", n)
	}
	if _, err := api.GetNode(ctx, n.ID); err != nil {
		t.Errorf("by id: %v", err)
	}
	n.Settings = map[string]string{"visibility": "open"}
	_, err = api.UpdateNode(ctx, "acme/web", n.NodeSpec, "")
	wantCode(t, err, "value_not_allowed")
	_, err = api.UpdateNode(ctx, "acme/web", apiv1.NodeSpec{Level: "organization"}, "")
	wantCode(t, err, "invalid")

	check(t, errorOf(api.CreateUser(ctx, apiv1.NewUser{Name: "eve"})))
	check(t, errorOf(api.Assign(ctx, "acme/web", apiv1.Assignment{User: "eve", Role: "view"})))
	_, err = api.Assign(ctx, "acme/web", apiv1.Assignment{User: "eve", Role: "org_owner"})
	wantCode(t, err, "role_not_available_here")
	_, err = api.Assign(ctx, "acme/web", apiv1.Assignment{User: "nobody", Role: "view"})
	wantCode(t, err, "unknown_reference")
	page, err := api.ListAssignments(ctx, "acme/web", apiv1.PageOptions{})
	check(t, err)
	if len(page.Items) != 1 || page.Items[0] != (apiv1.Assignment{User: "eve", Role: "view"}) {
		t.Errorf("got assignments %+v", page.Items)
	}

	g, err := api.CreateGroup(ctx, "acme", apiv1.NewGroup{Name: "designers", GroupSpec: apiv1.GroupSpec{Members: []string{"eve"}}})
	if err == nil && g.Parent != "acme" {
		t.Errorf("got group %+v", g)
	}
	check(t, err)
	check(t, api.AddMember(ctx, "acme", "designers", "alice"))
	check(t, api.RemoveMember(ctx, "acme", "designers", "eve"))
	members, err := api.ListMembers(ctx, "acme", "designers", apiv1.PageOptions{})
	check(t, err)
	if len(members.Items) != 1 || members.Items[0].Name != "alice" {
		t.Errorf("got members %+v", members.Items)
	}

	wantCode(t, api.DeleteOrganization(ctx, "acme"), "not_empty")
	wantCode(t, api.DeleteUser(ctx, "alice"), "last_holder")
	check(t, api.DeleteGroup(ctx, "acme", "designers"))
	check(t, api.DeleteNode(ctx, "acme/web"))
	check(t, api.DeleteOrganization(ctx, org.ID))
	check(t, api.DeleteUser(ctx, u.ID))
	check(t, api.DeleteAudience(ctx, "hub"))
	_, err = api.GetOrganization(ctx, "acme")
	wantCode(t, err, "not_found")
}

func errorOf[T any](_ T, err error) error { return err }

// Of two who decided on the same version, the second is told.
func TestUpdatesOfOldVersionsAreRefused(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	check(t, errorOf(api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{})))
	c, err := api.GetClient(ctx, "release")
	check(t, err)
	same := c
	c.Role = "reader"
	_, err = api.UpdateClient(ctx, "release", c.ClientSpec, c.ETag)
	check(t, err)
	same.Disabled = true
	_, err = api.UpdateClient(ctx, "release", same.ClientSpec, same.ETag)
	if e := wantCode(t, err, "stale"); e.Status != 412 {
		t.Errorf("got status %d, want 412", e.Status)
	}
	if a := b.send("DELETE", "/api/v1/clients/release", "operator", "", "If-Match", `"other"`); a.status != 412 {
		t.Errorf("deleting an old version: got %d %s, want 412", a.status, a.body)
	}
	_, err = api.UpdateClient(ctx, "release", same.ClientSpec, "*")
	check(t, err)
}

// A secret is shown when it is made and never again; rotation overlaps as asked; ten may live.
func TestSecrets(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	made, err := api.CreateClient(ctx, apiv1.NewClient{Name: "ci", ClientSpec: apiv1.ClientSpec{ClientID: "ci", GrantTypes: []string{"client_credentials"}}})
	check(t, err)
	if made.Secret == nil || !strings.HasPrefix(made.Secret.Value, "gate_cs_") {
		t.Fatalf("got %+v, want a generated secret", made)
	}
	verifies := func(value string) bool {
		c, err := b.store.Client(ctx, "ci")
		check(t, err)
		for _, s := range c.Secrets {
			ok, err := b.hasher.Verify(ctx, s.Hash, value)
			check(t, err)
			if ok && (s.ExpiresAt.IsZero() || time.Now().Before(s.ExpiresAt)) {
				return true
			}
		}
		return false
	}
	if !verifies(made.Secret.Value) {
		t.Error("the generated secret does not work")
	}
	hour, now := apiv1.Duration(time.Hour), apiv1.Duration(0)
	second, err := api.RotateSecret(ctx, "ci", apiv1.SecretRotation{Name: "second", ExpireOldAfter: &hour})
	check(t, err)
	if !verifies(made.Secret.Value) || !verifies(second.Value) {
		t.Error("in the overlap both secrets work")
	}
	list, err := api.ListSecrets(ctx, "ci")
	check(t, err)
	if len(list.Items) != 2 || list.Items[0].ExpiresAt.IsZero() || !list.Items[1].ExpiresAt.IsZero() {
		t.Errorf("got secrets %+v, want the old one to end", list.Items)
	}
	_, err = api.RotateSecret(ctx, "ci", apiv1.SecretRotation{Name: "second"})
	wantCode(t, err, "name_taken")
	third, err := api.RotateSecret(ctx, "ci", apiv1.SecretRotation{ExpireOldAfter: &now})
	check(t, err)
	if verifies(made.Secret.Value) || verifies(second.Value) || !verifies(third.Value) {
		t.Error("expire_old_after 0s leaves the new secret only")
	}
	for range 9 {
		check(t, errorOf(api.RotateSecret(ctx, "ci", apiv1.SecretRotation{})))
	}
	_, err = api.RotateSecret(ctx, "ci", apiv1.SecretRotation{})
	wantCode(t, err, "too_many_secrets")
	check(t, api.DeleteSecret(ctx, "ci", third.Name))
	if verifies(third.Value) {
		t.Error("a deleted secret works")
	}
	_, err = api.RotateSecret(ctx, "ci", apiv1.SecretRotation{Value: "imported-with-more-than-32-characters"})
	check(t, err)
	if !verifies("imported-with-more-than-32-characters") {
		t.Error("an imported secret does not work")
	}
	for _, value := range []string{made.Secret.Value, second.Value, third.Value, "imported-with"} {
		for _, path := range []string{"/clients", "/clients/ci", "/clients/ci/secrets", "/export"} {
			if a := b.send("GET", "/api/v1"+path, "operator", ""); strings.Contains(a.body, value) || strings.Contains(a.body, "hmac") {
				t.Errorf("%s shows a secret or its hash: %s", path, a.body)
			}
		}
	}
	if log := b.log.String(); strings.Contains(log, "gate_cs_") {
		t.Errorf("the log has a secret: %s", log)
	}
}

// Whatever takes a right away ends the tokens that carry it before it answers.
func TestTokensEndWithTheirRights(t *testing.T) {
	ctx := t.Context()
	const hub = "https://hub.example/api"
	for name, take := range map[string]func(b *broker, api *apiv1.Client) error{
		"disable": func(b *broker, api *apiv1.Client) error { return errorOf(api.DisableClient(ctx, "release")) },
		"delete":  func(b *broker, api *apiv1.Client) error { return api.DeleteClient(ctx, "release") },
		"lower role": func(b *broker, api *apiv1.Client) error {
			return errorOf(api.Assign(ctx, "acme", apiv1.Assignment{Client: "release", Role: "reader"}))
		},
		"no role": func(b *broker, api *apiv1.Client) error {
			return api.Unassign(ctx, "acme", apiv1.Assignment{Client: "release"})
		},
		"organization": func(b *broker, api *apiv1.Client) error {
			return errorOf(api.UpdateOrganization(ctx, "acme", apiv1.NodeSpec{Disabled: true}, ""))
		},
		"revocation": func(b *broker, api *apiv1.Client) error {
			return errorOf(api.Revoke(ctx, apiv1.NewRevocation{Kind: "client", ID: "release"}))
		},
		"audience": func(b *broker, api *apiv1.Client) error {
			c, err := api.GetClient(ctx, "release")
			c.Audiences = nil
			return errors.Join(err, errorOf(api.UpdateClient(ctx, "release", c.ClientSpec, c.ETag)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			api := b.as("operator")
			check(t, errorOf(api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{})))
			token := b.issue("release")
			if _, err := b.inspector.Access(ctx, token, hub); err != nil {
				t.Fatalf("the token is not good to begin with: %v", err)
			}
			check(t, take(b, api))
			if _, err := b.inspector.Access(ctx, token, hub); iam.CodeOf(err) != "invalid_token" {
				t.Errorf("the token still works: %v", err)
			}
			// Those who verify offline know no more than the marks.
			list, err := api.ListRevocations(ctx, apiv1.PageOptions{})
			check(t, err)
			if len(list.Items) != 1 || list.Items[0].Kind != "client" && list.Items[0].Kind != "organization" || list.Items[0].NotBefore.IsZero() {
				t.Errorf("got marks %+v, want one of the client or its organization", list.Items)
			}
		})
	}
}

// One token can be ended alone.
func TestRevokeToken(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	check(t, errorOf(api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{})))
	one, other := b.issue("release"), b.issue("release")
	got, err := api.Revoke(ctx, apiv1.NewRevocation{Token: one})
	check(t, err)
	if got.Kind != "jti" || got.ID == "" {
		t.Errorf("got %+v", got)
	}
	if _, err := b.inspector.Access(ctx, one, "https://hub.example/api"); iam.CodeOf(err) != "invalid_token" {
		t.Errorf("the token still works: %v", err)
	}
	if _, err := b.inspector.Access(ctx, other, "https://hub.example/api"); err != nil {
		t.Errorf("another token is dead too: %v", err)
	}
	list, err := api.ListRevocations(ctx, apiv1.PageOptions{})
	check(t, err)
	if len(list.Items) != 1 || list.Items[0].ID != got.ID {
		t.Errorf("got revocations %+v", list.Items)
	}
	for _, r := range []apiv1.NewRevocation{
		{}, {Kind: "client"}, {Kind: "client", ID: "nobody"}, {Kind: "key", ID: "k"}, {Kind: "member", ID: "acme"}, {Token: "x"}, {Kind: "jti", ID: "x", Token: one}, {Kind: "jti", ID: "a b"},
	} {
		if _, err := api.Revoke(ctx, r); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
}

// Keys are shown without their private part, and rotated by name of their algorithm.
func TestKeys(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	list, err := api.ListKeys(ctx)
	check(t, err)
	if len(list.Items) != 1 || list.Items[0].State != "active" || list.Items[0].ID == "" {
		t.Errorf("got keys %+v", list.Items)
	}
	list, err = api.RotateKey(ctx, "ES256")
	check(t, err)
	if len(list.Items) != 2 {
		t.Errorf("after a rotation: got keys %+v", list.Items)
	}
	_, err = api.RotateKey(ctx, "none")
	wantCode(t, err, "invalid")
	wantCode(t, api.RemoveKey(ctx, "nothing"), "not_found")
}

// Whoever acts by a client cannot lock himself out with it.
func TestOwnClientStays(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	me, err := api.Whoami(ctx)
	check(t, err)
	if me.ClientID != "operator" || me.PlatformRole != "operator" || me.ExpiresAt.Before(time.Now()) {
		t.Errorf("got %+v", me)
	}
	_, err = api.DisableClient(ctx, "operator")
	wantCode(t, err, "own_client")
	wantCode(t, api.DeleteClient(ctx, "operator"), "own_client")
	c, err := api.GetClient(ctx, "operator")
	check(t, err)
	c.PlatformRole = "auditor"
	_, err = api.UpdateClient(ctx, "operator", c.ClientSpec, c.ETag)
	wantCode(t, err, "own_client")
}

// However owners are demoted at the same time, one stays.
func TestOneOwnerAlwaysStays(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	check(t, errorOf(api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{})))
	for round := range 20 {
		org := "org" + strconv.Itoa(round)
		check(t, errorOf(api.CreateOrganization(ctx, apiv1.NewNode{
			Name: org, NodeSpec: apiv1.NodeSpec{Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: "alice", Role: "owner"}, {User: "bob", Role: "owner"}},
		})))
		var demotions sync.WaitGroup
		refused := make(chan error, 2)
		for _, u := range []string{"alice", "bob"} {
			demotions.Go(func() {
				_, err := api.Assign(ctx, org, apiv1.Assignment{User: u, Role: "writer"})
				refused <- err
			})
		}
		demotions.Wait()
		first, second := <-refused, <-refused
		if (first == nil) == (second == nil) {
			t.Fatalf("round %d: got %v and %v, want one refusal", round, first, second)
		}
		wantCode(t, errors.Join(first, second), "last_holder")
	}
}

// The transport's failures are told from refusals.
func TestUnreachable(t *testing.T) {
	api := &apiv1.Client{BaseURL: "http://127.0.0.1:1", HTTPClient: http.DefaultClient, Token: func(context.Context) (string, error) { return "t", nil }}
	if _, err := api.Whoami(t.Context()); !apiv1.Unreachable(err) {
		t.Errorf("got %v, want it to be unreachable", err)
	}
}
