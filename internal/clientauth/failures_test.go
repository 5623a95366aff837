package clientauth_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/clientauth"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A source may fail a number of times at once and then once per interval, to the nanosecond; being refused costs it nothing.
func TestFailuresAreAllowedAtARate(t *testing.T) {
	w := newWorld(t)
	at := now
	w.Now = func() time.Time { return at }
	w.exhaust(source)
	refused := func(want bool) {
		t.Helper()
		err := w.fail(source)
		if got := iam.CodeOf(err) == "slow_down"; got != want || got != (iam.KindOf(err) == iam.TooMany) {
			t.Fatalf("at +%s: got %v, refused should be %v", at.Sub(now), err, want)
		}
	}
	for range 1000 {
		refused(true)
	}
	at = now.Add(clientauth.Interval - 1)
	refused(true)
	at = now.Add(clientauth.Interval)
	refused(false)
	refused(true)
	at = now.Add(11 * clientauth.Interval)
	for range 10 {
		refused(false)
	}
	refused(true)
	at = now.Add(time.Hour)
	w.exhaust(source)
	refused(true)
	at = now.Add(-time.Hour) // the clock went back: nobody fails more often for it
	refused(true)
}

// Nobody is locked out by a neighbour or by a stranger who fails in its name, and no success counts.
func TestFailuresHurtOnlyWhoFails(t *testing.T) {
	w := newWorld(t)
	ci := w.client("ci", goodSecret)
	for range 2 * clientauth.Burst {
		if got, err := w.basic("ci", goodSecret); got != ci || err != nil {
			t.Fatalf("right secret: got %v, %v", got, err)
		}
	}
	w.exhaust(source)
	if got, err := w.basic("ci", wrongSecret); got != nil || iam.CodeOf(err) != "slow_down" {
		t.Errorf("wrong secret of an exhausted source: got %v, %v, want slow_down", got, err)
	}
	if got, err := w.basic("ci", goodSecret); got != ci || err != nil {
		t.Errorf("right secret of an exhausted source: got %v, %v, want the client", got, err)
	}
	if err := w.fail("192.0.2.2"); iam.CodeOf(err) != "invalid_client" {
		t.Errorf("another source: got %v, want invalid_client", err)
	}
}

// An exhausted source gets no argon2id computed, whether the client exists or not.
func TestExhaustedSourceNeverCostsASlowHash(t *testing.T) {
	w := newWorld(t)
	w.client("short", shortSecret)
	mixed := w.client("mixed", shortSecret, goodSecret)
	w.exhaust(source)
	try := func(id, text string) (*iam.Client, error) {
		ctx := &counted{Context: t.Context()}
		got, err := w.Authenticate(ctx, w.parse(basic(id, text), nil), source)
		if ctx.n > 0 {
			t.Errorf("%s with %q: %d argon2id were computed", id, text, ctx.n)
		}
		return got, err
	}
	for i := range 16 {
		if got, err := try(fmt.Sprintf("unknown%d", i), wrongSecret); got != nil || iam.CodeOf(err) != "slow_down" {
			t.Errorf("unknown client: got %v, %v, want slow_down", got, err)
		}
	}
	for _, id := range []string{"short", "mixed"} {
		if got, err := try(id, shortSecret); got != nil || iam.CodeOf(err) != "slow_down" {
			t.Errorf("%s: got %v, %v, want slow_down", id, got, err)
		}
	}
	if got, err := try("mixed", goodSecret); got != mixed || err != nil {
		t.Errorf("right keyed secret beside a slow one: got %v, %v, want the client", got, err)
	}
}

