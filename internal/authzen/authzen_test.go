package authzen_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/authzen"
)

// The metadata names every endpoint, and they are there (Authorization API 1.0 §9).
func TestMetadataNamesWhatIsThere(t *testing.T) {
	b := start(t)
	a := b.Get(authzen.PathConfiguration)
	m := a.JSON(t)
	if a.Status != 200 || a.Header.Get("Content-Type") != "application/json" || m["policy_decision_point"] != b.Issuer {
		t.Fatalf("got %s", a)
	}
	for _, member := range []string{"access_evaluation_endpoint", "access_evaluations_endpoint", "search_subject_endpoint", "search_resource_endpoint", "search_action_endpoint"} {
		url, _ := m[member].(string)
		path, ours := strings.CutPrefix(url, b.Issuer)
		if !ours {
			t.Errorf("%s: got %q", member, url)
		}
		if a := b.ask("operator", path, `{}`); a.Status != 400 {
			t.Errorf("%s without members: got %s", member, a)
		}
	}
}

// A decision is 200, with the reason under the status that a resource server answers with; the reason for administrators is for those
// who may review access (§6.2).
func TestEvaluation(t *testing.T) {
	b := start(t)
	for _, c := range []struct {
		by, kind, id, action, level, node string
		allowed                           bool
		key                               string
		admin                             bool
	}{
		{"operator", "user", "cara", "env_view", "organization", "acme2", true, "", false},
		{"operator", "user", b.id(t, "cara"), "env_view", "organization", b.node(t, "acme2"), true, "", false},
		{"operator", "user", "cara", "env_create", "organization", "acme2", false, "403", true},
		{"operator", "user", "zed", "env_view", "organization", "acme2", false, "404", true},
		{"operator", "user", "off", "env_view", "organization", "acme2", false, "404", true},
		{"operator", "client", "release", "env_update", "organization", "acme2", true, "", false},
		{"operator", "client", "release", "env_view", "organization", "beta", false, "404", true},
		{"operator", "group", "guests", "process_view", "project", "bank/retail/loans", true, "", false},
		{"operator", "user", "dan", "process_view", "project", "bank/retail/loans", true, "", false},
		{"operator", "anonymous", "", "content_view", "project", "labs/ppub", true, "", false},
		{"operator", "anonymous", "anybody", "comments_write", "project", "labs/ppub", false, "403", true},
		{"operator", "anonymous", "", "content_view", "project", "labs/plab", false, "404", true},
		{"operator", "user", "cara", "env_view", "project", "acme2", false, "404", false}, // no project of that name
		{"operator", "user", "cara", "env_view", "organization", "nowhere", false, "404", false},
		{"release", "client", "release", "env_update", "organization", "acme2", true, "", false},
		{"release", "client", "release", "members_manage", "organization", "acme2", false, "403", false},
		{"release", "client", "release", "env_update", "organization", "beta", false, "404", false},
		{"release", "user", "dan", "env_update", "organization", "beta", false, "404", false},
		{"release", "anonymous", "", "env_view", "organization", "acme2", false, "404", false},
	} {
		a := b.ask(c.by, authzen.PathEvaluation, question(c.kind, c.id, c.action, c.level, c.node))
		got := a.JSON(t)
		reasons, _ := got["context"].(map[string]any)
		user, _ := reasons["reason_user"].(map[string]any)
		admin, _ := reasons["reason_admin"].(map[string]any)
		if a.Status != 200 || got["decision"] != c.allowed || (user[c.key] != nil) == c.allowed || (admin[c.key] != nil) != c.admin {
			t.Errorf("%s asks about %s %s %s at %s: got %s", c.by, c.kind, c.id, c.action, c.node, a)
		}
	}
	nowhere := b.ask("release", authzen.PathEvaluation, question("user", "dan", "env_view", "organization", "nowhere"))
	for _, hidden := range []string{
		question("user", "dan", "env_view", "organization", "beta"), question("user", "dan", "no_such", "organization", "beta"),
		question("client", "release", "no_such", "organization", "beta"),
	} {
		if a := b.ask("release", authzen.PathEvaluation, hidden); a.Body != nowhere.Body || a.Status != nowhere.Status {
			t.Errorf("%s: got %s, and %s about what does not exist", hidden, a, nowhere)
		}
	}
}

