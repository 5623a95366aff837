package store_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// What a part of a transaction wrote is taken back when the part fails, and nothing else is.
func TestTryTakesBackWhatFailed(t *testing.T) {
	s := replica(t, engine(t))
	org := organization("acme")
	failed := errors.New("failed")
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		must(t, tx.PutNode(org))
		must(t, tx.PutUser(&iam.User{ID: "u_1", Name: "alice"}))
		err := tx.Try(func() error {
			must(t, tx.Assign(org.ID, iam.UserID("u_1").Subject(), []iam.RoleID{"owner"}))
			must(t, tx.PutUser(&iam.User{ID: "u_1", Name: "renamed"}))
			must(t, tx.PutUser(&iam.User{ID: "u_2", Name: "alice"}))
			return failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("got %v", err)
		}
		return tx.PutUser(&iam.User{ID: "u_3", Name: "carol"})
	}))
	page, err := s.Users(t.Context(), store.PageOptions{})
	must(t, err)
	var names []string
	for _, u := range page.Items {
		names = append(names, string(u.ID)+" "+u.Name)
	}
	if !slices.Equal(names, []string{"u_1 alice", "u_3 carol"}) {
		t.Errorf("got users %q", names)
	}
	held, err := s.Assignments(t.Context(), org.ID, store.PageOptions{})
	must(t, err)
	if len(held.Items) != 0 {
		t.Errorf("got assignments %+v", held.Items)
	}
}

// Lists in a transaction have its own writes in them; a view writes nothing.
func TestListsSeeTheTransaction(t *testing.T) {
	s := replica(t, engine(t))
	org := organization("acme")
	alice, bob := iam.UserID("u_1").Subject(), iam.UserID("u_2").Subject()
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.PutNode(org), tx.Assign(org.ID, alice, []iam.RoleID{"owner"}))
	}))
	must(t, s.View(t.Context(), func(tx *store.Tx) error {
		must(t, tx.Assign(org.ID, bob, []iam.RoleID{"writer"}))
		must(t, tx.Assign(org.ID, alice, nil))
		must(t, tx.PutNode(&iam.Node{ID: "n_web", Parent: org.ID, Name: "web", Level: "project"}))
		must(t, tx.PutGroup(&iam.Group{ID: "g_1", Node: org.ID, Name: "team"}))
		must(t, tx.SetMember("g_1", "u_1", true))
		held, err := tx.Assignments(org.ID)
		must(t, err)
		if len(held) != 1 || held[0].Subject != bob {
			t.Errorf("got assignments %+v, want bob's", held)
		}
		below, err := tx.Children(org.ID)
		must(t, err)
		groups, err := tx.Groups(org.ID)
		must(t, err)
		members, err := tx.Members("g_1")
		must(t, err)
		if len(below) != 1 || len(groups) != 1 || len(members) != 1 {
			t.Errorf("got nodes %v, groups %v, members %v, want one of each", below, groups, members)
		}
		if what, err := tx.Below(org.ID); err != nil || what == "" {
			t.Errorf("below: got %q, %v", what, err)
		}
		return nil
	}))
	held, err := s.Assignments(t.Context(), org.ID, store.PageOptions{})
	must(t, err)
	if len(held.Items) != 1 || held.Items[0].Subject != alice {
		t.Errorf("a view wrote: %+v", held.Items)
	}
}

// A transaction that only peeked at a record holds when the record changes meanwhile; one that read it runs again.
func TestPeeksAreNoConditions(t *testing.T) {
	s := replica(t, engine(t))
	for _, peeks := range []bool{true, false} {
		must(t, s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUser(&iam.User{ID: "u_1", Name: "alice"}) }))
		runs := 0
		must(t, s.Update(t.Context(), func(tx *store.Tx) error {
			runs++
			read := func() error { _, err := tx.User("u_1"); return err }
			if peeks {
				must(t, tx.Peek(read))
			} else {
				must(t, read())
			}
			if runs == 1 {
				must(t, s.Update(t.Context(), func(tx *store.Tx) error {
					return tx.PutUser(&iam.User{ID: "u_1", Name: "alice", Disabled: true})
				}))
			}
			return tx.PutUser(&iam.User{ID: "u_2", Name: "bob"})
		}))
		if want := map[bool]int{true: 1, false: 2}[peeks]; runs != want {
			t.Errorf("peeking %v: ran %d times, want %d", peeks, runs, want)
		}
	}
}

// A debt is written with the change that calls for it, and one that was made while the mark was on its way stands.
func TestDebts(t *testing.T) {
	s := replica(t, engine(t))
	ref := iam.RevocationRef{Kind: iam.RevokedClient, ID: "release"}
	owe := func() { must(t, s.Update(t.Context(), func(tx *store.Tx) error { return tx.Owe(ref) })) }
	owe()
	runs := 0
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		runs++
		owes, err := tx.Owes(ref)
		must(t, err)
		if !owes {
			t.Error("the debt is gone")
		}
		if runs == 1 {
			owe()
		}
		tx.Paid(ref)
		return nil
	}))
	if runs != 2 {
		t.Errorf("paid in %d runs, want 2: a debt was made since the first read", runs)
	}
	owed, err := s.Owed(t.Context())
	must(t, err)
	if len(owed) != 0 {
		t.Errorf("still owed: %v", owed)
	}
}
