package clientauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/clientauth"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// A client that proves who it is is returned; everybody else gets the same refusal (RFC 6749 §5.2).
func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	w.client("ci", goodSecret, spareSecret)
	rotating := w.client("rotating", oldSecret, goodSecret, spareSecret)
	rotating.Secrets[0].ExpiresAt = now
	rotating.Secrets[1].ExpiresAt = now.Add(time.Nanosecond)
	w.client("short", shortSecret)
	w.client("bare")
	w.client("platform", goodSecret).Organization = ""
	w.client("disabled", goodSecret).Disabled = true
	w.client("strict basic", goodSecret).StrictAuthMethod = true
	post := w.client("strict post", goodSecret)
	post.AuthMethod, post.StrictAuthMethod = iam.AuthPost, true
	w.client("lax post", goodSecret).AuthMethod = iam.AuthPost
	w.client("jwt", goodSecret).AuthMethod = iam.AuthPrivateKeyJWT
	w.client("spa").AuthMethod = iam.AuthNone
	w.client("spa with a secret", goodSecret).AuthMethod = iam.AuthNone
	off := w.client("disabled spa")
	off.AuthMethod, off.Disabled = iam.AuthNone, true
	w.directory.nodes["off"] = &iam.Node{ID: "off", Parent: "holding", Disabled: true}
	w.directory.nodes["root-off"] = &iam.Node{ID: "root-off", Disabled: true}
	w.directory.nodes["middle"] = &iam.Node{ID: "middle", Parent: "root-off"}
	w.directory.nodes["below"] = &iam.Node{ID: "below", Parent: "middle"}
	w.client("of a disabled organization", goodSecret).Organization = "off"
	w.client("below a disabled root", goodSecret).Organization = "below"
	w.client("of no known organization", goodSecret).Organization = "gone"

	for _, c := range []struct {
		id     iam.ClientID
		method iam.AuthMethod
		secret string
		ok     bool
	}{
		{"ci", iam.AuthBasic, goodSecret, true},
		{"ci", iam.AuthBasic, spareSecret, true},
		{"ci", iam.AuthPost, goodSecret, true},
		{"ci", iam.AuthBasic, wrongSecret, false},
		{"ci", iam.AuthPost, wrongSecret, false},
		{"ci", iam.AuthBasic, "", false},
		{"ci", iam.AuthPost, "", false},
		{"ci", iam.AuthNone, "", false},
		{"nobody", iam.AuthBasic, goodSecret, false},
		{"nobody", iam.AuthPost, goodSecret, false},
		{"nobody", iam.AuthNone, "", false},
		{"rotating", iam.AuthBasic, oldSecret, false},
		{"rotating", iam.AuthBasic, goodSecret, true},
		{"rotating", iam.AuthBasic, spareSecret, true},
		{"short", iam.AuthBasic, shortSecret, true},
		{"short", iam.AuthBasic, shortSecret, true}, // from memory
		{"short", iam.AuthBasic, "hunter3-imported", false},
		{"bare", iam.AuthBasic, "", false},
		{"bare", iam.AuthBasic, goodSecret, false},
		{"bare", iam.AuthNone, "", false},
		{"platform", iam.AuthBasic, goodSecret, true},
		{"disabled", iam.AuthBasic, goodSecret, false},
		{"disabled spa", iam.AuthNone, "", false},
		{"of a disabled organization", iam.AuthBasic, goodSecret, false},
		{"below a disabled root", iam.AuthBasic, goodSecret, false},
		{"of no known organization", iam.AuthBasic, goodSecret, false},
		{"strict basic", iam.AuthBasic, goodSecret, true},
		{"strict basic", iam.AuthPost, goodSecret, false},
		{"strict post", iam.AuthPost, goodSecret, true},
		{"strict post", iam.AuthBasic, goodSecret, false},
		{"lax post", iam.AuthBasic, goodSecret, true},
		{"jwt", iam.AuthBasic, goodSecret, false},
		{"jwt", iam.AuthBasic, "", false},
		{"jwt", iam.AuthNone, "", false},
		{"spa", iam.AuthNone, "", true},
		{"spa", iam.AuthPost, "", false},
		{"spa", iam.AuthBasic, "", false},
		{"spa", iam.AuthPost, goodSecret, false},
		{"spa with a secret", iam.AuthPost, goodSecret, false},
	} {
		cred := w.parse(basic(url.QueryEscape(string(c.id)), url.QueryEscape(c.secret)), nil)
		switch c.method {
		case iam.AuthPost:
			cred = w.parse("", form("client_id", string(c.id), "client_secret", c.secret))
		case iam.AuthNone:
			cred = w.parse("", form("client_id", string(c.id)))
		}
		got, err := w.Authenticate(t.Context(), cred, source)
		if c.ok {
			if err != nil || got != w.directory.clients[c.id] {
				t.Errorf("%v with %q: got %v, %v, want the client", cred, c.secret, got, err)
			}
			continue
		}
		if got != nil || iam.KindOf(err) != iam.Unauthenticated || iam.CodeOf(err) != "invalid_client" {
			t.Errorf("%v with %q: got %v, %v, want nobody and invalid_client", cred, c.secret, got, err)
		}
		if want := w.fail("198.51.100.1"); err != nil && err.Error() != want.Error() {
			t.Errorf("%v with %q: got %q, an unknown client gets %q", cred, c.secret, err, want)
		}
	}
}

