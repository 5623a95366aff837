package adminapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// The facts of the scenarios: floxhub's acme and beta, flux's labs, flowx's bank.
const worlds = `
kind: Organization
metadata: {name: acme}
spec: {model: floxhub, assignments: [{user: alice, role: owner}, {user: bob, role: writer}, {user: cara, role: reader}]}
---
kind: Organization
metadata: {name: beta}
spec: {model: floxhub, assignments: [{user: dan, role: owner}, {user: cara, role: writer}]}
---
kind: Audience
metadata: {name: hub}
spec: {identifier: https://hub.example/api}
---
kind: Client
metadata: {name: release, organization: acme}
spec: {clientId: release, role: writer, audiences: [hub]}
---
kind: Client
metadata: {name: nightly, organization: acme}
spec: {clientId: nightly, role: reader, audiences: [hub]}
---
kind: Organization
metadata: {name: labs}
spec: {model: flux, assignments: [{user: oo, role: org_owner}, {user: om, role: org_member}]}
---
kind: Node
metadata: {name: plab, parent: labs}
spec: {level: project, assignments: [{user: om, role: view}]}
---
kind: Node
metadata: {name: ppub, parent: labs}
spec: {level: project, settings: {visibility: public}}
---
kind: Organization
metadata: {name: bank}
spec: {model: flowx, assignments: [{user: ora, role: org_admin}]}
---
kind: Node
metadata: {name: retail, parent: bank}
spec: {level: workspace, assignments: [{user: wa, role: workspace_admin}, {user: wu, role: workspace_user}, {user: te, role: theme_editor}]}
---
kind: Node
metadata: {name: corp, parent: bank}
spec: {level: workspace, assignments: [{user: cu, role: workspace_user}]}
---
kind: Group
metadata: {name: sales_team, parent: bank/retail}
spec: {members: [gu1, gu2]}
---
kind: Node
metadata: {name: loans, parent: bank/retail}
spec: {level: project, kind: project, assignments: [{group: sales_team, role: project_viewer}, {user: pv, role: project_viewer}]}
`

var townspeople = strings.Fields("alice bob cara dan zed oo om ora wa wu te cu gu1 gu2 pv off")

// startWorlds is start with the facts of the scenarios.
func startWorlds(t *testing.T) *broker {
	t.Helper()
	b := start(t)
	var docs strings.Builder
	for _, name := range townspeople {
		fmt.Fprintf(&docs, "kind: User\nmetadata: {name: %s}\n---\n", name)
	}
	check(t, errorOf(b.as("operator").Apply(t.Context(), documents(t, docs.String()+worlds), apiv1.ApplyOptions{})))
	return b
}

func about(kind, id string) *apiv1.Subject { return &apiv1.Subject{Type: kind, ID: id} }

func at(node string) apiv1.Resource { return apiv1.Resource{ID: node} }

// A decision is allowed, or denied by the status that a resource server answers with (scenarios 1 to 6, 13, 14, 63, 64, 176, 230,
// 231, 241, 242).
func TestCheckAnswersByTheAccessModel(t *testing.T) {
	b := startWorlds(t)
	const allowed = ""
	for _, c := range []struct {
		subject *apiv1.Subject
		node    string
		actions string
		reason  string
	}{
		{about("user", "cara"), "acme", "env_view env_pull package_view package_install", allowed},
		{about("user", "cara"), "acme", "env_create env_update env_configure env_delete package_create package_update", "403"},
		{about("user", "bob"), "acme", "env_create env_update package_create package_update env_view env_pull", allowed},
		{about("user", "bob"), "acme", "members_manage settings_manage", "403"},
		{about("user", "alice"), "acme", "members_manage settings_manage clients_manage env_delete env_view", allowed},
		{about("user", "zed"), "acme", "env_view", "404"},
		{about("user", "nobody-of-that-name"), "acme", "env_view", "404"},
		{about("anonymous", ""), "acme", "env_view", "404"},
		{about("user", "bob"), "beta", "env_view", "404"},
		{about("client", "release"), "acme", "env_update package_create", allowed},
		{about("client", "release"), "acme", "members_manage", "403"},
		{about("client", "release"), "beta", "env_view", "404"},
		{about("anonymous", ""), "labs/ppub", "content_view", allowed},
		{about("anonymous", ""), "labs/ppub", "comments_write", "403"},
		{about("anonymous", ""), "labs/plab", "content_view", "404"},
		{about("user", "om"), "labs/plab", "design_modify", "403"},
		{about("user", "wu"), "bank/retail/loans", "process_view", "403"},
		{about("user", "gu1"), "bank/retail/loans", "process_view", allowed},
		{about("group", "sales_team"), "bank/retail/loans", "process_view", allowed},
		{about("user", "wa"), "bank/retail", "audit_logs_view", allowed},
		{about("user", "wu"), "bank/retail", "audit_logs_view", "403"},
		{about("user", "te"), "bank/retail", "audit_logs_view", "403"},
		{about("user", "ora"), "bank", "user_access_view_all", allowed},
		{about("user", "wa"), "bank", "user_access_view_all", "404"},
	} {
		for _, action := range strings.Fields(c.actions) {
			got, err := b.as("auditor").CheckAccess(t.Context(), apiv1.AccessQuestion{Subject: c.subject, Action: action, Resource: at(c.node)})
			if err != nil || got.Decision != (c.reason == allowed) || got.Reason != c.reason {
				t.Errorf("%v %s %s: got %+v, %v; want reason %q", *c.subject, action, c.node, got, err, c.reason)
			}
			if (got.Detail == "") != got.Decision {
				t.Errorf("%v %s %s: an auditor learns why not: got %+v", *c.subject, action, c.node, got)
			}
		}
	}
}

