package adminapi_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// two organizations that share nothing but the installation, and one whose clients live at its projects.
const neighbours = `
kind: Audience
metadata: {name: hub}
spec: {identifier: https://hub.example/api, tokenLifetime: 10m, scopes: [read], resourceServers: [engine]}
---
{kind: User, metadata: {name: alice}}
---
{kind: User, metadata: {name: anna}}
---
{kind: User, metadata: {name: bob}}
---
{kind: User, metadata: {name: dan}}
---
{kind: User, metadata: {name: zed}}
---
{kind: User, metadata: {name: eddy}}
---
{kind: User, metadata: {name: root}}
---
{kind: Organization, metadata: {name: acme}, spec: {model: floxhub, assignments: [{user: alice, role: owner}, {user: anna, role: owner}, {user: bob, role: writer}]}}
---
{kind: Organization, metadata: {name: beta}, spec: {model: floxhub, assignments: [{user: dan, role: owner}]}}
---
{kind: Node, metadata: {name: depot}, spec: {level: deployment, model: flakiness, assignments: [{user: root, role: superadmin}]}}
---
{kind: Organization, metadata: {name: tests, parent: depot}}
---
{kind: Node, metadata: {name: web, parent: tests}, spec: {level: project, assignments: [{user: eddy, role: editor}]}}
---
{kind: Node, metadata: {name: lib, parent: tests}, spec: {level: project}}
---
{kind: Client, metadata: {name: release, organization: acme}, spec: {clientId: release, role: writer, audiences: [hub, "http://127.0.0.1:8080/api/v1"], secrets: [{name: ci, value: a-secret-of-the-release-client-of-acme}]}}
---
{kind: Client, metadata: {name: engine, organization: beta}, spec: {clientId: engine, audiences: [hub], secrets: [{name: ci, value: a-secret-of-the-engine-client-of-beta}]}}
`

func startNeighbours(t *testing.T) *broker {
	b := start(t)
	check(t, errorOf(b.as("operator").Apply(t.Context(), documents(t, neighbours), apiv1.ApplyOptions{})))
	return b
}

// sameRefusal fails unless two answers are one to whoever reads them.
func sameRefusal(t *testing.T, what string, got, absent answer, names ...string) {
	t.Helper()
	plain := func(a answer) string {
		var p map[string]any
		check(t, json.Unmarshal([]byte(a.body), &p))
		delete(p, "request_id")
		out, err := json.Marshal(p)
		check(t, err)
		s := string(out)
		for _, n := range names {
			s = strings.ReplaceAll(s, n, "NAME")
		}
		return s
	}
	if got.status != absent.status || plain(got) != plain(absent) {
		t.Errorf("%s: got %d %s, and of what does not exist %d %s", what, got.status, got.body, absent.status, absent.body)
	}
}

