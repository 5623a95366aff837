package token_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/keys"
)

// Roles of an enterprise and of its organizations add up, and clients hold them.
const treeModel = `
model: tree
revision: 3
precedence: {decide: [], add: [direct, group, implied, public]}
levels:
  enterprise:
    see: ent_view
    manage: {assign: ent_manage, change: ent_manage, revoke: ent_manage}
    roles:
      ent_admin: {permissions: [ent_view, ent_manage], holders: [user, client]}
      ent_bot: {permissions: [ent_view], holders: [user, client]}
  organization:
    parent: enterprise
    see: org_view
    manage: {assign: org_manage, change: org_manage, revoke: org_manage}
    roles:
      owner: {permissions: [org_view, org_manage], holders: [user, client]}
      writer: {permissions: [org_view, write], holders: [user, client]}
      reader: {permissions: [org_view], holders: [user, client]}
clients: {at: organization, manage: org_manage}
tokens: {claims: {"https://x/org": {client: organization.name}, "https://x/client": {client: client.name}}}
`

// facts is an access.Facts whose store may have failed.
type facts struct {
	*access.Memory
	err error
}

func (f facts) Err() error { return f.err }

// policyWorld decides on acme and beta below the enterprise, off (disabled) beside them, and alone below a disabled enterprise.
type policyWorld struct {
	*world
	*token.Policy
	memory *access.Memory
	err    error
}

var policyNodes = []*iam.Node{
	{ID: "n_ent", Name: "ent", Level: "enterprise", Model: "tree"},
	{ID: "n_acme", Name: "acme", Level: iam.LevelOrganization, Parent: "n_ent"},
	{ID: "n_beta", Name: "beta", Level: iam.LevelOrganization, Parent: "n_ent"},
	{ID: "n_off", Name: "off", Level: iam.LevelOrganization, Parent: "n_ent", Disabled: true},
	{ID: "n_dark", Name: "dark", Level: "enterprise", Model: "tree", Disabled: true},
	{ID: "n_alone", Name: "alone", Level: iam.LevelOrganization, Parent: "n_dark"},
}

func newPolicyWorld(t testing.TB) *policyWorld {
	t.Helper()
	model, err := access.Parse("tree.yaml", []byte(treeModel))
	check(t, err)
	p := &policyWorld{world: newWorld(t), memory: access.NewMemory()}
	p.directory.nodes = map[iam.NodeID]*iam.Node{}
	for _, n := range policyNodes {
		p.directory.nodes[n.ID] = n
		p.memory.AddNode(*n)
	}
	p.Policy = &token.Policy{
		Issuer: issuer, Directory: p.directory, DefaultLifetime: 15 * time.Minute,
		Facts: func(context.Context) token.Facts { return facts{p.memory, p.err} },
		Model: func(_ context.Context, name string) (*access.Model, error) {
			if name == "tree" {
				return model, nil
			}
			return nil, nil
		},
		Revision:    func() uint64 { return 42 },
		IssuedAfter: p.marks.issuedAfter,
		Now:         func() time.Time { return p.now },
	}
	return p
}

func (p *policyWorld) hold(node iam.NodeID, id iam.ClientID, roles ...iam.RoleID) {
	p.memory.PutAssignment(iam.Assignment{Node: node, Subject: id.Subject(), Roles: roles})
}

// release is a client of acme with a role in acme, in beta, and in both organizations that are out of service.
func (p *policyWorld) release() *iam.Client {
	c := &iam.Client{ID: "release", Name: "release", Organization: "n_acme", Audiences: []string{hub, store}}
	p.hold("n_acme", c.ID, "writer")
	p.hold("n_beta", c.ID, "reader")
	p.hold("n_off", c.ID, "owner")
	p.hold("n_alone", c.ID, "owner")
	return c
}

// subset draws none, all or some.
func subset[T any](t *rapid.T, label string, of ...T) []T {
	switch rapid.IntRange(0, 5).Draw(t, "how many "+label) {
	case 0:
		return nil
	case 1:
		return of
	}
	var out []T
	for i, x := range of {
		if rapid.Bool().Draw(t, fmt.Sprintf("%s[%d]", label, i)) {
			out = append(out, x)
		}
	}
	return out
}

