package adminapi_test

import (
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func putOther(tx *store.Tx) error {
	if err := tx.PutAudience(&iam.Audience{Identifier: "https://other.example", Name: "other"}); err != nil {
		return err
	}
	return tx.PutClient(&iam.Client{
		ID: "other", Name: "other", PlatformRole: iam.Operator, AuthMethod: iam.AuthBasic,
		GrantTypes: []iam.GrantType{iam.GrantClientCredentials}, Audiences: []string{"https://other.example"},
	})
}

// A body that is not what the operation expects is refused with a problem that names the fault, and changes nothing.
func TestBadBodies(t *testing.T) {
	b := start(t)
	const ok = `{"name":"good"}`
	for _, c := range []struct {
		name, body, kind string
		status           int
		code, field      string
	}{
		{"no JSON", `hello`, "", 400, "malformed_request", ""},
		{"cut off", `{"name":"a`, "", 400, "malformed_request", ""},
		{"two values", `{"name":"a"}{"name":"b"}`, "", 400, "malformed_request", ""},
		{"not an object", `["a"]`, "", 400, "invalid", ""},
		{"null", `null`, "", 400, "invalid", ""},
		{"unknown field", `{"name":"a","admin":true}`, "", 400, "invalid", "admin"},
		{"fields of the server", `{"name":"a","id":"u_1","created_at":"2020-01-01T00:00:00Z"}`, "", 400, "invalid", "id"},
		{"wrong type", `{"name":7}`, "", 400, "invalid", "name"},
		{"missing field", `{"email":"a@example.com"}`, "", 400, "invalid", ""},
		{"key twice", `{"name":"a","name":"b"}`, "", 400, "malformed_request", ""},
		{"key twice in another case", `{"name":"a","Name":"b"}`, "", 400, "malformed_request", ""},
		{"NUL", `{"name":"a\u0000"}`, "", 400, "malformed_request", ""},
		{"raw NUL", "{\"name\":\"a\x00\"}", "", 400, "malformed_request", ""},
		{"lone surrogate", `{"name":"a\ud800"}`, "", 400, "malformed_request", ""},
		{"no UTF-8", "{\"name\":\"a\xff\"}", "", 400, "malformed_request", ""},
		{"deep", `{"name":"a","claims":` + strings.Repeat(`{"a":`, 100_000) + `1` + strings.Repeat(`}`, 100_000) + `}`, "", 400, "malformed_request", ""},
		{"deep lists", strings.Repeat(`[`, 200_000), "", 400, "malformed_request", ""},
		{"long", `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, "", 413, "body_too_large", ""},
		{"many keys", `{"name":"a","claims":{` + manyKeys(50_000) + `}}`, "", 400, "invalid", ""},
		{"bad name", `{"name":"No Good"}`, "", 400, "invalid", "name"},
		{"name like an id", `{"name":"u_aaaabbbbccccdddd"}`, "", 400, "invalid", "name"},
		{"control characters", `{"name":"a","claims":{"name":"\u202eevil"}}`, "", 400, "invalid", "claims.name"},
		{"protocol claims", `{"name":"a","claims":{"sub":"root"}}`, "", 400, "invalid", "claims.sub"},
		{"not a role", `{"name":"a","platform_role":"god"}`, "", 400, "invalid", "platform_role"},
		{"XML", ok, "application/xml", 415, "unsupported_media_type", ""},
		{"text", ok, "text/plain", 415, "unsupported_media_type", ""},
		{"charset", ok, "application/json; charset=latin1", 415, "unsupported_media_type", ""},
		{"empty", ``, "", 400, "invalid", ""},
	} {
		kind := c.kind
		if kind == "" {
			kind = "application/json"
		}
		a := b.send("POST", "/api/v1/users", "operator", c.body, "Content-Type", kind)
		if a.status != c.status || a.code() != c.code {
			t.Errorf("%s: got %d %.300s, want %d %s", c.name, a.status, a.body, c.status, c.code)
			continue
		}
		if a.header.Get("Content-Type") != "application/problem+json" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got headers %v", c.name, a.header)
		}
		var p struct {
			RequestID string `json:"request_id"`
			Errors    []struct{ Path string }
		}
		check(t, json.Unmarshal([]byte(a.body), &p))
		if p.RequestID == "" {
			t.Errorf("%s: the problem has no request id", c.name)
		}
		if c.field != "" && !slices.ContainsFunc(p.Errors, func(e struct{ Path string }) bool { return e.Path == c.field }) {
			t.Errorf("%s: got faults %v, want one of %s", c.name, p.Errors, c.field)
		}
	}
	if got := b.send("GET", "/api/v1/users", "operator", ""); got.body != `{"items":[]}`+"\n" {
		t.Errorf("a refused body left something: %s", got.body)
	}
}

func manyKeys(n int) string {
	var s strings.Builder
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(`"k` + strconv.Itoa(i) + `":"v"`)
	}
	return s.String()
}

// curl says that a -d is a form, and people forget the header.
func TestFormTypeIsTakenForJSON(t *testing.T) {
	b := start(t)
	a := b.send("POST", "/api/v1/users", "operator", `{"name":"curl"}`, "Content-Type", "application/x-www-form-urlencoded")
	if a.status != 201 {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// What was sent is not sent back: it may be a secret.
func TestProblemsDoNotEchoValues(t *testing.T) {
	b := start(t)
	const canary = "canary-that-nobody-may-see"
	for path, body := range map[string]string{
		"/api/v1/users":             `{"name":"a","password":"` + canary + `"}`,
		"/api/v1/clients":           `{"name":"a","grant_types":["client_credentials"],"secrets":[{"name":"s","value":["` + canary + `"]}]}`,
		"/api/v1/clients/x/secrets": `{"value":7,"name":"` + canary + `"}`,
		"/api/v1/revocations":       `{"token":"` + canary + `"}`,
		"/api/v1/apply":             `{"documents":[{"kind":"Client","metadata":{"name":"a"},"spec":{"secrets":[{"name":"s","value":{"x":"` + canary + `"}}]}}]}`,
	} {
		a := b.send("POST", path, "operator", body)
		if a.status < 400 || strings.Contains(a.body, canary) {
			t.Errorf("%s: got %d %s", path, a.status, a.body)
		}
	}
	if strings.Contains(b.log.String(), canary) {
		t.Errorf("the log has the value: %s", b.log.String())
	}
}

// A page token is good for the list that gave it, unaltered; a page has the size asked for.
func TestPages(t *testing.T) {
	b := start(t)
	for i := range 5 {
		a := b.send("POST", "/api/v1/users", "operator", `{"name":"user`+strconv.Itoa(i)+`"}`)
		if a.status != 201 {
			t.Fatalf("got %d %s", a.status, a.body)
		}
	}
	type page struct {
		Items []struct{ Name string }
		Next  string `json:"next_page_token"`
	}
	read := func(token string) (p page) {
		a := b.send("GET", "/api/v1/users?page_size=2&page_token="+token, "operator", "")
		check(t, json.Unmarshal([]byte(a.body), &p))
		return p
	}
	var names []string
	first := read("")
	for p := first; ; p = read(p.Next) {
		for _, u := range p.Items {
			names = append(names, u.Name)
		}
		if p.Next == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "user0 user1 user2 user3 user4" {
		t.Errorf("paging gives %s", got)
	}
	for _, query := range []string{
		"page_size=0", "page_size=-1", "page_size=1000000000", "page_size=1001", "page_size=x", "page_token=x", "page_token=user1",
		"page_token=" + first.Next[:len(first.Next)-1], "page_token=" + first.Next + "AAAA", "page_token=../../etc",
	} {
		if a := b.send("GET", "/api/v1/users?"+query, "operator", ""); a.status != 400 {
			t.Errorf("users?%s: got %d %s, want 400", query, a.status, a.body)
		}
	}
	if a := b.send("GET", "/api/v1/clients?page_token="+first.Next, "operator", ""); a.status != 400 {
		t.Errorf("another list's token: got %d %s, want 400", a.status, a.body)
	}
}

// DOS-02: a body with half a million faults is refused with the first of them, for a bounded price.
func TestManyFaultsCostNoMoreThanFew(t *testing.T) {
	b := start(t)
	body := `{"name":"many","model":"floxhub","assignments":[` + strings.TrimSuffix(strings.Repeat("1,", 500_000), ",") + `]}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a := b.send("POST", "/api/v1/organizations", "operator", body)
	runtime.ReadMemStats(&after)
	if a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest || len(a.body) > 16<<10 {
		t.Errorf("got %d and %d bytes, want a refusal of a few", a.status, len(a.body))
	}
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 1024 {
		t.Errorf("refusing 1 MiB took %d MiB of memory", used)
	}
}