// Owners run their organization's clients; its other members may know and not do, and to all others there is nothing (scenarios
// 41, 42).
func TestOwnersManageTheirClients(t *testing.T) {
	b := startNeighbours(t)
	const all = "/api/v1/organizations/acme/clients"
	for _, c := range []struct {
		by           string
		list, change int
	}{
		{b.person("alice", ""), 200, 201},
		{b.person("anna", "acme"), 200, 201},
		{b.person("bob", ""), 403, 403},
		{b.person("dan", ""), 404, 404},
		{b.person("zed", ""), 404, 404},
		{b.person("alice", "beta"), 404, 404}, // her token speaks for another organization
		{"release", 403, 403},
		{"stranger", 404, 404},
		{"operator", 200, 201},
		{"auditor", 200, 403},
	} {
		if a := b.send("GET", all, c.by, ""); a.status != c.list {
			t.Errorf("%s lists: got %d %s, want %d", c.by, a.status, a.body, c.list)
		}
		if a := b.send("POST", all, c.by, `{"name":"of-`+strings.ReplaceAll(c.by, "@", "-")+`"}`); a.status != c.change {
			t.Errorf("%s makes: got %d %s, want %d", c.by, a.status, a.body, c.change)
		}
		if a := b.send("GET", "/api/v1/clients/release/secrets", c.by, ""); a.status != c.list {
			t.Errorf("%s lists secrets: got %d %s, want %d", c.by, a.status, a.body, c.list)
		}
	}
	alice := b.as(b.person("alice", ""))
	made, err := alice.CreateClient(t.Context(), apiv1.NewClient{Name: "nightly", Organization: "acme"})
	check(t, err)
	if made.Role != "reader" || made.Secret == nil || !strings.HasPrefix(made.Secret.Value, "gate_cs_") || !strings.HasPrefix(made.ClientID, "c_") {
		t.Errorf("got %+v, want a reader with a generated id and secret", made)
	}
	// What others know of it: nothing, in the very words for what is not there.
	for _, path := range []string{"", "/secrets"} {
		sameRefusal(t, "GET"+path, b.send("GET", "/api/v1/clients/engine"+path, b.person("alice", ""), ""),
			b.send("GET", "/api/v1/clients/nobody"+path, b.person("alice", ""), ""), "engine", "nobody")
	}
	for _, verb := range []string{"disable", "enable", "secrets"} {
		sameRefusal(t, verb, b.send("POST", "/api/v1/clients/engine/"+verb, b.person("alice", ""), "{}"),
			b.send("POST", "/api/v1/clients/nobody/"+verb, b.person("alice", ""), "{}"), "engine", "nobody")
	}
	sameRefusal(t, "DELETE", b.send("DELETE", "/api/v1/clients/engine", b.person("alice", ""), ""), b.send("DELETE", "/api/v1/clients/nobody", b.person("alice", ""), ""), "engine", "nobody")
	sameRefusal(t, "a platform client", b.send("GET", "/api/v1/clients/operator", b.person("alice", ""), ""), b.send("GET", "/api/v1/clients/nobody", b.person("alice", ""), ""), "operator", "nobody")
	sameRefusal(t, "a foreign client in a body", b.send("POST", "/api/v1/clients", b.person("alice", ""), `{"name":"x","organization":"beta"}`),
		b.send("POST", "/api/v1/clients", b.person("alice", ""), `{"name":"x","organization":"gone"}`), "beta", "gone")
	sameRefusal(t, "a foreign node in a body", b.send("POST", all, b.person("alice", ""), `{"name":"x","assignments":[{"node":"beta","role":"reader"}]}`),
		b.send("POST", all, b.person("alice", ""), `{"name":"x","assignments":[{"node":"gone","role":"reader"}]}`), "beta", "gone")
}

// A client works on, with its role, when who made it has left (scenario 38).
func TestClientsOutliveTheirMakers(t *testing.T) {
	b := startNeighbours(t)
	made, err := b.as(b.person("anna", "acme")).CreateClient(t.Context(), apiv1.NewClient{
		Name: "nightly", Organization: "acme", ClientSpec: apiv1.ClientSpec{Role: "writer", Audiences: []string{"hub"}},
	})
	check(t, err)
	check(t, b.as("operator").Unassign(t.Context(), "acme", apiv1.Assignment{User: "anna"}))
	check(t, b.as("operator").DeleteUser(t.Context(), "anna"))
	claims, err := b.inspector.Access(t.Context(), b.issue(made.ClientID), "https://hub.example/api")
	check(t, err)
	if len(claims.Roles) != 1 || claims.Roles[0] != "writer" {
		t.Errorf("got roles %v, want writer", claims.Roles)
	}
}

