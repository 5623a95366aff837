package adminapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// A belonging is how a rule names things of one organization: what stands for a path variable or, with a $, in a body.
type belonging map[string]string

// twins are two organizations that have the same of everything, but for what is named across the installation.
const twins = `
kind: Organization
metadata: {name: ORG}
spec: {model: flowx, assignments: [{user: PREowner, role: org_admin}, {user: dual, role: org_admin}]}
---
kind: Node
metadata: {name: PREretail, parent: ORG}
spec: {level: workspace, assignments: [{user: PREadmin, role: workspace_admin}, {user: PREmember, role: workspace_user}]}
---
kind: Node
metadata: {name: PREloans, parent: ORG/PREretail}
spec: {level: project, kind: project}
---
kind: Client
metadata: {name: PREengine, organization: ORG}
spec: {clientId: PREengine, role: SA_FLOWX, audiences: ["http://127.0.0.1:8080/api/v1"], secrets: [{name: PREsecret, value: "a-secret-of-more-than-forty-characters-for-PRE"}]}
`

// twin makes one of the organizations and returns what it has, by names and by ids.
func (b *broker) twin(org, pre string) (names, ids belonging) {
	b.t.Helper()
	ctx, api := b.t.Context(), b.as("operator")
	for _, user := range []string{pre + "owner", pre + "admin", pre + "member", pre + "custom", "dual"} {
		b.person(user, "")
	}
	check(b.t, errorOf(api.Apply(ctx, documents(b.t, strings.NewReplacer("ORG", org, "PRE", pre).Replace(twins)), apiv1.ApplyOptions{})))
	at := org + "/" + pre + "retail"
	group, err := api.CreateGroup(ctx, at, apiv1.NewGroup{Name: pre + "sales", GroupSpec: apiv1.GroupSpec{Members: []string{pre + "member"}}})
	check(b.t, err)
	check(b.t, errorOf(api.CreateRole(ctx, at, apiv1.NewRole{ID: pre + "lead", CustomRoleSpec: apiv1.CustomRoleSpec{Base: "theme_editor", Permissions: []string{"wks_view", "themes_edit", "projects_view"}}})))
	check(b.t, errorOf(api.Assign(ctx, at, apiv1.Assignment{User: pre + "custom", Role: pre + "lead"})))
	invitation, err := api.Invite(ctx, at, apiv1.NewInvitation{Email: pre + "@example.org", Role: "workspace_user"})
	check(b.t, err)
	migration, err := api.PlanMigration(ctx, at, apiv1.NewMigration{Source: "flowx-4", Holders: []apiv1.MigrationHolder{{User: pre + "member", Role: "FLOWX_VIEWER", Where: at + "/" + pre + "loans"}}})
	check(b.t, err)
	review := b.openReview("operator", at)
	node, err := api.GetNode(ctx, at)
	check(b.t, err)
	root, err := api.GetNode(ctx, org)
	check(b.t, err)
	secrets, err := api.ListSecrets(ctx, pre+"engine")
	check(b.t, err)
	names = belonging{
		"node": at, "group": group.Name, "role": pre + "lead", "client": pre + "engine", "secret": pre + "secret", "user": pre + "member",
		"invitation": invitation.ID, "migration": migration.ID, "review": review.ID, "stream": root.ID,
	}
	ids = maps.Clone(names)
	ids["node"], ids["group"], ids["secret"], ids["user"] = node.ID, group.ID, secrets.Items[0].ID, b.userID(pre+"member")
	return names, ids
}

// absent is what a belonging would be called if there were no such things: each name and id with other ends of its words.
func absent(there belonging) belonging {
	out := make(belonging, len(there))
	for k, v := range there {
		words := strings.Split(v, "/")
		for i, w := range words {
			end := "q"
			if strings.HasSuffix(w, end) {
				end = "z"
			}
			words[i] = w[:len(w)-1] + end
		}
		out[k] = strings.Join(words, "/")
	}
	return out
}

// always are the path variables that name a part of something, or what the model or the installation has.
var always = belonging{
	"number": "0", "item": "1", "operation": "create_project", "setting": "no_such", "kid": "no_such", "audience": "no_such", "model": "flowx", "login": "no_such", "session": "no_such", "grant": "no_such",
}

// A trespass is one request of the sweep, and what of it is taken from the other organization.
type trespass struct {
	method, path, body string
	foreign            []string
}

// trespasses returns the requests of an operation for another organization's things, for the same things that do not exist, and
// whether there is anything to name. Each thing is named alone among the caller's own, and then all are.
func trespasses(method, path string, rule sweepRule, own, other belonging) (out []trespass) {
	bodies := strings.Split(rule.body, "\n")
	for _, body := range bodies {
		text := path
		if rule.query != "" {
			text += "?" + rule.query
		}
		var named []string
		for k := range other {
			if strings.Contains(text, "{"+k+"}") || strings.Contains(text, "$"+k) || strings.Contains(body, "$"+k) {
				named = append(named, k)
			}
		}
		slices.Sort(named)
		sets := [][]string{named}
		if len(named) > 1 {
			for _, k := range named {
				sets = append(sets, []string{k})
			}
		}
		for _, foreign := range sets {
			if len(foreign) == 0 || rule.anybody && slices.Equal(foreign, []string{"user"}) && len(named) > 1 {
				continue
			}
			p, b := text, body
			for k, v := range own {
				if slices.Contains(foreign, k) {
					v = other[k]
				}
				p = strings.ReplaceAll(p, "{"+k+"}", strings.ReplaceAll(v, "/", ":"))
				p = strings.ReplaceAll(p, "$"+k, url.QueryEscape(v))
				b = strings.ReplaceAll(b, "$"+k, v)
			}
			for k, v := range always {
				p = strings.ReplaceAll(p, "{"+k+"}", v)
			}
			out = append(out, trespass{method, p, b, foreign})
		}
	}
	return out
}

