package keys_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/keys"
)

// A world is an installation and its verifiers under a clock that may be slow, wobbles within the skew, and only jumps back.
type world struct {
	policy    keys.Policy
	now       time.Time     // as the verifiers see it
	behind    time.Duration // how far the clock of the installation is behind, at least
	set       []*keys.Key
	ring      *keys.Ring
	verifiers [3]struct {
		kids    map[string]bool
		fetched time.Time
	}
	tokens []token
}

type token struct {
	kid string
	exp time.Time
}

var modelAlgs = []keys.Alg{keys.ES256, keys.EdDSA}

// clock is what some replica takes for the time: right or ahead of the slowest by up to the skew.
func (w *world) clock(t *rapid.T) time.Time { return w.now.Add(w.wobble(t, "wobble") - w.behind) }

// wobble is a time within the skew, often at one of its ends, where the promises are tight.
func (w *world) wobble(t *rapid.T, name string) time.Duration {
	skew := w.policy.ClockSkew
	switch rapid.IntRange(0, 2).Draw(t, name+" end") {
	case 0:
		return 0
	case 1:
		return skew
	}
	return duration(t, name, 0, skew)
}

func duration(t *rapid.T, name string, from, to time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(int64(from), int64(to)).Draw(t, name))
}

// commit applies changes that were planned at clock, some time later, and maybe only the first few of them. Until then replicas
// sign with the old ring and verifiers fetch its JWK set.
func (w *world) commit(t *rapid.T, changes []keys.Change, clock time.Time, crash bool) {
	if crash {
		changes = changes[:rapid.IntRange(0, len(changes)).Draw(t, "applied")]
	}
	if len(changes) > 0 {
		w.now = w.now.Add(w.wobble(t, "delay"))
		w.sign(t)
		w.check(t)
	}
	w.set = apply(t, w.set, changes, clock)
	w.ring = ringOf(t, w.set)
}

func (w *world) plan(t *rapid.T, clock time.Time, crash bool) {
	changes, next := keys.Plan(w.set, modelAlgs, w.policy, clock)
	w.commit(t, changes, clock, crash)
	if crash {
		return
	}
	if again, _ := keys.Plan(w.set, modelAlgs, w.policy, clock); len(again) != 0 {
		t.Fatalf("planned again: %q", describe(w.set, again))
	}
	if early, _ := keys.Plan(w.set, modelAlgs, w.policy, next.Add(-1)); next.After(clock.Add(w.policy.ClockSkew)) && len(early) != 0 {
		t.Fatalf("%q is due before next", describe(w.set, early))
	}
	if due, _ := keys.Plan(w.set, modelAlgs, w.policy, next); len(due) == 0 {
		t.Fatalf("nothing is due at next, +%s", next.Sub(clock))
	}
	for _, alg := range modelAlgs {
		active := 0
		for _, k := range w.set {
			if k.Alg == alg && k.State == keys.Active {
				active++
			}
		}
		if active > 1 {
			t.Fatalf("%d active keys of %s: %v", active, alg, w.set)
		}
	}
}

func (w *world) published() map[string]bool {
	kids := make(map[string]bool)
	for _, k := range w.set {
		if k.State != keys.Removed {
			kids[k.ID] = true
		}
	}
	return kids
}

// sign issues a token with each algorithm that has a key, of the longest life.
func (w *world) sign(t *rapid.T) {
	for _, alg := range modelAlgs {
		if s, err := w.ring.Signer(alg, keys.TypeAccessToken); err == nil {
			w.tokens = append(w.tokens, token{s.Key().ID, w.clock(t).Add(w.policy.MaxTokenLifetime)})
		}
	}
}

// check lets every verifier meet every token that it would not refuse as expired, with a copy of the JWK set as old as it may be.
func (w *world) check(t *rapid.T) {
	if len(w.set) == 0 { // nothing is served before the first set-up is committed
		return
	}
	for i := range w.verifiers {
		v := &w.verifiers[i]
		if v.kids == nil || w.now.Sub(v.fetched) >= w.policy.JWKSMaxAge || rapid.IntRange(0, 3).Draw(t, "fetch") == 0 {
			v.kids, v.fetched = w.published(), w.now
		}
		live := w.tokens[:0]
		for _, token := range w.tokens {
			if !w.now.Before(token.exp.Add(w.policy.ClockSkew)) { // RFC 7519 §4.1.4: dead on exp
				continue
			}
			live = append(live, token)
			if !v.kids[token.kid] {
				t.Fatalf("a verifier with a JWK set of %s ago meets unknown key %s; keys are %v", w.now.Sub(v.fetched), token.kid, w.set)
			}
		}
		w.tokens = live
	}
}

