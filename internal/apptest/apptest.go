// Package apptest starts whole brokers for tests: the real app.New on a real listener, on the embedded store or on a real Redis,
// one replica or several. It may import everything; nothing but tests imports it.
package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/app"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/freeport"
)

// The names of what serve --dev seeds.
const (
	Client   = "dev-client"
	Audience = "https://hub.flox.dev/api"
	Operator = "operator"
)

// A Broker is a running broker.
type Broker struct {
	T      testing.TB
	URL    string // of the public listener
	Issuer string
	Ops    string // URL of the operations listener
	Data   string // the folder with its secrets
	Log    *Log
	Out    *Log // what it says to people
	// Handler is what the public listener serves, for benchmarks without a network.
	Handler http.Handler
	// HTTP is the client that asks it, which follows no redirect and trusts its certificate; nil: one for plain http.
	HTTP     *http.Client
	CertFile string // the certificate of a broker over TLS, as PEM

	app  *app.App
	stop context.CancelFunc
	done chan error
	once sync.Once
}

// An Option changes how a broker is started: a configuration "key=value", or one of the functions below.
type Option func(*options)

type options struct {
	data   string
	set    []string
	change []func(*config.Config)
	apply  []string
}

// Set sets a key of the configuration.
func Set(key, value string) Option {
	return func(o *options) { o.set = append(o.set, key+"="+value) }
}

// Data uses a folder that an earlier broker used, or that several share.
func Data(dir string) Option { return func(o *options) { o.data = dir } }

// Apply applies a file before serving.
func Apply(file string) Option { return func(o *options) { o.apply = append(o.apply, file) } }

// Config changes the loaded configuration beyond what Load would accept, such as a key set that may be cached for seconds only.
func Config(change func(*config.Config)) Option {
	return func(o *options) { o.change = append(o.change, change) }
}