// What is granted is within what was asked for, and that within what client and audiences allow; one token speaks for one
// organization with exactly the roles held there and above; every refusal is the one that the rules say. The expectation is
// worked out by the rules as the contract words them, one by one.
func TestPolicyGrantsExactlyWhatTheRulesSay(t *testing.T) {
	scopes := []string{"read", "write", "admin", token.ScopeEntitlements}
	admin := token.AdminAudience(issuer)
	audiences := []string{hub, store, "https://plain.example", "https://unknown.example", admin}
	roles := map[iam.NodeID][]iam.RoleID{
		"n_ent": {"ent_admin", "ent_bot"}, "n_dark": {"ent_bot"}, "n_acme": {"owner", "writer", "reader"}, "n_beta": {"owner", "writer", "reader"},
		"n_off": {"owner"}, "n_alone": {"writer"},
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := newPolicyWorld(t)
		p.directory.audiences = map[string]*iam.Audience{}
		for _, id := range audiences[:3] {
			a := &iam.Audience{
				Identifier:    id,
				TokenLifetime: rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(rt, "lifetime of "+id),
				SigningAlg:    rapid.SampledFrom([]string{"", "", "ES256", "EdDSA"}).Draw(rt, "alg of "+id),
			}
			if id != "https://plain.example" {
				a.Scopes = subset(rt, "scopes of "+id, scopes...)
			}
			p.directory.audiences[id] = a
		}
		client := &iam.Client{
			ID: "release", Name: "Release", Scopes: subset(rt, "client's scopes", scopes...), Audiences: subset(rt, "client's audiences", audiences...),
			Organization: rapid.SampledFrom([]iam.NodeID{"", "n_acme", "n_beta", "n_off", "n_gone"}).Draw(rt, "client's organization"),
			PlatformRole: rapid.SampledFrom([]iam.PlatformRole{"", iam.Operator}).Draw(rt, "platform role"),
		}
		for _, n := range policyNodes {
			held := subset(rt, "roles at "+string(n.ID), roles[n.ID]...)
			p.hold(n.ID, client.ID, held...)
			p.hold(n.ID, "other", roles[n.ID]...) // somebody else holds everything
		}
		request := token.Request{
			Client: client, Grant: iam.GrantClientCredentials,
			Scopes:       rapid.SliceOfN(rapid.SampledFrom(append([]string{"unknown"}, scopes...)), 0, 3).Draw(rt, "scopes"),
			Audiences:    rapid.SliceOfN(rapid.SampledFrom(append(audiences[:3:3], audiences...)), 0, 3).Draw(rt, "audiences"),
			Organization: rapid.SampledFrom([]string{"", "", "n_acme", "acme", "beta", "off", "alone", "n_ent", "ent", "gone"}).Draw(rt, "organization"),
		}
		want, refusal := p.expected(request)
		got, err := p.Authorize(t.Context(), request)
		if refusal != "" {
			if got != nil || iam.CodeOf(err) != refusal {
				rt.Fatalf("got %+v, %v, want %s", got, err, refusal)
			}
			return
		}
		if err != nil {
			rt.Fatalf("got %v, want %+v", err, want)
		}
		if len(got.Grant) != 16 || got.Client != client {
			rt.Fatalf("got grant %q of %v", got.Grant, got.Client)
		}
		want.Grant, want.Client = got.Grant, client
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("authorization (-want +got):\n%s", diff)
		}
		// Asking for exactly what was granted grants it again.
		request.Scopes, request.Audiences = got.Scopes, got.Audience
		if got.Organization != nil {
			request.Organization = string(got.Organization.ID)
		}
		if len(request.Scopes) == 0 || got.Audience[0] == token.UserinfoAudience(issuer) {
			return
		}
		again, err := p.Authorize(t.Context(), request)
		if err != nil {
			rt.Fatalf("asked for what was granted: %v", err)
		}
		again.Grant = want.Grant
		if diff := cmp.Diff(want, again); diff != "" {
			rt.Fatalf("asked for what was granted (-first +again):\n%s", diff)
		}
	})
}

