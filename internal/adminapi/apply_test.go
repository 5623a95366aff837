package adminapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

const acme = `
kind: Audience
metadata: {name: hub}
spec: {identifier: https://hub.example/api, tokenLifetime: 10m, signingAlg: ES256, scopes: [catalog:read, catalog:write], resourceServers: [release]}
---
kind: User
metadata: {name: alice}
spec: {email: alice@example.com, emailVerified: true, password: {value: gravel tumble oat}, claims: {name: Alice Doe, given_name: Alice}}
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

// All faults of all documents come in one answer, by document and field, and nothing is written.
func TestApplyFindsEveryFaultFirst(t *testing.T) {
	b := start(t)
	docs := documents(t, acme+`---
kind: Audience
metadata: {name: bad}
spec: {identifier: not-a-uri, tokenLifetime: 25h, signingAlg: HS256}
---
kind: Organization
metadata: {name: ownerless}
spec: {model: floxhub, assignments: [{user: bob, role: writer}]}
---
kind: Organization
metadata: {name: lost}
spec: {model: no-such-model}
---
kind: Client
metadata: {name: strange, organization: acme}
spec: {role: owner, grantTypes: [password], audiences: [nowhere]}
---
kind: Client
metadata: {name: public}
spec: {grantTypes: [client_credentials], tokenEndpointAuthMethod: none, redirectUris: ["javascript:alert(1)"]}
---
kind: Group
metadata: {name: g, parent: nowhere}
---
kind: Node
metadata: {name: web, parent: acme}
spec: {level: project}
`)
	e := wantCode(t, errorOf(b.as("operator").Apply(t.Context(), docs, apiv1.ApplyOptions{})), "invalid_documents")
	var got []string
	for _, f := range e.Errors {
		got = append(got, f.Path)
	}
	for _, want := range []string{
		"Audience bad spec.identifier", "Audience bad spec.tokenLifetime", "Audience bad spec.signingAlg", "Organization ownerless",
		"Organization lost spec.model", "Client acme/strange spec.grantTypes[0]", "Client public spec.tokenEndpointAuthMethod",
		"Client public spec.redirectUris[0]", "Group nowhere/g metadata.parent", "Node acme/web",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no fault %q among %q", want, got)
		}
	}
	docs, err := b.as("operator").Export(t.Context())
	check(t, err)
	if len(docs) != 3 {
		t.Errorf("a refused apply left %d documents, want the three clients of before", len(docs))
	}
}

// A change is named by its fields, and no answer shows a secret.
func TestPlansNameFieldsAndHideSecrets(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	check(t, errorOf(api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{})))
	after := strings.NewReplacer("role: writer\n", "role: reader\n", "short-canary", "other-canary", "gravel tumble oat", "battery fjord lamp",
		"Acme Inc", "ACME", "tokenLifetime: 10m", "tokenLifetime: 20m").Replace(acme)
	plan, err := api.Apply(ctx, documents(t, after), apiv1.ApplyOptions{DryRun: true})
	check(t, err)
	want := []apiv1.Change{
		{Action: "change", Kind: "Audience", Name: "hub", Fields: []string{"token_lifetime"}},
		{Action: "change", Kind: "User", Name: "alice", Fields: []string{"password"}},
		{Action: "change", Kind: "Organization", Name: "acme", Fields: []string{"display_name"}},
		{Action: "change", Kind: "Client", Name: "acme/release", Fields: []string{"role", "secrets[spare]"}},
	}
	if d := cmp.Diff(want, plan.Changes); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
	if p, err := api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{}); err != nil || len(p.Changes) != 0 {
		t.Errorf("a dry run changed something: %+v, %v", p, err)
	}
	check(t, errorOf(api.Apply(ctx, documents(t, after), apiv1.ApplyOptions{})))
	for _, path := range []string{"/export", "/clients", "/clients/release", "/users/alice", "/organizations/acme/clients"} {
		a := b.send("GET", "/api/v1"+path, "operator", "")
		for _, canary := range []string{"canary", "horse", "staple", "argon2", "hmac"} {
			if strings.Contains(a.body, canary) {
				t.Errorf("%s shows %s: %s", path, canary, a.body)
			}
		}
	}
	if log := b.log.String(); strings.Contains(log, "canary") || strings.Contains(log, "staple") {
		t.Errorf("the log has a secret: %s", log)
	}
}

// Prune ends what no document names, in lists and as a whole; without it nothing ends.
func TestPrune(t *testing.T) {
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	check(t, errorOf(api.Apply(ctx, documents(t, acme), apiv1.ApplyOptions{})))
	const less = `
