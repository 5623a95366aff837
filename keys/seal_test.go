package keys_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/keys"
)

func sealer(t rapid.TB, keks ...keys.Secret) *keys.Sealer {
	t.Helper()
	s, err := keys.NewSealer(keks...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t rapid.TB, s *keys.Sealer, purpose, id string, plain []byte) []byte {
	t.Helper()
	sealed, err := s.Seal(purpose, id, plain)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// F14: what was sealed opens in its place, and nowhere else.
func TestSealBindsPurposeAndID(t *testing.T) {
	s := sealer(t, keys.NewSecret())
	rapid.Check(t, func(t *rapid.T) {
		purpose, id := rapid.String().Draw(t, "purpose"), rapid.String().Draw(t, "id")
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed := seal(t, s, purpose, id, plain)
		got, err := s.Open(purpose, id, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("got %x, %v, want %x", got, err, plain)
		}
		purpose2, id2 := rapid.String().Draw(t, "other purpose"), rapid.String().Draw(t, "other id")
		if rapid.Bool().Draw(t, "move the border") { // the same bytes, cut elsewhere
			all := purpose + id
			cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
			purpose2, id2 = all[:cut], all[cut:]
		}
		if purpose2 == purpose && id2 == id {
			return
		}
		if _, err := s.Open(purpose2, id2, sealed); !errors.Is(err, keys.ErrSealed) {
			t.Fatalf("(%q, %q) opened as (%q, %q): %v", purpose, id, purpose2, id2, err)
		}
	})
}

// F14: one changed bit, anywhere, or one byte more or less, and the record does not open.
func TestSealDetectsTampering(t *testing.T) {
	s := sealer(t, keys.NewSecret())
	sealed := seal(t, s, "totp", "u_1", []byte("some seed"))
	for bit := range 8 * len(sealed) {
		bad := bytes.Clone(sealed)
		bad[bit/8] ^= 1 << (bit % 8)
		if plain, err := s.Open("totp", "u_1", bad); !errors.Is(err, keys.ErrSealed) && !errors.Is(err, keys.ErrWrongKEK) || plain != nil {
			t.Errorf("bit %d: got %q, %v", bit, plain, err)
		}
	}
	for n := range len(sealed) {
		if plain, err := s.Open("totp", "u_1", sealed[:n]); !errors.Is(err, keys.ErrSealed) || plain != nil {
			t.Errorf("cut to %d: got %q, %v", n, plain, err)
		}
	}
	if _, err := s.Open("totp", "u_1", append(bytes.Clone(sealed), 0)); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("one byte more: got %v", err)
	}
}

// Equal records do not look equal, and show nothing of what is in them.
func TestSealIsRandomized(t *testing.T) {
	s := sealer(t, keys.NewSecret())
	plain := []byte("a plaintext to look for")
	a, b := seal(t, s, "totp", "u_1", plain), seal(t, s, "totp", "u_1", plain)
	if bytes.Equal(a, b) || bytes.Contains(a, plain) {
		t.Errorf("got %x and %x", a, b)
	}
}

// Rotation of the key-encryption key: the new one in front seals, the old one behind it still opens; without it, ErrWrongKEK.
func TestSealerRotatesKEKs(t *testing.T) {
	k1, k2 := keys.NewSecret(), keys.NewSecret()
	before, during, after := sealer(t, k1), sealer(t, k2, k1), sealer(t, k2)
	old := seal(t, before, "p", "id", []byte("x"))
	renewed := seal(t, during, "p", "id", []byte("x"))
	for _, c := range []struct {
		name   string
		s      *keys.Sealer
		sealed []byte
		want   error
		stale  bool
	}{
		{"before, old", before, old, nil, false},
		{"during, old", during, old, nil, true},
		{"during, renewed", during, renewed, nil, false},
		{"after, renewed", after, renewed, nil, false},
		{"after, old", after, old, keys.ErrWrongKEK, true},
		{"before, renewed", before, renewed, keys.ErrWrongKEK, true},
	} {
		if _, err := c.s.Open("p", "id", c.sealed); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if got := c.s.Stale(c.sealed); got != c.stale {
			t.Errorf("%s: got stale %v, want %v", c.name, got, c.stale)
		}
	}
	if _, err := keys.NewSealer(); err == nil {
		t.Error("a sealer without a key-encryption key was made")
	}
	if _, err := keys.NewSealer(k1, keys.Secret{}); err == nil {
		t.Error("a sealer with a missing key-encryption key was made")
	}
}

// FuzzOpen gives Open anything at all: it never panics and opens nothing that was not sealed.
func FuzzOpen(f *testing.F) {
	s := sealer(f, keys.NewSecret())
	sealed := seal(f, s, "p", "id", []byte("plain"))
	f.Add("p", "id", sealed)
	f.Add("", "", []byte{1})
	f.Fuzz(func(t *testing.T, purpose, id string, record []byte) {
		got, err := s.Open(purpose, id, record)
		if err == nil && (purpose != "p" || id != "id" || !bytes.Equal(record, sealed)) {
			t.Fatalf("(%q, %q, %x) opened: %q", purpose, id, record, got)
		}
	})
}

// A key-encryption key is 32 bytes in base64 of any common spelling, and a wrong one is named without being shown.
func TestParseKEK(t *testing.T) {
	b := bytes.Repeat([]byte{0xfb, 0xef, 0xff, 1}, 8)
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(b), base64.RawStdEncoding.EncodeToString(b), base64.URLEncoding.EncodeToString(b),
		base64.RawURLEncoding.EncodeToString(b), "\n " + base64.StdEncoding.EncodeToString(b) + "\r\n",
	} {
		kek, err := keys.ParseKEK(text)
		if err != nil || !bytes.Equal(kek.Bytes(), b) {
			t.Errorf("%q: got %x, %v", text, kek.Bytes(), err)
		}
	}
	good := base64.StdEncoding.EncodeToString(b)
	for _, c := range []struct{ text, want string }{
		{"", "is empty"},
		{" \n", "is empty"},
		{base64.StdEncoding.EncodeToString(b[:31]), "has 31 bytes, want 32"},
		{base64.StdEncoding.EncodeToString(append(bytes.Clone(b), 0)), "has 33 bytes, want 32"},
		{strings.Repeat("fb", 32), "has 48 bytes, want 32"}, // hexadecimal
		{"correct horse battery staple", "not base64"},
		{good[:20] + "\n" + good[20:], "not base64"},
		{base64.StdEncoding.EncodeToString(make([]byte, 32)), "all zeros"},
	} {
		_, err := keys.ParseKEK(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
		if text := strings.TrimSpace(c.text); err != nil && text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: the error repeats it: %v", c.text, err)
		}
	}
}

