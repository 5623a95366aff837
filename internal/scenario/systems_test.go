package scenario

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// people are the users of a table.
func (tb *table) people() []string {
	var out []string
	for id := range tb.subjects("user") {
		out = append(out, "user:"+id)
	}
	slices.Sort(out)
	return out
}

// newest is the last line of the audit log at a node that has an outcome.
func (w *world) newest(who, node, outcome string) map[string]any {
	w.t.Helper()
	path := "/nodes/" + w.node(node) + "/audit?page_size=1&outcome=" + outcome
	if node == "" {
		path = "/audit?page_size=1&outcome=" + outcome
	}
	a := w.call(who, "GET", path, nil)
	if a.Status != http.StatusOK {
		w.t.Fatalf("%s: %s", path, a)
	}
	items := a.JSON(w.t)["items"].([]any)
	if len(items) == 0 {
		return map[string]any{}
	}
	return items[0].(map[string]any)
}

// Every change leaves a line that tells all about it, and so does every refused attempt.
func TestScenario238EveryChangeAndRefusalIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	type change struct {
		who, at, method, path string
		body                  any
		refused               string // somebody who may not
	}
	run := func(t *testing.T, facts *seeded, reader, org string, changes func(w *world) []change) {
		w := facts.open(t)
		for _, c := range changes(w) {
			what := c.method + " " + c.path
			begun := time.Now().Add(-time.Second)
			if c.refused != "" {
				a := w.call(c.refused, c.method, c.path, c.body)
				if a.Status != http.StatusForbidden && a.Status != http.StatusNotFound {
					t.Errorf("%s by %s: got %s, want a refusal", what, c.refused, a)
					continue
				}
				line := w.newest(reader, org, "refused")
				sub := decode(t, w.token(c.refused))["sub"]
				if line["actor"] != fmt.Sprint("user:", sub) || line["code"] != code(w, a) || line["action"] == "" || line["node"] == nil {
					t.Errorf("%s by %s: got the line %v, want the refused attempt with actor, node and code", what, c.refused, line)
				}
			}
			a := w.call(c.who, c.method, c.path, c.body)
			if a.Status >= 300 {
				t.Errorf("%s: %s", what, a)
				continue
			}
			line := w.newest(map[bool]string{true: "operator", false: reader}[c.at == ""], c.at, "done")
			sub := decode(t, w.token(c.who))["sub"]
			kind := "user:"
			if c.who == "operator" {
				kind = "client:"
			}
			at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(line["time"]))
			subject, _ := line["subject"].(string)
			if line["actor"] != fmt.Sprint(kind, sub) || subject == "" || (line["before"] == nil && line["after"] == nil) ||
				(c.at != "" && line["node"] == nil) || err != nil || at.Before(begun) {
				t.Errorf("%s: got the line %v, want actor, subject, node, before or after, and time", what, line)
			}
		}
	}
	t.Run("flakiness", func(t *testing.T) {
		t.Parallel()
		run(t, facts(t, "2-flakiness"), "user:ada", "acme", func(w *world) []change {
			acme, web := "/nodes/"+w.node("acme"), "/nodes/"+w.node("web")
			return []change{
				{"user:ada", "acme", "PUT", acme + "/members/" + userName("mia"), map[string]any{"role": "admin"}, "user:mel"},
				{"user:ada", "acme", "POST", acme + "/members/" + userName("mia") + "/suspend", nil, "user:mel"},
				{"user:ada", "acme", "DELETE", acme + "/members/" + userName("mia"), nil, "user:mel"},
				{"user:ada", "web", "POST", web + "/assignments", map[string]any{"user": userName("mel"), "role": "editor"}, "user:zed"},
				{"user:ada", "web", "PUT", web + "/settings/visibility", map[string]any{"value": "public"}, "user:zed"},
				{"user:ada", "acme", "PUT", acme + "/settings/external_users", map[string]any{"value": "blocked"}, "user:olga"},
				{"user:ada", "web", "POST", web + "/clients", map[string]any{"name": "ci", "audiences": []string{api}}, "user:zed"},
			}
		})
	})
	t.Run("flowx", func(t *testing.T) {
		t.Parallel()
		run(t, facts(t, "4-flowx"), "user:ora", "bank", func(w *world) []change {
			retail := "/nodes/" + w.node("retail")
			return []change{
				{"user:wa", "retail", "POST", retail + "/roles", map[string]any{"id": "tester", "level": "project", "base": "project_viewer", "permissions": []string{"process_view"}}, "user:wu"},
				{"user:wa", "retail", "PUT", retail + "/roles/tester", map[string]any{"permissions": []string{"runtime_status_view"}}, "user:wu"},
				{"user:wa", "retail", "DELETE", retail + "/roles/tester", nil, "user:wu"},
				{"user:wa", "retail", "POST", retail + "/groups", map[string]any{"name": "auditors"}, "user:wu"},
				{"user:wa", "retail", "PUT", retail + "/groups/auditors/members/" + userName("wu"), nil, "user:wu"},
				{"user:wa", "retail", "DELETE", retail + "/groups/auditors", nil, "user:cu"},
				{"operator", "", "POST", "/models", map[string]any{"source": tiny}, ""},
			}
		})
	})
}