// An owner sets what concerns the organization. What reaches beyond it is an operator's: the refusal names the field, nothing is
// stored, and what an operator has set stays under the owner's changes.
func TestOwnersSetWhatIsTheirs(t *testing.T) {
	b := startNeighbours(t)
	ctx, by := t.Context(), b.person("alice", "")
	for field, body := range map[string]string{
		"client_id":                    `"client_id":"chosen"`,
		"platform_role":                `"platform_role":"operator"`,
		"redirect_uris":                `"redirect_uris":["https://a.example/cb"]`,
		"post_logout_redirect_uris":    `"post_logout_redirect_uris":["https://a.example/out"]`,
		"backchannel_logout_uri":       `"backchannel_logout_uri":"https://a.example/out"`,
		"allowed_origins":              `"allowed_origins":["https://a.example"]`,
		"application_type":             `"application_type":"native"`,
		"id_token_signed_response_alg": `"id_token_signed_response_alg":"ES256"`,
		"require_pkce":                 `"require_pkce":false`,
		"consent":                      `"consent":"implicit"`,
		"organization_choice":          `"organization_choice":"required"`,
		"organization_switch":          `"organization_switch":true`,
		"secrets[0].value":             `"secrets":[{"name":"a","value":"thirty-one-characters-are-short"}]`,
	} {
		a := b.send("POST", "/api/v1/organizations/acme/clients", by, `{"name":"mine",`+body+`}`)
		if a.status != 403 || a.code() != "operator_only" || !strings.Contains(a.body, `"path":"`+field+`"`) {
			t.Errorf("%s: got %d %s, want operator_only for that field", field, a.status, a.body)
		}
	}
	for what, c := range map[string]struct{ body, code string }{
		"a role that no client may hold": {`"role":"owner"`, "holder_not_allowed"},
		"an unknown role":                {`"role":"king"`, "role_not_available_here"},
		"an unknown audience":            {`"audiences":["https://other.example"]`, "unknown_reference"},
		"a grant that signs people in":   {`"grant_types":["authorization_code"]`, "invalid"},
	} {
		if a := b.send("POST", "/api/v1/organizations/acme/clients", by, `{"name":"mine",`+c.body+`}`); a.code() != c.code {
			t.Errorf("%s: got %d %s, want %s", what, a.status, a.body, c.code)
		}
	}
	list, err := b.as(by).ListClients(ctx, "acme", apiv1.PageOptions{})
	check(t, err)
	if len(list.Items) != 1 {
		t.Fatalf("got %+v: a refused client was made", list.Items)
	}
	if a := b.send("POST", "/api/v1/clients/release/secrets", by, `{"value":"short"}`); a.code() != "operator_only" || !strings.Contains(a.body, `"path":"value"`) {
		t.Errorf("a short secret: got %d %s", a.status, a.body)
	}
	if a := b.send("POST", "/api/v1/clients/release/secrets", by, `{"value":"a-secret-of-thirty-two-characters"}`); a.status != 201 {
		t.Errorf("a long secret: got %d %s", a.status, a.body)
	}

	// A name is taken once in an organization, and free in every other.
	for org, status := range map[string]int{"acme": 409, "beta": 201} {
		who := map[string]string{"acme": by, "beta": b.person("dan", "beta")}[org]
		if a := b.send("POST", "/api/v1/organizations/"+org+"/clients", who, `{"name":"release"}`); a.status != status {
			t.Errorf("release in %s: got %d %s, want %d", org, a.status, a.body, status)
		}
	}

	operator := b.as("operator")
	c, err := operator.GetClient(ctx, "release")
	check(t, err)
	c.AllowedOrigins = []string{"https://a.example"}
	_, err = operator.UpdateClient(ctx, "release", c.ClientSpec, c.ETag)
	check(t, err)
	mine, err := b.as(by).GetClient(ctx, "release")
	check(t, err)
	stale := mine.ETag
	mine.Scopes = []string{"read"}
	mine, err = b.as(by).UpdateClient(ctx, "release", mine.ClientSpec, mine.ETag)
	check(t, err)
	if len(mine.AllowedOrigins) != 1 || len(mine.Scopes) != 1 {
		t.Errorf("got %+v, want the operator's origins and the owner's scopes", mine)
	}
	_, err = b.as(by).UpdateClient(ctx, "release", mine.ClientSpec, stale)
	wantCode(t, err, "stale")
	mine.AllowedOrigins = nil
	_, err = b.as(by).UpdateClient(ctx, "release", mine.ClientSpec, "")
	wantCode(t, err, "operator_only")
}

