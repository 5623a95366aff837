package apptest_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// pair starts two replicas on one Redis. The stages are one, at either.
func pair(t *testing.T) (first, second *stage) {
	t.Helper()
	data, redis := apptest.Data(t.TempDir()), apptest.Set("store", redistest.Start(t).URL())
	first = newStage(t, apptest.Start(t, data, redis))
	return first, first.on(apptest.Start(t, data, redis, apptest.Set("issuer", first.Issuer)))
}

// atOnce sends requests from as many clients, which all begin together, and returns the answers.
func atOnce(n int, send func(i int) apptest.Answer) []apptest.Answer {
	answers := make([]apptest.Answer, n)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range answers {
		all.Go(func() {
			<-begin
			answers[i] = send(i)
		})
	}
	close(begin)
	all.Wait()
	return answers
}

// oneOf fails the test unless one answer, and no more, brings tokens, and all others are refusals with a code. It returns the tokens.
func (s *stage) oneOf(what string, answers []apptest.Answer, code string) (won tokens) {
	s.T.Helper()
	times := 0
	for _, a := range answers {
		if ok(a) {
			times++
			won = s.got(a)
			continue
		}
		refused(s.T, what, a, http.StatusBadRequest, code)
	}
	if times != 1 {
		s.T.Errorf("%s: done %d times of %d, want once", what, times, len(answers))
	}
	return won
}

// TOK-15: of many who redeem one code at once, at two replicas, one is given tokens; all others are told that it was used, and since one
// of them may be a thief, the tokens end. A device code is given to one as well, and as nobody but the device has ever had it, its tokens
// stay.
func TestCodesAreRedeemedOnceByManyAtOnce(t *testing.T) {
	t.Parallel()
	first, second := pair(t)
	replicas := []*stage{first, second}
	v := first.SignedIn(first.user)
	rounds := func(clients, rounds int) {
		for range rounds {
			code := first.code(v)
			won := first.oneOf("a code", atOnce(clients, func(i int) apptest.Answer { return replicas[i%2].redeem(code) }), "invalid_grant")
			for _, r := range replicas {
				if r.active(won.access) {
					t.Error("the tokens of a code that was used twice are active")
				}
				refused(t, "the refresh token of a code that was used twice", r.refresh(won.refresh), http.StatusBadRequest, "invalid_grant")
			}
		}
	}
	rounds(50, 2)
	rounds(2, 60)
	for _, clients := range []int{50, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2} {
		device := first.device().JSON(t)
		second.approve(v.On(second.Broker), device["user_code"].(string))
		won := first.oneOf("a device code", atOnce(clients, func(i int) apptest.Answer {
			return replicas[i%2].poll(device["device_code"].(string))
		}), "invalid_grant")
		if !second.active(won.access) {
			t.Error("the token of a device is inactive")
		}
	}
}

// Of many who approve and refuse one device at once, one decides; the device hears what was decided.
func TestDeviceIsDecidedAboutOnce(t *testing.T) {
	t.Parallel()
	first, second := pair(t)
	replicas := []*stage{first, second}
	v := first.SignedIn(first.user)
	for range 10 {
		device := first.device().JSON(t)
		shown := v.Get("/activate?user_code=" + device["user_code"].(string))
		answers := atOnce(4, func(i int) apptest.Answer {
			return v.On(replicas[i%2].Broker).Submit(shown, "/activate", "decision", []string{"approve", "deny"}[i/2])
		})
		for _, a := range answers {
			if a.Status != http.StatusOK && a.Status != http.StatusBadRequest {
				t.Errorf("a decision: got %s, want that it was made, or is made already", a)
			}
		}
		approved, denied := ok(answers[0]) || ok(answers[1]), ok(answers[2]) || ok(answers[3])
		switch a := second.poll(device["device_code"].(string)); {
		case approved == denied:
			t.Errorf("approved and refused: got %v", answers)
		case approved:
			second.got(a)
		default:
			refused(t, "a device that was refused", a, http.StatusBadRequest, "access_denied")
		}
	}
}

