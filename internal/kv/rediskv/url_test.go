package rediskv_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct {
		url  string
		tls  bool
		want rediskv.Config
	}{
		{"redis://localhost", false, rediskv.Config{Mode: rediskv.Standalone, Addrs: []string{"localhost:6379"}}},
		{"redis://localhost/0", false, rediskv.Config{Mode: rediskv.Standalone, Addrs: []string{"localhost:6379"}}},
		{"redis://[::1]:7000/", false, rediskv.Config{Mode: rediskv.Standalone, Addrs: []string{"[::1]:7000"}}},
		{"redis://[::1]", false, rediskv.Config{Mode: rediskv.Standalone, Addrs: []string{"[::1]:6379"}}},
		{"redis://:p%40%2F%3a@h:1", false, rediskv.Config{Mode: rediskv.Standalone, Addrs: []string{"h:1"}, Password: "p@/:"}},
		{"rediss://u:p@h", true, rediskv.Config{Mode: rediskv.Standalone, Addrs: []string{"h:6379"}, Username: "u", Password: "p"}},
		{"redis+sentinel://u:p@a,b:2/main?sentinel_username=su&sentinel_password=s%40p", false, rediskv.Config{
			Mode: rediskv.Sentinel, Addrs: []string{"a:26379", "b:2"}, MasterName: "main", Username: "u", Password: "p",
			SentinelUsername: "su", SentinelPassword: "s@p"}},
		{"rediss+cluster://a:1,b,[::1]:3", true, rediskv.Config{Mode: rediskv.Cluster, Addrs: []string{"a:1", "b:6379", "[::1]:3"}}},
		{"redis://h?namespace=x:&replicas_ack=2&ack_timeout=1s&allow_eviction=true", false, rediskv.Config{
			Mode: rediskv.Standalone, Addrs: []string{"h:6379"}, Namespace: "x:", ReplicasAck: 2, AckTimeout: time.Second, AllowEviction: true}},
		{"redis+cluster://h?replicas_ack=0", false, rediskv.Config{Mode: rediskv.Cluster, Addrs: []string{"h:6379"}, ReplicasAck: -1}},
	} {
		got, err := rediskv.ParseURL(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if (got.TLS != nil) != c.tls || c.tls && got.TLS.InsecureSkipVerify {
			t.Errorf("%s: got TLS %+v, want %t, verified", c.url, got.TLS, c.tls)
		}
		got.TLS = nil
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.url, got, c.want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, c := range []struct{ url, sentence string }{
		{"", "want redis://"}, {"localhost:6379", "want redis://"}, {"http://h", "want redis://"}, {"redisss://h", "want redis://"},
		{"redis+other://h", "want redis://"}, {"+sentinel://h/m", "want redis://"}, {"redisredis://h", "want redis://"},
		{"redis://", "host:port"}, {"redis://a,b", "one address"}, {"redis://h:0", "host:port"}, {"redis://h:70000", "host:port"},
		{"redis://h:x", "host:port"}, {"redis+cluster://a,,b", "host:port"}, {"redis://::1", "host:port"},
		{"redis://h/1", "database 0"}, {"redis+cluster://h/main", "database 0"}, {"redis+sentinel://h", "/name"}, {"redis+sentinel://h/a/b", "/name"},
		{"redis://h?db=1", `unknown key "db"`}, {"redis://h?namespace=a&namespace=b", "2 times"}, {"redis://h?ack_timeout=5", "ack_timeout=5"},
		{"redis://h?ack_timeout=1h", "between"}, {"redis://h?replicas_ack=many", "replicas_ack=many"}, {"redis://h?namespace={}", "namespace"},
		{"redis://h?sentinel_password=x", "belong to mode sentinel"}, {"redis://h?tls_ca=x", "need rediss"},
		{"rediss://h?tls_ca=/does/not/exist", "tls_ca"}, {"redis://h#x", "percent-encoded"}, {"redis://u:p%zz@h", "percent-encoded"},
	} {
		if got, err := rediskv.ParseURL(c.url); err == nil || !strings.Contains(err.Error(), c.sentence) {
			t.Errorf("%q: got %+v, %v; want an error with %q", c.url, got, err, c.sentence)
		}
	}
}

func TestConfigHidesPasswords(t *testing.T) {
	c, err := rediskv.ParseURL("redis+sentinel://u:hunter2@a/m?sentinel_password=hunter2")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c.Password, "all", struct{ P rediskv.Password }{c.Password})
	text, err := json.Marshal(struct{ P, S rediskv.Password }{c.Password, c.SentinelPassword})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%x", c.Password), log.String(), string(text)} {
		if strings.Contains(shown, "hunter2") || strings.Contains(shown, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("the password is shown: %s", shown)
		}
	}
}

// No error repeats a part of a password, however badly it is encoded, and what is properly encoded comes back as it was.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"secret", "se/cret", "se@cret", "se?cret", "se#cret", "se:cret", "s e", "%zz", "a,b", "[::1]", "p&q=r", "1?", "1/?", "1?namespace="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, password := range []string{"hunter2" + s + "hunter2", s + "hunter2"} {
			for _, scheme := range []string{"redis", "redis+cluster", "rediss"} {
				if _, err := rediskv.ParseURL(scheme + "://user:" + password + "@host:6379"); err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the error shows the password: %v", err)
				}
				c, err := rediskv.ParseURL(scheme + "://user:" + url.PathEscape(password) + "@host:6379")
				if err != nil || string(c.Password) != password || c.Addrs[0] != "host:6379" {
					t.Errorf("%q encoded: got %q, %v", password, string(c.Password), err)
				}
			}
		}
	})
}
