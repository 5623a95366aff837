package authserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// projects is two organizations with a project of the same name each. ghweb works on web of tools alone, everywhere on the bank's
// loans and lib, and nobody on hidden. wide works on more projects than one token may name.
const projects = `
kind: User
metadata: {name: ada}
---
kind: Organization
metadata: {name: tools}
spec: {model: flakiness, assignments: [{user: ada, role: admin}]}
---
kind: Organization
metadata: {name: elsewhere}
spec: {model: flakiness, assignments: [{user: ada, role: admin}]}
---
kind: Node
metadata: {name: web, parent: tools}
spec: {level: project, settings: {visibility: private}}
---
kind: Node
metadata: {name: hidden, parent: tools}
spec: {level: project, settings: {visibility: private}}
---
kind: Node
metadata: {name: web, parent: elsewhere}
spec: {level: project, settings: {visibility: private}}
---
kind: Client
metadata: {name: ghweb, organization: tools}
spec:
  clientId: ghweb
  grantTypes: [client_credentials]
  assignments: [{node: tools/web, role: uploader}]
  secrets: [{name: ci, value: ghweb-secret-0123456789abcdef0123456789}]
`

// homes is a client of the project web itself.
const homes = `
---
kind: Client
metadata: {name: atweb, organization: tools/web}
spec: {clientId: atweb, grantTypes: [client_credentials], role: uploader, secrets: [{name: ci, value: ghweb-secret-0123456789abcdef0123456789}]}
`

const ghwebSecret = "ghweb-secret-0123456789abcdef0123456789"

func startProjects(t *testing.T) *apptest.Broker {
	t.Helper()
	return start(t, apptest.Apply(apptest.File(t, "projects.yaml", projects)))
}

// named is a request of ghweb for a token that names nodes.
func named(b *apptest.Broker, details string, more ...string) apptest.Answer {
	return b.Post("/oauth/token", append([]string{
		"grant_type", "client_credentials", "client_id", "ghweb", "client_secret", ghwebSecret, "authorization_details", details,
	}, more...)...)
}

