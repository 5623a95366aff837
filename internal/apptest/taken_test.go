package apptest_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// What somebody, or a client, holds when something is taken away: everything that a flow can be left with.
type holdings struct {
	tokens
	code, device, waiting string // waiting is a device code that nobody has approved
	userCode              string
	browser               *apptest.Visitor
}

func (s *stage) hold() holdings {
	s.T.Helper()
	v := s.SignedIn(s.user)
	device, waiting := s.device().JSON(s.T), s.device().JSON(s.T)
	s.approve(v, device["user_code"].(string))
	held := holdings{
		tokens: s.got(s.redeem(s.code(v))), device: device["device_code"].(string), waiting: waiting["device_code"].(string),
		userCode: waiting["user_code"].(string), browser: v,
	}
	held.code = s.code(v) // the last, as the application knows the verifier of its last request
	if !s.knows(held.access) {
		s.T.Fatal("userinfo does not take a new token")
	}
	return held
}

// TOK-17, TOK-18, TEN-06, REF-12, OUT-05: what is taken away at one replica is gone at another within a second: tokens are inactive, and
// no code, device or refresh token that is left brings another one.
func TestWhatIsTakenAwayIsGoneEverywhere(t *testing.T) {
	t.Parallel()
	first, second := pair(t)
	ctx, api := t.Context(), first.API()
	user := func(s *stage, change func(*apiv1.UserSpec)) error {
		u, err := api.GetUser(ctx, s.user)
		if err != nil {
			return err
		}
		change(&u.UserSpec)
		_, err = api.UpdateUser(ctx, s.user, u.UserSpec, u.ETag)
		return err
	}
	anyGrant := []string{"invalid_grant", "access_denied"}
	for _, c := range []struct {
		name      string
		take      func(s *stage) error
		status    int
		codes     []string // of the grants that are left
		signedOut bool
		keeps     bool // devices that wait may be approved all the same
	}{
		{"client-disabled", func(s *stage) error { _, err := api.DisableClient(ctx, s.client); return err }, 401, []string{"invalid_client"}, false, false},
		{"client-deleted", func(s *stage) error { return api.DeleteClient(ctx, s.client) }, 401, []string{"invalid_client"}, false, false},
		{"user-disabled", func(s *stage) error { return user(s, func(u *apiv1.UserSpec) { u.Disabled = true }) }, 400, []string{"invalid_grant"}, true, false},
		{"user-deleted", func(s *stage) error { return api.DeleteUser(ctx, s.user) }, 400, []string{"invalid_grant"}, true, false},
		{"organization-disabled", func(s *stage) error {
			o, err := api.GetOrganization(ctx, s.org)
			if err != nil {
				return err
			}
			o.Disabled = true
			_, err = api.UpdateOrganization(ctx, s.org, o.NodeSpec, o.ETag)
			return err
		}, 400, anyGrant, false, false},
		{"organization-deleted", func(s *stage) error { return api.DeleteOrganization(ctx, s.org) }, 400, anyGrant, false, false},
		{"member-removed", func(s *stage) error { return api.EndMembership(ctx, s.org, s.user) }, 400, anyGrant, false, false},
		{"member-suspended", func(s *stage) error { _, err := api.SuspendMember(ctx, s.org, s.user); return err }, 400, anyGrant, false, false},
		{"signed-out-everywhere", func(s *stage) error { return api.EndSessions(ctx, s.user) }, 400, []string{"invalid_grant"}, true, true},
		{"password-changed", func(s *stage) error {
			return user(s, func(u *apiv1.UserSpec) { u.Password = &apiv1.SecretRef{Value: "another " + password} })
		}, 400, []string{"invalid_grant"}, true, true},
		{"grants-ended", func(s *stage) error {
			grants, err := api.ListGrants(ctx, s.user)
			if err != nil {
				return err
			}
			for _, g := range grants.Items {
				if err := api.EndGrant(ctx, s.user, g.ID); err != nil {
					return err
				}
			}
			return nil
		}, 400, []string{"invalid_grant"}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := floxhub
			if c.name == "member-suspended" {
				rules = flakiness
			}
			s := first.cast(c.name, rules)
			held := s.hold()
			if err := c.take(s); err != nil {
				t.Fatal(err)
			}
			there := s.on(second.Broker)
			taken := time.Now()
			for _, at := range []*stage{there, s} {
				for at.knows(held.access) {
					if time.Since(taken) > time.Second {
						t.Fatal("a token is active a second after")
					}
					time.Sleep(10 * time.Millisecond) // for a replica to hear of it, which takes as long as it takes
				}
			}
			refused(t, "a refresh token", there.refresh(held.refresh), c.status, c.codes...)
			refused(t, "a code", there.redeem(held.code), c.status, c.codes...)
			refused(t, "an approved device", there.poll(held.device), c.status, append(c.codes, "expired_token")...) // of a grant that is no more
			if a := held.browser.On(second.Broker).Get("/account"); leadsTo("/login")(a) != c.signedOut {
				t.Errorf("the browser of before: got %s, want to be sent to sign in: %v", a, c.signedOut)
			}
			if !c.signedOut && !c.keeps {
				shown := held.browser.On(second.Broker).Get("/activate?user_code=" + held.userCode)
				held.browser.On(second.Broker).Submit(shown, "/activate", "decision", "approve")
				refused(t, "a device that was approved afterwards", there.poll(held.waiting), c.status, append(c.codes, "authorization_pending")...)
			}
		})
	}
}

