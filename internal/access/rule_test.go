package access_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// helped is a model in which a helper invites people and holds little else.
const helped = `model: helped
revision: 1
levels:
  organization:
    see: org_view
    settings: {home: {values: node, change: manage}}
    restrict: [suspended]
    manage: {assign: [manage, invite], change: manage, revoke: [manage, invite]}
    roles:
      admin: {permissions: [manage, org_view], holders: [user, client], min: 1, implies: [{at: project, role: edit}]}
      member: {permissions: [org_view], holders: [user], implies: [{at: project, role: edit}]}
      helper: {permissions: [org_view, invite], holders: [user]}
      resident: {permissions: [org_view, invite], holders: [user], implies: [{at: project, role: edit, only: home}]}
      guest: {permissions: [org_view], holders: [user], max: 1}
  project:
    parent: organization
    see: read
    manage: {assign: write, change: write, revoke: write}
    roles:
      edit: {permissions: [read, write], holders: [user], self: locked}
operations:
  make: {requires: [{permission: manage, at: organization}], creates: project, creator_gets: edit}
`

// small returns a model with organization o, project p, and what is assigned at o.
func small(t *testing.T, src string, roles map[string]iam.RoleID) (*access.Model, *access.Memory) {
	t.Helper()
	m, err := access.Parse("small.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	mem := access.NewMemory()
	mem.AddNode(iam.Node{ID: "o", Level: "organization", Name: "o"})
	mem.AddNode(iam.Node{ID: "p", Parent: "o", Level: "project", Name: "p"})
	for s, r := range roles {
		mem.PutAssignment(iam.Assignment{Node: "o", Subject: subject(s), Roles: []iam.RoleID{r}})
	}
	return m, mem
}

// wantCode fails unless err is a refusal with that code; "ok" is no error.
func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := outcome(err); got != want {
		t.Errorf("%s: got %s (%v), want %s", what, got, err, want)
	}
}

// A role that implies more than its giver holds is not his to give, however little it carries itself; his own always is.
func TestImpliedRightsDoNotExceed(t *testing.T) {
	m, mem := small(t, helped, map[string]iam.RoleID{"user:a": "admin", "user:m": "member", "user:h": "helper", "user:r": "resident"})
	for _, c := range []struct {
		actor iam.UserID
		role  iam.RoleID
		want  string
	}{
		{"a", "member", "ok"},
		{"h", "member", access.CodeExceedsOwn},
		{"h", "helper", "ok"},
		{"h", "guest", "ok"},
		{"h", "resident", access.CodeExceedsOwn},
		{"r", "resident", "ok"},
		{"r", "member", access.CodeExceedsOwn}, // what only holds in one place is not held below
		{"m", "guest", access.CodeForbidden},
	} {
		_, err := m.Assign(mem, access.User(c.actor), "o", subject("user:new"), c.role)
		wantCode(t, string(c.actor)+" gives "+string(c.role), err, c.want)
	}
	mem.PutSuspension("o", subject("user:m"), true)
	wantCode(t, "helper resumes a member", m.Resume(mem, access.User("h"), "o", subject("user:m")), access.CodeExceedsOwn)
	wantCode(t, "admin resumes a member", m.Resume(mem, access.User("a"), "o", subject("user:m")), "ok")
}

// A holder who is suspended does not keep an organization from being orphaned.
func TestSuspendedHoldersDoNotCount(t *testing.T) {
	operator := access.Actor{Authority: access.ByOperator}
	m, mem := small(t, helped, map[string]iam.RoleID{"user:a": "admin", "client:c": "admin"})
	wantCode(t, "suspending one of two", m.Suspend(mem, operator, "o", subject("user:a")), "ok")
	mem.PutSuspension("o", subject("user:a"), true)
	wantCode(t, "suspending the other", m.Suspend(mem, operator, "o", subject("client:c")), access.CodeLastHolder)
	_, err := m.Remove(mem, operator, "o", subject("client:c"), "")
	wantCode(t, "removing the other", err, access.CodeLastHolder)
}

