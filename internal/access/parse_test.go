package access_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// sound is a model with one of everything, for the refusals to change.
const sound = `model: demo
revision: 3
precedence: {decide: [owner, direct], add: [group, implied, builtin, public]}
levels:
  organization:
    exclusive: true
    see: org_view
    join_role: member
    settings:
      style: {values: [edit, view], default: view, change: manage}
      home: {values: node, change: manage}
    restrict: [suspended]
    manage: {assign: manage, change: manage, revoke: manage}
    groups: {custom: {create: manage}, system: [{name: "all_{node}", members: assigned_here, holds_at: [project]}]}
    roles:
      admin:
        extends: [member]
        permissions: [manage]
        holders: [user]
        min: 1
        implies: [{at: project, role: edit, as: owner}]
      member:
        permissions: [org_view]
        holders: [user, group]
        implies: [{at: project, setting: style, via: [organization], only: home}]
  project:
    parent: organization
    kinds: [project, library]
    see: [read]
    settings:
      visibility: {values: [private, public], default: private, change: write}
    public: {setting: visibility, grants: {public: view}}
    manage: {assign: write, change: write, revoke: write}
    roles:
      edit:
        extends: [view]
        permissions: [write]
        holders: [user, client]
      view:
        permissions: [read]
        holders: [user, group, client]
        duplicable: true
clients: {at: project, manage: write}
seats: {at: organization, count: user, resource: [organization, project]}
operations:
  make: {requires: [{permission: manage, at: organization}], creates: library, creator_gets: edit}
tokens:
  claims: {"https://demo/handle": {user: login, client: organization.name}}
migrate:
  old: {ADMIN: {role: admin, at: organization}, "*": {review: true}}
`

// line returns where a piece of text stands, so that the rows below survive a change of the text above.
func line(src, part string) int {
	i := strings.Index(src, part)
	if i < 0 {
		return -1
	}
	return strings.Count(src[:i], "\n") + 1
}

