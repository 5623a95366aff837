package iam_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Names stand in URLs, keys and terminals without quoting.
func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"acme": true, "a": true, "0": true, "a.b_c-d": true, strings.Repeat("a", iam.MaxName): true,
		"": false, "-a": false, ".a": false, "_a": false, "A": false, "a b": false, "a/b": false, "ä": false, "a\x00": false, "a;b": false,
		"a{b}": false, strings.Repeat("a", iam.MaxName+1): false, "a\u202eb": false,
	} {
		if err := iam.CheckName("organization", name); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", name, err, ok)
		}
	}
}

// A client id needs no quoting either and is never taken for a user's (RFC 9068 §5).
func TestCheckClientID(t *testing.T) {
	for id, ok := range map[iam.ClientID]bool{
		"release": true, "Release_2.0~x@y-z": true, iam.ClientID(strings.Repeat("a", 128)): true,
		".": false, "..": false, "-a": false, "~a": false,
		"": false, "a b": false, "a:b": false, "a/b": false, "ü": false, "a%b": false, iam.ClientID(strings.Repeat("a", 129)): false,
		iam.ClientID(iam.NewID("u")): false,
	} {
		if err := iam.CheckClientID(id); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", id, err, ok)
		}
	}
}

// Subjects read back as they were written, and nothing else reads as one.
func TestSubjectsRoundTrip(t *testing.T) {
	for _, s := range []iam.Subject{
		{Kind: iam.SubjectUser, ID: "u_1"}, {Kind: iam.SubjectClient, ID: "a@b"}, {Kind: iam.SubjectGroup, ID: "g_1"},
		{Kind: iam.SubjectLogin, ID: "github/bob"}, {Kind: iam.SubjectAnonymous},
	} {
		got, err := iam.ParseSubject(s.String())
		if err != nil || got != s {
			t.Errorf("%s: got %v, %v", s, got, err)
		}
	}
	for _, bad := range []string{"", "user", "user:", "robot:x", "anonymous:x"} {
		if s, err := iam.ParseSubject(bad); err == nil {
			t.Errorf("%q: got %v, want a refusal", bad, s)
		}
	}
}
