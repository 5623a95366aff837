package store

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// anID draws identifiers that lie close to each other and to the delimiters of keys; it never draws a '/'.
var anID = rapid.OneOf(
	rapid.StringMatching(`[an]_[a:.~@-]{0,3}`),
	rapid.SampledFrom([]string{"n", "n_", "n_1", "n_10", "n_1:", ":", "::", "user", "user:", "user:u", "client:", "anonymous", "login:", "..", "-:"}),
)

// aName also draws '/', which the last part of an identifier may hold.
var aName = rapid.OneOf(anID, rapid.StringMatching(`[a:/-]{1,4}`), rapid.SampledFrom([]string{"/", "//", "a/b", "-/a", "n_1/user:u"}))

var aSubject = rapid.Custom(func(t *rapid.T) iam.Subject {
	kind := rapid.SampledFrom([]iam.SubjectKind{
		iam.SubjectUser, iam.SubjectClient, iam.SubjectGroup, iam.SubjectLogin, iam.SubjectAnonymous,
	}).Draw(t, "kind")
	switch kind {
	case iam.SubjectAnonymous:
		return iam.Subject{Kind: kind}
	case iam.SubjectLogin:
		return iam.Subject{Kind: kind, ID: aName.Draw(t, "login")}
	}
	return iam.Subject{Kind: kind, ID: anID.Draw(t, "id")}
})

// Two things have one key only if they are the same thing, whatever delimiters their names hold; and no key of one scope lies
// below another, so that a list of one organization's shows nothing of another's.
func TestKeysAreInjective(t *testing.T) {
	node := rapid.Map(anID, func(s string) iam.NodeID { return iam.NodeID("n" + s) }) // never the platform's scope
	ref := rapid.Custom(func(t *rapid.T) iam.RevocationRef {
		return iam.RevocationRef{
			Kind: rapid.SampledFrom([]iam.RevocationKind{
				iam.RevokedToken, iam.RevokedGrant, iam.RevokedClient, iam.RevokedUser, iam.RevokedMember, iam.RevokedOrganization,
				iam.RevokedSession, iam.RevokedKey,
			}).Draw(t, "kind"),
			ID: aName.Draw(t, "id"),
		}
	})
	type pair struct {
		node iam.NodeID
		name string
	}
	aPair := rapid.Custom(func(t *rapid.T) pair { return pair{node.Draw(t, "node"), aName.Draw(t, "name")} })
	orPlatform := rapid.OneOf(node, rapid.Just(iam.NodeID("")))

	rapid.Check(t, func(t *rapid.T) {
		same := func(what string, equal bool, a, b string) {
			if equal != (a == b) {
				t.Fatalf("%s: keys %q and %q, the same thing: %v", what, a, b, equal)
			}
		}
		n1, n2 := node.Draw(t, "node 1"), node.Draw(t, "node 2")
		s1, s2 := aSubject.Draw(t, "subject 1"), aSubject.Draw(t, "subject 2")
		same("subject", s1 == s2, s1.String(), s2.String())
		same("assignment", n1 == n2 && s1 == s2, assignmentID(n1, s1), assignmentID(n2, s2))
		if back, err := iam.ParseSubject(s1.String()); err != nil || back != s1 {
			t.Fatalf("subject %+v reads back as %+v, %v", s1, back, err)
		}

		p1, p2 := aPair.Draw(t, "pair 1"), aPair.Draw(t, "pair 2")
		same("name in a scope", p1 == p2, join(string(p1.node), p1.name), join(string(p2.node), p2.name))

		o1, o2 := orPlatform.Draw(t, "organization 1"), orPlatform.Draw(t, "organization 2")
		same("scope of clients", o1 == o2, clientScope(o1), clientScope(o2))
		if id := join(clientScope(o1), p1.name); strings.HasPrefix(id, clientScope(o2)+"/") != (o1 == o2) {
			t.Fatalf("client name %q of %q is listed for %q", id, o1, o2)
		}
		if id := assignmentID(n1, s1); strings.HasPrefix(id, string(n2)+"/") != (n1 == n2) {
			t.Fatalf("assignment %q of %q is listed for %q", id, n1, n2)
		}

		r1, r2 := ref.Draw(t, "revocation 1"), ref.Draw(t, "revocation 2")
		same("revocation", r1 == r2, r1.String(), r2.String())
	})
}

// A node's name is unique below its parent; those of organizations and roots across the installation, wherever they stand.
func TestScopeOfNodeNames(t *testing.T) {
	for _, c := range []struct {
		node  iam.Node
		scope string
	}{
		{iam.Node{Level: iam.LevelOrganization}, platform},
		{iam.Node{Level: iam.LevelOrganization, Parent: "n_1"}, platform},
		{iam.Node{Level: "enterprise"}, platform},
		{iam.Node{Level: "project", Parent: "n_1"}, "n_1"},
	} {
		if got := nodeScope(&c.node); got != c.scope {
			t.Errorf("%+v: got %q, want %q", c.node, got, c.scope)
		}
	}
}

// Collections have names of their own, and the log's "collection id" comes apart in one way.
func TestCollectionsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range goldens {
		if seen[g.coll.Name] {
			t.Errorf("two collections are called %s", g.coll.Name)
		}
		seen[g.coll.Name] = true
		if err := kv.CheckKeys(kv.Key{Coll: g.coll, ID: "x"}); err != nil || strings.Contains(g.coll.Name, " ") {
			t.Errorf("%s: %v", g.coll.Name, err)
		}
	}
}
