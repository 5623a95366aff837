package token_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/keys"
)

const inactive = `{"active":false}`

// wantDead checks that a token gives nobody anything: neither its own client nor a service.
func (w *world) wantDead(what, tok string) {
	w.t.Helper()
	if c, err := w.inspector.Access(w.t.Context(), tok, hub); c != nil || iam.KindOf(err) != iam.Unauthenticated || iam.CodeOf(err) != "invalid_token" {
		w.t.Errorf("%s: got %+v, %v, want invalid_token", what, c, err)
	}
	for _, id := range []iam.ClientID{"ci", "web", "hub-api"} {
		answer, c, err := w.inspector.Introspect(w.t.Context(), tok, w.caller(id))
		if string(answer) != inactive || c != nil || err != nil {
			w.t.Errorf("%s, asked by %s: got %s, %+v, %v, want %s", what, id, answer, c, err, inactive)
		}
	}
}

func (w *world) wantLive(what, tok string) {
	w.t.Helper()
	if c, err := w.inspector.Access(w.t.Context(), tok, hub); c == nil || err != nil {
		w.t.Errorf("%s: got %v, want it to hold", what, err)
	}
	if answer, c, err := w.inspector.Introspect(w.t.Context(), tok, w.caller("hub-api")); c == nil || err != nil || string(answer) == inactive {
		w.t.Errorf("%s: got %s, %v, want it to be active", what, answer, err)
	}
}

// wantUnknown checks that an outage is never told as a dead token, nor as a live one.
func (w *world) wantUnknown(what, tok string) {
	w.t.Helper()
	if c, err := w.inspector.Access(w.t.Context(), tok, hub); c != nil || iam.KindOf(err) != iam.Unavailable {
		w.t.Errorf("%s: got %+v, %v, want unavailable", what, c, err)
	}
	if answer, c, err := w.inspector.Introspect(w.t.Context(), tok, w.caller("hub-api")); answer != nil || c != nil || iam.KindOf(err) != iam.Unavailable {
		w.t.Errorf("%s: got %s, %+v, %v, want unavailable", what, answer, c, err)
	}
}

// caller is the client as it was authenticated, whatever became of its record since.
func (w *world) caller(id iam.ClientID) *iam.Client { return &iam.Client{ID: id} }

// An answer for a live token is its claims as they were signed, and that it is active (RFC 7662 §2.2).
func TestIntrospectionSaysWhatWasSigned(t *testing.T) {
	w := newWorld(t)
	for _, a := range []*token.Authorization{w.machine(), w.person()} {
		tok := w.issue(a).Value
		answer, c, err := w.inspector.Introspect(t.Context(), tok, w.caller("hub-api"))
		check(t, err)
		want := object(t, part(t, tok, 1))
		want["active"], want["token_type"] = true, "Bearer"
		if got := object(t, answer); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if c.Subject != a.Subject || !c.HasScope("read") || c.HasScope("rea") || c.HasScope("") || c.Person() != (a.Subject == "u_ann") {
			t.Errorf("claims: got %+v", c)
		}
	}
}

// A token is told of to the client that has it and to a resource server of one of its audiences, and to nobody else.
func TestIntrospectionTellsOnlyWhomItConcerns(t *testing.T) {
	w := newWorld(t)
	both := w.machine()
	both.Audience = []string{store, hub}
	userinfo := w.machine()
	userinfo.Audience = []string{token.UserinfoAudience(issuer)}
	for _, c := range []struct {
		of     *token.Authorization
		caller iam.ClientID
		active bool
	}{
		{w.machine(), "ci", true},
		{w.machine(), "hub-api", true},
		{w.machine(), "store-api", false},
		{w.machine(), "web", false},
		{w.machine(), "stranger", false},
		{both, "hub-api", true},
		{both, "store-api", true},
		{both, "stranger", false},
		{userinfo, "ci", true},
		{userinfo, "hub-api", false},
		{w.person(), "web", true},
		{w.person(), "hub-api", true},
		{w.person(), "ci", false},
	} {
		answer, claims, err := w.inspector.Introspect(t.Context(), w.issue(c.of).Value, w.caller(c.caller))
		check(t, err)
		if got := string(answer) != inactive; got != c.active || (claims != nil) != c.active {
			t.Errorf("token of %s for %v, asked by %s: got %s, want active %v", c.of.Client.ID, c.of.Audience, c.caller, answer, c.active)
		}
	}
	w.directory.down = "audience"
	if answer, _, err := w.inspector.Introspect(t.Context(), w.issue(w.machine()).Value, w.caller("stranger")); answer != nil || iam.KindOf(err) != iam.Unavailable {
		t.Errorf("audiences cannot be read: got %s, %v, want unavailable", answer, err)
	}
}

