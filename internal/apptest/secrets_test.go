package apptest_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// After every flow, nothing secret is in the store, the log of level debug, the metrics, or an answer that is not the one place
// where it belongs (security catalogue SEC-01, SEC-02).
func TestNothingSecretIsKeptOrTold(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		data := t.TempDir()
		noSecret(t, data, "bolt:"+filepath.Join(data, "gatehouse.db"), data)
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		redis := redistest.Start(t)
		noSecret(t, t.TempDir(), redis.URL(), redis.Dir())
	})
}

// noSecret runs the flows of a broker over a store that keeps its files in folder.
func noSecret(t *testing.T, data, store, folder string) {
	c := &canaries{}
	imported := c.add("imported secret", "canary-imported-by-apply-7Yw2kQ9s")
	file := apptest.File(t, "robot.secret", imported)
	documents := apptest.File(t, "robot.yaml", `kind: Client
metadata: {name: robot, organization: acme}
spec: {clientId: robot, audiences: [https://hub.flox.dev/api], secrets: [{name: first, fromFile: `+file+`}]}
`)
	b := apptest.Start(t, apptest.Data(data), apptest.Set("store", store), apptest.Apply(documents))
	f := &flows{Broker: b, canaries: c}
	f.tokens(t, imported)
	f.mistakes(t)
	f.administration(t)
	metrics, err := b.Try(request(t, http.MethodGet, b.Ops+"/metrics", nil))
	if err != nil || metrics.Status != http.StatusOK {
		t.Fatalf("metrics: got %v, %v", metrics, err)
	}
	f.told("metrics", metrics)
	f.told("key set", b.Get("/.well-known/jwks.json"))
	b.Stop()

	kek, err := os.ReadFile(filepath.Join(data, "kek"))
	if err != nil {
		t.Fatal(err)
	}
	c.add("key-encryption key", strings.TrimSpace(string(kek)))
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(kek))); err == nil {
		c.add("key-encryption key, raw", string(raw))
	}
	c.search(t, "log", []byte(b.Log.String()))
	for _, place := range f.answers {
		c.search(t, place.name, []byte(place.text))
	}
	if !strings.Contains(b.Log.String(), `"level":"DEBUG"`) && !strings.Contains(b.Log.String(), "/oauth/token") {
		t.Error("the log has no request: this test sees nothing")
	}
	size := 0
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".secret") || entry.Name() == "kek" {
			return err // the files that hold secrets for their owner
		}
		content, err := os.ReadFile(path)
		size += len(content)
		c.search(t, "store file "+entry.Name(), content)
		if bytes.Contains(content, []byte(`robot`)) {
			size += 1 << 30 // the records are there to be searched
		}
		return err
	})
	if err != nil || size < 1<<30 {
		t.Errorf("the store's files: %v: the records are not where this test looks", err)
	}
}

// flows are a broker's flows. Answers that show a secret to the one who is meant to see it are not noted.
type flows struct {
	*apptest.Broker
	*canaries
	answers []place
}

type place struct{ name, text string }

func (f *flows) told(name string, a apptest.Answer) apptest.Answer {
	var text strings.Builder
	_ = a.Header.Write(&text)
	f.answers = append(f.answers, place{"answer of " + name, text.String() + a.Body})
	return a
}

// token fetches one and takes its signature for a canary: with that part of it known, the rest is public.
func (f *flows) token(client, secret string, pairs ...string) string {
	token := f.Token(client, secret, pairs...)
	f.add("token", token[strings.LastIndexByte(token, '.')+1:])
	return token
}

func (f *flows) tokens(t *testing.T, imported string) {
	dev := f.add("secret of dev-client", f.Secret(apptest.Client))
	f.add("secret of operator", f.Secret(apptest.Operator))
	f.token("robot", imported)
	token := f.token(apptest.Client, dev, "audience", apptest.Audience)

	basic := f.Form("/oauth/token", "grant_type", "client_credentials")
	basic.SetBasicAuth(apptest.Client, dev)
	f.add("Authorization", strings.TrimPrefix(basic.Header.Get("Authorization"), "Basic "))
	if a := f.Do(basic); a.Status != http.StatusOK {
		t.Errorf("basic: got %v", a)
	}
	f.told("introspect", f.Post("/oauth/introspect", "client_id", apptest.Client, "client_secret", dev, "token", token))
	f.told("revoke", f.Post("/oauth/revoke", "client_id", apptest.Client, "client_secret", dev, "token", token))
	f.told("introspect again", f.Post("/oauth/introspect", "client_id", apptest.Client, "client_secret", dev, "token", token))
}