// tiny is an access model as small as one can be.
const tiny = `model: tiny
revision: 1
levels:
  organization:
    see: org_view
    manage: {assign: org_view, change: org_view, revoke: org_view}
    roles:
      owner: {permissions: [org_view], holders: [user], min: 1}
`

// A review lists every assignment with its last use; to withdraw one obeys the rules of every removal; the report leaves the house.
func TestScenario239AccessReview(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	w.machine("release")
	w.Stop() // what was used is counted beside the requests; the end of a broker writes it
	w.Broker = restart(t, w)
	at := "/nodes/" + w.node("acme") + "/reviews"
	want(t, w.call("user:bob", "POST", at, map[string]any{"due": time.Now().Add(time.Hour)}), http.StatusForbidden, "forbidden")
	review := want(t, w.call("user:alice", "POST", at, map[string]any{"due": time.Now().Add(time.Hour)}), http.StatusCreated, "")
	one := at + "/" + review["id"].(string)
	holds := map[string]string{}
	number := map[string]string{}
	for _, item := range w.items("user:alice", one+"/items") {
		name, _ := item["name"].(string)
		name = strings.TrimPrefix(name, "t-")
		holds[name] = strings.Join(strs(item["roles"]), " ")
		number[name] = fmt.Sprint(item["number"])
		if _, used := item["last_used_at"]; name == "release" && !used {
			t.Errorf("release: got %v, want its last use", item)
		}
	}
	if all := map[string]string{"alice": "owner", "bob": "writer", "cara": "reader", "release": "writer", "nightly": "reader"}; !maps.Equal(holds, all) {
		t.Fatalf("items: got %v, want %v", holds, all)
	}
	withdraw := map[string]any{"decision": "withdraw"}
	if a := w.call("user:alice", "PUT", one+"/items/"+number["alice"], withdraw); !strings.Contains(a.Body, "own_role_locked") {
		t.Errorf("withdrawing the reviewer's own role: got %s, want own_role_locked", a)
	}
	if a := w.call("operator", "PUT", one+"/items/"+number["alice"], withdraw); !strings.Contains(a.Body, "last_holder") {
		t.Errorf("withdrawing the only owner: got %s, want last_holder", a)
	}
	want(t, w.call("user:alice", "PUT", one+"/items/"+number["cara"], withdraw), http.StatusOK, "")
	want(t, w.call("user:alice", "PUT", one+"/items/"+number["bob"], map[string]any{"decision": "confirm"}), http.StatusOK, "")
	if now := w.access("acme"); now["user:cara"] != nil || now["user:alice"] == nil || now["user:bob"] == nil {
		t.Errorf("after the decisions: got %v, want cara gone and the others as they were", now)
	}
	csv := w.call("user:alice", "GET", one+"/export?format=csv", nil)
	if lines := strings.Count(strings.TrimSpace(csv.Body), "\n"); csv.Status != http.StatusOK || lines < len(holds) || !strings.Contains(csv.Body, "withdrawn") {
		t.Errorf("export: got %s, want a line for each item", csv)
	}
}