// Before anybody has signed in, one invited holder may be taken back while another is left.
func TestInvitedHolders(t *testing.T) {
	operator := access.Actor{Authority: access.ByOperator}
	m, mem := small(t, helped, map[string]iam.RoleID{"login:x/a": "admin", "login:x/b": "admin"})
	plan, err := m.Remove(mem, operator, "o", subject("login:x/a"), "")
	wantCode(t, "one of two invitations", err, "ok")
	mem.Apply(plan)
	_, err = m.Remove(mem, operator, "o", subject("login:x/b"), "")
	wantCode(t, "the last invitation", err, access.CodeLastHolder)
}

// As many hold a role as may, and no more.
func TestMaximumOfHolders(t *testing.T) {
	m, mem := small(t, helped, map[string]iam.RoleID{"user:a": "admin", "user:g": "guest"})
	_, err := m.Assign(mem, access.User("a"), "o", subject("user:new"), "guest")
	wantCode(t, "a second guest", err, access.CodeRoleHeld)
}

// A locked role below keeps its holder from leaving above; an admin may take him out.
func TestLockedRoleBelow(t *testing.T) {
	m, mem := small(t, helped, map[string]iam.RoleID{"user:a": "admin", "user:m": "member"})
	mem.PutAssignment(iam.Assignment{Node: "p", Subject: subject("user:m"), Roles: []iam.RoleID{"edit"}})
	_, err := m.Expel(mem, access.User("m"), "o", subject("user:m"))
	wantCode(t, "leaving", err, access.CodeOwnRoleLocked)
	_, err = m.Expel(mem, access.User("a"), "o", subject("user:m"))
	wantCode(t, "being removed", err, "ok")
}

// Whoever could not hold the maker's role does not make the node.
func TestMakerMustBeAbleToHold(t *testing.T) {
	m, mem := small(t, helped, map[string]iam.RoleID{"user:a": "admin", "client:c": "admin"})
	_, err := m.Operate(mem, access.Client("c"), "make", "o")
	wantCode(t, "a client", err, access.CodeHolderNotAllowed)
	_, err = m.Operate(mem, access.User("a"), "make", "o")
	wantCode(t, "a user", err, "ok")
}

// A level that takes no seats lets people in when none are left.
func TestSeatsByLevel(t *testing.T) {
	src, _ := access.PresetSource("flakiness")
	m, err := access.Parse("flakiness.yaml", []byte(strings.Replace(string(src), "resource: [organization, project]", "resource: [organization]", 1)))
	if err != nil {
		t.Fatal(err)
	}
	_, mem := facts(t, "2-flakiness")
	mem.PutSeatLimit("acme", 3)
	_, err = m.Assign(mem, access.User("ada"), "web", subject("user:new"), "viewer")
	wantCode(t, "an external at a project", err, "ok")
	_, err = m.Assign(mem, access.User("ada"), "acme", subject("user:new"), "member")
	wantCode(t, "a member", err, access.CodeSeatLimit)
}

// Of two custom roles with one name the nearer one is meant, and only that is in use.
func TestNearestCustomRoleCounts(t *testing.T) {
	m, mem := facts(t, "4-flowx")
	mem.PutCustomRole(access.CustomRole{ID: "deployer", Node: "loans", Level: "project", Base: "project_viewer", Permissions: []iam.Permission{"process_view"}})
	mem.PutAssignment(iam.Assignment{Node: "loans", Subject: subject("user:wu"), Roles: []iam.RoleID{"deployer"}})
	if d, err := m.Decide(mem, subject("user:wu"), "runtime_deploy", "loans"); d != access.Forbidden || err != nil {
		t.Errorf("got %s, %v; want the nearer role, which does not deploy", d, err)
	}
	wantCode(t, "deleting the wider role", m.DeleteRole(mem, access.User("wa"), "retail", "deployer"), "ok")
}

// Groups of a node that is switched off are not claimed.
func TestGroupsOfDisabledNode(t *testing.T) {
	m, mem := facts(t, "4-flowx")
	mem.AddNode(iam.Node{ID: "retail", Parent: "bank", Level: "workspace", Name: "retail", Disabled: true})
	for _, u := range []iam.UserID{"gu1", "wu", "fa"} {
		if got := m.Groups(mem, u, "bank"); len(got) > 0 {
			t.Errorf("%s: got %v", u, got)
		}
	}
}

