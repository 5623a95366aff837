package authserver_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// family redeems a code of spa, or what changes make of it, and returns what came.
func (s *realm) family(changes ...func(*iam.Grant)) tokens {
	s.t.Helper()
	return issued(s.t, s.replicas[0].redeem(s.code("spa", changes...)))
}

// REF-01: each use brings a new token, and an ID token of the same authentication without the nonce (OIDC Core §12.2); the used one
// is refused after the grace. REF-02: with it the whole family and its access tokens end.
func TestRefreshTokenIsUsedOnce(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	first := s.family()
	s.pass(time.Minute)
	second := issued(t, r.refresh(first.Refresh))
	third := issued(t, r.refresh(second.Refresh))
	if second.Refresh == first.Refresh || third.Refresh == second.Refresh || third.Refresh == first.Refresh {
		t.Error("a refresh token came again")
	}
	before, after := part(t, first.ID, 1), part(t, second.ID, 1)
	if after["nonce"] != nil || after["sub"] != before["sub"] || after["auth_time"] != before["auth_time"] || after["iat"] == before["iat"] {
		t.Errorf("ID token: got %v after %v", after, before)
	}
	s.pass(11 * time.Second)
	if !r.active(third.Access) {
		t.Fatal("the newest access token is not active")
	}
	wantError(t, r.refresh(second.Refresh), http.StatusBadRequest, "invalid_grant")
	wantError(t, r.refresh(third.Refresh), http.StatusBadRequest, "invalid_grant")
	if r.active(first.Access) || r.active(third.Access) {
		t.Error("a used refresh token came again: access tokens of its family are active")
	}
}

// A token two generations old ends the family even within the grace.
func TestRefreshTokenBeforeTheLastIsReuse(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	first := s.family()
	second := issued(t, r.refresh(first.Refresh))
	third := issued(t, r.refresh(second.Refresh))
	wantError(t, r.refresh(first.Refresh), http.StatusBadRequest, "invalid_grant")
	wantError(t, r.refresh(third.Refresh), http.StatusBadRequest, "invalid_grant")
}

// Without a grace, the second use of a token is reuse at once.
func TestRefreshGraceCanBeOff(t *testing.T) {
	s := embedded(t, func(s *realm) { s.lives.RefreshGrace = 0 })
	first := s.family()
	issued(t, s.replicas[0].refresh(first.Refresh))
	wantError(t, s.replicas[0].refresh(first.Refresh), http.StatusBadRequest, "invalid_grant")
}

// REF-03, REF-07 and REF-09: a refresh token is good for its client alone, which authenticates, and is no other kind of token; and
// trying ends nothing.
func TestRefreshTokenIsItsClientsAlone(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	first := s.family()
	as := []string{"client_id", "web", "client_secret", webSecret}
	wantError(t, r.refresh(first.Refresh, as...), http.StatusBadRequest, "invalid_grant")
	wantError(t, r.refresh(first.Access), http.StatusBadRequest, "invalid_grant")
	wantError(t, r.refresh(first.Refresh[:len(first.Refresh)-1]+"x"), http.StatusBadRequest, "invalid_grant")
	if a := r.userinfo(first.Refresh); a.Status != http.StatusUnauthorized {
		t.Errorf("a refresh token as an access token: got %s", a)
	}
	issued(t, r.refresh(first.Refresh))

	confidential := issued(t, r.redeem(s.code("web"), as...))
	wantError(t, r.refresh(confidential.Refresh, "client_id", "web"), http.StatusUnauthorized, "invalid_client")
	wantError(t, r.refresh(confidential.Refresh, "client_id", "web", "client_secret", "wrong"), http.StatusUnauthorized, "invalid_client")
	issued(t, r.refresh(confidential.Refresh, as...))
}

// REF-04: a refresh may ask for less, for that one token, and never for more.
func TestRefreshNarrowsForOneToken(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	first := s.family()
	wantError(t, r.refresh(first.Refresh, "scope", "read admin"), http.StatusBadRequest, "invalid_scope")
	wantError(t, r.refresh(first.Refresh, "audience", other), http.StatusBadRequest, "invalid_target")
	narrow := issued(t, r.refresh(first.Refresh, "scope", "read"))
	if narrow.Scope != "read" || narrow.ID != "" || narrow.Refresh == "" {
		t.Errorf("narrowed: got %+v, want read, no ID token and a refresh token", narrow)
	}
	if whole := issued(t, r.refresh(narrow.Refresh)); whole.Scope != first.Scope || whole.ID == "" {
		t.Errorf("afterwards: got %+v, want all that was granted", whole)
	}
}

