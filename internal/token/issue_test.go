package token_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/keys"
)

// anyText is what an attacker might get into a name: any bytes, and those that JSON writers treat apart.
var anyText = rapid.OneOf(
	rapid.String(),
	rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) string { return string(b) }),
	rapid.SampledFrom([]string{"", "\u2028\u2029", "\x00\x1f\x7f", `"\/`, "<&>", "\xed\xa0\x80", "\xff", "ok", `","sub":"root`, "\U0001f600"}),
)

func some[T ~string](t *rapid.T, label string) []T {
	var out []T
	for _, s := range rapid.SliceOfN(anyText, 0, 4).Draw(t, label) {
		out = append(out, T(s))
	}
	return out
}

// members returns the names of an object's members as written, so that one written twice is seen.
func members(t *rapid.T, data []byte) []string {
	d := json.NewDecoder(bytes.NewReader(data))
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		t.Fatalf("no object: %q (%v)", data, err)
	}
	var names []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatalf("%v: %q", err, data)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%v: %q", err, data)
		}
		names = append(names, name.(string))
	}
	return names
}

// Whatever text the claims hold, the payload says what encoding/json would, and each member once.
func TestClaimsAreWrittenAsEncodingJSONWould(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		a := &token.Authorization{
			Grant:        token.NewGrantID(),
			Client:       &iam.Client{ID: iam.ClientID(anyText.Draw(rt, "client"))},
			Subject:      anyText.Draw(rt, "subject"),
			SessionID:    anyText.Draw(rt, "session"),
			Audience:     some[string](rt, "audience"),
			Scopes:       some[string](rt, "scopes"),
			Roles:        some[iam.RoleID](rt, "roles"),
			Groups:       some[string](rt, "groups"),
			Entitlements: some[string](rt, "entitlements"),
			AccessRev:    anyText.Draw(rt, "access_rev"),
			ACR:          anyText.Draw(rt, "acr"),
			AMR:          some[string](rt, "amr"),
			IssuedAt:     w.now.Add(time.Duration(rapid.IntRange(-1, 2).Draw(rt, "ahead")) * time.Second),
			Lifetime:     time.Duration(rapid.IntRange(1, 86400).Draw(rt, "lifetime")) * time.Second,
			Alg:          rapid.SampledFrom([]keys.Alg{keys.ES256, keys.EdDSA}).Draw(rt, "alg"),
		}
		if rapid.Bool().Draw(rt, "in an organization") {
			a.Organization = &iam.Node{ID: iam.NodeID("n_" + anyText.Draw(rt, "org")), Name: anyText.Draw(rt, "org name")}
		}
		for i, value := range some[string](rt, "extra") {
			a.Extra = append(a.Extra, token.Extra{Name: fmt.Sprintf("https://x/%d?%s", i, anyText.Draw(rt, "extra name")), Value: value})
		}
		for _, typ := range some[string](rt, "details") {
			a.Details = append(a.Details, token.Detail{
				Type: typ, Identifier: anyText.Draw(rt, "identifier"), Privileges: append([]iam.RoleID{}, some[iam.RoleID](rt, "privileges")...),
				Actions: append([]iam.Permission{}, some[iam.Permission](rt, "actions")...),
			})
		}
		if rapid.Bool().Draw(rt, "a person") {
			a.AuthTime = w.now.Add(-time.Duration(rapid.IntRange(0, 86400).Draw(rt, "signed in")) * time.Second)
		}
		got := w.issue(a)

		iat := a.IssuedAt.Unix()
		want := map[string]any{
			"iss": issuer, "sub": a.Subject, "client_id": a.Client.ID, "iat": iat, "exp": iat + int64(a.Lifetime/time.Second), "jti": got.ID,
		}
		if want["aud"] = a.Audience; len(a.Audience) == 1 {
			want["aud"] = a.Audience[0]
		} else if a.Audience == nil {
			want["aud"] = []string{}
		}
		text := func(name, value string) {
			if value != "" {
				want[name] = value
			}
		}
		text("scope", strings.Join(a.Scopes, " "))
		text("access_rev", a.AccessRev)
		text("sid", a.SessionID)
		if a.Organization != nil {
			text("org_id", string(a.Organization.ID))
			text("org_name", a.Organization.Name)
			want["roles"], want["groups"] = append([]iam.RoleID{}, a.Roles...), append([]string{}, a.Groups...)
		}
		if len(a.Entitlements) > 0 {
			want["entitlements"] = a.Entitlements
		}
		if len(a.Details) > 0 {
			want["authorization_details"] = a.Details
		}
		if !a.AuthTime.IsZero() {
			want["auth_time"] = a.AuthTime.Unix()
		}
		text("acr", a.ACR)
		if len(a.AMR) > 0 {
			want["amr"] = a.AMR
		}
		for _, x := range a.Extra {
			text(x.Name, x.Value)
		}
		wanted, err := json.Marshal(want)
		check(t, err)
		if rest := time.Duration(iat-w.now.Unix()) * time.Second; got.ExpiresIn != a.Lifetime+rest {
			rt.Fatalf("expires_in: got %s, want %s", got.ExpiresIn, a.Lifetime+rest)
		}
		payload := part(t, got.Value, 1)
		if diff := cmp.Diff(object(t, wanted), object(t, payload)); diff != "" {
			rt.Fatalf("claims (-want +got):\n%s", diff)
		}
		names := members(rt, payload)
		if slices.Sort(names); len(slices.Compact(slices.Clone(names))) != len(names) {
			rt.Fatalf("a member is written twice: %q", names)
		}
	})
}

