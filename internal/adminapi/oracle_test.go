package adminapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// Who may not change anything at a node is answered about somebody who exists as about nobody, whatever he asks for.
func TestRefusalsTellNotWhoExists(t *testing.T) {
	b := start(t)
	b.tests()
	mel, eve := b.person("mel", "acme"), b.person("eve", "")
	const (
		assign = `{"user":"NAME","role":"ROLE"}`
		change = `{"node":"AT","user":"NAME","role":"ROLE"}`
	)
	for _, by := range []struct{ token, at string }{{mel, "acme"}, {mel, "acme/web"}, {eve, "acme/web"}} {
		for _, c := range []struct{ method, path, body string }{
			{"POST", "/nodes/{node}/assignments", assign},
			{"POST", "/nodes/{node}/assignments/remove", assign},
			{"POST", "/nodes/{node}/assignments/remove", `{"user":"NAME"}`},
			{"POST", "/nodes/{node}/members", assign},
			{"DELETE", "/nodes/{node}/members/NAME", ""},
			{"POST", "/access/preview", `{"changes":[{"assign":` + change + `}]}`},
			{"POST", "/access/preview", `{"changes":[{"unassign":` + change + `}]}`},
			{"POST", "/access/preview", `{"changes":[{"suspend":{"node":"AT","user":"NAME"}}]}`},
			{"POST", "/access/preview", `{"changes":[{"resume":{"node":"AT","user":"NAME"}}]}`},
			{"POST", "/access/explain", `{"assign":{"node":"AT","subject":{"type":"user","id":"NAME"},"role":"ROLE"}}`},
		} {
			for _, role := range []string{"member", "viewer", "no_such", "superadmin"} {
				ask := func(name string) string {
					with := strings.NewReplacer("{node}", strings.ReplaceAll(by.at, "/", ":"), "AT", by.at, "NAME", name, "ROLE", role)
					a := b.send(c.method, "/api/v1"+with.Replace(c.path), by.token, with.Replace(c.body))
					if c.path != "/access/preview" && c.path != "/access/explain" && a.status < 400 {
						t.Errorf("%s %s for %s: got %d %s", c.method, c.path, name, a.status, a.body)
					}
					return fmt.Sprint(a.status, " ", withoutRequestID(a.body))
				}
				nobody := ask("nob")
				for _, name := range []string{"zed", "mia"} { // of no organization, and a member
					if got := strings.ReplaceAll(ask(name), name, "nob"); got != nobody {
						t.Errorf("%s %s %s at %s, role %s: got %s for %s, want it as for nobody: %s", c.method, c.path, c.body, by.at, role, got, name, nobody)
					}
				}
			}
		}
	}
}

// withoutRequestID is a problem's text without what differs from request to request.
func withoutRequestID(text string) string {
	if i := strings.Index(text, `"request_id":"`); i >= 0 {
		rest := text[i+len(`"request_id":"`):]
		text = text[:i] + rest[strings.IndexByte(rest, '"')+1:]
	}
	return text
}

// A trial in vain does not tell how many seats there are to somebody who may not list who takes them.
func TestPreviewInVainTellsNoSeats(t *testing.T) {
	b := start(t)
	b.tests()
	zed := apiv1.PreviewChange{Assign: assignAt("acme/web", "zed", "viewer")}
	if e := b.preview(b.person("mel", "acme"), zed); e.Refused == nil || e.Seats != nil {
		t.Errorf("by a member: got %+v %+v, want a refusal without seats", e.Refused, e.Seats)
	}
	if e := b.preview(b.person("ada", "acme"), zed); e.Refused == nil || e.Seats == nil {
		t.Errorf("by an admin: got %+v %+v, want a refusal with the seats", e.Refused, e.Seats)
	}
}

// Who makes a node gives with it no role that he could not give at it, and lets nobody in who is shut out above.
func TestFirstHoldersAreGivenByRight(t *testing.T) {
	b := start(t)
	b.tests()
	b.setSeats("acme", 0)
	for _, name := range []string{"oo", "om", "om2"} {
		b.person(name, "")
	}
	check(t, errorOf(b.as("operator").Apply(t.Context(), documents(t, `
kind: Organization
metadata: {name: labs}
spec: {model: flux, assignments: [{user: oo, role: org_owner}, {user: om, role: org_member}, {user: om2, role: org_member}]}
`), apiv1.ApplyOptions{})))
	om, oo := b.person("om", "labs"), b.person("oo", "labs")
	b.steps([]step{
		{om, "POST", "/nodes", `{"name":"p1","parent":"labs","level":"project","assignments":[{"user":"om2","role":"none"}]}`, 403, "forbidden"},
		{oo, "POST", "/nodes", `{"name":"p2","parent":"labs","level":"project","assignments":[{"user":"om2","role":"none"}]}`, 201, ""},
		{om, "POST", "/nodes", `{"name":"p3","parent":"labs","level":"project"}`, 201, ""},
		{"operator", "PUT", "/organizations/acme/settings/external_users", `{"value":"blocked"}`, 200, ""},
	})
	ada := b.person("ada", "acme")
	b.steps([]step{
		{ada, "POST", "/nodes", `{"name":"lib","parent":"acme","level":"project","assignments":[{"user":"zed","role":"viewer"}]}`, 409, "external_users_blocked"},
		{"operator", "POST", "/nodes", `{"name":"lib","parent":"acme","level":"project","assignments":[{"user":"zed","role":"viewer"}]}`, 409, "external_users_blocked"},
		{ada, "POST", "/nodes", `{"name":"lib","parent":"acme","level":"project","assignments":[{"user":"mel","role":"editor"}]}`, 201, ""},
	})
}

// What stands above an organization is not named to those who may not know of it: neither as its parent nor as where a setting is
// from.
func TestWhatStandsAboveIsNotNamed(t *testing.T) {
	b := start(t)
	for _, name := range []string{"eo", "oo"} {
		b.person(name, "")
	}
	check(t, errorOf(b.as("operator").Apply(t.Context(), documents(t, `
kind: Node
metadata: {name: concern}
spec: {level: enterprise, model: flux, settings: {member_role: view}, assignments: [{user: eo, role: ent_owner}]}
---
kind: Organization
metadata: {name: labs, parent: concern}
spec: {assignments: [{user: oo, role: org_owner}]}
---
kind: Node
metadata: {name: plab, parent: labs}
spec: {level: project}
`), apiv1.ApplyOptions{})))
	for user, want := range map[string]bool{"oo": false, "eo": true} {
		token := b.person(user, "labs")
		for _, path := range []string{"/organizations", "/organizations/labs", "/nodes/labs", "/nodes/labs:plab/settings"} {
			a := b.send("GET", "/api/v1"+path, token, "")
			if named := strings.Contains(a.body, "concern"); a.status != 200 || named != want {
				t.Errorf("GET %s by %s: got %d %s, want the enterprise named %t", path, user, a.status, a.body, want)
			}
		}
	}
}