// REF-06: a refresh brings what the person holds and the client may have by then, and no more.
func TestRefreshBringsWhatHoldsNow(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	ann := iam.UserID("u_ann").Subject()
	got := s.family()
	assign := func(roles ...iam.RoleID) {
		s.update(func(tx *store.Tx) error { return tx.Assign("n_acme", ann, roles) })
	}
	assign("reader")
	got = issued(t, r.refresh(got.Refresh))
	if roles := part(t, got.Access, 1)["roles"].([]any); len(roles) != 1 || roles[0] != "reader" {
		t.Errorf("the role was lowered: got %v", roles)
	}
	s.client("spa", func(c *iam.Client) { c.Scopes = []string{"openid", "offline_access", "read"} })
	if got = issued(t, r.refresh(got.Refresh)); got.Scope != "openid offline_access read" {
		t.Errorf("the client's scopes were tightened: got %q", got.Scope)
	}
	assign()
	wantError(t, r.refresh(got.Refresh), http.StatusBadRequest, "access_denied")
	assign("reader") // the refusal has spent nothing
	issued(t, r.refresh(got.Refresh))
}

// REF-12: what ends a person's tokens, a session's, a client's or the grant's ends the family, and a person who is disabled refreshes
// nothing. Those of an organization end access tokens only: the next one says what holds now.
func TestRefreshEndsWithWhatItRestsOn(t *testing.T) {
	for _, c := range []struct {
		kind iam.RevocationKind
		id   string
		ends bool
	}{
		{iam.RevokedUser, "u_ann", true}, {iam.RevokedSession, "sid_1", true}, {iam.RevokedClient, "spa", true},
		{iam.RevokedUser, "u_bob", false}, {iam.RevokedMember, "n_acme/u_ann", false}, {iam.RevokedOrganization, "n_acme", false},
	} {
		s := embedded(t)
		r := s.replicas[0]
		got := s.family()
		must(t, r.revoke(t.Context(), iam.RevocationRef{Kind: c.kind, ID: c.id}))
		s.pass(50 * time.Minute) // after the access token
		if a := r.refresh(got.Refresh); c.ends {
			wantError(t, a, http.StatusBadRequest, "invalid_grant")
		} else {
			issued(t, a)
		}
	}
	s := embedded(t)
	got := s.family()
	s.update(func(tx *store.Tx) error {
		u, err := tx.User("u_ann")
		if err != nil {
			return err
		}
		u.Disabled = true
		return tx.PutUser(u)
	})
	wantError(t, s.replicas[0].refresh(got.Refresh), http.StatusBadRequest, "invalid_grant")
	s.client("spa", func(c *iam.Client) { c.Disabled = true })
	wantError(t, s.replicas[0].refresh(got.Refresh), http.StatusUnauthorized, "invalid_client")
}

// A family ends when it was not used for the one time, and whatever is done after the other.
func TestRefreshFamilyEnds(t *testing.T) {
	s := embedded(t)
	idle := s.family()
	s.pass(time.Hour)
	wantError(t, s.replicas[0].refresh(idle.Refresh), http.StatusBadRequest, "invalid_grant")
	used := s.family()
	for range 3 {
		s.pass(55 * time.Minute)
		used = issued(t, s.replicas[0].refresh(used.Refresh))
	}
	s.pass(15 * time.Minute)
	wantError(t, s.replicas[0].refresh(used.Refresh), http.StatusBadRequest, "invalid_grant")
}

// A client that may switch organizations takes the family with it.
func TestRefreshSwitchesTheOrganization(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	first := s.family()
	wantError(t, r.refresh(first.Refresh, "organization", "beta"), http.StatusBadRequest, "invalid_request")
	cli := []string{"client_id", "cli"}
	got := issued(t, r.redeem(s.code("cli"), cli...))
	wantError(t, r.refresh(got.Refresh, append(cli, "organization", "nowhere")...), http.StatusBadRequest, "access_denied")
	got = issued(t, r.refresh(got.Refresh, append(cli, "organization", "beta")...))
	if c := part(t, got.Access, 1); c["org_name"] != "beta" {
		t.Errorf("got a token for %v, want beta", c["org_name"])
	}
	got = issued(t, r.refresh(got.Refresh, cli...))
	if c := part(t, got.Access, 1); c["org_name"] != "beta" || part(t, got.ID, 1)["org_name"] != "beta" {
		t.Errorf("afterwards: got a token for %v, want beta", c["org_name"])
	}
}

