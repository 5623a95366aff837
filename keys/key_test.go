package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/keys"
)

// The id of a key is its RFC 7638 thumbprint, and RSA keys have 2048 bits or more (RFC 7518 §3.3).
func TestGenerate(t *testing.T) {
	for _, alg := range algs {
		k, err := keys.Generate(alg, start)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := (&jose.JSONWebKey{Key: k.Public()}).Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if want := base64.RawURLEncoding.EncodeToString(sum); k.ID != want {
			t.Errorf("%s: got id %s, want %s", alg, k.ID, want)
		}
		if k.Alg != alg || k.State != keys.Pending || !k.CreatedAt.Equal(start) || !k.ActiveAt.IsZero() {
			t.Errorf("%s: got %+v", alg, k)
		}
		switch public := k.Public().(type) {
		case *ecdsa.PublicKey:
			if alg != keys.ES256 || public.Params().BitSize != 256 {
				t.Errorf("%s: got curve %s", alg, public.Params().Name)
			}
		case *rsa.PublicKey:
			if alg != keys.RS256 || public.N.BitLen() < 2048 {
				t.Errorf("%s: got %d bits", alg, public.N.BitLen())
			}
		case ed25519.PublicKey:
			if alg != keys.EdDSA {
				t.Errorf("%s: got Ed25519", alg)
			}
		}
	}
	for _, alg := range []keys.Alg{"", "none", "HS256", "ES384"} {
		if k, err := keys.Generate(alg, start); err == nil {
			t.Errorf("%q: got %v, want an error", alg, k)
		}
	}
}

// printed is v in every way that ends up in a log or an answer, wrapped in structs too, since fmt walks unexported fields.
func printed(v any) string {
	var b strings.Builder
	type wrapped struct {
		Exported any
		hidden   any
	}
	for _, v := range []any{v, wrapped{v, v}, &wrapped{v, v}, []any{v}, map[string]any{"v": v}} {
		fmt.Fprintf(&b, "%v %+v %#v %s %q %x %d %T\n", v, v, v, v, v, v, v, v)
		j, _ := json.Marshal(v)
		b.Write(j)
		for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			slog.New(h).Info("x", "v", v)
		}
	}
	return b.String()
}

// notPrinted checks that secret is in text in no spelling that fmt, json or slog would choose.
func notPrinted(t *testing.T, what, text string, secret []byte) {
	t.Helper()
	part := secret[len(secret)-12:]
	list := strings.Trim(fmt.Sprint(part), "[]")
	for _, spelling := range []string{
		string(part), hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)), list, strings.ReplaceAll(list, " ", ", "),
		strings.ReplaceAll(list, " ", ","), base64.StdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret),
		strings.Trim(fmt.Sprintf("%#v", part), "[]byte{}"),
	} {
		if strings.Contains(text, spelling) {
			t.Errorf("%s: the secret is printed as %q", what, spelling)
		}
	}
}

// The private part is never printed, logged or marshalled.
func TestKeyHidesItsPrivatePart(t *testing.T) {
	for _, alg := range algs {
		k, err := keys.Generate(alg, start)
		if err != nil {
			t.Fatal(err)
		}
		text := printed(k) + printed(*k) + printed([]*keys.Key{k})
		if got, want := fmt.Sprintf("%v", k), string(alg)+" "+k.ID+" (pending)"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for _, secret := range keys.PrivateBytes(k) {
			notPrinted(t, string(alg), text, secret)
		}
	}
}