// An access token gives access to its audiences alone.
func TestAccessIsForTheAudience(t *testing.T) {
	w := newWorld(t)
	tok := w.issue(w.machine()).Value
	for _, audience := range []string{store, hub + "/", "https://hub.example", "", issuer} {
		if c, err := w.inspector.Access(t.Context(), tok, audience); c != nil || iam.CodeOf(err) != "invalid_token" {
			t.Errorf("%q: got %+v, %v, want invalid_token", audience, c, err)
		}
	}
	both := w.machine()
	both.Audience = []string{store, hub}
	for _, audience := range both.Audience {
		if _, err := w.inspector.Access(t.Context(), w.issue(both).Value, audience); err != nil {
			t.Errorf("%q among two: %v", audience, err)
		}
	}
}

// Only an access token of this issuer with all that it must say counts (RFC 9068 §4), whatever else our keys have signed.
func TestOnlyOurAccessTokensCount(t *testing.T) {
	w := newWorld(t)
	good := func() map[string]any {
		iat := w.now.Unix()
		return map[string]any{
			"iss": issuer, "sub": "ci", "aud": hub, "client_id": "ci", "iat": iat, "exp": iat + 900, "jti": "grant.random", "scope": "read",
		}
	}
	signed := func(typ string, claims any) string {
		payload, err := json.Marshal(claims)
		check(t, err)
		return w.sign(typ, payload)
	}
	w.wantLive("as it should be", signed(keys.TypeAccessToken, good()))
	list := good()
	list["aud"] = []string{store, hub}
	w.wantLive("several audiences", signed(keys.TypeAccessToken, list))

	for _, typ := range []string{keys.TypeIDToken, keys.TypeIntrospection, keys.TypeRevocations, keys.TypeLogoutToken} {
		w.wantDead("of type "+typ, signed(typ, good()))
	}
	for _, c := range []struct {
		member string
		value  any // nil: left out
	}{
		{"iss", nil}, {"iss", issuer + "/"}, {"iss", "http://id.example"}, {"iss", "https://other.example"}, {"iss", ""}, {"iss", []string{issuer}},
		{"sub", nil}, {"sub", ""}, {"sub", 1},
		{"aud", nil}, {"aud", []string{}}, {"aud", 7}, {"aud", map[string]any{}}, {"aud", []any{hub, 7}},
		{"client_id", nil}, {"client_id", ""},
		{"jti", nil}, {"jti", ""},
		{"exp", nil}, {"exp", 0}, {"exp", -1}, {"exp", "never"}, {"exp", 1e30}, {"exp", 1.5e9},
		{"iat", "now"},
	} {
		claims := good()
		if claims[c.member] = c.value; c.value == nil {
			delete(claims, c.member)
		}
		w.wantDead(fmt.Sprintf("%s %v", c.member, c.value), signed(keys.TypeAccessToken, claims))
	}
	for _, payload := range []string{`[]`, `null`, `"x"`, `{`, ``} {
		w.wantDead("payload "+payload, w.sign(keys.TypeAccessToken, []byte(payload)))
	}
	tok := signed(keys.TypeAccessToken, good())
	head, rest, _ := strings.Cut(tok, ".")
	other := newWorld(t)
	for what, bad := range map[string]string{
		"empty": "", "dots": "..", "no signature": head + "." + rest[:strings.Index(rest, ".")+1], "cut": tok[:len(tok)-1], "longer": tok + "A",
		"spaced": " " + tok, "without header": rest, "too long": tok + strings.Repeat(".", keys.MaxTokenSize), "another server's": other.issue(other.machine()).Value,
	} {
		w.wantDead(what, bad)
	}
}