// A machine client reads itself, and changes nothing of itself.
func TestMachinesReadThemselves(t *testing.T) {
	b := startNeighbours(t)
	if a := b.send("GET", "/api/v1/clients/release", "release", ""); a.status != 200 || !strings.Contains(a.body, `"role":"writer"`) || strings.Contains(a.body, "secret\"") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/api/v1/clients/release/secrets", "{}"},
		{"GET", "/api/v1/clients/release/secrets", ""},
		{"PUT", "/api/v1/clients/release", "{}"},
		{"POST", "/api/v1/clients/release/disable", ""},
		{"DELETE", "/api/v1/clients/release", ""},
		{"DELETE", "/api/v1/clients/stranger", ""},
	} {
		by := "release"
		if strings.HasSuffix(c.path, "stranger") {
			by = "stranger"
		}
		if a := b.send(c.method, c.path, by, c.body); a.status != 403 {
			t.Errorf("%s %s of itself: got %d %s, want 403", c.method, c.path, a.status, a.body)
		}
	}
	if a := b.send("GET", "/api/v1/clients/engine", "release", ""); a.status != 404 {
		t.Errorf("another's client: got %d %s", a.status, a.body)
	}
}

// Where clients live at projects, whoever manages the tokens of a project manages its clients, and no other's (scenarios 96, 98).
func TestClientsLiveWhereTheModelSays(t *testing.T) {
	b := startNeighbours(t)
	eddy := b.person("eddy", "")
	a := b.send("POST", "/api/v1/nodes/tests:web/clients", eddy, `{"name":"gh-web","audiences":["hub"]}`)
	if a.status != 201 || !strings.Contains(a.body, `"organization":"tests/web"`) {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if a := b.send("GET", "/api/v1/nodes/tests:web/clients", eddy, ""); a.status != 200 || !strings.Contains(a.body, "gh-web") {
		t.Errorf("the clients of his project: got %d %s", a.status, a.body)
	}
	if a := b.send("POST", "/api/v1/nodes/tests:lib/clients", eddy, `{"name":"gh-lib"}`); a.status != 404 {
		t.Errorf("another project: got %d %s", a.status, a.body)
	}
	if a := b.send("POST", "/api/v1/nodes/tests/clients", eddy, `{"name":"gh"}`); a.status != 404 && a.status != 403 {
		t.Errorf("the organization: got %d %s", a.status, a.body)
	}
	if a := b.send("GET", "/api/v1/clients", eddy, ""); a.status != 200 || !strings.Contains(a.body, "gh-web") || strings.Contains(a.body, "release") {
		t.Errorf("his clients: got %d %s", a.status, a.body)
	}
}

// The list of one's clients comes in parts, whole and once, and has nothing of others.
func TestOwnClientsInParts(t *testing.T) {
	b := startNeighbours(t)
	ctx, operator := t.Context(), b.as("operator")
	check(t, errorOf(operator.Assign(ctx, "beta", apiv1.Assignment{User: "alice", Role: "owner"})))
	alice := b.as(b.person("alice", ""))
	for _, name := range []string{"a", "b", "c"} {
		for _, org := range []string{"acme", "beta"} {
			check(t, errorOf(alice.CreateClient(ctx, apiv1.NewClient{Name: name, Organization: org})))
		}
	}
	for size := 1; size <= 9; size++ {
		got := map[string]int{}
		for c, err := range apiv1.All(ctx, func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.OAuthClient], error) {
			o.PageSize = size
			return alice.ListClients(ctx, "", o)
		}) {
			check(t, err)
			got[c.Organization+"/"+c.Name]++
		}
		if len(got) != 8 || got["acme/release"] != 1 || got["beta/engine"] != 1 {
			t.Errorf("in parts of %d: got %v", size, got)
		}
	}
	list, err := b.as(b.person("alice", "beta")).ListClients(ctx, "", apiv1.PageOptions{})
	check(t, err)
	if len(list.Items) != 4 {
		t.Errorf("a token for beta: got %+v", list.Items)
	}
	list, err = b.as(b.person("bob", "")).ListClients(ctx, "", apiv1.PageOptions{})
	check(t, err)
	if len(list.Items) != 0 {
		t.Errorf("a writer: got %+v", list.Items)
	}
}