// What is wrong with the request, or with who sends it, is a status and a sentence (§10.1.2).
func TestStatusesSpeakAboutTheCaller(t *testing.T) {
	b := start(t)
	good := question("user", "cara", "env_view", "organization", "acme2")
	for _, c := range []struct {
		name, by, body string
		status         int
		header         []string
	}{
		{"no token", "", good, 401, nil},
		{"a broken token", "", good, 401, []string{"Authorization", "Bearer x"}},
		{"about somebody else without the right to review", "release", good, 403, nil},
		{"no subject", "operator", `{"action": {"name": "env_view"}, "resource": {"type": "organization", "id": "acme2"}}`, 400, nil},
		{"no action", "operator", `{"subject": {"type": "user", "id": "cara"}, "resource": {"type": "organization", "id": "acme2"}}`, 400, nil},
		{"no resource", "operator", `{"subject": {"type": "user", "id": "cara"}, "action": {"name": "env_view"}}`, 400, nil},
		{"no subject type", "operator", question("", "cara", "env_view", "organization", "acme2"), 400, nil},
		{"no subject id", "operator", question("user", "", "env_view", "organization", "acme2"), 400, nil},
		{"no action name", "operator", question("user", "cara", "", "organization", "acme2"), 400, nil},
		{"no resource type", "operator", question("user", "cara", "env_view", "", "acme2"), 400, nil},
		{"no resource id", "operator", question("user", "cara", "env_view", "organization", ""), 400, nil},
		{"a subject type that is none", "operator", question("robot", "cara", "env_view", "organization", "acme2"), 400, nil},
		{"an unknown permission", "operator", question("user", "cara", "no_such", "organization", "acme2"), 400, nil},
		{"no JSON", "operator", `hello`, 400, nil},
		{"nothing", "operator", ``, 400, nil},
		{"two members of a name", "operator", `{"subject": {"type": "user", "id": "zed"}, ` + good[1:], 400, nil},
		{"a subject that is a string", "operator", `{"subject": "cara", "action": {"name": "env_view"}, "resource": {"type": "organization", "id": "acme2"}}`, 400, nil},
		{"a number for a name", "operator", strings.Replace(good, `"env_view"`, `123`, 1), 400, nil},
		{"no JSON by its type", "operator", good, 400, []string{"Content-Type", "text/plain"}},
		{"members that nobody knows", "operator", `{"foo": "bar", "context": {"time": "now"}, ` + good[1:], 200, nil},
	} {
		a := b.ask(c.by, authzen.PathEvaluation, c.body, c.header...)
		if a.Status != c.status || (a.Header.Get("WWW-Authenticate") != "") != (c.status == 401) {
			t.Errorf("%s: got %s", c.name, a)
		}
		if c.status != 200 && (!strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") || a.Body == "") {
			t.Errorf("%s: got no sentence: %s %v", c.name, a, a.Header)
		}
	}
}

// The request identifier comes back as it was sent, with decisions and with refusals (§10.1.3).
func TestRequestIdentifiersComeBack(t *testing.T) {
	b := start(t)
	for _, id := range []string{"bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "any string, with spaces; and more than sixty-four characters in all of it"} {
		for _, by := range []string{"operator", ""} {
			a := b.ask(by, authzen.PathEvaluation, question("user", "cara", "env_view", "organization", "acme2"), "X-Request-ID", id)
			if got := a.Header.Get("X-Request-Id"); got != id {
				t.Errorf("got %q, want %q", got, id)
			}
		}
	}
}

