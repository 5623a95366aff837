package adminapi_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// invited lists the names that are invited to a node, as somebody sees them, with the reason for which one waits.
func (b *broker) invited(by, node string) (out []string) {
	b.t.Helper()
	page, err := b.as(by).ListInvitations(b.t.Context(), node, apiv1.PageOptions{})
	check(b.t, err)
	for _, i := range page.Items {
		text := i.Login.Connector + "/" + i.Login.Name
		if i.Waits != "" {
			text += " " + i.Waits
		}
		out = append(out, text)
	}
	return out
}

// invite invites an account at GitHub.
func (b *broker) invite(by, node, name, role string) apiv1.Invitation {
	b.t.Helper()
	i, err := b.as(by).Invite(b.t.Context(), node, apiv1.NewInvitation{Login: &apiv1.Login{Connector: "github", Name: name}, Role: role})
	check(b.t, err)
	return i
}

// link says that an account at GitHub is a user's, and returns what became of its invitations.
func (b *broker) link(user, subject, name string) []apiv1.Bound {
	b.t.Helper()
	l, err := b.as("operator").LinkUserLogin(b.t.Context(), user, apiv1.NewUserLogin{Connector: "github", Subject: subject, Name: name})
	check(b.t, err)
	return l.Bound
}

func (b *broker) wantRoles(node, user string, want ...string) {
	b.t.Helper()
	if got := b.roles(node, user); !slices.Equal(got, want) {
		b.t.Errorf("%s holds %v at %s, want %v", user, got, node, want)
	}
}

// address makes an address a user's, proven or not.
func (b *broker) address(user, email string, verified bool) {
	b.t.Helper()
	_, err := b.as("operator").UpdateUser(b.t.Context(), user, apiv1.UserSpec{Email: email, EmailVerified: verified}, "")
	check(b.t, err)
}

// An invitation by e-mail is good for one person, who has proven to have that address, and once.
func TestAnInvitationByEmailBindsWhoProvesTheAddress(t *testing.T) {
	b := start(t)
	b.hub()
	ctx, alice := t.Context(), b.person("alice", "acme")
	i, err := b.as(alice).Invite(ctx, "acme", apiv1.NewInvitation{Email: "New@Acme.test", Role: "writer"})
	check(t, err)
	if i.InvitedBy != "alice" || i.Login.Name != "new@acme.test" || i.ExpiresAt.Sub(i.CreatedAt) != 14*24*time.Hour {
		t.Errorf("got invitation %+v, want alice's for 14 days", i)
	}
	people, err := b.as(alice).ListMemberships(ctx, "acme", apiv1.PageOptions{})
	check(t, err)
	if !slices.ContainsFunc(people.Items, func(m apiv1.Membership) bool { return m.Pending && m.Invitation.ID == i.ID && m.ID == "" }) {
		t.Errorf("members are %+v, want the pending one among them", people.Items)
	}
	b.address("zed", "new@acme.test", false)
	b.address("dan", "other@acme.test", true)
	b.wantRoles("acme", "zed")
	b.wantRoles("acme", "dan")
	if got := b.invited(alice, "acme"); !slices.Equal(got, []string{"email/new@acme.test"}) {
		t.Fatalf("invited are %v, want the one still", got)
	}
	b.address("zed", "NEW@acme.test", true)
	b.wantRoles("acme", "zed", "writer")
	if got := b.invited(alice, "acme"); len(got) != 0 {
		t.Errorf("invited are still %v", got)
	}
	b.steps([]step{{alice, "DELETE", "/organizations/acme/invitations/" + i.ID, "", 404, "not_found"}})
	// A second account with the address gets nothing, neither of this invitation nor of the next while the first has it.
	b.address("dan", "new@acme.test", true)
	b.wantRoles("acme", "dan")
	check(t, errorOf(b.as(alice).Invite(ctx, "acme", apiv1.NewInvitation{Email: "new@acme.test", Role: "owner"})))
	b.address("dan", "new@acme.test", true)
	b.wantRoles("acme", "dan")
}

// An invitation that was taken back binds nobody.
func TestAnInvitationTakenBackBindsNobody(t *testing.T) {
	b := start(t)
	b.hub()
	alice := b.person("alice", "acme")
	i := b.invite(alice, "acme", "octo", "writer")
	check(t, b.as(alice).DeleteInvitation(t.Context(), "acme", i.ID))
	wantCode(t, b.as(alice).DeleteInvitation(t.Context(), "acme", i.ID), "not_found")
	if bound := b.link("zed", "583231", "octo"); len(bound) != 0 {
		t.Errorf("bound %+v, want nothing", bound)
	}
	b.wantRoles("acme", "zed")
}