// Everybody sees what a client has to ask for, and nobody but platform roles who serves it.
func TestAudiencesAreKnown(t *testing.T) {
	b := startNeighbours(t)
	a := b.send("GET", "/api/v1/audiences", b.person("zed", ""), "")
	if a.status != 200 || strings.TrimSpace(a.body) != `{"items":[{"name":"hub","identifier":"https://hub.example/api","scopes":["read"]}]}` {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := b.send("GET", "/api/v1/audiences/hub", b.person("alice", ""), ""); a.status != 403 {
		t.Errorf("one audience by an owner: got %d %s", a.status, a.body)
	}
	if a := b.send("GET", "/api/v1/audiences", "auditor", ""); !strings.Contains(a.body, `"resource_servers":["engine"]`) {
		t.Errorf("an auditor: got %d %s", a.status, a.body)
	}
}

// Who ends a client ends all that it holds, wherever an operator has put it.
func TestOwnersEndClientsWhole(t *testing.T) {
	b := startNeighbours(t)
	ctx := t.Context()
	check(t, errorOf(b.as("operator").Assign(ctx, "beta", apiv1.Assignment{Client: "release", Role: "reader"})))
	alice := b.as(b.person("alice", "acme"))
	c, err := alice.GetClient(ctx, "release")
	check(t, err)
	if len(c.Assignments) != 0 {
		t.Errorf("got %+v: what it holds in another organization is not hers to know", c.Assignments)
	}
	check(t, alice.DeleteClient(ctx, "release"))
	list, err := b.as("operator").ListAssignments(ctx, "beta", apiv1.PageOptions{})
	check(t, err)
	for _, a := range list.Items {
		if a.Client == "release" {
			t.Errorf("got %+v of a client that is gone", a)
		}
	}
}

// The token of a project's client speaks for the project's organization: with it the API shows that organization and nothing of others.
func TestClientOfAProjectSeesItsOrganizationAlone(t *testing.T) {
	b := startNeighbours(t)
	check(t, errorOf(b.as("operator").CreateClient(t.Context(), apiv1.NewClient{Name: "gh", Organization: "tests/web", ClientSpec: apiv1.ClientSpec{
		ClientID: "gh", Role: "uploader", Audiences: []string{"http://127.0.0.1:8080/api/v1"},
		Assignments: []apiv1.ClientAssignment{{Node: "acme", Role: "writer"}},
	}})))
	if a := b.send("GET", "/api/v1/nodes/tests:web", "gh", ""); a.status != 200 {
		t.Errorf("its project: got %d %s", a.status, a.body)
	}
	none := b.send("GET", "/api/v1/nodes/tests:nothing", "gh", "")
	sameRefusal(t, "a project that it holds nothing at", b.send("GET", "/api/v1/nodes/tests:lib", "gh", ""), none, "tests:lib", "tests/lib", "tests:nothing", "tests/nothing")
	sameRefusal(t, "an organization that its token does not speak for", b.send("GET", "/api/v1/nodes/acme", "gh", ""), b.send("GET", "/api/v1/nodes/nowhere", "gh", ""), "acme", "nowhere")
}