// knows reports whether userinfo takes a token: it looks at nothing but the token.
func (s *stage) knows(token string) bool {
	s.T.Helper()
	r := request(s.T, http.MethodGet, s.URL+"/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return ok(s.Do(r))
}

// REF-06, TEN-07: a token says what its person holds when it is issued, in its one organization; and only a client that may do so
// changes the organization.
func TestTokensSayWhatHoldsNow(t *testing.T) {
	t.Parallel()
	first, second := pair(t)
	ctx, api := t.Context(), first.API()
	s := first.cast("bea", floxhub)
	s.organization("bea-plays", rules{"floxhub", "owner", "writer"})
	held := s.hold()
	roles := func(at *stage, access string) (string, []string) {
		t.Helper()
		claims := at.inspect(access).JSON(t)
		list, _ := claims["roles"].([]any)
		var out []string
		for _, r := range list {
			out = append(out, r.(string))
		}
		org, _ := claims["org_name"].(string)
		return org, out
	}
	if org, got := roles(s, held.access); org != s.org || !slices.Equal(got, []string{"reader"}) {
		t.Errorf("got a token for %s with %v, want %s with reader", org, got, s.org)
	}
	there := s.on(second.Broker)
	refused(t, "another organization", there.refresh(held.refresh, "organization", "bea-plays"), http.StatusBadRequest, "invalid_request")

	if _, err := api.SetMembership(ctx, s.org, s.user, apiv1.MembershipSpec{Role: "writer"}, ""); err != nil {
		t.Fatal(err)
	}
	raised := there.got(there.refresh(held.refresh))
	if _, got := roles(there, raised.access); !slices.Equal(got, []string{"writer"}) {
		t.Errorf("raised: got %v, want writer", got)
	}
	if _, err := api.SetMembership(ctx, s.org, s.user, apiv1.MembershipSpec{Role: "reader"}, ""); err != nil {
		t.Fatal(err)
	}
	if there.active(raised.access) {
		t.Error("a token with a role that was taken away is active")
	}
	for what, a := range map[string]apptest.Answer{
		"a refresh token": there.refresh(raised.refresh), "a code": there.redeem(held.code), "a device": there.poll(held.device),
	} {
		if org, got := roles(there, there.got(a).access); org != s.org || !slices.Equal(got, []string{"reader"}) {
			t.Errorf("%s: got a token for %s with %v, want %s with reader", what, org, got, s.org)
		}
	}
	c, err := api.GetClient(ctx, s.client)
	if err != nil {
		t.Fatal(err)
	}
	c.Scopes = []string{"openid", "offline_access"}
	if _, err := api.UpdateClient(ctx, s.client, c.ClientSpec, c.ETag); err != nil {
		t.Fatal(err)
	}
	refused(t, "a client that may have less: a grant of before", there.refresh(raised.refresh), http.StatusBadRequest, "invalid_grant")
	if a := there.redeem(there.code(held.browser.On(second.Broker))); !ok(a) || a.JSON(t)["scope"] != "openid offline_access" {
		t.Errorf("a client that may have less: got %s", a)
	}
}