// A withdrawn role ends for decisions and new tokens at once, and for the old token where it is introspected.
func TestScenario240WithdrawnRoleEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	want(t, w.call("operator", "PUT", "/audiences/api", map[string]any{"identifier": api, "resource_servers": []string{"nightly"}}), http.StatusOK, "")
	old := w.Person(userName("bob"), inAcme(w)...)
	active := func(token string) any {
		return want(t, w.Post("/oauth/introspect", "client_id", "nightly", "client_secret", machineSecret, "token", token), http.StatusOK, "")["active"]
	}
	if got := w.decide("user:bob", "env_create", "acme"); got != "allow" || active(old) != true {
		t.Fatalf("before: got %s, active %v", got, active(old))
	}
	want(t, w.call("user:alice", "PUT", "/nodes/"+w.node("acme")+"/members/"+userName("bob"), map[string]any{"role": "reader"}), http.StatusOK, "")
	if got := w.decide("user:bob", "env_create", "acme"); got != "forbidden" {
		t.Errorf("as reader: got %s, want forbidden", got)
	}
	if got := strs(decode(t, w.Person(userName("bob"), inAcme(w)...))["roles"]); !slices.Equal(got, []string{"reader"}) {
		t.Errorf("a new token: got %v, want reader", got)
	}
	if active(old) != false {
		t.Error("the token with the old role is active")
	}
	want(t, w.call("user:alice", "DELETE", "/nodes/"+w.node("acme")+"/members/"+userName("bob"), nil), http.StatusNoContent, "")
	if got := w.decide("user:bob", "env_view", "acme"); got != "not_found" {
		t.Errorf("removed: got %s, want not_found", got)
	}
	if _, refused := w.tokenClaims("user:bob", "acme", nil); refused != "access_denied" {
		t.Errorf("a token for bob after his removal: got %q, want access_denied", refused)
	}
}

func TestScenario241AnonymousHasThePublicLayerOnly(t *testing.T) {
	t.Parallel()
	w := facts(t, "2-flakiness").open(t)
	for _, q := range []struct{ permission, node, want string }{
		{"results_view", "lib", "allow"}, {"history_view", "lib", "allow"}, {"results_add", "lib", "forbidden"},
		{"results_view", "web", "not_found"}, {"org_view", "acme", "not_found"}, {"health_view", "cloud", "not_found"},
	} {
		if got := w.decide("anyone", q.permission, q.node); got != q.want {
			t.Errorf("%s on %s: got %s, want %s", q.permission, q.node, got, q.want)
		}
	}
	// What is sent as the identifier of anonymous makes nobody of him.
	ask := w.evaluation("user:ada", "results_add", "project", "lib")
	ask["subject"] = map[string]any{"type": "anonymous", "id": userName("ada")}
	if body := want(t, w.call("operator", "POST", "/access/v1/evaluation", ask), http.StatusOK, ""); body["decision"] != false {
		t.Errorf("anonymous with the identifier of ada: got %v, want no", body)
	}
}

func TestScenario242ReasonsTellExistenceOnlyToThoseWhoMayKnow(t *testing.T) {
	t.Parallel()
	w := facts(t, "2-flakiness").open(t)
	for _, q := range []struct{ who, permission, node, key string }{
		{"user:mel", "results_add", "web", "403"}, {"user:eve", "results_add", "web", "403"}, {"user:eve", "org_view", "acme", "404"},
		{"user:zed", "results_view", "web", "404"}, {"user:zed", "results_add", "lib", "403"}, {"user:olga", "org_view", "acme", "404"},
		{"client:gh-web", "results_view", "api", "404"}, {"client:gh-web", "results_delete", "web", "403"},
	} {
		body := want(t, w.call("operator", "POST", "/access/v1/evaluation", w.evaluation(q.who, q.permission, w.level(q.node), q.node)), http.StatusOK, "")
		context, _ := body["context"].(map[string]any)
		reason, _ := context["reason_user"].(map[string]any)
		if body["decision"] != false || len(reason) != 1 || reason[q.key] == nil {
			t.Errorf("%s of %s on %s: got %v, want decision false with the reason %s", q.permission, q.who, q.node, body, q.key)
		}
	}
}

