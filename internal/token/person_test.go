package token_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// people is policy on organizations that follow the presets, where users hold roles.
type people struct {
	*policyWorld
	web *iam.Client // of the platform
}

func newPeople(t testing.TB) *people {
	t.Helper()
	p := &people{policyWorld: newPolicyWorld(t)}
	p.Policy.Model = func(_ context.Context, name string) (*access.Model, error) {
		m, _ := access.Preset(name)
		return m, nil
	}
	p.web = &iam.Client{ID: "web", Name: "web", Audiences: []string{hub}}
	return p
}

func (p *people) node(id, parent iam.NodeID, level iam.Level, model string) {
	n := &iam.Node{ID: "n_" + id, Parent: parent, Name: string(id), Level: level, Model: model}
	if parent != "" {
		n.Parent = "n_" + parent
	}
	p.directory.nodes[n.ID] = n
	p.memory.AddNode(*n)
}

func (p *people) give(node iam.NodeID, user iam.UserID, role iam.RoleID) {
	p.memory.PutAssignment(iam.Assignment{Node: "n_" + node, Subject: user.Subject(), Roles: []iam.RoleID{role}})
}

// ask is what web gets on behalf of a person, with nodes of type project.
func (p *people) ask(client *iam.Client, user iam.UserID, org string, projects ...string) (*token.Authorization, error) {
	r := token.Request{Client: client, Organization: org, Person: &token.Person{User: &iam.User{ID: user, Name: strings.TrimPrefix(string(user), "u_")}}}
	for _, name := range projects {
		r.Details = append(r.Details, token.DetailRequest{Type: "project", Identifier: name})
	}
	return p.Authorize(context.Background(), r)
}

// The rows of the access model's page: what a token says about a person in an organization (scenarios 8 to 12, 62, 101 to 105, 162
// to 164).
func TestTokensSayWhatAPersonHolds(t *testing.T) {
	p := newPeople(t)
	p.node("fh1", "", iam.LevelOrganization, "floxhub")
	p.node("fh2", "", iam.LevelOrganization, "floxhub")
	p.give("fh1", "u_cara", "reader")
	p.give("fh2", "u_cara", "writer")
	p.give("fh1", "u_bob", "writer")
	p.node("dep", "", "deployment", "flakiness")
	p.node("acme", "dep", iam.LevelOrganization, "")
	p.node("rival", "dep", iam.LevelOrganization, "")
	for _, project := range []iam.NodeID{"web", "api"} {
		p.node(project, "acme", "project", "")
	}
	p.node("secret", "rival", "project", "")
	p.give("dep", "u_root", "superadmin")
	p.give("acme", "u_ada", "admin")
	p.give("acme", "u_mel", "member")
	p.give("web", "u_eve", "viewer")
	p.give("api", "u_eddy", "viewer")
	p.node("defo", "", "enterprise", "flux")
	p.node("labs", "defo", iam.LevelOrganization, "")

	type detail struct{ id, role string }
	for _, c := range []struct {
		user     iam.UserID
		org      string
		projects []string
		code     string
		of       string // the organization that the token speaks for
		roles    []iam.RoleID
		details  []detail
	}{
		{user: "u_cara", org: "fh1", of: "fh1", roles: []iam.RoleID{"reader"}},
		{user: "u_cara", org: "n_fh2", of: "fh2", roles: []iam.RoleID{"writer"}},
		{user: "u_cara"}, // two memberships, none chosen
		{user: "u_bob", of: "fh1", roles: []iam.RoleID{"writer"}},
		{user: "u_bob", org: "fh2", code: "access_denied"},
		{user: "u_bob", org: "nowhere", code: "access_denied"},
		{user: "u_nobody"},
		{user: "u_root", org: "acme", projects: []string{"web"}, of: "acme", roles: []iam.RoleID{"superadmin", "admin"}, details: []detail{{"web", "editor"}}},
		{user: "u_root"}, // a role above opens all organizations: none of them is the only one
		{user: "u_ada", org: "acme", projects: []string{"web"}, of: "acme", roles: []iam.RoleID{"admin"}, details: []detail{{"web", "editor"}}},
		{user: "u_mel", projects: []string{"web", "api"}, of: "acme", roles: []iam.RoleID{"member"}, details: []detail{{"web", "viewer"}, {"api", "viewer"}}},
		{user: "u_eve", org: "acme", projects: []string{"web"}, of: "acme", roles: []iam.RoleID{}, details: []detail{{"web", "viewer"}}},
		{user: "u_eve", org: "acme", code: "access_denied"},
		{user: "u_eve"}, // holds a role below only, and named nothing
		{user: "u_eddy", org: "acme", projects: []string{"web"}, code: "invalid_authorization_details"},
		{user: "u_eddy", org: "acme", projects: []string{"nothing"}, code: "invalid_authorization_details"},
		{user: "u_eddy", org: "acme", projects: []string{"n_secret"}, code: "invalid_authorization_details"},
		{user: "u_eddy", org: "nowhere", projects: []string{"web"}, code: "invalid_authorization_details"},
		{user: "u_zed", org: "acme", code: "access_denied"},
		{user: "u_zed", projects: []string{"web"}, code: "invalid_authorization_details"},
	} {
		a, err := p.ask(p.web, c.user, c.org, c.projects...)
		if err != nil || c.code != "" {
			if err == nil || iam.CodeOf(err) != c.code {
				t.Errorf("%s for %q with %v: got %v, want %q", c.user, c.org, c.projects, err, c.code)
			}
			continue
		}
		var of string
		if a.Organization != nil {
			of = a.Organization.Name
		}
		var details []detail
		for _, d := range a.Details {
			if len(d.Privileges) != 1 || len(d.Actions) == 0 || d.Type != "project" {
				t.Errorf("%s for %q: detail %+v", c.user, c.org, d)
				continue
			}
			details = append(details, detail{d.Identifier, string(d.Privileges[0])})
		}
		if of != c.of || a.Subject != string(c.user) || !cmp.Equal(c.roles, a.Roles) || !cmp.Equal(c.details, details, cmp.AllowUnexported(detail{})) {
			t.Errorf("%s for %q with %v: got %q %v %v, want %q %v %v", c.user, c.org, c.projects, of, a.Roles, details, c.of, c.roles, c.details)
		}
	}
}

