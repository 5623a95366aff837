package secret_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/secret"
)

var kinds = []secret.Kind{secret.ClientSecret, secret.RefreshToken, secret.DeviceCode, secret.OneTimeLink}

func TestNewSecretIsWellFormedAndNeverTheSame(t *testing.T) {
	seen := map[secret.Secret]bool{}
	for _, kind := range kinds {
		for range 100 {
			s := secret.New(kind)
			got, id, ok := secret.Parse(s.Reveal())
			if !ok || got != kind || id != "" || len(s) != 57 {
				t.Fatalf("Parse(New(%s)) = %q %q %v, length %d, want the kind, no id, true, 57", kind, got, id, ok, len(s))
			}
			if seen[s] {
				t.Fatal("the same secret twice")
			}
			seen[s] = true
		}
	}
}

func TestNewForCarriesTheID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		id := rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "id")
		s := secret.NewFor(kind, id)
		if got, gotID, ok := secret.Parse(s.Reveal()); !ok || got != kind || gotID != id {
			t.Fatalf("Parse(NewFor(%s, %q)) = %q %q %v", kind, id, got, gotID, ok)
		}
	})
}

func TestNewForRefusesAnIDThatCouldNotBeFound(t *testing.T) {
	for _, id := range []string{"", "a.b", "a b", "é", strings.Repeat("a", 65)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewFor(%q) did not panic", id)
				}
			}()
			secret.NewFor(secret.RefreshToken, id)
		}()
	}
}

// The checksum must find what a person or a log line does to a secret: one character changed, two swapped, one lost.
func TestParseRefusesADamagedSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := secret.NewFor(rapid.SampledFrom(kinds).Draw(t, "kind"), "g_1").Reveal()
		i := rapid.IntRange(0, len(s)-2).Draw(t, "at")
		var damaged string
		switch rapid.IntRange(0, 2).Draw(t, "damage") {
		case 0:
			damaged = s[:i] + string(rapid.SampledFrom([]byte("0aZ_.-$ ")).Draw(t, "char")) + s[i+1:]
		case 1:
			damaged = s[:i] + s[i+1:i+2] + s[i:i+1] + s[i+2:]
		case 2:
			damaged = s[:i] + s[i+1:]
		}
		if damaged != s && secret.WellFormed(damaged) {
			t.Fatalf("damaged secret %q is well-formed (was %q)", damaged, s)
		}
	})
}

func TestParseRefusesAnotherPrefix(t *testing.T) {
	s := secret.New(secret.ClientSecret).Reveal()
	for _, other := range []string{"gate_rt_" + s[8:], "gate_xx_" + s[8:], strings.ToUpper(s), s + "0", " " + s, ""} {
		if secret.WellFormed(other) {
			t.Errorf("%q is well-formed", other)
		}
	}
}

// Every character of the alphabet must be as likely as every other: a chi-squared test over 62 cells.
func TestRandomCharactersAreUniform(t *testing.T) {
	const n = 6200
	var count [256]int
	for range n {
		for _, c := range []byte(secret.New(secret.ClientSecret).Reveal()[8 : 8+43]) {
			count[c]++
		}
	}
	want := float64(n) * 43 / 62
	var chi float64
	for _, c := range "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
		chi += math.Pow(float64(count[c])-want, 2) / want
	}
	if chi > 140 { // 61 degrees of freedom: above 140 once in ten million runs
		t.Errorf("chi-squared of characters is %.1f, want at most 140", chi)
	}
}

func TestSecretPrintsRedacted(t *testing.T) {
	s := secret.New(secret.ClientSecret)
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("made", "secret", s, "in", struct{ S secret.Secret }{s})
	marshalled, err := json.Marshal(map[string]any{"s": s, "list": []secret.Secret{s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%v", struct{ S secret.Secret }{s}), fmt.Sprintf("%v", []secret.Secret{s}), fmt.Errorf("of %v", s).Error(),
		logged.String(), string(marshalled),
	} {
		if strings.Contains(text, s.Reveal()[8:16]) || !strings.Contains(text, "[redacted]") {
			t.Errorf("got %q, want [redacted] and nothing of the secret", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(secret.New(secret.ClientSecret).Reveal())
	f.Add(secret.NewFor(secret.RefreshToken, "g_k3q7x2m5v6t4p2aa").Reveal())
	f.Add("gate_rt_..0")
	f.Fuzz(func(t *testing.T, s string) {
		kind, id, ok := secret.Parse(s)
		if !ok && (kind != "" || id != "") {
			t.Errorf("Parse(%q) refuses and still answers %q %q", s, kind, id)
		}
		if ok && (!strings.HasPrefix(s, string(kind)+id) || len(s) > secret.MaxLength) {
			t.Errorf("Parse(%q) = %q %q", s, kind, id)
		}
	})
}
