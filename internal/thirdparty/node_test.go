package thirdparty_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

const (
	callback = "https://rp.example/callback"
	goodbye  = "https://rp.example/goodbye"
)

// found is what a script on Node says in the end.
type found struct {
	Sub      string
	Same     bool
	Person   map[string]any
	Active   bool
	Replay   string
	Replayed struct {
		First, Renewed, Refresh string
		Introspected            bool
	}
	Revoked, SignedOut string
	LoggedOut          bool
}

// onNode runs a script as an application, whose user is at a browser: the visitor.
func onNode(t *testing.T, b *apptest.Broker, v *apptest.Visitor, who apptest.Login, script string, args ...string) found {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), need(t, "node"), append([]string{script, b.Issuer}, args...)...)
	cmd.Dir, cmd.WaitDelay = packages(t), time.Second
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+b.CertFile)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var got *found
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var said struct {
			Open string
			Done *found
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			t.Fatalf("%s said %s: %v", script, lines.Text(), err)
		}
		if got = said.Done; got != nil {
			break
		}
		j := v.Travel(said.Open, who)
		if j.To == nil {
			t.Fatalf("%s: after %s the browser is left at %v", script, said.Open, j.Page)
		}
		fmt.Fprintln(in, j.To)
	}
	if err := cmd.Wait(); err != nil || got == nil {
		t.Fatalf("%s: got %v: %s", script, err, complaint.String())
	}
	return *got
}

// A web application with openid-client needs the issuer's address alone. What it does with a code twice ends all that came of the code.
func TestOpenIDClient(t *testing.T) {
	t.Parallel()
	b := apptest.StartTLS(t)
	who := b.AddPerson("ada")
	secret := b.AddClient("shop", apiv1.ClientSpec{
		GrantTypes: []string{"authorization_code", "refresh_token"}, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{goodbye},
	})
	got := onNode(t, b, b.Visitor(), who, "openid-client.mjs", "shop", secret, callback, goodbye)
	if got.Sub == "" || !got.Same || got.Person["sub"] != got.Sub || got.Person["name"] != "Ada Lovelace" || got.Person["email"] != "ada@acme.example" || !got.Active {
		t.Errorf("signed in: got %+v", got)
	}
	if got.Replay != "400 invalid_grant" || got.Replayed.First != "401 invalid_token" || got.Replayed.Renewed != "401 invalid_token" ||
		got.Replayed.Refresh != "400 invalid_grant" || got.Replayed.Introspected {
		t.Errorf("a code used twice: got %q, then %+v, want all that came of it dead", got.Replay, got.Replayed)
	}
	if got.Revoked != "400 invalid_grant" || !got.LoggedOut || !strings.Contains(got.SignedOut, "login_required") {
		t.Errorf("got revoked %q, logged out %v, then %q", got.Revoked, got.LoggedOut, got.SignedOut)
	}
}

// A public client with oauth4webapi, which leaves no check out.
func TestOAuth4WebAPI(t *testing.T) {
	t.Parallel()
	b := apptest.StartTLS(t)
	who := b.AddPerson("ada")
	b.AddClient("spa", apiv1.ClientSpec{
		TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"}, RedirectURIs: []string{callback},
	})
	got := onNode(t, b, b.Visitor(), who, "oauth4webapi.mjs", "spa", callback)
	if got.Sub == "" || got.Person["name"] != "Ada Lovelace" {
		t.Errorf("signed in: got %+v", got)
	}
	if got.Replay != "400 invalid_grant" || got.Replayed.First != "401 invalid_token" || got.Replayed.Refresh != "400 invalid_grant" {
		t.Errorf("a code used twice: got %q, then %+v, want all that came of it dead", got.Replay, got.Replayed)
	}
}

// need returns the path of a program that .ci/tools installs.
func need(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("there is no %s on this machine: run .ci/tools", name)
	}
	return path
}

// packages returns the folder of the scripts, with the packages of its lock file: .ci/tools has installed them, or the first test does.
func packages(t testing.TB) string {
	t.Helper()
	need(t, "npm")
	if err := install(); err != nil {
		t.Fatal(err)
	}
	return "node"
}

var install = sync.OnceValue(func() error {
	have, err := os.Stat(filepath.Join("node", "node_modules", ".package-lock.json"))
	want, wantErr := os.Stat(filepath.Join("node", "package-lock.json"))
	if wantErr != nil || err == nil && !have.ModTime().Before(want.ModTime()) {
		return wantErr
	}
	npm := exec.Command("npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir = "node"
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in internal/thirdparty/node: %w\n%s", err, out)
	}
	return nil
})
