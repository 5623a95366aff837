package adminapi_test

import (
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// signedIn puts a session of a user into the store, and two grants that came of it: one that lasts when nobody is signed in.
func (b *broker) signedIn(name string) (s *iam.Session, short, offline *iam.Grant) {
	b.t.Helper()
	u, err := b.store.UserNamed(b.t.Context(), name)
	check(b.t, err)
	now := b.policy.IssuedAfter(time.Now(), iam.RevocationRef{Kind: iam.RevokedUser, ID: string(u.ID)})
	s = &iam.Session{
		ID: iam.NewID("sid"), User: u.ID, Hash: "x", AuthTime: now, ACR: "1", AMR: []string{"pwd"}, CreatedAt: now, SeenAt: now,
		EndsAt: now.Add(time.Hour), Network: "192.0.2.7", Agent: "a browser", Clients: []iam.ClientID{"stranger"},
	}
	check(b.t, b.store.CreateSession(b.t.Context(), s))
	grant := func(scopes ...string) *iam.Grant {
		g := &iam.Grant{
			ID: token.NewGrantID(), Client: "stranger", User: u.ID, CreatedAt: now, ExpiresAt: now.Add(time.Hour), Scopes: scopes, SessionID: s.ID,
		}
		if len(scopes) > 0 {
			g.Refresh = &iam.RefreshFamily{Generation: 1, TurnedAt: now, IdleEndsAt: now.Add(time.Hour), EndsAt: now.Add(time.Hour)}
		}
		check(b.t, b.store.PutUserGrant(b.t.Context(), u.ID, iam.UserGrant{ID: g.ID, Client: g.Client, SessionID: s.ID, CreatedAt: now}, g.ExpiresAt))
		check(b.t, b.store.CreateGrant(b.t.Context(), g))
		return g
	}
	short, offline = grant(), grant("offline_access")
	check(b.t, b.store.PutConsent(b.t.Context(), u.ID, &iam.Consent{Client: "stranger", Scopes: []string{"openid"}, At: now}))
	return s, short, offline
}

// ended fails unless the mark is there and neither the session nor any of the grants.
func (b *broker) ended(ref iam.RevocationRef, session *iam.Session, grants ...*iam.Grant) {
	b.t.Helper()
	if dead, err := b.store.Revoked(b.t.Context(), time.Now().Add(-5*time.Second), ref); err != nil || !dead {
		b.t.Errorf("%s: got no mark (%v)", ref, err)
	}
	if session != nil {
		if got, err := b.store.Session(b.t.Context(), session.ID); err != nil || got != nil {
			b.t.Errorf("session: got %v, %v, want none", got, err)
		}
	}
	for _, g := range grants {
		if got, err := b.store.Grant(b.t.Context(), g.ID); err != nil || got != nil {
			b.t.Errorf("grant %v: got %v, %v, want none", g.Scopes, got, err)
		}
	}
}

// An operator and the person alike see where the person is signed in and what was let in, and can end each of it.
func TestSessionsGrantsAndConsentsAreListedAndEnded(t *testing.T) {
	b := start(t)
	me := b.person("alice", "")
	for _, by := range []string{"operator", me} {
		api := b.as(by)
		s, short, offline := b.signedIn("alice")
		sessions, err := api.ListSessions(t.Context(), "alice")
		check(t, err)
		if len(sessions.Items) != 1 || sessions.Items[0].ID != s.ID || sessions.Items[0].Agent != "a browser" || sessions.Items[0].Clients[0] != "stranger" {
			t.Fatalf("%s: sessions: got %+v", by, sessions.Items)
		}
		grants, err := api.ListGrants(t.Context(), "alice")
		check(t, err)
		if len(grants.Items) != 2 || grants.Items[0].Session != s.ID || grants.Items[0].ClientName != "stranger" {
			t.Fatalf("%s: grants: got %+v", by, grants.Items)
		}
		consents, err := api.ListConsents(t.Context(), "alice")
		check(t, err)
		if len(consents.Items) != 1 || consents.Items[0].Client != "stranger" {
			t.Fatalf("%s: consents: got %+v", by, consents.Items)
		}

		check(t, api.EndGrant(t.Context(), "alice", short.ID))
		b.ended(iam.RevocationRef{Kind: iam.RevokedGrant, ID: short.ID}, nil, short)
		// To end a session is more than to sign out: what was to last without it ends, too.
		check(t, api.EndSession(t.Context(), "alice", s.ID))
		b.ended(iam.RevocationRef{Kind: iam.RevokedSession, ID: s.ID}, s, offline)
		for what, err := range map[string]error{
			"session": api.EndSession(t.Context(), "alice", s.ID), "grant": api.EndGrant(t.Context(), "alice", short.ID),
		} {
			if wantCode(t, err, "not_found"); err == nil {
				t.Errorf("%s: ended twice", what)
			}
		}

		_, short, offline = b.signedIn("alice")
		check(t, api.EndConsent(t.Context(), "alice", "stranger"))
		b.ended(iam.RevocationRef{Kind: iam.RevokedGrant, ID: short.ID}, nil, short, offline)
		wantCode(t, api.EndConsent(t.Context(), "alice", "stranger"), "not_found")
		_, _, _ = b.signedIn("alice")
		check(t, b.as("operator").EndSessions(t.Context(), "alice"))
		b.mu.Lock()
		delete(b.tokens, me)
		b.mu.Unlock()
		me = b.person("alice", "") // the token of before has ended with the rest
	}
	actions := map[string]int{}
	for _, l := range b.lines("operator", "", "") {
		actions[l.Action]++
	}
	for action, want := range map[string]int{"session.end": 2, "sessions.end": 2, "grant.end": 2, "consent.end": 2} {
		if actions[action] != want {
			t.Errorf("audit log: got %d lines %s, want %d", actions[action], action, want)
		}
	}
}

// Whoever has no platform role sees and ends nothing of anybody else, and cannot tell who exists.
func TestAnothersSessionsAreNobodysBusiness(t *testing.T) {
	b := start(t)
	me := b.person("mallory", "")
	b.person("alice", "")
	s, short, _ := b.signedIn("alice")
	for _, by := range []string{me, "stranger"} {
		for _, c := range [][2]string{
			{"GET", "/sessions"}, {"DELETE", "/sessions"}, {"DELETE", "/sessions/" + s.ID}, {"GET", "/grants"}, {"DELETE", "/grants/" + short.ID},
			{"GET", "/consents"}, {"DELETE", "/consents/stranger"},
		} {
			there, absent := b.send(c[0], "/api/v1/users/alice"+c[1], by, ""), b.send(c[0], "/api/v1/users/nobody"+c[1], by, "")
			if there.status != 404 || absent.status != 404 || there.code() != absent.code() {
				t.Errorf("%s %s by %s: got %d %s and %d %s, want 404 alike", c[0], c[1], by, there.status, there.body, absent.status, absent.body)
			}
		}
	}
	// A session of somebody else is not reached by way of one's own name.
	wantCode(t, b.as(me).EndSession(t.Context(), "mallory", s.ID), "not_found")
	wantCode(t, b.as(me).EndGrant(t.Context(), "mallory", short.ID), "not_found")
	if a := b.send("DELETE", "/api/v1/users/alice/sessions", "auditor", ""); a.status != 403 {
		t.Errorf("auditor: got %d, want 403", a.status)
	}
	if got, err := b.store.Session(t.Context(), s.ID); err != nil || got == nil {
		t.Errorf("the session has ended: %v", err)
	}
}

// A revocation of a session, a grant or a user ends the record as well as the tokens: nothing comes back when the mark is over.
func TestRevocationsEndTheRecords(t *testing.T) {
	b := start(t)
	b.person("alice", "")
	api := b.as("operator")
	s, short, offline := b.signedIn("alice")
	for _, r := range []apiv1.NewRevocation{{Kind: "grant", ID: short.ID}, {Kind: "session", ID: s.ID}} {
		_, err := api.Revoke(t.Context(), r)
		check(t, err)
	}
	b.ended(iam.RevocationRef{Kind: iam.RevokedGrant, ID: short.ID}, nil, short)
	b.ended(iam.RevocationRef{Kind: iam.RevokedSession, ID: s.ID}, s, offline)

	s, short, offline = b.signedIn("alice")
	_, err := api.Revoke(t.Context(), apiv1.NewRevocation{Kind: "user", ID: "alice"})
	check(t, err)
	b.ended(iam.RevocationRef{Kind: iam.RevokedUser, ID: string(s.User)}, s, short, offline)
	if got, err := b.store.Consents(t.Context(), s.User); err != nil || len(got) != 1 {
		t.Errorf("consents: got %v, %v, want them kept: the user is still there", got, err)
	}
}

// OUT-05: a user who is deleted leaves no session, no grant and no consent, whoever dies in the middle of it.
func TestADeletedUserLeavesNothing(t *testing.T) {
	b := start(t)
	b.person("alice", "")
	s, short, offline := b.signedIn("alice")
	check(t, b.as("operator").DeleteUser(t.Context(), "alice"))
	b.ended(iam.RevocationRef{Kind: iam.RevokedUser, ID: string(s.User)}, s, short, offline)
	if got, err := b.store.Consents(t.Context(), s.User); err != nil || len(got) != 0 {
		t.Errorf("consents: got %v, %v, want none", got, err)
	}
	for _, list := range []func() (int, error){
		func() (int, error) { all, err := b.store.UserGrants(t.Context(), s.User); return len(all), err },
		func() (int, error) { all, err := b.store.Sessions(t.Context(), s.User); return len(all), err },
	} {
		if n, err := list(); err != nil || n != 0 {
			t.Errorf("got %d entries, %v, want none", n, err)
		}
	}
}
