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

// facts returns a preset with the facts of a decision table, after some changes.
func facts(t *testing.T, file string, do ...act) (*access.Model, *access.Memory) {
	t.Helper()
	tb := readTables(t)[file]
	m, ok := access.Preset(tb.Model)
	if !ok {
		t.Fatalf("no preset for %s", file)
	}
	mem := tb.memory()
	for _, a := range do {
		if err := perform(m, mem, a); err != nil {
			t.Fatal(err)
		}
	}
	return m, mem
}

// Whoever was lowered by a grant learns which, what it kept from counting, and who may change it (S3:73).
func TestExplainNamesWhatDecided(t *testing.T) {
	m, mem := facts(t, "3-flux", act{Actor: "user:oo", Op: "assign", Role: "view", To: "user:om", On: "plab"})
	ex, err := m.Explain(mem, subject("user:om"), "design_modify", "plab")
	if err != nil {
		t.Fatal(err)
	}
	if ex.Decision != access.Forbidden || ex.Steps[0].Decided != access.LayerDirect || ex.Steps[0].Permits {
		t.Errorf("got %s decided by %q, want forbidden decided by direct: %+v", ex.Decision, ex.Steps[0].Decided, ex.Steps[0])
	}
	var told []string
	for _, r := range ex.Steps[0].Reasons {
		told = append(told, fmt.Sprintf("%s: %s (%s)", r.Role, r, r.Effect))
	}
	want := []string{"view: assigned at plab (counts)", "edit: default of member_role for role org_member, which nobody set (outranked)"}
	if !slices.Equal(told, want) {
		t.Errorf("reasons: got %q, want %q", told, want)
	}
	if len(ex.Needs) != 1 || ex.Needs[0].Role != "edit" || ex.Needs[0].Held || !slices.Equal(ex.Needs[0].Change.AnyOf, []iam.Permission{"project_access_manage"}) {
		t.Fatalf("needs: got %+v, want edit, changed by project_access_manage", ex.Needs)
	}
	who, err := m.WhoCan(mem, ex.Needs[0].Change.AnyOf[0], "plab")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range who {
		names = append(names, h.Subject.String())
	}
	if !slices.Equal(names, []string{"user:eo", "user:oo"}) {
		t.Errorf("who may change it: got %v, want the owners", names)
	}
}

// A restriction is named with the node that it holds at (S2:59).
func TestExplainNamesRestriction(t *testing.T) {
	m, mem := facts(t, "2-flakiness-suspended")
	ex, err := m.Explain(mem, subject("user:mel"), "results_view", "web")
	if err != nil {
		t.Fatal(err)
	}
	st := ex.Steps[0]
	if ex.Decision != access.NotFound || st.Restricted != access.RestrictSuspended || st.CutAt != "acme" || len(st.Reasons) == 0 || st.Reasons[0].Effect != access.EffectCut {
		t.Errorf("got %+v, want a cut by the suspension at acme", st)
	}
}

// Every line of the list of who has access says why (S4:55, S2:63).
func TestWhoTellsReasons(t *testing.T) {
	for _, c := range []struct{ file, node, subject, want string }{
		{"4-flowx", "loans", "user:ora", "implied by role workspace_admin at retail"},
		{"4-flowx", "retail", "user:ora", "implied by role org_admin at bank"},
		{"4-flowx", "loans", "user:gu1", "through group sales_team at loans"},
		{"4-flowx", "loans", "user:po", "assigned at loans"},
		{"2-flakiness", "lib", "anonymous", "lib is open to anyone (visibility: public)"},
	} {
		m, mem := facts(t, c.file)
		i := slices.IndexFunc(m.Who(mem, iam.NodeID(c.node)), func(h access.Holder) bool { return h.Subject.String() == c.subject })
		if i < 0 {
			t.Errorf("%s is not listed at %s", c.subject, c.node)
			continue
		}
		if got := m.Who(mem, iam.NodeID(c.node))[i].Reasons[0].String(); got != c.want {
			t.Errorf("%s at %s: got %q, want %q", c.subject, c.node, got, c.want)
		}
	}
}

// The model's own claims have the sources that it names, by kind of subject (S1:43).
func TestClaimsCarryTheModelsOwn(t *testing.T) {
	m, mem := facts(t, "1-floxhub")
	for _, c := range []struct{ subject, name, want string }{{"user:cara", "cara-handle", "cara-handle"}, {"client:release", "release", "acme"}} {
		got, err := m.Claims(mem, access.Request{Subject: subject(c.subject), Name: c.name, Organization: "acme"})
		if err != nil || !slices.Equal(got.Extra, []access.Claim{{Name: "https://flox.dev/handle", Value: c.want}}) {
			t.Errorf("%s: got %v, %v; want the handle %s", c.subject, got.Extra, err, c.want)
		}
	}
}