// A token of a person says who signed in, when and how, and none of it stands in a client's own token.
func TestTokensSayHowAPersonSignedIn(t *testing.T) {
	p := newPeople(t)
	p.node("fh", "", iam.LevelOrganization, "floxhub")
	p.give("fh", "u_cara", "reader")
	p.memory.PutGroup(iam.Group{ID: "g_1", Node: "n_fh", Name: "team"}, "u_cara")
	a, err := p.Authorize(t.Context(), token.Request{Client: p.web, Person: &token.Person{
		User: &iam.User{ID: "u_cara", Name: "cara"}, AuthTime: p.now.Add(-time.Minute), ACR: "aal2", AMR: []string{"pwd", "otp"}, SessionID: "s_1",
	}})
	check(t, err)
	got := object(t, part(t, p.issue(a).Value, 1))
	want := map[string]any{
		"sub": "u_cara", "client_id": "web", "auth_time": float64(p.now.Add(-time.Minute).Unix()), "acr": "aal2", "amr": []any{"pwd", "otp"}, "sid": "s_1",
		"org_name": "fh", "roles": []any{"reader"}, "groups": []any{"team"}, "https://flox.dev/handle": "cara",
	}
	for name, v := range want {
		if diff := cmp.Diff(v, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What a person may not do any more he gets no token for, and a client of an organization sees nobody as a member of another one.
func TestPersonsTokensAreRefused(t *testing.T) {
	p := newPeople(t)
	p.node("fh1", "", iam.LevelOrganization, "floxhub")
	p.node("fh2", "", iam.LevelOrganization, "floxhub")
	p.give("fh1", "u_cara", "reader")
	p.give("fh2", "u_cara", "writer")
	own := &iam.Client{ID: "own", Organization: "n_fh1", Audiences: []string{hub}}
	if a, err := p.ask(own, "u_cara", ""); err != nil || a.Organization.Name != "fh1" {
		t.Errorf("a client of fh1: got %+v, %v, want a token for fh1", a, err)
	}
	if _, err := p.ask(own, "u_cara", "fh2"); iam.CodeOf(err) != "access_denied" {
		t.Errorf("a client of fh1 for fh2: got %v, want access_denied", err)
	}
	picky := &iam.Client{ID: "picky", Audiences: []string{hub}, Web: &iam.WebClient{Organization: "required"}}
	if _, err := p.ask(picky, "u_cara", ""); iam.CodeOf(err) != "invalid_request" {
		t.Errorf("a client that works in one organization, none chosen: got %v, want invalid_request", err)
	}
	if _, err := p.ask(picky, "u_cara", "fh1"); err != nil {
		t.Errorf("the same, one chosen: %v", err)
	}
	_, err := p.Authorize(t.Context(), token.Request{Client: p.web, Person: &token.Person{User: &iam.User{ID: "u_cara", Disabled: true}}})
	if iam.CodeOf(err) != "invalid_grant" {
		t.Errorf("a person who is disabled: got %v, want invalid_grant", err)
	}
}

// A client of a node below an organization sees people as members of that organization, one of a node above organizations as members
// of those: by no name and by no membership do they get anybody's token for another.
func TestClientsOfNodesSeePeopleOfTheirTreeAlone(t *testing.T) {
	p := newPeople(t)
	p.node("dep", "", "deployment", "flakiness")
	p.node("fl", "dep", iam.LevelOrganization, "")
	p.node("web", "fl", "project", "")
	p.node("fh", "", iam.LevelOrganization, "floxhub")
	p.give("fl", "u_ada", "admin")
	p.give("fh", "u_ada", "writer")
	p.give("fl", "u_mel", "member")
	p.give("fh", "u_cara", "reader")
	project := &iam.Client{ID: "project", Organization: "n_web", Audiences: []string{hub}}
	deployment := &iam.Client{ID: "deployment", Organization: "n_dep", Audiences: []string{hub}}
	for _, c := range []struct {
		client    *iam.Client
		user      iam.UserID
		org, want string // "": for none
	}{
		{project, "u_ada", "", "fl"}, {project, "u_ada", "fl", "fl"}, {project, "u_ada", "fh", "access_denied"}, {project, "u_cara", "", "access_denied"},
		{deployment, "u_mel", "", "fl"}, {deployment, "u_ada", "fl", "fl"}, {deployment, "u_ada", "fh", "access_denied"}, {deployment, "u_cara", "", ""},
	} {
		a, err := p.ask(c.client, c.user, c.org)
		got := ""
		switch {
		case err != nil:
			got = iam.CodeOf(err)
		case a.Organization != nil:
			got = a.Organization.Name
		}
		if got != c.want {
			t.Errorf("%s for %s in %q: got %q (%v), want %q", c.client.ID, c.user, c.org, got, err, c.want)
		}
		if err == nil && len(a.Details) > 0 {
			t.Errorf("%s for %s: a person's token speaks for %v, which nobody named", c.client.ID, c.user, a.Details)
		}
	}
}

// After the tokens of a person, a member or a session were ended, a new one holds: its iat is behind the mark, and never further
// ahead than two seconds.
func TestNewTokensOfAPersonOutliveTheMarks(t *testing.T) {
	for _, ref := range []iam.RevocationRef{
		{Kind: iam.RevokedUser, ID: "u_cara"}, {Kind: iam.RevokedMember, ID: "n_fh/u_cara"}, {Kind: iam.RevokedSession, ID: "s_1"},
		{Kind: iam.RevokedOrganization, ID: "n_fh"}, {Kind: iam.RevokedClient, ID: "web"},
	} {
		p := newPeople(t)
		p.node("fh", "", iam.LevelOrganization, "floxhub")
		p.give("fh", "u_cara", "reader")
		user := &iam.User{ID: "u_cara", Name: "cara"}
		p.directory.users[user.ID] = user
		p.directory.clients["web"] = p.web
		ask := func() string {
			a, err := p.Authorize(t.Context(), token.Request{Client: p.web, Person: &token.Person{User: user, SessionID: "s_1"}})
			check(t, err)
			return p.issue(a).Value
		}
		before := ask()
		check(t, p.marks.RevokeIssued(t.Context(), ref, p.now.Add(time.Hour)))
		if _, err := p.inspector.Access(t.Context(), before, hub); iam.KindOf(err) != iam.Unauthenticated {
			t.Errorf("%s: a token from before: got %v, want it dead", ref, err)
		}
		if _, err := p.inspector.Access(t.Context(), ask(), hub); err != nil {
			t.Errorf("%s: a token from after: %v", ref, err)
		}
	}
}

// The policy and the access model refuse with the same words, so that nobody can tell them apart.
func TestRefusalsOfNodesReadAlike(t *testing.T) {
	p := newPeople(t)
	p.node("fl", "", iam.LevelOrganization, "flakiness")
	p.node("web", "fl", "project", "")
	p.give("fl", "u_ada", "admin")
	_, elsewhere := p.ask(p.web, "u_ada", "nowhere", "web")
	_, missing := p.ask(p.web, "u_ada", "fl", "nothing")
	if elsewhere == nil || missing == nil || elsewhere.Error() != missing.Error() {
		t.Errorf("got %v and %v, want one answer", elsewhere, missing)
	}
}
