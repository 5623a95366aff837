package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zalando/go-keyring"
)

// An issuer is a server that signs alice in: it turns refresh tokens over and ends the family of one that comes twice.
type issuer struct {
	t   *testing.T
	url string

	mu         sync.Mutex
	pending    int    // polls that wait for alice yet
	denied     bool   // she says no
	refuse     string // the code that refreshes get
	status     int    // that refreshes get; 0: the right one
	life       int    // of access tokens, in seconds
	generation int    // of the refresh token that may be used
	ended      bool
	challenge  string
	issued     int // access tokens
	refreshes  int
	revoked    []string
	dead       map[string]bool // access tokens that the API does not take
	asked      []url.Values    // token requests
}

func startIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t, life: 900, dead: map[string]bool{}}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *issuer) refresh(generation int) string { return fmt.Sprintf("gate_rt_%d", generation) }

func jwt(claims map[string]any) string {
	payload, _ := json.Marshal(claims)
	return "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = r.ParseForm()
	answer := func(status int, body map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	tokens := func() {
		i.issued++
		now := time.Now().Unix()
		org := r.Form.Get("organization")
		claims := map[string]any{"iss": i.url, "iat": now, "exp": now + int64(i.life), "jti": i.issued}
		if org != "" {
			claims["org_id"], claims["org_name"] = "n_"+strings.TrimPrefix(org, "n_"), strings.TrimPrefix(org, "n_")
		}
		answer(200, map[string]any{
			"access_token": jwt(claims), "token_type": "Bearer", "expires_in": i.life, "refresh_token": i.refresh(i.generation),
			"id_token": jwt(map[string]any{"iss": i.url, "iat": now, "exp": now + 3600, "sub": "u_alice"}),
		})
	}
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		answer(200, map[string]any{"issuer": i.url})
	case pathDevice:
		answer(200, map[string]any{
			"device_code": "gate_dc_1", "user_code": "BCDF-GHJK", "verification_uri": i.url + "/activate",
			"verification_uri_complete": i.url + "/activate?user_code=BCDF-GHJK", "expires_in": 600, "interval": 1,
		})
	case pathAuthorize:
		q := r.URL.Query()
		i.challenge = q.Get("code_challenge")
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"thecode"}, "state": {q.Get("state")}, "iss": {i.url}}.Encode(), http.StatusSeeOther)
	case pathRevoke:
		i.revoked = append(i.revoked, r.Form.Get("token"))
		i.ended = true
		answer(200, nil)
	case "/api/v1/whoami":
		bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if i.dead[bearer] {
			answer(401, map[string]any{"status": 401, "code": "unauthenticated", "detail": "The token has ended."})
			return
		}
		answer(200, map[string]any{"issuer": i.url, "sub": "u_alice", "client_id": "gatehouse-cli", "name": "alice", "expires_at": "2027-01-01T00:00:00Z"})
	case pathToken:
		i.asked = append(i.asked, r.Form)
		switch r.Form.Get("grant_type") {
		case "authorization_code":
			i.generation, i.ended = i.generation+1, false
			tokens()
		case "urn:ietf:params:oauth:grant-type:device_code":
			switch {
			case i.denied:
				answer(400, map[string]any{"error": "access_denied", "error_description": "She said no."})
			case i.pending > 0:
				i.pending--
				answer(400, map[string]any{"error": "authorization_pending"})
			default:
				i.generation, i.ended = i.generation+1, false
				tokens()
			}
		case "refresh_token":
			i.refreshes++
			if i.refuse != "" {
				answer(i.status, map[string]any{"error": i.refuse})
				return
			}
			if i.ended || r.Form.Get("refresh_token") != i.refresh(i.generation) {
				i.ended = true
				answer(400, map[string]any{"error": "invalid_grant"})
				return
			}
			i.generation++
			tokens()
		}
	default:
		answer(404, nil)
	}
}

// A desk is where somebody types commands, with credentials of its own.
type desk struct {
	t       *testing.T
	config  string
	environ []string
	browse  func(string) error
}

func newDesk(t *testing.T, environ ...string) *desk {
	return &desk{t: t, config: filepath.Join(t.TempDir(), "gatehouse"), environ: append([]string{"GATEHOUSE_CREDENTIALS=file"}, environ...)}
}