// A model that cannot mean what its author wants is refused with the line and the reason.
func TestParseRefuses(t *testing.T) {
	if _, err := access.Parse("demo.yaml", []byte(sound)); err != nil {
		t.Fatalf("the sound model is refused: %v", err)
	}
	for _, c := range []struct{ name, old, new, at, reason string }{
		{"syntax", "revision: 3", "revision: [3", "revision: [3", "did not find"},
		{"tab", "revision: 3", "\trevision: 3", "\trevision: 3", "tab character"},
		{"unknown field", "exclusive: true", "exclusiv: true", "exclusiv", "no such field"},
		{"duplicate field", "revision: 3", "revision: 3\nrevision: 4", "revision: 4", "duplicate"},
		{"duplicate level", "clients:", "  project: {see: read, roles: {}}\nclients:", "  project: {see: read", "duplicate"},
		{"duplicate role in a level", "      view:\n", "      edit: {holders: [user]}\n      view:\n", "      edit: {holders", "duplicate"},
		{"duplicate role in the model", "      view:\n", "      admin: {holders: [user]}\n      view:\n", "      admin: {holders", "claims are flat"},
		{"duplicate permission", "permissions: [write]", "permissions: [write, write]", "permissions: [write, write]", "in this list already"},
		{"no levels", "levels:", "tiers:", "tiers", "no such field"},
		{"missing revision", "revision: 3\n", "", "model", "required"},
		{"revision is text", "revision: 3", "revision: three", "revision", "want a number"},
		{"negative minimum", "min: 1", "min: -1", "min: -1", "want a number from 0"},
		{"quoted number", "min: 1", `min: "1"`, `min: "1"`, "want a number"},
		{"flag is text", "exclusive: true", "exclusive: maybe", "exclusive: maybe", "want true or false"},
		{"a name with a space", "home: {values: node", "\"my home\": {values: node", "my home", "is not a name"},
		{"alias", "see: [read]", "see: &x [read]", "see: &x", "anchors and aliases"},
		{"merge", "see: [read]", "<<: {see: read}", "<<:", "plain string"},
		{"second document", "migrate:\n  old: {ADMIN: {role: admin, at: organization}, \"*\": {review: true}}\n", "---\nmodel: two\n", "---", "second document"},
		{"no organization", "  organization:\n    exclusive", "  company:\n    exclusive", "levels:", "level organization"},
		{"unknown parent", "parent: organization", "parent: company", "parent: company", `"company" does not exist`},
		{"two roots", "    parent: organization\n", "", "  project:\n", "second level without a parent"},
		{"cycle of levels", "    exclusive: true\n    see: org_view", "    parent: project\n    exclusive: true\n    see: org_view", "    parent: project", "cycle"},
		{"cycle of extends", "        permissions: [org_view]", "        extends: [admin]\n        permissions: [org_view]", "        extends: [member]", "cycle"},
		{"extends another level", "extends: [view]", "extends: [member]", "extends: [member]\n        permissions: [write]", "not a role of level project"},
		{"extends nobody", "extends: [view]", "extends: [ghost]", "extends: [ghost]", "not a role"},
		{"implies upward", "        duplicable: true", "        implies: [{at: organization, role: member}]", "implies: [{at: organization", "downward"},
		{"implies sideways", "        duplicable: true", "        implies: [{at: project, role: edit}]", "implies: [{at: project, role: edit}]\nclients", "downward"},
		{"implies nothing", "role: edit, as: owner", "as: owner", "at: project, as: owner", "either role, or setting"},
		{"implies an unknown role", "role: edit, as: owner", "role: ghost, as: owner", "role: ghost", "not a role of level project"},
		{"implies at an unknown level", "at: project, role: edit, as: owner", "at: team, role: edit, as: owner", "at: team", "does not exist"},
		{"implies as public", "as: owner", "as: public", "as: public", "not implied"},
		{"setting with foreign values", "values: [edit, view], default: view", "values: [edit, member], default: edit", "style: {", "not a role of level project"},
		{"setting without a default", "values: [edit, view], default: view", "values: [edit, view]", "setting: style", "default"},
		{"unknown setting", "setting: style", "setting: mood", "setting: mood", `no setting "mood"`},
		{"via a level below", "via: [organization]", "via: [team]", "via: [team]", "neither project nor above"},
		{"only without a node", "only: home", "only: style", "only: style", "names a node"},
		{"default not a value", "values: [private, public], default: private", "values: [private, public], default: hidden", "visibility: {", "not one of the values"},
		{"node with a default", "home: {values: node", "home: {values: node, default: here", "home: {", "no default"},
		{"layer nobody produces", "decide: [owner, direct]", "decide: [owner, direct, royal]", "precedence", "nobody produces"},
		{"layer twice", "decide: [owner, direct]", "decide: [owner, direct, group]", "precedence", "twice"},
		{"layer lost", "add: [group, implied, builtin, public]", "add: [group, implied, builtin]", "precedence", "would be lost"},
		{"layer of an implication lost", "decide: [owner, direct]", "decide: [direct]", "precedence", "would be lost"},
		{"ladder", "        extends: [member]\n", "", "      admin:", "lacks its permission org_view"},
		{"copy in a ladder", "        min: 1", "        min: 1\n        duplicable: true", "duplicable: true", "ladder has no place"},
		{"min nobody can assign", "        min: 1", "        min: 1\n        manage: {assign: system}", "        min: 1", "nobody can assign"},
		{"min nobody near can assign", "        min: 1", "        min: 1\n        manage: {assign: write}", "        min: 1", "nobody can assign"},
		{"min of groups", "holders: [user]\n        min: 1", "holders: [group]\n        min: 1", "        min: 1", "neither may hold"},
		{"min above max", "        min: 1", "        min: 3\n        max: 2", "        min: 3", "more than max"},
		{"no holders", "        holders: [user]\n", "", "      admin:", "required"},
		{"unknown holder", "holders: [user, client]", "holders: [user, robot]", "holders: [user, robot]", "robot"},
		{"group decides its members", "holds_at: [project]", "holds_at: [organization]", "groups: {custom", "decide the membership"},
		{"group at an unknown level", "holds_at: [project]", "holds_at: [team]", "groups: {custom", "does not exist"},
		{"group without its node", "all_{node}", "all", "groups: {custom", "one {node}"},
		{"group of others", "assigned_here", "everybody", "groups: {custom", "want assigned_here"},
		{"see nobody carries", "see: [read]", "see: [look]", "see: [look]", `no role carries permission "look"`},
		{"see carried below only", "see: org_view", "see: read", "see: read", "nobody could ever see"},
		{"no see", "    see: [read]\n", "", "  project:", "required"},
		{"see empty", "see: [read]", "see: []", "see: []", "nobody could ever see"},
		{"join role of another level", "join_role: member", "join_role: view", "join_role: view", "not a role of level organization"},
		{"manage nobody carries", "manage: {assign: manage", "manage: {assign: rule", "manage: {assign: rule", `"rule"`},
		{"change nobody carries", "default: private, change: write", "default: private, change: own", "visibility: {", `"own"`},
		{"create nobody carries", "create: manage", "create: gather", "groups: {custom", `"gather"`},
		{"admin nobody carries", "    restrict: [suspended]", "    admin: {delete: destroy}\n    restrict: [suspended]", "admin: {delete", `"destroy"`},
		{"unknown restriction", "restrict: [suspended]", "restrict: [curfew]", "restrict: [curfew]", "curfew"},
		{"external users without the setting", "restrict: [suspended]", "restrict: [external_users]", "restrict: [external_users]", "needs a setting"},
		{"public by an unknown setting", "setting: visibility", "setting: sight", "public: {", "not a setting"},
		{"public on an unknown value", "grants: {public: view}", "grants: {open: view}", "public: {", "not a value"},
		{"public grants another level", "grants: {public: view}", "grants: {public: member}", "public: {", "not a role of level project"},
		{"clients nowhere", "clients: {at: project", "clients: {at: team", "clients: {", "does not exist"},
		{"clients by nobody", "clients: {at: project, manage: write}", "clients: {at: project}", "clients: {", "required"},
		{"seats for clients", "count: user", "count: client", "count: client", "only people"},
		{"seats above the payer", "seats: {at: organization, count: user, resource: [organization, project]}", "seats: {at: project, count: user, resource: [organization]}", "seats: {", "nor below"},
		{"operation that asks nothing", "requires: [{permission: manage, at: organization}]", "requires: []", "make: {", "anybody's"},
		{"operation asks an unknown permission", "permission: manage, at: organization}]", "permission: reign, at: organization}]", "make: {", `"reign"`},
		{"operation asks too low", "permission: manage, at: organization}]", "permission: write, at: organization}]", "make: {", "no role at organization or above"},
		{"operation makes what it cannot", "creates: library, creator_gets: edit", "creates: organization, creator_gets: admin", "make: {", "not right below"},
		{"operation gives another level's role", "creator_gets: edit", "creator_gets: member", "make: {", "not a role of what"},
		{"claim that could be a registered one", `"https://demo/handle"`, `sub`, "claims: {", "collision-resistant"},
		{"claim from nowhere", "user: login", "user: password", "claims: {", "password"},
		{"client claim from a user", "client: organization.name", "client: login", "claims: {", "login"},
		{"migration to an unknown role", "ADMIN: {role: admin", "ADMIN: {role: king", "old: {", "king"},
		{"migration undecided", "{role: admin, at: organization}", "{role: admin, at: organization, review: true}", "old: {", "exactly one"},
		{"kind of two levels", "    exclusive: true\n    see: org_view", "    exclusive: true\n    kinds: [library]\n    see: org_view", "kinds: [library]", "too"},
		{"levels is a list", "levels:\n", "levels: []\nrest:\n", "levels: []", "want a mapping"},
		{"list is a mapping", "permissions: [write]", "permissions: {write: true}", "permissions: {write", "want a list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := strings.Replace(sound, c.old, c.new, 1)
			if src == sound {
				t.Fatalf("nothing to change: %q", c.old)
			}
			m, err := access.Parse("demo.yaml", []byte(src))
			if m != nil || iam.KindOf(err) != iam.Invalid || iam.CodeOf(err) != "invalid_model" {
				t.Fatalf("got %v, %v; want invalid_model", m, err)
			}
			want := fmt.Sprintf("demo.yaml:%d", line(src, c.at))
			if !slices.ContainsFunc(fields(err), func(f iam.Field) bool { return f.Path == want && strings.Contains(f.Message, c.reason) }) {
				t.Errorf("got %+v, want %s with %q", fields(err), want, c.reason)
			}
		})
	}
}