// Roles stand in the order of the file, whatever order they were given in; custom ones come last.
func TestRolesStandInFileOrder(t *testing.T) {
	m, mem := facts(t, "4-flowx")
	mem.PutCustomRole(access.CustomRole{ID: "aaa", Node: "retail", Level: "project", Base: "project_viewer", Permissions: []iam.Permission{"process_view"}})
	mem.PutAssignment(iam.Assignment{Node: "loans", Subject: subject("user:wu"), Roles: []iam.RoleID{"deployer", "aaa", "project_viewer", "project_editor", "aaa"}})
	if got := m.Roles(mem, subject("user:wu"), "loans"); !slices.Equal(got, []iam.RoleID{"project_editor", "project_viewer", "aaa", "deployer"}) {
		t.Errorf("got %v", got)
	}
	c, err := m.Claims(mem, access.Request{Subject: subject("user:ora"), Organization: "bank", Entitlements: true})
	if err != nil || c.Entitlements[0] != "org_view" || len(c.Entitlements) != 12 {
		t.Errorf("entitlements: got %v, %v; want the twelve of the organization in file order", c.Entitlements, err)
	}
	m, mem = facts(t, "2-flakiness")
	c, err = m.Claims(mem, access.Request{Subject: subject("user:root"), Organization: "acme"})
	if err != nil || !slices.Equal(c.Roles, []iam.RoleID{"superadmin", "admin"}) {
		t.Errorf("claims: got %v, %v; want the deployment's role first", c.Roles, err)
	}
}

// A token speaks for at most twenty nodes, and is refused rather than shortened (scenario 247).
func TestClaimsRefuseMoreNodesThanFit(t *testing.T) {
	m, mem := facts(t, "2-flakiness")
	q := access.Request{Subject: subject("user:ada"), Organization: "acme", Nodes: slices.Repeat([]iam.NodeID{"web"}, access.MaxDetails)}
	if c, err := m.Claims(mem, q); err != nil || len(c.Details) != 1 {
		t.Errorf("%d nodes: got %v, %v; want the one node once", len(q.Nodes), c.Details, err)
	}
	q.Nodes = append(q.Nodes, "api")
	if _, err := m.Claims(mem, q); iam.CodeOf(err) != access.CodeInvalidDetails {
		t.Errorf("%d nodes: got %v, want %s", len(q.Nodes), err, access.CodeInvalidDetails)
	}
}

// What is hidden, elsewhere and unknown is refused in the same words (S2:54).
func TestHiddenNodesLookUnknown(t *testing.T) {
	m, mem := facts(t, "2-flakiness")
	var texts []string
	for _, n := range []iam.NodeID{"web", "op", "nowhere", ""} {
		_, err := m.Claims(mem, access.Request{Subject: subject("user:eddy"), Organization: "acme", Nodes: []iam.NodeID{"api", n}})
		texts = append(texts, fmt.Sprint(err))
		_, err = m.Assign(mem, access.User("zed"), n, subject("user:zed"), "viewer")
		texts = append(texts, fmt.Sprint(err))
	}
	for i, s := range texts {
		if s != texts[i%2] {
			t.Errorf("got %q and %q, want one answer", texts[i%2], s)
		}
	}
}

// An unknown permission is an error, never a silent no (3.2).
func TestUnknownPermissionIsAnError(t *testing.T) {
	m, mem := facts(t, "1-floxhub")
	_, decide := m.Decide(mem, subject("user:alice"), "env_veiw", "acme")
	_, who := m.WhoCan(mem, "env_veiw", "acme")
	_, where := m.Where(mem, subject("user:alice"), "env_veiw", "organization", "acme")
	_, explain := m.Explain(mem, subject("user:alice"), "env_veiw", "acme")
	for _, err := range []error{decide, who, where, explain} {
		if iam.CodeOf(err) != access.CodeUnknownPermission {
			t.Errorf("got %v, want %s", err, access.CodeUnknownPermission)
		}
	}
}

// A node that an operator switched off gives nobody anything, there and below, public or not.
func TestDisabledNodeGivesNothing(t *testing.T) {
	m, mem := facts(t, "2-flakiness")
	mem.AddNode(iam.Node{ID: "acme", Parent: "cloud", Level: "organization", Name: "acme", Disabled: true})
	for _, s := range []string{"user:root", "user:ada", "user:eve", "client:gh-web", "anonymous"} {
		for _, n := range []iam.NodeID{"acme", "web", "lib"} {
			if got := m.Roles(mem, subject(s), n); len(got) > 0 {
				t.Errorf("%s at %s: got %v", s, n, got)
			}
		}
	}
	if _, err := m.Claims(mem, access.Request{Subject: subject("user:root"), Organization: "acme"}); iam.CodeOf(err) != access.CodeAccessDenied {
		t.Errorf("a token for it: got %v, want %s", err, access.CodeAccessDenied)
	}
}