func (d *desk) run(args ...string) result {
	d.t.Helper()
	var out, errs bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &errs, environ: d.environ, config: d.config, browse: d.browse}
	exit := p.run(d.t.Context(), args)
	if text := out.String() + errs.String(); strings.Contains(text, "gate_rt_") || strings.Contains(text, "gate_dc_") {
		d.t.Errorf("gatehouse %s shows a secret:\n%s", strings.Join(args, " "), text)
	}
	return result{exit: exit, out: out.String(), err: errs.String()}
}

// want runs a command line that must do what it is for, and returns what it prints.
func (d *desk) want(args ...string) string {
	d.t.Helper()
	r := d.run(args...)
	if r.exit != exitDone {
		d.t.Fatalf("gatehouse %s: got exit %d and %q, want 0", strings.Join(args, " "), r.exit, r.err)
	}
	return r.out
}

// refused runs a command line that must end with an exit code and one line that says something.
func (d *desk) refused(exit int, says string, args ...string) {
	d.t.Helper()
	r := d.run(args...)
	if r.exit != exit || !strings.Contains(r.err, says) || r.out != "" {
		d.t.Errorf("gatehouse %s: got exit %d, %q and %q, want %d and %q", strings.Join(args, " "), r.exit, r.out, r.err, exit, says)
	}
}

func (d *desk) read() kept {
	d.t.Helper()
	k, err := (&credentials{dir: d.config}).read()
	if err != nil {
		d.t.Fatal(err)
	}
	return *k
}

// Device login shows the link and the code on standard error, waits, and from then on the server needs no naming.
func TestDeviceLoginLastsUntilLogout(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	i.pending = 1
	r := d.run("login", "--server", i.url, "--organization", "acme")
	if r.exit != exitDone || r.out != "signed in to "+i.url+" as alice\n" {
		t.Fatalf("got exit %d, %q and %q", r.exit, r.out, r.err)
	}
	for _, want := range []string{i.url + "/activate?user_code=BCDF-GHJK", "    BCDF-GHJK\n"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("standard error lacks %q: %q", want, r.err)
		}
	}
	if strings.ContainsAny(r.err, "\x1b\r█") {
		t.Errorf("what is no terminal gets escapes, a spinner or a QR code: %q", r.err)
	}
	first := d.want("token")
	if second := d.want("token"); second != first || i.refreshes != 0 {
		t.Errorf("a token that is good is not handed out again: %d refreshes", i.refreshes)
	}
	if out := d.want("whoami", "--output", "json"); !strings.Contains(out, `"name": "alice"`) {
		t.Errorf("whoami: got %q, want alice", out)
	}
	refresh := i.refresh(i.generation)
	if out := d.want("logout"); out != "alice is signed out of "+i.url+", here and at the server\n" {
		t.Errorf("logout: got %q", out)
	}
	if !slices.Equal(i.revoked, []string{refresh}) {
		t.Errorf("the server was told to end %q, want the refresh token", i.revoked)
	}
	d.refused(exitNotSignedIn, "run: gatehouse login", "token", "--server", i.url)
	d.refused(exitNotSignedIn, "run: gatehouse login", "logout", "--server", i.url)
}

// Whoever says no in the browser is taken at his word, and nothing is kept.
func TestDeniedLoginKeepsNothing(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	i.denied = true
	r := d.run("login", "--server", i.url)
	if r.exit != exitRefused || !strings.Contains(r.err, "the login was denied") || len(d.read().Servers) != 0 {
		t.Errorf("got exit %d, %q and %v, want a refusal and nothing kept", r.exit, r.err, d.read())
	}
}

// The browser of this machine brings a code that belongs to this command line: by its state, its verifier and its issuer.
func TestBrowserLogin(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	redirect := regexp.MustCompile(`redirect_uri=[^&]*`)
	d.browse = func(link string) error {
		u, err := url.Parse(link)
		if err != nil {
			return err
		}
		back := u.Query().Get("redirect_uri")
		if !strings.HasPrefix(back, "http://127.0.0.1:") || !redirect.MatchString(link) || u.Query().Get("code_challenge_method") != "S256" {
			t.Errorf("the browser goes to %s", link)
		}
		go func() {
			forged, err := http.Get(back + "?code=forged&state=guessed&iss=" + url.QueryEscape(i.url))
			if err != nil || forged.StatusCode != http.StatusBadRequest {
				t.Errorf("a code with another state: got %v, %v, want 400", forged, err)
			}
			page, err := http.Get(link)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = page.Body.Close() }()
			text, _ := io.ReadAll(page.Body)
			if !strings.Contains(string(text), "You may close this window") {
				t.Errorf("the page says %q", text)
			}
		}()
		return nil
	}
	d.want("login", "--server", i.url, "--browser")
	sent := i.asked[len(i.asked)-1]
	if sent.Get("code") != "thecode" || len(sent.Get("code_verifier")) < 43 || i.challenge == "" || !strings.HasPrefix(sent.Get("redirect_uri"), "http://127.0.0.1:") {
		t.Errorf("the token request: got %v", sent)
	}
	d.want("token")
}