// An invitation ends at its second: until then it holds a seat and binds, from then on it does neither.
func TestAnInvitationEndsToTheSecond(t *testing.T) {
	b := start(t)
	b.tests()
	b.setSeats("acme", 6)
	ctx, ada := t.Context(), b.person("ada", "acme")
	begin := time.Now().Truncate(time.Second)
	b.stopped.Store(&begin)
	second := apiv1.Duration(time.Second)
	i, err := b.as(ada).Invite(ctx, "acme", apiv1.NewInvitation{Login: &apiv1.Login{Connector: "github", Name: "octo"}, ExpiresIn: &second})
	check(t, err)
	if !i.ExpiresAt.Equal(begin.Add(time.Second)) {
		t.Errorf("it ends at %v, want %v", i.ExpiresAt, begin.Add(time.Second))
	}
	last := begin.Add(time.Second - 1)
	b.stopped.Store(&last)
	if got := b.invited(ada, "acme"); len(got) != 1 {
		t.Errorf("a moment before its end invited are %v, want one", got)
	}
	b.steps([]step{{ada, "POST", "/organizations/acme/members", `{"user":"zed"}`, 409, "seat_limit_reached"}})
	end := begin.Add(time.Second)
	b.stopped.Store(&end)
	if got := b.invited(ada, "acme"); len(got) != 0 {
		t.Errorf("at its end invited are %v, want nobody", got)
	}
	if bound := b.link("eve", "583231", "octo"); len(bound) != 0 {
		t.Errorf("bound %+v at its end, want nothing", bound)
	}
	b.wantRoles("acme", "eve")
	b.steps([]step{{ada, "POST", "/organizations/acme/members", `{"user":"zed"}`, 201, ""}})
	for _, life := range []string{"0s", "999ms", "8761h"} {
		b.steps([]step{{ada, "POST", "/organizations/acme/invitations", `{"email":"a@b.test","expires_in":"` + life + `"}`, 400, "invalid"}})
	}
}

// An invitation by login binds the account that its provider never renames. Who has the name later is nobody (46).
func TestAnInvitationByLoginBindsTheAccountAndNotItsName(t *testing.T) {
	b := start(t)
	b.hub()
	ctx, alice := t.Context(), b.person("alice", "acme")
	b.invite(alice, "acme", "octo", "writer")
	b.invite("operator", "beta", "octo", "reader")
	if bound := b.link("zed", "583231", "octo"); len(bound) != 2 {
		t.Errorf("bound %+v, want one in each organization", bound)
	}
	b.wantRoles("acme", "zed", "writer")
	b.wantRoles("beta", "zed", "reader")
	if bound := b.link("zed", "583231", "octo"); len(bound) != 0 {
		t.Errorf("bound again: %+v", bound)
	}
	_, err := b.as("operator").LinkUserLogin(ctx, "dan", apiv1.NewUserLogin{Connector: "github", Subject: "583231", Name: "octo"})
	wantCode(t, err, "login_taken")
	b.link("zed", "583231", "octocat") // renamed
	b.invite(alice, "acme", "octo", "owner")
	if bound := b.link("dan", "999", "octo"); len(bound) != 0 {
		t.Errorf("a stranger who took the name was bound: %+v", bound)
	}
	b.wantRoles("acme", "dan")
	logins, err := b.as("operator").ListUserLogins(ctx, "zed")
	check(t, err)
	if len(logins.Items) != 1 || logins.Items[0].Subject != "583231" || logins.Items[0].Name != "octocat" {
		t.Fatalf("zed has the accounts %+v, want the renamed one", logins.Items)
	}
	check(t, b.as("operator").UnlinkUserLogin(ctx, "zed", logins.Items[0].ID))
	b.wantRoles("acme", "zed", "writer") // what came by it stays
	for by, code := range map[string]string{alice: "forbidden", "auditor": "forbidden"} {
		_, err := b.as(by).LinkUserLogin(ctx, "zed", apiv1.NewUserLogin{Connector: "github", Subject: "1", Name: "x"})
		wantCode(t, err, code)
	}
}

// Whoever holds a higher role keeps it; one who holds a lower one is raised.
func TestAnInvitationNeverLowersAnybody(t *testing.T) {
	b := start(t)
	b.hub()
	alice := b.person("alice", "acme")
	b.invite(alice, "acme", "bobby", "reader")
	b.invite(alice, "acme", "carol", "writer")
	b.link("bob", "1", "bobby")
	b.link("cara", "2", "carol")
	b.wantRoles("acme", "bob", "writer")
	b.wantRoles("acme", "cara", "writer")
	if got := b.invited(alice, "acme"); len(got) != 0 {
		t.Errorf("invited are still %v", got)
	}
}

