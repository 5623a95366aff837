package clientauth_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/clientauth"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A request authenticates in exactly one way (RFC 6749 §2.3), and nothing that is not understood counts as none at all.
func TestParseFindsOneMethodOrRefuses(t *testing.T) {
	const jwt = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	for _, c := range []struct {
		name          string
		authorization string
		form          url.Values
		method        iam.AuthMethod // or
		code          string
	}{
		{"basic", basic("ci", "x"), nil, iam.AuthBasic, ""},
		{"basic, any case of the scheme", "bAsIC " + base64.StdEncoding.EncodeToString([]byte("ci:x")), nil, iam.AuthBasic, ""},
		{"basic, same client_id", basic("ci", "x"), form("client_id", "ci"), iam.AuthBasic, ""},
		{"basic, same client_id form-encoded in the header", basic("c%40i", "x"), form("client_id", "c@i"), iam.AuthBasic, ""},
		{"basic, same client_id as sent in the header", basic("c%40i", "x"), form("client_id", "c%40i"), iam.AuthBasic, ""},
		{"basic, empty client_id", basic("ci", "x"), form("client_id", ""), iam.AuthBasic, ""},
		{"basic, empty secret", basic("ci", ""), nil, iam.AuthBasic, ""},
		{"basic, secret with colons", basic("ci", "a:b:c"), nil, iam.AuthBasic, ""},
		{"post", "", form("client_id", "ci", "client_secret", "x"), iam.AuthPost, ""},
		{"post, empty secret", "", form("client_id", "ci", "client_secret", ""), iam.AuthPost, ""},
		{"none", "", form("client_id", "ci"), iam.AuthNone, ""},

		{"nothing", "", nil, "", "invalid_client"},
		{"empty client_id", "", form("client_id", ""), "", "invalid_client"},
		{"secret without client", "", form("client_secret", "x"), "", "invalid_client"},
		{"basic, other client_id", basic("ci", "x"), form("client_id", "other"), "", "invalid_request"},
		{"basic and post", basic("ci", "x"), form("client_id", "ci", "client_secret", "x"), "", "invalid_request"},
		{"basic and empty post", basic("ci", "x"), form("client_secret", ""), "", "invalid_request"},
		{"basic and assertion", basic("ci", "x"), form("client_assertion", "x", "client_assertion_type", jwt), "", "invalid_request"},
		{"post and assertion", "", form("client_id", "ci", "client_secret", "x", "client_assertion", "x", "client_assertion_type", jwt), "", "invalid_request"},
		{"assertion alone", "", form("client_id", "ci", "client_assertion", "x", "client_assertion_type", jwt), "", "invalid_client"},
		{"assertion without type", "", form("client_id", "ci", "client_assertion", "x"), "", "invalid_request"},
		{"type without assertion", "", form("client_id", "ci", "client_assertion_type", jwt), "", "invalid_request"},
		{"basic without id", basic("", "x"), nil, "", "invalid_client"},
		{"basic without id, client_id beside it", basic("", "x"), form("client_id", "ci"), "", "invalid_client"},
		{"basic without colon", "Basic " + base64.StdEncoding.EncodeToString([]byte("ci")), nil, "", "invalid_client"},
		{"basic without value", "Basic", form("client_id", "ci"), "", "invalid_client"},
		{"basic, not base64", "Basic !!!", form("client_id", "ci"), "", "invalid_client"},
		{"basic, base64url", "Basic " + base64.URLEncoding.EncodeToString([]byte("ci:\xff\xff\xff")), nil, "", "invalid_client"},
		{"bearer", "Bearer x", form("client_id", "ci"), "", "invalid_client"},
		{"bearer and post", "Bearer x", form("client_id", "ci", "client_secret", "x"), "", "invalid_client"},
		{"blank", " ", form("client_id", "ci"), "", "invalid_client"},
	} {
		cred, err := clientauth.Parse(c.authorization, c.form)
		if c.code != "" {
			if iam.CodeOf(err) != c.code || cred != (clientauth.Credentials{}) {
				t.Errorf("%s: got %v, %v, want nothing and %s", c.name, cred, err, c.code)
			}
			continue
		}
		if err != nil || cred.Method != c.method || cred.ClientID == "" {
			t.Errorf("%s: got %v, %v, want a client by %s", c.name, cred, err, c.method)
		}
	}
}

