package config_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

var kek = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, config.KEKSize))

// write makes a file of mode 0600 and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// valid returns the lines of a small valid file.
func valid(t testing.TB) string {
	return "issuer: https://login.example.com\nkeys: {kek: " + write(t, "kek", kek+"\n") + "}\n"
}

func load(t testing.TB, text string, environ []string, flags ...string) (*config.Config, error) {
	t.Helper()
	return config.Load(write(t, "gatehouse.yaml", text), environ, flags...)
}

func mustLoad(t testing.TB, text string, environ []string, flags ...string) *config.Config {
	t.Helper()
	c, err := load(t, text, environ, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantFaults checks that Load finds exactly these faults, each given as the start of its line.
func wantFaults(t testing.TB, err error, want ...string) {
	t.Helper()
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		t.Errorf("got %T, want Faults", err)
	}
	if len(faults) != len(want) {
		t.Errorf("got %d faults, want %d:\n%v", len(faults), len(want), err)
		return
	}
	for i, fault := range faults {
		if !strings.HasPrefix(fault.String(), want[i]) {
			t.Errorf("got %q, want %q…", fault, want[i])
		}
	}
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t, valid(t), nil)
	got := []any{c.Listen, c.Operations.Listen, string(c.Store), c.Keys.Algorithms, c.Keys.RotateEvery, c.Tokens.DefaultLifetime,
		c.Tokens.MaxLifetime, c.Cache.Lease, c.Limits.StoreBudget, c.Drain.Delay, c.Log.Format, c.Dev}
	want := []any{"127.0.0.1:8080", "127.0.0.1:9090", "bolt:./data/gatehouse.db", []string{"ES256", "RS256", "EdDSA"}, 90 * 24 * time.Hour,
		15 * time.Minute, 24 * time.Hour, 2 * time.Second, 2 * time.Second, 5 * time.Second, "json", false}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if len(c.Warnings()) > 0 {
		t.Errorf("the defaults warn: %q", c.Warnings())
	}
}

func TestFlagsOverrideEnvironmentOverridesFile(t *testing.T) {
	file := valid(t) + "log: {level: warn, format: text}\ndrain: {delay: 1s}\n"
	environ := []string{"GATEHOUSE_LOG_LEVEL=debug", "GATEHOUSE_DRAIN_DELAY=2s", "GATEHOUSE_LOG_FORMAT=", "PATH=/bin"}
	c := mustLoad(t, file, environ, "log.level=error")
	if c.Log.Level != "error" || c.Drain.Delay != 2*time.Second || c.Log.Format != "text" {
		t.Errorf("got %s %s %s, want error from the command line, 2s from the environment, text from the file",
			c.Log.Level, c.Drain.Delay, c.Log.Format)
	}
}

// What contract and scripts rely on, by name.
func TestEnvironmentNames(t *testing.T) {
	c := mustLoad(t, "", []string{
		"GATEHOUSE_ISSUER=https://id.example", "GATEHOUSE_LISTEN=0.0.0.0:8443", "GATEHOUSE_OPERATIONS_LISTEN=127.0.0.1:9",
		"GATEHOUSE_STORE=rediss://r.example", "GATEHOUSE_KEYS_KEK_FILE=" + write(t, "kek", kek),
		"GATEHOUSE_TRUSTED_PROXIES=10.0.0.0/8, fd00::/8", "GATEHOUSE_KEYS_ROTATE_EVERY=30d", "GATEHOUSE_KEYS_JWKS_MAX_AGE=5m",
		"GATEHOUSE_KEYS_ALGORITHMS=ES256,RS256,EdDSA", "GATEHOUSE_REDIS_REPLICAS_ACK=2",
	})
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	if c.Issuer != "https://id.example" || c.Store != "rediss://r.example" || !reflect.DeepEqual(c.TrustedProxies, want) ||
		c.Keys.RotateEvery != 30*24*time.Hour || c.Keys.JWKSMaxAge != 5*time.Minute || len(c.Keys.Algorithms) != 3 ||
		c.Redis.ReplicasAck != 2 || c.Operations.Listen != "127.0.0.1:9" || c.Listen != "0.0.0.0:8443" {
		t.Errorf("got %+v", c)
	}
}

