package access_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/access"
)

// Every line of a preset that carries a decision is held by the tables: each deliberate change makes some row fail.
func TestTablesCatchChangedModels(t *testing.T) {
	tables := readTables(t)
	for _, c := range []struct{ name, model, old, new string }{
		{"direct before owner", "flux", "decide: [owner, direct, default, builtin]", "decide: [direct, owner, default, builtin]"},
		{"default before direct", "flux", "decide: [owner, direct, default, builtin]", "decide: [owner, default, direct, builtin]"},
		{"builtin before default", "flux", "decide: [owner, direct, default, builtin]", "decide: [owner, direct, builtin, default]"},
		{"layers merged", "flux", "decide: [owner, direct, default, builtin]   # the first layer that says anything decides; builtin = nobody set a default\n  add: [public]", "decide: []\n  add: [owner, direct, default, builtin, public]"},
		{"floor dropped", "flux", "public: {setting: visibility, grants: {public: view}}", ""},
		{"floor decides last", "flux", "decide: [owner, direct, default, builtin]   # the first layer that says anything decides; builtin = nobody set a default\n  add: [public]", "decide: [owner, direct, default, builtin, public]\n  add: []"},
		{"project value ignored by the enterprise default", "flux", "via: [project, enterprise]", "via: [enterprise]"},
		{"project value ignored by the organization default", "flux", "via: [project, organization]", "via: [organization]"},
		{"only dropped from the organization", "flux", "role: org_member, only: default_organization", "role: org_member"},
		{"only dropped from the project", "flux", "via: [project, enterprise], only: default_organization", "via: [project, enterprise]"},
		{"min of an organization owner", "flux", "holders: [user]\n        min: 1\n        implies: [{at: project, role: edit, as: owner}]", "holders: [user]\n        implies: [{at: project, role: edit, as: owner}]"},
		{"own role free", "floxhub", "self: locked", "self: free"},
		{"min of an owner", "floxhub", "min: 1", "min: 0"},
		{"roles add up", "floxhub", "exclusive: true", "exclusive: false"},
		{"machines own", "floxhub", "holders: [user]", "holders: [user, client]"},
		{"no restriction", "flakiness", "restrict: [suspended, external_users]", "restrict: []"},
		{"externals come in", "flakiness", "restrict: [suspended, external_users]", "restrict: [suspended]"},
		{"suspension has no effect", "flakiness", "restrict: [suspended, external_users]", "restrict: [external_users]"},
		{"nothing is public", "flakiness", "public: {setting: visibility, grants: {public: viewer}}", ""},
		{"externals take no seat", "flakiness", "resource: [organization, project]", "resource: [organization]"},
		{"members see no project", "flakiness", "implies: [{at: project, role: viewer}]", ""},
		{"superadmin named by anybody", "flakiness", "manage: {assign: config, change: config, revoke: config}", "manage: {assign: org_create, change: org_create, revoke: org_create}"},
		{"min of an organization admin", "flowx", "min: 1", "min: 0"},
		{"workspace admins own no project", "flowx", "implies: [{at: project, role: project_owner}]", ""},
		{"owners are assigned", "flowx", "manage: {assign: system, change: system, revoke: system}", ""},
		{"everybody's group holds nothing", "flowx", "preselect: project, holds_at: [project]", "holds_at: []"},
		{"projects are hidden in their workspace", "flowx", "see: [process_view, projects_view]", "see: [process_view]"},
		{"owners are copied", "flowx", "max: 1", "duplicable: true"},
		{"build import asks less", "flowx", "{requires: [{permission: project_build_create, at: workspace}], creates: project, creator_gets: project_owner}", "{requires: [{permission: project_create, at: workspace}], creates: project, creator_gets: project_owner}"},
	} {
		t.Run(c.model+"/"+c.name, func(t *testing.T) {
			src, _ := access.PresetSource(c.model)
			changed := strings.Replace(string(src), c.old, c.new, 1)
			if changed == string(src) {
				t.Fatalf("preset %s has no %q to change", c.model, c.old)
			}
			m, err := access.Parse(c.model+".yaml", []byte(changed))
			if err != nil {
				t.Fatalf("the changed model must load, so that the rows are what catches it: %v", err)
			}
			for _, tb := range tables {
				if tb.Model != c.model {
					continue
				}
				for _, row := range tb.Checks {
					if tb.run(m, row) != "" {
						return
					}
				}
			}
			t.Error("no row fails")
		})
	}
}