kind: User
metadata: {name: alice}
---
kind: Organization
metadata: {name: acme}
spec: {displayName: Acme Inc, model: floxhub, assignments: [{user: alice, role: owner}]}
---
kind: Client
metadata: {name: release, organization: acme}
spec: {clientId: release, role: writer, secrets: [{name: ci, value: canary-secret-of-the-release-client}]}
`
	plan, err := api.Apply(ctx, documents(t, less), apiv1.ApplyOptions{})
	check(t, err)
	for _, c := range plan.Changes {
		if c.Action == apiv1.ActionDelete || slices.Contains(c.Fields, "assignments") {
			t.Errorf("without prune: %+v", c)
		}
	}
	check(t, errorOf(api.Apply(ctx, documents(t, less), apiv1.ApplyOptions{Prune: true})))
	docs, err := api.Export(ctx)
	check(t, err)
	var names []string
	for i := range docs {
		names = append(names, docs[i].String())
	}
	if got, want := strings.Join(names, ", "), "User alice, Organization acme, Client acme/release, Client operator"; got != want {
		t.Errorf("after prune there is %s, want %s", got, want)
	}
	page, err := api.ListAssignments(ctx, "acme", apiv1.PageOptions{})
	check(t, err)
	if d := cmp.Diff([]apiv1.Assignment{{Client: "release", Role: "writer"}, {User: "alice", Role: "owner"}}, page.Items); d != "" {
		t.Errorf("assignments (-want +got):\n%s", d)
	}
	secrets, err := api.ListSecrets(ctx, "release")
	check(t, err)
	if len(secrets.Items) != 1 || secrets.Items[0].Name != "ci" {
		t.Errorf("got secrets %+v", secrets.Items)
	}
}

// Wherever an apply is interrupted, every invariant holds, and the same command finishes it.
func TestInterruptedApplyIsFinished(t *testing.T) {
	ctx := t.Context()
	// The second state takes rights away: owners swap, a client loses its role, an organization goes.
	acme := strings.NewReplacer("password: {value: gravel tumble oat}, ", "", ", {name: spare, value: short-canary}", "").Replace(acme) // slow hashes
	swapped := strings.NewReplacer("{user: bob, role: writer}, {user: alice, role: owner}", "{user: alice, role: reader}, {user: bob, role: owner}",
		"role: writer\n", "role: reader\n").Replace(acme)
	const beta = `---
kind: Organization
metadata: {name: beta}
spec: {model: floxhub, assignments: [{user: alice, role: owner}, {user: bob, role: reader}]}
`
	for crash := int64(0); ; crash++ {
		b := start(t)
		api := b.as("operator")
		check(t, errorOf(api.Apply(ctx, documents(t, acme+beta), apiv1.ApplyOptions{})))
		token := b.issue("release")
		b.engine.left.Store(crash)
		err := errorOf(api.Apply(ctx, documents(t, swapped), apiv1.ApplyOptions{Prune: true}))
		b.engine.left.Store(-1)
		if err == nil {
			if crash < 10 {
				t.Fatalf("only %d transactions were interrupted", crash)
			}
			return
		}
		wantCode(t, err, "internal")
		check(t, b.oneOwner("acme"))
		check(t, errorOf(api.Apply(ctx, documents(t, swapped), apiv1.ApplyOptions{Prune: true})))
		plan, err := api.Apply(ctx, documents(t, swapped), apiv1.ApplyOptions{Prune: true})
		check(t, err)
		if len(plan.Changes) != 0 {
			t.Errorf("crash %d: after the second apply the plan is %+v", crash, plan.Changes)
		}
		if _, err := b.inspector.Access(ctx, token, "https://hub.example/api"); iam.CodeOf(err) != "invalid_token" {
			t.Errorf("crash %d: a token with the old role still works (%v)", crash, err)
		}
		if refs, err := b.store.Owed(ctx); err != nil || len(refs) > 0 {
			t.Errorf("crash %d: revocations are still owed: %v %v", crash, refs, err)
		}
	}
}

// oneOwner says what is wrong if an organization has nobody to open it.
func (b *broker) oneOwner(org string) error {
	page, err := b.as("operator").ListAssignments(context.Background(), org, apiv1.PageOptions{})
	for _, a := range page.Items {
		if a.Role == "owner" {
			return err
		}
	}
	return errors.Join(err, fmt.Errorf("%s has no owner: %+v", org, page.Items))
}

// Documents beyond what a body may hold go in parts, which may refer to each other; the plan is that of the whole.
func TestLargeApply(t *testing.T) {
	if testing.Short() {
		t.Log("thousands of documents")
	}
	ctx := t.Context()
	b := start(t)
	api := b.as("operator")
	var yaml strings.Builder
	filler := strings.Repeat("x", 900)
	const people = 700
	for i := range people {
		fmt.Fprintf(&yaml, "kind: User\nmetadata: {name: user%d}\nspec: {claims: {profile: %s}}\n---\n", i, filler)
	}
	for i := range 3 {
		fmt.Fprintf(&yaml, `kind: Organization
