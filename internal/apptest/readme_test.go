package apptest_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// The addresses that README.md speaks of.
const (
	pageAddress    = "127.0.0.1:8080"
	pageOperations = "127.0.0.1:9090"
	pageSecond     = "127.0.0.1:8081"
	pageSecondOps  = "127.0.0.1:9091"
	pageRedis      = "127.0.0.1:6379"
)

// A page is a Markdown page's blocks of shell, by the heading they stand under.
type page map[string][]block

// A block is what a reader pastes, and what the page says that it prints; "" when it says nothing.
type block struct{ shell, prints string }

func readPage(t testing.TB, name string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(t), name))
	if err != nil {
		t.Fatal(err)
	}
	p, heading, fence, inside := page{}, "", "", false
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		language, isFence := strings.CutPrefix(line, "```")
		switch {
		case inside && isFence:
			inside = false
			content, blocks := strings.Join(lines, "\n"), p[heading]
			if fence == "sh" {
				p[heading] = append(blocks, block{shell: content})
			} else if len(blocks) > 0 && blocks[len(blocks)-1].prints == "" {
				blocks[len(blocks)-1].prints = content
			}
		case isFence:
			inside, fence, lines = true, language, nil
		case inside:
			lines = append(lines, line)
		case strings.HasPrefix(line, "## "):
			heading = strings.TrimPrefix(line, "## ")
		}
	}
	return p
}

// blocks returns the blocks under a heading, which must be so many.
func (p page) blocks(t testing.TB, heading string, n int) []block {
	t.Helper()
	if len(p[heading]) != n {
		t.Fatalf("the page has %d blocks of shell under %q, want %d; headings: %q", len(p[heading]), heading, n, slices.Sorted(maps.Keys(p)))
	}
	return p[heading]
}

// volatile are what no two runs print alike, quoted as in a pattern, and what stands for them there.
var volatile = []struct {
	text    *regexp.Regexp
	pattern string
}{
	{regexp.MustCompile(`…[\w-]*`), `.*`}, // left out, and a token's end
	{regexp.MustCompile(`\d\d:\d\d:\d\d`), `\d\d:\d\d:\d\d`},
	{regexp.MustCompile(`\d{10,}`), `\d{10,}`},
	{regexp.MustCompile(`n_[a-z0-9]+`), `n_[a-z0-9]+`},
	{regexp.MustCompile(`"jti": "[^"]*"`), `"jti": "[\w.-]+"`},
}

// wantPrints compares what a block printed with what the page says.
func (b block) wantPrints(t testing.TB, got string) {
	t.Helper()
	if b.prints == "" {
		t.Errorf("the page does not say what this prints:\n%s", b.shell)
	}
	pattern := regexp.QuoteMeta(b.prints)
	for _, v := range volatile {
		pattern = v.text.ReplaceAllLiteralString(pattern, v.pattern)
	}
	if !regexp.MustCompile(`^` + pattern + `\n?$`).MatchString(got) {
		t.Errorf("the page says that it prints\n%s\nand it prints\n%s", b.prints, got)
	}
}

