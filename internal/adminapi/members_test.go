package adminapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// hub makes organizations of the FloxHub model: in acme alice owns, bob writes, cara reads and the client release writes; in beta
// dan owns and cara writes; zed is nobody.
func (b *broker) hub() {
	b.t.Helper()
	for _, name := range []string{"alice", "bob", "cara", "dan", "zed"} {
		b.person(name, "")
	}
	_, err := b.as("operator").Apply(b.t.Context(), documents(b.t, `
kind: Organization
metadata: {name: acme}
spec: {model: floxhub, assignments: [{user: alice, role: owner}, {user: bob, role: writer}, {user: cara, role: reader}]}
---
kind: Organization
metadata: {name: beta}
spec: {model: floxhub, assignments: [{user: dan, role: owner}, {user: cara, role: writer}]}
---
kind: Client
metadata: {name: release, organization: acme}
spec: {clientId: release, role: writer, audiences: ["http://127.0.0.1:8080/api/v1"], secrets: [{name: a, value: "a-secret-of-some-length-0123456789"}]}
---
kind: Client
metadata: {name: other, organization: beta}
spec: {clientId: other, role: writer, audiences: ["http://127.0.0.1:8080/api/v1"], secrets: [{name: a, value: "a-secret-of-some-length-0123456789"}]}
`), apiv1.ApplyOptions{})
	check(b.t, err)
}

// tests makes organization acme of the flakiness.io model with five seats: ada admin, mel and mia members; projects web and api;
// externals eve (viewer on web and api) and eddy (editor on api); the client gh-web on web.
func (b *broker) tests() {
	b.t.Helper()
	for _, name := range []string{"ada", "mel", "mia", "eve", "eddy", "zed"} {
		b.person(name, "")
	}
	_, err := b.as("operator").Apply(b.t.Context(), documents(b.t, `
kind: Organization
metadata: {name: acme}
spec: {model: flakiness, assignments: [{user: ada, role: admin}, {user: mel, role: member}, {user: mia, role: member}]}
---
kind: Node
metadata: {name: web, parent: acme}
spec: {level: project, assignments: [{user: eve, role: viewer}]}
---
kind: Node
metadata: {name: api, parent: acme}
spec: {level: project, assignments: [{user: eve, role: viewer}, {user: eddy, role: editor}]}
`), apiv1.ApplyOptions{})
	check(b.t, err)
	b.setSeats("acme", 5)
}

func (b *broker) setSeats(org string, seats int) {
	b.t.Helper()
	check(b.t, b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		n, err := tx.NodeNamed("", org)
		if err != nil {
			return err
		}
		n.Seats = seats
		return tx.PutNode(n)
	}))
}

func (b *broker) userID(name string) string {
	b.t.Helper()
	u, err := b.as("operator").GetUser(b.t.Context(), name)
	check(b.t, err)
	return u.ID
}

// roles returns what a user holds at a node, as an operator reads it.
func (b *broker) roles(node, user string) []string {
	b.t.Helper()
	m, err := b.as("operator").GetMembership(b.t.Context(), node, user)
	if apiv1.CodeOf(err) == "not_found" {
		return nil
	}
	check(b.t, err)
	return m.Roles
}

// A step is a call by somebody and what comes of it: a status and, of a refusal, its code.
type step struct {
	by, method, path, body string
	status                 int
	code                   string
}

func (b *broker) steps(list []step) {
	b.t.Helper()
	for _, s := range list {
		a := b.send(s.method, "/api/v1"+s.path, s.by, s.body)
		if a.status != s.status || a.code() != s.code {
			b.t.Errorf("%s %s %s by %s: got %d %s, want %d %s", s.method, s.path, s.body, s.by, a.status, a.body, s.status, s.code)
		}
	}
}

