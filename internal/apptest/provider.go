package apptest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The credentials by which a broker is known to a Provider and to a GitHub.
const (
	UpstreamClient = "gatehouse-at-upstream"
	UpstreamSecret = "the-secret-that-the-provider-made"
)

// A Provider is an OpenID provider in whose browser session one person is signed in, or a GitHub. It checks what a provider has to
// check: the client and its secret, the redirect URI, PKCE, and that a code is used once.
type Provider struct {
	URL string

	mu      sync.Mutex
	codes   map[string]url.Values // the requests that codes were issued for
	key     *rsa.PrivateKey
	claims  map[string]any
	sign    func(p *Provider, claims map[string]any) string
	answer  func(url.Values)
	tokens  int
	github  map[string]string // path of the API to what it answers
	present bool              // it says by iss who it is
}

// NewProvider starts an OpenID provider, which ends with the test.
func NewProvider(t testing.TB) *Provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{codes: make(map[string]url.Values), key: key, claims: make(map[string]any), present: true}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		writeJSON(w, p.claims)
	})
	p.serve(t, mux)
	return p
}

// NewGitHub starts a GitHub Enterprise Server, which ends with the test.
func NewGitHub(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{codes: make(map[string]url.Values), github: make(map[string]string)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", p.authorize)
	mux.HandleFunc("POST /login/oauth/access_token", p.token)
	mux.HandleFunc("GET /api/v3/", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		body, ok := p.github[strings.TrimPrefix(r.URL.Path, "/api/v3")]
		if !ok || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer at-") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	})
	p.serve(t, mux)
	return p
}

func (p *Provider) serve(t testing.TB, h http.Handler) {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	p.URL = server.URL
}

// Person makes somebody the one who is signed in at an OpenID provider: claims, at least sub.
func (p *Provider) Person(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = maps.Clone(claims)
}

// Account makes somebody the one who is signed in at a GitHub, with a verified address and in organizations: name and id.
func (p *Provider) Account(id int, login, email string, organizations map[string]int) {
	type org struct {
		ID    int    `json:"id"`
		Login string `json:"login"`
	}
	orgs := []org{}
	for name, id := range organizations {
		orgs = append(orgs, org{id, name})
	}
	text := func(v any) string { data, _ := json.Marshal(v); return string(data) }
	emails := []map[string]any{}
	if email != "" {
		emails = append(emails, map[string]any{"email": email, "primary": true, "verified": true})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.github = map[string]string{
		"/user": text(map[string]any{"id": id, "login": login, "name": "Person " + login}), "/user/emails": text(emails),
		"/user/orgs": text(orgs), "/user/teams": "[]",
	}
}

// Answers makes a path of a GitHub's API answer something else.
func (p *Provider) Answers(path, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.github[path] = body
}

// Sign makes the provider issue other ID tokens, such as forged ones; nil: good ones.
func (p *Provider) Sign(sign func(p *Provider, claims map[string]any) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sign = sign
}

// Return changes what the provider sends back by the browser; nil: nothing.
func (p *Provider) Return(change func(url.Values)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = change
}

// Tokens returns how many tokens the provider has issued.
func (p *Provider) Tokens() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tokens
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks",
		"userinfo_endpoint": p.URL + "/userinfo", "authorization_response_iss_parameter_supported": p.present,
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}, "response_types_supported": []string{"code"},
		"subject_types_supported": []string{"public"},
	})
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != UpstreamClient || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" {
		http.Error(w, "not a request that we take", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code := rand.Text()
	p.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	if p.present {
		back.Set("iss", p.URL)
	}
	if p.answer != nil {
		p.answer(back)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code := r.PostFormValue("code")
	asked := p.codes[code]
	delete(p.codes, code)
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if id != UpstreamClient || secret != UpstreamSecret || asked == nil || asked.Get("redirect_uri") != r.PostFormValue("redirect_uri") ||
		asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	p.tokens++
	answer := map[string]any{"access_token": "at-" + strconv.Itoa(p.tokens), "token_type": "Bearer"}
	if p.key != nil {
		now := time.Now()
		claims := map[string]any{"iss": p.URL, "aud": UpstreamClient, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "auth_time": now.Unix(), "nonce": asked.Get("nonce")}
		maps.Copy(claims, p.claims)
		if p.sign == nil {
			answer["id_token"] = p.Signed(jose.RS256, p.key, claims)
		} else {
			answer["id_token"] = p.sign(p, claims)
		}
	}
	writeJSON(w, answer)
}

// Key is what the provider signs with.
func (p *Provider) Key() *rsa.PrivateKey { return p.key }

// Signed signs claims with any algorithm and key.
func (p *Provider) Signed(alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k").WithType("JWT"))
	if err != nil {
		panic(err) // the test has named a key that the algorithm cannot use
	}
	data, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(data)
	if err != nil {
		panic(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever has gone away misses it
}