// What a token says of a node is what the decision API says of it.
func TestScenario243ClaimsAndDecisionsAgree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ table, org, node string }{{"2-flakiness", "acme", "web"}, {"2-flakiness", "acme", "lib"}, {"4-flowx", "bank", "loans"}, {"3-flux", "labs", "plab"}} {
		t.Run(c.table+" "+c.node, func(t *testing.T) {
			t.Parallel()
			w := facts(t, c.table).open(t)
			level := w.level(c.node)
			var all []string
			for _, r := range w.items("operator", "/nodes/"+w.node(c.node)+"/roles") {
				for _, p := range strs(r["permissions"]) {
					if !slices.Contains(all, p) {
						all = append(all, p)
					}
				}
			}
			tokens := 0
			for _, who := range w.table.people() {
				var questions []any
				for _, p := range all {
					questions = append(questions, w.evaluation(who, p, level, c.node))
				}
				answers := want(t, w.call("operator", "POST", "/access/v1/evaluations", map[string]any{"evaluations": questions}), http.StatusOK, "")["evaluations"].([]any)
				var allowed []string
				for i, p := range all {
					if answers[i].(map[string]any)["decision"] == true {
						allowed = append(allowed, p)
					}
				}
				claims, refused := w.tokenClaims(who, c.org, []string{c.node})
				if refused != "" {
					// A visitor of a public node has no token for it; a member who holds no role at a node none that names it.
					if list := w.access(c.node); len(list[who]) > 0 {
						t.Errorf("%s: got %s, and the decision API allows %v", who, refused, allowed)
					}
					continue
				}
				tokens++
				details := claims["authorization_details"].([]any)
				var said []string
				for _, p := range strs(details[0].(map[string]any)["actions"]) {
					if slices.Contains(all, p) {
						said = append(said, p)
					}
				}
				slices.Sort(said)
				slices.Sort(allowed)
				if !slices.Equal(said, allowed) {
					t.Errorf("%s: the token says %v, the decision API %v", who, said, allowed)
				}
			}
			if tokens < 2 {
				t.Errorf("%d people had tokens, want some", tokens)
			}
		})
	}
}

// A search finds exactly the subjects whose evaluation is true.
func TestScenario244SearchFindsWhatEvaluationsAllow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ table, node, permission string }{
		{"1-floxhub", "acme", "env_create"}, {"2-flakiness", "web", "results_add"}, {"2-flakiness", "web", "results_view"},
		{"3-flux", "plab", "design_modify"}, {"4-flowx", "loans", "process_view"}, {"4-flowx", "retail", "project_create"},
	} {
		t.Run(c.table+" "+c.permission, func(t *testing.T) {
			t.Parallel()
			w := facts(t, c.table).open(t)
			for _, kind := range []string{"user", "client"} {
				body := want(t, w.call("operator", "POST", "/access/v1/search/subject", map[string]any{
					"subject": map[string]any{"type": kind}, "action": map[string]any{"name": c.permission},
					"resource": map[string]any{"type": w.level(c.node), "id": w.path(c.node)},
				}), http.StatusOK, "")
				var found, allowed []string
				for _, r := range body["results"].([]any) {
					found = append(found, r.(map[string]any)["id"].(string))
				}
				for id := range w.table.subjects(kind) {
					if w.decide(kind+":"+id, c.permission, c.node) != "allow" {
						continue
					}
					name := id
					if kind == "user" {
						name = want(t, w.call("operator", "GET", "/users/"+userName(id), nil), http.StatusOK, "")["id"].(string)
					}
					allowed = append(allowed, name)
				}
				slices.Sort(found)
				slices.Sort(allowed)
				if !slices.Equal(found, allowed) {
					t.Errorf("%ss: the search finds %v, evaluations allow %v", kind, found, allowed)
				}
			}
		})
	}
}

