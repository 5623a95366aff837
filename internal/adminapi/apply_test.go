package adminapi_test

import (
	"context"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

const acme = `
kind: Audience
metadata: {name: hub}
spec: {identifier: https://hub.example/api, tokenLifetime: 10m, signingAlg: ES256, scopes: [catalog:read, catalog:write], resourceServers: [release]}
---
kind: User
metadata: {name: alice}
spec: {email: alice@example.com, emailVerified: true, password: {value: correct horse}, claims: {name: Alice Doe, given_name: Alice}}
---
kind: User
metadata: {name: bob}
---
kind: Organization
metadata: {name: acme}
spec:
  displayName: Acme Inc
  model: floxhub
  assignments: [{user: bob, role: writer}, {user: alice, role: owner}, {login: {connector: github, name: carol}, role: reader}]
---
kind: Client
metadata: {name: release, organization: acme}
spec:
  clientId: release
  role: writer
  audiences: [hub]
  secrets: [{name: ci, value: canary-secret-of-the-release-client}, {name: spare, value: short-canary}]
---
kind: Client
metadata: {name: nightly, organization: acme}
spec: {clientId: nightly, audiences: [hub]}
---
kind: Client
metadata: {name: web-app}
spec: {clientId: web-app, grantTypes: [authorization_code, refresh_token], redirectUris: ["http://127.0.0.1:5556/callback"], scopes: [openid], requirePkce: false, consent: implicit, secrets: [{name: s, value: canary-secret-of-the-web-application}]}
`

// What was applied once is there, and applying it again changes nothing.
func TestApplyIsIdempotent(t *testing.T) {
	ctx := context.Background()
	b := start(t)
	api := b.as("operator")
	plan, err := api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{})
	check(t, err)
	if len(plan.Changes) != 7 {
		t.Errorf("got plan %+v, want 7 creations", plan.Changes)
	}
	plan, err = api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{Prune: true, DryRun: true})
	check(t, err)
	for _, c := range plan.Changes {
		if c.Action != apiv1.ActionDelete || c.Kind != apiv1.KindClient || (c.Name != "auditor" && c.Name != "stranger") {
			t.Errorf("pruning what was applied would %+v", c)
		}
	}
	plan, err = api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{})
	check(t, err)
	if len(plan.Changes) != 0 {
		t.Errorf("second apply: got plan %+v, want an empty one", plan.Changes)
	}
	c, err := api.GetClient(ctx, "nightly")
	check(t, err)
	if c.Role != "reader" {
		t.Errorf("a client without a role got %q, want the role for those who join", c.Role)
	}
	docs, err := api.Export(ctx)
	check(t, err)
	plan, err = api.Apply(ctx, docs, apiv1.ApplyOptions{Prune: true})
	check(t, err)
	if len(plan.Changes) != 0 {
		t.Errorf("applying an export: got plan %+v, want an empty one", plan.Changes)
	}
}