// REF-11: of one refresh token there is one successor, however many ask for it at once at two replicas, and every one of them is told it.
func TestRefreshesAtOnceHaveOneSuccessor(t *testing.T) {
	t.Parallel()
	first, second := pair(t)
	replicas := []*stage{first, second}
	held := first.got(first.redeem(first.code(first.SignedIn(first.user)))).refresh
	for round := range 200 {
		clients := 2
		if round%50 == 0 {
			clients = 40
		}
		answers := atOnce(clients, func(i int) apptest.Answer { return replicas[i%2].refresh(held) })
		next := first.got(answers[0]).refresh
		for _, a := range answers {
			if got := first.got(a).refresh; got != next || got == held {
				t.Fatalf("round %d: two successors of one refresh token, or none", round)
			}
		}
		held = next
	}
}

// A revocation that comes among refreshes ends them all: whoever was answered before it holds nothing that works after it.
func TestRevocationAmongRefreshesEndsThemAll(t *testing.T) {
	t.Parallel()
	first, second := pair(t)
	replicas := []*stage{first, second}
	v := first.SignedIn(first.user)
	for range 15 {
		held := first.got(first.redeem(first.code(v)))
		answers := atOnce(9, func(i int) apptest.Answer {
			if i == 4 {
				return second.Post("/oauth/revoke", "client_id", second.client, "client_secret", second.secret, "token", held.refresh)
			}
			return replicas[i%2].refresh(held.refresh)
		})
		if !ok(answers[4]) {
			t.Fatalf("revocation: got %s", answers[4])
		}
		issued := []tokens{held}
		for i, a := range answers {
			if i != 4 && ok(a) {
				issued = append(issued, first.got(a))
			} else if i != 4 {
				refused(t, "a refresh during a revocation", a, http.StatusBadRequest, "invalid_grant")
			}
		}
		for i, got := range issued {
			r := replicas[i%2]
			if r.active(got.access) || r.active(got.refresh) {
				t.Error("a token is active after its family was revoked")
			}
			refused(t, "a refresh after a revocation", r.refresh(got.refresh), http.StatusBadRequest, "invalid_grant")
		}
	}
}

// What was answered before a kill -9 of the broker holds when it is back, on the embedded store: a refresh token that was given works,
// one that was revoked does not, a code that was redeemed is spent. A refresh whose answer nobody got can be repeated.
func TestKillingTheBrokerKeepsRefreshTokens(t *testing.T) {
	t.Parallel()
	site := newSite(t, "GATEHOUSE_GRANTS_REFRESH_GRACE=60s")
	p := site.serve("--dev")
	s := newStage(t, p.broker)
	v := s.Visitor()
	if a := v.Submit(v.Get("/login"), "/login", "username", s.user, "password", password); a.Status != http.StatusSeeOther {
		t.Fatalf("sign in: got %s", a)
	}
	held := s.got(s.redeem(s.code(v)))
	for round := range 4 {
		ended, spent := s.got(s.redeem(s.code(v))), s.code(v)
		kept := s.got(s.redeem(spent))
		device := s.device().JSON(t)
		s.approve(v, device["user_code"].(string))
		if a := s.Post("/oauth/revoke", "client_id", s.client, "client_secret", s.secret, "token", ended.refresh); !ok(a) {
			t.Fatalf("revocation: got %s", a)
		}
		held = s.got(s.refresh(held.refresh))
		var under sync.WaitGroup
		under.Go(func() { _, _ = s.Try(s.Form("/oauth/token", s.refreshForm(held.refresh)...)) })
		time.Sleep(time.Duration(round) * time.Millisecond) // a kill before, within or after the refresh is as good as another
		p.kill()
		under.Wait()

		p = site.serve("--dev")
		s = s.on(p.broker)
		held = s.got(s.refresh(held.refresh))
		held = s.got(s.refresh(held.refresh))
		if !s.active(held.access) || !s.active(kept.access) {
			t.Error("a token that was answered is inactive")
		}
		refused(t, "a refresh token that was revoked", s.refresh(ended.refresh), http.StatusBadRequest, "invalid_grant")
		if s.active(ended.access) {
			t.Error("a token that was revoked is active")
		}
		s.got(s.poll(device["device_code"].(string)))
		refused(t, "a code that was redeemed", s.redeem(spent), http.StatusBadRequest, "invalid_grant")
		if s.active(kept.access) {
			t.Error("a code was used twice: its token is active")
		}
		if a := v.On(p.broker).Get("/account"); !ok(a) {
			t.Errorf("a session that was begun: got %s", a)
		}
		v = v.On(p.broker)
	}
	p.stop()
}