metadata: {name: org%d}
spec: {model: flowx, assignments: [{user: user%d, role: org_admin}]}
---
kind: Node
metadata: {name: sales, parent: org%d}
spec: {level: workspace, assignments: [{group: team, role: workspace_user}, {user: user%d, role: theme_editor}]}
---
kind: Group
metadata: {name: team, parent: org%d/sales}
spec: {members: [user1, user2, user%d]}
---
`, i, i, i, people-1-i, i, people-1)
	}
	for i := range 500 {
		fmt.Fprintf(&yaml, "kind: Client\nmetadata: {name: c%d, organization: org%d}\nspec: {clientId: c%d, role: SA_FLOWX, scopes: [%s]}\n---\n", i, i%3, i, filler[:120])
	}
	docs := documents(t, yaml.String())
	plan, err := api.Apply(ctx, docs, apiv1.ApplyOptions{Prune: true})
	check(t, err)
	created := 0
	for _, c := range plan.Changes {
		if c.Action == apiv1.ActionCreate {
			created++
		}
	}
	if created != len(docs) {
		t.Errorf("got %d creations for %d documents", created, len(docs))
	}
	plan, err = api.Apply(ctx, docs, apiv1.ApplyOptions{Prune: true})
	check(t, err)
	if len(plan.Changes) != 0 {
		t.Errorf("second apply: got %d changes, first %+v", len(plan.Changes), plan.Changes[0])
	}
	page, err := api.ListAssignments(ctx, "org1/sales", apiv1.PageOptions{})
	check(t, err)
	if d := cmp.Diff([]apiv1.Assignment{{Group: "team", Role: "workspace_user"}, {User: "user698", Role: "theme_editor"}}, page.Items); d != "" {
		t.Errorf("assignments (-want +got):\n%s", d)
	}
	exported, err := api.Export(ctx)
	check(t, err)
	if len(exported) != len(docs)+1 {
		t.Errorf("exported %d documents, want %d and the operator", len(exported), len(docs))
	}
	plan, err = api.Apply(ctx, exported, apiv1.ApplyOptions{Prune: true})
	check(t, err)
	if len(plan.Changes) != 0 {
		t.Errorf("applying the export: got %d changes, first %+v", len(plan.Changes), plan.Changes[0])
	}
}

// Any set of documents that is accepted is then true: the plan is empty, that of its export is empty, and pruned to it, only it
// is left.
func TestAppliedDocumentsAreTrue(t *testing.T) {
	b := start(t)
	api := b.as("operator")
	world, accepted := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		world++ // names of its own: ends of the same person's tokens are a second apart
		for range 2 {
			docs := drawDocuments(t, strconv.Itoa(world))
			_, err := api.Apply(context.Background(), docs, apiv1.ApplyOptions{Prune: true})
			var e *apiv1.Error
			if errors.As(err, &e) && e.Status < 500 {
				continue // a state that cannot be, or cannot be reached from the last one
			}
			if err != nil {
				t.Fatalf("apply: %v", err)
			}
			accepted++
			wantTrue(t, api, docs)
		}
	})
	if accepted < 20 {
		t.Errorf("only %d sets of documents were accepted", accepted)
	}
}

// wantTrue checks that documents, which were just applied and pruned to, say what is.
func wantTrue(t *rapid.T, api *apiv1.Client, docs []apiv1.Document) {
	ctx := context.Background()
	for _, o := range []apiv1.ApplyOptions{{}, {Prune: true}, {DryRun: true, Prune: true}} {
		plan, err := api.Apply(ctx, docs, o)
		if err != nil || len(plan.Changes) != 0 {
			t.Fatalf("applied again with %+v: got %+v, %v", o, plan.Changes, err)
		}
	}
	exported, err := api.Export(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := api.Apply(ctx, exported, apiv1.ApplyOptions{Prune: true}); err != nil || len(plan.Changes) != 0 {
		t.Fatalf("the export applied: got %+v, %v", plan.Changes, err)
	}
	if len(exported) != len(docs)+1 {
		t.Fatalf("exported %d documents of %d and the operator", len(exported), len(docs))
	}
}

func drawDocuments(t *rapid.T, suffix string) []apiv1.Document {
	var docs []apiv1.Document
	add := func(kind string, m apiv1.Metadata, spec apiv1.Spec) {
		docs = append(docs, apiv1.Document{Kind: kind, Metadata: m, Spec: spec})
	}
	people := []string{"ann" + suffix, "ben" + suffix, "cy" + suffix}
	for _, name := range people {
		add(apiv1.KindUser, apiv1.Metadata{Name: name}, &apiv1.UserSpec{
			Disabled: rapid.Bool().Draw(t, name+" disabled"), Email: rapid.SampledFrom([]string{"", name + "@example.com"}).Draw(t, name+" email"),
		})
	}
	if rapid.Bool().Draw(t, "audience") {
		add(apiv1.KindAudience, apiv1.Metadata{Name: "hub"}, &apiv1.AudienceSpec{
			Identifier: "https://hub.example/api", Scopes: rapid.SampledFrom([][]string{nil, {"a"}, {"a", "b"}}).Draw(t, "scopes"),
		})
	}
	assignments := func(what string, roles ...string) []apiv1.Assignment {
		list := []apiv1.Assignment{}
		for _, u := range people {
			if role := rapid.SampledFrom(append(roles, "")).Draw(t, what+" role of "+u); role != "" {
				list = append(list, apiv1.Assignment{User: u, Role: role})
			}
		}
		return list
	}
	for _, org := range []string{"acme" + suffix, "beta" + suffix} {
		if !rapid.Bool().Draw(t, org) {
			continue
		}
		add(apiv1.KindOrganization, apiv1.Metadata{Name: org}, &apiv1.NodeDoc{
			NodeSpec:    apiv1.NodeSpec{Model: "flux", DisplayName: rapid.SampledFrom([]string{"", "x"}).Draw(t, org+" display name")},
			Assignments: assignments(org, "org_owner", "org_owner", "org_member"),
		})
		if rapid.Bool().Draw(t, org+" project") {
			add(apiv1.KindNode, apiv1.Metadata{Name: "web", Parent: org}, &apiv1.NodeDoc{
				NodeSpec: apiv1.NodeSpec{
					Level: "project", Disabled: rapid.Bool().Draw(t, "disabled"),
					Settings: rapid.SampledFrom([]map[string]string{nil, {"visibility": "public"}, {"member_role": "none"}}).Draw(t, "settings"),
				},
				Assignments: assignments(org+" web", "edit", "view", "none"),
			})
		}
		if rapid.Bool().Draw(t, org+" group") {
			add(apiv1.KindGroup, apiv1.Metadata{Name: "team", Parent: org}, &apiv1.GroupSpec{
				Members: rapid.SampledFrom([][]string{{}, people[:1], people[1:]}).Draw(t, "members"),
			})
		}
		if rapid.Bool().Draw(t, org+" client") {
			add(apiv1.KindClient, apiv1.Metadata{Name: "ci", Organization: org}, &apiv1.ClientSpec{
				ClientID: "ci-" + org, Disabled: rapid.Bool().Draw(t, "client disabled"),
				Secrets: []apiv1.SecretSpec{{Name: "s", SecretRef: apiv1.SecretRef{Value: rapid.SampledFrom([]string{strings.Repeat("a", 40), strings.Repeat("b", 40)}).Draw(t, "secret")}}},
			})
		}
	}
	return docs
}
