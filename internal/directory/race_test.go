package directory_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A pair is two who ask at the same moment, by one directory or by two replicas.
type pair struct {
	t    *testing.T
	a, b *directory.Service
	id   map[string]iam.UserID
}

// onEachEngine runs a race on the embedded store, and over two replicas of one Redis.
func onEachEngine(t *testing.T, race func(p *pair)) {
	t.Run("embedded", func(t *testing.T) {
		s := serve(t, embedded(t))
		race(&pair{t: t, a: s, b: s, id: make(map[string]iam.UserID)})
	})
	t.Run("two replicas", func(t *testing.T) {
		redis := redistest.Start(t, "--appendfsync", "no")
		replica := func() *directory.Service {
			engine, err := rediskv.Open(context.Background(), rediskv.Config{Mode: rediskv.Standalone, Addrs: []string{redis.Addr()}})
			check(t, err)
			t.Cleanup(func() { check(t, engine.Close()) })
			return serve(t, engine)
		}
		race(&pair{t: t, a: replica(), b: replica(), id: make(map[string]iam.UserID)})
	})
}

func (p *pair) users(names ...string) {
	p.t.Helper()
	for _, name := range names {
		u, err := p.a.CreateUser(p.t.Context(), operator, apiv1.NewUser{Name: name})
		check(p.t, err)
		p.id[name] = iam.UserID(u.ID)
	}
}

func (p *pair) by(name string) directory.By { return directory.By{Actor: access.User(p.id[name])} }

// atOnce does two things at the same moment, exactly one of which must succeed and the other be refused by one of the codes. It
// reports whether it was the first.
func (p *pair) atOnce(round int, first, second func() error, codes ...string) bool {
	p.t.Helper()
	var errs [2]error
	var both sync.WaitGroup
	gate := make(chan struct{})
	for i, do := range []func() error{first, second} {
		both.Go(func() {
			<-gate
			errs[i] = do()
		})
	}
	close(gate)
	both.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		p.t.Fatalf("round %d: got %v and %v, want exactly one success", round, errs[0], errs[1])
	}
	lost := errs[0]
	if lost == nil {
		lost = errs[1]
	}
	for _, code := range codes {
		if iam.CodeOf(lost) == code {
			return errs[0] == nil
		}
	}
	p.t.Fatalf("round %d: who came second got %v, want one of %v", round, lost, codes)
	return false
}

// holders counts those with a role at a node whose account is not disabled.
func (p *pair) holders(node, role string) (n int) {
	p.t.Helper()
	page, err := p.b.Assignments(p.t.Context(), operator, node, store.PageOptions{})
	check(p.t, err)
	for _, a := range page.Items {
		if a.Role != role {
			continue
		}
		u, err := p.b.User(p.t.Context(), a.User)
		check(p.t, err)
		if !u.Disabled {
			n++
		}
	}
	return n
}

// Of two owners who remove or demote each other at the same moment, exactly one succeeds.
func TestOwnersWhoEndEachOther(t *testing.T) {
	onEachEngine(t, func(p *pair) {
		ctx := p.t.Context()
		p.users("alice", "bob")
		both := []apiv1.Assignment{{User: "alice", Role: "owner"}, {User: "bob", Role: "owner"}}
		check(p.t, errorOf(p.a.CreateNode(ctx, operator, apiv1.NewNode{Name: "acme", NodeSpec: apiv1.NodeSpec{Model: "floxhub"}, Assignments: both})))
		removed := func(s *directory.Service, by, whom string) error { return s.EndMembership(ctx, p.by(by), "acme", whom) }
		demoted := func(s *directory.Service, by, whom string) error {
			return errorOf(s.SetMembership(ctx, p.by(by), "acme", whom, apiv1.MembershipSpec{Role: "reader"}, directory.Existing("")))
		}
		for round := range 400 {
			way := removed
			if round%2 == 1 {
				way = demoted
			}
			lost := "alice"
			if p.atOnce(round, func() error { return way(p.a, "alice", "bob") }, func() error { return way(p.b, "bob", "alice") }, "not_found", "forbidden", access.CodeLastHolder) {
				lost = "bob"
			}
			if n := p.holders("acme", "owner"); n != 1 {
				p.t.Fatalf("round %d: %d owners are left, want 1", round, n)
			}
			check(p.t, errorOf(p.a.Assign(ctx, operator, "acme", apiv1.Assignment{User: lost, Role: "owner"})))
		}
	})
}

// Of two admins who suspend each other at the same moment, exactly one is suspended.
func TestAdminsWhoSuspendEachOther(t *testing.T) {
	onEachEngine(t, func(p *pair) {
		ctx := p.t.Context()
		p.users("ada", "mel")
		both := []apiv1.Assignment{{User: "ada", Role: "admin"}, {User: "mel", Role: "admin"}}
		check(p.t, errorOf(p.a.CreateNode(ctx, operator, apiv1.NewNode{Name: "acme", NodeSpec: apiv1.NodeSpec{Model: "flakiness"}, Assignments: both})))
		suspend := func(s *directory.Service, by, whom string) func() error {
			return func() error { return errorOf(s.Suspend(ctx, p.by(by), "acme", whom, true)) }
		}
		for round := range 100 {
			lost := "ada"
			if p.atOnce(round, suspend(p.a, "ada", "mel"), suspend(p.b, "mel", "ada"), "not_found") {
				lost = "mel"
			}
			check(p.t, errorOf(p.a.Suspend(ctx, operator, "acme", lost, false)))
		}
	})
}