// Whatever the sequence of plans, crashes, rotations, delays and steps of the clock: a verifier that honours max-age never meets
// an unknown key, an algorithm that signs goes on signing, and a key that was retired does not sign again.
func TestVerifiersNeverMeetUnknownKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := keys.Policy{
			JWKSMaxAge:       time.Duration(rapid.IntRange(1, 60).Draw(t, "max-age")) * time.Second,
			ClockSkew:        duration(t, "skew", 0, 10*time.Second),
			MaxTokenLifetime: duration(t, "lifetime", 1, 3*time.Minute),
		}
		p.RotateEvery = 2*p.JWKSMaxAge + 4*p.ClockSkew + duration(t, "rotate", 0, 5*time.Minute)
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		w := &world{policy: p, now: start, ring: ringOf(t, nil)}
		signed := map[keys.Alg]bool{}
		over := map[string]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"plan":    func(t *rapid.T) { w.plan(t, w.clock(t), false) },
			"crash":   func(t *rapid.T) { w.plan(t, w.clock(t), true) },
			"sign":    w.sign,
			"wait":    func(t *rapid.T) { w.now = w.now.Add(duration(t, "wait", 0, 10*time.Second)) },
			"sleep":   func(t *rapid.T) { w.now = w.now.Add(duration(t, "sleep", 0, p.RotateEvery)) },
			"go back": func(t *rapid.T) { w.behind += duration(t, "jump", 0, 2*p.RotateEvery) },
			"next": func(t *rapid.T) { // the broker wakes when it planned to
				clock := w.clock(t)
				if _, next := keys.Plan(w.set, modelAlgs, p, clock); next.After(clock) {
					w.now = w.now.Add(next.Sub(clock))
					clock = next
				}
				w.plan(t, clock, false)
				w.sign(t)
			},
			"rotate": func(t *rapid.T) {
				clock := w.clock(t)
				w.commit(t, keys.RotateNow(w.set, rapid.SampledFrom(modelAlgs).Draw(t, "alg"), p, clock), clock, false)
			},
			"": func(t *rapid.T) {
				w.check(t)
				for _, k := range w.set {
					over[k.ID] = over[k.ID] || k.State == keys.Retired || k.State == keys.Removed
				}
				for _, alg := range modelAlgs {
					s, err := w.ring.Signer(alg, keys.TypeAccessToken)
					if signed[alg] && err != nil {
						t.Fatalf("%s signed and does not any more: %v", alg, w.set)
					}
					signed[alg] = err == nil
					if err == nil && over[s.Key().ID] {
						t.Fatalf("%v signs after it was retired", s.Key())
					}
				}
			},
		})
	})
}

// R24: an hour with a rotation every two minutes and a token every second, read by an independent library in verifiers that
// fetch the JWK set when their copy is max-age old and at no other time: no token fails, young or at the end of its life.
func TestRotationUnderUse(t *testing.T) {
	p := keys.Policy{JWKSMaxAge: 20 * time.Second, ClockSkew: 2 * time.Second, RotateEvery: 2 * time.Minute, MaxTokenLifetime: 90 * time.Second}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	var verifiers [3]struct {
		jwks    jose.JSONWebKeySet
		fetched time.Time
	}
	set := setUp(t, keys.ES256)
	ring := ringOf(t, set)
	signers := map[string]bool{}
	issued := make(map[int]string)
	life := int(p.MaxTokenLifetime / time.Second)
	next := start
	for second := range 3600 {
		now := start.Add(time.Duration(second) * time.Second)
		if second == 1000 {
			set = apply(t, set, keys.RotateNow(set, keys.ES256, p, now), now)
			next = now
		}
		if !now.Before(next) {
			var changes []keys.Change
			changes, next = keys.Plan(set, es256, p, now)
			set = apply(t, set, changes, now)
			ring = ringOf(t, set)
		}
		signer := mustSigner(t, ring, keys.ES256, keys.TypeAccessToken)
		signers[signer.Key().ID] = true
		payload := fmt.Sprintf(`{"iat":%d}`, second)
		issued[second] = sign(t, ring, keys.ES256, keys.TypeAccessToken, payload)
		for i := range verifiers {
			v := &verifiers[i]
			if v.fetched.IsZero() && second < 7*i { // their copies are of different age
				continue
			}
			if now.Sub(v.fetched) >= p.JWKSMaxAge {
				body, _ := ring.JWKS()
				v.jwks = jose.JSONWebKeySet{}
				if err := json.Unmarshal(body, &v.jwks); err != nil {
					t.Fatal(err)
				}
				v.fetched = now
			}
			for _, age := range []int{0, life} {
				token, ok := issued[second-age]
				if !ok {
					continue
				}
				jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := jws.Verify(v.jwks); err != nil {
					t.Fatalf("second %d, verifier %d, token %d s old: %v", second, i, age, err)
				}
			}
		}
		if token, ok := issued[second-life]; ok {
			if _, _, err := ring.Verify(token, keys.TypeAccessToken); err != nil {
				t.Fatalf("second %d, by the ring: %v", second, err)
			}
		}
	}
	if len(signers) < 29 {
		t.Errorf("got %d signing keys in an hour, want one every two minutes", len(signers))
	}
	if published := len(jwksOf(t, ring)); published > 3 {
		t.Errorf("got %d published keys at the end, want old ones removed", published)
	}
}

func jwksOf(t *testing.T, ring *keys.Ring) []jose.JSONWebKey {
	t.Helper()
	body, _ := ring.JWKS()
	var jwks jose.JSONWebKeySet
	if err := json.Unmarshal(body, &jwks); err != nil {
		t.Fatal(err)
	}
	return jwks.Keys
}