// Owners run the membership, others by what the model lets them, and outsiders learn nothing: the rules of the FloxHub model.
func TestMembersByTheRightsOfTheModel(t *testing.T) {
	b := start(t)
	b.hub()
	alice, bob, cara, zed := b.person("alice", "acme"), b.person("bob", "acme"), b.person("cara", "acme"), b.person("zed", "")
	const at = "/organizations/acme/members"
	b.steps([]step{
		{bob, "POST", at, `{"user":"zed","role":"reader"}`, 403, "forbidden"},          // 24
		{cara, "PUT", at + "/me", `{"role":"owner"}`, 403, "forbidden"},                // 25
		{cara, "PUT", at + "/cara", `{"role":"owner"}`, 403, "forbidden"},              //
		{zed, "POST", at, `{"user":"zed","role":"owner"}`, 404, "not_found"},           // 26
		{zed, "PUT", at + "/me", `{"role":"owner"}`, 404, "not_found"},                 //
		{alice, "PUT", at + "/me", `{"role":"reader"}`, 409, "own_role_locked"},        // 16
		{alice, "DELETE", at + "/me", "", 409, "own_role_locked"},                      //
		{alice, "PUT", at + "/cara", `{"role":"writer"}`, 200, ""},                     // 7
		{alice, "PUT", at + "/bob", `{"role":"owner"}`, 200, ""},                       // 15
		{alice, "PUT", at + "/me", `{"role":"reader"}`, 409, "own_role_locked"},        // 17
		{alice, "DELETE", at + "/me", "", 409, "own_role_locked"},                      // 18
		{alice, "PUT", at + "/bob", `{"role":"reader"}`, 200, ""},                      // 19
		{alice, "PUT", at + "/bob", `{"roles":["reader","writer"]}`, 400, "invalid"},   //
		{alice, "PUT", at + "/bob", `{}`, 400, "invalid"},                              //
		{alice, "PUT", at + "/bob", `{"role":"king"}`, 422, "role_not_available_here"}, //
		{alice, "PUT", at + "/zed", `{"role":"reader"}`, 404, "not_found"},             //
		{alice, "POST", at, `{"user":"nobody","role":"reader"}`, 400, "unknown_reference"},
		{bob, "POST", at, `{"user":"nobody","role":"reader"}`, 401, "invalid_token"}, // he was made less
	})
	if got := b.roles("acme", "cara"); !slices.Equal(got, []string{"writer"}) {
		t.Errorf("cara holds %v, want writer alone", got)
	}
	bob, cara = b.person("bob", "acme"), b.person("cara", "acme")
	b.steps([]step{
		{bob, "POST", at, `{"user":"nobody","role":"reader"}`, 403, "forbidden"}, // who may not add does not learn who exists
		{bob, "DELETE", at + "/nobody", "", 403, "forbidden"},                    //
		{bob, "DELETE", at + "/alice", "", 403, "forbidden"},                     //
		{alice, "POST", at, `{"user":"zed"}`, 201, ""},                           // the role for those who join
		{cara, "DELETE", at + "/me", "", 204, ""},                                // 27
		{alice, "DELETE", at + "/cara", "", 404, "not_found"},                    //
		{b.person("cara", ""), "GET", at, "", 404, "not_found"},                  //
		{"release", "POST", at, `{"user":"cara"}`, 403, "forbidden"},             // 37
	})
	if got := b.roles("acme", "zed"); !slices.Equal(got, []string{"reader"}) {
		t.Errorf("zed holds %v, want the role for those who join", got)
	}
	// 20: a hand-over.
	b.steps([]step{{alice, "PUT", at + "/bob", `{"role":"owner"}`, 200, ""}})
	b.steps([]step{{b.person("bob", "acme"), "PUT", at + "/alice", `{"role":"reader"}`, 200, ""}})
	if a, o := b.roles("acme", "alice"), b.roles("acme", "bob"); !slices.Equal(a, []string{"reader"}) || !slices.Equal(o, []string{"owner"}) {
		t.Errorf("after the hand-over alice holds %v and bob %v", a, o)
	}
}

// Whoever changes assignments at a node meets the same rules as at its members.
func TestAssignmentsByTheRightsOfTheModel(t *testing.T) {
	b := start(t)
	b.hub()
	alice, bob, zed := b.person("alice", ""), b.person("bob", ""), b.person("zed", "")
	for _, home := range []string{"/organizations/acme", "/nodes/acme"} {
		give, take := home+"/assignments", home+"/assignments/remove"
		b.steps([]step{
			{bob, "POST", give, `{"user":"zed","role":"reader"}`, 403, "forbidden"},
			{zed, "POST", give, `{"user":"zed","role":"owner"}`, 404, "not_found"},
			{bob, "POST", give, `{"user":"alice","role":"owner"}`, 403, "forbidden"},                // though she holds it
			{alice, "POST", give, `{"client":"release","role":"owner"}`, 422, "holder_not_allowed"}, // 36
			{alice, "POST", give, `{"user":"zed"}`, 200, ""},
			{alice, "POST", give, `{"user":"zed"}`, 200, ""},
			{alice, "POST", take, `{"user":"zed","role":"reader"}`, 204, ""},
			{alice, "POST", take, `{"user":"zed","role":"reader"}`, 404, "not_found"},
			{alice, "POST", take, `{"user":"alice","role":"owner"}`, 409, "own_role_locked"},
			{"operator", "POST", take, `{"user":"alice","role":"owner"}`, 409, "last_holder"},
			{"operator", "POST", take, `{"user":"alice"}`, 409, "last_holder"},
			{"operator", "POST", give, `{"user":"alice","role":"reader"}`, 409, "last_holder"},
		})
	}
}

