package web_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

var proxies = web.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

// LOG-10: the peer is the connection's, unless a trusted proxy says otherwise; what a client claims is never believed.
func TestClientIPBelievesTrustedProxiesOnly(t *testing.T) {
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"direct", "203.0.113.9:1", nil, "203.0.113.9"},
		{"forged by a stranger", "203.0.113.9:1", []string{"1.2.3.4"}, "203.0.113.9"},
		{"loopback is nobody special", "127.0.0.1:1", []string{"1.2.3.4"}, "127.0.0.1"},
		{"one proxy", "10.0.0.1:1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"forged before one proxy", "10.0.0.1:1", []string{"1.2.3.4, 198.51.100.7"}, "198.51.100.7"},
		{"forged as another line", "10.0.0.1:1", []string{"1.2.3.4", "198.51.100.7"}, "198.51.100.7"},
		{"claims to be a proxy", "10.0.0.1:1", []string{"1.2.3.4, 10.9.9.9, 198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "10.0.0.1:1", []string{"198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"proxies only", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"garbage at the end", "10.0.0.1:1", []string{"198.51.100.7, nonsense"}, "10.0.0.1"},
		{"garbage before", "10.0.0.1:1", []string{"nonsense, 10.0.0.2"}, "10.0.0.2"},
		{"empty", "10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"port", "10.0.0.1:1", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv6 with port", "[fd00::1]:1", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"4 in 6", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"zone", "10.0.0.1:1", []string{"fe80::1%eth0"}, "fe80::1"},
		{"endless", "10.0.0.1:1", []string{"1.2.3.4" + strings.Repeat(",10.0.0.2", 10_000)}, "10.0.0.2"},
		{"no address", "@", []string{"1.2.3.4"}, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forwarded
		r.Header.Set("X-Real-IP", "6.6.6.6")
		r.Header.Set("Forwarded", "for=6.6.6.6")
		if got := proxies.ClientIP(r).String(); got != c.want {
			t.Errorf("%s: got %s want %s", c.name, got, c.want)
		}
	}
}

// LOG-10: whatever strangers write, an untrusted connection is its own address, and a trusted one never yields what stands
// before the first stranger.
func FuzzClientIP(f *testing.F) {
	f.Add("1.2.3.4, 10.0.0.2", "")
	f.Add("[::1]:5", "a,b,,")
	f.Fuzz(func(t *testing.T, claim, more string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "203.0.113.9:1"
		r.Header["X-Forwarded-For"] = []string{claim, more}
		if got := proxies.ClientIP(r); got != netip.MustParseAddr("203.0.113.9") {
			t.Fatalf("a stranger became %s", got)
		}
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{claim, more + ",198.51.100.7"}
		if got := proxies.ClientIP(r); got != netip.MustParseAddr("198.51.100.7") {
			t.Fatalf("a client became %s", got)
		}
	})
}

// LOG-11: a name that is not ours is 421, in whatever form it comes; without a list every name is answered.
func TestUnknownHostIsMisdirected(t *testing.T) {
	router := newRouter(t, web.RouterConfig{Hosts: web.NewHosts("id.example:8443", "ID2.example", "[2001:db8::1]:80")}, get("/", ok))
	for host, want := range map[string]int{
		"id.example": 200, "id.example:8443": 200, "ID.Example": 200, "id2.example": 200, "[2001:db8::1]": 200, "[2001:db8::1]:8080": 200,
		"": 421, "evil.example": 421, "id.example.evil": 421, "id.example.": 421, "evil.example:id.example": 421, "id.example@evil": 421, "id.example:x": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		r.Header.Set("X-Forwarded-Host", "id.example")
		r.Header.Set("Forwarded", "host=id.example")
		w := do(router, r)
		if w.Code != want {
			t.Errorf("%q: got %d want %d", host, w.Code, want)
		}
		if host != "" && w.Code == 421 && strings.Contains(w.Body.String(), host) {
			t.Errorf("%q: the answer repeats it: %s", host, w.Body)
		}
	}
	if w := do(newRouter(t, web.RouterConfig{}, get("/", ok)), httptest.NewRequest("GET", "http://anything/", nil)); w.Code != 200 {
		t.Errorf("no list: got %d", w.Code)
	}
}