// expected works out by the rules what a request gets, or the code of its refusal.
func (p *policyWorld) expected(r token.Request) (*token.Authorization, string) {
	c := r.Client
	want := &token.Authorization{Subject: string(c.ID), IssuedAt: p.now.Truncate(time.Second).Local(), Lifetime: 15 * time.Minute, Alg: keys.ES256}

	// RFC 8707 §2: only audiences that exist and that the client may ask for; nobody asked: the client's first, else userinfo.
	asked := r.Audiences
	if len(asked) == 0 && len(c.Audiences) > 0 {
		asked = c.Audiences[:1]
	}
	scoped, listed := false, map[string]bool{}
	algs, shortest := map[keys.Alg]bool{}, 24*time.Hour
	for _, id := range asked {
		listsIt := slices.Contains(c.Audiences, id)
		a := p.directory.audiences[id]
		if id == token.AdminAudience(issuer) && (listsIt || c.PlatformRole != "") {
			a, listsIt = &iam.Audience{}, true
		}
		if a == nil || !listsIt {
			return nil, "invalid_target"
		}
		alg, lifetime := keys.Alg(a.SigningAlg), a.TokenLifetime
		if alg == "" {
			alg = keys.ES256
		}
		if lifetime == 0 {
			lifetime = 15 * time.Minute
		}
		algs[alg], shortest = true, min(shortest, lifetime)
		for _, s := range a.Scopes {
			scoped, listed[s] = true, true
		}
		if !slices.Contains(want.Audience, id) {
			want.Audience = append(want.Audience, id)
		}
		want.Alg, want.Lifetime = alg, shortest
	}
	if len(algs) > 1 {
		return nil, "invalid_target"
	}
	if len(asked) == 0 {
		want.Audience = []string{issuer + "/userinfo"}
	}

	// A scope must be the client's, where it lists any, and the audiences', where they list any.
	for _, s := range append(slices.Clone(r.Scopes), c.Scopes...) {
		byClient := len(c.Scopes) == 0 || slices.Contains(c.Scopes, s)
		byAudience := listed[s] || !scoped && len(c.Scopes) > 0
		switch {
		case len(r.Scopes) > 0 && !slices.Contains(r.Scopes, s), slices.Contains(want.Scopes, s):
		case byClient && byAudience, s == "entitlements":
			want.Scopes = append(want.Scopes, s)
		case len(r.Scopes) > 0:
			return nil, "invalid_scope"
		}
	}

	// The organization named, else the client's own, else none; in it the subject must hold a role, and all above must be in service.
	id := c.Organization
	if r.Organization != "" {
		id = "n_gone"
		for _, n := range policyNodes {
			if n.Level == iam.LevelOrganization && (string(n.ID) == r.Organization || n.Name == r.Organization) {
				id = n.ID
			}
		}
	}
	if id == "" {
		return want, ""
	}
	permissions := map[iam.RoleID][]string{
		"ent_admin": {"ent_view", "ent_manage"}, "ent_bot": {"ent_view"},
		"owner": {"org_view", "org_manage"}, "writer": {"org_view", "write"}, "reader": {"org_view"},
	}
	for n := p.directory.nodes[id]; n != nil; n = p.directory.nodes[n.Parent] {
		if n.Disabled {
			return nil, "access_denied"
		}
		want.Roles = append(p.memory.Roles(n.ID, c.ID.Subject()), want.Roles...)
	}
	if len(want.Roles) == 0 {
		return nil, "access_denied"
	}
	want.Organization = p.directory.nodes[id]
	if slices.Contains(want.Scopes, "entitlements") {
		for _, right := range []string{"ent_view", "ent_manage", "org_view", "org_manage", "write"} {
			if slices.ContainsFunc(want.Roles, func(r iam.RoleID) bool { return slices.Contains(permissions[r], right) }) {
				want.Entitlements = append(want.Entitlements, right)
			}
		}
	}
	want.Extra = []token.Extra{{Name: "https://x/org", Value: want.Organization.Name}, {Name: "https://x/client", Value: c.Name}}
	want.AccessRev = "tree.3.42"
	return want, ""
}

// A token for several audiences lives as long as the strictest of them wants, in whatever order they are named.
func TestShortestLifetimeHolds(t *testing.T) {
	p := newPolicyWorld(t)
	client := p.release()
	for _, c := range []struct{ hub, store, want time.Duration }{
		{0, 0, 15 * time.Minute},
		{time.Hour, 0, 15 * time.Minute},
		{time.Minute, 0, time.Minute},
		{time.Minute, time.Hour, time.Minute},
		{2 * time.Hour, time.Hour, time.Hour},
	} {
		p.directory.audiences[hub].TokenLifetime, p.directory.audiences[store].TokenLifetime = c.hub, c.store
		for _, asked := range [][]string{{hub, store}, {store, hub}} {
			a, err := p.Authorize(t.Context(), token.Request{Client: client, Audiences: asked})
			check(t, err)
			if a.Lifetime != c.want {
				t.Errorf("%s for one, %s for the other: got %s, want %s", c.hub, c.store, a.Lifetime, c.want)
			}
		}
	}
}

// An organization that does not exist, one of strangers, a suspended one and one below a suspended node are told apart by nobody.
func TestDeniedOrganizationsLookAlike(t *testing.T) {
	p := newPolicyWorld(t)
	client := p.release()
	client.Organization = ""
	p.hold("n_beta", client.ID)
	answers := map[string][]string{}
	for _, org := range []string{"gone", "n_gone", "beta", "n_beta", "off", "n_off", "alone", "ent", "n_ent", "\x00", strings.Repeat("x", 300)} {
		got, err := p.Authorize(t.Context(), token.Request{Client: client, Organization: org})
		if got != nil || iam.KindOf(err) != iam.Forbidden {
			t.Errorf("%q: got %+v, %v, want access_denied", org, got, err)
			continue
		}
		answers[err.Error()] = append(answers[err.Error()], org)
	}
	if len(answers) != 1 {
		t.Errorf("got %d different answers, want one: %q", len(answers), answers)
	}
}

