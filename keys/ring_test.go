package keys_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/keys"
)

// JWT-19: the JWK set has public members only, each kid once, with use and alg, of the keys that are published.
func TestJWKSHoldsPublishedKeys(t *testing.T) {
	set := setUp(t, algs...)
	set = apply(t, set, keys.RotateNow(set, keys.ES256, keys.DefaultPolicy(), start), start)
	now := keyOf(t, set, keys.ES256, keys.Pending).ActiveAt
	changes, _ := keys.Plan(set, algs, keys.DefaultPolicy(), now)
	set = apply(t, set, changes, now)
	set = apply(t, set, keys.RotateNow(set, keys.ES256, keys.DefaultPolicy(), now), now)
	removed := keyOf(t, set, keys.RS256, keys.Active)
	changes, err := keys.Remove(set, removed.ID, now)
	if err != nil {
		t.Fatal(err)
	}
	set = apply(t, set, changes, now)

	body, _ := ringOf(t, set).JWKS()
	var raw struct{ Keys []map[string]string }
	if err := json.Unmarshal(body, &raw); err != nil {
		t.Fatal(err)
	}
	members := map[string][]string{"EC": {"alg", "crv", "kid", "kty", "use", "x", "y"}, "RSA": {"alg", "e", "kid", "kty", "n", "use"}, "OKP": {"alg", "crv", "kid", "kty", "use", "x"}}
	seen := map[string]bool{}
	for _, k := range raw.Keys {
		var have []string
		for name := range k {
			have = append(have, name)
		}
		slices.Sort(have)
		if want := members[k["kty"]]; !slices.Equal(have, want) {
			t.Errorf("%s: got members %v, want %v", k["kty"], have, want)
		}
		if k["use"] != "sig" || seen[k["kid"]] {
			t.Errorf("got use %q, kid %s seen before: %v", k["use"], k["kid"], seen[k["kid"]])
		}
		seen[k["kid"]] = true
	}
	var jwks jose.JSONWebKeySet
	if err := json.Unmarshal(body, &jwks); err != nil {
		t.Fatal(err)
	}
	published := 0
	for _, k := range set {
		found := jwks.Key(k.ID)
		if k.State == keys.Removed {
			if len(found) != 0 {
				t.Errorf("%v is in the JWK set", k)
			}
			continue
		}
		published++
		if len(found) != 1 || found[0].Algorithm != string(k.Alg) || !found[0].Valid() || !found[0].IsPublic() {
			t.Errorf("%v: got %v in the JWK set", k, found)
			continue
		}
		if rsaKey, ok := found[0].Key.(*rsa.PublicKey); ok && rsaKey.N.BitLen() < 2048 {
			t.Errorf("%v: got %d bits", k, rsaKey.N.BitLen())
		}
	}
	if published != 5 || len(jwks.Keys) != published {
		t.Errorf("got %d keys in the JWK set, %d published, want 5: retired, active and pending ES256, active RS256 and EdDSA", len(jwks.Keys), published)
	}
}

// Replicas serve the same bytes under the same strong entity tag; another set of keys has another tag, an activation has not.
func TestJWKSIsTheSameEverywhere(t *testing.T) {
	set := setUp(t, algs...)
	_, etag := ringOf(t, set).JWKS()
	if len(etag) < 18 || etag[0] != '"' || etag[len(etag)-1] != '"' {
		t.Errorf("got entity tag %s, want a strong one (RFC 9110 §8.8.3)", etag)
	}
	set = apply(t, set, keys.RotateNow(set, keys.ES256, keys.DefaultPolicy(), start), start)
	_, published := ringOf(t, set).JWKS()
	for range 20 {
		slices.Reverse(set)
		if _, got := ringOf(t, set).JWKS(); got != published {
			t.Errorf("got %s and %s for the same keys", published, got)
		}
	}
	if published == etag {
		t.Error("a new key did not change the entity tag")
	}
	now := keyOf(t, set, keys.ES256, keys.Pending).ActiveAt
	changes, _ := keys.Plan(set, algs, keys.DefaultPolicy(), now)
	if _, got := ringOf(t, apply(t, set, changes, now)).JWKS(); got != published {
		t.Error("an activation changed the entity tag")
	}
	if body, _ := ringOf(t, nil).JWKS(); string(body) != `{"keys":[]}` {
		t.Errorf("got %s for no keys", body)
	}
}

func TestNewRingRefuses(t *testing.T) {
	k := generate(t, keys.ES256)
	renamed, confused := *k, *k
	renamed.ID = generate(t, keys.ES256).ID
	confused.Alg = keys.EdDSA
	unknown := *k
	unknown.State = "on"
	for name, set := range map[string][]*keys.Key{
		"a key twice": {k, k}, "a key without parts": {{ID: "x", Alg: keys.ES256, State: keys.Active}}, "an id that is no thumbprint": {&renamed},
		"an algorithm that does not fit": {&confused}, "a state that is none": {&unknown},
	} {
		if _, err := keys.NewRing(set); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// Only an active key signs, with its own algorithm; of two, the one that was activated last.
func TestSignerChoosesTheActiveKey(t *testing.T) {
	if _, err := ringOf(t, []*keys.Key{generate(t, keys.ES256)}).Signer(keys.ES256, "JWT"); !errors.Is(err, keys.ErrNoSigner) {
		t.Errorf("pending key: got %v, want %v", err, keys.ErrNoSigner)
	}
	set := setUp(t, keys.ES256)
	ring := ringOf(t, set)
	if _, err := ring.Signer(keys.RS256, "JWT"); !errors.Is(err, keys.ErrNoSigner) {
		t.Errorf("RS256: got %v, want %v", err, keys.ErrNoSigner)
	}
	if _, err := ring.Signer(keys.ES256, "dpop+jwt"); err == nil || errors.Is(err, keys.ErrNoSigner) {
		t.Errorf("a type of somebody else's: got %v, want an error of its own", err)
	}
	set = apply(t, set, keys.RotateNow(set, keys.ES256, keys.DefaultPolicy(), start), start)
	successor := keyOf(t, set, keys.ES256, keys.Pending)
	changes, _ := keys.Plan(set, []keys.Alg{keys.ES256}, keys.DefaultPolicy(), successor.ActiveAt)
	set = apply(t, set, changes[:1], successor.ActiveAt) // the crash comes before the old key is retired
	slices.Reverse(set)
	for range 2 {
		slices.Reverse(set)
		if got := mustSigner(t, ringOf(t, set), keys.ES256, "JWT").Key(); got.ID != successor.ID {
			t.Errorf("of two active keys %v signs, want %v", got, successor)
		}
	}
}
