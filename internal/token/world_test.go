package token_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/keys"
)

const (
	issuer = "https://id.example"
	hub    = "https://hub.example/api"
	store  = "https://store.example/api"
)

// start is when the tests begin: in the middle of a second, since tokens count whole ones.
var start = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

// unanswered is what a store says that does not answer.
var unanswered = iam.Errorf(iam.Unavailable, "the store does not answer; try again")

// directory is records in memory. A kind of record named in down is not to be had.
type directory struct {
	clients   map[iam.ClientID]*iam.Client
	users     map[iam.UserID]*iam.User
	audiences map[string]*iam.Audience
	nodes     map[iam.NodeID]*iam.Node
	down      string
}

func (d *directory) fault(what string) error {
	if d.down == what {
		return unanswered
	}
	return nil
}

func (d *directory) Client(_ context.Context, id iam.ClientID) (*iam.Client, error) {
	return d.clients[id], d.fault("client")
}

func (d *directory) User(_ context.Context, id iam.UserID) (*iam.User, error) {
	return d.users[id], d.fault("user")
}

func (d *directory) Audience(_ context.Context, identifier string) (*iam.Audience, error) {
	return d.audiences[identifier], d.fault("audience")
}

func (d *directory) Organization(_ context.Context, idOrName string) (*iam.Node, error) {
	for _, n := range d.nodes {
		if n.Level == iam.LevelOrganization && (string(n.ID) == idOrName || n.Name == idOrName) {
			return n, d.fault("organization")
		}
	}
	return nil, d.fault("organization")
}

func (d *directory) Path(_ context.Context, id iam.NodeID) ([]*iam.Node, error) {
	var path []*iam.Node
	for n := d.nodes[id]; n != nil; n = d.nodes[n.Parent] {
		path = append(path, n)
	}
	slices.Reverse(path)
	return path, d.fault("path")
}

func (d *directory) NodeNamed(_ context.Context, parent iam.NodeID, name string) (*iam.Node, error) {
	for _, n := range d.nodes {
		if n.Parent == parent && n.Name == name {
			return n, d.fault("node")
		}
	}
	return nil, d.fault("node")
}

// revocations is marks in memory. While down is not nil nothing is to be had.
type revocations struct {
	now   func() time.Time
	mu    sync.Mutex
	marks map[iam.RevocationRef]iam.Revocation
	down  error
}

func (r *revocations) Revoke(_ context.Context, m iam.Revocation) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down == nil {
		r.marks[m.RevocationRef] = m
	}
	return r.down
}

func (r *revocations) RevokeIssued(ctx context.Context, ref iam.RevocationRef, expires time.Time) error {
	return r.Revoke(ctx, iam.Revocation{RevocationRef: ref, NotBefore: r.now(), ExpiresAt: expires})
}

func (r *revocations) Revoked(_ context.Context, iat time.Time, refs ...iam.RevocationRef) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range refs {
		if m, ok := r.marks[ref]; ok && (m.NotBefore.IsZero() || iat.Unix() <= m.NotBefore.Unix()) {
			return true, r.down
		}
	}
	return false, r.down
}

// issuedAfter is what the store's IssuedAfter promises.
func (r *revocations) issuedAfter(now time.Time, refs ...iam.RevocationRef) time.Time {
	iat := now.Unix()
	for _, ref := range refs {
		if m, ok := r.marks[ref]; ok && !m.NotBefore.IsZero() {
			iat = max(iat, m.NotBefore.Unix()+1)
		}
	}
	return time.Unix(iat, 0)
}