// Ids of another organization are unknown in every place, and tell nothing.
func TestMembersOfOtherOrganizationsDoNotExist(t *testing.T) {
	b := start(t)
	b.hub()
	alice := b.person("alice", "")
	beta, err := b.as("operator").GetOrganization(t.Context(), "beta")
	check(t, err)
	group, err := b.as("operator").CreateGroup(t.Context(), "beta", apiv1.NewGroup{Name: "team"})
	check(t, err)
	for _, place := range []struct{ method, path, body string }{
		{"GET", "/members", ""}, {"POST", "/members", `{"user":"zed"}`}, {"GET", "/members/dan", ""}, {"PUT", "/members/dan", `{"role":"reader"}`},
		{"DELETE", "/members/dan", ""}, {"DELETE", "/members/me", ""}, {"POST", "/members/dan/suspend", ""}, {"POST", "/members/dan/resume", ""},
		{"GET", "/suspensions", ""}, {"GET", "/seats", ""}, {"GET", "/invitations", ""}, {"POST", "/invitations", `{"email":"a@b.test"}`},
		{"DELETE", "/invitations/i_x", ""}, {"GET", "/assignments", ""}, {"POST", "/assignments", `{"user":"zed"}`},
		{"POST", "/assignments/remove", `{"user":"dan"}`}, {"POST", "/assignments/remove", `{"user":"dan","role":"owner"}`},
	} {
		for _, by := range []string{alice, b.person("cara", "acme"), "release"} {
			for _, home := range []string{"/organizations/", "/nodes/"} {
				real, none := b.send(place.method, "/api/v1"+home+beta.ID+place.path, by, place.body), b.send(place.method, "/api/v1"+home+"n_aaaaaaaaaaaaaaaa"+place.path, by, place.body)
				if real.status != 404 || real.status != none.status || body(real, beta.ID) != body(none, "n_aaaaaaaaaaaaaaaa") {
					t.Errorf("%s %s%s by %s: got %d %s, of what does not exist %d %s", place.method, home, place.path, by, real.status, real.body, none.status, none.body)
				}
			}
		}
	}
	const give = "/organizations/acme/assignments"
	b.steps([]step{
		{alice, "POST", give, `{"client":"other","role":"reader"}`, 400, "unknown_reference"},
		{alice, "POST", give, `{"client":"gone","role":"reader"}`, 400, "unknown_reference"},
		{alice, "POST", give, `{"client":"stranger","role":"reader"}`, 400, "unknown_reference"},
		{alice, "POST", give, `{"group":"` + group.ID + `","role":"reader"}`, 422, "holder_not_allowed"},
		{alice, "POST", give, `{"group":"g_aaaaaaaaaaaaaaaa","role":"reader"}`, 422, "holder_not_allowed"},
	})
}

// body is a problem without what differs between two calls: the request and the thing asked about.
func body(a answer, ref string) string {
	var p map[string]any
	_ = json.Unmarshal([]byte(a.body), &p)
	delete(p, "request_id")
	data, _ := json.Marshal(p)
	return strings.ReplaceAll(string(data), ref, "REF")
}

// A token that speaks for one organization does nothing in another, whoever it belongs to.
func TestATokenOfOneOrganizationEndsThere(t *testing.T) {
	b := start(t)
	b.hub()
	bound, free := b.person("cara", "acme"), b.person("cara", "")
	b.steps([]step{
		{bound, "GET", "/organizations/acme/members", "", 200, ""},
		{bound, "GET", "/organizations/beta/members", "", 404, "not_found"},
		{bound, "DELETE", "/organizations/beta/members/me", "", 404, "not_found"},
		{free, "GET", "/organizations/beta/members", "", 200, ""},
		{free, "DELETE", "/organizations/beta/members/me", "", 204, ""},
	})
}

// Who reviews access or gives roles sees everybody, others themselves; clients are no members.
func TestWhoSeesTheMembers(t *testing.T) {
	b := start(t)
	b.hub()
	ctx := t.Context()
	names := func(by string) (out []string) {
		for m, err := range apiv1.All(ctx, func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.Membership], error) {
			o.PageSize = 1
			return b.as(by).ListMemberships(ctx, "acme", o)
		}) {
			check(t, err)
			out = append(out, m.Name+strings.Join(m.Roles, " "))
		}
		slices.Sort(out)
		return out
	}
	all := []string{"aliceowner", "bobwriter", "carareader"}
	for by, want := range map[string][]string{
		"operator": all, "auditor": all, b.person("alice", ""): all, b.person("bob", ""): {"bobwriter"}, b.person("cara", "acme"): {"carareader"}, "release": nil,
	} {
		if got := names(by); !slices.Equal(got, want) {
			t.Errorf("%s sees %v, want %v", by, got, want)
		}
	}
	held, err := b.as(b.person("alice", "")).ListAssignments(ctx, "acme", apiv1.PageOptions{})
	check(t, err)
	if len(held.Items) != 4 || !slices.ContainsFunc(held.Items, func(a apiv1.Assignment) bool { return a.Client == "release" && a.Role == "writer" }) {
		t.Errorf("assignments: got %+v, want the client among them", held.Items)
	}
	own, err := b.as(b.person("bob", "")).ListAssignments(ctx, "acme", apiv1.PageOptions{})
	check(t, err)
	if len(own.Items) != 1 || own.Items[0].User != "bob" {
		t.Errorf("bob sees the assignments %+v, want his own", own.Items)
	}
	at := "/organizations/acme/members"
	b.steps([]step{
		{b.person("bob", ""), "GET", at + "/me", "", 200, ""},
		{b.person("bob", ""), "GET", at + "/" + b.userID("bob"), "", 200, ""},
		{b.person("bob", ""), "GET", at + "/alice", "", 403, "forbidden"},
		{b.person("bob", ""), "GET", at + "/nobody", "", 403, "forbidden"},
		{b.person("alice", ""), "GET", at + "/release", "", 404, "not_found"},
		{"release", "GET", at + "/me", "", 403, "forbidden"},
	})
}