// Derived secrets are stable, differ by label and by root, and are not what seals.
func TestDerive(t *testing.T) {
	root, err := keys.SecretFrom(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{string(root.Bytes()): "root"}
	for _, label := range []string{"", "client secrets", "client secret", "gatehouse kek id v1"} {
		d := root.Derive(label)
		if prior, twice := seen[string(d.Bytes())]; twice {
			t.Errorf("label %q gives what %q gives", label, prior)
		}
		seen[string(d.Bytes())] = label
		if !bytes.Equal(d.Bytes(), root.Derive(label).Bytes()) {
			t.Errorf("label %q: got two values", label)
		}
	}
	if bytes.Equal(keys.NewSecret().Derive("x").Bytes(), root.Derive("x").Bytes()) {
		t.Error("two roots derive the same")
	}
	// Stored hashes depend on this value: it may never change.
	const want = "/f0Hu2gpsbGQA0cP+mmVET8SjGPttWZCDJfThoAWwFI="
	if got := base64.StdEncoding.EncodeToString(root.Derive("client secrets").Bytes()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := keys.SecretFrom(make([]byte, 31)); err == nil {
		t.Error("a secret of 31 bytes was made")
	}
	b := root.Bytes()
	copied, err := keys.SecretFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	b[0]++
	if root.Bytes()[0] == b[0] || copied.Bytes()[0] == b[0] {
		t.Error("a secret shares its bytes with a caller")
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	secret := keys.NewSecret()
	text := printed(secret) + printed(&secret) + printed(sealer(t, secret))
	notPrinted(t, "secret", text, secret.Bytes())
	if !strings.Contains(text, "[redacted]") {
		t.Errorf("got %s, want [redacted]", text)
	}
}
