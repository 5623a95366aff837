package apptest_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// The bounds of docs/configuration.md: how long the cache may answer without the store, and how long a request waits for it.
const (
	cacheLease  = 2 * time.Second
	storeBudget = 2 * time.Second
)

// While Redis hangs or is gone, nothing that is answered is untrue, and everything comes back by itself.
func TestOutageOfRedis(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]struct{ begin, end func(*redistest.Server) }{
		"hangs": {(*redistest.Server).Pause, (*redistest.Server).Resume},
		"gone":  {(*redistest.Server).Kill, (*redistest.Server).Restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			p := newSite(t, "GATEHOUSE_STORE="+redis.URL()).serve("--dev")
			o := &observer{process: p, secret: p.broker.Secret(apptest.Client)}
			o.live, o.dead, o.doubtful = p.broker.DevToken(), p.broker.DevToken(), p.broker.DevToken()
			o.revoke(t, o.dead, http.StatusOK)
			idle := p.goroutines()

			outage.begin(redis)
			began := time.Now()
			var asking sync.WaitGroup // while the client is still known, and no revocation is
			asking.Go(func() { o.inspect(t, o.live, "503") })
			asking.Go(func() { o.inspect(t, o.dead, "503") })
			asking.Go(func() { o.revoke(t, o.doubtful, http.StatusServiceUnavailable) })
			o.untilRefused(t, began)
			asking.Wait()
			o.during(t)
			o.underLoad(t, idle)
			outage.end(redis)

			await(t, "service after the outage", p.isReady)
			if got := o.token(); got.Status != http.StatusOK {
				t.Errorf("token after the outage: got %v, want 200", got)
			}
			o.inspect(t, o.live, "active")
			o.inspect(t, o.dead, "inactive")
			o.revoke(t, o.doubtful, http.StatusOK)
			o.inspect(t, o.doubtful, "inactive")
			await(t, "end of the goroutines of the outage", func() bool { return p.goroutines() <= idle+10 })
			p.stop()
		})
	}
}

// An observer is a client of a broker whose store is away.
type observer struct {
	*process
	secret               string
	live, dead, doubtful string // tokens: never revoked, revoked, revoked during the outage
}

func (o *observer) post(path string, pairs ...string) apptest.Answer {
	return o.broker.Post(path, append([]string{"client_id", apptest.Client, "client_secret", o.secret}, pairs...)...)
}

func (o *observer) token() apptest.Answer {
	return o.post("/oauth/token", "grant_type", "client_credentials", "audience", apptest.Audience)
}

// inspect introspects a token and wants "active", "inactive" or "503".
func (o *observer) inspect(t testing.TB, token, want string) {
	t.Helper()
	a := o.post("/oauth/introspect", "token", token)
	got := strconv.Itoa(a.Status)
	if a.Status == http.StatusOK {
		got = "inactive"
		if a.JSON(t)["active"] == true {
			got = "active"
		}
	}
	if got != want {
		t.Errorf("introspection: got %v, want %s", a, want)
	}
	if a.Status == http.StatusServiceUnavailable {
		wantUnavailable(t, "introspection", a)
	}
}

func (o *observer) revoke(t testing.TB, token string, want int) {
	t.Helper()
	a := o.post("/oauth/revoke", "token", token)
	if a.Status != want {
		t.Errorf("revocation: got %v, want %d", a, want)
	}
	if want == http.StatusServiceUnavailable {
		wantUnavailable(t, "revocation", a)
	}
}

// wantUnavailable checks that a 503 is one that a client can act on.
func wantUnavailable(t testing.TB, what string, a apptest.Answer) {
	t.Helper()
	seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Errorf("%s: Retry-After: got %q, want seconds", what, a.Header.Get("Retry-After"))
	}
	if got := a.JSON(t)["error"]; got != "temporarily_unavailable" {
		t.Errorf("%s: got error %v, want temporarily_unavailable", what, got)
	}
}

// untilRefused fetches tokens until there are no more: some while the cache may answer, none after.
func (o *observer) untilRefused(t testing.TB, began time.Time) {
	t.Helper()
	for issued := 0; ; {
		time.Sleep(5 * time.Millisecond) // some hundred are enough
		asked := time.Now()
		a := o.token()
		switch {
		case a.Status == http.StatusOK:
			issued++
			if asked.Sub(began) > cacheLease {
				t.Fatalf("a token was issued %v after the store was lost, want none after %v", asked.Sub(began), cacheLease)
			}
		case a.Status == http.StatusServiceUnavailable:
			wantUnavailable(t, "token", a)
			if issued == 0 {
				t.Error("no token was issued while the cache may answer")
			}
			return
		default:
			t.Fatalf("token: got %v, want 200 or 503", a)
		}
	}
}

// during looks at every door while nothing is known of the store.
func (o *observer) during(t testing.TB) {
	t.Helper()
	o.inspect(t, o.live, "503")
	o.inspect(t, o.dead, "503")
	o.revoke(t, o.doubtful, http.StatusServiceUnavailable)

	asked := time.Now()
	a := o.token()
	if a.Status != http.StatusServiceUnavailable {
		t.Errorf("token: got %v, want 503", a)
	}
	if took := time.Since(asked); took > storeBudget+time.Second {
		t.Errorf("token: refused after %v, want within the budget of %v", took, storeBudget)
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"} {
		if a := o.broker.Get(path); a.Status != http.StatusOK {
			t.Errorf("%s: got %v, want 200: resource servers go on verifying", path, a)
		}
	}
	if a, err := o.probe("/healthz"); err != nil || a.Status != http.StatusOK {
		t.Errorf("/healthz: got %v, %v, want 200: a restart does not heal a store", a, err)
	}
	a, err := o.probe("/readyz")
	if err != nil || a.Status != http.StatusServiceUnavailable {
		t.Fatalf("/readyz: got %v, %v, want 503", a, err)
	}
	checks, _ := a.JSON(t)["checks"].(map[string]any)
	if reason, _ := checks["store"].(string); reason == "" || reason == "ok" {
		t.Errorf("/readyz: got %v, want a reason for the store", a)
	}
}

// underLoad sends more than the broker can answer while each waits for the store, and looks at what piles up.
func (o *observer) underLoad(t testing.TB, idle int) {
	t.Helper()
	const clients, each = 50, 3
	var running sync.WaitGroup
	var mu sync.Mutex
	wrong := map[string]int{}
	for range clients {
		running.Go(func() {
			for range each {
				a, err := o.broker.Try(o.broker.Form("/oauth/introspect", "client_id", apptest.Client, "client_secret", o.secret, "token", o.live))
				if err != nil || a.Status != http.StatusServiceUnavailable {
					mu.Lock()
					wrong[fmt.Sprint(a.Status, err)]++
					mu.Unlock()
				}
			}
		})
	}
	running.Wait()
	if len(wrong) > 0 {
		t.Errorf("introspection under load: got %v, want 503 only", wrong)
	}
	// Kept connections have a goroutine or two each; nothing else may stay.
	if got, most := o.goroutines(), idle+3*clients; got > most {
		t.Errorf("goroutines: got %d after %d requests, want at most %d", got, clients*each, most)
	}
}

// goroutines counts those of the process.
func (p *process) goroutines() int {
	p.t.Helper()
	a, err := p.probe("/debug/pprof/goroutine?debug=1")
	if err != nil {
		p.t.Fatal(err)
	}
	first, _, _ := strings.Cut(a.Body, "\n")
	n, err := strconv.Atoi(strings.TrimPrefix(first, "goroutine profile: total "))
	if err != nil {
		p.t.Fatalf("the goroutine profile begins with %q", first)
	}
	return n
}