// No claim of an access model takes the place of one of ours, of a member of the introspection answer, or of another of the
// model's: the token is not issued.
func TestExtraClaimsNeverStandForOthers(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{
		"iss", "sub", "aud", "client_id", "iat", "exp", "nbf", "jti", "scope", "org_id", "org_name", "roles", "groups", "entitlements",
		"access_rev", "sid", "act", "cnf", "acr", "amr", "auth_time", "authorization_details", "active", "token_type", "username",
		"SUB", "Roles", "handle", "",
	} {
		a := w.machine()
		a.Extra = []token.Extra{{Name: "https://x/ok", Value: "1"}, {Name: name, Value: "root"}}
		if got, err := w.issuer.AccessToken(a); got.Value != "" || iam.KindOf(err) != iam.Internal || err == nil {
			t.Errorf("claim %q: got %v, %v, want no token and an internal fault", name, got, err)
		}
	}
	a := w.machine()
	a.Extra = []token.Extra{{Name: "https://x/a", Value: "1"}, {Name: "https://x/b", Value: "2"}, {Name: "https://x/a", Value: "3"}}
	if got, err := w.issuer.AccessToken(a); got.Value != "" || iam.KindOf(err) != iam.Internal || err == nil {
		t.Errorf("the same claim twice: got %v, %v, want no token and an internal fault", got, err)
	}
}

