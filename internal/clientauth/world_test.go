package clientauth_test

import (
	"context"
	"encoding/base64"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/clientauth"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// now is when every test happens.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	goodSecret  = "good-secret-0123456789abcdef0123456789"
	spareSecret = "spare-secret-0123456789abcdef0123456789"
	oldSecret   = "old-secret-0123456789abcdef0123456789"
	wrongSecret = "wrong-secret-0123456789abcdef0123456789"
	shortSecret = "hunter2-imported" // below secret.MinKeyed: argon2id
	source      = "192.0.2.1"
)

// directory is clients and nodes in memory. Once it is down, it answers nothing.
type directory struct {
	clients map[iam.ClientID]*iam.Client
	nodes   map[iam.NodeID]*iam.Node
	// down is the fault of every client that is read, noPaths that of every path.
	down, noPaths error
}

func (d *directory) Client(_ context.Context, id iam.ClientID) (*iam.Client, error) {
	if d.down != nil {
		return nil, d.down
	}
	return d.clients[id], nil
}

func (d *directory) Path(_ context.Context, id iam.NodeID) ([]*iam.Node, error) {
	if d.noPaths != nil {
		return nil, d.noPaths
	}
	n := d.nodes[id]
	if n == nil || n.Parent == "" {
		if n == nil {
			return nil, nil
		}
		return []*iam.Node{n}, nil
	}
	above, err := d.Path(context.Background(), n.Parent)
	return append(above, n), err
}

// world is an Authenticator over a directory. The enterprise "holding" stands above "acme" and is enabled.
type world struct {
	*clientauth.Authenticator
	directory *directory
	t         testing.TB
}

func newWorld(t testing.TB) *world {
	t.Helper()
	hasher, err := secret.NewHasher(make([]byte, secret.PepperSize), 1)
	if err != nil {
		t.Fatal(err)
	}
	d := &directory{clients: map[iam.ClientID]*iam.Client{}, nodes: map[iam.NodeID]*iam.Node{
		"holding": {ID: "holding"},
		"acme":    {ID: "acme", Parent: "holding"},
	}}
	return &world{
		Authenticator: &clientauth.Authenticator{
			Directory: d, Secrets: hasher, Failures: clientauth.NewFailures(), Now: func() time.Time { return now },
		},
		directory: d, t: t,
	}
}

// hash returns what is stored of a secret.
func (w *world) hash(text string) string {
	w.t.Helper()
	h, err := w.Secrets.Hash(w.t.Context(), text)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// client adds a client of acme with these secrets, which never expire.
func (w *world) client(id iam.ClientID, secrets ...string) *iam.Client {
	w.t.Helper()
	c := &iam.Client{ID: id, Organization: "acme", AuthMethod: iam.AuthBasic}
	for _, s := range secrets {
		c.Secrets = append(c.Secrets, iam.Secret{Hash: w.hash(s)})
	}
	w.directory.clients[id] = c
	return c
}

// parse reads the credentials of a request that must be well-formed.
func (w *world) parse(authorization string, form url.Values) clientauth.Credentials {
	w.t.Helper()
	cred, err := clientauth.Parse(authorization, form)
	if err != nil {
		w.t.Fatalf("Parse(%q, %v): %v", authorization, form, err)
	}
	return cred
}

// basic authenticates by the Authorization header, in the form of RFC 6749 §2.3.1.
func (w *world) basic(id, text string) (*iam.Client, error) {
	w.t.Helper()
	return w.Authenticate(w.t.Context(), w.parse(basic(url.QueryEscape(id), url.QueryEscape(text)), nil), source)
}

// fail presents a public client that does not exist, the cheapest of failures.
func (w *world) fail(from string) error {
	w.t.Helper()
	_, err := w.Authenticate(w.t.Context(), w.parse("", form("client_id", "nobody")), from)
	return err
}

// exhaust uses the allowance of a source up.
func (w *world) exhaust(from string) {
	w.t.Helper()
	for range clientauth.Burst {
		if err := w.fail(from); iam.CodeOf(err) != "invalid_client" {
			w.t.Fatalf("within the allowance: got %v, want invalid_client", err)
		}
	}
}

// basic joins the two parts as they are.
func basic(id, text string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+text))
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}