// A slow secret that was right before is right for an exhausted source too, from memory.
func TestExhaustedSourceKeepsASecretThatWasRight(t *testing.T) {
	w := newWorld(t)
	short := w.client("short", shortSecret)
	if got, err := w.basic("short", shortSecret); got != short || err != nil {
		t.Fatalf("got %v, %v, want the client", got, err)
	}
	w.exhaust(source)
	ctx := &counted{Context: t.Context()}
	for text, want := range map[string]*iam.Client{shortSecret: short, "hunter3-imported": nil} {
		got, err := w.Authenticate(ctx, w.parse(basic("short", text), nil), source)
		if got != want || (err == nil) != (want != nil) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	short.Secrets[0].ExpiresAt = now
	if got, err := w.basic("short", shortSecret); got != nil || iam.CodeOf(err) != "slow_down" {
		t.Errorf("remembered and expired: got %v, %v, want slow_down", got, err)
	}
	if ctx.n > 0 {
		t.Errorf("%d argon2id were computed", ctx.n)
	}
}

// A source is an IPv4 address or a /64 of IPv6, however it is written.
func TestSourceIsWhatOneSubscriberOwns(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "::ffff:c000:201", true},
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true},
		{"2001:db8:0:1::1", "2001:DB8:0:1:0::1", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"unix", "unix", true},
		{"unix", "192.0.2.1", false},
	} {
		w := newWorld(t)
		w.exhaust(c.a)
		if got := iam.CodeOf(w.fail(c.b)) == "slow_down"; got != c.same {
			t.Errorf("after %s is exhausted, %s is refused: got %v, want %v", c.a, c.b, got, c.same)
		}
	}
}

// An attack from a million sources takes bounded memory, and is slowed down again as soon as it comes from fewer.
func TestFailuresRememberABoundedNumberOfSources(t *testing.T) {
	w := newWorld(t)
	cred := w.parse("", form("client_id", "nobody"))
	at := now
	w.Now = func() time.Time { return at }
	most := 0
	for i := range 1_000_000 {
		from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()
		if _, err := w.Authenticate(t.Context(), cred, from); iam.CodeOf(err) != "invalid_client" {
			t.Fatalf("source %d: got %v, want invalid_client", i, err)
		}
		if i%4096 == 0 {
			most = max(most, w.Failures.Sources())
		}
	}
	if most = max(most, w.Failures.Sources()); most > clientauth.MostSources || most < clientauth.MostSources/4 {
		t.Errorf("%d sources were remembered at once, want %d to %d", most, clientauth.MostSources/4, clientauth.MostSources)
	}
	w.exhaust(source)
	if err := w.fail(source); iam.CodeOf(err) != "slow_down" {
		t.Errorf("one source after the attack: got %v, want slow_down", err)
	}
}

// Sources whose allowance is whole again are forgotten before anybody who has something to be remembered for.
func TestFailuresForgetTheIdleFirst(t *testing.T) {
	w := newWorld(t)
	cred := w.parse("", form("client_id", "nobody"))
	at := now
	w.Now = func() time.Time { return at }
	w.exhaust(source)
	const seconds = 25
	for i := range seconds * 20_000 {
		at = now.Add(time.Duration(i/20_000) * time.Second) // after one interval an idle source is whole again
		from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()
		if _, err := w.Authenticate(t.Context(), cred, from); iam.CodeOf(err) != "invalid_client" {
			t.Fatalf("source %d: got %v, want invalid_client", i, err)
		}
	}
	at = now.Add(seconds * clientauth.Interval)
	for i := range seconds {
		if err := w.fail(source); iam.CodeOf(err) != "invalid_client" {
			t.Fatalf("failure %d after %d s: got %v, want invalid_client", i, seconds, err)
		}
	}
	if err := w.fail(source); iam.CodeOf(err) != "slow_down" {
		t.Errorf("got %v, want slow_down: the source was forgotten for the sake of idle ones", err)
	}
}

// However many requests fail at once, no more than the allowance are answered as if nothing were wrong.
func TestFailuresAreCountedExactlyUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	cred := w.parse("", form("client_id", "nobody"))
	var allowed, refused atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				_, err := w.Authenticate(context.Background(), cred, source)
				switch iam.CodeOf(err) {
				case "invalid_client":
					allowed.Add(1)
				case "slow_down":
					refused.Add(1)
				default:
					t.Errorf("got %v", err)
				}
				_, _ = w.Authenticate(context.Background(), cred, fmt.Sprintf("198.51.100.%d", i))
			}
		})
	}
	wg.Wait()
	if allowed.Load() != clientauth.Burst || allowed.Load()+refused.Load() != 800 {
		t.Errorf("got %d allowed and %d refused, want %d and %d", allowed.Load(), refused.Load(), clientauth.Burst, 800-clientauth.Burst)
	}
}