// mistakes are those that clients make with secrets in their hands.
func (f *flows) mistakes(t *testing.T) {
	wrong := f.add("wrong secret", "canary-wrong-secret-3Jd8Lm5x")
	right, token := f.Secret(apptest.Client), f.token(apptest.Client, f.Secret(apptest.Client))
	grant := []string{"grant_type", "client_credentials"}
	f.told("wrong secret", f.Post("/oauth/token", append(grant, "client_id", apptest.Client, "client_secret", wrong)...))
	f.told("unknown client", f.Post("/oauth/token", append(grant, "client_id", "nobody", "client_secret", wrong)...))
	f.told("secret twice", f.Post("/oauth/token", append(grant, "client_id", apptest.Client, "client_secret", right, "client_secret", wrong)...))
	f.told("unknown audience", f.Post("/oauth/token", append(grant, "client_id", apptest.Client, "client_secret", right, "audience", "https://nobody.example")...))
	f.told("secret in the query", f.Post("/oauth/token?client_secret="+right, append(grant, "client_id", apptest.Client)...))
	f.told("token in the query", f.Get("/oauth/introspect?token="+token))
	f.told("secret in the path", f.Get("/oauth/"+wrong))
	f.told("wrong secret at introspection", f.Post("/oauth/introspect", "client_id", apptest.Client, "client_secret", wrong, "token", token))
	f.told("token cut short", f.Post("/oauth/introspect", "client_id", apptest.Client, "client_secret", right, "token", token[1:]))

	asJSON := request(t, http.MethodPost, f.URL+"/oauth/token", strings.NewReader(`{"client_secret":"`+right+`"}`))
	asJSON.Header.Set("Content-Type", "application/json")
	f.told("form as JSON", f.Do(asJSON))
	broken := f.Form("/oauth/token", grant...)
	broken.Header.Set("Authorization", "Basic "+wrong)
	f.told("broken Authorization", f.Do(broken))
	for _, bearer := range []string{token, token[:len(token)-4] + "AAAA", wrong} {
		r := request(t, http.MethodGet, f.URL+"/api/v1/whoami", nil)
		r.Header.Set("Authorization", "Bearer "+bearer)
		f.told("bearer at the admin API", f.Do(r))
	}
}