func TestScenario245NobodyGivesMoreThanHeHolds(t *testing.T) {
	t.Parallel()
	w := facts(t, "4-flowx").open(t)
	retail := "/nodes/" + w.node("retail")
	want(t, w.call("user:wa", "POST", retail+"/roles", map[string]any{
		"id": "lead", "level": "workspace", "base": "workspace_user", "permissions": []string{"wks_view", "wks_roles_assign"},
	}), http.StatusCreated, "")
	want(t, w.call("user:wa", "POST", retail+"/assignments", map[string]any{"user": userName("cu"), "role": "lead"}), http.StatusOK, "")
	for _, role := range []string{"theme_editor", "workspace_user", "workspace_admin"} {
		want(t, w.call("user:cu", "POST", retail+"/assignments", map[string]any{"user": userName("gu1"), "role": role}), http.StatusForbidden, "exceeds_own_permissions")
	}
	if got := w.decide("user:gu1", "wks_view", "retail"); got != "not_found" {
		t.Errorf("gu1 after the refusals: got %s, want not_found", got)
	}
	want(t, w.call("user:cu", "POST", retail+"/assignments", map[string]any{"user": userName("gu1"), "role": "lead"}), http.StatusOK, "")
}

func TestScenario247TooManyNodesAreRefusedNotLeftOut(t *testing.T) {
	t.Parallel()
	w := facts(t, "2-flakiness").open(t)
	var many []string
	for i := range 21 {
		name := fmt.Sprintf("p%02d", i)
		want(t, w.call("user:ada", "POST", "/nodes", map[string]any{"name": name, "level": "project", "parent": w.path("acme")}), http.StatusCreated, "")
		w.paths[name] = w.path("acme") + "/" + name
		many = append(many, name)
	}
	if _, refused := w.tokenClaims("user:ada", "acme", many); refused != "invalid_authorization_details" {
		t.Errorf("21 nodes: got %q, want invalid_authorization_details", refused)
	}
	claims, refused := w.tokenClaims("user:mel", "acme", many[:20])
	if details, _ := claims["authorization_details"].([]any); refused != "" || len(details) != 20 {
		t.Errorf("20 nodes: got %d details %s, want all", len(details), refused)
	}
}

func TestScenario248FaultyModelIsRefusedByLine(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	const head = "model: faulty\nrevision: 1\nlevels:\n"
	for name, m := range map[string]struct {
		source string
		line   float64
	}{
		"an unknown role": {head + "  organization:\n    see: org_view\n    join_role: ghost\n    roles:\n      owner: {permissions: [org_view], holders: [user], min: 1}\n", 6},
		"a cycle": {head + "  organization:\n    see: org_view\n    roles:\n      owner:\n        extends: [member]\n        permissions: [org_view]\n        holders: [user]\n" +
			"      member:\n        extends: [owner]\n        holders: [user]\n", 8},
		"an upward implication": {head + "  organization:\n    see: org_view\n    roles:\n      owner: {permissions: [org_view], holders: [user], min: 1}\n" +
			"  project:\n    parent: organization\n    see: seen\n    roles:\n      editor:\n        permissions: [seen]\n        holders: [user]\n        implies: [{at: organization, role: owner}]\n", 15},
		"a ladder whose higher role lacks a right": {head + "  organization:\n    exclusive: true\n    see: org_view\n    roles:\n" +
			"      owner: {permissions: [org_view], holders: [user], min: 1}\n      reader: {permissions: [org_view, extra], holders: [user]}\n", 8},
	} {
		t.Run(name, func(t *testing.T) {
			check := want(t, w.call("operator", "POST", "/models/validate", map[string]any{"source": m.source}), http.StatusOK, "")
			faults := check["faults"].([]any)
			if check["valid"] != false || len(faults) == 0 {
				t.Fatalf("got %v, want a fault", check)
			}
			first := faults[0].(map[string]any)
			if first["reason"] == "" || first["line"] != m.line {
				t.Errorf("got %v, want a reason and line %v", faults, m.line)
			}
			a := w.call("operator", "POST", "/models", map[string]any{"source": m.source})
			if body := want(t, a, http.StatusBadRequest, "invalid_model"); !strings.Contains(fmt.Sprint(body), fmt.Sprint("line ", m.line)) || !strings.Contains(fmt.Sprint(body), fmt.Sprint(first["reason"])) {
				t.Errorf("making it: got %s, want line %v and %v", a, m.line, first["reason"])
			}
		})
	}
	want(t, w.call("operator", "GET", "/models/faulty", nil), http.StatusNotFound, "not_found")
}