// However credentials are printed, their secret is not.
func TestCredentialsNeverPrintTheirSecret(t *testing.T) {
	cred, err := clientauth.Parse(basic("ci", "s3cr+t"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{cred, &cred} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "s3cr") || strings.Contains(got, fmt.Sprintf("%x", "s3cr")) {
				t.Errorf("%s prints %q", verb, got)
			}
		}
	}
}

// Whatever id and secret a client has, it authenticates with them form-encoded (RFC 6749 appendix B), raw as curl -u sends
// them, and in the body; and with no other secret.
func TestEveryPairOfIDAndSecretComesThrough(t *testing.T) {
	w := newWorld(t)
	w.Failures = clientauth.NewFailures()
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9_.~@-]{1,128}`), rapid.StringMatching(`[+%A-F0-9 a-z/&=é]{1,12}`)).Draw(rt, "id")
		text := rapid.OneOf(rapid.StringN(1, 60, 120), rapid.StringMatching(`[+%A-F0-9 :]{1,24}`)).Draw(rt, "secret")
		text += goodSecret // long enough for a keyed hash
		c := w.client(iam.ClientID(id), text)
		defer delete(w.directory.clients, c.ID)
		for how, cred := range map[string]clientauth.Credentials{
			"form-encoded": w.parse(basic(url.QueryEscape(id), url.QueryEscape(text)), nil),
			"raw":          w.parse(basic(id, text), nil),
			"body":         w.parse("", form("client_id", id, "client_secret", text)),
		} {
			got, err := w.Authenticate(t.Context(), cred, source)
			if got != c || err != nil {
				rt.Fatalf("%s %q %q: got %v, %v", how, id, text, got, err)
			}
		}
		w.Failures = clientauth.NewFailures()
		if got, err := w.basic(id, text+"x"); got != nil || iam.CodeOf(err) != "invalid_client" {
			rt.Fatalf("%q with another secret: got %v, %v", id, got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("", "client_id=ci")
	f.Add("", "client_id=ci&client_secret=x")
	f.Add(basic("c%40i", "p%3Aw%2B"), "grant_type=client_credentials&client_id=c%40i")
	f.Add(basic("%", "+"), "client_secret=")
	f.Add("Basic", "client_assertion=a&client_assertion_type=b")
	f.Add("Bearer x", "client_id=ci")
	f.Fuzz(func(t *testing.T, authorization, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		cred, err := clientauth.Parse(authorization, form)
		if err != nil {
			if code := iam.CodeOf(err); code != "invalid_client" && code != "invalid_request" {
				t.Errorf("got %v, want invalid_client or invalid_request", err)
			}
			if cred != (clientauth.Credentials{}) {
				t.Errorf("refused with %v, and still got %v", err, cred)
			}
			return
		}
		if cred.ClientID == "" {
			t.Error("credentials of nobody")
		}
		want := iam.AuthNone
		switch {
		case form.Has("client_assertion") || form.Has("client_assertion_type"):
			t.Errorf("an assertion was taken for %v", cred)
		case authorization != "" && form.Has("client_secret"):
			t.Errorf("two methods were taken for %v", cred)
		case authorization != "":
			want = iam.AuthBasic
		case form.Has("client_secret"):
			want = iam.AuthPost
		}
		if cred.Method != want {
			t.Errorf("got %v, want %s", cred, want)
		}
		if named := form.Get("client_id"); want != iam.AuthBasic && string(cred.ClientID) != named {
			t.Errorf("got %v, the form names %q", cred, named)
		} else if want == iam.AuthBasic && named != "" {
			_, encoded, _ := strings.Cut(authorization, " ")
			pair, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
			sent, _, _ := strings.Cut(string(pair), ":")
			if decoded, _ := url.QueryUnescape(sent); named != sent && named != decoded {
				t.Errorf("the header names %q, the form %q, and both were taken for %v", sent, named, cred)
			}
		}
	})
}