// What OpenKey returns is what SealKey was given, in every state, and it signs when it did.
func TestSealedKeyComesBack(t *testing.T) {
	s := sealer(t, keys.NewSecret())
	set := setUp(t, algs...)
	for _, alg := range algs {
		set = apply(t, set, keys.RotateNow(set, alg, keys.DefaultPolicy(), start.Add(time.Hour)), start.Add(time.Hour))
	}
	changes, _ := keys.Plan(set, []keys.Alg{keys.ES256}, keys.DefaultPolicy(), start.Add(2*time.Hour))
	set = append(apply(t, set, changes, start.Add(2*time.Hour)), generate(t, keys.EdDSA))
	seen := map[keys.State]bool{}
	for _, k := range set {
		seen[k.State] = true
		record, err := s.SealKey(k)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.OpenKey(k.ID, record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(k, got, cmpopts.IgnoreUnexported(keys.Key{})); diff != "" {
			t.Errorf("%v: %s", k, diff)
		}
		if public, ok := got.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(k.Public()) {
			t.Errorf("%v: got another public part", k)
		}
		if keys.HasPrivate(got) != keys.HasPrivate(k) {
			t.Errorf("%v: private part got %v, want %v", k, keys.HasPrivate(got), keys.HasPrivate(k))
		}
		if keys.HasPrivate(k) && keys.SignRaw(k, "{}", "{}") != keys.SignRaw(got, "{}", "{}") {
			t.Errorf("%v: signs differently", k)
		}
		if bytes.Contains(record, []byte(k.ID)) || bytes.Contains(record, []byte("private")) {
			t.Errorf("%v: record is readable", k)
		}
	}
	if len(seen) != 4 {
		t.Errorf("got keys in the states %v, want all four", seen)
	}
}

// A key that stops signing loses its private part, so that a thief of the store and its key finds none that verifiers trust
// longer than they must.
func TestKeysThatStopSigningLoseThePrivatePart(t *testing.T) {
	set := setUp(t, keys.ES256)
	set = apply(t, set, keys.RotateNow(set, keys.ES256, keys.DefaultPolicy(), start), start)
	now := start.Add(time.Hour)
	changes, _ := keys.Plan(set, []keys.Alg{keys.ES256}, keys.DefaultPolicy(), now)
	set = apply(t, set, changes, now)
	if k := keyOf(t, set, keys.ES256, keys.Retired); keys.HasPrivate(k) {
		t.Errorf("%v has its private part", k)
	}
	changes, err := keys.Remove(set, keyOf(t, set, keys.ES256, keys.Active).ID, now)
	if err != nil {
		t.Fatal(err)
	}
	set = apply(t, set, changes, now)
	if k := keyOf(t, set, keys.ES256, keys.Removed); keys.HasPrivate(k) {
		t.Errorf("%v has its private part", k)
	}
}

// A record is bound to its key, and one that does not fit together is refused, by a message without the secret.
func TestOpenKeyRefuses(t *testing.T) {
	s := sealer(t, keys.NewSecret())
	k, other, ed := generate(t, keys.ES256), generate(t, keys.ES256), generate(t, keys.EdDSA)
	record, err := s.SealKey(k)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenKey(other.ID, record); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("record of another key: got %v, want %v", err, keys.ErrSealed)
	}
	if _, err := sealer(t, keys.NewSecret()).OpenKey(k.ID, record); !errors.Is(err, keys.ErrWrongKEK) {
		t.Errorf("wrong key-encryption key: got %v, want %v", err, keys.ErrWrongKEK)
	}
	plain, err := s.Open("signing-key", k.ID, record)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(member string, value any) []byte {
		var m map[string]any
		if err := json.Unmarshal(plain, &m); err != nil {
			t.Fatal(err)
		}
		if m[member] = value; value == nil {
			delete(m, member)
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pkix := func(k *keys.Key) []byte {
		b, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		plain []byte
		want  string
	}{
		"garbage":             {[]byte("x"), "not JSON"},
		"version":             {edit("v", 2), "version 2"},
		"algorithm":           {edit("alg", "RS256"), "does not fit"},
		"no algorithm":        {edit("alg", nil), "does not fit"},
		"state":               {edit("state", "on"), "state"},
		"id":                  {edit("id", other.ID), "another key"},
		"public":              {edit("public", pkix(other)), "different keys"},
		"public type":         {edit("public", pkix(ed)), "different keys"},
		"no public":           {edit("public", nil), "PKIX"},
		"private garbage":     {edit("private", []byte("x")), "PKCS #8"},
		"no private, pending": {edit("private", nil), "lacks its private part"},
	} {
		sealed, err := s.Seal("signing-key", k.ID, c.plain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.OpenKey(k.ID, sealed)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", name, got, err, c.want)
		}
	}
}

// FuzzOpenKey reads anything that the key-encryption key has sealed: no panic, and what comes back makes a ring.
func FuzzOpenKey(f *testing.F) {
	s := sealer(f, keys.NewSecret())
	for _, alg := range algs {
		k := generate(f, alg)
		record, err := s.SealKey(k)
		if err != nil {
			f.Fatal(err)
		}
		plain, err := s.Open("signing-key", k.ID, record)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(k.ID, plain)
	}
	f.Fuzz(func(t *testing.T, id string, plain []byte) {
		sealed, err := s.Seal("signing-key", id, plain)
		if err != nil {
			t.Fatal(err)
		}
		k, err := s.OpenKey(id, sealed)
		if err != nil {
			return
		}
		if _, err := keys.NewRing([]*keys.Key{k}); err != nil || k.ID != id {
			t.Fatalf("got %v, which makes no ring: %v", k, err)
		}
	})
}

func generate(t rapid.TB, alg keys.Alg) *keys.Key {
	t.Helper()
	k, err := keys.Generate(alg, start)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