// Everybody may ask about himself, about anyone whoever sees the node, about others those who review access there. To whom a node is
// not known it does not exist: the answer is the same, byte for byte (scenarios 10, 12, 75, 242).
func TestQuestionsAreForThoseEntitled(t *testing.T) {
	b := startWorlds(t)
	ask := func(by, subject, action, node string) answer {
		kind, id, _ := strings.Cut(subject, ":")
		body := fmt.Sprintf(`{"action": %q, "resource": {"id": %q}}`, action, node)
		if subject != "" {
			body = fmt.Sprintf(`{"subject": {"type": %q, "id": %q}, "action": %q, "resource": {"id": %q}}`, kind, id, action, node)
		}
		return b.send("POST", "/api/v1/access/check", by, body)
	}
	nowhere := ask(b.person("zed", ""), "", "env_view", "nowhere")
	if nowhere.status != 200 || !strings.Contains(nowhere.body, `"reason":"404"`) {
		t.Fatalf("about what does not exist: got %d %s", nowhere.status, nowhere.body)
	}
	for _, c := range []struct {
		by, subject, action, node string
		status                    int
		same                      bool // as about what does not exist
		want                      string
	}{
		{by: b.person("cara", "acme"), action: "env_view", node: "acme", status: 200, want: `"decision":true`},
		{by: b.person("cara", "acme"), subject: "user:cara", action: "env_create", node: "acme", status: 200, want: `"reason":"403"`},
		{by: b.person("cara", "acme"), subject: "anonymous:", action: "env_view", node: "acme", status: 200, same: true},
		{by: b.person("cara", "acme"), subject: "user:bob", action: "env_view", node: "acme", status: 403, want: `"forbidden"`},
		{by: b.person("alice", "acme"), subject: "user:bob", action: "env_view", node: "acme", status: 200, want: `"decision":true`},
		{by: b.person("alice", "acme"), subject: "user:bob", action: "no_such", node: "acme", status: 422, want: `"unknown_permission"`},
		{by: b.person("cara", "acme"), action: "env_view", node: "beta", status: 200, same: true}, // a token speaks for one organization
		{by: b.person("cara", ""), action: "env_view", node: "beta", status: 200, want: `"decision":true`},
		{by: b.person("zed", ""), action: "env_view", node: "acme", status: 200, same: true},
		{by: b.person("zed", ""), action: "no_such", node: "acme", status: 200, same: true},
		{by: b.person("zed", ""), subject: "user:bob", action: "env_view", node: "acme", status: 200, same: true},
		{by: b.person("zed", ""), subject: "anonymous:", action: "env_view", node: "acme", status: 200, same: true},
		{by: b.person("wa", "bank"), subject: "user:wu", action: "wks_view", node: "bank/corp", status: 200, same: true},
		{by: b.person("bob", ""), subject: "user:dan", action: "env_view", node: "beta", status: 200, same: true},
	} {
		got := ask(c.by, c.subject, c.action, c.node)
		if got.status != c.status || c.same && got.body != nowhere.body || !strings.Contains(got.body, c.want) {
			t.Errorf("%s asks about %q %s at %s: got %d %s", c.by, c.subject, c.action, c.node, got.status, got.body)
		}
	}
	for _, malformed := range []string{
		`{"action": "", "resource": {"id": "acme"}}`, `{"action": "env_view", "resource": {"id": ""}}`,
		`{"subject": {"type": "login", "id": "x/y"}, "action": "env_view", "resource": {"id": "acme"}}`, `{"subject": {"type": "user"}, "action": "env_view", "resource": {"id": "acme"}}`,
	} {
		a := b.send("POST", "/api/v1/access/check", b.person("zed", ""), malformed)
		other := b.send("POST", "/api/v1/access/check", b.person("zed", ""), strings.Replace(malformed, `"acme"`, `"nowhere"`, 1))
		if a.status != 400 || other.status != 400 {
			t.Errorf("%s: got %d %s, and %d about what does not exist", malformed, a.status, a.body, other.status)
		}
	}
}

