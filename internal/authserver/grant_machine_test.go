package authserver_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A branch is what the machine knows of a grant: a code, and the family of refresh tokens that came of it.
type branch struct {
	grant, code string
	session     string
	codeEnds    time.Time
	spent       bool
	dead        bool // ended: it never comes back
	signedOut   bool // ended by its session, while its record is there

	generation             uint64 // 0: the code was not redeemed
	turned, idleEnds, ends time.Time
	access                 []accessToken
}

type accessToken struct {
	value string
	ends  time.Time
}

// A machine is the broker as it should be, beside the broker.
type machine struct {
	*realm
	roles    []iam.RoleID // what ann holds in acme
	disabled bool         // ann is
	changes  float64      // of the directory, as many as there were
	branches []*branch
	touched  *branch
}

// F9, F10: in whatever order people authorize, clients redeem and refresh with whatever they have kept, tokens are revoked, people are
// signed out, lose roles and get others, and time passes, at any replica: there is one refresh token at most that brings another one; a
// code is spent once; whoever uses what was used ends all of it; what has ended does not come back; and a token says what its person holds.
func TestGrantsKeepTheirPromisesInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) *realm{
		"bolt":                func(t *testing.T) *realm { return embedded(t, standing) },
		"redis, two replicas": func(t *testing.T) *realm { return replicated(t, 2, standing) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			rapid.Check(t, func(rt *rapid.T) {
				m := &machine{realm: s}
				m.hold("writer")
				m.disable(false)
				m.authorize(rt)
				rt.Repeat(map[string]func(*rapid.T){
					"authorize": m.authorize, "redeem": m.redeem, "refresh": m.refresh, "refresh at once": m.refreshAtOnce, "revoke": m.revoke,
					"sign out": m.signOut, "sign out everywhere": m.signOutEverywhere,
					"roles": func(t *rapid.T) {
						m.hold(rapid.SampledFrom([][]iam.RoleID{{"writer"}, {"writer"}, {"reader"}, nil}).Draw(t, "roles")...)
					},
					"disable": func(t *rapid.T) { m.disable(rapid.IntRange(0, 3).Draw(t, "disabled") == 0) },
					"pass": func(t *rapid.T) {
						m.pass(rapid.SampledFrom([]time.Duration{3 * time.Second, 7 * time.Second, 30 * time.Second, 20 * time.Minute, 50 * time.Minute}).Draw(t, "time"))
					},
					"": m.check,
				})
			})
		})
	}
}

// standing makes the clock of a realm stand still between the steps of a test, so that it is known to the second when something ends.
func standing(s *realm) { s.stands = time.Now().Truncate(time.Second) }

func (m *machine) any(t *rapid.T) *replica { return rapid.SampledFrom(m.replicas).Draw(t, "replica") }

// pick chooses a branch, mostly a late one.
func (m *machine) pick(t *rapid.T) *branch {
	m.touched = m.branches[len(m.branches)-1-rapid.IntRange(0, min(2, len(m.branches)-1)).Draw(t, "branch")]
	return m.touched
}

// changed changes the directory and waits until every replica knows: ann carries the number of the change.
func (m *machine) changed(fn func(tx *store.Tx) error) {
	m.changes++
	m.update(func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		ann, err := tx.User("u_ann")
		if err != nil {
			return err
		}
		ann.Claims = map[string]any{"change": m.changes}
		return tx.PutUser(ann)
	})
	for _, r := range m.replicas {
		for {
			ann, err := r.store.User(m.t.Context(), "u_ann")
			if err != nil {
				m.t.Fatal(err)
			}
			if ann.Claims["change"] == m.changes {
				break
			}
			time.Sleep(time.Millisecond) // another replica follows the store in a time of its own
		}
	}
}

func (m *machine) hold(roles ...iam.RoleID) {
	m.roles = roles
	m.changed(func(tx *store.Tx) error { return tx.Assign("n_acme", iam.UserID("u_ann").Subject(), roles) })
}

func (m *machine) disable(off bool) {
	if m.disabled == off && len(m.branches) > 0 {
		return
	}
	m.disabled = off
	m.changed(func(tx *store.Tx) error {
		u, err := tx.User("u_ann")
		if err != nil {
			return err
		}
		u.Disabled = off
		return tx.PutUser(u)
	})
}

