package authzen_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/authzen"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// people are the users of the random worlds.
var people = strings.Fields("ann bea cara dan zed")

// Whatever the facts, a search finds exactly those whose evaluation is true: the subjects that hold something, the nodes, the actions.
func TestSearchesFindWhatEvaluationsAllow(t *testing.T) {
	b := start(t)
	m, _ := access.Preset("flux")
	var permissions []string
	for _, l := range m.Schema().Levels {
		for _, r := range l.Roles {
			for _, p := range m.RolePermissions(r.ID) {
				permissions = append(permissions, string(p))
			}
		}
	}
	slices.Sort(permissions)
	permissions = slices.Compact(permissions)
	ids := make(map[string]string)
	for _, name := range people {
		ids[name] = b.id(t, name)
	}
	worlds := 0
	rapid.Check(t, func(rt *rapid.T) {
		if worlds++; worlds > 25 {
			return // each is an organization over HTTP: that many show it
		}
		org := fmt.Sprintf("random%d", worlds)
		nodes := map[string]string{org: "organization", org + "/a": "project", org + "/b": "project"}
		b.apply(t, drawOrganization(rt, org))
		idOf := make(map[string]string)
		for path := range nodes {
			idOf[path] = b.node(t, path)
		}
		allowed := b.allowed(t, nodes, permissions)
		for path, level := range nodes {
			p := rapid.SampledFrom(permissions).Draw(rt, "permission")
			body := fmt.Sprintf(`{"subject": {"type": "user"}, "action": {"name": %q}, "resource": {"type": %q, "id": %q}}`, p, level, path)
			found, anyone := b.search(t, "operator", authzen.PathSearchSubject, body, 2)
			if anyone != allowed["anonymous "+path+" "+p] {
				rt.Fatalf("anyone may %s at %s: got %v", p, path, anyone)
			}
			for _, name := range people {
				yes := allowed[name+" "+path+" "+p]
				// Who holds nothing on the way is not listed where anyone may: that list has no end.
				if listed := slices.Contains(found, ids[name]); listed && !yes || yes && !listed && !anyone {
					rt.Fatalf("who may %s at %s: %s listed %v, evaluation %v", p, path, name, listed, yes)
				}
			}
			name := rapid.SampledFrom(people).Draw(rt, "who")
			actions, _ := b.search(t, "operator", authzen.PathSearchAction, fmt.Sprintf(`{"subject": %s, "resource": {"type": %q, "id": %q}}`, subject("user", name), level, path), 3)
			var want []string
			for _, p := range permissions {
				if allowed[name+" "+path+" "+p] {
					want = append(want, p)
				}
			}
			if !slices.Equal(actions, want) {
				rt.Fatalf("what %s may at %s: got %q, evaluations allow %q", name, path, actions, want)
			}
			where, _ := b.search(t, "operator", authzen.PathSearchResource,
				fmt.Sprintf(`{"subject": %s, "action": {"name": %q}, "resource": {"type": %q, "properties": {"within": %q}}}`, subject("user", name), p, level, org), 1)
			want = nil
			for other, l := range nodes {
				if l == level && allowed[name+" "+other+" "+p] {
					want = append(want, idOf[other])
				}
			}
			if slices.Sort(want); !slices.Equal(where, want) {
				rt.Fatalf("where %s may %s: got %q, evaluations allow %q", name, p, where, want)
			}
		}
	})
}

// allowed asks for every decision there is, in one request for each subject.
func (b *pdp) allowed(t testing.TB, nodes map[string]string, permissions []string) map[string]bool {
	t.Helper()
	out := make(map[string]bool)
	for _, who := range append([]string{"anonymous"}, people...) {
		var asked, keys []string
		for path, level := range nodes {
			for _, p := range permissions {
				asked = append(asked, fmt.Sprintf(`{"action": {"name": %q}, "resource": {"type": %q, "id": %q}}`, p, level, path))
				keys = append(keys, who+" "+path+" "+p)
			}
		}
		about := subject("user", who)
		if who == "anonymous" {
			about = subject(string(iam.SubjectAnonymous), "")
		}
		a := b.ask("operator", authzen.PathEvaluations, fmt.Sprintf(`{"subject": %s, "evaluations": [%s]}`, about, strings.Join(asked, ", ")))
		var got struct{ Evaluations []struct{ Decision bool } }
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil || len(got.Evaluations) != len(asked) {
			t.Fatalf("got %s", a)
		}
		for i, v := range got.Evaluations {
			out[keys[i]] = v.Decision
		}
	}
	return out
}

// drawOrganization writes the documents of an organization of flux with two projects.
func drawOrganization(t *rapid.T, org string) string {
	holders := func(roles ...string) string {
		var out []string
		for _, name := range people {
			if role := rapid.SampledFrom(append(roles, "", "")).Draw(t, name); role != "" {
				out = append(out, fmt.Sprintf("{user: %s, role: %s}", name, role))
			}
		}
		return strings.Join(out, ", ")
	}
	assigned := "{user: oo, role: org_owner}"
	if more := holders("org_owner", "org_member", "org_member"); more != "" {
		assigned += ", " + more
	}
	role := rapid.SampledFrom([]string{"edit", "comment", "view", "none"})
	docs := fmt.Sprintf("kind: Organization\nmetadata: {name: %s}\nspec: {model: flux, settings: {member_role: %s}, assignments: [%s]}\n", org, role.Draw(t, "default"), assigned)
	for _, project := range []string{"a", "b"} {
		settings := "visibility: " + rapid.SampledFrom([]string{"private", "public"}).Draw(t, "visibility")
		if rapid.Bool().Draw(t, "own default") {
			settings += ", member_role: " + role.Draw(t, "default")
		}
		docs += fmt.Sprintf("---\nkind: Node\nmetadata: {name: %s, parent: %s}\nspec: {level: project, settings: {%s}, assignments: [%s]}\n", project, org, settings, holders("edit", "view", "none"))
	}
	return docs
}