// A code of another server does not come to this one (RFC 9207).
func TestBrowserLoginRefusesAnotherIssuer(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	d.browse = func(link string) error {
		u, err := url.Parse(link)
		if err != nil {
			return err
		}
		q := u.Query()
		go func() {
			answer, err := http.Get(q.Get("redirect_uri") + "?" + url.Values{"code": {"theirs"}, "state": {q.Get("state")}, "iss": {"https://evil.example"}}.Encode())
			if err == nil {
				_ = answer.Body.Close()
			}
		}()
		return nil
	}
	d.refused(exitRefused, `the answer came from "https://evil.example"`, "login", "--server", i.url, "--browser")
	if len(i.asked) != 0 {
		t.Errorf("the code was brought to the token endpoint: %v", i.asked)
	}
}

// Of many that want a token at once one refreshes, and all get one.
func TestParallelTokensRefreshOnce(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	d.want("login", "--server", i.url)
	const many = 20
	results := make([]result, many)
	var all sync.WaitGroup
	for n := range many {
		all.Go(func() { results[n] = d.run("token", "--organization", "acme") })
	}
	all.Wait()
	for n, r := range results {
		if r.exit != exitDone || r.out != results[0].out {
			t.Errorf("call %d: got exit %d, %q and %q, want the token of the first", n, r.exit, r.out, r.err)
		}
	}
	if i.refreshes != 1 {
		t.Errorf("got %d refreshes, want 1", i.refreshes)
	}
}

// A server that has no answer now ends no sign-in; one that says that the sign-in has ended is believed.
func TestRefusedRefresh(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	i.life = 1 // so that no token is handed out again
	d.want("login", "--server", i.url)
	other := []string{"token", "--organization", "globex"}
	for _, c := range []struct {
		status int
		code   string
		exit   int
		says   string
	}{
		{503, "temporarily_unavailable", exitUnreachable, "try again later"},
		{400, "access_denied", exitRefused, "access_denied"},
		{400, "invalid_target", exitRefused, "gatehouse login --audience"},
		{400, "invalid_grant", exitNotSignedIn, "has ended: invalid_grant: run: gatehouse login"},
	} {
		i.refuse, i.status = c.code, c.status
		d.refused(c.exit, c.says, other...)
	}
	i.refuse = ""
	d.want(other...)
}

// What ends the tokens from before and not the sign-in, such as another role, costs one more request and no error.
func TestTokenThatEndedIsRenewed(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	d.want("login", "--server", i.url)
	i.dead[strings.TrimSpace(d.want("token"))] = true
	if out := d.want("whoami", "--output", "json"); !strings.Contains(out, "alice") || i.refreshes != 1 {
		t.Errorf("got %q after %d refreshes, want alice after one", out, i.refreshes)
	}
}

