package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A far is a world of servers: what each method and URL answers. It remembers what was asked with which credentials.
type far struct {
	answers map[string]answer // by "METHOD URL"
	asked   []string
	signed  []string // those that had an Authorization
}

type answer struct {
	status int
	body   string
	header http.Header
	lost   bool // it was done, and the connection broke
}

func (f *far) RoundTrip(r *http.Request) (*http.Response, error) {
	name := r.Method + " " + r.URL.Scheme + "://" + r.URL.Host + r.URL.Path
	f.asked = append(f.asked, name)
	if r.Header.Get("Authorization") != "" {
		f.signed = append(f.signed, name)
	}
	a, ok := f.answers[name]
	if !ok {
		return nil, errors.New("connection refused")
	}
	if a.lost {
		return nil, io.ErrUnexpectedEOF
	}
	header := a.header
	if header == nil {
		header = http.Header{"Content-Type": {"application/json"}}
	}
	return &http.Response{StatusCode: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

const (
	metadataURL = "GET https://id.example/.well-known/oauth-authorization-server"
	tokenURL    = "POST https://id.example/oauth/token"
	testSecret  = "gate_cs_thesecretofthetest"
)

// home is a server that gives tokens.
func home() map[string]answer {
	return map[string]answer{
		metadataURL: {status: 200, body: `{"issuer":"https://id.example"}`},
		tokenURL:    {status: 200, body: `{"access_token":"thetoken","token_type":"Bearer","expires_in":900}`},
	}
}

// A result is what a run left.
type result struct {
	exit     int
	out, err string
	far      *far
}

// run runs a command line against servers, signed in to https://id.example.
func run(t *testing.T, answers map[string]answer, args ...string) result {
	t.Helper()
	return runIn(t, answers, []string{"GATEHOUSE_SERVER=https://id.example", "GATEHOUSE_CLIENT_SECRET=" + testSecret}, args...)
}

func runIn(t *testing.T, answers map[string]answer, environ []string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	f := &far{answers: answers}
	p := &program{in: strings.NewReader(""), out: &out, err: &errs, environ: environ, transport: f, config: t.TempDir()}
	exit := p.run(context.Background(), args)
	if text := out.String() + errs.String(); strings.Contains(text, testSecret) {
		t.Errorf("gatehouse %s shows the secret:\n%s", strings.Join(args, " "), text)
	}
	return result{exit: exit, out: out.String(), err: errs.String(), far: f}
}

func TestTokenPrintsTheTokenAlone(t *testing.T) {
	r := run(t, home(), "token", "--audience", "https://hub.example/api")
	if r.exit != exitDone || r.out != "thetoken\n" || r.err != "" {
		t.Errorf("got exit %d, %q and %q, want 0, the token and nothing", r.exit, r.out, r.err)
	}
	if want := []string{tokenURL}; !slices.Equal(r.far.signed, want) {
		t.Errorf("credentials went to %q, want %q", r.far.signed, want)
	}
}

// The secret goes to the server that was named, in nobody's sight, and nowhere else.
func TestSecretGoesNowhereElse(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, operatorFile), []byte(testSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(name string, a answer) map[string]answer {
		answers := home()
		answers[name] = a
		answers["GET https://evil.example/"] = answer{status: 200, body: `{"issuer":"https://id.example"}`}
		answers["POST https://evil.example/"] = home()[tokenURL]
		return answers
	}
	away := http.Header{"Location": {"https://evil.example/"}}
	secret := "GATEHOUSE_CLIENT_SECRET=" + testSecret
	tests := []struct {
		name    string
		answers map[string]answer
		server  string
		environ []string
		signed  []string
		exit    int
		says    string
	}{
		{name: "plain http", answers: home(), server: "http://id.example", environ: []string{secret}, exit: exitUsage, says: "in the clear"},
		{name: "no address", answers: home(), server: "id.example", environ: []string{secret}, exit: exitUsage, says: "want one like"},
		{name: "password in the address", answers: home(), server: "https://me:" + testSecret + "@id.example", environ: []string{secret}, exit: exitUsage, says: "want one like"},
		{name: "unreadable address", answers: home(), server: "https://me:" + testSecret + "@id.example:port", environ: []string{secret}, exit: exitUsage, says: "want one like"},
		{name: "another issuer", answers: with(metadataURL, answer{status: 200, body: `{"issuer":"https://evil.example"}`}), environ: []string{secret}, exit: exitRefused, says: "says that it is https://evil.example"},
		{name: "no issuer", answers: with(metadataURL, answer{status: 200, body: `{}`}), environ: []string{secret}, exit: exitUnreachable, says: "RFC 8414"},
		{name: "redirected metadata", answers: with(metadataURL, answer{status: 302, header: away}), environ: []string{secret}, exit: exitUnreachable, says: "status 302"},
		{name: "redirected token request", answers: with(tokenURL, answer{status: 307, header: away}), environ: []string{secret}, signed: []string{tokenURL}, exit: exitUnreachable, says: "answered 307"},
		{name: "the secret of this machine's server", answers: home(), exit: exitNotSignedIn, says: "not signed in to https://id.example: run: gatehouse login --server https://id.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := tt.server
			if server == "" {
				server = "https://id.example"
			}
			r := runIn(t, tt.answers, append(tt.environ, "GATEHOUSE_SERVER="+server), "token", "--data", data)
			if r.exit != tt.exit || !strings.Contains(r.err, tt.says) || r.out != "" {
				t.Errorf("got exit %d, %q and %q, want %d and %q", r.exit, r.out, r.err, tt.exit, tt.says)
			}
			if !slices.Equal(r.far.signed, tt.signed) {
				t.Errorf("credentials went to %q, want %q", r.far.signed, tt.signed)
			}
			if strings.Count(r.err, "\n") != 1 {
				t.Errorf("the error is not one line: %q", r.err)
			}
		})
	}
}

// A server on this machine may be reached past the proxy that has its name, with the secret that serve --dev left.
func TestServerOfThisMachineMayHaveAnotherName(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, operatorFile), []byte(testSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	answers := map[string]answer{
		"GET http://127.0.0.1:8080/.well-known/oauth-authorization-server": {status: 200, body: `{"issuer":"https://id.example"}`},
		"POST http://127.0.0.1:8080/oauth/token":                           home()[tokenURL],
	}
	if r := runIn(t, answers, nil, "token", "--data", data); r.exit != exitDone || r.out != "thetoken\n" {
		t.Errorf("got exit %d, %q and %q, want the token", r.exit, r.out, r.err)
	}
	r := runIn(t, answers, nil, "token", "--data", data, "--client-id", "somebody")
	if r.exit != exitNotSignedIn || len(r.far.asked) != 0 {
		t.Errorf("the operator's secret for another client: got exit %d, asked %q, want %d and nothing", r.exit, r.far.asked, exitNotSignedIn)
	}
}

// Scripts act on the exit code.
func TestExitCodeSaysWhatTheServerMeant(t *testing.T) {
	const whoami = "GET https://id.example/api/v1/whoami"
	const problem = "application/problem+json"
	tests := []struct {
		name string
		url  string
		answer
		exit int
		says string
	}{
		{"wrong secret", tokenURL, answer{status: 401, body: `{"error":"invalid_client","error_description":"Who is this?"}`}, exitNotSignedIn, "Who is this? (invalid_client): give --client-id"},
		{"client may not", tokenURL, answer{status: 400, body: `{"error":"unauthorized_client"}`}, exitRefused, "unauthorized_client"},
		{"too many", tokenURL, answer{status: 429, body: `{"error":"temporarily_unavailable"}`}, exitRefused, "try again"},
		{"no tokens now", tokenURL, answer{status: 503, body: `{"error":"temporarily_unavailable"}`}, exitUnreachable, "temporarily_unavailable: try again later"},
		{"proxy's own page", tokenURL, answer{status: 502, body: `<html>` + testSecret + `</html>`, header: http.Header{"Content-Type": {"text/html"}}}, exitUnreachable, "502"},
		{"token not taken", whoami, answer{status: 401, body: `{"status":401,"code":"unauthenticated","detail":"The token has ended."}`}, exitNotSignedIn, "The token has ended: get a new access token, or give --client-id"},
		{"forbidden", whoami, answer{status: 403, body: `{"status":403,"code":"forbidden","detail":"Not for you."}`}, exitRefused, "gatehouse: Not for you.\n"},
		{"faults", whoami, answer{status: 422, body: `{"status":422,"code":"invalid","detail":"Two faults.","errors":[{"path":"a","detail":"one"},{"path":"b","detail":"two"}]}`}, exitRefused, "gatehouse: Two faults.\ngatehouse:   a: one\ngatehouse:   b: two\n"},
		{"busy", whoami, answer{status: 503, body: `{"status":503,"code":"unavailable","detail":"Busy."}`, header: http.Header{"Content-Type": {problem}, "Retry-After": {"2"}}}, exitUnreachable, "Busy: try again in 2s"},
		{"broken", whoami, answer{status: 500, body: `{"status":500,"code":"internal","detail":"Broken.","request_id":"r1"}`}, exitRefused, "under request r1"},
		{"gone", whoami, answer{lost: true}, exitUnreachable, "gatehouse serve"},
		{"steering the terminal", whoami, answer{status: 403, body: `{"status":403,"code":"forbidden","detail":"\u001b[2Jgone"}`}, exitRefused, `\x1b[2Jgone`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answers := home()
			answers[tt.url] = tt.answer
			r := run(t, answers, "whoami")
			if r.exit != tt.exit || !strings.Contains(r.err, tt.says) || r.out != "" {
				t.Errorf("got exit %d, %q and %q, want %d and %q", r.exit, r.out, r.err, tt.exit, tt.says)
			}
			if strings.ContainsRune(r.err, '\x1b') {
				t.Errorf("an escape sequence reaches the terminal: %q", r.err)
			}
		})
	}
}