func (m *machine) authorize(*rapid.T) {
	b := &branch{session: iam.NewID("sid"), codeEnds: m.now().Add(time.Minute)}
	b.code = m.code("web", func(g *iam.Grant) { g.SessionID, b.grant = b.session, g.ID })
	m.branches = append(m.branches, b)
	m.touched = b
}

var asWeb = []string{"client_id", "web", "client_secret", webSecret}

func (m *machine) redeem(t *rapid.T) {
	b, r := m.pick(t), m.any(t)
	wrong := rapid.IntRange(0, 4).Draw(t, "wrong verifier") == 0
	with := asWeb
	if wrong {
		with = append([]string{"code_verifier", strings.Repeat("x", 43)}, asWeb...)
	}
	a := r.redeem(b.code, with...)
	switch {
	case b.dead:
		m.want(t, "a code that has ended", a, "invalid_grant")
	case b.spent:
		m.want(t, "a code that was used", a, "invalid_grant")
		b.dead = true
	case !m.now().Before(b.codeEnds), wrong, m.disabled:
		m.want(t, "a code that is not good", a, "invalid_grant")
	case m.refusal(b) != nil:
		m.want(t, "a code for nothing", a, m.refusal(b)...)
	default:
		b.spent, b.generation, b.turned, b.ends = true, 1, m.now(), m.now().Add(m.lives.RefreshWhole)
		m.turnedTo(t, b, a)
	}
}

// refusal returns the codes of which one is the answer to what would be good otherwise; nil: it is good.
func (m *machine) refusal(b *branch) []string {
	switch {
	case b.signedOut && len(m.roles) == 0:
		return []string{"invalid_grant", "access_denied"}
	case b.signedOut:
		return []string{"invalid_grant"}
	case len(m.roles) == 0:
		return []string{"access_denied"}
	}
	return nil
}

// usable reports whether a refresh token of a generation may be used, if nothing else speaks against it, and whether it turns the family.
func (m *machine) usable(b *branch, generation uint64) (may, turns, reuse bool) {
	now := m.now()
	switch {
	case b.dead || b.generation == 0 || !now.Before(b.idleEnds) || !now.Before(b.ends):
		return false, false, false
	case generation == b.generation:
		return true, true, false
	case generation+1 == b.generation && now.Sub(b.turned) < m.lives.RefreshGrace:
		return true, false, false
	}
	return false, false, true
}

// held chooses a refresh token that the client has got from a branch: mostly the last, or the one before it.
func (m *machine) held(t *rapid.T, b *branch) (generation uint64, value string) {
	back := rapid.SampledFrom([]uint64{0, 0, 0, 0, 1, 1, 2, 5}).Draw(t, "back")
	generation = b.generation - min(back, b.generation-1)
	return generation, m.handles.Refresh(b.grant, generation).Reveal()
}

func (m *machine) refresh(t *rapid.T) {
	b, r := m.pick(t), m.any(t)
	if b.generation == 0 {
		return // there is none
	}
	generation, value := m.held(t, b)
	a := r.refresh(value, asWeb...)
	may, turns, reuse := m.usable(b, generation)
	switch {
	case reuse:
		m.want(t, "a refresh token that was used", a, "invalid_grant")
		b.dead = true
	case !may || m.disabled:
		m.want(t, "a refresh token that is not good", a, "invalid_grant")
	case m.refusal(b) != nil:
		m.want(t, "a refresh for nothing", a, m.refusal(b)...)
	default:
		if turns {
			b.generation, b.turned = b.generation+1, m.now()
		}
		m.turnedTo(t, b, a)
	}
}

// refreshAtOnce has four processes of the client come with the last refresh token together.
func (m *machine) refreshAtOnce(t *rapid.T) {
	b := m.pick(t)
	may, _, _ := m.usable(b, b.generation)
	if !may || m.disabled || m.refusal(b) != nil || m.lives.RefreshGrace == 0 {
		return
	}
	value := m.handles.Refresh(b.grant, b.generation).Reveal()
	answers := make([]apptest.Answer, 4)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = m.replicas[i%len(m.replicas)].refresh(value, asWeb...) })
	}
	all.Wait()
	b.generation, b.turned = b.generation+1, m.now()
	for _, a := range answers {
		m.turnedTo(t, b, a)
	}
}