// The organization that was chosen is that of every later token, until another is.
func TestOrgSwitch(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	d.want("login", "--server", i.url)
	if out := d.want("org", "switch", "globex"); out != "alice works in organization globex now\n" {
		t.Errorf("got %q", out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{{[]string{"token"}, "n_globex"}, {[]string{"token", "--organization", "acme"}, "n_acme"}, {[]string{"token"}, "n_globex"}} {
		claims, err := readClaims(strings.TrimSpace(d.want(c.args...)))
		if err != nil || claims.OrgID != c.want {
			t.Errorf("gatehouse %v: got %q, %v, want %s", c.args, claims.OrgID, err, c.want)
		}
	}
	t.Run("with a client's credentials", func(t *testing.T) {
		d.refused(exitUsage, "leave out --client-id", "org", "switch", "globex", "--client-id", "release")
	})
}

// kubectl gets the ID token, or with an audience the access token, and is told when it ends.
func TestExecCredential(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	d.want("login", "--server", i.url, "--audience", "https://hub.example")
	for name, c := range map[string]struct {
		args []string
		life time.Duration
	}{"ID token": {nil, time.Hour}, "access token": {[]string{"--audience", "https://hub.example"}, 15 * time.Minute}} {
		out := d.want(append([]string{"token", "--exec-credential"}, c.args...)...)
		var got struct {
			APIVersion, Kind string
			Status           struct {
				Token               string
				ExpirationTimestamp time.Time
			}
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		left := time.Until(got.Status.ExpirationTimestamp)
		if got.APIVersion != "client.authentication.k8s.io/v1" || got.Kind != "ExecCredential" || left > c.life || left < c.life-time.Minute {
			t.Errorf("%s: got %+v with %v left, want %v", name, got, left, c.life)
		}
	}
}

// A credential is for its owner alone, and the command line says so rather than use one that others may have read.
func TestCredentialsArePrivate(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	d.want("login", "--server", i.url)
	file := filepath.Join(d.config, credentialsFile)
	for path, want := range map[string]os.FileMode{d.config: 0o700, file: 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	d.refused(exitRefused, "has mode 0640 and may have been read by others: chmod 600 it", "token")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d.config, 0o755); err != nil {
		t.Fatal(err)
	}
	d.refused(exitRefused, "chmod 700 it", "token")
	if len(i.asked) != 1 {
		t.Errorf("the credential was used: %v", i.asked)
	}
}

// Logging out removes the credential even where the server is away, and says that it was not told.
func TestLogoutWithoutTheServer(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	d.want("login", "--server", i.url)
	p := &program{out: io.Discard, err: io.Discard, environ: d.environ, config: d.config, transport: &far{}}
	if exit := p.run(context.Background(), []string{"logout"}); exit != exitUnreachable {
		t.Errorf("got exit %d, want %d", exit, exitUnreachable)
	}
	if k := d.read(); len(k.Servers) != 0 {
		t.Errorf("the credential is kept: %v", k)
	}
}

// What a flag or the environment names comes before the person.
func TestClientComesBeforeThePerson(t *testing.T) {
	t.Parallel()
	i, d := startIssuer(t), newDesk(t)
	d.want("login", "--server", i.url)
	d.environ = append(d.environ, "GATEHOUSE_ACCESS_TOKEN=given")
	i.dead["given"] = true
	d.refused(exitNotSignedIn, "The token has ended", "whoami")
	d.environ = d.environ[:1]
	d.refused(exitNotSignedIn, "no secret for client \"release\"", "whoami", "--client-id", "release")
}

// Where there is a keyring the refresh token is in it, and in no file.
func TestKeyringHasTheRefreshToken(t *testing.T) {
	keyring.MockInit()
	i, d := startIssuer(t), newDesk(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
	d.environ = nil
	d.want("login", "--server", i.url)
	text, err := os.ReadFile(filepath.Join(d.config, credentialsFile))
	if err != nil || strings.Contains(string(text), "gate_rt_") {
		t.Errorf("the file holds the refresh token, or %v", err)
	}
	d.want("token", "--organization", "acme")
	if got, err := keyring.Get(keyringService, i.url); err != nil || got != i.refresh(i.generation) {
		t.Errorf("the keyring has %q, %v, want the token that was got last", got, err)
	}
	d.want("logout")
	if _, err := keyring.Get(keyringService, i.url); err == nil {
		t.Error("the keyring still has it after the logout")
	}
}

// A QR code is drawn on light ground whatever the terminal looks like, and without colours for a dark one.
func TestQRCodeHasAFrame(t *testing.T) {
	for _, colours := range []bool{true, false} {
		lines := strings.Split(strings.TrimRight(drawQR("https://id.example/activate?user_code=BCDF-GHJK", colours), "\n"), "\n")
		first := strings.NewReplacer("\x1b[30;107m", "", "\x1b[0m", "").Replace(lines[0])[2:]
		light := "█"
		if colours {
			light = " "
		}
		if strings.ReplaceAll(first, light, "") != "" {
			t.Errorf("colours %v: the frame is %q, want light modules", colours, first)
		}
		if strings.Contains(strings.Join(lines, ""), "\x1b") != colours {
			t.Errorf("colours %v: got escapes, or none", colours)
		}
	}
}