// counted counts the argon2id computations that are begun under it: each asks once whether the context has ended.
type counted struct {
	context.Context
	n int
}

func (c *counted) Err() error { c.n++; return c.Context.Err() }

// slowHashes returns how many argon2id computations a wrong secret costs.
func (w *world) slowHashes(id iam.ClientID, text string) int {
	w.t.Helper()
	ctx := &counted{Context: w.t.Context()}
	got, err := w.Authenticate(ctx, w.parse(basic(string(id), text), nil), source)
	if got != nil || iam.CodeOf(err) != "invalid_client" {
		w.t.Fatalf("%s: got %v, %v, want invalid_client", id, got, err)
	}
	return ctx.n
}

// A wrong secret costs an unknown client's id what it costs a client with generated secrets, no argon2id, whatever secrets others
// have. A client with a short one costs as many as the forms in which the secret may be meant.
func TestUnknownClientsTakeThePathOfGeneratedSecrets(t *testing.T) {
	w := newWorld(t)
	w.client("keyed", goodSecret)
	w.client("bare")
	w.client("spa").AuthMethod = iam.AuthNone
	for _, id := range []iam.ClientID{"keyed", "bare", "spa", "u1", "u2", "u3", "u4"} {
		if n := w.slowHashes(id, wrongSecret); n != 0 {
			t.Errorf("no slow secret is stored, and %s costs %d argon2id", id, n)
		}
	}
	w.client("slow", shortSecret)
	for _, wrong := range []struct {
		text string
		cost int
	}{{wrongSecret, 1}, {"with+plus", 2}, {"with%41escape", 2}, {"", 0}} {
		if n := w.slowHashes("slow", wrong.text); n != wrong.cost {
			t.Errorf("known client, %q: got %d argon2id, want %d", wrong.text, n, wrong.cost)
		}
		if n := w.slowHashes("keyed", wrong.text); n != 0 {
			t.Errorf("client without a slow secret, %q: got %d argon2id, want none", wrong.text, n)
		}
		for i := range 8 {
			if n := w.slowHashes(iam.ClientID(fmt.Sprintf("unknown%d", i)), wrong.text); n != 0 {
				t.Errorf("unknown client %d, %q: got %d argon2id, want none", i, wrong.text, n)
			}
		}
	}
}

// A stored hash that cannot be read takes none of the client's other secrets with it, and its fault is for the log alone.
func TestUnreadableHashEndsOnlyItsOwnSecret(t *testing.T) {
	w := newWorld(t)
	c := w.client("ci", oldSecret, goodSecret)
	c.Secrets[0].Hash = "$argon2id$damaged"
	if got, err := w.basic("ci", goodSecret); got != c || err != nil {
		t.Errorf("the other secret: got %v, %v, want the client", got, err)
	}
	var fault *iam.Error
	got, err := w.basic("ci", oldSecret)
	if got != nil || !errors.As(err, &fault) || fault.Code != "invalid_client" || !errors.Is(err, secret.ErrMalformed) {
		t.Errorf("the damaged one: got %v, %v, want invalid_client because of %v", got, err, secret.ErrMalformed)
	}
	if _, unknown := w.basic("nobody", oldSecret); fault != nil && unknown.Error() != fault.WithCause(nil).Error() {
		t.Errorf("the damaged one: got %q, an unknown client gets %q", fault.Message, unknown)
	}
}

// An outage is never the client's fault, and never counts against its source.
func TestOutageIsUnavailableAndNoFailure(t *testing.T) {
	outage := iam.Errorf(iam.Unavailable, "the store does not answer; try again").WithCause(errors.New("connection refused"))
	w := newWorld(t)
	w.client("ci", goodSecret)
	w.client("spa").AuthMethod = iam.AuthNone
	w.client("short", shortSecret)
	try := func(name string, ask func() (*iam.Client, error)) {
		t.Helper()
		for range clientauth.Burst {
			got, err := ask()
			if got != nil || iam.KindOf(err) != iam.Unavailable {
				t.Fatalf("%s: got %v, %v, want unavailable", name, got, err)
			}
		}
		if err := w.fail(source); w.directory.down == nil && iam.CodeOf(err) != "invalid_client" {
			t.Fatalf("after %s: got %v, want invalid_client: outages were counted", name, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	try("no argon2id to be had", func() (*iam.Client, error) {
		return w.Authenticate(gone, w.parse(basic("short", shortSecret), nil), source)
	})
	w.directory.noPaths = outage
	try("organization not to be read", func() (*iam.Client, error) { return w.basic("ci", goodSecret) })
	try("organization of a public client not to be read", func() (*iam.Client, error) {
		return w.Authenticate(t.Context(), w.parse("", form("client_id", "spa")), source)
	})
	w.directory.down = outage
	try("client not to be read", func() (*iam.Client, error) { return w.basic("ci", goodSecret) })
	try("client not to be read, wrong secret", func() (*iam.Client, error) { return w.basic("ci", wrongSecret) })
	try("public client not to be read", func() (*iam.Client, error) {
		return w.Authenticate(t.Context(), w.parse("", form("client_id", "spa")), source)
	})
}