// turnedTo checks the tokens that a branch has brought, which are of its generation.
func (m *machine) turnedTo(t *rapid.T, b *branch, a apptest.Answer) {
	if a.Status != http.StatusOK {
		t.Fatalf("got %s, want tokens", a)
	}
	var got tokens
	got.Access, _ = a.JSON(m.t)["access_token"].(string)
	got.Refresh, _ = a.JSON(m.t)["refresh_token"].(string)
	if got.Refresh != m.handles.Refresh(b.grant, b.generation).Reveal() {
		t.Fatalf("got a refresh token that is not that of generation %d", b.generation)
	}
	if b.turned.Equal(m.now()) {
		b.idleEnds = earliest(m.now().Add(m.lives.RefreshIdle), b.ends)
	}
	claims := part(m.t, got.Access, 1)
	if roles, want := fmt.Sprint(claims["roles"]), fmt.Sprint(m.roles); roles != want {
		t.Fatalf("got a token with the roles %s, want %s", roles, want)
	}
	b.access = append(b.access, accessToken{got.Access, time.Unix(int64(claims["exp"].(float64)), 0)})
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (m *machine) revoke(t *rapid.T) {
	b, r := m.pick(t), m.any(t)
	if b.generation == 0 {
		return
	}
	_, value := m.held(t, b)
	if a := r.post("/oauth/revoke", append([]string{"token", value}, asWeb...)...); a.Status != http.StatusOK {
		t.Fatalf("revocation: got %s", a)
	}
	b.dead = true
}

func (m *machine) signOut(t *rapid.T) {
	b := m.pick(t)
	must(m.t, m.any(t).revoke(m.t.Context(), iam.RevocationRef{Kind: iam.RevokedSession, ID: b.session}))
	b.signedOut = true
	m.pass(2 * time.Second) // several marks of one thing within a second hold up what is issued: 503, whoever asks
}

func (m *machine) signOutEverywhere(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		return // rarely: nothing is left to look at afterwards
	}
	must(m.t, m.any(t).revoke(m.t.Context(), iam.RevocationRef{Kind: iam.RevokedUser, ID: "u_ann"}))
	for _, b := range m.branches {
		b.signedOut = true
	}
	m.pass(2 * time.Second) // marks are exact to a second
	m.authorize(t)
}

// check compares what the broker says of every token of the branch that was last touched with what it should.
func (m *machine) check(t *rapid.T) {
	b, r := m.touched, m.any(t)
	for generation := max(1, b.generation-min(b.generation, 3)); generation <= b.generation; generation++ {
		may, _, _ := m.usable(b, generation)
		want := may && !b.signedOut && !m.disabled
		if got := m.inspect(r, m.handles.Refresh(b.grant, generation).Reveal()); got != want {
			t.Fatalf("the refresh token of generation %d of %d: active is %v, want %v", generation, b.generation, got, want)
		}
	}
	if m.disabled {
		return
	}
	for _, a := range b.access[max(0, len(b.access)-3):] {
		ended := b.dead || b.signedOut
		switch got := m.inspect(r, a.value); {
		case got && ended:
			t.Fatal("an access token is active whose grant was ended")
		case !got && !ended && m.now().Before(a.ends):
			t.Fatal("an access token is inactive that nothing has ended")
		}
	}
}

func (m *machine) inspect(r *replica, value string) bool {
	a := r.post("/oauth/introspect", append([]string{"token", value}, asWeb...)...)
	if a.Status != http.StatusOK {
		m.t.Fatalf("introspection: got %s", a)
	}
	return a.JSON(m.t)["active"] == true
}

func (m *machine) want(t *rapid.T, what string, a apptest.Answer, codes ...string) {
	if a.Status == http.StatusBadRequest {
		if got, _ := a.JSON(m.t)["error"].(string); slices.Contains(codes, got) {
			return
		}
	}
	t.Fatalf("%s: got %s, want 400 %v", what, a, codes)
}