// No role, group or permission of one model counts in a tree that follows another (scenario 249).
func TestModelsDoNotMix(t *testing.T) {
	flux, _ := access.Preset("flux")
	mem := access.NewMemory()
	mem.AddNode(iam.Node{ID: "acme", Level: iam.LevelOrganization, Name: "acme", Model: "floxhub"})
	mem.PutAssignment(iam.Assignment{Node: "acme", Subject: subject("user:a"), Roles: []iam.RoleID{"org_owner", "owner"}})
	if got := flux.Roles(mem, subject("user:a"), "acme"); len(got) > 0 {
		t.Errorf("flux in a floxhub tree: got %v", got)
	}
	floxhub, _ := access.Preset("floxhub")
	if got := floxhub.Roles(mem, subject("user:a"), "acme"); !slices.Equal(got, []iam.RoleID{"owner"}) {
		t.Errorf("floxhub in its own tree: got %v, want owner alone", got)
	}
}

// The dry run of a grant tells what seat it would take and what is left (S2:65).
func TestPlanTellsSeats(t *testing.T) {
	m, mem := facts(t, "2-flakiness")
	mem.PutSeatLimit("acme", 7)
	plan, err := m.Assign(mem, access.User("ada"), "web", subject("user:new"), "viewer")
	if err != nil || plan.Seats != (access.SeatUse{Node: "acme", Limit: 7, Used: 5, Takes: 1}) || plan.Seats.Left() != 1 {
		t.Errorf("a new external: got %+v, %v", plan.Seats, err)
	}
	plan, err = m.Assign(mem, access.User("ada"), "web", subject("user:eddy"), "viewer")
	if err != nil || plan.Seats.Takes != 0 {
		t.Errorf("somebody with a seat: got %+v, %v", plan.Seats, err)
	}
}

// A group takes a seat for each member that has none, when it is given a role and when somebody joins it.
func TestGroupsTakeSeats(t *testing.T) {
	m, mem := facts(t, "2-flakiness")
	mem.PutSeatLimit("acme", 6)
	mem.PutGroup(iam.Group{ID: "g", Node: "acme", Name: "g"}, "x", "mel")
	plan, err := m.Assign(mem, access.User("ada"), "web", subject("group:g"), "viewer")
	if err != nil || plan.Seats.Takes != 1 {
		t.Fatalf("a group with one newcomer: got %+v, %v", plan.Seats, err)
	}
	mem.Apply(plan)
	if use := m.Seats(mem, "web"); use.Used != 6 {
		t.Errorf("afterwards: got %+v, want 6 used", use)
	}
	if _, err := m.AddMember(mem, access.Actor{Authority: access.ByOperator}, "g", "y"); iam.CodeOf(err) != access.CodeSeatLimit {
		t.Errorf("one more member: got %v, want %s", err, access.CodeSeatLimit)
	}
	if _, err := m.AddMember(mem, access.Actor{Authority: access.ByOperator}, "g", "eve"); err != nil {
		t.Errorf("a member with a seat: %v", err)
	}
}

// Whoever manages groups cannot bring somebody into one that holds more than he does.
func TestGroupMembershipDoesNotExceed(t *testing.T) {
	m, mem := facts(t, "4-flowx",
		act{Actor: "user:wa", Op: "copy", L: "workspace", Role: "workspace_user", New: "lead", On: "retail", Give: []iam.Permission{"wks_view", "user_groups_create"}},
		act{Actor: "user:wa", Op: "assign", Role: "lead", To: "user:wu", On: "retail"})
	if _, err := m.AddMember(mem, access.User("wu"), "sales_team", "wu"); iam.CodeOf(err) != access.CodeExceedsOwn {
		t.Errorf("a group with a project role: got %v, want %s", err, access.CodeExceedsOwn)
	}
	if _, err := m.AddMember(mem, access.User("wu"), "finance_analysts", "te"); err != nil {
		t.Errorf("a group with his own role: %v", err)
	}
}