// A change of a member is made to the version that was read, or not at all.
func TestMembersAreChangedAsTheyWereRead(t *testing.T) {
	b := start(t)
	b.hub()
	api, ctx := b.as(b.person("alice", "")), t.Context()
	read, err := api.GetMembership(ctx, "acme", "bob")
	check(t, err)
	_, err = api.SetMembership(ctx, "acme", "bob", apiv1.MembershipSpec{Role: "reader"}, read.ETag)
	check(t, err)
	_, err = api.SetMembership(ctx, "acme", "bob", apiv1.MembershipSpec{Role: "owner"}, read.ETag)
	if e := wantCode(t, err, "stale"); e.Status != http.StatusPreconditionFailed {
		t.Errorf("got %d, want 412", e.Status)
	}
}

// The last owner can be neither deleted nor disabled, and nobody who is disabled counts as one.
func TestTheLastOwnerStays(t *testing.T) {
	b := start(t)
	b.hub()
	api, ctx := b.as("operator"), t.Context()
	wantCode(t, api.DeleteUser(ctx, "alice"), "last_holder") // 22
	_, err := api.UpdateUser(ctx, "alice", apiv1.UserSpec{Disabled: true}, "")
	wantCode(t, err, "last_holder")
	_, err = api.Apply(ctx, documents(t, "kind: User\nmetadata: {name: alice}\nspec: {disabled: true}"), apiv1.ApplyOptions{})
	wantCode(t, err, "last_holder")
	check(t, api.DeleteUser(ctx, "bob"))
	_, err = api.SetMembership(ctx, "acme", "cara", apiv1.MembershipSpec{Role: "owner"}, "")
	check(t, err)
	_, err = api.UpdateUser(ctx, "cara", apiv1.UserSpec{Disabled: true}, "")
	check(t, err)
	wantCode(t, api.DeleteUser(ctx, "alice"), "last_holder")
	_, err = api.SetMembership(ctx, "acme", "alice", apiv1.MembershipSpec{Role: "reader"}, "")
	wantCode(t, err, "last_holder")
	_, err = api.UpdateUser(ctx, "cara", apiv1.UserSpec{}, "")
	check(t, err)
	check(t, api.DeleteUser(ctx, "alice"))
}

// Whoever invites need not know that the address is somebody's here: the person has the role from the next sign-in on.
func TestVerifiedAddressesAreBoundAtSignIn(t *testing.T) {
	b := start(t)
	operator := b.as("operator")
	check(t, errorOf(operator.CreateUser(t.Context(), apiv1.NewUser{Name: "ina"})))
	jo, err := operator.CreateUser(t.Context(), apiv1.NewUser{Name: "jo", UserSpec: apiv1.UserSpec{Email: "jo@example.com", EmailVerified: true}})
	check(t, err)
	check(t, errorOf(operator.CreateOrganization(t.Context(), apiv1.NewNode{
		Name: "box", NodeSpec: apiv1.NodeSpec{Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: "ina", Role: "owner"}},
	})))
	ina := b.as(b.person("ina", "box"))
	added, err := ina.AddMembership(t.Context(), "box", apiv1.NewMembership{Email: "jo@example.com", Role: "writer"})
	check(t, err)
	if !added.Pending || added.Name != "" {
		t.Errorf("the answer tells whose address it is: %+v", added.Membership)
	}
	bound, err := b.directory.Linked(t.Context(), iam.UserID(jo.ID))
	check(t, err)
	m, err := operator.GetMembership(t.Context(), "box", "jo")
	check(t, err)
	if len(bound) != 1 || !slices.Equal(m.Roles, []string{"writer"}) {
		t.Errorf("got bound %+v and roles %q, want writer at box", bound, m.Roles)
	}
}