func fields(err error) []iam.Field {
	var e *iam.Error
	if errors.As(err, &e) {
		return e.Fields
	}
	return nil
}

// All faults are told at once, in the order of the file.
func TestParseCollectsFaults(t *testing.T) {
	src := strings.NewReplacer("exclusive: true", "exclusive: perhaps", "min: 1", "min: many", "see: [read]", "se: [read]").Replace(sound)
	_, err := access.Parse("demo.yaml", []byte(src))
	got := fields(err)
	if len(got) != 4 { // the misspelt field, and the one that is missing for it
		t.Fatalf("got %d faults, want 4: %v", len(got), err)
	}
	for i, f := range got[1:] {
		var a, b int
		fmt.Sscanf(got[i].Path, "demo.yaml:%d", &a)
		fmt.Sscanf(f.Path, "demo.yaml:%d", &b)
		if a > b {
			t.Errorf("fault %q stands after %q", f.Path, got[i].Path)
		}
	}
}

// A hostile file is refused for what it is, without being unfolded.
func TestParseBoundsHostileFiles(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'z'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	var roles, perms strings.Builder
	for i := range 65 {
		fmt.Fprintf(&roles, "      r%d: {holders: [user]}\n", i)
	}
	for i := range 257 {
		fmt.Fprintf(&perms, "p%d, ", i)
	}
	if _, err := access.Parse("long", []byte(strings.Repeat("#", 256<<10)+"\n"+sound)); !strings.Contains(fmt.Sprint(err), "256 KiB") {
		t.Errorf("a sound model in a long file: got %v", err)
	}
	for name, src := range map[string]string{
		"empty":                "",
		"comment only":         "# nothing\n",
		"bomb":                 bomb,
		"bomb as model":        "model: &m demo\nrevision: 1\nlevels: *m\n",
		"huge":                 "model: demo\n" + strings.Repeat("#", 256<<10),
		"deep":                 "levels: " + strings.Repeat("[", 9000),
		"deep mapping":         "levels: " + strings.Repeat("{a: ", 9000),
		"binary":               "model: \x00\x01",
		"scalar":               "floxhub",
		"too many roles":       strings.Replace(sound, "      view:\n", roles.String()+"      view:\n", 1),
		"too many permissions": strings.Replace(sound, "permissions: [write]", "permissions: ["+perms.String()+"write]", 1),
	} {
		if m, err := access.Parse(name, []byte(src)); m != nil || iam.CodeOf(err) != "invalid_model" || len(fields(err)) == 0 || len(err.Error()) > 64<<10 {
			t.Errorf("%s: got %v, %.200v", name, m, err)
		}
	}
}