// A token dies at its exp to the second.
func TestTokenDiesWhenItExpires(t *testing.T) {
	w := newWorld(t)
	got := w.issue(w.machine())
	end := w.now.Truncate(time.Second).Add(15 * time.Minute)
	w.now = end.Add(-1)
	w.wantLive("a nanosecond before", got.Value)
	w.now = end
	w.wantDead("at its exp", got.Value)
	w.now = end.Add(time.Hour)
	w.wantDead("later", got.Value)
}

// Every kind of mark ends the tokens that it is for, and none of others.
func TestMarksEndTokens(t *testing.T) {
	const all, machine, person, none = "both", "ci", "u_ann", "none"
	for _, c := range []struct {
		kind iam.RevocationKind
		id   string // "jti" and "kid" stand for those of the token
		ends string
	}{
		{iam.RevokedToken, "jti", all},
		{iam.RevokedToken, "grant", none},
		{iam.RevokedGrant, "grant", all},
		{iam.RevokedGrant, "other", none},
		{iam.RevokedKey, "kid", all},
		{iam.RevokedKey, "other", none},
		{iam.RevokedClient, "ci", machine},
		{iam.RevokedClient, "web", person},
		{iam.RevokedOrganization, "acme", all},
		{iam.RevokedOrganization, "beta", none},
		{iam.RevokedUser, "u_ann", person},
		{iam.RevokedUser, "ci", none},
		{iam.RevokedMember, "acme/u_ann", person},
		{iam.RevokedMember, "acme/ci", none},
		{iam.RevokedMember, "beta/u_ann", none},
		{iam.RevokedSession, "s_1", person},
		{iam.RevokedSession, "s_2", none},
	} {
		for _, of := range []string{machine, person} {
			w := newWorld(t)
			a := w.machine()
			if of == person {
				a = w.person()
			}
			got := w.issue(a)
			w.wantLive("before any mark", got.Value)
			ref := iam.RevocationRef{Kind: c.kind, ID: c.id}
			switch c.id {
			case "jti":
				ref.ID = got.ID
			case "kid":
				ref.ID = object(t, part(t, got.Value, 0))["kid"].(string)
			}
			check(t, w.revoker.All(t.Context(), ref))
			what := fmt.Sprintf("token of %s after a mark of %s", of, ref)
			if c.ends == all || c.ends == of {
				w.wantDead(what, got.Value)
			} else {
				w.wantLive(what, got.Value)
			}
			if mark := w.marks.marks[ref]; !mark.NotBefore.IsZero() {
				a.IssuedAt = w.now.Add(time.Second)
				w.wantLive(what+", issued after it", w.issue(a).Value)
			}
		}
	}
}

// Whoever was disabled or is gone takes the tokens along, whether or not a mark says so; so does anything above an organization.
func TestTokensEndWithWhomTheySpeakFor(t *testing.T) {
	for what, c := range map[string]struct {
		change          func(d *directory)
		machine, person bool // ends
	}{
		"nothing":               {func(*directory) {}, false, false},
		"ci disabled":           {func(d *directory) { d.clients["ci"].Disabled = true }, true, false},
		"ci gone":               {func(d *directory) { delete(d.clients, "ci") }, true, false},
		"web disabled":          {func(d *directory) { d.clients["web"].Disabled = true }, false, true},
		"user disabled":         {func(d *directory) { d.users["u_ann"].Disabled = true }, false, true},
		"user gone":             {func(d *directory) { delete(d.users, "u_ann") }, false, true},
		"organization disabled": {func(d *directory) { d.nodes["acme"].Disabled = true }, true, true},
		"organization gone":     {func(d *directory) { delete(d.nodes, "acme") }, true, true},
		"enterprise disabled":   {func(d *directory) { d.nodes["holding"].Disabled = true }, true, true},
		"another disabled":      {func(d *directory) { d.nodes["beta"].Disabled = true }, false, false},
		"client's own organization disabled": {func(d *directory) {
			d.clients["ci"].Organization, d.nodes["beta"].Disabled = "beta", true
		}, true, false},
		"client's own organization gone": {func(d *directory) { d.clients["web"].Organization = "gone" }, false, true},
	} {
		w := newWorld(t)
		machine, person := w.issue(w.machine()).Value, w.issue(w.person()).Value
		w.wantLive(what+", before", machine)
		w.wantLive(what+", before", person)
		c.change(w.directory)
		for tok, ends := range map[string]bool{machine: c.machine, person: c.person} {
			who := what + ", token of " + object(t, part(t, tok, 1))["sub"].(string)
			if ends {
				w.wantDead(who, tok)
			} else {
				w.wantLive(who, tok)
			}
		}
	}
}

