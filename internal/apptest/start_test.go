package apptest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// kek makes a key-encryption key, the same for the same seed.
func kek(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return base64.StdEncoding.EncodeToString(sum[:]) + "\n"
}

// A refusal is what serve says instead of starting.
type refusal struct {
	arrange func(t *testing.T) (s *site, args []string)
	want    string // of the one line on standard error
}

// Whatever keeps the program from starting is said in one line, and nothing is made in place of what is damaged.
func TestServeRefusesToStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]refusal{
		"foreign store file": {func(t *testing.T) (*site, []string) {
			s := newSite(t)
			s.write("data/gatehouse.db", strings.Repeat("this is a diary, not a store\n", 1000))
			return s, []string{"--dev"}
		}, "restore the last good backup"},
		"empty store file": {func(t *testing.T) (*site, []string) {
			s := newSite(t)
			s.write("data/gatehouse.db", "")
			return s, []string{"--dev"}
		}, "restore the last good backup"},
		"damaged store file": {func(t *testing.T) (*site, []string) {
			s := served(t)
			damage(t, s.path("data", "gatehouse.db"))
			return s, []string{"--dev"}
		}, "restore the last good backup"},
		"truncated store file": {func(t *testing.T) (*site, []string) {
			s := served(t)
			if err := os.Truncate(s.path("data", "gatehouse.db"), 3*4096); err != nil {
				t.Fatal(err)
			}
			return s, []string{"--dev"}
		}, "restore the last good backup"},
		"second process on the folder": {func(t *testing.T) (*site, []string) {
			s := newSite(t)
			s.serve("--dev")
			return s.replica(), []string{"--dev"}
		}, "another process has the store"},
		"another key-encryption key": {func(t *testing.T) (*site, []string) {
			s := served(t)
			s.write("data/kek", kek("another"))
			return s, []string{"--dev"}
		}, "another key-encryption key"},
		"lost key-encryption key": {func(t *testing.T) (*site, []string) {
			s := served(t)
			if err := os.Remove(s.path("data", "kek")); err != nil {
				t.Fatal(err)
			}
			return s, []string{"--dev"}
		}, "another key-encryption key"},
		"missing key-encryption key": {func(t *testing.T) (*site, []string) {
			s := newSite(t).production()
			if err := os.Remove(s.path("kek")); err != nil {
				t.Fatal(err)
			}
			return s, []string{"--apply", "acme.yaml"}
		}, "keys.kek"},
		"unknown key in the environment": {func(t *testing.T) (*site, []string) {
			return newSite(t, "GATEHOUSE_TOKENS_LIFETIME=5m"), []string{"--dev"}
		}, "GATEHOUSE_TOKENS_LIFETIME"},
		"unknown key in the file": {func(t *testing.T) (*site, []string) {
			s := newSite(t)
			s.write("gatehouse.yaml", "tokens: {lifetime: 5m}\n")
			return s, []string{"--dev"}
		}, "tokens.lifetime"},
		"unreachable Redis": {func(t *testing.T) (*site, []string) {
			return newSite(t, "GATEHOUSE_STORE=redis://"+apptest.FreeAddress(t)), []string{"--dev"}
		}, "connection refused"},
		"Redis that evicts": {func(t *testing.T) (*site, []string) {
			redis := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
			return newSite(t, "GATEHOUSE_STORE="+redis.URL()), []string{"--dev"}
		}, "noeviction"},
		"port in use": {func(t *testing.T) (*site, []string) {
			s := newSite(t)
			occupy(t, s.address)
			return s, []string{"--dev"}
		}, "address already in use"},
		"operations port in use": {func(t *testing.T) (*site, []string) {
			s := newSite(t)
			occupy(t, s.operations)
			return s, []string{"--dev"}
		}, "operations.listen"},
		"dev beyond loopback": {func(t *testing.T) (*site, []string) {
			return newSite(t, "GATEHOUSE_LISTEN=0.0.0.0:18080"), []string{"--dev"}
		}, "which dev refuses"},
		"dev on a store made without": {func(t *testing.T) (*site, []string) {
			s := newSite(t).production()
			if r := s.run("init"); r.code != 0 {
				t.Fatalf("init: %s", r.errors)
			}
			return s, []string{"--dev"}
		}, "not made by serve --dev"},
		"store never set up": {func(t *testing.T) (*site, []string) {
			return newSite(t).production(), nil
		}, "run gatehouse init"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, args := c.arrange(t)
			before := fingerprint(s)
			r := s.run(append([]string{"serve"}, args...)...)
			if r.code == 0 {
				t.Errorf("serve %q: got exit code 0, want a refusal", args)
			}
			if lines := said(r); len(lines) != 1 || !strings.Contains(lines[0], c.want) {
				t.Errorf("serve %q said %q, want one line with %q", args, lines, c.want)
			}
			if r.out != "" {
				t.Errorf("serve %q printed %q, want nothing", args, r.out)
			}
			if strings.HasSuffix(name, "store file") && fingerprint(s) != before {
				t.Errorf("serve %q changed the store that it refused", args)
			}
		})
	}
}

