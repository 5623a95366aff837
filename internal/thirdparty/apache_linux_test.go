package thirdparty_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// patience is how long another process may take, which has no clock of ours; nobody waits it out.
const patience = 30 * time.Second

// apacheConfig is a whole configuration around what docs/sign-in.md says to write.
var apacheConfig = template.Must(template.New("httpd.conf").Parse(`
ServerRoot {{.Dir}}
PidFile {{.Dir}}/httpd.pid
ServerName 127.0.0.1
Listen {{.Address}}
ErrorLog {{.Dir}}/error.log
User www-data
Group www-data
{{range .Modules}}LoadModule {{.}}_module {{$.ModuleDir}}/mod_{{.}}.so
{{end}}
DocumentRoot {{.Dir}}/pages
<Directory {{.Dir}}/pages>
  Options +Includes
  SetOutputFilter INCLUDES
  ForceType text/html
</Directory>

{{.Documented}}
OIDCCABundlePath {{.Dir}}/issuer.crt
OIDCDefaultLoggedOutURL {{.Site}}/goodbye.html
OIDCResponseMode {{.Mode}}
<Location /protected/engineers>
  Require claim groups:engineers
</Location>
<Location /protected/sales>
  Require claim groups:sales
</Location>
`))

const (
	whoPage     = `<!doctype html><title>Wiki</title><p id="user"><!--#echo var="REMOTE_USER" --></p><p id="roles"><!--#echo var="OIDC_CLAIM_roles" --></p><p id="groups"><!--#echo var="OIDC_CLAIM_groups" --></p><p id="email"><!--#echo var="OIDC_CLAIM_email" --></p>`
	goodbyePage = `<!doctype html><title>Goodbye</title><p>See you`
)

// apache starts an Apache at an address, whose pages below /protected are for people who sign in at a broker.
func apache(t *testing.T, b *apptest.Broker, address, secret, mode string) {
	t.Helper()
	program := need(t, "apache2")
	modules := "/usr/lib/apache2/modules"
	if _, err := os.Stat(filepath.Join(modules, "mod_auth_openidc.so")); err != nil {
		t.Fatal("there is no mod_auth_openidc on this machine: run .ci/tools")
	}
	// The processes that answer have given up the rights of whoever runs the test, and must get into its folder.
	dir := t.TempDir()
	for _, folder := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := os.ReadFile(b.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"issuer.crt": string(certificate), "pages/goodbye.html": goodbyePage, "pages/protected/who.html": whoPage,
		"pages/protected/engineers/who.html": whoPage, "pages/protected/sales/who.html": whoPage, "passphrase": rand.Text(),
	}
	site := "http://" + address
	var config bytes.Buffer
	if err := apacheConfig.Execute(&config, map[string]any{
		"Dir": dir, "Address": address, "Site": site, "Mode": mode, "ModuleDir": modules,
		"Documented": strings.NewReplacer("https://id.example", b.Issuer, "https://app.example", site, "/etc/apache2", dir).Replace(documented(t)),
		"Modules":    []string{"mpm_event", "authn_core", "authz_core", "authz_user", "include", "auth_openidc"},
	}); err != nil {
		t.Fatal(err)
	}
	files["httpd.conf"] = config.String()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	var out bytes.Buffer
	cmd := exec.Command(program, "-f", filepath.Join(dir, "httpd.conf"), "-D", "FOREGROUND")
	cmd.Env = append(os.Environ(), "SHOP_SECRET="+secret)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("apache: %s%s", out.String(), log)
		}
	})
	await(t, "Apache", func() bool {
		select {
		case <-ended:
			t.Fatalf("apache ended: %s", out.String())
		default:
		}
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// documented returns the lines that docs/sign-in.md says to write.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/sign-in.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "### mod_auth_openidc\n")
	_, section, _ = strings.Cut(section, "```\n")
	lines, _, ok := strings.Cut(section, "```\n")
	if !ok {
		t.Fatal("docs/sign-in.md has no lines for mod_auth_openidc")
	}
	return lines
}

// await waits until something holds that another process brings about.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-every.C:
		case <-deadline.C:
			t.Fatalf("waited for %s", what)
		}
	}
}

// Apache with mod_auth_openidc protects pages by what docs/sign-in.md says to write: whoever opens one signs in at the broker in a real
// browser, without scripts where the answer comes by the address, and is then known by id, let in by role and groups to some pages and
// not to others, until signing out there or at the broker.
func TestApacheSignsIn(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := apptest.StartTLS(t)
			who := b.AddPerson("ada")
			b.AddPerson("bob")
			api, ctx := b.API(), t.Context()
			ada, err := api.GetUser(ctx, "ada")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := api.CreateOrganization(ctx, apiv1.NewNode{
				Name: "globex", NodeSpec: apiv1.NodeSpec{DisplayName: "Globex", Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: "bob", Role: "owner"}, {User: "ada", Role: "writer"}},
			}); err != nil {
				t.Fatal(err)
			}
			if _, err := api.CreateGroup(ctx, "globex", apiv1.NewGroup{Name: "engineers", GroupSpec: apiv1.GroupSpec{Members: []string{"ada"}}}); err != nil {
				t.Fatal(err)
			}
			address := apptest.FreeAddress(t)
			site := "http://" + address
			secret := b.AddClient("shop", apiv1.ClientSpec{
				RedirectURIs: []string{site + "/protected/redirect_uri"}, PostLogoutRedirectURIs: []string{site + "/goodbye.html"}, OrganizationChoice: "required",
				BackchannelLogoutURI: site + "/protected/redirect_uri?logout=backchannel",
			})
			apache(t, b, address, secret, mode)

			tab := apptest.Browser(t)
			tab.Scripts(mode != "query")
			signIn := func() {
				t.Helper()
				tab.Go(site + "/protected/who.html")
				if at := tab.URL(); !strings.HasPrefix(at, b.Issuer+"/login") {
					t.Fatalf("a page for people who are signed in led to %s, want to sign in at the broker", at)
				}
				tab.Fill("username", who.Name)
				tab.Fill("password", who.Password)
				tab.Click("login-submit")
			}
			signIn()
			tab.Click("consent-accept")
			tab.Await(site)
			if got, want := tab.Text(), ada.ID+"\n\nwriter\n\nengineers\n\nada@acme.example"; got != want {
				t.Fatalf("the page: got %q at %s, want %q", got, tab.URL(), want)
			}
			for page, want := range map[string]int{"engineers": 200, "sales": 401} {
				if tab.Go(fmt.Sprintf("%s/protected/%s/who.html", site, page)); tab.Status() != want {
					t.Errorf("the page of %s: got %d, want %d", page, tab.Status(), want)
				}
			}

			tab.Go(site + "/protected/redirect_uri?logout=" + site + "/goodbye.html")
			tab.Await(site + "/goodbye.html")
			signIn()
			tab.Await(site)

			// Signing out at the broker ends the session that Apache keeps: it is told behind the browser's back.
			tab.Go(b.Issuer + "/oidc/logout")
			tab.Click("logout-confirm")
			await(t, "Apache to be told", func() bool {
				tab.Go(site + "/protected/who.html")
				return strings.HasPrefix(tab.URL(), b.Issuer+"/login")
			})
		})
	}
}