func TestAllFaultsAreNamedAtOnce(t *testing.T) {
	_, err := load(t, `
issuer: http://login.example.com/
keys: {rotate_every: 3h, rotateEvery: 3h, algorithms: [HS256]}
tokens:
  maxLifetime: 48h
  defaultLifetime: soon
log: loud
nonsense: 1
`, []string{"GATEHOUSE_LIMITS_QUEUE=-1", "GATEHOUSE_CACHE_LEASE=1h"}, "drain.delay=9h")
	wantFaults(t, err,
		"keys.rotate_every: line 3: is unknown: did you mean keys.rotateEvery?",
		"keys.rotateEvery: 3h is shorter than 1d: want 1d to 397d",
		`keys.algorithms: "HS256" is unknown: want ES256 RS256 EdDSA`,
		"tokens.maxLifetime: 48h is longer than 24h",
		`tokens.defaultLifetime: "soon" is no duration: want 1m to 24h`,
		"log: line 7: want keys with values below it",
		"nonsense: line 8: is unknown",
		"cache.lease: 1h is longer than 15s: want 0s to 15s (in GATEHOUSE_CACHE_LEASE)",
		"limits.queue: -1 is less than 0: want 0 to 100000 (in GATEHOUSE_LIMITS_QUEUE)",
		"drain.delay: 9h is longer than 5m: want 0s to 5m (in command line)",
		`issuer: "http://login.example.com/" is http beyond loopback`,
		"keys.kek: is missing",
	)
}

func TestUnsafeOrBrokenValuesAreRefused(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"issuer: login.example.com", "issuer: is no URL"},
		{"issuer: https://user:hunter2@login.example.com", "issuer: has a user"},
		{"issuer: ftp://login.example.com", "issuer: "},
		{"issuer: https://login.example.com/", "issuer: "},
		{"issuer: https://login.example.com?x=1", "issuer: "},
		{"issuer: 'https://login.example.com#x'", "issuer: "},
		{"issuer: 'https://login.example.com?'", "issuer: "},
		{"issuer: 'https://login.example.com#'", "issuer: "},
		{"issuer: https://Login.example.com", "issuer: "},
		{"issuer: https://login.example.com:443", "issuer: "},
		{"issuer: 'https://login.example.com:'", "issuer: "},
		{"issuer: https://login.example.com/a/../b", "issuer: "},
		{"issuer: https://login.example.com//a", "issuer: "},
		{"issuer: https://login.example.com/a%2fb", "issuer: "},
		{"issuer: https://löwe.example", "issuer: "},
		{"issuer: http://127.0.0.1.example.com", "issuer: "},
		{"listen: localhost", "listen: "},
		{"listen: 127.0.0.1:http", "listen: "},
		{"listen: 127.0.0.1:70000", "listen: "},
		{"listen: http://127.0.0.1:80", "listen: "},
		{"listen: 0.0.0.0:8080", `listen: 0.0.0.0:8080 is plain http beyond loopback`},
		{"listen: :8080", "listen: "},
		{"listen: 127.0.0.1:9090", "operations.listen: "},
		{"dev: true", "issuer: "},
		{"dev: yes", `dev: "yes" is neither true nor false`},
		{"store: bolt", "store: is of no known kind: want bolt:PATH"},
		{"store: 'bolt:'", "store: has no path"},
		{"store: postgres://u:hunter2@h/db", "store: is of no known kind"},
		{"store: redis://:hunter2@", "store: has no host"},
		{"redis: {namespace: 'a{b}'}", "redis.namespace: "},
		{"redis: {ackTimeout: 3s}", "redis.ackTimeout: 3s is not shorter than limits.storeBudget, 2s"},
		{"keysx: 1", "keysx: line 3: is unknown"},
		{"tokens: {maxLifetime: 25h}", "tokens.maxLifetime: "},
		{"tokens: {maxLifetime: 5m}", "tokens.defaultLifetime: 15m is longer than tokens.maxLifetime, 5m"},
		{"tokens: {defaultLifetime: 90500ms}", "tokens.defaultLifetime: 1m30.5s is not in whole seconds"},
		{"cache: {lease: 16s}", "cache.lease: "},
		{"cache: {lease: -1s}", "cache.lease: "},
		{"cache: {entries: many}", `cache.entries: "many" is no whole number: want 1000 to 10000000`},
		{"cache: {lease: }", "cache.lease: line 3: has no value"},
		{"cache: {lease: [1s]}", "cache.lease: "},
		{"cache: {lease: 1s, lease: 2s}", "cache.lease: line 3: is there twice"},
		{"cache: [1]", "cache: "},
		{"cache: {? {a: b} : 1}", "cache.?: "},
		{"log: {level: loud}", "log.level: "},
		{"trustedProxies: 10.0.0.0/8", "trustedProxies: line 3: want a list"},
		{"trustedProxies: [0.0.0.0/0]", "trustedProxies: "},
		{"trustedProxies: ['::/0']", "trustedProxies: "},
		{"trustedProxies: [10.0.0.1]", "trustedProxies: "},
		{"trustedProxies: [10.0.0.1/8]", `trustedProxies: "10.0.0.1/8" is an address in 10.0.0.0/8`},
		{"trustedProxies: [10.0.0.0/8, 10.0.0.0/8]", "trustedProxies: "},
		{"tls: {cert: a.pem}", "tls.key: is missing"},
		{"tls: {key: a.pem}", "tls.cert: is missing"},
		{"tls: {cert: /nonexistent/a.pem, key: /nonexistent/b.pem}", "tls.cert: /nonexistent/a.pem: no such file"},
		{"log: &x {level: info}\nlimits: *x", "limits: "},
	} {
		base := valid(t)
		if strings.HasPrefix(c.line, "issuer:") {
			_, base, _ = strings.Cut(base, "\n")
		}
		_, err := load(t, base+c.line+"\n", nil)
		wantFaults(t, err, c.want)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the fault shows a password: %v", c.line, err)
		}
	}
}