// Nobody who is shut out above comes in with a new node, by an operation or through a group.
func TestOutsidersComeInByNoOtherWay(t *testing.T) {
	closed := strings.NewReplacer("settings: {home: {values: node, change: manage}}\n    restrict: [suspended]",
		"settings: {home: {values: node, change: manage}, external_users: {values: [allowed, blocked], default: blocked, change: manage}}\n    restrict: [suspended, external_users]\n    groups: {custom: {create: manage}}",
		"permissions: [read, write], holders: [user]", "permissions: [read, write], holders: [user, group]").Replace(helped)
	m, mem := small(t, closed, map[string]iam.RoleID{"user:a": "admin", "user:m": "member"})
	operator := access.Actor{Subject: subject("user:op"), Authority: access.ByOperator}
	found := func(actor access.Actor, who string) error {
		return m.CreateNode(mem, actor, "o", "project", "", []iam.Assignment{{Subject: subject(who), Roles: []iam.RoleID{"edit"}}})
	}
	wantCode(t, "an operator founds with a member", found(operator, "user:m"), "ok")
	wantCode(t, "an operator founds with an outsider", found(operator, "user:x"), access.CodeExternalBlocked)
	wantCode(t, "an operator founds with a login", found(operator, "login:github/x"), access.CodeExternalBlocked)
	_, err := m.Operate(mem, operator, "make", "o")
	wantCode(t, "an operator who is an outsider makes a project", err, access.CodeExternalBlocked)
	_, err = m.Operate(mem, access.User("a"), "make", "o")
	wantCode(t, "an admin makes a project", err, "ok")

	mem.PutGroup(iam.Group{ID: "g", Node: "o", Name: "g"})
	mem.PutAssignment(iam.Assignment{Node: "p", Subject: subject("group:g"), Roles: []iam.RoleID{"edit"}})
	_, err = m.AddMember(mem, access.User("a"), "g", "m")
	wantCode(t, "a member joins a group", err, "ok")
	_, err = m.AddMember(mem, access.User("a"), "g", "x")
	wantCode(t, "an outsider joins a group", err, access.CodeExternalBlocked)
}

// Who takes a value back gives what then holds, and no more than he has himself.
func TestTakingAValueBackDoesNotExceed(t *testing.T) {
	m, mem := small(t, `model: handed
revision: 1
levels:
  organization:
    see: org_view
    settings: {grade: {values: [edit, read], default: edit, change: tune}}
    manage: {assign: manage, change: manage, revoke: manage}
    roles:
      admin: {permissions: [manage, tune, org_view], holders: [user], implies: [{at: project, role: edit}]}
      tuner: {permissions: [tune, org_view], holders: [user], implies: [{at: project, role: read}]}
      member: {permissions: [org_view], holders: [user], implies: [{at: project, setting: grade, via: [organization]}]}
  project:
    parent: organization
    see: view
    manage: {assign: write, change: write, revoke: write}
    roles:
      edit: {permissions: [view, write], holders: [user]}
      read: {permissions: [view], holders: [user]}
`, map[string]iam.RoleID{"user:a": "admin", "user:t": "tuner"})
	mem.AddNode(iam.Node{ID: "o", Level: "organization", Name: "o", Settings: map[string]string{"grade": "read"}})
	wantCode(t, "a tuner gives what he has", m.Set(mem, access.User("t"), "o", "grade", "read"), "ok")
	wantCode(t, "a tuner gives more", m.Set(mem, access.User("t"), "o", "grade", "edit"), access.CodeExceedsOwn)
	wantCode(t, "a tuner takes back, which gives more", m.Set(mem, access.User("t"), "o", "grade", ""), access.CodeExceedsOwn)
	wantCode(t, "an admin takes back", m.Set(mem, access.User("a"), "o", "grade", ""), "ok")
}

// Who is refused learns from the words nothing of what somebody holds.
func TestRefusalsDoNotTellWhatIsHeld(t *testing.T) {
	m, mem := small(t, helped, map[string]iam.RoleID{"user:a": "admin", "user:m": "member", "user:r": "resident"})
	says := func(s string) string {
		_, err := m.Remove(mem, access.User("m"), "o", subject(s), "")
		return err.Error()
	}
	if held, none := says("user:r"), says("user:x"); held != none {
		t.Errorf("removing a resident: got %q, want it as for a stranger: %q", held, none)
	}
}