// A secret is lost neither when an answer is, nor kept when the server refused it.
func TestSecretFileOutlivesALostAnswer(t *testing.T) {
	const create = "POST https://id.example/api/v1/clients"
	const rotate = "POST https://id.example/api/v1/clients/release/secrets"
	refused := answer{status: 409, body: `{"status":409,"code":"conflict","detail":"There is one."}`}
	broken := answer{status: 500, body: `{"status":500,"code":"internal","detail":"Broken."}`}
	tests := []struct {
		name string
		url  string
		verb []string
		answer
		exit int
		kept bool
	}{
		{"created", create, []string{"create", "release"}, answer{status: 201, body: `{"client_id":"release"}`}, exitDone, true},
		{"refused", create, []string{"create", "release"}, refused, exitRefused, false},
		{"lost", create, []string{"create", "release"}, answer{lost: true}, exitUnreachable, true},
		{"broken", create, []string{"create", "release"}, broken, exitRefused, true},
		{"rotated", rotate, []string{"rotate", "release"}, answer{status: 201, body: `{"id":"s1","name":"two"}`}, exitDone, true},
		{"rotation refused", rotate, []string{"rotate", "release"}, refused, exitRefused, false},
		{"rotation lost", rotate, []string{"rotate", "release"}, answer{lost: true}, exitUnreachable, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "release.secret")
			answers := home()
			answers[tt.url] = tt.answer
			r := run(t, answers, append(append([]string{"client"}, tt.verb...), "--secret-file", file)...)
			if r.exit != tt.exit {
				t.Errorf("got exit %d and %q, want %d", r.exit, r.err, tt.exit)
			}
			secret, err := os.ReadFile(file)
			if kept := err == nil; kept != tt.kept {
				t.Errorf("the secret file is there: %v, want %v", kept, tt.kept)
			}
			if tt.kept && !strings.HasPrefix(string(secret), "gate_cs_") {
				t.Errorf("the file holds no client secret but %d bytes", len(secret))
			}
			if tt.kept && tt.exit != exitDone && !strings.Contains(r.err, "kept in "+file) {
				t.Errorf("the error does not say where the secret is: %q", r.err)
			}
			if len(secret) > 0 && strings.Contains(r.out+r.err, string(secret)) {
				t.Error("the output shows the secret")
			}
		})
	}
}

