package authserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/authserver"
	"github.com/gatehouse-id/gatehouse/internal/clientauth"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/kv/rediskv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/keys"
)

const (
	peopleIssuer = "https://id.example"
	redirectURI  = "https://app.example/callback"
	appOrigin    = "https://app.example"
	verifier     = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	webSecret    = "web-secret-0123456789abcdef0123456789abcdef"
)

// A realm is the OAuth endpoints at one or more replicas over one store: ann, who is a writer in acme and an owner in beta, and the
// clients spa (public), cli (public, switches organizations), web (confidential) and api (a resource server). Its clock can be
// moved on.
type realm struct {
	t        *testing.T
	replicas []*replica
	handles  *token.Handles
	lives    authserver.Lives
	ring     *keys.Ring
	hasher   *secret.Hasher
	budget   time.Duration
	ahead    atomic.Int64
	stands   time.Time // where the clock stands still, unless it is moved on; zero: it goes
}

type replica struct {
	realm  *realm
	url    string
	engine *faulty
	store  *store.Store
	revoke func(context.Context, iam.RevocationRef) error
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newSite(t *testing.T) *realm {
	t.Helper()
	s := &realm{
		t: t, handles: &token.Handles{Key: []byte("0123456789abcdef0123456789abcdef")}, budget: 5 * time.Second,
		lives: authserver.Lives{
			Code: time.Minute, RefreshIdle: time.Hour, RefreshWhole: 3 * time.Hour, RefreshGrace: 10 * time.Second, IDToken: time.Hour,
		},
	}
	var err error
	s.hasher, err = secret.NewHasher(make([]byte, secret.PepperSize), 0)
	must(t, err)
	at := time.Now().Add(-time.Hour)
	changes, _ := keys.Plan(nil, []keys.Alg{keys.ES256, keys.RS256}, keys.DefaultPolicy(), at)
	all, _, err := keys.Apply(nil, changes, at)
	must(t, err)
	s.ring, err = keys.NewRing(all)
	must(t, err)
	return s
}

// embedded is a realm of one replica over the embedded store.
func embedded(t *testing.T, changes ...func(*realm)) *realm {
	t.Helper()
	s := newSite(t)
	for _, change := range changes {
		change(s)
	}
	engine, err := boltkv.Open(filepath.Join(t.TempDir(), "gatehouse.db"), boltkv.Options{})
	must(t, err)
	s.add(engine)
	s.seed()
	return s
}

// replicated is a realm of several replicas over one Redis.
func replicated(t *testing.T, n int, changes ...func(*realm)) *realm {
	t.Helper()
	s, redis := newSite(t), redistest.Start(t)
	for _, change := range changes {
		change(s)
	}
	for range n {
		c, err := rediskv.ParseURL(redis.URL())
		must(t, err)
		engine, err := rediskv.Open(t.Context(), c)
		must(t, err)
		s.add(engine)
		if len(s.replicas) == 1 {
			s.seed() // before the others begin, so that they know
		}
	}
	return s
}

func (s *realm) now() time.Time {
	now := s.stands
	if now.IsZero() {
		now = time.Now()
	}
	return now.Add(time.Duration(s.ahead.Load()))
}

func (s *realm) pass(d time.Duration) { s.ahead.Add(int64(d)) }

func (s *realm) add(engine kv.Store) {
	s.t.Helper()
	r := &replica{realm: s, engine: &faulty{Store: engine}}
	r.store = store.New(r.engine, store.Options{Lease: 2 * time.Second, Budget: s.budget, CacheEntries: 1000, Now: s.now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		r.store.Run(ctx, func() { close(ready) })
	}()
	s.t.Cleanup(func() { cancel(); <-done; must(s.t, engine.Close()) })
	<-ready
	ring := func() *keys.Ring { return s.ring }
	models := &directory.Models{Store: r.store}
	server := &authserver.Server{
		Issuer: peopleIssuer, Handles: s.handles, Grants: r.store, Lives: s.lives, Algorithms: []keys.Alg{keys.ES256, keys.RS256}, JWKSMaxAge: time.Minute,
		Clients: &clientauth.Authenticator{Directory: r.store, Secrets: s.hasher, Failures: clientauth.NewFailures(), Now: time.Now},
		Policy: &token.Policy{
			Issuer: peopleIssuer, Directory: r.store, DefaultLifetime: iam.DefaultTokenLifetime, Model: models.Named,
			Facts:    func(ctx context.Context) token.Facts { return r.store.Facts(ctx) },
			Revision: func() uint64 { return uint64(r.store.Revision()) }, IssuedAfter: r.store.IssuedAfter, Now: s.now,
		},
		Tokens: &token.Issuer{Issuer: peopleIssuer, Ring: ring, Now: s.now},
		Inspector: &token.Inspector{
			Issuer: peopleIssuer, Ring: ring, Revocations: r.store, Directory: r.store, Now: s.now, Refresh: func(context.Context) error { return nil },
		},
		Origin: func(ctx context.Context, origin string) bool {
			listed, err := r.store.OriginListed(ctx, origin)
			return err == nil && listed
		},
		TokenLimit: web.NewLimiterOf("token", 8, 256, time.Minute), InspectLimit: web.NewLimiterOf("inspect", 8, 256, time.Minute),
	}
	server.People = &authn.Sessions{Counts: func(ctx context.Context, connector string, at time.Time) (bool, error) {
		c, err := r.store.Connector(ctx, connector)
		return err == nil && c.Counts(at, s.now()), err
	}}
	server.Revoker = &token.Revoker{
		Inspector: server.Inspector, Marks: r.store, MaxLifetime: iam.MaxTokenLifetime, MaxGrant: s.lives.RefreshWhole, ClockSkew: time.Minute, Now: s.now,
	}
	r.revoke = server.Revoker.All
	routes, err := server.Routes()
	must(s.t, err)
	router, err := web.NewRouter(web.RouterConfig{Log: slog.DiscardHandler, Metrics: web.NewMetrics()}, routes...)
	must(s.t, err)
	ts := httptest.NewServer(router)
	s.t.Cleanup(ts.Close)
	r.url = ts.URL
	s.replicas = append(s.replicas, r)
}

func (s *realm) seed() {
	s.t.Helper()
	hash, err := s.hasher.Hash(s.t.Context(), webSecret)
	must(s.t, err)
	people := []iam.GrantType{iam.GrantAuthorizationCode, iam.GrantRefreshToken}
	client := func(id iam.ClientID, change func(*iam.Client)) *iam.Client {
		c := &iam.Client{
			ID: id, Name: string(id), AuthMethod: iam.AuthNone, GrantTypes: people, Audiences: []string{hub, other},
			RedirectURIs: []string{redirectURI}, Web: &iam.WebClient{AllowedOrigins: []string{appOrigin}},
		}
		change(c)
		return c
	}
	confidential := func(c *iam.Client) {
		c.AuthMethod, c.Secrets = iam.AuthPost, []iam.Secret{{ID: "s_" + iam.SecretID(c.ID), Name: "s", Hash: hash}}
	}
	s.update(func(tx *store.Tx) error {
		return errors.Join(
			tx.PutUser(&iam.User{ID: "u_ann", Name: "ann", Email: "ann@acme.example", EmailVerified: true, ProfileChangedAt: time.Unix(1772368200, 0), Claims: map[string]any{
				"name": "Ann Example", "phone_number": "+41 1 234", "address": map[string]any{"country": "CH"},
			}}),
			tx.PutAudience(&iam.Audience{Identifier: hub, Name: "hub", Scopes: []string{"read", "write"}, ResourceServers: []iam.ClientID{"api"}}),
			tx.PutAudience(&iam.Audience{Identifier: other, Name: "other", Scopes: []string{"read", "write"}}),
			tx.PutNode(&iam.Node{ID: "n_acme", Level: iam.LevelOrganization, Name: "acme", Model: "floxhub"}),
			tx.PutNode(&iam.Node{ID: "n_beta", Level: iam.LevelOrganization, Name: "beta", Model: "floxhub"}),
			tx.Assign("n_acme", iam.UserID("u_ann").Subject(), []iam.RoleID{"writer"}),
			tx.Assign("n_beta", iam.UserID("u_ann").Subject(), []iam.RoleID{"owner"}),
			tx.PutClient(client("spa", func(*iam.Client) {})),
			tx.PutClient(client("cli", func(c *iam.Client) { c.Web.OrganizationSwitch = true })),
			tx.PutClient(client("web", confidential)),
			tx.PutClient(client("api", func(c *iam.Client) {
				confidential(c)
				c.GrantTypes, c.Web = []iam.GrantType{iam.GrantClientCredentials}, nil
			})),
		)
	})
}

// update changes the store by the first replica.
func (s *realm) update(fn func(tx *store.Tx) error) {
	s.t.Helper()
	must(s.t, s.replicas[0].store.Update(context.Background(), fn))
}

// client changes a client.
func (s *realm) client(id iam.ClientID, change func(*iam.Client)) {
	s.t.Helper()
	s.update(func(tx *store.Tx) error {
		c, err := tx.Client(id)
		if err != nil {
			return err
		}
		change(c)
		return tx.PutClient(c)
	})
}

// code has ann allow a client what change says, and returns the authorization code.
func (s *realm) code(client iam.ClientID, changes ...func(*iam.Grant)) string {
	s.t.Helper()
	now := s.now()
	g := &iam.Grant{
		ID: token.NewGrantID(), Client: client, User: "u_ann", CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute),
		Scopes: []string{"openid", "offline_access", "read", "write"}, Audiences: []string{hub}, Organization: "n_acme", Nonce: "n-1",
		AuthTime: now.Add(-time.Minute), ACR: "1", AMR: []string{"pwd"}, SessionID: "sid_1",
		Code: &iam.CodeGrant{RedirectURI: redirectURI, Challenge: challenge, ExpiresAt: now.Add(time.Minute)},
	}
	for _, change := range changes {
		change(g)
	}
	must(s.t, s.replicas[0].store.CreateGrant(context.Background(), g))
	return s.handles.Code(g.ID)
}

// scopes is a change of code.
func scopes(list ...string) func(*iam.Grant) { return func(g *iam.Grant) { g.Scopes = list } }

// post sends a form: name, value, and of two with one name the last, "" for none.
func (r *replica) post(path string, pairs ...string) apptest.Answer {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	request, err := http.NewRequest(http.MethodPost, r.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(request)
}

func do(request *http.Request) apptest.Answer {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return apptest.Answer{Body: err.Error()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return apptest.Answer{Body: err.Error()}
	}
	return apptest.Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)}
}