// A setting gives roles too, and nobody gives more than he holds by that way either.
func TestSettingDoesNotExceed(t *testing.T) {
	src := strings.Replace(sound, "change: manage}\n      home", "change: org_view}\n      home", 1)
	m, err := access.Parse("demo.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	mem := access.NewMemory()
	mem.AddNode(iam.Node{ID: "o", Level: "organization", Name: "o"})
	mem.PutAssignment(iam.Assignment{Node: "o", Subject: subject("user:m"), Roles: []iam.RoleID{"member"}})
	mem.PutAssignment(iam.Assignment{Node: "o", Subject: subject("user:a"), Roles: []iam.RoleID{"admin"}})
	if err := m.Set(mem, access.User("m"), "o", "style", "edit"); iam.CodeOf(err) != access.CodeExceedsOwn {
		t.Errorf("a member: got %v, want %s", err, access.CodeExceedsOwn)
	}
	if err := m.Set(mem, access.User("a"), "o", "style", "edit"); err != nil {
		t.Errorf("an admin: %v", err)
	}
}

// A role in use is refused with everybody who holds it (S4:13).
func TestDeleteRoleNamesHolders(t *testing.T) {
	m, mem := facts(t, "4-flowx", act{Actor: "user:po", Op: "assign", Role: "deployer", To: "user:wu", On: "loans"})
	err := m.DeleteRole(mem, access.User("wa"), "retail", "deployer")
	var e *iam.Error
	if !errors.As(err, &e) || !slices.Equal(e.Fields, []iam.Field{{Path: "loans", Message: "user:wu"}}) {
		t.Errorf("got %+v", err)
	}
}

// Removing a member names all that ends with it (S2:28).
func TestExpelPlansWhatEnds(t *testing.T) {
	m, mem := facts(t, "2-flakiness", act{Actor: "user:ada", Op: "assign", Role: "editor", To: "user:mia", On: "web"})
	plan, err := m.Expel(mem, access.User("ada"), "acme", subject("user:mia"))
	if err != nil || len(plan.After.Roles) > 0 || !slices.Equal(plan.Before.Roles, []iam.RoleID{"member"}) ||
		len(plan.Ends) != 1 || plan.Ends[0].Node != "web" || !slices.Equal(plan.Ends[0].Roles, []iam.RoleID{"editor"}) {
		t.Errorf("got %+v, %v", plan, err)
	}
}

// The organizations of a person are those in which something of his own counts.
func TestOrganizations(t *testing.T) {
	m, mem := facts(t, "2-flakiness")
	for _, c := range []struct{ subject, want string }{
		{"user:ada", "[acme]"}, {"user:eve", "[acme]"}, {"user:olga", "[other]"}, {"user:zed", "[]"}, {"client:gh-web", "[acme]"}, {"user:root", "[]"},
	} {
		if got := fmt.Sprint(m.Organizations(mem, subject(c.subject))); got != c.want {
			t.Errorf("%s: got %s, want %s", c.subject, got, c.want)
		}
	}
	mem.PutSuspension("acme", subject("user:ada"), true)
	if got := m.Organizations(mem, subject("user:ada")); len(got) > 0 {
		t.Errorf("suspended: got %v", got)
	}
}

// Old roles become what the model maps them to; what is not named is for a person to review (S4:29-35).
func TestMigrate(t *testing.T) {
	m, _ := access.Preset("flowx")
	for old, want := range map[string]string{
		"FLOWX_ADMIN": "[{workspace_admin workspace}]", "FLOWX_VIEWER": "[{project_viewer project}]",
		"FLOWX_CONFIGURATOR": "[{workspace_user workspace} {project_editor project}]", "ROLE_OF_OURS": "[]",
	} {
		if got, ok := m.Migrate("flowx-4", old); !ok || fmt.Sprint(got.Choices) != want {
			t.Errorf("%s: got %v, %v; want %s", old, got, ok, want)
		}
	}
	if _, ok := m.Migrate("flowx-3", "FLOWX_ADMIN"); ok {
		t.Error("an unknown source is mapped")
	}
}

// The presets load, are called as their files, and every operation of theirs can be looked at.
func TestPresets(t *testing.T) {
	if got := access.Presets(); !slices.Equal(got, []string{"flakiness", "flowx", "floxhub", "flux"}) {
		t.Fatalf("got %v", got)
	}
	for _, name := range access.Presets() {
		m, ok := access.Preset(name)
		if !ok || m.Name() != name || m.Revision() < 1 || m.Level(iam.LevelOrganization) == nil {
			t.Errorf("preset %s: got %+v, %v", name, m, ok)
		}
		if src, ok := access.PresetSource(name); !ok || len(src) == 0 {
			t.Errorf("preset %s has no source", name)
		}
	}
	if _, ok := access.Preset("auth0"); ok {
		t.Error("an unknown preset is found")
	}
	if _, ok := access.PresetSource("../schema"); ok {
		t.Error("a path is read")
	}
}