// Several questions share what stands at the top and are answered in their order, as far as the semantic wants (§7).
func TestEvaluations(t *testing.T) {
	b := start(t)
	const (
		yes  = `{"action": {"name": "env_view"}}`
		no   = `{"action": {"name": "env_create"}}`
		lost = `{"action": {"name": "no_such"}}`
	)
	top := `"subject": {"type": "user", "id": "cara"}, "resource": {"type": "organization", "id": "acme2"}`
	for _, c := range []struct {
		semantic string
		asked    []string
		want     string
	}{
		{"", []string{yes, no, yes}, "true false true"},
		{"execute_all", []string{no, lost, `{}`, yes}, "false false false true"},
		{"deny_on_first_deny", []string{yes, no, yes}, "true false"},
		{"deny_on_first_deny", []string{yes, lost, yes}, "true false"},
		{"permit_on_first_permit", []string{no, yes, no}, "false true"},
		{"", []string{`{"subject": {"type": "user", "id": "bea"}, "action": {"name": "env_create"}}`, `{"subject": {"id": "bea"}, "action": {"name": "env_create"}}`,
			`{"resource": {"id": "beta"}, "action": {"name": "env_create"}}`}, "true true true"},
	} {
		options := ""
		if c.semantic != "" {
			options = fmt.Sprintf(`, "options": {"evaluations_semantic": %q}`, c.semantic)
		}
		a := b.ask("operator", authzen.PathEvaluations, fmt.Sprintf(`{%s, "evaluations": [%s]%s}`, top, strings.Join(c.asked, ", "), options))
		answer := a.JSON(t)
		list, _ := answer["evaluations"].([]any)
		var got []string
		for _, v := range list {
			got = append(got, fmt.Sprint(v.(map[string]any)["decision"]))
		}
		if _, single := answer["decision"]; a.Status != 200 || strings.Join(got, " ") != c.want || single {
			t.Errorf("%s %v: got %s", c.semantic, c.asked, a)
		}
	}
	for _, body := range []string{`{` + top + `, "action": {"name": "env_view"}}`, `{` + top + `, "action": {"name": "env_view"}, "evaluations": []}`} {
		if a := b.ask("operator", authzen.PathEvaluations, body); a.Status != 200 || a.JSON(t)["decision"] != true {
			t.Errorf("one question: got %s", a)
		}
	}
	for body, status := range map[string]int{
		`{` + top + `, "evaluations": [` + yes + `], "options": {"evaluations_semantic": "first"}}`: 400,
		`{` + top + `, "evaluations": [` + strings.Repeat("{},", 1000) + `{}]}`:                     400,
		`{` + top + `, "evaluations": [1]}`:                                                         400,
	} {
		if a := b.ask("operator", authzen.PathEvaluations, body); a.Status != status {
			t.Errorf("%.80s: got %s", body, a)
		}
	}
	// To somebody without the right to review, each question says so for itself.
	a := b.ask("release", authzen.PathEvaluations, `{`+top+`, "action": {"name": "env_view"}, "evaluations": [{}, {"subject": {"type": "client", "id": "release"}}]}`)
	if a.Status != 200 || !strings.Contains(a.Body, `"status":403`) || !strings.Contains(a.Body, `{"decision":true}`) {
		t.Errorf("by one without the right: got %s", a)
	}
}