// redeem redeems a code of spa.
func (r *replica) redeem(code string, changes ...string) apptest.Answer {
	return r.post("/oauth/token", append([]string{
		"grant_type", "authorization_code", "client_id", "spa", "code", code, "redirect_uri", redirectURI, "code_verifier", verifier,
	}, changes...)...)
}

// refresh uses a refresh token of spa.
func (r *replica) refresh(value string, changes ...string) apptest.Answer {
	return r.post("/oauth/token", append([]string{"grant_type", "refresh_token", "client_id", "spa", "refresh_token", value}, changes...)...)
}

// active asks the resource server's question about an access token.
func (r *replica) active(access string) bool {
	r.realm.t.Helper()
	a := r.post("/oauth/introspect", "client_id", "api", "client_secret", webSecret, "token", access)
	return a.JSON(r.realm.t)["active"] == true
}

// userinfo sends GET /userinfo with a bearer token.
func (r *replica) userinfo(bearer string, header ...string) apptest.Answer {
	request, err := http.NewRequest(http.MethodGet, r.url+"/userinfo", nil)
	if err != nil {
		panic(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return do(request)
}

// tokens is the answer of the token endpoint.
type tokens struct {
	Access    string `json:"access_token"`
	ID        string `json:"id_token"`
	Refresh   string `json:"refresh_token"`
	Scope     string `json:"scope"`
	ExpiresIn int    `json:"expires_in"`
}

func issued(t testing.TB, a apptest.Answer) tokens {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatalf("got %s, want tokens", a)
	}
	var out tokens
	must(t, json.Unmarshal([]byte(a.Body), &out))
	return out
}

// faulty is an engine that answers as before, applies as refused says: nil does nothing.
type faulty struct {
	kv.Store
	// refuse is asked before a transaction is applied, lose after: an error is what the caller gets.
	refuse, lose atomic.Pointer[func(u kv.Unit) error]
	// unread is asked before a read.
	unread atomic.Pointer[func(u kv.Unit) error]
}

func send(p *atomic.Pointer[func(u kv.Unit) error], u kv.Unit) error {
	if fn := p.Load(); fn != nil {
		return (*fn)(u)
	}
	return nil
}

func (f *faulty) Apply(ctx context.Context, u kv.Unit, tx kv.Tx) (kv.Result, error) {
	if err := send(&f.refuse, u); err != nil {
		return kv.Result{}, err
	}
	result, err := f.Store.Apply(ctx, u, tx)
	if fault := send(&f.lose, u); fault != nil {
		return kv.Result{}, fault
	}
	return result, err
}

func (f *faulty) Get(ctx context.Context, u kv.Unit, k ...kv.Key) ([]kv.Item, error) {
	if err := send(&f.unread, u); err != nil {
		return nil, err
	}
	return f.Store.Get(ctx, u, k...)
}

// ofUnit says err for the units whose name begins like this.
func ofUnit(prefix string, err error) *func(kv.Unit) error {
	fn := func(u kv.Unit) error {
		if strings.HasPrefix(string(u), prefix) {
			return err
		}
		return nil
	}
	return &fn
}
