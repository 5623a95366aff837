package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// putUsers creates users of these names, whose ids are "u_" and the name.
func putUsers(t *testing.T, s *store.Store, names ...string) {
	t.Helper()
	for part := range slices.Chunk(names, 12) {
		must(t, s.Update(t.Context(), func(tx *store.Tx) error {
			for _, name := range part {
				if err := tx.PutUser(&iam.User{ID: iam.UserID("u_" + name), Name: name}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// Pages show each record that was there throughout exactly once and in order, whatever comes and goes between them, also when
// the record that a page ended at is gone; what came before the place that was reached is not shown, what came after it is.
func TestPagesOverChangingData(t *testing.T) {
	var steady, passing []string
	for i := range 20 {
		steady = append(steady, fmt.Sprintf("s%02d", i))
		passing = append(passing, fmt.Sprintf("s%02d-passing", i))
	}
	for _, limit := range []int{1, 3, 7} {
		s := replica(t, engine(t))
		putUsers(t, s, append(steady, passing...)...)
		var got []string
		for p := (store.PageOptions{Limit: limit}); ; {
			page, err := s.Users(t.Context(), p)
			must(t, err)
			if len(page.Items) > limit {
				t.Fatalf("a page of %d has %d", limit, len(page.Items))
			}
			for _, u := range page.Items {
				got = append(got, u.Name)
			}
			if page.Next == "" {
				break
			}
			last := got[len(got)-1]
			if strings.HasSuffix(last, "passing") {
				must(t, s.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUser(iam.UserID("u_" + last)) }))
			}
			if p.After == "" {
				putUsers(t, s, "zoe")
			}
			putUsers(t, s, fmt.Sprintf("ann%03d", 999-len(got)))
			p.After = page.Next
		}
		want := append(append(slices.Clone(steady), passing...), "zoe")
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %v, want %v", limit, got, want)
		}
	}
}

// A page token moves within its own list only, and what could be none is refused.
func TestPageTokensStayInTheirList(t *testing.T) {
	s := replica(t, engine(t))
	orgs := []*iam.Node{
		{ID: "n_1", Name: "one", Level: iam.LevelOrganization}, {ID: "n_10", Name: "ten", Level: iam.LevelOrganization}, {ID: "n_2", Name: "two", Level: iam.LevelOrganization},
	}
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		var errs []error
		for _, o := range orgs {
			errs = append(errs, tx.PutNode(o))
			for _, name := range []string{"a", "b"} {
				errs = append(errs, tx.PutClient(&iam.Client{ID: iam.ClientID(o.Name + "-" + name), Name: name, Organization: o.ID}))
			}
		}
		return errors.Join(append(errs, tx.PutClient(&iam.Client{ID: "platform-a", Name: "a"}))...)
	}))
	for _, after := range []string{"", "a", "b", "n_1/a", "n_10/a", "../n_2/", "/", "~", "-/a", "\x7f", "a b", strings.Repeat("x", 300), "{", ";", "é"} {
		for org, name := range map[iam.NodeID]string{"n_1": "one", "n_10": "ten", "n_2": "two", "": "platform"} {
			page, err := s.Clients(t.Context(), org, store.PageOptions{After: after})
			if err != nil {
				if iam.KindOf(err) != iam.Invalid || kv.ValidID("n_1/"+after) {
					t.Errorf("after %q: got %v", after, err)
				}
				continue
			}
			if !kv.ValidID("n_1/"+after) && after != "" {
				t.Errorf("after %q: got no error, want it refused", after)
			}
			for _, c := range page.Items {
				if !strings.HasPrefix(string(c.ID), name+"-") {
					t.Errorf("clients of %s after %q: got %s", name, after, c.ID)
				}
			}
			if after == "" && len(page.Items) != map[bool]int{true: 1, false: 2}[org == ""] {
				t.Errorf("clients of %s: got %d", name, len(page.Items))
			}
		}
	}
	for _, limit := range []int{-1, kv.MaxPage + 1} {
		if _, err := s.Users(t.Context(), store.PageOptions{Limit: limit}); iam.KindOf(err) != iam.Invalid {
			t.Errorf("a page of %d: got %v, want it refused", limit, err)
		}
	}
}