// What a client holds at a node that it names is in the token, in the answer (RFC 9396 §7) and in what introspection says (§9.2),
// and roles speaks for the organization alone (scenario 97).
func TestNodesAskedByNameAreInTheTokenAndTheAnswer(t *testing.T) {
	b := startProjects(t)
	a := named(b, `[{"type":"project","identifier":"web"}]`)
	if a.Status != http.StatusOK {
		t.Fatalf("got %s", a)
	}
	m, _ := access.Preset("flakiness")
	var actions []any
	for _, p := range m.RolePermissions("uploader") {
		actions = append(actions, string(p))
	}
	want := []any{map[string]any{"type": "project", "identifier": "web", "privileges": []any{"uploader"}, "actions": actions}}
	answer := a.JSON(t)
	claims := part(t, answer["access_token"].(string), 1)
	if diff := cmp.Diff(want, claims["authorization_details"]); diff != "" {
		t.Errorf("claim (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, answer["authorization_details"]); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{}, claims["roles"]); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	introspected := b.Post("/oauth/introspect", "client_id", "ghweb", "client_secret", ghwebSecret, "token", answer["access_token"].(string))
	if diff := cmp.Diff(want, introspected.JSON(t)["authorization_details"]); diff != "" {
		t.Errorf("introspection (-want +got):\n%s", diff)
	}
	// By its id the node is the same one, and is called by its path all the same.
	node, err := b.API().GetNode(t.Context(), "tools:web")
	if err != nil {
		t.Fatal(err)
	}
	byID := named(b, fmt.Sprintf(`[{"type":"project","identifier":%q},{"type":"project","identifier":"web"}]`, node.ID))
	if diff := cmp.Diff(want, byID.JSON(t)["authorization_details"]); diff != "" {
		t.Errorf("by id (-want +got):\n%s", diff)
	}
}

// A client of a project is told what it holds there without asking by name, and its token speaks for the project's organization: what
// a CI job gets from one plain request (scenario 97). Whatever it asks by name is answered instead.
func TestClientOfAProjectGetsItsProject(t *testing.T) {
	b := start(t, apptest.Apply(apptest.File(t, "projects.yaml", projects+homes)))
	ask := func(form ...string) apptest.Answer {
		return b.Post("/oauth/token", append([]string{"grant_type", "client_credentials", "client_id", "atweb", "client_secret", ghwebSecret}, form...)...)
	}
	a := ask()
	if a.Status != http.StatusOK {
		t.Fatalf("got %s", a)
	}
	tools, err := b.API().GetNode(t.Context(), "tools")
	if err != nil {
		t.Fatal(err)
	}
	web, err := b.API().GetNode(t.Context(), "tools:web")
	if err != nil {
		t.Fatal(err)
	}
	raw := a.JSON(t)["access_token"].(string)
	claims := part(t, raw, 1)
	m, _ := access.Preset("flakiness")
	var actions []any
	for _, p := range m.RolePermissions("uploader") {
		actions = append(actions, string(p))
	}
	want := []any{map[string]any{"type": "project", "identifier": "web", "privileges": []any{"uploader"}, "actions": actions}}
	if diff := cmp.Diff(want, claims["authorization_details"]); diff != "" {
		t.Errorf("claim (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, a.JSON(t)["authorization_details"]); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if claims["org_id"] != tools.ID || claims["org_name"] != "tools" || len(claims["roles"].([]any)) != 0 {
		t.Errorf("got %v, want org_id of tools and no role there", claims)
	}
	for name, a := range map[string]apptest.Answer{
		"the organization named":   ask("organization", "tools"),
		"its project named":        ask("authorization_details", `[{"type":"project","identifier":"web"}]`),
		"its project named, by id": ask("authorization_details", fmt.Sprintf(`[{"type":"project","identifier":%q}]`, web.ID)),
		"all of it named":          ask("organization", tools.ID, "authorization_details", `[{"type":"project","identifier":"web"}]`),
	} {
		if a.Status != http.StatusOK {
			t.Errorf("%s: got %s", name, a)
		} else if diff := cmp.Diff(want, a.JSON(t)["authorization_details"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	wantError(t, ask("organization", "elsewhere"), http.StatusBadRequest, "access_denied")
	wantError(t, ask("authorization_details", `[{"type":"project","identifier":"hidden"}]`), http.StatusBadRequest, "invalid_authorization_details")

	// The token ends with its organization's tokens, and with what the client holds at its project.
	active := func(raw string) bool {
		return b.Post("/oauth/introspect", "client_id", "atweb", "client_secret", ghwebSecret, "token", raw).JSON(t)["active"] == true
	}
	if !active(raw) {
		t.Fatal("a new token is not active")
	}
	if _, err := b.API().Revoke(t.Context(), apiv1.NewRevocation{Kind: "organization", ID: tools.ID}); err != nil {
		t.Fatal(err)
	}
	if active(raw) {
		t.Error("the tokens of the organization were ended: this one is active")
	}
	raw = ask().JSON(t)["access_token"].(string)
	if !active(raw) {
		t.Error("a token from after the mark is not active")
	}
	if err := b.API().Unassign(t.Context(), "tools/web", apiv1.Assignment{Client: "atweb", Role: "uploader"}); err != nil {
		t.Fatal(err)
	}
	if active(raw) {
		t.Error("the client lost its role: its token is active")
	}
	wantError(t, ask(), http.StatusBadRequest, "access_denied")
}

// Nobody learns from a refusal whether a node exists: one that does not, one that is hidden, one of another organization and one
// of another type get the same answer, and so does one of an organization that does not exist (scenario 104).
func TestNodesThatAreNotTheSubjectsGetOneAnswer(t *testing.T) {
	b := startProjects(t)
	other, err := b.API().GetNode(t.Context(), "elsewhere:web")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := b.API().GetNode(t.Context(), "tools")
	if err != nil {
		t.Fatal(err)
	}
	nothing := named(b, `[{"type":"project","identifier":"nothing"}]`)
	wantError(t, nothing, http.StatusBadRequest, "invalid_authorization_details")
	for name, a := range map[string]apptest.Answer{
		"hidden":                               named(b, `[{"type":"project","identifier":"hidden"}]`),
		"beside one that is its own":           named(b, `[{"type":"project","identifier":"web"},{"type":"project","identifier":"hidden"}]`),
		"of another organization, by id":       named(b, fmt.Sprintf(`[{"type":"project","identifier":%q}]`, other.ID)),
		"of another organization, by path":     named(b, `[{"type":"project","identifier":"elsewhere/web"}]`),
		"the organization itself":              named(b, fmt.Sprintf(`[{"type":"organization","identifier":%q}]`, tools.ID)),
		"an odd path":                          named(b, `[{"type":"project","identifier":"web/"}]`),
		"what no name can be":                  named(b, `[{"type":"project","identifier":"a b{}"}]`),
		"of a type that it is not":             named(b, `[{"type":"workspace","identifier":"web"}]`),
		"of an organization that it is not in": named(b, `[{"type":"project","identifier":"web"}]`, "organization", "elsewhere"),
		"of no organization":                   named(b, `[{"type":"project","identifier":"web"}]`, "organization", "nowhere"),
	} {
		if a.Status != nothing.Status || a.Body != nothing.Body {
			t.Errorf("%s: got %s, want %s", name, a, nothing)
		}
	}
}

// Details that do not have the form of their type are refused (RFC 9396 §5): what would narrow the grant too, since it would not.
func TestMalformedDetailsAreRefused(t *testing.T) {
	b := startProjects(t)
	for _, details := range []string{
		`{`, `{}`, `null`, `"web"`, `[null]`, `["web"]`, `[{}]`, `[{"type":"project"}]`, `[{"identifier":"web"}]`, `[{"type":"project","identifier":7}]`,
		`[{"type":"project","identifier":""}]`, `[{"type":"project","type":"project","identifier":"web"}]`, `[{"type":"","type":"project","identifier":"web"}]`,
		`[{"Type":"project","identifier":"web"}]`, `[{"type":"project","identifier":"web"}] []`, `[{"type":"project","identifier":"web"}`,
		`[{"type":"project","identifier":"web","actions":["results_view"]}]`, `[{"type":"project","identifier":"web","locations":["https://x"]}]`,
		`[{"type":"project","identifier":"web","privileges":["viewer"]}]`, `[{"type":"project","identifier":"web","more":{}}]`,
	} {
		wantError(t, named(b, details), http.StatusBadRequest, "invalid_authorization_details")
	}
	if a := named(b, `[]`); a.JSON(t)["error"] != "access_denied" {
		t.Errorf("no node: got %s, want what a request without the parameter gets", a)
	}
	wantError(t, named(b, `[{"type":"project","identifier":"web"}]`, "authorization_details", "[]"), http.StatusBadRequest, "invalid_request")
}

// More nodes than a token may name are refused, never cut (scenario 247).
func TestMoreNodesThanTheLimitAreRefused(t *testing.T) {
	b := startProjects(t)
	ask := func(n int) apptest.Answer {
		details := make([]map[string]string, n)
		for i := range details {
			details[i] = map[string]string{"type": "project", "identifier": "web"}
		}
		encoded, err := json.Marshal(details)
		if err != nil {
			t.Fatal(err)
		}
		return named(b, string(encoded))
	}
	if a := ask(access.MaxDetails); a.Status != http.StatusOK {
		t.Errorf("%d nodes: got %s", access.MaxDetails, a)
	}
	a := ask(access.MaxDetails + 1)
	wantError(t, a, http.StatusBadRequest, "invalid_authorization_details")
	if !strings.Contains(a.Body, "21 nodes: at most 20") {
		t.Errorf("got %s, want the number and the limit", a)
	}
}

// A client without organization has to say in which one the nodes lie.
func TestNodesNeedAnOrganization(t *testing.T) {
	b := startProjects(t)
	a := b.Post("/oauth/token", "grant_type", "client_credentials", "client_id", "hub-api", "client_secret", "hub-api-secret-0123456789abcdef0123456789",
		"authorization_details", `[{"type":"project","identifier":"web"}]`)
	wantError(t, a, http.StatusBadRequest, "invalid_authorization_details")
	if !strings.Contains(a.Body, "name the organization") {
		t.Errorf("got %s", a)
	}
}

// The metadata names the types of all access models that come with the program, and one that it names works.
func TestMetadataNamesDetailTypes(t *testing.T) {
	b := startProjects(t)
	got := b.Get("/.well-known/oauth-authorization-server").JSON(t)["authorization_details_types_supported"]
	if diff := cmp.Diff([]any{"library", "project", "workspace"}, got); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}