// checkout makes a site look like a checkout in which `make build` has run: what README's commands name is there, data/ is not.
func checkout(t testing.TB) *site {
	t.Helper()
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	if err := os.Mkdir(s.path("bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	links := map[string]string{"bin/gatehouse": file}
	for _, name := range []string{"go.mod", "go.sum", "docs", "internal", "keys", "Makefile"} {
		links[name] = filepath.Join(repository(t), name)
	}
	for name, target := range links {
		if err := os.Symlink(target, s.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// makeRun is the last command of `make run`: the one that serves.
func makeRun(t testing.TB) string {
	t.Helper()
	tool(t, "make", "apt-get install make")
	// Without the variables of a make that runs the tests, which would make this one speak of its folders.
	out, errOut, err := command(t, repository(t), "", "env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", "-n", "run")
	if err != nil {
		t.Fatalf("make -n run: %v\n%s", err, errOut)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// paste runs what a reader pastes, with the addresses of s, and returns what it printed.
func (s *site) paste(script string) string {
	s.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.NewReplacer(pageAddress, s.address, pageOperations, s.operations).Replace(script))
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GATEHOUSE_SERVER=http://"+s.address)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s\n%v: %s%s", script, err, out, errOut.String())
	}
	return string(out)
}

// The walk of page one works as printed, on the embedded store, and lasts over a restart.
func TestReadmeOnTheEmbeddedStore(t *testing.T) {
	t.Parallel()
	readme(t, checkout(t))
}

// The same with everything in Redis.
func TestReadmeOnRedis(t *testing.T) {
	t.Parallel()
	s := checkout(t)
	s.set("GATEHOUSE_STORE=" + redistest.Start(t).URL())
	readme(t, s)
}

func readme(t *testing.T, s *site) {
	serve := makeRun(t)
	p := s.shell("exec " + serve).ready()
	walk(t, s, s)
	printedLines(t, p)

	kept, ended := p.broker.DevToken(), p.broker.DevToken()
	if a := p.broker.Post("/oauth/revoke", "client_id", "dev-client", "client_secret", p.broker.Secret("dev-client"), "token", ended); a.Status != 200 {
		t.Fatalf("revoke: got %v", a)
	}
	keysBefore, secretBefore := p.broker.Get("/.well-known/jwks.json").Body, p.broker.Secret("dev-client")
	p.stop()

	// "Stop the server and start it again: the keys, the client and the revocation are still there."
	p = s.shell("exec " + serve).ready()
	if got := p.broker.Get("/.well-known/jwks.json").Body; got != keysBefore {
		t.Errorf("key set after a restart: got %s, want %s", got, keysBefore)
	}
	if got := p.broker.Secret("dev-client"); got != secretBefore {
		t.Error("the secret of dev-client is another one after a restart")
	}
	if !p.broker.Active(kept) {
		t.Error("a token from before the restart: got inactive, want active")
	}
	if p.broker.Active(ended) {
		t.Error("a token revoked before the restart: got active, want inactive")
	}
	commandLine(t, s)
	p.stop()
}

// walk pastes the blocks of "A token in one minute". Tokens come from one replica; the other is asked about them.
func walk(t *testing.T, issue, ask *site) {
	t.Helper()
	blocks := readPage(t, "README.md").blocks(t, "A token in one minute", 3)
	onPage := func(out string) string { return strings.ReplaceAll(out, issue.address, pageAddress) }
	answer, verdict := issue.paste(blocks[0].shell), issue.paste(blocks[1].shell)
	checkTokenAnswer(t, answer)
	blocks[0].wantPrints(t, onPage(answer))
	checkAccepted(t, verdict)
	blocks[1].wantPrints(t, onPage(verdict))

	script := ""
	for line := range strings.Lines(blocks[2].shell) {
		if strings.Contains(line, "/oauth/introspect") || strings.Contains(line, "/oauth/revoke") {
			line = strings.ReplaceAll(line, pageAddress, ask.address)
		}
		script += line
	}
	var before, after map[string]any
	out := issue.paste(script)
	blocks[2].wantPrints(t, onPage(out))
	parts := regexp.MustCompile(`(?s)^(\{.*?\})\n?200\n(\{.*\})\n?$`).FindStringSubmatch(out)
	if parts == nil {
		t.Fatalf("introspect, revoke, introspect printed %q, want an answer, 200 and an answer", out)
	}
	decode(t, parts[1], &before)
	decode(t, parts[2], &after)
	if before["active"] != true || before["client_id"] != "dev-client" {
		t.Errorf("introspection before the revocation: got %v, want active of dev-client", before)
	}
	if want := map[string]any{"active": false}; !reflect.DeepEqual(after, want) {
		t.Errorf("introspection after the revocation: got %v, want %v", after, want)
	}
}

func checkTokenAnswer(t *testing.T, out string) {
	t.Helper()
	var answer struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}
	decode(t, out, &answer)
	if strings.Count(answer.AccessToken, ".") != 2 || !strings.EqualFold(answer.TokenType, "bearer") || answer.ExpiresIn != 900 {
		t.Errorf("token answer: got %s, want a JWT of 15 minutes", out)
	}
}

// checkAccepted reads what the samples under docs/verify print.
func checkAccepted(t *testing.T, out string) {
	t.Helper()
	first, rest, _ := strings.Cut(out, "\n")
	if !strings.HasPrefix(first, "accepted: valid until ") {
		t.Fatalf("the verifier printed %q, want that it accepts the token", out)
	}
	var claims struct {
		OrgID   string   `json:"org_id"`
		OrgName string   `json:"org_name"`
		Roles   []string `json:"roles"`
		Client  string   `json:"client_id"`
	}
	decode(t, rest, &claims)
	if claims.OrgID == "" || claims.OrgName != "acme" || !slices.Contains(claims.Roles, "writer") || claims.Client != "dev-client" {
		t.Errorf("claims: got %s, want those of a writer of acme", rest)
	}
}

func decode(t testing.TB, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
}

// printedLines pastes the lines that serve --dev itself prints.
func printedLines(t *testing.T, p *process) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(p.out.String()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 2 {
		t.Fatalf("serve --dev printed %q, want two lines to paste", p.out.String())
	}
	checkTokenAnswer(t, p.paste(lines[0]))
	checkAccepted(t, p.paste(lines[1]))
}

// commandLine pastes the block about the command line, which finds the operator's secret by itself.
func commandLine(t *testing.T, s *site) {
	t.Helper()
	blocks := readPage(t, "README.md").blocks(t, "Clients, organizations and the rest", 2)
	out := s.paste(blocks[0].shell)
	if !strings.Contains(out, "dev-client") {
		t.Errorf("the command line printed %q, want dev-client among the clients of acme", out)
	}
	if info, err := os.Stat(s.path("data", "dev-client.next")); err != nil || info.Mode() != fs.FileMode(0o600) {
		t.Errorf("the rotated secret's file: got %v, %v, want mode 0600", info, err)
	}
	out = s.paste(blocks[1].shell)
	for _, want := range []string{"bob", "carol@example.com", "reader", "env_create"} {
		if !strings.Contains(out, want) {
			t.Errorf("the command line printed %q, want %s", out, want)
		}
	}
	s.paste(readPage(t, "README.md").blocks(t, "People sign in", 1)[0].shell)
	signInByPassword(t, s, "ada")
}

// signInByPassword signs somebody in whose password is in a file NAME.password.
func signInByPassword(t *testing.T, s *site, name string) {
	t.Helper()
	password, err := os.ReadFile(s.path(name + ".password"))
	if err != nil {
		t.Fatal(err)
	}
	v := (&apptest.Broker{T: t, URL: "http://" + s.address}).Visitor()
	a := v.Follow(v.Submit(v.Get("/login"), "/login", "username", name, "password", strings.TrimSpace(string(password))))
	if a.Status != http.StatusOK || !strings.Contains(a.Body, name) {
		t.Errorf("sign in as %s: got %s, want the account", name, a)
	}
}

// Two processes on one Redis, started as README says, are one broker: a token of one is known to the other, and dead at both
// when it is revoked at one.
func TestReadmeWithTwoReplicas(t *testing.T) {
	t.Parallel()
	block := readPage(t, "README.md").blocks(t, "More than one replica", 1)[0].shell
	block = strings.ReplaceAll(block, "\\\n", "")
	a := checkout(t)
	b := &site{t: t, dir: a.dir, environment: map[string]string{}}
	b.move()
	a.environment, b.environment = nil, nil // the page's own environment must do

	var redis *redistest.Server
	var replicas []*process
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(strings.TrimSpace(line), " &")
		if flags, ok := strings.CutPrefix(line, "redis-server "); ok {
			redis = redistest.Start(t, strings.Fields(flags)...)
			continue
		}
		if line == "" {
			continue
		}
		line = strings.ReplaceAll(line, "GATEHOUSE_ISSUER=http://"+pageAddress, "GATEHOUSE_ISSUER=http://"+a.address)
		s := a
		if strings.Contains(line, pageSecond) {
			s = b
		} else { // the first listens where it does by default
			line = "GATEHOUSE_LISTEN=" + pageAddress + " GATEHOUSE_OPERATIONS_LISTEN=" + pageOperations + " " + line
		}
		line = strings.NewReplacer(pageRedis, redis.Addr(), pageAddress, s.address, pageOperations, s.operations,
			pageSecond, s.address, pageSecondOps, s.operations).Replace(line)
		replicas = append(replicas, s.shell("exec env "+line).ready())
	}
	if len(replicas) != 2 {
		t.Fatalf("README starts %d replicas, want 2", len(replicas))
	}
	walk(t, a, b)
	walk(t, a, a)

	first, second := replicas[0].broker, replicas[1].broker
	second.Issuer = first.Issuer
	token := second.DevToken()
	if !first.Active(token) {
		t.Error("a token of the second replica at the first: got inactive, want active")
	}
	first.Post("/oauth/revoke", "client_id", "dev-client", "client_secret", first.Secret("dev-client"), "token", token)
	for name, broker := range map[string]func(string) bool{"first": first.Active, "second": second.Active} {
		if broker(token) {
			t.Errorf("the token revoked at the first replica is active at the %s", name)
		}
	}
	for _, p := range replicas {
		p.stop()
	}
}

// The way to a broker outside development works as printed.
func TestReadmeOutsideDevelopment(t *testing.T) {
	t.Parallel()
	tool(t, "openssl", "apt-get install openssl")
	block := readPage(t, "README.md").blocks(t, "Outside development", 1)[0].shell
	s := checkout(t)
	s.environment["PATH"] = os.Getenv("PATH")
	end := strings.LastIndex(block, "\n")
	p := s.shell(block[:end] + "\nexec " + block[end+1:]).ready()
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	decode(t, p.broker.Get("/.well-known/openid-configuration").Body, &metadata)
	if metadata.Issuer != "https://id.example.com" {
		t.Errorf("issuer: got %q, want https://id.example.com", metadata.Issuer)
	}
	p.broker.Issuer = metadata.Issuer
	if a := p.broker.Admin("GET", "/whoami", ""); a.Status != 200 {
		t.Errorf("the operator that init made: got %v, want 200", a)
	}
	p.terminate() // it drains for its default delay; nobody waits for that here
}
