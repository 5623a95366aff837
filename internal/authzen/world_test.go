package authzen_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// world is what the tests ask about: floxhub's acme2 and beta, flux's labs with a public project, flowx's bank with a group. The client release is a writer in
// acme2 and may ask.
const world = `
kind: Organization
metadata: {name: acme2}
spec: {model: floxhub, assignments: [{user: ann, role: owner}, {user: bea, role: writer}, {user: cara, role: reader}, {user: off, role: reader}]}
---
kind: Organization
metadata: {name: beta}
spec: {model: floxhub, assignments: [{user: dan, role: owner}, {user: cara, role: writer}]}
---
kind: Client
metadata: {name: release, organization: acme2}
spec: {clientId: release, role: writer, audiences: ["%[1]s/api/v1"], secrets: [{name: ci, value: canary-secret-of-the-release-client}]}
---
kind: Organization
metadata: {name: labs}
spec: {model: flux, assignments: [{user: oo, role: org_owner}, {user: om, role: org_member}]}
---
kind: Node
metadata: {name: plab, parent: labs}
spec: {level: project}
---
kind: Node
metadata: {name: ppub, parent: labs}
spec: {level: project, settings: {visibility: public}}
---
kind: Organization
metadata: {name: bank}
spec: {model: flowx, assignments: [{user: oo, role: org_admin}]}
---
kind: Node
metadata: {name: retail, parent: bank}
spec: {level: workspace}
---
kind: Group
metadata: {name: guests, parent: bank/retail}
spec: {members: [dan]}
---
kind: Node
metadata: {name: loans, parent: bank/retail}
spec: {level: project, kind: project, assignments: [{group: guests, role: project_viewer}]}
`

// A pdp is a broker that is asked for decisions.
type pdp struct {
	*apptest.Broker
	tokens map[string]string
}

func start(t testing.TB) *pdp {
	t.Helper()
	b := &pdp{Broker: apptest.Start(t), tokens: map[string]string{}}
	var docs strings.Builder
	for _, name := range strings.Fields("ann bea cara dan oo om off zed") {
		fmt.Fprintf(&docs, "kind: User\nmetadata: {name: %s}\nspec: {disabled: %v}\n---\n", name, name == "off")
	}
	fmt.Fprintf(&docs, world, b.Issuer)
	b.apply(t, docs.String())
	b.tokens["operator"] = b.Token(apptest.Operator, b.Secret(apptest.Operator), "audience", b.Issuer+"/api/v1")
	b.tokens["release"] = b.Token("release", "canary-secret-of-the-release-client", "audience", b.Issuer+"/api/v1")
	return b
}

func (b *pdp) apply(t testing.TB, yaml string) {
	t.Helper()
	docs, err := apiv1.ParseDocuments("test.yaml", strings.NewReader(yaml))
	if err != nil {
		t.Fatal(err)
	}
	if err := apiv1.Resolve(docs, apiv1.Resolver{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.API().Apply(t.Context(), docs, apiv1.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
}

// ask posts a question, by the token of a client or without one.
func (b *pdp) ask(by, path, body string, header ...string) apptest.Answer {
	b.T.Helper()
	r, err := http.NewRequest(http.MethodPost, b.URL+path, strings.NewReader(body))
	if err != nil {
		b.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if by != "" {
		r.Header.Set("Authorization", "Bearer "+b.tokens[by])
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return b.Do(r)
}

func subject(kind, id string) string { return fmt.Sprintf(`{"type": %q, "id": %q}`, kind, id) }

func question(kind, id, action, level, node string) string {
	return fmt.Sprintf(`{"subject": %s, "action": {"name": %q}, "resource": {"type": %q, "id": %q}}`, subject(kind, id), action, level, node)
}

// A found is the answer to a search.
type found struct {
	Results []struct{ Type, ID, Name string }
	Page    struct {
		NextToken string `json:"next_token"`
		Count     *int
	}
	Context struct{ Anyone bool }
}

// search asks for all parts of a search, of which each has at most limit results.
func (b *pdp) search(t testing.TB, by, path, body string, limit int) (ids []string, anyone bool) {
	t.Helper()
	body = strings.TrimSuffix(body, "}")
	token := ""
	for {
		a := b.ask(by, path, fmt.Sprintf(`%s, "page": {"token": %q, "limit": %d}}`, body, token, limit))
		var f found
		if err := json.Unmarshal([]byte(a.Body), &f); err != nil || a.Status != 200 || f.Results == nil || f.Page.Count == nil || len(f.Results) > limit {
			t.Fatalf("%s %s: got %s", path, body, a)
		}
		for _, r := range f.Results {
			ids = append(ids, r.ID+r.Name)
		}
		anyone = f.Context.Anyone
		if token = f.Page.NextToken; token == "" {
			if !slices.IsSorted(ids) {
				t.Errorf("%s %s: not sorted: %q", path, body, ids)
			}
			return ids, anyone
		}
	}
}

// id returns the id of a user.
func (b *pdp) id(t testing.TB, name string) string {
	t.Helper()
	u, err := b.API().GetUser(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// node returns the id of a node.
func (b *pdp) node(t testing.TB, path string) string {
	t.Helper()
	n, err := b.API().GetNode(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return n.ID
}