// What the access model refuses when the person comes waits with the reason, for that person only.
func TestAnInvitationThatIsRefusedWaits(t *testing.T) {
	b := start(t)
	b.tests()
	b.setSeats("acme", 0)
	ada := b.person("ada", "acme")
	b.invite(b.person("eddy", "acme"), "acme/api", "octo", "viewer")
	b.steps([]step{{ada, "PUT", "/organizations/acme/settings/external_users", `{"value":"blocked"}`, 200, ""}})
	ada = b.person("ada", "acme") // the tokens that were out before have ended
	bound := b.link("zed", "583231", "octo")
	if len(bound) != 1 || bound[0].Waits != "external_users_blocked" || len(bound[0].Roles) != 0 {
		t.Fatalf("bound %+v, want it to wait", bound)
	}
	if got := b.invited(ada, "acme:api"); !slices.Equal(got, []string{"github/octo external_users_blocked"}) {
		t.Errorf("invited are %v, want the one with its reason", got)
	}
	b.wantRoles("acme/api", "zed")
	b.steps([]step{{ada, "PUT", "/organizations/acme/settings/external_users", `{"value":"allowed"}`, 200, ""}})
	b.link("zed", "583231", "octocat")
	if bound := b.link("mia", "999", "octo"); len(bound) != 0 {
		t.Errorf("what waited for zed became a stranger's: %+v", bound)
	}
	b.link("zed", "583231", "octo")
	b.wantRoles("acme/api", "zed", "viewer")
}

// Nobody invites, sees or takes back what he could not give: the rules of assignments hold for invitations (ADM-04).
func TestWhoMayInvite(t *testing.T) {
	b := start(t)
	b.hub()
	alice, bob, zed := b.person("alice", "acme"), b.person("bob", "acme"), b.person("zed", "")
	i := b.invite(alice, "acme", "octo", "owner")
	const at = "/organizations/acme/invitations"
	b.steps([]step{
		{bob, "POST", at, `{"email":"a@b.test","role":"reader"}`, 403, "forbidden"},
		{bob, "POST", "/organizations/acme/members", `{"email":"a@b.test","role":"owner"}`, 403, "forbidden"},
		{"release", "POST", at, `{"email":"a@b.test"}`, 403, "forbidden"},
		{bob, "GET", at, "", 403, "forbidden"},
		{bob, "DELETE", at + "/" + i.ID, "", 403, "forbidden"},
		{bob, "DELETE", at + "/i_aaaaaaaaaaaaaaaa", "", 403, "forbidden"},
		{zed, "POST", at, `{"email":"a@b.test"}`, 404, "not_found"},
		{zed, "GET", at, "", 404, "not_found"},
		{zed, "DELETE", at + "/" + i.ID, "", 404, "not_found"},
		{b.person("dan", "beta"), "DELETE", "/organizations/beta/invitations/" + i.ID, "", 404, "not_found"},
		{alice, "POST", at, `{"email":"a@b.test","role":"king"}`, 422, "role_not_available_here"},
		{alice, "POST", at, `{"email":"not an address"}`, 400, "invalid"},
		{alice, "POST", at, `{"email":"a@b.test","login":{"connector":"github","name":"x"}}`, 400, "invalid"},
		{alice, "POST", at, `{}`, 400, "invalid"},
		{alice, "POST", at, `{"login":{"connector":"github","name":"a/b"}}`, 400, "invalid"},
		{alice, "DELETE", at + "/" + i.ID, "", 204, ""},
	})
	if got := b.invited("operator", "acme"); len(got) != 0 {
		t.Errorf("refused invitations were stored: %v", got)
	}
}

// A role above one's own is refused to others and oneself, by assignment and by invitation, and nothing is stored.
func TestNobodyInvitesAboveHimself(t *testing.T) {
	b := start(t)
	check(t, errorOf(b.as("operator").CreateModel(t.Context(), later("1", "      turner:", "      foreman: {extends: [turner], permissions: [lead], holders: [user]}\n      turner:"))))
	for _, name := range []string{"ann", "fred", "bob"} {
		b.person(name, "")
	}
	check(t, errorOf(b.as("operator").CreateOrganization(t.Context(), apiv1.NewNode{
		Name: "shop", NodeSpec: apiv1.NodeSpec{Model: "gears"}, Assignments: []apiv1.Assignment{{User: "ann", Role: "smith"}, {User: "fred", Role: "foreman"}},
	})))
	fred := b.person("fred", "shop")
	b.steps([]step{
		{fred, "POST", "/organizations/shop/invitations", `{"email":"a@b.test","role":"smith"}`, 403, "exceeds_own_permissions"},
		{fred, "POST", "/organizations/shop/members", `{"user":"bob","role":"smith"}`, 403, "exceeds_own_permissions"},
		{fred, "POST", "/organizations/shop/members", `{"user":"fred","role":"smith"}`, 403, "exceeds_own_permissions"},
		{fred, "POST", "/organizations/shop/invitations", `{"email":"a@b.test","role":"foreman"}`, 201, ""},
		{fred, "POST", "/organizations/shop/invitations", `{"email":"a@b.test","role":"smith"}`, 403, "exceeds_own_permissions"},
	})
	b.wantRoles("shop", "bob")
	b.wantRoles("shop", "fred", "foreman")
	if i, err := b.as(fred).ListInvitations(t.Context(), "shop", apiv1.PageOptions{}); err != nil || len(i.Items) != 1 || !slices.Equal(i.Items[0].Roles, []string{"foreman"}) {
		t.Errorf("got invitations %+v %v, want the foreman's", i, err)
	}
}
