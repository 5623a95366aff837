package apptest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// A verifier that keeps the key set for exactly its max-age, and asks for nothing in between, never meets a key that it does not
// know: through rotations, at two replicas, under load (security catalogue R24). A key removed in an emergency is dead at once at
// both.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	redis, data := redistest.Start(t), t.TempDir()
	short := apptest.Config(func(c *config.Config) {
		c.Keys.JWKSMaxAge = time.Second
		c.Keys.ClockSkew = propagation // which is also the longest that a change takes to the last replica (keys.Policy)
	})
	var brokers []*apptest.Broker
	for range 2 {
		brokers = append(brokers, apptest.Start(t, apptest.Data(data), apptest.Set("store", redis.URL()), short))
	}

	stop := make(chan struct{})
	var running sync.WaitGroup
	var verified atomic.Int64
	var mu sync.Mutex
	kids := map[string]bool{}
	faults := map[string]int{}
	for i := range 4 {
		v := &cachingVerifier{}
		running.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Millisecond): // leaves the other tests some of the machine
				}
				issuer, publisher := brokers[n%2], brokers[(n/2)%2]
				kid, err := v.round(issuer, publisher)
				mu.Lock()
				if kids[kid] = true; err != nil {
					faults[err.Error()]++
				}
				mu.Unlock()
				verified.Add(1)
			}
		})
	}
	for n := range 3 {
		rotateAndAwait(t, brokers[n%2], brokers)
		from := verified.Load()
		await(t, "tokens by the new key", func() bool { return verified.Load() >= from+40 })
	}
	close(stop)
	running.Wait()
	if len(faults) > 0 {
		t.Errorf("of %d verifications failed: %v", verified.Load(), faults)
	}
	if len(kids) != 4 {
		t.Errorf("tokens were signed by %d keys, want 4: three rotations", len(kids))
	}
	removeKey(t, brokers)
}

// rotateAndAwait asks for a new key at one replica and waits until all sign with it.
func rotateAndAwait(t testing.TB, at *apptest.Broker, all []*apptest.Broker) {
	t.Helper()
	before := kidOf(t, at.DevToken())
	if a := at.Admin("POST", "/keys", `{"alg":"ES256"}`); a.Status >= 300 {
		t.Fatalf("rotation: got %v", a)
	}
	for _, b := range all {
		await(t, "signature by the new key", func() bool { return kidOf(t, b.DevToken()) != before })
	}
}

// removeKey removes the key that signs, at the first replica, and wants its tokens dead and others signed at both.
func removeKey(t testing.TB, brokers []*apptest.Broker) {
	t.Helper()
	first := brokers[0]
	token := brokers[1].DevToken()
	kid := kidOf(t, token)
	api := first.API()
	if err := api.RemoveKey(t.Context(), kid); err != nil {
		t.Fatalf("emergency removal: %v", err)
	}
	for i, b := range brokers {
		if b.Active(token) {
			t.Errorf("a token of the removed key at replica %d: got active, want inactive", i)
		}
	}
	time.Sleep(propagation)
	for i, b := range brokers {
		if kidOf(t, b.DevToken()) == kid {
			t.Errorf("replica %d signs with the removed key", i)
		}
		if strings.Contains(b.Get("/.well-known/jwks.json").Body, kid) {
			t.Errorf("replica %d publishes the removed key", i)
		}
		if !b.Active(brokers[1-i].DevToken()) {
			t.Errorf("replica %d does not know a new token of the other", i)
		}
	}
}

// A cachingVerifier verifies with a copy of the key set that it keeps as long as Cache-Control lets it.
type cachingVerifier struct {
	set   jose.JSONWebKeySet
	until time.Time
}

// round fetches a token from issuer and verifies it with the key set of publisher; it returns the kid.
func (v *cachingVerifier) round(issuer, publisher *apptest.Broker) (kid string, err error) {
	a, err := issuer.Try(issuer.Form("/oauth/token", "grant_type", "client_credentials", "client_id", apptest.Client,
		"client_secret", issuer.Secret(apptest.Client), "audience", apptest.Audience))
	if err != nil || a.Status != http.StatusOK {
		return "", fmt.Errorf("token: %v %v", a, err)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(a.Body), &answer); err != nil {
		return "", err
	}
	if err := v.refresh(publisher); err != nil {
		return "", err
	}
	token, err := jwt.ParseSigned(answer.AccessToken, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", err
	}
	kid = token.Headers[0].KeyID
	key := v.set.Key(kid)
	if len(key) == 0 {
		return kid, fmt.Errorf("the key set has no key of the token, %v before it must be fetched again", time.Until(v.until))
	}
	return kid, token.Claims(key[0].Key, &jwt.Claims{})
}

func (v *cachingVerifier) refresh(b *apptest.Broker) error {
	if time.Now().Before(v.until) {
		return nil
	}
	a, err := b.Try(request(b.T, http.MethodGet, b.URL+"/.well-known/jwks.json", nil))
	if err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("key set: %v %v", a, err)
	}
	for directive := range strings.SplitSeq(a.Header.Get("Cache-Control"), ",") {
		if seconds, ok := strings.CutPrefix(strings.TrimSpace(directive), "max-age="); ok {
			n, err := strconv.Atoi(seconds)
			if err != nil {
				return err
			}
			v.until = time.Now().Add(time.Duration(n) * time.Second)
		}
	}
	v.set = jose.JSONWebKeySet{}
	return json.Unmarshal([]byte(a.Body), &v.set)
}