// The account of one owner is deleted while the other is demoted: one of them stays owner, whoever was faster.
func TestTheLastOwnersAccountIsDeletedWhileTheOtherIsDemoted(t *testing.T) {
	onEachEngine(t, func(p *pair) {
		ctx := p.t.Context()
		p.users("bob")
		check(p.t, errorOf(p.a.CreateNode(ctx, operator, apiv1.NewNode{
			Name: "acme", NodeSpec: apiv1.NodeSpec{Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: "bob", Role: "owner"}},
		})))
		for round := range 100 {
			alice := fmt.Sprintf("alice%d", round)
			p.users(alice)
			check(p.t, errorOf(p.a.Assign(ctx, operator, "acme", apiv1.Assignment{User: alice, Role: "owner"})))
			deleted := p.atOnce(round,
				func() error { return p.a.DeleteUser(ctx, operator, alice, directory.Existing("")) },
				func() error {
					return errorOf(p.b.SetMembership(ctx, operator, "acme", "bob", apiv1.MembershipSpec{Role: "reader"}, directory.Existing("")))
				}, "last_holder")
			if n := p.holders("acme", "owner"); n != 1 {
				p.t.Fatalf("round %d: %d owners are left, want 1", round, n)
			}
			if !deleted {
				check(p.t, errorOf(p.a.Assign(ctx, operator, "acme", apiv1.Assignment{User: "bob", Role: "owner"})))
				check(p.t, p.a.DeleteUser(ctx, operator, alice, directory.Existing("")))
			}
		}
	})
}

// The last seat is taken once, wherever below the organization two want it at the same moment: at two projects, by an invitation,
// by a group.
func TestTheLastSeatIsTakenOnce(t *testing.T) {
	onEachEngine(t, func(p *pair) {
		ctx := p.t.Context()
		p.users("ada", "eve", "eddy")
		check(p.t, errorOf(p.a.CreateNode(ctx, operator, apiv1.NewNode{
			Name: "acme", NodeSpec: apiv1.NodeSpec{Model: "flakiness", Seats: 2}, Assignments: []apiv1.Assignment{{User: "ada", Role: "admin"}},
		})))
		for _, name := range []string{"web", "api"} {
			check(p.t, errorOf(p.a.CreateNode(ctx, operator, apiv1.NewNode{Name: name, Parent: "acme", NodeSpec: apiv1.NodeSpec{Level: "project"}})))
		}
		check(p.t, errorOf(p.a.CreateGroup(ctx, operator, "acme/web", apiv1.NewGroup{Name: "team"})))
		check(p.t, errorOf(p.a.Assign(ctx, operator, "acme/web", apiv1.Assignment{Group: "team", Role: "viewer"})))
		zed := apiv1.Assignment{Login: &apiv1.Login{Connector: "github", Name: "zed"}, Role: "viewer"}
		ways := []struct{ take, give func() error }{
			{
				func() error {
					return errorOf(p.a.Assign(ctx, p.by("ada"), "acme/web", apiv1.Assignment{User: "eve", Role: "viewer"}))
				},
				func() error { return p.a.Unassign(ctx, operator, "acme/web", apiv1.Assignment{User: "eve"}) },
			},
			{
				func() error { return errorOf(p.a.Assign(ctx, p.by("ada"), "acme/web", zed)) },
				func() error { return p.a.Unassign(ctx, operator, "acme/web", zed) },
			},
			{
				func() error { return p.a.AddMember(ctx, operator, "acme/web", "team", "eve") },
				func() error { return p.a.RemoveMember(ctx, operator, "acme/web", "team", "eve") },
			},
		}
		for round := range 200 {
			way := ways[round%len(ways)]
			first := p.atOnce(round, way.take, func() error {
				return errorOf(p.b.Assign(ctx, p.by("ada"), "acme/api", apiv1.Assignment{User: "eddy", Role: "viewer"}))
			}, access.CodeSeatLimit)
			if first {
				check(p.t, way.give())
			} else {
				check(p.t, p.b.Unassign(ctx, operator, "acme/api", apiv1.Assignment{User: "eddy"}))
			}
		}
	})
}

// An account at a provider becomes one user's, whoever links it at the same moment, and so does what its name was invited to.
func TestAnAccountIsLinkedOnce(t *testing.T) {
	onEachEngine(t, func(p *pair) {
		ctx := p.t.Context()
		p.users("owner", "eve", "eddy")
		check(p.t, errorOf(p.a.CreateNode(ctx, operator, apiv1.NewNode{
			Name: "acme", NodeSpec: apiv1.NodeSpec{Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: "owner", Role: "owner"}},
		})))
		for round := range 50 {
			account := apiv1.NewUserLogin{Connector: "github", Subject: fmt.Sprint(round), Name: fmt.Sprintf("octo%d", round)}
			check(p.t, errorOf(p.a.Invite(ctx, p.by("owner"), "acme", apiv1.NewInvitation{Login: &apiv1.Login{Connector: "github", Name: account.Name}, Role: "writer"})))
			link := func(s *directory.Service, user string) func() error {
				return func() error { return errorOf(s.LinkLogin(ctx, operator, user, account)) }
			}
			winner := "eddy"
			if p.atOnce(round, link(p.a, "eve"), link(p.b, "eddy"), "login_taken") {
				winner = "eve"
			}
			if n := p.holders("acme", "writer"); n != 1 {
				p.t.Fatalf("round %d: %d writers, want the one who was linked", round, n)
			}
			check(p.t, p.a.EndMembership(ctx, operator, "acme", winner))
			has, err := p.b.Logins(ctx, winner)
			check(p.t, err)
			if len(has.Items) != 1 {
				p.t.Fatalf("round %d: %s has the accounts %v, want one", round, winner, has.Items)
			}
			check(p.t, p.a.UnlinkLogin(ctx, operator, winner, has.Items[0].ID))
		}
	})
}
