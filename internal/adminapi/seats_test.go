package adminapi_test

import (
	"slices"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// seated lists who takes the seats of a node, in pages of one, and checks that the number is that of the list.
func (b *broker) seated(by, node string) (out []string) {
	b.t.Helper()
	for o := (apiv1.PageOptions{PageSize: 1}); ; {
		list, err := b.as(by).GetSeats(b.t.Context(), node, o)
		check(b.t, err)
		for _, h := range list.Items {
			if h.Login != nil {
				out = append(out, h.Login.Name)
				continue
			}
			out = append(out, h.Name)
		}
		if list.NextPageToken == "" {
			if list.Used != len(out) {
				b.t.Errorf("%d seats are used, and %v are listed", list.Used, out)
			}
			slices.Sort(out)
			return out
		}
		o.Token = list.NextPageToken
	}
}

func (b *broker) wantSeated(want ...string) {
	b.t.Helper()
	if got := b.seated("operator", "acme"); !slices.Equal(got, want) {
		b.t.Errorf("the seats are taken by %v, want %v", got, want)
	}
}

// A person takes one seat of the organization however many roles he holds; clients, visitors and operators take none (84, 87–89).
func TestWhoTakesASeat(t *testing.T) {
	b := start(t)
	b.tests()
	ada, eddy := b.person("ada", "acme"), b.person("eddy", "acme")
	b.wantSeated("ada", "eddy", "eve", "mel", "mia")
	check(t, errorOf(b.as("operator").CreateClient(t.Context(), apiv1.NewClient{Name: "gh-web", Organization: "acme", ClientSpec: apiv1.ClientSpec{Assignments: []apiv1.ClientAssignment{{Node: "acme/web", Role: "uploader"}}}})))
	b.steps([]step{
		{ada, "PUT", "/nodes/acme:web/settings/visibility", `{"value":"public"}`, 200, ""},
		{eddy, "POST", "/nodes/acme:api/members", `{"user":"mel","role":"editor"}`, 201, ""}, // 87
		{b.person("mel", "acme"), "GET", "/organizations/acme/seats", "", 403, "forbidden"},
		{eddy, "GET", "/nodes/acme:api/seats", "", 403, "forbidden"}, // the organization's are not his to see
		{b.person("zed", ""), "GET", "/organizations/acme/seats", "", 404, "not_found"},
	})
	b.wantSeated("ada", "eddy", "eve", "mel", "mia")
	b.steps([]step{{ada, "DELETE", "/nodes/acme:web/members/eve", "", 204, ""}})
	b.wantSeated("ada", "eddy", "eve", "mel", "mia") // 88
	b.steps([]step{{ada, "DELETE", "/nodes/acme:api/members/eve", "", 204, ""}})
	b.wantSeated("ada", "eddy", "mel", "mia")
	b.setSeats("acme", 6)
	added, err := b.as(ada).AddMembership(t.Context(), "acme", apiv1.NewMembership{Email: "new@acme.test"})
	check(t, err)
	if s := added.Seats; s == nil || s.Used != 5 || s.Limit != 6 || s.Left == nil || *s.Left != 1 {
		t.Errorf("the answer says of the seats %+v, want 1 of 6 left", s)
	}
	if got := b.seated(ada, "acme"); !slices.Equal(got, []string{"ada", "eddy", "mel", "mia", "new@acme.test"}) {
		t.Errorf("the seats are taken by %v, want the invited one among them", got)
	}
	b.address("zed", "new@acme.test", true)
	b.wantSeated("ada", "eddy", "mel", "mia", "zed")
}

// Where no seat is free nobody new comes in by any way, and nothing is written (85, 86).
func TestNobodyComesInWithoutASeat(t *testing.T) {
	b := start(t)
	b.tests()
	ada, eddy := b.person("ada", "acme"), b.person("eddy", "acme")
	full := func(by, method, path, body string) step {
		return step{by, method, path, body, 409, "seat_limit_reached"}
	}
	api := b.as("operator")
	check(t, errorOf(api.CreateGroup(t.Context(), "acme", apiv1.NewGroup{Name: "team", GroupSpec: apiv1.GroupSpec{Members: []string{"mel"}}})))
	check(t, errorOf(api.CreateGroup(t.Context(), "acme", apiv1.NewGroup{Name: "others", GroupSpec: apiv1.GroupSpec{Members: []string{"zed"}}})))
	check(t, errorOf(api.Assign(t.Context(), "acme/web", apiv1.Assignment{Group: "team", Role: "viewer"})))
	b.steps([]step{
		full(ada, "POST", "/organizations/acme/members", `{"user":"zed"}`),
		full(ada, "POST", "/organizations/acme/members", `{"email":"a@b.test"}`),
		full(ada, "POST", "/organizations/acme/invitations", `{"email":"a@b.test"}`),
		full(ada, "POST", "/organizations/acme/assignments", `{"user":"zed"}`),
		full(ada, "POST", "/nodes/acme:web/assignments", `{"group":"others","role":"viewer"}`),
		full(eddy, "POST", "/nodes/acme:api/members", `{"user":"zed","role":"viewer"}`),
		full(eddy, "POST", "/nodes/acme:api/invitations", `{"login":{"connector":"github","name":"octo"},"role":"viewer"}`),
		full("operator", "POST", "/organizations/acme/members", `{"user":"zed"}`),
		full("operator", "PUT", "/nodes/acme/groups/team/members/zed", ""),
		full("operator", "POST", "/nodes", `{"name":"lib","parent":"acme","level":"project","assignments":[{"user":"zed","role":"viewer"}]}`),
		full("operator", "POST", "/nodes", `{"name":"lib","parent":"acme","level":"project","assignments":[{"group":"others","role":"viewer"}]}`),
	})
	b.wantSeated("ada", "eddy", "eve", "mel", "mia")
	for _, node := range []string{"acme", "acme/web", "acme/api"} {
		b.wantRoles(node, "zed")
		if got := b.invited("operator", node); len(got) != 0 {
			t.Errorf("%v are invited to %s", got, node)
		}
	}
	b.setSeats("acme", 6)
	b.steps([]step{{ada, "POST", "/organizations/acme/members", `{"user":"zed"}`, 201, ""}})
}

// An organization that shuts outsiders out has them neither in its projects nor added to them (91–93).
func TestOutsidersWhoAreShutOut(t *testing.T) {
	b := start(t)
	b.tests()
	b.setSeats("acme", 0)
	ada, eve, mel := b.person("ada", "acme"), b.person("eve", ""), b.person("mel", "acme")
	b.steps([]step{
		{eve, "GET", "/nodes/acme:web", "", 200, ""},
		{mel, "PUT", "/organizations/acme/settings/external_users", `{"value":"blocked"}`, 403, "forbidden"},
		{ada, "PUT", "/organizations/acme/settings/external_users", `{"value":"blocked"}`, 200, ""},
	})
	// The tokens that were out before have ended.
	ada, eve, mel = b.person("ada", "acme"), b.person("eve", ""), b.person("mel", "acme")
	eddy := b.person("eddy", "")
	b.steps([]step{
		{eve, "GET", "/nodes/acme:web", "", 404, "not_found"},
		{eddy, "GET", "/nodes/acme:api", "", 404, "not_found"},
		{eddy, "POST", "/nodes/acme:api/members", `{"user":"mel","role":"viewer"}`, 404, "not_found"},
		{mel, "GET", "/nodes/acme:web", "", 200, ""},
		{ada, "POST", "/nodes/acme:web/members", `{"user":"zed","role":"viewer"}`, 409, "external_users_blocked"},
		{ada, "POST", "/nodes/acme:web/assignments", `{"user":"zed","role":"viewer"}`, 409, "external_users_blocked"},
		{"operator", "POST", "/nodes/acme:web/members", `{"user":"zed","role":"viewer"}`, 409, "external_users_blocked"},
		{ada, "POST", "/nodes/acme:web/members", `{"user":"mel","role":"editor"}`, 201, ""},
		{ada, "POST", "/organizations/acme/members", `{"user":"zed"}`, 201, ""},
		{ada, "POST", "/nodes/acme:web/members", `{"user":"zed","role":"viewer"}`, 201, ""},
	})
}