// An existing file is never overwritten: it may hold the only copy of a secret in use.
func TestSecretFileIsNotOverwritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "release.secret")
	if err := os.WriteFile(file, []byte("in use"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, home(), "client", "rotate", "release", "--secret-file", file)
	text, err := os.ReadFile(file)
	if r.exit != exitRefused || err != nil || string(text) != "in use" {
		t.Errorf("got exit %d, file %q, %v, want %d and the file as it was", r.exit, text, err, exitRefused)
	}
	if slices.ContainsFunc(r.far.asked, func(name string) bool { return strings.HasSuffix(name, "/secrets") }) {
		t.Error("the server was asked for a rotation that has nowhere to go")
	}
}

// The names that others chose do not steer the terminal, and lists have the same fields in each form.
func TestOutputIsSafeAndTheSameInEachForm(t *testing.T) {
	answers := home()
	answers["GET https://id.example/api/v1/organizations"] = answer{status: 200, body: `{"items":[{"id":"n_1","name":"acme","path":"acme","model":"floxhub","display_name":"\u001b]0;owned\u0007 yes","created_at":"2026-11-24T00:00:00Z"}]}`}
	for form, want := range map[string]string{
		"table": "NAME  ID   MODEL    STATE   DISPLAY NAME\nacme  n_1  floxhub  active  \\x1b]0;owned\\a yes\n",
		"json":  "[\n  {\n    \"id\": \"n_1\",\n    \"name\": \"acme\",\n    \"path\": \"acme\",\n    \"display_name\": \"\\u001b]0;owned\\u0007 yes\",\n    \"model\": \"floxhub\",\n    \"created_at\": \"2026-11-24T00:00:00Z\"\n  }\n]\n",
		"yaml":  "- id: n_1\n  name: acme\n  path: acme\n  display_name: \"\\e]0;owned\\a yes\"\n  model: floxhub\n  created_at: \"2026-11-24T00:00:00Z\"\n",
	} {
		if r := run(t, answers, "org", "list", "--output", form); r.exit != exitDone || r.out != want {
			t.Errorf("--output %s: got exit %d, %s\n%q, want\n%q", form, r.exit, r.err, r.out, want)
		}
	}
	answers["GET https://id.example/api/v1/organizations"] = answer{status: 200, body: `{"items":[]}`}
	if r := run(t, answers, "org", "list", "--output", "json"); r.out != "[]\n" {
		t.Errorf("an empty list in JSON: got %q, want []", r.out)
	}
}