// Parse never panics, is bounded, and what it accepts can be evaluated.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sound))
	for _, name := range access.Presets() {
		src, _ := access.PresetSource(name)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := access.Parse("fuzz", src)
		if err != nil {
			if iam.CodeOf(err) != "invalid_model" || len(fields(err)) == 0 || len(fields(err)) > 100 {
				t.Fatalf("a refusal without faults, or with too many: %.500v", err)
			}
			return
		}
		mem := access.NewMemory()
		parent := iam.NodeID("")
		for l := m.Level(iam.LevelOrganization); l != nil; l = m.Level(l.Parent) {
			mem.AddNode(iam.Node{ID: iam.NodeID(l.ID), Level: l.ID, Parent: iam.NodeID(l.Parent)})
			for _, r := range l.Roles {
				mem.PutAssignment(iam.Assignment{Node: iam.NodeID(l.ID), Subject: iam.UserID(r.ID).Subject(), Roles: []iam.RoleID{r.ID}})
			}
			parent = iam.NodeID(l.ID)
		}
		m.Who(mem, iam.NodeID(iam.LevelOrganization))
		m.Seats(mem, parent)
		for _, op := range m.Schema().Operations {
			_, _ = m.Operate(mem, access.Actor{}, op.Name, parent)
		}
	})
}