// Nothing is decided on facts that could not be read: neither granted nor denied, and no audience is called unknown for it.
func TestPolicyFailsAsUnavailable(t *testing.T) {
	for _, c := range []struct {
		what string
		org  string
	}{{"audience", ""}, {"organization", "beta"}, {"organization", "gone"}, {"path", ""}, {"path", "beta"}} {
		p := newPolicyWorld(t)
		client := p.release()
		p.directory.down = c.what
		got, err := p.Authorize(t.Context(), token.Request{Client: client, Organization: c.org, Audiences: []string{hub, store}})
		if got != nil || iam.KindOf(err) != iam.Unavailable {
			t.Errorf("no %s to be read: got %+v, %v, want unavailable", c.what, got, err)
		}
	}
	for _, roles := range [][]iam.RoleID{{"writer"}, nil} {
		p := newPolicyWorld(t)
		client := p.release()
		p.hold("n_acme", client.ID, roles...)
		p.err = unanswered
		if got, err := p.Authorize(t.Context(), token.Request{Client: client}); got != nil || iam.KindOf(err) != iam.Unavailable {
			t.Errorf("facts could not be read, roles seen %v: got %+v, %v, want unavailable", roles, got, err)
		}
	}
	p := newPolicyWorld(t)
	client := p.release()
	p.Model = func(context.Context, string) (*access.Model, error) { return nil, nil }
	if got, err := p.Authorize(t.Context(), token.Request{Client: client}); got != nil || err == nil || iam.KindOf(err) != iam.Internal {
		t.Errorf("no such model: got %+v, %v, want an internal fault", got, err)
	}
}

// A token is stamped later than every mark that could kill it, so that it is not dead when it is issued, and before the facts are
// read, so that a mark that comes with a change of them kills it.
func TestTokenIsIssuedAfterMarksAndBeforeFacts(t *testing.T) {
	second := start.Truncate(time.Second)
	for _, c := range []struct {
		kind  iam.RevocationKind
		id    string
		ahead time.Duration // of the mark
		want  time.Duration // of the token
	}{
		{iam.RevokedClient, "release", 0, time.Second},
		{iam.RevokedClient, "release", time.Second, 2 * time.Second},
		{iam.RevokedClient, "release", -time.Minute, 0},
		{iam.RevokedClient, "other", 3 * time.Second, 0},
		{iam.RevokedOrganization, "n_acme", 0, time.Second},
		{iam.RevokedOrganization, "n_acme", time.Second, 2 * time.Second},
		{iam.RevokedClient, "release", 3 * time.Second, -1}, // too far ahead to be issued
		{iam.RevokedOrganization, "n_beta", 3 * time.Second, 0},
		{iam.RevokedUser, "release", 3 * time.Second, 0},
	} {
		p := newPolicyWorld(t)
		client := p.release()
		check(t, p.marks.Revoke(t.Context(), iam.Revocation{
			RevocationRef: iam.RevocationRef{Kind: c.kind, ID: c.id}, NotBefore: p.now.Add(c.ahead), ExpiresAt: p.now.Add(time.Hour),
		}))
		a, err := p.Authorize(t.Context(), token.Request{Client: client})
		if c.want < 0 {
			if iam.KindOf(err) != iam.Unavailable {
				t.Errorf("%s %s marked %s ahead: got %v, want busy", c.kind, c.id, c.ahead, err)
			}
			continue
		}
		check(t, err)
		if want := second.Add(c.want); !a.IssuedAt.Equal(want) {
			t.Errorf("%s %s marked %s ahead: got iat %s, want %s", c.kind, c.id, c.ahead, a.IssuedAt.UTC(), want)
		}
		p.directory.clients[client.ID] = client
		if _, err := p.inspector.Access(t.Context(), p.issue(a).Value, hub); err != nil {
			t.Errorf("%s %s marked %s ahead: the token is dead when it is issued: %v", c.kind, c.id, c.ahead, err)
		}
	}

	p := newPolicyWorld(t)
	client := p.release()
	read := p.Facts
	p.Facts = func(ctx context.Context) token.Facts {
		f := read(ctx)
		check(t, p.revoker.All(ctx, iam.RevocationRef{Kind: iam.RevokedClient, ID: string(client.ID)})) // comes in between
		return f
	}
	a, err := p.Authorize(t.Context(), token.Request{Client: client})
	check(t, err)
	p.directory.clients[client.ID] = client
	if _, err := p.inspector.Access(t.Context(), p.issue(a).Value, hub); iam.CodeOf(err) != "invalid_token" {
		t.Errorf("decided before a revocation, issued after it: got %v, want invalid_token", err)
	}
}