// A search finds, in parts, what evaluations say yes to (§8).
func TestSearches(t *testing.T) {
	b := start(t)
	ids := func(names ...string) (out []string) {
		for _, n := range names {
			out = append(out, b.id(t, n))
		}
		slices.Sort(out)
		return out
	}
	nodes := func(paths ...string) (out []string) {
		for _, p := range paths {
			out = append(out, b.node(t, p))
		}
		slices.Sort(out)
		return out
	}
	group, err := b.API().GetGroup(t.Context(), "bank/retail", "guests")
	if err != nil {
		t.Fatal(err)
	}
	who := func(kind, action, level, node string) string {
		return fmt.Sprintf(`{"subject": {"type": %q}, "action": {"name": %q}, "resource": {"type": %q, "id": %q}}`, kind, action, level, node)
	}
	where := func(kind, id, action, level, within string) string {
		return fmt.Sprintf(`{"subject": %s, "action": {"name": %q}, "resource": {"type": %q, "properties": {"within": %q}}}`, subject(kind, id), action, level, within)
	}
	for _, c := range []struct {
		by, path, body string
		want           []string
		anyone         bool
	}{
		{"operator", authzen.PathSearchSubject, who("user", "env_view", "organization", "acme2"), ids("ann", "bea", "cara"), false}, // off is switched off
		{"operator", authzen.PathSearchSubject, who("user", "env_create", "organization", "acme2"), ids("ann", "bea"), false},
		{"operator", authzen.PathSearchSubject, who("client", "env_view", "organization", "acme2"), []string{"release"}, false},
		{"operator", authzen.PathSearchSubject, who("group", "process_view", "project", "bank/retail/loans"), []string{group.ID}, false},
		{"operator", authzen.PathSearchSubject, who("user", "process_view", "project", "bank/retail/loans"), ids("dan", "oo"), false},
		{"operator", authzen.PathSearchSubject, who("anonymous", "content_view", "project", "labs/ppub"), []string{""}, true},
		{"operator", authzen.PathSearchSubject, who("user", "content_view", "project", "labs/ppub"), ids("oo", "om"), true},
		{"operator", authzen.PathSearchSubject, who("user", "env_view", "organization", "nowhere"), nil, false},
		{"release", authzen.PathSearchSubject, who("user", "env_view", "organization", "beta"), nil, false},
		{"operator", authzen.PathSearchResource, where("user", "cara", "env_view", "organization", ""), nodes("acme2", "beta"), false},
		{"operator", authzen.PathSearchResource, where("user", "cara", "env_create", "organization", ""), nodes("beta"), false},
		{"operator", authzen.PathSearchResource, where("user", "om", "content_view", "project", ""), nodes("labs/plab", "labs/ppub"), false},
		{"operator", authzen.PathSearchResource, where("user", "dan", "process_view", "project", ""), nodes("bank/retail/loans"), false},
		{"operator", authzen.PathSearchResource, where("user", "zed", "content_view", "project", "labs"), nodes("labs/ppub"), false},
		{"operator", authzen.PathSearchResource, where("user", "zed", "content_view", "project", ""), nil, false},
		{"operator", authzen.PathSearchResource, where("anonymous", "", "content_view", "project", "labs"), nodes("labs/ppub"), false},
		{"release", authzen.PathSearchResource, where("client", "release", "env_view", "organization", ""), nodes("acme2"), false},
		{"release", authzen.PathSearchResource, where("user", "bea", "env_view", "organization", ""), nil, false},
		{"release", authzen.PathSearchResource, where("user", "dan", "env_view", "organization", "beta"), nil, false},
		{"release", authzen.PathSearchAction, question("client", "release", "", "organization", "beta"), nil, false},
	} {
		for _, limit := range []int{1, 100} {
			if got, anyone := b.search(t, c.by, c.path, c.body, limit); !slices.Equal(got, c.want) || anyone != c.anyone {
				t.Errorf("%s %s: got %q %v, want %q %v", c.path, c.body, got, anyone, c.want, c.anyone)
			}
		}
	}
	if a := b.ask("release", authzen.PathSearchSubject, who("user", "env_view", "organization", "acme2")); a.Status != 403 {
		t.Errorf("who may, by one without the right to review: got %s", a)
	}
	for path, body := range map[string]string{
		authzen.PathSearchSubject:  who("user", "no_such", "organization", "acme2"),
		authzen.PathSearchResource: where("user", "cara", "no_such", "organization", ""),
	} {
		if a := b.ask("operator", path, body); a.Status != 400 {
			t.Errorf("%s with a permission that is none: got %s", path, a)
		}
	}
	body := strings.TrimSuffix(who("user", "env_view", "organization", "acme2"), "}")
	first := b.ask("operator", authzen.PathSearchSubject, body+`, "page": {"limit": 1}}`).JSON(t)["page"].(map[string]any)["next_token"].(string)
	other := strings.TrimSuffix(who("user", "env_create", "organization", "acme2"), "}")
	for _, bad := range []string{body + `, "page": {"token": "x"}}`, body + `, "page": {"limit": 0}}`, other + fmt.Sprintf(`, "page": {"token": %q}}`, first)} {
		if a := b.ask("operator", authzen.PathSearchSubject, bad); a.Status != 400 {
			t.Errorf("%s: got %s", bad, a)
		}
	}
}