// said returns the lines of standard error that are the program's own, without warnings and without the log.
func said(r result) (lines []string) {
	for line := range strings.Lines(r.errors) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "{") && !strings.HasPrefix(line, "gatehouse: warning: ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// fingerprint is the digest of a site's embedded store, of nothing when there is none.
func fingerprint(s *site) [sha256.Size]byte {
	data, _ := os.ReadFile(s.path("data", "gatehouse.db"))
	return sha256.Sum256(data)
}

// served is a site with a store that a broker used and left in good order.
func served(t testing.TB) *site {
	t.Helper()
	s := newSite(t)
	s.serve("--dev").stop()
	return s
}

// damage flips bytes in every page after the first two.
func damage(t testing.TB, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for at := 2*4096 + 100; at < len(data); at += 4096 {
		data[at] ^= 0xff
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func occupy(t testing.TB, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
}

// After a refusal for a wrong key-encryption key the right one finds the same signing keys (security catalogue SEC-05).
func TestRefusedKeyEncryptionKeyChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve("--dev")
	before, token := p.broker.Get("/.well-known/jwks.json").Body, p.broker.DevToken()
	p.stop()
	right, err := os.ReadFile(s.path("data", "kek"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("data/kek", kek("wrong"))
	if r := s.run("serve", "--dev"); r.code == 0 {
		t.Error("a wrong key-encryption key: got exit code 0, want a refusal")
	}
	s.write("data/kek", string(right))
	p = s.serve("--dev")
	if after := p.broker.Get("/.well-known/jwks.json").Body; after != before {
		t.Errorf("key set: got %s, want %s", after, before)
	}
	if !p.broker.Active(token) {
		t.Error("a token from before: got inactive, want active")
	}
	p.stop()
}

// Processes that start at once on one new Redis are one installation: one makes it, all serve its keys and know its clients
// (security catalogue MIS-14).
func TestConcurrentFirstStarts(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	first := newSite(t, "GATEHOUSE_STORE="+redis.URL()).production()
	sites := []*site{first}
	for range 4 {
		sites = append(sites, first.replica())
	}
	processes := make([]*process, len(sites))
	var starting sync.WaitGroup
	for i, s := range sites {
		starting.Go(func() { processes[i] = s.launch("serve", "--apply", "acme.yaml") })
	}
	starting.Wait()
	for _, p := range processes {
		p.ready()
	}
	keySet := processes[0].broker.Get("/.well-known/jwks.json").Body
	var set struct{ Keys []map[string]any }
	decode(t, keySet, &set)
	if len(set.Keys) != 3 {
		t.Errorf("key set: got %d keys, want one each for ES256, RS256 and EdDSA: %s", len(set.Keys), keySet)
	}
	var tokens []string
	for i, p := range processes {
		if got := p.broker.Get("/.well-known/jwks.json").Body; got != keySet {
			t.Errorf("key set of process %d: got %s, want that of process 0, %s", i, got, keySet)
		}
		tokens = append(tokens, p.broker.Token("pipeline", pipelineSecret, "audience", apptest.Audience))
	}
	for i, token := range tokens {
		other := processes[(i+1)%len(processes)]
		a := other.broker.Post("/oauth/introspect", "client_id", "pipeline", "client_secret", pipelineSecret, "token", token)
		if a.Status != 200 || a.JSON(t)["active"] != true || a.JSON(t)["org_id"] != claimsOf(t, tokens[0])["org_id"] {
			t.Errorf("token of process %d at another: got %v, want active for the one acme", i, a)
		}
	}
	for _, p := range processes {
		p.terminate()
	}
	for _, p := range processes {
		if r := p.wait(); r.code != 0 {
			t.Errorf("SIGTERM: got exit code %d:\n%s", r.code, r.errors)
		}
	}
}

// A dozen init at once on one store: one makes the installation and its operator, the others say that they did not.
func TestConcurrentInit(t *testing.T) {
	t.Parallel()
	s := newSite(t, "GATEHOUSE_STORE="+redistest.Start(t).URL()).production()
	var running sync.WaitGroup
	results := make([]result, 8)
	for i := range results {
		name := "operator-" + string(rune('a'+i)) + ".secret"
		running.Go(func() { results[i] = s.run("init", "--secret-file", name) })
	}
	running.Wait()
	winner := ""
	for i, r := range results {
		if r.code != 0 {
			if lines := said(r); len(lines) != 1 || !strings.Contains(lines[0], "set up") {
				t.Errorf("init %d said %q, want one line that it is set up already", i, lines)
			}
			continue
		}
		if winner != "" {
			t.Error("two runs of init say that they set the store up")
		}
		winner = "operator-" + string(rune('a'+i)) + ".secret"
	}
	if winner == "" {
		t.Fatalf("no run of init set the store up: %v", results)
	}
	secret, err := os.ReadFile(s.path(winner))
	if err != nil {
		t.Fatal(err)
	}
	p := s.serve()
	p.broker.Token("operator", string(secret), "audience", p.broker.Issuer+"/api/v1")
	for i := range results {
		name := "operator-" + string(rune('a'+i)) + ".secret"
		other, err := os.ReadFile(s.path(name))
		if name == winner || err != nil { // who came late made none
			continue
		}
		if a := p.broker.Post("/oauth/introspect", "client_id", "operator", "client_secret", string(other), "token", "x"); a.Status != 401 {
			t.Errorf("the secret of a run of init that lost: got %v, want 401", a)
		}
	}
	p.stop()
}

// Nothing secret shows in the process list, and nobody else can read the files (security catalogue SEC-04).
func TestFilesAndProcessAreClosed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve("--dev")
	defer p.stop()
	count := 0
	err := filepath.WalkDir(s.path("data"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: got mode %o, want %o", entry.Name(), got, want)
		}
		count++
		return nil
	})
	if err != nil || count < 5 {
		t.Errorf("data: got %d entries, %v, want the folder, the store, the key and two secrets", count, err)
	}

	cmdline, err := os.ReadFile(filepath.Join("/proc", pid(p), "cmdline"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dev-client.secret", "operator.secret", "kek"} {
		secret, err := os.ReadFile(s.path("data", name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(cmdline, bytes.TrimSpace(secret)) {
			t.Errorf("the command line of the process shows what is in %s", name)
		}
	}
}

// A second process on the same folder gives up soon (security catalogue R22).
func TestSecondProcessEndsSoon(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve("--dev")
	began := time.Now()
	if r := s.replica().run("serve", "--dev"); r.code == 0 {
		t.Error("second process: got exit code 0, want a refusal")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("second process: ended after %v, want 5s at most", took)
	}
	p.broker.DevToken() // the first is none the worse
	p.stop()
}