// administration makes, changes and removes clients.
func (f *flows) administration(t *testing.T) {
	api := f.API()
	bearer, err := api.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.add("operator's token", bearer[strings.LastIndexByte(bearer, '.')+1:])
	made, err := api.CreateClient(t.Context(), apiv1.NewClient{
		Name: "made", Organization: "acme", ClientSpec: apiv1.ClientSpec{ClientID: "made", Audiences: []string{apptest.Audience}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.add("generated secret", made.Secret.Value)
	soon := apiv1.Duration(time.Hour)
	rotated, err := api.RotateSecret(t.Context(), "made", apiv1.SecretRotation{ExpireOldAfter: &soon})
	if err != nil {
		t.Fatal(err)
	}
	f.add("rotated secret", rotated.Value)
	chosen := f.add("imported secret by rotation", "canary-imported-by-rotation-Q2v9")
	if _, err := api.RotateSecret(t.Context(), "made", apiv1.SecretRotation{Name: "chosen", Value: chosen}); err != nil {
		t.Fatal(err)
	}
	f.token("made", chosen)
	f.told("client", f.Admin("GET", "/clients/made", ""))
	f.told("secrets", f.Admin("GET", "/clients/made/secrets", ""))
	f.told("clients", f.Admin("GET", "/organizations/acme/clients", ""))
	f.told("keys", f.Admin("GET", "/keys", ""))
	f.told("secret named twice", f.Admin("POST", "/clients/made/secrets", `{"name":"chosen","value":"`+chosen+`"}`))
	f.told("unknown field", f.Admin("POST", "/clients", `{"name":"x","secretz":[{"value":"`+chosen+`"}]}`))
	f.told("wrong type", f.Admin("POST", "/clients", `{"name":"x","secrets":"`+chosen+`"}`))
	f.told("broken JSON", f.Admin("POST", "/clients", `{"name":"x","secrets":[{"value":"`+chosen))
	f.told("rotation of keys", f.Admin("POST", "/keys", `{"alg":"RS256"}`))
	if a := f.Admin("DELETE", "/clients/made", ""); a.Status >= 300 {
		t.Errorf("delete: got %v", a)
	}
}

// canaries are what must show nowhere.
type canaries struct {
	needles []needle
}

type needle struct {
	name string
	text []byte
}

// add takes a value, as it is and inside a base64 text, and returns it.
func (c *canaries) add(name, value string) string {
	c.needles = append(c.needles, needle{name, []byte(value)})
	for shift := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString(append(make([]byte, shift), value...))
			text = text[[]int{0, 2, 3}[shift]:] // what depends on what stands before
			if (shift+len(value))%3 != 0 {
				text = text[:len(text)-1] // and after
			}
			c.needles = append(c.needles, needle{name + " in base64", []byte(text)})
		}
	}
	return value
}

// private is what every private key has in it, in whatever form.
var private = []needle{
	{"private key in PEM", []byte("PRIVATE KEY")},
	{"private JWK", []byte(`"d":`)},
	{"private EC key in DER", []byte("\x30\x6b\x02\x01\x01\x04\x20")}, // RFC 5915: version 1, 32 bytes
	{"private RSA key in DER", []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04\x82")},
}

func (c *canaries) search(t testing.TB, where string, haystack []byte) {
	t.Helper()
	for _, list := range [][]needle{c.needles, private} {
		for _, n := range list {
			if at := bytes.Index(haystack, n.text); at >= 0 {
				t.Errorf("%s has the %s: …%.80q", where, n.name, haystack[max(0, at-60):at])
			}
		}
	}
}

// What is wrong with a configuration is said without the secrets in it.
func TestConfigurationFaultsShowNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "canaryInTheConfiguration5Tq1"
	address := apptest.FreeAddress(t)
	for name, c := range map[string]struct {
		env  string
		args []string
	}{
		"unreachable Redis":          {"GATEHOUSE_STORE=redis://user:" + canary + "@" + address, []string{"serve", "--dev"}},
		"bad port":                   {"GATEHOUSE_STORE=redis://user:" + canary + "@127.0.0.1:port", []string{"serve", "--dev"}},
		"unknown kind of store":      {"GATEHOUSE_STORE=mysql://user:" + canary + "@127.0.0.1", []string{"serve", "--dev"}},
		"unescaped password":         {"GATEHOUSE_STORE=redis://user:" + canary + "?x@127.0.0.1:1", []string{"serve", "--dev"}},
		"no key-encryption key":      {"GATEHOUSE_KEYS_KEK=" + canary, []string{"serve", "--dev"}},
		"key for the name of a file": {"GATEHOUSE_KEYS_KEK_FILE=" + strings.TrimSpace(kek(canary)), []string{"serve"}},
		"printed":                    {"GATEHOUSE_STORE=redis://user:" + canary + "@" + address, []string{"config", "print"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t).production()
			if c.args[len(c.args)-1] == "--dev" {
				delete(s.environment, "GATEHOUSE_ISSUER")
			}
			if strings.HasPrefix(c.env, "GATEHOUSE_KEYS_KEK=") {
				delete(s.environment, "GATEHOUSE_KEYS_KEK_FILE")
			}
			s.set(c.env)
			r := s.run(c.args...)
			if fails := r.code != 0; fails == (c.args[0] == "config") {
				t.Errorf("%q: got exit code %d: %s", c.args, r.code, r.errors)
			}
			for _, secret := range []string{canary, strings.TrimSpace(kek(canary))} {
				if strings.Contains(r.out+r.errors, secret) {
					t.Errorf("%q with %s shows the secret: %s%s", c.args, name, r.out, r.errors)
				}
			}
		})
	}
}