// told is an answer without what tells requests apart, with the names of there written as those of absent.
func told(a answer, there, absent belonging) string {
	text := a.body
	var p map[string]any
	if json.Unmarshal([]byte(text), &p) == nil {
		delete(p, "request_id")
		out, _ := json.Marshal(p) // it was JSON just now
		text = string(out)
	}
	keys := slices.SortedFunc(maps.Keys(there), func(x, y string) int { return len(there[y]) - len(there[x]) })
	for _, k := range keys {
		text = strings.ReplaceAll(text, there[k], absent[k])
		text = strings.ReplaceAll(text, strings.ReplaceAll(there[k], "/", ":"), absent[k])
	}
	return fmt.Sprintf("%d %s", a.status, strings.ReplaceAll(text, strings.ReplaceAll(absent["node"], "/", ":"), absent["node"]))
}

// To whoever belongs elsewhere, all that an organization has is as if it were not there: every operation of the description answers
// about its ids and names, in every place that can hold them, as about ones that do not exist, changes nothing, and leaves at most a
// refusal in its audit log.
func TestNothingIsReachedFromElsewhere(t *testing.T) {
	b := start(t)
	names, ids := b.twin("zbank", "z")
	own, _ := b.twin("mine", "m")
	root := maps.Clone(names)
	root["node"] = "zbank"
	callers := []string{
		"stranger", b.person("mmember", ""), b.person("mowner", ""), b.person("mowner", "mine"), b.person("dual", "mine"), "mengine", b.person("mcustom", "mine"),
		"operator", "auditor",
	}
	documentsBefore, err := b.as("operator").Export(t.Context())
	check(t, err)
	linesBefore := len(b.lines("operator", "zbank", ""))
	b.engine.written()

	for name, d := range b.description() {
		rule, ok := ruleOf(t, name, d)
		if !ok || rule.free != "" {
			continue
		}
		method, path, _ := strings.Cut(name, " ")
		variants := []belonging{names, ids, root}
		if strings.HasPrefix(path, "/api/v1/organizations/{node}/") {
			variants = []belonging{root} // the same operations as below /nodes
		}
		for _, there := range variants {
			gone := absent(there)
			for _, by := range callers {
				me := strings.TrimSuffix(strings.TrimSuffix(by, "@mine"), "@")
				mine := maps.Clone(own)
				mine["me"], mine["request"] = me, "no-such-request"
				asked, control := trespasses(method, path, rule, mine, there), trespasses(method, path, rule, mine, gone)
				for i, q := range asked {
					platform := by == "operator" || by == "auditor"
					if platform && (rule.platform || slices.Contains(q.foreign, "node") || slices.Contains(q.foreign, "client") || slices.Equal(q.foreign, []string{"user"})) {
						continue // theirs is the whole installation; what is of another node is not at this one all the same
					}
					got, want := b.send(q.method, q.path, by, q.body), b.send(method, control[i].path, by, control[i].body)
					what := fmt.Sprintf("%s by %s: %s %s", name, by, q.path, q.body)
					if hidden := !platform || q.method == "GET"; hidden && told(got, there, gone) != told(want, there, gone) {
						t.Errorf("%s:\ngot  %d %s\nof what does not exist\n     %d %s", what, got.status, got.body, want.status, want.body)
					}
					if platform && got.status < 400 && q.method != "GET" && !strings.Contains(path, "/access/") {
						t.Errorf("%s: got %d %s", what, got.status, got.body)
					}
					if rule.platform && got.status != 403 {
						t.Errorf("%s: got %d %s, want 403", what, got.status, got.body)
					}
					if wrote := slices.DeleteFunc(b.engine.written(), func(c string) bool { return strings.HasPrefix(c, "audit") }); len(wrote) > 0 {
						t.Errorf("%s: answered %d %s and %d %s, and wrote %q", what, got.status, got.body, want.status, want.body, wrote)
					}
				}
			}
		}
	}
	documentsAfter, err := b.as("operator").Export(t.Context())
	check(t, err)
	before, err := json.Marshal(documentsBefore)
	check(t, err)
	after, err := json.Marshal(documentsAfter)
	check(t, err)
	if !bytes.Equal(before, after) {
		t.Errorf("the directory was\n%s\nand is\n%s", before, after)
	}
	lines := b.lines("operator", "zbank", "")[linesBefore:]
	for _, e := range lines {
		if e.Outcome != "refused" {
			t.Errorf("the other organization's log has %+v", e)
		}
	}
	if len(lines) == 0 {
		t.Error("the other organization's log has no refusal")
	}
}