func TestAlgorithmsMustServeTheDefaults(t *testing.T) {
	for text, want := range map[string]string{
		"ES256":       "keys.algorithms: RS256 is missing",
		"EdDSA,RS256": "keys.algorithms: ES256 is missing",
		"ES256,":      `keys.algorithms: "" is unknown`,
	} {
		_, err := load(t, valid(t), []string{"GATEHOUSE_KEYS_ALGORITHMS=" + text})
		wantFaults(t, err, want)
	}
}

func TestRotationMustOutlastPublication(t *testing.T) {
	flags := []string{"keys.rotateEvery=2d", "keys.jwksMaxAge=1d", "keys.clockSkew=0s"}
	mustLoad(t, valid(t), nil, flags...)
	_, err := load(t, valid(t), nil, append(flags, "keys.clockSkew=1s")...)
	wantFaults(t, err, "keys.rotateEvery: 2d is shorter than 48h0m4s")
}

func TestPlainHTTPBeyondLoopbackNeedsAProxyOrTLS(t *testing.T) {
	mustLoad(t, valid(t)+"listen: :8080\ntrustedProxies: [10.0.0.0/8]\n", nil)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile := write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER})))
	keyFile := write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	pair := "tls: {cert: " + certFile + ", key: " + keyFile + "}\n"
	mustLoad(t, valid(t)+"listen: :8443\n"+pair, nil)

	_, err = load(t, valid(t)+"tls: {cert: "+certFile+", key: "+certFile+"}\n", nil)
	wantFaults(t, err, "tls.cert: ")
	_, err = load(t, valid(t)+pair, nil, "issuer=http://localhost:8080")
	wantFaults(t, err, "issuer: http://localhost:8080 is http while tls.cert is set")
	_, err = load(t, valid(t)+"listen: :8080\ntrustedProxies: [10.0.0.0/8]\n", nil, "issuer=http://localhost:8080")
	wantFaults(t, err, "issuer: http://localhost:8080 is http while listen is :8080")
}

