package adminapi_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// A creation that is sent again with its key is answered as the first time, its secret included, and makes nothing twice.
func TestRepeatedCreationsAreAnsweredAsBefore(t *testing.T) {
	b := startNeighbours(t)
	alice := b.person("alice", "")
	const at, body = "/api/v1/organizations/acme/clients", `{"name":"nightly"}`
	first := b.send("POST", at, alice, body, "Idempotency-Key", "k-1")
	if first.status != 201 || first.header.Get("Idempotency-Replayed") != "" || !strings.Contains(first.body, "gate_cs_") {
		t.Fatalf("got %d %s", first.status, first.body)
	}
	again := b.send("POST", at, alice, body, "Idempotency-Key", "k-1")
	if again.status != 201 || again.body != first.body || again.header.Get("Etag") != first.header.Get("Etag") ||
		again.header.Get("Content-Type") != first.header.Get("Content-Type") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %d %v %s, want what came first: %v %s", again.status, again.header, again.body, first.header, first.body)
	}
	for what, a := range map[string]answer{
		"another body": b.send("POST", at, alice, `{"name":"other"}`, "Idempotency-Key", "k-1"),
		"another path": b.send("POST", "/api/v1/nodes/acme/clients", alice, body, "Idempotency-Key", "k-1"),
	} {
		if a.status != 422 || a.code() != "idempotency_key_reused" {
			t.Errorf("%s: got %d %s", what, a.status, a.body)
		}
	}
	for what, by := range map[string]string{"another caller": b.person("anna", ""), "the same person in another capacity": b.person("alice", "acme")} {
		if a := b.send("POST", at, by, body, "Idempotency-Key", "k-1"); a.code() != "name_taken" {
			t.Errorf("%s: got %d %s, want a request of its own", what, a.status, a.body)
		}
	}
	if a := b.send("POST", at, alice, body); a.code() != "name_taken" {
		t.Errorf("without a key: got %d %s", a.status, a.body)
	}
	// What was refused made nothing: the key is free for the same thing done right.
	if a := b.send("POST", at, alice, `{"name":"x","role":"owner"}`, "Idempotency-Key", "k-2"); a.code() != "holder_not_allowed" {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := b.send("POST", at, alice, `{"name":"x","role":"reader"}`, "Idempotency-Key", "k-2"); a.status != 201 {
		t.Errorf("after a refusal: got %d %s", a.status, a.body)
	}
	for _, key := range []string{"", "a b", "ü", strings.Repeat("k", 256)} {
		if a := b.send("POST", at, alice, `{"name":"y"}`, "Idempotency-Key", key); a.status != 400 || a.code() != "malformed_request" {
			t.Errorf("key %q: got %d %s", key, a.status, a.body)
		}
	}
	if strings.Contains(b.log.String(), "gate_cs_") {
		t.Error("a secret is in the log")
	}
}

// Of requests with one key that come at once, one is carried out; the others are told to wait or get its answer.
func TestRequestsWithOneKeyAtOnce(t *testing.T) {
	b := startNeighbours(t)
	alice := b.person("alice", "")
	answers := make([]answer, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			answers[i] = b.send("POST", "/api/v1/organizations/acme/clients", alice, `{"name":"nightly"}`, "Idempotency-Key", "k")
		})
	}
	all.Wait()
	made := ""
	for _, a := range answers {
		switch {
		case a.status == 201 && (made == "" || a.body == made):
			made = a.body
		case a.status == 409 && a.code() == "idempotency_in_progress" && a.header.Get("Retry-After") == "1":
		default:
			t.Errorf("got %d %s", a.status, a.body)
		}
	}
	if made == "" {
		t.Error("nobody was answered")
	}
}

// When the process ends between the change and the kept answer, the key is claimed until its time is over and the thing is found by
// its name: it is not made twice.
func TestCrashBetweenChangeAndAnswer(t *testing.T) {
	b := startNeighbours(t)
	alice := b.person("alice", "")
	const at, body = "/api/v1/organizations/acme/clients", `{"name":"nightly"}`
	b.engine.left.Store(2) // the claim and the change
	b.send("POST", at, alice, body, "Idempotency-Key", "k")
	b.engine.left.Store(-1)
	if a := b.send("POST", at, alice, body, "Idempotency-Key", "k"); a.status != 409 || a.code() != "idempotency_in_progress" {
		t.Errorf("right after: got %d %s", a.status, a.body)
	}
	if a := b.send("POST", at, alice, body); a.code() != "name_taken" {
		t.Errorf("found by its name: got %d %s", a.status, a.body)
	}

	// A claim that died before the change leaves nothing but itself.
	b.engine.left.Store(1)
	b.send("POST", at, alice, `{"name":"weekly"}`, "Idempotency-Key", "w")
	b.engine.left.Store(-1)
	check(t, errorOf(b.as(alice).CreateClient(t.Context(), apiv1.NewClient{Name: "weekly", Organization: "acme"})))
}

// lossy carries requests out and loses the first answers.
type lossy struct {
	lose int
	keys []string
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	l.keys = append(l.keys, r.Header.Get("Idempotency-Key"))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && len(l.keys) <= l.lose {
		_ = resp.Body.Close() // it is lost
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}

// The Go client asks again for an answer that was lost, with the key of its first request: one client is made, and its secret
// arrives. A key that the program chose is sent; a refusal is not asked for again.
func TestGoClientRepeatsLostCreations(t *testing.T) {
	b := startNeighbours(t)
	way := &lossy{lose: 2}
	api := b.as(b.person("alice", ""))
	api.HTTPClient = &http.Client{Transport: way}
	made, err := api.CreateClient(t.Context(), apiv1.NewClient{Name: "nightly", Organization: "acme"})
	check(t, err)
	if made.Secret == nil || made.Secret.Value == "" || len(way.keys) != 3 || way.keys[0] == "" || way.keys[0] != way.keys[2] {
		t.Errorf("got %+v by requests with the keys %q", made, way.keys)
	}
	wantCode(t, errorOf(api.CreateClient(t.Context(), apiv1.NewClient{Name: "nightly", Organization: "acme"})), "name_taken")
	if len(way.keys) != 4 || way.keys[3] == way.keys[0] {
		t.Errorf("got the keys %q, want one request more, with a key of its own", way.keys)
	}
	api.Key = func() string { return "job-1" }
	for range 2 { // as if the job had been started again
		again, err := api.CreateClient(t.Context(), apiv1.NewClient{Name: "weekly", Organization: "acme"})
		check(t, err)
		if again.Secret == nil || way.keys[len(way.keys)-1] != "job-1" {
			t.Errorf("got %+v by a request with the key %q", again, way.keys[len(way.keys)-1])
		}
	}
}