// A token about which something cannot be read is neither dead nor alive, also when its signature is remembered.
func TestOutageIsNeverInactive(t *testing.T) {
	for _, remembered := range []bool{false, true} {
		for _, what := range []string{"client", "user", "path", "marks"} {
			w := newWorld(t)
			tok := w.issue(w.person()).Value
			if remembered {
				w.wantLive("before the outage", tok)
			}
			if w.directory.down = what; what == "marks" {
				w.marks.down = unanswered
			}
			w.wantUnknown(what+" cannot be read", tok)
			w.directory.down, w.marks.down = "", nil
			w.wantLive("after the outage", tok)
		}
	}
}

// A token by a key that is not known yet makes the keys be read again before it is called nobody's; others do not.
func TestUnknownKeyIsAskedForBeforeTheTokenIsRefused(t *testing.T) {
	w := newWorld(t)
	old := w.issue(w.machine()).Value
	before := w.ring
	asked := 0
	var next *keys.Ring
	var fault error
	w.inspector.Refresh = func(context.Context) error {
		asked++
		if next != nil {
			w.ring = next
		}
		return fault
	}
	w.wantLive("by a known key", old)
	w.wantDead("garbage", "garbage")
	header, _, _ := strings.Cut(old, ".")
	w.wantDead("by a known key, forged", header+".e30."+strings.Repeat("A", 86))
	if asked != 0 {
		t.Errorf("the keys were read again %d times for what they could not change", asked)
	}

	_, rotated := newRing(t, keys.ES256)
	w.ring = rotated
	young := w.issue(w.machine()).Value // by a replica that has the new keys
	w.ring = before
	fault = unanswered
	w.wantUnknown("by an unknown key, keys cannot be read", young)
	fault = nil
	w.wantDead("by a key that nobody has", young)
	_, next = newRing(t, keys.ES256)
	w.wantDead("by a key that is not among the newer ones either", young)
	next, asked = rotated, 0
	w.wantLive("by a key that is among the newer ones", young)
	w.wantLive("once more", young)
	if asked != 1 {
		t.Errorf("the keys were read again %d times, want once", asked)
	}
}

// What a signature proved is remembered under the ring that proved it, and no longer.
func TestRememberedTokenDiesWithItsKey(t *testing.T) {
	w := newWorld(t)
	tok := w.issue(w.machine()).Value
	for range 3 {
		w.wantLive("by a known key", tok)
	}
	before := w.ring
	_, w.ring = newRing(t, keys.ES256)
	w.wantDead("after its key was removed", tok)
	w.wantLive("by the new key", w.issue(w.machine()).Value)
	w.wantDead("after its key was removed, once more", tok)
	w.ring = before
	w.wantLive("after the key came back", tok)
}

// Who is given the claims of a remembered token cannot change what the next one is told.
func TestIntrospectionAnswersAreNotShared(t *testing.T) {
	w := newWorld(t)
	tok := w.issue(w.machine()).Value
	first, _, err := w.inspector.Introspect(t.Context(), tok, w.caller("ci"))
	check(t, err)
	want := maps.Clone(object(t, first))
	for i := range first {
		first[i] = 'x'
	}
	second, _, err := w.inspector.Introspect(t.Context(), tok, w.caller("ci"))
	check(t, err)
	if got := object(t, second); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
