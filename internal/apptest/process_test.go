package apptest_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
)

// patience bounds every wait for another process, which has no clock of ours; nobody waits it out.
const patience = 30 * time.Second

// buildFolder holds the program under test, which is built once for all tests.
var buildFolder string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "gatehouse-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildFolder = folder
	rediskv.LogTo(slog.New(slog.DiscardHandler)) // servers go away here on purpose
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

var build = sync.OnceValues(func() (string, error) {
	file := filepath.Join(buildFolder, "gatehouse")
	out, err := exec.Command("go", "build", "-o", file, "../../cmd/gatehouse").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return file, err
})

// repository is the root of the source tree.
func repository(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// A site is a folder that the program is run in, with addresses of its own and the environment that names them.
type site struct {
	t           testing.TB
	dir         string // the working directory: data/ is in it
	address     string // of the public listener
	operations  string
	environment map[string]string
}

// newSite makes a site whose program finds free addresses in its environment, and what env says: "NAME=value".
func newSite(t testing.TB, env ...string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), environment: map[string]string{}}
	s.move()
	s.set(env...)
	return s
}

// replica is another site for a process on the same folder.
func (s *site) replica() *site {
	r := &site{t: s.t, dir: s.dir, environment: map[string]string{}}
	for name, value := range s.environment {
		r.environment[name] = value
	}
	r.move()
	return r
}

func (s *site) move() {
	s.address, s.operations = apptest.FreeAddress(s.t), apptest.FreeAddress(s.t)
	s.set("GATEHOUSE_LISTEN="+s.address, "GATEHOUSE_OPERATIONS_LISTEN="+s.operations)
}

func (s *site) set(env ...string) {
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		s.environment[name] = value
	}
}

// path names a file of the site.
func (s *site) path(elem ...string) string { return filepath.Join(append([]string{s.dir}, elem...)...) }

// write writes a file of the site.
func (s *site) write(name, content string) string {
	s.t.Helper()
	path := s.path(name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// production makes the site one without --dev: an issuer on loopback, which needs no TLS, a key-encryption key of its own, and
// the documents of acme for serve --apply.
func (s *site) production() *site {
	s.t.Helper()
	s.write("kek", kek("production"))
	s.write("acme.yaml", acme)
	s.write("pipeline.secret", pipelineSecret)
	s.set("GATEHOUSE_ISSUER=http://localhost:8080", "GATEHOUSE_KEYS_KEK_FILE="+s.path("kek"), "GATEHOUSE_DRAIN_DELAY=0s")
	return s
}

// pipelineSecret is the secret of the client pipeline in acme.
const pipelineSecret = "a-secret-that-another-system-chose-0123456789"

// acme is enough for a token.
const acme = `kind: Audience
metadata: {name: hub}
spec: {identifier: https://hub.flox.dev/api}
---
kind: User
metadata: {name: owner}
spec: {email: owner@acme.example, emailVerified: true}
---
kind: Organization
metadata: {name: acme}
spec:
  displayName: Acme Inc
  model: floxhub
  assignments: [{user: owner, role: owner}]
---
kind: Client
metadata: {name: pipeline, organization: acme}
spec:
  clientId: pipeline
  grantTypes: [client_credentials]
  role: writer
  audiences: [https://hub.flox.dev/api]
  secrets: [{name: first, fromFile: pipeline.secret}]
`

// A result is what became of a run.
type result struct {
	code        int
	out, errors string
}

// run runs the program to its end.
func (s *site) run(args ...string) result {
	s.t.Helper()
	return s.launch(args...).wait()
}

// A process is the program running.
type process struct {
	*site
	broker *apptest.Broker // asks it
	cmd    *exec.Cmd
	out    apptest.Log
	log    apptest.Log // standard error
	ended  chan struct{}
}

// launch runs the program and does not wait for it.
func (s *site) launch(args ...string) *process {
	s.t.Helper()
	file, err := build()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.exec(exec.Command(file, args...))
}

// shell is launch for a line of bash that ends in the program.
func (s *site) shell(script string) *process {
	s.t.Helper()
	return s.exec(exec.Command("bash", "-euo", "pipefail", "-c", script))
}

func (s *site) exec(cmd *exec.Cmd) *process {
	s.t.Helper()
	p := &process{site: s, cmd: cmd, ended: make(chan struct{})}
	p.cmd.Dir = s.dir
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "GATEHOUSE_") })
	for name, value := range s.environment {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the code says it
		close(p.ended)
	}()
	s.t.Cleanup(p.kill)
	p.broker = &apptest.Broker{
		T: s.t, URL: "http://" + s.address, Ops: "http://" + s.operations, Issuer: "http://" + s.address, Data: s.path("data"),
	}
	if issuer := s.environment["GATEHOUSE_ISSUER"]; issuer != "" {
		p.broker.Issuer = issuer
	}
	return p
}

// serve starts the program and returns when it is ready.
func (s *site) serve(args ...string) *process {
	s.t.Helper()
	return s.launch(append([]string{"serve"}, args...)...).ready()
}

// ready waits until the process says that it is.
func (p *process) ready() *process {
	p.t.Helper()
	await(p.t, "ready process", func() bool {
		select {
		case <-p.ended:
			p.t.Fatalf("%v ended with %d:\n%s", p.cmd.Args, p.cmd.ProcessState.ExitCode(), p.log.String())
		default:
		}
		return p.isReady()
	})
	return p
}

func (p *process) isReady() bool {
	a, err := p.probe("/readyz")
	return err == nil && a.Status == 200
}

// probe asks the operations listener.
func (p *process) probe(path string) (apptest.Answer, error) {
	return p.broker.Try(request(p.t, "GET", p.broker.Ops+path, nil))
}

// kill ends the process at once, as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// terminate ends the process as an orchestrator does.
func (p *process) terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

// stop ends the process in good order, with exit code 0.
func (p *process) stop() {
	p.t.Helper()
	p.terminate()
	if r := p.wait(); r.code != 0 {
		p.t.Errorf("SIGTERM: got exit code %d, want 0:\n%s", r.code, r.errors)
	}
}

// wait waits for the end of the process.
func (p *process) wait() result {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%v runs on:\n%s", p.cmd.Args, p.log.String())
	}
	return result{p.cmd.ProcessState.ExitCode(), p.out.String(), p.log.String()}
}

// await polls until something holds that other processes bring about.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("no %s after %v", what, patience)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tool returns the path of a program that a test needs.
func tool(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: %s", name, install)
	}
	return path
}

// command runs a foreign program to its end and returns what it wrote to standard output and to standard error.
func command(t testing.TB, dir, input, name string, args ...string) (out, errOut string, err error) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// pid names the process to the kernel.
func pid(p *process) string { return strconv.Itoa(p.cmd.Process.Pid) }

// logHas reports whether the process has logged a text.
func (p *process) logHas(text string) bool { return strings.Contains(p.log.String(), text) }
