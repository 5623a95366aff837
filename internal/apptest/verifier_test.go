package apptest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/config"
)

// A verifier decides on an access token for an audience by an issuer's key set, as an API does, with code that is not ours. It
// returns why it refuses, "" when it accepts.
type verifier func(t *testing.T, issuer, audience, token string) string

// What each verifier must say about a token: fragments of its refusal, by verifier.
type refusals struct{ goOIDC, jose string }

// A library that knows nothing of Gatehouse accepts its tokens and refuses what is none, from the key set alone.
func TestStrangersVerifyTokens(t *testing.T) {
	t.Parallel()
	long := apptest.Start(t)
	short := apptest.Start(t, apptest.Config(func(c *config.Config) { c.Tokens.DefaultLifetime = time.Second }))

	for _, alg := range []string{"ES256", "RS256"} {
		if alg != "ES256" { // the default
			a := long.Admin("PUT", "/audiences/hub", `{"identifier":"`+apptest.Audience+`","signing_alg":"`+alg+`"}`)
			if a.Status != http.StatusOK {
				t.Fatalf("audience with %s: got %v", alg, a)
			}
		}
		token, expired := long.DevToken(), short.DevToken()
		if got := headerOf(t, token)["alg"]; got != alg {
			t.Fatalf("alg of the token: got %v, want %s", got, alg)
		}
		time.Sleep(time.Until(expiryOf(t, expired).Add(100 * time.Millisecond))) // foreign code has a clock of its own
		for name, c := range map[string]struct {
			issuer, audience, token string
			want                    refusals
		}{
			"good":           {long.Issuer, apptest.Audience, token, refusals{"", ""}},
			"tampered claim": {long.Issuer, apptest.Audience, tamper(t, token), refusals{"signature", "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"}},
			"bad signature":  {long.Issuer, apptest.Audience, flip(token), refusals{"signature", "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"}},
			"unsigned":       {long.Issuer, apptest.Audience, unsigned(t, token), refusals{"", "ERR_J"}},
			"wrong audience": {long.Issuer, "https://other.example", token, refusals{"audience", `"aud"`}},
			"expired":        {short.Issuer, apptest.Audience, expired, refusals{"expired", "ERR_JWT_EXPIRED"}},
			"other issuer's": {short.Issuer, apptest.Audience, token, refusals{"", "ERR_JW"}},
		} {
			t.Run(alg+"/"+name, func(t *testing.T) {
				for _, v := range []struct {
					name   string
					verify verifier
					reason string
				}{
					{"go-oidc", byGoOIDC, c.want.goOIDC},
					{"docs/verify/node", byJose, c.want.jose},
				} {
					got := v.verify(t, c.issuer, c.audience, c.token)
					if accepted := got == ""; accepted != (name == "good") || !strings.Contains(got, v.reason) {
						t.Errorf("%s: got refusal %q, want one with %q", v.name, got, v.reason)
					}
				}
			})
		}
	}
}

// byGoOIDC verifies as docs/verify/go does; README's test runs that one.
func byGoOIDC(t *testing.T, issuer, audience, token string) string {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = provider.Verifier(&oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{"ES256", "RS256"}}).Verify(ctx, token); err != nil {
		return err.Error()
	}
	return ""
}

// byJose runs docs/verify/node.
func byJose(t *testing.T, issuer, audience, token string) string {
	out, errOut, err := command(t, nodeSample(t), token, "node", "verify.mjs", "--issuer", issuer, "--audience", audience)
	if err == nil && strings.HasPrefix(out, "accepted: valid until ") {
		return ""
	}
	reason, ok := strings.CutPrefix(errOut, "refused: ")
	if !ok {
		t.Fatalf("verify.mjs: %v: it printed neither accepted nor refused: %s%s", err, out, errOut)
	}
	return strings.TrimSpace(reason)
}

// The sample for Node takes what README's curl line prints, and says what the claims are.
func TestNodeSampleReadsTheTokenAnswer(t *testing.T) {
	t.Parallel()
	b := apptest.Start(t)
	sample := nodeSample(t)
	a := b.Post("/oauth/token", "grant_type", "client_credentials", "client_id", apptest.Client, "client_secret", b.Secret(apptest.Client))
	out, errOut, err := command(t, sample, a.Body, "node", "verify.mjs", "--issuer", b.Issuer, "--audience", apptest.Audience)
	if err != nil {
		t.Fatalf("verify.mjs: %v: %s", err, errOut)
	}
	checkAccepted(t, out)

	a = b.Post("/oauth/token", "grant_type", "client_credentials", "client_id", apptest.Client, "client_secret", "wrong")
	_, errOut, err = command(t, sample, a.Body, "node", "verify.mjs", "--issuer", b.Issuer, "--audience", apptest.Audience)
	if err == nil || !strings.Contains(errOut, "invalid_client") {
		t.Errorf("verify.mjs on a refusal: got %v %q, want that it repeats invalid_client", err, errOut)
	}
	_, errOut, err = command(t, sample, b.DevToken(), "node", "verify.mjs", "--issuer", b.Issuer)
	if err == nil || !strings.Contains(errOut, "--audience") {
		t.Errorf("verify.mjs without an audience: got %v %q, want a refusal", err, errOut)
	}
}

// nodeSample returns the folder of the sample for Node, with its library installed from the lock file.
func nodeSample(t testing.TB) string {
	t.Helper()
	return nodeFolder(t, "node")
}

// nodeFolder returns a folder of docs/verify with its packages installed from the lock file.
func nodeFolder(t testing.TB, name string) string {
	t.Helper()
	tool(t, "node", "apt-get install nodejs, or: brew install node")
	folder := filepath.Join(repository(t), "docs", "verify", name)
	installed, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json"))
	locked, lockErr := os.Stat(filepath.Join(folder, "package-lock.json"))
	if lockErr != nil {
		t.Fatal(lockErr)
	}
	if err == nil && !installed.ModTime().Before(locked.ModTime()) {
		return folder
	}
	tool(t, "npm", "apt-get install npm, or: brew install node")
	if _, errOut, err := command(t, folder, "", "npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"); err != nil {
		t.Fatalf("npm ci in docs/verify/%s: %v\n%s", name, err, errOut)
	}
	return folder
}

// request builds a request; body may be nil.
func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// segment decodes a part of a JWT.
func segment(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	decode(t, string(data), &m)
	return m
}

func headerOf(t testing.TB, token string) map[string]any { t.Helper(); return segment(t, token, 0) }
func claimsOf(t testing.TB, token string) map[string]any { t.Helper(); return segment(t, token, 1) }

func kidOf(t testing.TB, token string) string {
	t.Helper()
	kid, _ := headerOf(t, token)["kid"].(string)
	return kid
}

func expiryOf(t testing.TB, token string) time.Time {
	t.Helper()
	exp, ok := claimsOf(t, token)["exp"].(float64)
	if !ok {
		t.Fatal(errors.New("the token has no exp"))
	}
	return time.Unix(int64(exp), 0)
}

// tamper gives a token a role that was never signed.
func tamper(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(payload), `"writer"`, `"owner"`, 1)
	if changed == string(payload) {
		t.Fatalf("there is no role writer in %s", payload)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(changed))
	return strings.Join(parts, ".")
}

// flip changes one bit in the middle of the signature.
func flip(token string) string {
	start := strings.LastIndexByte(token, '.') + 1
	middle := start + (len(token)-start)/2
	other := byte('A')
	if token[middle] == other {
		other = 'B'
	}
	return token[:middle] + string(other) + token[middle+1:]
}

// unsigned is the token with the algorithm none (RFC 8725 §3.1).
func unsigned(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + "."
}
