package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/adminapi"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/keys"
)

const issuer = "http://127.0.0.1:8080"

// A broker is the admin API over an embedded store, with three clients: operator, auditor, and stranger, who may ask for the
// audience of the API and has no platform role.
type broker struct {
	t         testing.TB
	url       string
	routes    []web.Route
	store     *store.Store
	hasher    *secret.Hasher
	directory *directory.Service
	refusals  *adminapi.Refusals
	policy    *token.Policy
	issuer    *token.Issuer
	inspector *token.Inspector
	log       *buffer
	engine    *crashing
	stopped   atomic.Pointer[time.Time] // what the store and the directory take for now; nil: the time of day

	mu     sync.Mutex
	tokens map[string]string
}

func start(t testing.TB) *broker {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &broker{t: t, log: &buffer{}, tokens: make(map[string]string)}
	engine, err := boltkv.Open(filepath.Join(t.TempDir(), "gatehouse.db"), boltkv.Options{})
	check(t, err)
	b.engine = &crashing{Store: engine, wrote: make(map[string]bool)}
	b.engine.left.Store(-1)
	b.store = store.New(b.engine, store.Options{Lease: 2 * time.Second, Budget: 5 * time.Second, CacheEntries: 10_000, Now: b.now, Log: slog.New(slog.DiscardHandler)})
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		b.store.Run(ctx, func() { close(ready) })
	}()
	t.Cleanup(func() { cancel(); <-done; check(t, engine.Close()) })
	<-ready

	b.hasher, err = secret.NewHasher(make([]byte, secret.PepperSize), 0)
	check(t, err)
	now := time.Now()
	changes, _ := keys.Plan(nil, []keys.Alg{keys.ES256}, keys.DefaultPolicy(), now)
	all, _, err := keys.Apply(nil, changes, now)
	check(t, err)
	ring, err := keys.NewRing(all)
	check(t, err)
	models := &directory.Models{Store: b.store}
	b.inspector = &token.Inspector{Issuer: issuer, Ring: func() *keys.Ring { return ring }, Revocations: b.store, Directory: b.store, Now: time.Now}
	b.issuer = &token.Issuer{Issuer: issuer, Ring: b.inspector.Ring, Now: time.Now}
	b.policy = &token.Policy{
		Issuer: issuer, Directory: b.store, DefaultLifetime: iam.DefaultTokenLifetime, Model: models.Named,
		Facts:    func(ctx context.Context) token.Facts { return b.store.Facts(ctx) },
		Revision: func() uint64 { return uint64(b.store.Revision()) }, IssuedAfter: b.store.IssuedAfter, Now: time.Now,
	}
	revoker := &token.Revoker{Inspector: b.inspector, Marks: b.store, MaxLifetime: iam.MaxTokenLifetime, ClockSkew: time.Minute, Now: time.Now}
	endings := &authn.Endings{Store: b.store, Mark: revoker.All, Noticed: func() {}, Idle: 24 * time.Hour, Now: time.Now}
	auditKey, err := b.hasher.Derive(audit.KeyLabel)
	check(t, err)
	sealer, err := keys.NewSealer(keys.NewSecret())
	check(t, err)
	b.directory = &directory.Service{
		Store: b.store, Secrets: b.hasher, Audit: auditKey, Models: models, Algorithms: []keys.Alg{keys.ES256, keys.RS256}, Issuer: issuer, Now: b.now,
		Revoke: endings.Everything, Sealer: sealer,
	}
	b.refusals = &adminapi.Refusals{Directory: b.directory, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	server := &adminapi.Server{
		Issuer: issuer, Directory: b.directory, Store: b.store, Inspector: b.inspector, Revoker: revoker, Endings: endings,
		Keys: &ringKeys{all: all, revoke: revoker.All}, Limit: web.NewLimiterOf("admin", 8, 256, time.Minute), Sealer: sealer,
		Refusals: b.refusals,
		Letters:  &authn.Letters{Links: &authn.Links{Store: b.store, Issuer: issuer, Now: b.now}, Tallies: b.store, Now: b.now},
	}
	b.routes, err = server.Routes()
	check(t, err)
	router, err := web.NewRouter(web.RouterConfig{Log: slog.NewJSONHandler(b.log, nil), Metrics: web.NewMetrics()}, b.routes...)
	check(t, err)
	ts := httptest.NewServer(router)
	t.Cleanup(ts.Close)
	b.url = ts.URL
	t.Cleanup(b.account)
	b.seed(ctx)
	return b
}

func (b *broker) now() time.Time {
	if at := b.stopped.Load(); at != nil {
		return *at
	}
	return time.Now()
}

