package adminapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func codeOf(err error) string {
	var e *apiv1.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func namesOf(page apiv1.Page[apiv1.Node]) string {
	var out []string
	for _, n := range page.Items {
		out = append(out, n.Path)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Everybody sees the nodes that he may know of, and no others: neither read, nor listed, nor named.
func TestNodesAreSeenByTheirModel(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	for node, codes := range map[string]map[string]string{
		"bank":              {"ora": "", "wa": "not_found", "wu": "not_found", "xc": "not_found", "zed": "not_found", "olga": "not_found", "engine": "not_found", "stranger": "not_found", "operator": "", "auditor": ""},
		"bank/retail":       {"ora": "", "wa": "", "wu": "", "xc": "not_found", "cu": "not_found", "zed": "not_found", "olga": "not_found", "operator": ""},
		"bank/retail/loans": {"ora": "", "wa": "", "wu": "", "xc": "", "cu": "not_found", "zed": "not_found", "olga": "not_found", "operator": ""},
		"rival":             {"ora": "not_found", "olga": "", "operator": ""},
		"nowhere":           {"ora": "not_found", "olga": "not_found", "operator": "not_found"},
	} {
		b.try("get "+node, each(func(api *apiv1.Client) error { return errorOf(api.GetNode(ctx, node)) }, codes)...)
		b.try("children of "+node, each(func(api *apiv1.Client) error { return errorOf(api.ListNodes(ctx, node, apiv1.PageOptions{})) }, codes)...)
	}
	for who, want := range map[string]string{
		"ora": "bank", "wa": "", "zed": "", "olga": "rival", "operator": "bank rival", "auditor": "bank rival", "stranger": "",
	} {
		page, err := b.who(who).ListOrganizations(ctx, apiv1.PageOptions{})
		check(t, err)
		if got := namesOf(page); got != want {
			t.Errorf("organizations of %s: got %q, want %q", who, got, want)
		}
	}
	page, err := b.user("ora").ListNodes(ctx, "bank", apiv1.PageOptions{})
	check(t, err)
	if got := namesOf(page); got != "bank/corp bank/retail" {
		t.Errorf("below bank: got %q", got)
	}
	if _, err := b.user("wa").GetOrganization(ctx, "bank/retail"); codeOf(err) != "not_found" {
		t.Errorf("a workspace as an organization: got %v", err)
	}
}

var requestID = regexp.MustCompile(`"request_id":"[^"]*"`)

// What somebody may not know of answers like what does not exist, to the byte.
func TestHiddenNodesAnswerLikeMissingOnes(t *testing.T) {
	b := inBank(t)
	zed := b.person("zed", "")
	for _, o := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"GET", "/nodes", ""}, {"GET", "/settings", ""}, {"GET", "/operations", ""}, {"GET", "/roles", ""}, {"GET", "/groups", ""},
		{"GET", "/groups?search=a", ""}, {"GET", "/groups/x", ""}, {"GET", "/groups/x/members", ""}, {"GET", "/roles/workspace_user", ""},
		{"PUT", "", `{"display_name":"x"}`}, {"DELETE", "", ""}, {"PUT", "/settings/visibility", `{"value":"public"}`}, {"DELETE", "/settings/visibility", ""},
		{"POST", "/operations/create_project", `{"name":"x"}`}, {"POST", "/groups", `{"name":"x"}`}, {"DELETE", "/groups/x", ""},
		{"PUT", "/groups/x/members/wa", ""}, {"DELETE", "/groups/x/members/wa", ""},
		{"POST", "/roles", `{"id":"x","base":"project_viewer"}`}, {"PUT", "/roles/x", `{"permissions":[]}`}, {"DELETE", "/roles/x", ""},
	} {
		hidden := b.send(o.method, "/api/v1/nodes/bank:retail"+o.path, zed, o.body)
		missing := b.send(o.method, "/api/v1/nodes/bank:absent"+o.path, zed, o.body)
		same := func(a answer) string {
			return strings.ReplaceAll(requestID.ReplaceAllString(a.body, ""), "retail", "absent")
		}
		if hidden.status != http.StatusNotFound || missing.status != hidden.status || same(hidden) != same(missing) {
			t.Errorf("%s %s: got %d %s for a hidden node and %d %s for none", o.method, o.path, hidden.status, hidden.body, missing.status, missing.body)
		}
	}
	for _, parent := range []string{"bank/retail", "bank/absent"} {
		a := b.send("POST", "/api/v1/nodes", zed, `{"name":"x","parent":"`+parent+`","level":"project"}`)
		if a.status != http.StatusNotFound {
			t.Errorf("a node below %s: got %d %s", parent, a.status, a.body)
		}
	}
}

// A token that speaks for one organization ends with that organization's tree, whatever else its person may do.
func TestTokensOfAnOrganizationEndWithIt(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	check(t, errorOf(b.as("operator").Assign(ctx, "rival", apiv1.Assignment{User: "ora", Role: "org_admin"})))
	bound := b.as(b.person("ora", "bank"))
	if _, err := bound.GetNode(ctx, "rival"); codeOf(err) != "not_found" {
		t.Errorf("another organization: got %v", err)
	}
	check(t, errorOf(bound.GetNode(ctx, "bank/retail")))
	page, err := bound.ListOrganizations(ctx, apiv1.PageOptions{})
	check(t, err)
	if got := namesOf(page); got != "bank" {
		t.Errorf("got organizations %q", got)
	}
	page, err = b.user("ora").ListOrganizations(ctx, apiv1.PageOptions{})
	check(t, err)
	if got := namesOf(page); got != "bank rival" {
		t.Errorf("without an organization: got %q", got)
	}
}

// Nodes are made, changed and ended by rights; what belongs to the platform stays an operator's.
func TestNodesAreChangedByRights(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	workspace := func(name string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error {
			return errorOf(api.CreateNode(ctx, apiv1.NewNode{Name: name, Parent: "bank", NodeSpec: apiv1.NodeSpec{Level: "workspace"}}))
		}
	}
	b.try("make a workspace", each(workspace("new"), map[string]string{"wa": "not_found", "zed": "not_found", "olga": "not_found", "engine": "not_found"})...)
	b.try("make a workspace", trial{"ora", "", workspace("new")}, trial{"ora", "name_taken", workspace("new")}, trial{"operator", "", workspace("newer")})
	b.try("make an organization", each(func(api *apiv1.Client) error {
		return errorOf(api.CreateOrganization(ctx, apiv1.NewNode{Name: "own", NodeSpec: apiv1.NodeSpec{Model: "flowx"}, Assignments: []apiv1.Assignment{{User: "ora", Role: "org_admin"}}}))
	}, map[string]string{"ora": "forbidden", "zed": "forbidden", "engine": "forbidden"})...)
	b.try("make a project without an operation", each(func(api *apiv1.Client) error {
		return errorOf(api.CreateNode(ctx, apiv1.NewNode{Name: "p", Parent: "bank/retail", NodeSpec: apiv1.NodeSpec{Level: "project"}}))
	}, map[string]string{"wa": "forbidden", "wu": "forbidden", "cu": "not_found"})...)

	describe := func(api *apiv1.Client) error {
		return errorOf(api.UpdateNode(ctx, "bank/new", apiv1.NodeSpec{DisplayName: "New"}, ""))
	}
	b.try("describe", trial{"wa", "not_found", describe}, trial{"ora", "", describe})
	b.try("describe retail", each(func(api *apiv1.Client) error {
		return errorOf(api.UpdateNode(ctx, "bank/retail", apiv1.NodeSpec{DisplayName: "Retail"}, ""))
	}, map[string]string{"wu": "forbidden", "zed": "not_found"})...)
	for what, spec := range map[string]apiv1.NodeSpec{"disable": {DisplayName: "New", Disabled: true}} {
		b.try(what, trial{"ora", "forbidden", func(api *apiv1.Client) error { return errorOf(api.UpdateNode(ctx, "bank/new", spec, "")) }})
	}
	b.try("seats that the model does not count", each(func(api *apiv1.Client) error {
		return errorOf(api.UpdateNode(ctx, "bank", apiv1.NodeSpec{Seats: 3}, ""))
	}, map[string]string{"ora": "not_offered", "operator": "not_offered"})...)
	rename := func(api *apiv1.Client) error {
		return errorOf(api.ChangeNode(ctx, "bank/new", apiv1.NodeChange{Name: "newest", NodeSpec: apiv1.NodeSpec{DisplayName: "New"}}, ""))
	}
	b.try("rename", trial{"wa", "not_found", rename}, trial{"ora", "", rename})
	n, err := b.user("ora").GetNode(ctx, "bank/newest")
	check(t, err)
	if n.DisplayName != "New" {
		t.Errorf("renaming: got %+v", n)
	}
	b.try("a name taken", trial{"ora", "name_taken", func(api *apiv1.Client) error {
		return errorOf(api.ChangeNode(ctx, "bank/newest", apiv1.NodeChange{Name: "retail"}, ""))
	}})

	end := func(api *apiv1.Client) error { return api.DeleteNode(ctx, n.ID) }
	b.try("delete", trial{"wa", "not_found", end}, trial{"zed", "not_found", end})
	b.try("delete loans", each(func(api *apiv1.Client) error { return api.DeleteNode(ctx, "bank/retail/loans") },
		map[string]string{"wu": "forbidden", "pe": "forbidden", "xc": "forbidden", "cu": "not_found"})...)
	b.try("delete", trial{"ora", "not_empty", func(api *apiv1.Client) error { return api.DeleteNode(ctx, "bank/retail") }}, trial{"ora", "", end}, trial{"ora", "not_found", end})
	b.try("delete loans", trial{"po", "", func(api *apiv1.Client) error { return api.DeleteNode(ctx, "bank/retail/loans") }})
}

// A node with many holders is ended by its owner, and each of them loses his tokens.
func TestNodesWithManyHoldersAreEndedByTheirOwner(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	operator := b.as("operator")
	for i := range 30 {
		name := fmt.Sprintf("u%d", i)
		check(t, errorOf(operator.CreateUser(ctx, apiv1.NewUser{Name: name})))
		check(t, errorOf(operator.Assign(ctx, "bank/retail/loans", apiv1.Assignment{User: name, Role: "project_viewer"})))
	}
	b.engine.left.Store(2)
	if err := b.user("po").DeleteNode(ctx, "bank/retail/loans"); err == nil {
		t.Fatal("the engine did not fail")
	}
	b.engine.left.Store(-1)
	check(t, b.user("po").DeleteNode(ctx, "bank/retail/loans"))
	if _, err := operator.GetNode(ctx, "bank/retail/loans"); codeOf(err) != "not_found" {
		t.Errorf("got %v", err)
	}
}

// Of two who decided on the same version of a node, the second is told, and a node that changed is not ended.
func TestOldVersionsOfNodesAreRefused(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	ora := b.user("ora")
	n, err := ora.GetNode(ctx, "bank/corp")
	check(t, err)
	check(t, errorOf(ora.UpdateNode(ctx, "bank/corp", apiv1.NodeSpec{DisplayName: "Corp"}, n.ETag)))
	if _, err := ora.UpdateNode(ctx, "bank/corp", apiv1.NodeSpec{DisplayName: "Other"}, n.ETag); codeOf(err) != "stale" {
		t.Errorf("got %v, want stale", err)
	}
	if a := b.send("DELETE", "/api/v1/nodes/bank:corp", b.person("ora", ""), "", "If-Match", n.ETag); a.status != http.StatusPreconditionFailed {
		t.Errorf("got %d %s, want 412", a.status, a.body)
	}
}

// Names stay printable, and no node comes to stand below itself.
func TestNamesAndParentsOfNodes(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	ora := b.user("ora")
	for _, name := range []string{"", "a\nb", "a\x1b[31m", "a/b", "a:b", "A", ".a", "n_aaaaaaaaaaaaaaaa", strings.Repeat("a", 64), "\u202ea"} {
		if _, err := ora.CreateNode(ctx, apiv1.NewNode{Name: name, Parent: "bank", NodeSpec: apiv1.NodeSpec{Level: "workspace"}}); codeOf(err) != "invalid" {
			t.Errorf("name %q: got %v, want invalid", name, err)
		}
		if _, err := b.user("wu").Operate(ctx, "bank/retail", "create_project", apiv1.NewOperation{Name: name}); codeOf(err) != "invalid" {
			t.Errorf("operating with name %q: got %v, want invalid", name, err)
		}
	}
	for _, text := range []string{"a\nb", "a\x1b[31m", "\u202ea", strings.Repeat("a", 201)} {
		if _, err := ora.UpdateNode(ctx, "bank/corp", apiv1.NodeSpec{DisplayName: text}, ""); codeOf(err) != "invalid" {
			t.Errorf("display name %q: got %v, want invalid", text, err)
		}
	}
	if a := b.send("PUT", "/api/v1/nodes/bank", b.person("ora", ""), `{"parent":"bank:retail"}`); a.status != http.StatusBadRequest {
		t.Errorf("a parent in an update: got %d %s", a.status, a.body)
	}
	docs := documents(t, "kind: Node\nmetadata: {name: retail, parent: bank/corp}\nspec: {level: workspace}\n")
	if _, err := b.as("operator").Apply(ctx, docs, apiv1.ApplyOptions{}); codeOf(err) == "" {
		t.Error("a workspace below a workspace was accepted")
	}
	loop := documents(t, "kind: Node\nmetadata: {name: a, parent: b}\nspec: {level: workspace}\n---\nkind: Node\nmetadata: {name: b, parent: a}\nspec: {level: workspace}\n")
	if _, err := b.as("operator").Apply(ctx, loop, apiv1.ApplyOptions{}); codeOf(err) == "" {
		t.Error("a cycle was accepted")
	}
}

// An organization of ten thousand nodes is listed in parts, by whoever sees all of them and by whoever sees one.
func TestListsOfManyNodesAreBounded(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	const many = 10_000
	retail, err := b.as("operator").GetNode(ctx, "bank/retail")
	check(t, err)
	for i := 0; i < many; i += 10 {
		check(t, b.store.Update(ctx, func(tx *store.Tx) error {
			for k := i; k < i+10; k++ {
				n := &iam.Node{ID: iam.NodeID(fmt.Sprintf("n_%016d", k)), Parent: iam.NodeID(retail.ID), Level: "project", Name: fmt.Sprintf("p%d", k), CreatedAt: time.Now()}
				if err := tx.PutNode(n); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	begin := time.Now()
	page, err := b.user("wu").ListNodes(ctx, "bank/retail", apiv1.PageOptions{PageSize: 1000})
	check(t, err)
	if took := time.Since(begin); len(page.Items) != 1000 || page.NextPageToken == "" || took > 5*time.Second {
		t.Errorf("got %d nodes, token %q, in %v", len(page.Items), page.NextPageToken, took)
	}
	count := 0
	for _, err := range apiv1.All(ctx, func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Node], error) {
		return b.user("wu").ListNodes(ctx, "bank/retail", o)
	}) {
		check(t, err)
		count++
	}
	if count != many+1 {
		t.Errorf("got %d nodes in all, want %d", count, many+1)
	}
}