// Start starts a broker in development mode on a free port and stops it when the test ends.
func Start(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	b, err := TryStart(t, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TryStart is Start for tests that want the broker to refuse.
func TryStart(t testing.TB, opts ...Option) (*Broker, error) {
	t.Helper()
	o := options{}
	for _, opt := range opts {
		opt(&o)
	}
	if o.data == "" {
		o.data = t.TempDir()
	}
	flags := append([]string{
		"dev=true", "listen=" + FreeAddress(t), "operations.listen=" + FreeAddress(t), "log.level=debug",
		"store=bolt:" + filepath.Join(o.data, "gatehouse.db"), "keys.kek=" + filepath.Join(o.data, "kek"),
	}, o.set...)
	c, err := config.Load("", nil, flags...)
	if err != nil {
		return nil, err
	}
	for _, change := range o.change {
		change(c)
	}
	b := &Broker{T: t, Data: o.data, Log: &Log{}, Out: &Log{}, done: make(chan error, 1)}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	a, err := app.New(ctx, app.Options{
		Config: c, DataDir: o.data, Apply: o.apply, Out: b.Out,
		Log: slog.New(slog.NewJSONHandler(b.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		stop()
		return nil, err
	}
	b.app = a
	b.Issuer = c.Issuer
	b.URL = "http://" + a.Addr().String()
	b.Ops = "http://" + a.OperationsAddr().String()
	b.Handler = a.Handler()
	go func() { b.done <- a.Run(ctx) }()
	t.Cleanup(b.Stop)
	return b, nil
}

// Stop drains the broker and waits for its end.
func (b *Broker) Stop() {
	b.once.Do(func() {
		b.stop()
		if err := <-b.done; err != nil {
			b.T.Errorf("broker ended: %v", err)
		}
	})
}

// FreeAddress returns a loopback address that nobody listens at, another at each call. It stays free between the end of a broker and
// its next start.
func FreeAddress(t testing.TB) string {
	t.Helper()
	port, err := freeport.Next()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// Secret returns the secret that serve --dev left for a client: Client or Operator.
func (b *Broker) Secret(client string) string {
	b.T.Helper()
	data, err := os.ReadFile(filepath.Join(b.Data, client+".secret"))
	if err != nil {
		b.T.Fatal(err)
	}
	return string(data)
}

// An Answer is an HTTP answer, read.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// JSON decodes the body.
func (a Answer) JSON(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.Body), &m); err != nil {
		t.Fatalf("not JSON: %v: %.300s", err, a.Body)
	}
	return m
}

// Do sends a request and fails the test when there is no answer.
func (b *Broker) Do(r *http.Request) Answer {
	b.T.Helper()
	a, err := b.Try(r)
	if err != nil {
		b.T.Fatal(err)
	}
	return a
}

// Try sends a request to a broker that may not be there to answer.
func (b *Broker) Try(r *http.Request) (Answer, error) {
	response, err := b.client().Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, string(body)}, err
}

var client = &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (b *Broker) client() *http.Client {
	if b.HTTP == nil {
		return client
	}
	return b.HTTP
}

// Get fetches a path.
func (b *Broker) Get(path string) Answer {
	b.T.Helper()
	r, err := http.NewRequest(http.MethodGet, b.URL+path, nil)
	if err != nil {
		b.T.Fatal(err)
	}
	return b.Do(r)
}

// Post sends a form: name, value, name, value.
func (b *Broker) Post(path string, pairs ...string) Answer {
	b.T.Helper()
	return b.Do(b.Form(path, pairs...))
}

// Form builds the request of Post.
func (b *Broker) Form(path string, pairs ...string) *http.Request {
	b.T.Helper()
	form := make([]string, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		form = append(form, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	r, err := http.NewRequest(http.MethodPost, b.URL+path, strings.NewReader(strings.Join(form, "&")))
	if err != nil {
		b.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// Token fetches a token by client credentials, with further parameters, and fails the test when it is refused.
func (b *Broker) Token(clientID, secret string, pairs ...string) string {
	b.T.Helper()
	a := b.Post("/oauth/token", append([]string{"grant_type", "client_credentials", "client_id", clientID, "client_secret", secret}, pairs...)...)
	t, _ := a.JSON(b.T)["access_token"].(string)
	if a.Status != http.StatusOK || t == "" {
		b.T.Fatalf("token for %s: got %d %s", clientID, a.Status, a.Body)
	}
	return t
}

// DevToken fetches a token for the seeded client.
func (b *Broker) DevToken() string {
	b.T.Helper()
	return b.Token(Client, b.Secret(Client), "audience", Audience)
}

// Active introspects a token as the seeded client.
func (b *Broker) Active(token string) bool {
	b.T.Helper()
	a := b.Post("/oauth/introspect", "client_id", Client, "client_secret", b.Secret(Client), "token", token)
	if a.Status != http.StatusOK {
		b.T.Fatalf("introspect: got %d %s", a.Status, a.Body)
	}
	active, _ := a.JSON(b.T)["active"].(bool)
	return active
}

// Admin calls the admin API as the operator, with a JSON body or "".
func (b *Broker) Admin(method, path, body string) Answer {
	b.T.Helper()
	token := b.Token(Operator, b.Secret(Operator), "audience", b.Issuer+"/api/v1")
	r, err := http.NewRequest(method, b.URL+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		b.T.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return b.Do(r)
}

// API returns the admin API as the operator. Its token is fetched when it is first needed, and remembered.
func (b *Broker) API() *apiv1.Client {
	b.T.Helper()
	config := clientcredentials.Config{
		ClientID: Operator, ClientSecret: b.Secret(Operator), TokenURL: b.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInHeader,
		EndpointParams: url.Values{"audience": {b.Issuer + "/api/v1"}},
	}
	tokens := config.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, b.client()))
	return &apiv1.Client{BaseURL: b.URL, HTTPClient: b.client(), Token: func(context.Context) (string, error) {
		t, err := tokens.Token()
		if err != nil {
			return "", err
		}
		return t.AccessToken, nil
	}}
}

// File writes a file into a folder of the test's own and returns its path.
func File(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A Log collects what a broker logs.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write is for slog.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Events returns the request events of a route, decoded.
func (l *Log) Events(route string) []map[string]any {
	var out []map[string]any
	for line := range strings.SplitSeq(l.String(), "\n") {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil && m["route"] == route {
			out = append(out, m)
		}
	}
	return out
}

// String shortens an answer for a failure's text.
func (a Answer) String() string { return fmt.Sprintf("%d %.300s", a.Status, a.Body) }