func TestDevNeedsNothingAndStaysOnLoopback(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := config.Load("", nil, "dev=true")
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer != "http://127.0.0.1:8080" || c.Keys.KEK != config.DevKEK {
		t.Errorf("got issuer %s and kek %s, want http://127.0.0.1:8080 and %s", c.Issuer, c.Keys.KEK, config.DevKEK)
	}
	if !c.IsDefault("issuer") || !c.IsDefault("keys.kek") || !c.IsDefault("store") || c.IsDefault("dev") {
		t.Error("IsDefault does not tell what was set from what was not")
	}
	if _, err := c.KeyEncryptionKey(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("key-encryption key before it was made: got %v, want fs.ErrNotExist", err)
	}
	_, err = config.Load("", []string{"GATEHOUSE_LISTEN=0.0.0.0:8080"}, "dev=true", "issuer=http://localhost:8080")
	wantFaults(t, err, "listen: 0.0.0.0:8080 is beyond loopback, which dev refuses")
	_, err = config.Load("", []string{"GATEHOUSE_ISSUER=https://login.example.com"}, "dev=true")
	wantFaults(t, err, "issuer: https://login.example.com is not this machine")
}

func TestKeyEncryptionKey(t *testing.T) {
	base := "issuer: https://login.example.com\n"
	want := bytes.Repeat([]byte{9}, 32)
	for name, c := range map[string]*config.Config{
		"file":             mustLoad(t, valid(t), nil),
		"environment":      mustLoad(t, base, []string{"GATEHOUSE_KEYS_KEK=" + kek}),
		"environment file": mustLoad(t, base, []string{"GATEHOUSE_KEYS_KEK_FILE=" + write(t, "kek", kek)}),
	} {
		if key, err := c.KeyEncryptionKey(); !bytes.Equal(key, want) || err != nil {
			t.Errorf("from %s: got %d bytes, %v, want the key", name, len(key), err)
		}
		if warned := len(c.Warnings()) > 0; warned != (name == "environment") {
			t.Errorf("from %s: got warnings %q", name, c.Warnings())
		}
	}
	for _, c := range []struct {
		line string
		env  []string
		want string
	}{
		{"keys: {kek: /nonexistent/kek}", nil, "keys.kek: /nonexistent/kek: no such file"},
		{"keys: {kek: " + write(t, "short", kek[4:]) + "}", nil, "keys.kek: "},
		{"keys: {kek: " + write(t, "junk", "hunter2") + "}", nil, "keys.kek: "},
		{"keys: {kek: '" + kek + "'}", nil, "keys.kek: is a key itself"},
		{"", []string{"GATEHOUSE_KEYS_KEK=hunter2"}, "keys.kek: GATEHOUSE_KEYS_KEK is no key"},
		{"keys: {kek: /x}", []string{"GATEHOUSE_KEYS_KEK=" + kek}, "keys.kek: GATEHOUSE_KEYS_KEK is set as well"},
	} {
		_, err := load(t, base+c.line, c.env)
		wantFaults(t, err, c.want)
		if err != nil && (strings.Contains(err.Error(), kek) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("the fault shows the key: %v", err)
		}
	}
}

func TestStorePasswordIsNeverShown(t *testing.T) {
	for _, store := range []string{
		"redis://user:hunter2@r.example:6379", "redis://:hunter2@r.example", "rediss://user:hunter2@r.example/0?x=1",
		"redis+sentinel://u:hunter2@a:1,b:2/primary?sentinel_password=hunter2&ack_timeout=1s", "redis+cluster://u:hunter2@a:1,b:2",
		"redis://user:hun/ter2@hunter2@r.example", "redis://user:hunter2?@r.example", "redis://h?Password=hunter2",
	} {
		c := mustLoad(t, valid(t), []string{"GATEHOUSE_STORE_FILE=" + write(t, "store", store+"\n")})
		if string(c.Store) != store {
			t.Errorf("got store %q, want %q", string(c.Store), store)
		}
		var printed strings.Builder
		if err := c.Print(&printed); err != nil {
			t.Fatal(err)
		}
		for _, text := range append(c.Warnings(), printed.String(), fmt.Sprintf("%v %s %q %#v %x", c.Store, c.Store, c.Store, c.Store, c.Store),
			fmt.Sprintf("%+v", *c)) {
			if strings.Contains(text, "hunter2") || strings.Contains(text, "ter2") {
				t.Errorf("shows the password of %s:\n%s", store, text)
			}
		}
		if !strings.Contains(printed.String(), "[redacted]") {
			t.Errorf("does not say that something was left out:\n%s", printed.String())
		}
	}
}

