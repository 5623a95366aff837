package adminapi_test

import (
	"net/http"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

const enterprise = `
kind: User
metadata: {name: eo}
---
kind: User
metadata: {name: em}
---
kind: User
metadata: {name: oo}
---
kind: User
metadata: {name: om}
---
kind: User
metadata: {name: root}
---
kind: User
metadata: {name: ada}
---
kind: User
metadata: {name: mel}
---
kind: User
metadata: {name: eddy}
---
kind: User
metadata: {name: zed}
---
kind: Node
metadata: {name: ent}
spec: {level: enterprise, model: flux, assignments: [{user: eo, role: ent_owner}, {user: em, role: ent_member}]}
---
kind: Organization
metadata: {name: defo, parent: ent}
spec: {assignments: [{user: eo, role: org_owner}]}
---
kind: Organization
metadata: {name: labs, parent: ent}
spec: {assignments: [{user: oo, role: org_owner}, {user: om, role: org_member}]}
---
kind: Node
metadata: {name: pdef, parent: defo}
spec: {level: project}
---
kind: Node
metadata: {name: plab, parent: labs}
spec: {level: project}
---
kind: Node
metadata: {name: plab2, parent: labs}
spec: {level: project}
---
kind: Node
metadata: {name: cloud}
spec: {level: deployment, model: flakiness, assignments: [{user: root, role: superadmin}]}
---
kind: Organization
metadata: {name: acme, parent: cloud}
spec: {seats: 5, assignments: [{user: ada, role: admin}, {user: mel, role: member}]}
---
kind: Organization
metadata: {name: other, parent: cloud}
spec: {}
---
kind: Node
metadata: {name: web, parent: acme}
spec: {level: project}
---
kind: Node
metadata: {name: api, parent: acme}
spec: {level: project, assignments: [{user: eddy, role: editor}]}
`

func inEnterprise(t *testing.T) *broker {
	t.Helper()
	b := start(t)
	check(t, errorOf(b.as("operator").Apply(t.Context(), documents(t, enterprise), apiv1.ApplyOptions{})))
	return b
}

func (b *broker) setting(who, node, name string) apiv1.Setting {
	b.t.Helper()
	page, err := b.who(who).ListSettings(b.t.Context(), node)
	check(b.t, err)
	for _, s := range page.Items {
		if s.Name == name {
			return s
		}
	}
	b.t.Fatalf("%s has no setting %s", node, name)
	return apiv1.Setting{}
}

// A setting tells what holds, from where, and whether the caller may change it.
func TestSettingsAreShownWithTheirSource(t *testing.T) {
	ctx := t.Context()
	b := inEnterprise(t)
	if s := b.setting("om", "labs/plab", "member_role"); s.Value != "edit" || s.Source != "default" || s.Changeable || len(s.Values) != 4 {
		t.Errorf("untouched: got %+v", s)
	}
	check(t, errorOf(b.who("oo").PutSetting(ctx, "labs", "member_role", "view", "")))
	if s := b.setting("oo", "labs/plab", "member_role"); s.Value != "view" || s.Source != "inherited" || s.From != "labs" || !s.Changeable {
		t.Errorf("from the organization: got %+v", s)
	}
	got, err := b.who("oo").PutSetting(ctx, "labs/plab", "member_role", "comment", "")
	check(t, err)
	if got.Value != "comment" || got.Source != "set" || got.From != "" {
		t.Errorf("set: got %+v", got)
	}
	check(t, b.who("oo").DeleteSetting(ctx, "labs/plab", "member_role"))
	if s := b.setting("oo", "labs/plab", "member_role"); s.Source != "inherited" {
		t.Errorf("taken back: got %+v", s)
	}
	if s := b.setting("eo", "ent", "default_organization"); s.Source != "none" || !s.Node || s.Value != "" {
		t.Errorf("no default organization: got %+v", s)
	}
	if s := b.setting("eddy", "acme/api", "visibility"); s.Value != "private" || s.Source != "default" || !s.Changeable {
		t.Errorf("visibility: got %+v", s)
	}
}

// Each setting has its own right.
func TestSettingsAreChangedByTheirOwnRight(t *testing.T) {
	ctx := t.Context()
	b := inEnterprise(t)
	put := func(node, name, value string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error { return errorOf(api.PutSetting(ctx, node, name, value, "")) }
	}
	b.try("default of labs", trial{"oo", "value_not_allowed", put("labs", "member_role", "admin")}, trial{"om", "forbidden", put("labs", "member_role", "view")},
		trial{"em", "not_found", put("labs", "member_role", "view")}, trial{"ada", "not_found", put("labs", "member_role", "view")}, trial{"oo", "value_not_allowed", put("labs", "colour", "red")})
	b.try("override on plab", trial{"om", "forbidden", put("labs/plab", "member_role", "none")}, trial{"oo", "", put("labs/plab", "member_role", "none")},
		trial{"om", "not_found", func(api *apiv1.Client) error { return errorOf(api.GetNode(ctx, "labs/plab")) }}, trial{"om", "", func(api *apiv1.Client) error { return errorOf(api.GetNode(ctx, "labs/plab2")) }})
	b.try("editor publishes", trial{"om", "", put("labs/plab2", "visibility", "public")},
		trial{"zed", "", func(api *apiv1.Client) error { return errorOf(api.GetNode(ctx, "labs/plab2")) }}, trial{"zed", "not_found", func(api *apiv1.Client) error { return errorOf(api.GetNode(ctx, "labs")) }},
		trial{"zed", "forbidden", put("labs/plab2", "visibility", "private")})

	b.try("visibility", trial{"mel", "forbidden", put("acme/web", "visibility", "public")}, trial{"eddy", "not_found", put("acme/web", "visibility", "public")},
		trial{"eddy", "value_not_allowed", put("acme/api", "visibility", "secret")}, trial{"zed", "not_found", put("acme/api", "visibility", "public")},
		trial{"eddy", "", put("acme/api", "visibility", "public")}, trial{"zed", "", func(api *apiv1.Client) error { return errorOf(api.GetNode(ctx, "acme/api")) }},
		trial{"ada", "", put("acme/api", "visibility", "private")}, trial{"zed", "not_found", func(api *apiv1.Client) error { return errorOf(api.GetNode(ctx, "acme/api")) }})

	b.try("the whole spec", trial{"eddy", "", func(api *apiv1.Client) error {
		return errorOf(api.UpdateNode(ctx, "acme/api", apiv1.NodeSpec{Settings: map[string]string{"visibility": "public"}}, ""))
	}}, trial{"eddy", "forbidden", func(api *apiv1.Client) error {
		return errorOf(api.UpdateNode(ctx, "acme/api", apiv1.NodeSpec{DisplayName: "API", Settings: map[string]string{"visibility": "private"}}, ""))
	}}, trial{"ada", "", func(api *apiv1.Client) error {
		return errorOf(api.UpdateNode(ctx, "acme/api", apiv1.NodeSpec{DisplayName: "API", Settings: map[string]string{"visibility": "private"}}, ""))
	}})
	if s := b.setting("ada", "acme/api", "visibility"); s.Value != "private" {
		t.Errorf("got %+v", s)
	}
}

// A setting that names a node takes one below, by path or id, and the rights that come from it move with it.
func TestSettingsThatNameANode(t *testing.T) {
	ctx := t.Context()
	b := inEnterprise(t)
	put := func(value string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error {
			return errorOf(api.PutSetting(ctx, "ent", "default_organization", value, ""))
		}
	}
	see := func(node string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error { return errorOf(api.GetNode(ctx, node)) }
	}
	b.try("default organization", trial{"em", "forbidden", put("labs")}, trial{"oo", "not_found", put("labs")}, trial{"eo", "value_not_allowed", put("acme")},
		trial{"eo", "value_not_allowed", put("nowhere")}, trial{"eo", "value_not_allowed", put("ent")}, trial{"eo", "", put("defo")},
		trial{"em", "", see("defo/pdef")}, trial{"em", "not_found", see("labs/plab")}, trial{"eo", "", put("labs")},
		trial{"em", "", see("labs/plab")}, trial{"em", "not_found", see("defo/pdef")})
	page, err := b.who("em").ListOrganizations(ctx, apiv1.PageOptions{})
	check(t, err)
	if got := namesOf(page); got != "ent labs" {
		t.Errorf("organizations of em: got %q", got)
	}
	if s := b.setting("em", "ent", "default_organization"); s.Value != "labs" || s.Source != "set" || s.Changeable {
		t.Errorf("got %+v", s)
	}
	a := b.send("PUT", "/api/v1/nodes/ent/settings/default_organization", b.person("eo", ""), `{"value":"defo"}`, "If-Match", `"old"`)
	if a.status != http.StatusPreconditionFailed {
		t.Errorf("an old version: got %d %s", a.status, a.body)
	}
}

// Who holds something above organizations lists those below it, part by part.
func TestOrganizationsBelowARoleAbove(t *testing.T) {
	ctx := t.Context()
	b := inEnterprise(t)
	for who, want := range map[string]string{
		"root": "acme cloud other", "eo": "defo ent labs", "ada": "acme", "eddy": "", "oo": "labs", "zed": "",
	} {
		var all apiv1.Page[apiv1.Node]
		for o := (apiv1.PageOptions{PageSize: 1}); ; {
			page, err := b.who(who).ListOrganizations(ctx, o)
			check(t, err)
			if len(page.Items) > 1 {
				t.Fatalf("%s: got %d items in a page of 1", who, len(page.Items))
			}
			all.Items = append(all.Items, page.Items...)
			if o.Token = page.NextPageToken; o.Token == "" {
				break
			}
		}
		if got := namesOf(all); got != want {
			t.Errorf("organizations of %s: got %q, want %q", who, got, want)
		}
	}
	b.try("a new organization", each(func(api *apiv1.Client) error {
		return errorOf(api.CreateOrganization(ctx, apiv1.NewNode{Name: "fresh", Parent: "cloud"}))
	}, map[string]string{"ada": "not_found", "zed": "not_found", "root": ""})...)
	b.try("end an organization", trial{"ada", "forbidden", func(api *apiv1.Client) error { return api.DeleteOrganization(ctx, "acme") }},
		trial{"root", "", func(api *apiv1.Client) error { return api.DeleteOrganization(ctx, "fresh") }})
	seats := func(api *apiv1.Client) error {
		return errorOf(api.UpdateNode(ctx, "acme", apiv1.NodeSpec{Seats: 50}, ""))
	}
	b.try("more seats", trial{"ada", "forbidden", seats}, trial{"root", "forbidden", seats}, trial{"mel", "forbidden", seats}, trial{"zed", "not_found", seats}, trial{"operator", "", seats})
	if n, err := b.as("operator").GetNode(ctx, "acme"); err != nil || n.Seats != 50 {
		t.Errorf("got %+v, %v", n, err)
	}
}

// A change of settings that can take roles away ends the tokens of the organizations at and below the node, and no other's; one that
// only raises leaves them alive. A token from after the change says what then holds.
func TestSettingsThatTakeRolesEndTokens(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		what, org, other string // whose tokens end, and whose do not
		set              func(b *broker, lower bool) error
	}{
		{"visibility", "acme", "labs", func(b *broker, lower bool) error {
			return errorOf(b.who("ada").PutSetting(ctx, "acme/web", "visibility", map[bool]string{false: "public", true: "private"}[lower], ""))
		}},
		{"external users", "acme", "labs", func(b *broker, lower bool) error {
			return errorOf(b.who("ada").PutSetting(ctx, "acme", "external_users", map[bool]string{false: "allowed", true: "blocked"}[lower], ""))
		}},
		{"member role of an organization", "labs", "defo", func(b *broker, lower bool) error {
			return errorOf(b.who("oo").PutSetting(ctx, "labs", "member_role", map[bool]string{false: "edit", true: "view"}[lower], ""))
		}},
		{"taken back", "acme", "labs", func(b *broker, lower bool) error {
			if lower {
				return b.who("ada").DeleteSetting(ctx, "acme/web", "visibility")
			}
			return errorOf(b.who("ada").PutSetting(ctx, "acme/web", "visibility", "public", ""))
		}},
		{"default organization, of what lies below", "defo", "acme", func(b *broker, lower bool) error {
			if lower {
				return b.who("eo").DeleteSetting(ctx, "ent", "default_organization")
			}
			return nil // whoever gets a role by it may lose another
		}},
		{"settings of a whole node", "acme", "labs", func(b *broker, lower bool) error {
			value := map[bool]string{false: "public", true: "private"}[lower]
			_, err := b.as("operator").Apply(ctx, documents(b.t, "{kind: Node, metadata: {name: web, parent: acme}, spec: {level: project, settings: {visibility: "+value+"}}}"), apiv1.ApplyOptions{})
			return err
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := inEnterprise(t)
			check(t, errorOf(b.who("eo").PutSetting(ctx, "ent", "default_organization", "defo", "")))
			member := map[string]string{"acme": "mel", "labs": "om", "defo": "eo"}
			old, beside := b.person(member[c.org], c.org), b.person(member[c.other], c.other)
			alive := func(by string) bool { return b.send("GET", "/api/v1/whoami", by, "").status == 200 }
			check(t, c.set(b, false))
			if !alive(old) {
				t.Fatal("a change that raises has ended tokens")
			}
			check(t, c.set(b, true))
			if alive(old) {
				t.Error("a change that lowers has left tokens alive")
			}
			if !alive(beside) {
				t.Error("a change has ended tokens of another organization")
			}
			if !alive(b.person(member[c.org], c.org)) {
				t.Error("a token from after the change is dead")
			}
		})
	}
}
