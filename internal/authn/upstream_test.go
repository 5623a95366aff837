package authn_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// What a provider answers may hold what we have sent it, and may be long: the log gets a line of it that has neither the code nor our
// secret (SEC-02).
func TestProvidersFaultsLeaveNoSecretsInTheLog(t *testing.T) {
	const code, secret = "code-that-nobody-may-read", "secret-that-nobody-may-read"
	for name, path := range map[string]string{"token": "/token", "github": "/login/oauth/access_token", "discovery": "/.well-known/openid-configuration"} {
		for _, status := range []int{http.StatusBadRequest, http.StatusBadGateway, http.StatusOK} {
			mux := http.NewServeMux()
			provider := httptest.NewServer(mux)
			t.Cleanup(provider.Close)
			mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				_ = r.ParseForm()
				_, _ = w.Write([]byte(strings.Repeat("<p>", 1000) + r.Form.Encode() + code + secret))
			})
			if name == "token" {
				mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					_ = json.NewEncoder(w).Encode(map[string]any{
						"issuer": provider.URL, "authorization_endpoint": provider.URL + "/authorize", "token_endpoint": provider.URL + "/token",
						"jwks_uri": provider.URL + "/jwks", "id_token_signing_alg_values_supported": []string{"RS256"},
						"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
					})
				})
			}
			c := &iam.Connector{Name: "corp", Type: iam.ConnectorOIDC, Issuer: provider.URL, ClientID: "us", Sealed: []byte("x")}
			if name == "github" {
				c.Type = iam.ConnectorGitHub
			}
			u := &authn.Upstreams{
				Issuer: "https://id.example", HTTP: provider.Client(), Now: time.Now,
				Unseal: func(string, string, []byte) ([]byte, error) { return []byte(secret), nil },
			}
			_, err := u.Complete(t.Context(), c, &authn.Trip{Verifier: "v"}, url.Values{"code": {code}}, time.Time{})
			if kind := iam.KindOf(err); kind != iam.Invalid && kind != iam.Unavailable {
				t.Fatalf("%s, %d: got %v", name, status, err)
			}
			if line := err.Error(); strings.Contains(line, "nobody-may-read") || len(line) > 500 {
				t.Errorf("%s, %d: the log gets %d bytes: %.200s", name, status, len(line), line)
			}
		}
	}
}