func TestSecretFromTwoPlacesIsRefused(t *testing.T) {
	_, err := load(t, valid(t), []string{"GATEHOUSE_STORE=bolt:a", "GATEHOUSE_STORE_FILE=" + write(t, "s", "bolt:b")})
	wantFaults(t, err, "store: GATEHOUSE_STORE and GATEHOUSE_STORE_FILE are both set")
	_, err = load(t, valid(t), []string{"GATEHOUSE_STORE_FILE=/nonexistent/store"})
	wantFaults(t, err, "store: GATEHOUSE_STORE_FILE names /nonexistent/store: no such file")
}

func TestUnknownVariablesOfOurSectionsAreRefused(t *testing.T) {
	c := mustLoad(t, valid(t), []string{
		"GATEHOUSE_PORT=tcp://10.0.0.1:80", "GATEHOUSE_SERVICE_HOST=10.0.0.1", "GATEHOUSE_PORT_80_TCP_ADDR=10.0.0.1",
		"GATEHOUSE_REDIS_SERVICE_PORT=6379", "GATEHOUSE_REDIS_SERVICE_HOST=x", "GATEHOUSE_REDIS_PORT=tcp://10.0.0.1:6379", "GATEHOUSE_REDIS_PORT_6379_TCP=x",
		"GATEHOUSE_LISTN=:80",
	})
	if got := strings.Join(c.Warnings(), "\n"); !strings.HasPrefix(got, "GATEHOUSE_LISTN in the environment is no key") || len(c.Warnings()) != 1 {
		t.Errorf("got warnings %q, want one about GATEHOUSE_LISTN", got)
	}
	_, err := load(t, valid(t), []string{"GATEHOUSE_KEYS_ROTATEEVERY=1d", "GATEHOUSE_CACHE_LEESE=1s"})
	wantFaults(t, err, "cache: GATEHOUSE_CACHE_LEESE in the environment is unknown", "keys: GATEHOUSE_KEYS_ROTATEEVERY in")
}

func TestUnwiseValuesWarn(t *testing.T) {
	for flags, want := range map[string]string{
		"cache.lease=15s":                      "cache.lease: ",
		"operations.listen=:9090":              "operations.listen: ",
		"redis.allowEviction=true":             "redis.allowEviction: ",
		"store=redis://u:hunter2@r.example":    "store: redis://u:[redacted]@r.example sends its password over the network in clear",
		"store=redis+cluster://u:p@[::1],b:63": "store: ",
	} {
		c := mustLoad(t, valid(t), nil, flags)
		if len(c.Warnings()) != 1 || !strings.HasPrefix(c.Warnings()[0], want) {
			t.Errorf("%s: got warnings %q, want %q…", flags, c.Warnings(), want)
		}
	}
	c := mustLoad(t, valid(t), []string{"GATEHOUSE_STORE=redis://u:p@localhost:6379"})
	if len(c.Warnings()) != 1 || !strings.Contains(c.Warnings()[0], "GATEHOUSE_STORE_FILE") {
		t.Errorf("password in the environment: got warnings %q", c.Warnings())
	}
	open := write(t, "open.yaml", valid(t)+"store: redis://u:p@localhost\n")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(open, nil)
	if err != nil || len(c.Warnings()) != 1 || !strings.Contains(c.Warnings()[0], "chmod 600") {
		t.Errorf("password in a file that others may read: got %v, %v", c, err)
	}
}