func (b *broker) seed(ctx context.Context) {
	b.t.Helper()
	check(b.t, b.store.Update(ctx, func(tx *store.Tx) error {
		var errs []error
		for id, role := range map[iam.ClientID]iam.PlatformRole{"operator": iam.Operator, "auditor": iam.Auditor, "stranger": ""} {
			errs = append(errs, tx.PutClient(&iam.Client{
				ID: id, Name: string(id), PlatformRole: role, AuthMethod: iam.AuthBasic,
				GrantTypes: []iam.GrantType{iam.GrantClientCredentials}, Audiences: []string{token.AdminAudience(issuer)},
			}))
		}
		return errors.Join(errs...)
	}))
}

// A crashing engine writes a number of transactions of the directory and then no more, as if the process had ended there. It
// remembers which collections were written.
type crashing struct {
	kv.Store
	left atomic.Int64 // negative: it does not crash

	mu    sync.Mutex
	wrote map[string]bool
}

// written returns the collections that were written since it was last called, sorted.
func (e *crashing) written() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := slices.Sorted(maps.Keys(e.wrote))
	clear(e.wrote)
	return out
}

func (e *crashing) note(tx kv.Tx) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range tx.Puts {
		e.wrote[p.Key.Coll.Name] = true
	}
	for _, k := range tx.Deletes {
		e.wrote[k.Coll.Name] = true
	}
}

var errCrash = errors.New("the process has ended")

func (e *crashing) Apply(ctx context.Context, u kv.Unit, tx kv.Tx) (kv.Result, error) {
	for {
		left := e.left.Load()
		if left == 0 {
			return kv.Result{}, errCrash
		}
		if left < 0 || e.left.CompareAndSwap(left, left-1) {
			e.note(tx)
			return e.Store.Apply(ctx, u, tx)
		}
	}
}

// ringKeys behaves like the ring of a broker as far as the API shows.
type ringKeys struct {
	all    []*keys.Key
	revoke func(context.Context, iam.RevocationRef) error
}

func (k *ringKeys) List(context.Context) ([]*keys.Key, error) { return k.all, nil }

func (k *ringKeys) Rotate(_ context.Context, alg keys.Alg) error {
	if alg != keys.ES256 {
		return iam.Errorf(iam.Invalid, "algorithm %q: the ring signs with ES256", alg)
	}
	fresh, err := keys.Generate(alg, time.Now())
	k.all = append(k.all, fresh)
	return err
}

func (k *ringKeys) Remove(ctx context.Context, kid string) error {
	i := slices.IndexFunc(k.all, func(key *keys.Key) bool { return key.ID == kid })
	if i < 0 {
		return iam.Errorf(iam.NotFound, "there is no signing key %q", kid)
	}
	k.all = slices.Delete(slices.Clone(k.all), i, i+1)
	return k.revoke(ctx, iam.RevocationRef{Kind: iam.RevokedKey, ID: kid})
}

// token returns an access token for the API of a client.
func (b *broker) token(client string) string {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.tokens[client]; t != "" {
		return t
	}
	t := b.issue(client, token.AdminAudience(issuer))
	b.tokens[client] = t
	return t
}

// issue returns a new access token of a client for an audience, "" for its default.
func (b *broker) issue(client string, audiences ...string) string {
	b.t.Helper()
	ctx := context.Background()
	c, err := b.store.Client(ctx, iam.ClientID(client))
	check(b.t, err)
	if c == nil {
		b.t.Fatalf("there is no client %q", client)
	}
	a, err := b.policy.Authorize(ctx, token.Request{Client: c, Grant: iam.GrantClientCredentials, Audiences: audiences})
	check(b.t, err)
	t, err := b.issuer.AccessToken(a)
	check(b.t, err)
	return t.Value
}

// as returns a Go client of the API that acts by one of the clients.
func (b *broker) as(client string) *apiv1.Client {
	return &apiv1.Client{BaseURL: b.url, HTTPClient: http.DefaultClient, Token: func(context.Context) (string, error) { return b.token(client), nil }}
}

// An answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) code() string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal([]byte(a.body), &p) // no problem has no code
	return p.Code
}

// send makes a raw request. by is a client, or "" for none.
func (b *broker) send(method, path, by, body string, header ...string) answer {
	b.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, b.url+path, r)
	check(b.t, err)
	if by != "" {
		req.Header.Set("Authorization", "Bearer "+b.token(by))
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	check(b.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	check(b.t, err)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(data)}
}

// documents parses YAML and resolves values in it.
func documents(t testing.TB, yaml string) []apiv1.Document {
	t.Helper()
	docs, err := apiv1.ParseDocuments("test.yaml", strings.NewReader(yaml))
	check(t, err)
	check(t, apiv1.Resolve(docs, apiv1.Resolver{}))
	return docs
}

// buffer is a log that several may write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code string) *apiv1.Error {
	t.Helper()
	var e *apiv1.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got error %v, want code %s", err, code)
	}
	return e
}