// A token that is too large for the header buffers on its way is refused, never cut, and the refusal names what takes the most
// room. The largest one that is issued still holds.
func TestTokenThatIsTooLargeIsRefused(t *testing.T) {
	w := newWorld(t)
	w.keys, w.ring = newRing(t, keys.ES256, keys.RS256)
	for _, alg := range []keys.Alg{keys.ES256, keys.RS256} {
		pad := func(n int) (token.AccessToken, error) {
			a := w.machine()
			a.Alg, a.Scopes = alg, []string{strings.Repeat("s", n)}
			return w.issuer.AccessToken(a)
		}
		most := sort.Search(token.MaxTokenSize, func(n int) bool {
			_, err := pad(n + 1)
			return err != nil
		})
		largest, err := pad(most)
		check(t, err)
		if got := len(largest.Value); got > token.MaxTokenSize || got < token.MaxTokenSize-512 {
			t.Errorf("%s: the largest token has %d bytes, want at most %d and no less than 512 below", alg, got, token.MaxTokenSize)
		}
		if c, err := w.inspector.Access(t.Context(), largest.Value, hub); err != nil || len(c.Scope) != most {
			t.Errorf("%s: the largest token does not hold: %v", alg, err)
		}
		if got, err := pad(most + 1); got.Value != "" || iam.KindOf(err) != iam.Invalid || iam.CodeOf(err) != "invalid_request" {
			t.Errorf("%s: one byte more: got a token of %d bytes, %v, want invalid_request", alg, len(got.Value), err)
		}
	}
	long := strings.Repeat("x", 100)
	for _, c := range []struct {
		roles, groups, entitlements, scopes, audiences, details int
		want                                                    string
	}{
		{60, 30, 1, 1, 1, 0, "the largest are roles (6181 bytes) and groups (3091 bytes)"},
		{1, 60, 1, 30, 1, 0, "the largest are groups (6181 bytes) and scope (3029 bytes)"},
		{1, 0, 70, 1, 2, 0, "the largest are entitlements (7211 bytes) and aud (207 bytes)"},
		{2, 1, 1, 70, 1, 0, "the largest are scope (7069 bytes) and roles (207 bytes)"},
		{1, 0, 2, 1, 1, 20, "the largest are authorization_details (5481 bytes) and entitlements (207 bytes)"},
	} {
		a := w.machine()
		a.Roles = slices.Repeat([]iam.RoleID{iam.RoleID(long)}, c.roles)
		a.Groups = slices.Repeat([]string{long}, c.groups)
		a.Entitlements = slices.Repeat([]string{long}, c.entitlements)
		a.Scopes = slices.Repeat([]string{long}, c.scopes)
		a.Audience = slices.Repeat([]string{long}, c.audiences)
		a.Details = slices.Repeat([]token.Detail{{Type: "project", Identifier: long, Privileges: []iam.RoleID{"editor"}, Actions: []iam.Permission{iam.Permission(long)}}}, c.details)
		_, err := w.issuer.AccessToken(a)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want it to say that %s", err, c.want)
		}
	}
	a := w.machine()
	a.Extra = []token.Extra{{Name: "https://x/handle", Value: strings.Repeat(long, 60)}}
	if _, err := w.issuer.AccessToken(a); err == nil || !strings.Contains(err.Error(), "the largest are https://x/handle (6000 bytes)") {
		t.Errorf("got %v, want it to name the access model's claim", err)
	}
}

// A jti is "<grant id>.<96 random bits>", so that one mark ends all tokens of a grant.
func TestTokenIDNamesItsGrant(t *testing.T) {
	w := newWorld(t)
	shape := regexp.MustCompile(`^[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{16}$`)
	seen := map[string]bool{}
	for range 200 {
		a := w.machine()
		a.Grant = token.NewGrantID()
		for range 2 {
			got := w.issue(a)
			c, err := w.inspector.Access(t.Context(), got.Value, hub)
			check(t, err)
			if !shape.MatchString(got.ID) || c.ID != got.ID || c.Grant() != a.Grant || seen[got.ID] {
				t.Fatalf("grant %s: got jti %s in the answer, %s in the token of grant %s, want a new one of the grant", a.Grant, got.ID, c.ID, c.Grant())
			}
			seen[got.ID] = true
		}
	}
}

// The header names the key and the type (RFC 9068 §2.1); without a key that signs, issuing is for later.
func TestTokenIsSignedWithTheAlgorithmAskedFor(t *testing.T) {
	w := newWorld(t)
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA} {
		a := w.machine()
		a.Alg = alg
		header := object(t, part(t, w.issue(a).Value, 0))
		kid, _ := header["kid"].(string)
		if header["alg"] != string(alg) || header["typ"] != "at+jwt" || !slices.ContainsFunc(w.keys, func(k *keys.Key) bool { return k.ID == kid }) {
			t.Errorf("%s: got header %v", alg, header)
		}
	}
	a := w.machine()
	a.Alg = keys.RS256
	if got, err := w.issuer.AccessToken(a); got.Value != "" || iam.KindOf(err) != iam.Unavailable {
		t.Errorf("no RS256 key: got %v, %v, want unavailable", got, err)
	}
}