func TestFileMustBeOneDocumentOfYAML(t *testing.T) {
	_, err := config.Load("/nonexistent/gatehouse.yaml", nil, "dev=true")
	wantFaults(t, err, "configuration file /nonexistent/gatehouse.yaml: no such file")
	for text, want := range map[string]string{
		"a: b: c":                         "configuration file ",
		"log: {level: info}\n---\na: 1\n": "configuration file ",
		"- a":                             "line 1: want keys",
		"# " + strings.Repeat("x", 1<<20): "configuration file ",
	} {
		_, err := load(t, text, nil, "dev=true")
		wantFaults(t, err, want)
	}
	for _, text := range []string{"", "# nothing\n", "keys:\n  # kek: x\n"} {
		if _, err := load(t, text, nil, "dev=true"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err = config.Load("", nil, "dev=true", "leese=1", "log.level=")
	wantFaults(t, err, "leese: is unknown", "log.level: has no value")
}

// Print writes what Load reads, and says where each value came from.
func TestPrintedConfigurationLoadsAsTheSame(t *testing.T) {
	c := mustLoad(t, valid(t)+"trustedProxies: [10.0.0.0/8, 'fd00::/8']\ndrain: {delay: 0s}\nstore: 'bolt:null: #x'\n",
		[]string{"GATEHOUSE_LOG_LEVEL=debug"}, "limits.queue=7")
	first := printed(t, c)
	for _, want := range []string{"level: debug # from GATEHOUSE_LOG_LEVEL", "queue: 7 # from command line", "delay: 0s # from file"} {
		if !strings.Contains(first, want) {
			t.Errorf("does not say %q:\n%s", want, first)
		}
	}
	again := mustLoad(t, first, nil)
	remark := regexp.MustCompile(` # from .*`)
	if second := printed(t, again); remark.ReplaceAllString(first, "") != remark.ReplaceAllString(second, "") {
		t.Errorf("got\n%s\nwant\n%s", second, first)
	}
}

func printed(t testing.TB, c *config.Config) string {
	t.Helper()
	var w strings.Builder
	if err := c.Print(&w); err != nil {
		t.Fatal(err)
	}
	return w.String()
}

// Without a field there is a documented default or a fault, never a weaker check: taking a line out of a full configuration
// gives the default that the reference names.
func TestEachKeyMayBeLeftOut(t *testing.T) {
	base := valid(t)
	full := printed(t, mustLoad(t, base, nil))
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)`[^|]* \\| `?([^`|]*)`? \\|")
	for _, match := range row.FindAllStringSubmatch(config.Reference(), -1) {
		key, env, fallback := match[1], match[2], match[3]
		if key == "issuer" || key == "keys.kek" || fallback == " " || fallback == "" {
			continue
		}
		c := mustLoad(t, base, []string{env + "=" + strings.ReplaceAll(fallback, ", ", ",")})
		want := regexp.MustCompile(` # from .*`).ReplaceAllString(full, "")
		if got := regexp.MustCompile(` # from .*`).ReplaceAllString(printed(t, c), ""); got != want {
			t.Errorf("%s=%s is not what its absence means", env, fallback)
		}
		if _, err := load(t, base, []string{env + "=\x00 {[junk"}); err == nil || !strings.Contains(err.Error(), key+": ") {
			t.Errorf("junk in %s: got %v, want a fault of %s", env, err, key)
		}
	}
}

// go test ./internal/config -run TestReference -update writes the page.
func TestReferencePageIsCurrent(t *testing.T) {
	const page = "../../docs/configuration.md"
	if *update {
		if err := os.WriteFile(page, []byte(config.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != config.Reference() {
		t.Error("docs/configuration.md is not what the tags say: run make generate")
	}
}

// Whatever stands in the file, Load answers with faults or with a configuration that survives being printed.
func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	file := filepath.Join(dir, "gatehouse.yaml")
	f.Add(valid(f), "GATEHOUSE_LISTEN=:80")
	f.Add("dev: true\nkeys: &a {algorithms: [ES256, *a]}\n", "GATEHOUSE_STORE=redis://a:b@c?d")
	f.Add("dev: true\n? [a]\n: {b: c}\n", "GATEHOUSE_TRUSTED_PROXIES=::/7,1.2.3.4/32")
	f.Add("dev: true\ntokens: {maxLifetime: 1d}\nlog:\n<<: {a: b}\n", "GATEHOUSE_KEYS_CLOCK_SKEW=99999999999d")
	f.Fuzz(func(t *testing.T, text, variable string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file, []string{variable}, "dev=true")
		if err != nil {
			if faults := (config.Faults)(nil); !errors.As(err, &faults) || len(faults) == 0 {
				t.Errorf("got %v, want faults", err)
			}
			return
		}
		first := printed(t, c)
		if strings.Contains(first, "[redacted]") {
			return
		}
		if err := os.WriteFile(file, []byte(first), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(file, nil); err != nil {
			t.Errorf("what Print wrote does not load: %v\n%s", err, first)
		}
	})
}