// An account that is switched off has what anyone has.
func TestDisabledAccountsCountAsAnyone(t *testing.T) {
	b := startWorlds(t)
	api := b.as("operator")
	u, err := api.GetUser(t.Context(), "cara")
	check(t, err)
	u.Disabled = true
	check(t, errorOf(api.UpdateUser(t.Context(), "cara", u.UserSpec, "")))
	got, err := api.CheckAccess(t.Context(), apiv1.AccessQuestion{Subject: about("user", "cara"), Action: "env_view", Resource: at("acme")})
	if err != nil || got.Decision || !strings.Contains(got.Detail, "switched off") {
		t.Errorf("got %+v, %v", got, err)
	}
	who, err := api.ListAccess(t.Context(), "acme", apiv1.PageOptions{})
	check(t, err)
	for _, e := range who.Items {
		if e.Disabled != (e.Subject.Name == "cara") {
			t.Errorf("got %+v", e)
		}
	}
}

// lines writes entries as "type name: roles (reason; reason)".
func lines(entries []apiv1.AccessEntry) []string {
	var out []string
	for _, e := range entries {
		var reasons []string
		for _, r := range e.Reasons {
			if r.Effect == "counts" {
				reasons = append(reasons, r.Text)
			}
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s", e.Subject.Type, e.Subject.Name))+": "+strings.Join(e.Roles, ",")+" ("+strings.Join(reasons, "; ")+")")
	}
	slices.Sort(out)
	return out
}

// Who has access is told with the reason of each line: clients as clients, and anyone where it is public (scenarios 43, 106, 160, 237).
func TestAccessIsListedWithReasons(t *testing.T) {
	b := startWorlds(t)
	for _, c := range []struct {
		by, node string
		want     []string
	}{
		{b.person("alice", "acme"), "acme", []string{
			"client nightly: reader (assigned at acme)", "client release: writer (assigned at acme)",
			"user alice: owner (assigned at acme)", "user bob: writer (assigned at acme)", "user cara: reader (assigned at acme)",
		}},
		{b.person("oo", "labs"), "labs/ppub", []string{
			"anonymous: view (ppub is open to anyone (visibility: public))",
			"user om: edit (default of member_role for role org_member, which nobody set, which is assigned at labs)",
			"user oo: edit (implied by role org_owner at labs, which is assigned at labs)",
		}},
		{b.person("ora", "bank"), "bank/retail/loans", []string{
			"user gu1: project_viewer (through group sales_team at loans)", "user gu2: project_viewer (through group sales_team at loans)",
			"user ora: project_owner (implied by role workspace_admin at retail, which is implied by role org_admin at bank, which is assigned at bank)",
			"user pv: project_viewer (assigned at loans)",
			"user wa: project_owner (implied by role workspace_admin at retail, which is assigned at retail)",
		}},
	} {
		got, err := b.as(c.by).ListAccess(t.Context(), c.node, apiv1.PageOptions{})
		check(t, err)
		if l := lines(got.Items); !slices.Equal(l, c.want) {
			t.Errorf("access to %s:\ngot  %s\nwant %s", c.node, strings.Join(l, "\n     "), strings.Join(c.want, "\n     "))
		}
		var paged []apiv1.AccessEntry
		for o := (apiv1.PageOptions{PageSize: 1}); ; {
			part, err := b.as(c.by).ListAccess(t.Context(), c.node, o)
			check(t, err)
			paged = append(paged, part.Items...)
			if len(part.Items) > 1 {
				t.Fatalf("a part of 1 has %d", len(part.Items))
			}
			if o.Token = part.NextPageToken; o.Token == "" {
				break
			}
		}
		if !slices.Equal(lines(paged), c.want) {
			t.Errorf("access to %s in parts: got %v", c.node, lines(paged))
		}
	}
	can, err := b.as("auditor").WhoCan(t.Context(), apiv1.WhoQuestion{Action: "env_create", Resource: at("acme")}, apiv1.PageOptions{})
	check(t, err)
	if got := lines(can.Items); len(got) != 3 {
		t.Errorf("who may env_create: got %v", got)
	}
	if a := b.send("GET", "/api/v1/nodes/acme/access", b.person("bob", "acme"), ""); a.status != 403 {
		t.Errorf("by a member: got %d %s", a.status, a.body)
	}
	for _, path := range []string{"/api/v1/nodes/beta/access", "/api/v1/organizations/beta/access", "/api/v1/nodes/nowhere/access"} {
		if a := b.send("GET", path, b.person("alice", "acme"), ""); a.status != 404 || a.code() != "not_found" {
			t.Errorf("%s by an owner of elsewhere: got %d %s", path, a.status, a.body)
		}
	}
}

func names(subjects []apiv1.AccessSubject) []string {
	var out []string
	for _, s := range subjects {
		out = append(out, s.Name)
	}
	slices.Sort(out)
	return out
}

// Whoever was lowered by a grant learns which, what it keeps from counting, and who may change it (scenario 161).
func TestExplainTellsTheLayerTheGrantAndWhoMayChangeIt(t *testing.T) {
	b := startWorlds(t)
	ex, err := b.as(b.person("om", "labs")).ExplainAccess(t.Context(), apiv1.ExplainQuestion{Action: "design_modify", Resource: &apiv1.Resource{Type: "project", ID: "labs/plab"}})
	check(t, err)
	a := ex.Access
	text := strings.Join(a.Findings, "\n")
	if a.Decision || a.Reason != "403" || a.DecidedBy != "direct" || !strings.Contains(text, "role view at labs/plab counts: assigned at plab") ||
		!strings.Contains(text, "layer direct decides before layer builtin") {
		t.Errorf("got %+v", a)
	}
	found := false
	for _, c := range a.Changes {
		if c.Role == "edit" && c.Node == "labs/plab" {
			found = true
			if !slices.Equal(names(c.Who), []string{"oo"}) || len(c.Needs) == 0 {
				t.Errorf("who may change it: got %+v", c)
			}
		}
	}
	if !found {
		t.Errorf("nothing would change it: %+v", a.Changes)
	}
}

// Why somebody cannot enter: no assignment, and none of the groups with access (scenario 232).
func TestExplainTellsWhatIsMissing(t *testing.T) {
	b := startWorlds(t)
	ex, err := b.as(b.person("wa", "bank")).ExplainAccess(t.Context(), apiv1.ExplainQuestion{Subject: about("user", "cu"), Resource: &apiv1.Resource{ID: "bank/retail/loans"}})
	check(t, err)
	text := strings.Join(ex.Access.Findings, "\n")
	for _, want := range []string{"no role is assigned to the user at bank/retail/loans or above it", "in none of the groups with access: sales_team"} {
		if !strings.Contains(text, want) {
			t.Errorf("got %q, want %q", text, want)
		}
	}
	if ex.Access.Decision || ex.Access.Reason != "404" || ex.Access.Subject != *about("user", "cu") {
		t.Errorf("got %+v", ex.Access)
	}
	for _, c := range []struct {
		by   string
		node string
		want int
	}{{b.person("wu", "bank"), "bank/retail", 403}, {b.person("cu", "bank"), "bank/retail", 404}, {b.person("alice", "acme"), "bank/retail", 404}} {
		_, err := b.as(c.by).ExplainAccess(t.Context(), apiv1.ExplainQuestion{Subject: about("user", "wa"), Resource: &apiv1.Resource{ID: c.node}})
		if e := errorStatus(err); e != c.want {
			t.Errorf("%s about wa at %s: got %d, want %d", c.by, c.node, e, c.want)
		}
	}
}

func errorStatus(err error) int {
	if e, ok := err.(*apiv1.Error); ok {
		return e.Status
	}
	return 0
}

// A refused assignment is explained: the missing permission, who holds it, and whether the role is assignable at all (scenario 233).
func TestExplainTellsWhyARoleCannotBeGiven(t *testing.T) {
	b := startWorlds(t)
	explain := func(by string, q apiv1.AssignQuestion) *apiv1.AssignmentExplanation {
		t.Helper()
		ex, err := b.as(by).ExplainAccess(t.Context(), apiv1.ExplainQuestion{Assign: &q})
		check(t, err)
		return ex.Assignment
	}
	wu := explain(b.person("wu", "bank"), apiv1.AssignQuestion{Node: "bank/retail", Subject: *about("user", "cu"), Role: "theme_editor"})
	if wu.Allowed || wu.Code != "forbidden" || !wu.Missing || !wu.Assignable || !slices.Contains(wu.Needs, "wks_roles_assign") || !slices.Equal(names(wu.Who), []string{"ora", "wa"}) {
		t.Errorf("got %+v", wu)
	}
	if a := explain(b.person("wa", "bank"), apiv1.AssignQuestion{Node: "bank/retail", Subject: *about("user", "cu"), Role: "theme_editor"}); !a.Allowed || a.Missing {
		t.Errorf("by one who may: got %+v", a)
	}
	if a := explain(b.person("alice", "acme"), apiv1.AssignQuestion{Node: "acme", Subject: *about("user", "alice"), Role: "reader"}); a.Code != "own_role_locked" || a.Missing {
		t.Errorf("one's own role: got %+v", a)
	}
	if a := explain("operator", apiv1.AssignQuestion{Node: "acme", Subject: *about("client", "release"), Role: "owner", Actor: about("user", "alice")}); a.Code != "holder_not_allowed" || a.Assignable {
		t.Errorf("a client as owner: got %+v", a)
	}
	if a := explain("operator", apiv1.AssignQuestion{Node: "acme", Subject: *about("user", "zed"), Role: "no_such"}); a.Code != "role_not_available_here" || a.Assignable {
		t.Errorf("a role that is not there: got %+v", a)
	}
	_, err := b.as(b.person("zed", "")).ExplainAccess(t.Context(), apiv1.ExplainQuestion{Assign: &apiv1.AssignQuestion{Node: "acme", Subject: *about("user", "zed"), Role: "reader"}})
	wantCode(t, err, "not_found")
}

// A token that is older than a change of what its subject holds is told apart from one that is not (scenario 234).
func TestExplainTellsThatATokenIsOlderThanAChange(t *testing.T) {
	b := startWorlds(t)
	api := b.as("operator")
	age := func(rev string) *apiv1.TokenAge {
		t.Helper()
		ex, err := b.as(b.person("wu", "bank")).ExplainAccess(t.Context(), apiv1.ExplainQuestion{Action: "themes_edit", Resource: &apiv1.Resource{ID: "bank/retail"}, AccessRev: rev})
		check(t, err)
		return ex.Access.Token
	}
	before := fmt.Sprintf("flowx.1.%d", b.store.Revision())
	if a := age(before); a.Older {
		t.Errorf("before the change: got %+v", a)
	}
	check(t, errorOf(api.Assign(t.Context(), "bank/retail", apiv1.Assignment{User: "wu", Role: "theme_editor"})))
	if a := age(before); !a.Older || !strings.Contains(a.Detail, "what the subject holds at bank/retail") {
		t.Errorf("after the change: got %+v", a)
	}
	if a := age(fmt.Sprintf("flowx.1.%d", b.store.Revision())); a.Older {
		t.Errorf("a new token: got %+v", a)
	}
	if a := age("flux.1.1"); !a.Older {
		t.Errorf("of another model: got %+v", a)
	}
	for _, rev := range []string{"flowx", "flowx.1", "1", "..", "flowx.1.x"} {
		_, err := api.ExplainAccess(t.Context(), apiv1.ExplainQuestion{Subject: about("user", "wu"), Resource: &apiv1.Resource{ID: "bank/retail"}, AccessRev: rev})
		wantCode(t, err, "invalid")
	}
}