// A generation that is later than the store knows was issued by us and forgotten in a failover: the family goes on from it.
func TestRefreshGoesOnFromAForgottenGeneration(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	code := s.code("spa")
	issued(t, r.redeem(code))
	grant, _ := s.handles.Coded(code)
	got := issued(t, r.refresh(s.handles.Refresh(grant, 7).Reveal()))
	if got.Refresh != s.handles.Refresh(grant, 8).Reveal() {
		t.Error("the family did not go on from the generation that was sent")
	}
	s.pass(time.Minute)
	wantError(t, r.refresh(s.handles.Refresh(grant, 2).Reveal()), http.StatusBadRequest, "invalid_grant")
}

// REF-11: forty who refresh at once over two replicas all get the same successor, which is good.
func TestParallelRefreshesHaveOneSuccessor(t *testing.T) {
	t.Parallel()
	s := replicated(t, 2)
	got := s.family(scopes("offline_access", "read"))
	for range 3 {
		answers := make([]apptest.Answer, 40)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = s.replicas[i%2].refresh(got.Refresh) })
		}
		all.Wait()
		next := issued(t, answers[0])
		if next.Refresh == got.Refresh {
			t.Fatal("the token did not turn")
		}
		for _, a := range answers {
			if issued(t, a).Refresh != next.Refresh {
				t.Fatal("two successors of one refresh token")
			}
		}
		got = next
	}
}

// Reuse is seen by every replica, wherever it was found out.
func TestReuseEndsTheFamilyOnEveryReplica(t *testing.T) {
	t.Parallel()
	s := replicated(t, 2)
	first := s.family(scopes("offline_access", "read"))
	second := issued(t, s.replicas[1].refresh(first.Refresh))
	s.pass(time.Minute)
	wantError(t, s.replicas[1].refresh(first.Refresh), http.StatusBadRequest, "invalid_grant")
	wantError(t, s.replicas[0].refresh(second.Refresh), http.StatusBadRequest, "invalid_grant")
	for i, r := range s.replicas {
		if r.active(second.Access) {
			t.Errorf("replica %d: the access token is active", i)
		}
	}
}

// A store that does not answer is 503 at whatever step, and the refresh token is good afterwards, whether or not the turn was written.
func TestRefreshSurvivesAnOutage(t *testing.T) {
	s := embedded(t, func(s *realm) { s.budget = 300 * time.Millisecond })
	r := s.replicas[0]
	got := s.family()
	outage := func(begin, end func()) {
		t.Helper()
		begin()
		wantError(t, r.refresh(got.Refresh), http.StatusServiceUnavailable, "temporarily_unavailable")
		end()
		got = issued(t, r.refresh(got.Refresh))
	}
	e := r.engine
	outage(func() { e.unread.Store(ofUnit("g:", kv.ErrUnavailable)) }, func() { e.unread.Store(nil) })
	outage(func() { e.unread.Store(ofUnit("rev", kv.ErrUnavailable)) }, func() { e.unread.Store(nil) })
	outage(func() { e.refuse.Store(ofUnit("g:", kv.ErrUnavailable)) }, func() { e.refuse.Store(nil) })
	outage(func() { e.lose.Store(ofUnit("g:", kv.ErrUnconfirmed)) }, func() { e.lose.Store(nil) })
}

// OID-16: what came of a sign-in by a provider is refreshed as long as such a sign-in counts: not while the connector is disabled, and not
// when the person has to come by it again. Neither spends the refresh token.
func TestRefreshAsksWhetherTheSignInCounts(t *testing.T) {
	s := embedded(t)
	r := s.replicas[0]
	connector := func(after time.Duration, disabled bool) {
		s.update(func(tx *store.Tx) error {
			return tx.PutConnector(&iam.Connector{Name: "corp", Type: iam.ConnectorOIDC, ReauthenticateAfter: after, Disabled: disabled})
		})
	}
	connector(0, false)
	by := func(g *iam.Grant) { g.Connector = "corp" }
	unredeemed, got := s.code("spa", by), s.family(by)
	connector(0, true)
	wantError(t, r.refresh(got.Refresh), http.StatusBadRequest, "invalid_grant")
	wantError(t, r.redeem(unredeemed), http.StatusBadRequest, "invalid_grant")
	connector(30*time.Minute, false) // the person signed in a minute ago
	got = issued(t, r.refresh(got.Refresh))
	issued(t, r.redeem(unredeemed))
	s.pass(28 * time.Minute)
	got = issued(t, r.refresh(got.Refresh))
	s.pass(2 * time.Minute)
	wantError(t, r.refresh(got.Refresh), http.StatusBadRequest, "invalid_grant")
	connector(0, false)
	got = issued(t, r.refresh(got.Refresh))
	s.update(func(tx *store.Tx) error { tx.DeleteConnector("corp"); return nil })
	wantError(t, r.refresh(got.Refresh), http.StatusBadRequest, "invalid_grant")
}