// world issues, inspects and ends tokens over records in memory: the client "ci" of "acme" (below "holding"), the platform's
// client "web", the user "u_ann", and the audiences hub and store, whose resource servers are "hub-api" and "store-api".
type world struct {
	t         testing.TB
	now       time.Time
	ring      *keys.Ring
	keys      []*keys.Key
	directory *directory
	marks     *revocations
	issuer    *token.Issuer
	inspector *token.Inspector
	revoker   *token.Revoker
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: start}
	now := func() time.Time { return w.now }
	w.marks = &revocations{now: now, marks: map[iam.RevocationRef]iam.Revocation{}}
	w.keys, w.ring = newRing(t, keys.ES256, keys.EdDSA)
	w.directory = &directory{
		clients: map[iam.ClientID]*iam.Client{
			"ci":        {ID: "ci", Name: "ci", Organization: "acme"},
			"web":       {ID: "web", Name: "web"},
			"hub-api":   {ID: "hub-api"},
			"store-api": {ID: "store-api"},
			"stranger":  {ID: "stranger"},
		},
		users: map[iam.UserID]*iam.User{"u_ann": {ID: "u_ann", Name: "ann"}},
		audiences: map[string]*iam.Audience{
			hub:   {Identifier: hub, ResourceServers: []iam.ClientID{"hub-api"}},
			store: {Identifier: store, ResourceServers: []iam.ClientID{"store-api"}},
		},
		nodes: map[iam.NodeID]*iam.Node{
			"holding": {ID: "holding", Level: "enterprise"},
			"acme":    {ID: "acme", Name: "acme-inc", Level: iam.LevelOrganization, Parent: "holding"},
			"beta":    {ID: "beta", Name: "beta-inc", Level: iam.LevelOrganization},
		},
	}
	ring := func() *keys.Ring { return w.ring }
	w.issuer = &token.Issuer{Issuer: issuer, Ring: ring, Now: now}
	w.inspector = &token.Inspector{
		Issuer: issuer, Ring: ring, Revocations: w.marks, Directory: w.directory, Now: now,
		Refresh: func(context.Context) error { return nil },
	}
	w.revoker = &token.Revoker{
		Inspector: w.inspector, Marks: w.marks, MaxLifetime: 24 * time.Hour, ClockSkew: time.Minute, Now: now,
	}
	return w
}

// newRing makes a key that signs for each algorithm.
func newRing(t testing.TB, algs ...keys.Alg) ([]*keys.Key, *keys.Ring) {
	t.Helper()
	changes, _ := keys.Plan(nil, algs, keys.DefaultPolicy(), start.Add(-time.Hour))
	all, _, err := keys.Apply(nil, changes, start.Add(-time.Hour))
	check(t, err)
	ring, err := keys.NewRing(all)
	check(t, err)
	return all, ring
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// machine is what ci is authorized for in acme.
func (w *world) machine() *token.Authorization {
	return &token.Authorization{
		Grant: "grant", Client: w.directory.clients["ci"], Subject: "ci", Audience: []string{hub}, Scopes: []string{"read"},
		Organization: w.directory.nodes["acme"], Roles: []iam.RoleID{"writer"}, IssuedAt: w.now, Lifetime: 15 * time.Minute, Alg: keys.ES256,
	}
}

// person is what web is authorized for on behalf of ann in acme.
func (w *world) person() *token.Authorization {
	a := w.machine()
	a.Client, a.Subject, a.SessionID, a.Groups = w.directory.clients["web"], "u_ann", "s_1", []string{"team"}
	return a
}

func (w *world) issue(a *token.Authorization) token.AccessToken {
	w.t.Helper()
	got, err := w.issuer.AccessToken(a)
	check(w.t, err)
	return got
}

// sign signs any payload as a token of any type.
func (w *world) sign(typ string, payload []byte) string {
	w.t.Helper()
	signer, err := w.ring.Signer(keys.ES256, typ)
	check(w.t, err)
	jws, err := signer.Sign(nil, payload)
	check(w.t, err)
	return string(jws)
}

// part decodes the header (0) or payload (1) of a compact JWS.
func part(t testing.TB, jws string, n int) []byte {
	t.Helper()
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		t.Fatalf("not a compact JWS: %q", jws)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[n])
	check(t, err)
	return data
}

func object(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return m
}
