package apiv1_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// Everything that is wrong with a file comes at once, each with its line and path.
func TestParseNamesEveryFault(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown field", "kind: User\nmetadata: {name: a}\nspec:\n  emial: x\n", "f:4: spec.emial: no such field"},
		{"unknown top field", "kind: User\nmetadata: {name: a}\nstatus: x\n", "f:3: status: no such field"},
		{"unknown kind", "kind: Role\nmetadata: {name: a}\n", "f:1: kind: want one of Audience, User, Model, Organization, Node, CustomRole, Group, Client, Connector"},
		{"no kind", "metadata: {name: a}\n", "f:1: kind: want one of Audience, User, Model, Organization, Node, CustomRole, Group, Client, Connector"},
		{"no name", "kind: User\n", "f:1: metadata.name: required"},
		{"two faults", "kind: Client\nmetadata: {name: a}\nspec:\n  grantTypes: x\n  disabled: maybe\n", "f:4: spec.grantTypes: want a list\nf:5: spec.disabled: want true or false, got \"maybe\""},
		{"key twice", "kind: User\nmetadata: {name: a}\nspec:\n  email: a\n  email: b\n", "f:5: spec.email: stands on line 4 already"},
		{"document twice", "kind: User\nmetadata: {name: a}\n---\nkind: User\nmetadata: {name: a}\n", "f:4: User a stands on line 1 already"},
		{"number for text", "kind: User\nmetadata: {name: 7}\n", `f:2: metadata.name: want text: put "7" in quotes` + "\nf:2: metadata.name: required"},
		{"alias", "kind: User\nmetadata: &m {name: a}\nspec: *m\n", "f:2: metadata: anchors and aliases are not accepted: write it out\nf:3: spec: anchors and aliases are not accepted: write it out\nf:2: metadata.name: required"},
		{"merge", "kind: User\nmetadata: {name: a}\nspec: {<<: {email: a}}\n", "f:3: spec: a key must be plain text"},
		{"duration", "kind: Audience\nmetadata: {name: a}\nspec: {tokenLifetime: soon}\n", `f:3: spec.tokenLifetime: "soon" is not a duration such as 15m or 24h`},
		{"syntax", "kind: User\nmetadata: {name: a\n", "f:1: did not find expected ',' or '}'"},
		{"level of an organization", "kind: Organization\nmetadata: {name: a}\nspec: {level: project}\n", "f:2: spec.level: an Organization is at level organization"},
		{"parent of a user", "kind: User\nmetadata: {name: a, parent: b}\n", "f:2: metadata.parent: a User has none"},
		{"group of nothing", "kind: Group\nmetadata: {name: a}\n", "f:2: metadata.parent: required: the node that the group belongs to"},
		{"deep", "kind: User\nmetadata: {name: a}\nspec: {claims: {a: " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "}}\n", "f:3: spec.claims.a" + strings.Repeat("[0]", 31) + ": nested more than 32 deep"},
	} {
		_, err := apiv1.ParseDocuments("f", strings.NewReader(c.yaml))
		var faults apiv1.Faults
		if !errors.As(err, &faults) || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
}

const everything = `kind: Audience
metadata:
  name: hub
spec:
  identifier: https://hub.example/api
  tokenLifetime: 15m
  scopes:
    - a
---
kind: User
metadata:
  name: alice
spec:
  email: alice@example.com
  password:
    fromEnv: ALICE
  claims:
    given_name: Alice
---
kind: Organization
metadata:
  name: acme
spec:
  model: floxhub
  assignments:
    - user: alice
      role: owner
    - login:
        connector: github
        name: bob
      role: writer
---
kind: Node
metadata:
  name: web
  parent: acme
spec:
  level: project
  settings:
    visibility: private
---
kind: Group
metadata:
  name: team
  parent: acme
spec:
  members:
    - alice
---
kind: Client
metadata:
  name: web-app
spec:
  clientId: web-app
  grantTypes:
    - authorization_code
  secrets:
    - name: s
      writeTo: ./s
      expiresAt: 2030-01-01T00:00:00Z
  requirePkce: false
  organization: required
`

// What is written is what is read.
func TestDocumentsRoundTrip(t *testing.T) {
	docs, err := apiv1.ParseDocuments("f", strings.NewReader(everything))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := apiv1.WriteDocuments(&out, docs); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(everything, out.String()); d != "" {
		t.Errorf("written (-want +got):\n%s", d)
	}
}

// Whatever is accepted can be written and read again, and nothing makes the reader fail otherwise than with faults.
func FuzzParseDocuments(f *testing.F) {
	f.Add(everything)
	f.Add("kind: User\nmetadata: {name: a}\nspec: {claims: {a: [1, 2.5, true, null, {b: c}]}}\n")
	f.Fuzz(func(t *testing.T, yaml string) {
		docs, err := apiv1.ParseDocuments("f", strings.NewReader(yaml))
		if err != nil {
			var faults apiv1.Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("got %v, want faults", err)
			}
			return
		}
		var out bytes.Buffer
		if err := apiv1.WriteDocuments(&out, docs); err != nil {
			t.Fatalf("write: %v", err)
		}
		again, err := apiv1.ParseDocuments("f", &out)
		if err != nil {
			t.Fatalf("read what was written: %v", err)
		}
		if d := cmp.Diff(docs, again, cmpopts.IgnoreUnexported(apiv1.Document{}), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("read again (-want +got):\n%s", d)
		}
	})
}

func client(refs ...apiv1.SecretRef) []apiv1.Document {
	spec := &apiv1.ClientSpec{}
	for i, r := range refs {
		spec.Secrets = append(spec.Secrets, apiv1.SecretSpec{Name: string(rune('a' + i)), SecretRef: r})
	}
	return []apiv1.Document{{Kind: apiv1.KindClient, Metadata: apiv1.Metadata{Name: "c"}, Spec: spec}}
}

func value(docs []apiv1.Document, i int) string {
	return docs[0].Spec.(*apiv1.ClientSpec).Secrets[i].Value
}

// A generated secret is on disk, readable by its owner alone, before anybody hears of it; the next run takes it from there.
func TestGeneratedSecretsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.secret")
	made := 0
	r := apiv1.SystemResolver(func() string { made++; return "generated" })
	for range 2 {
		docs := client(apiv1.SecretRef{WriteTo: path})
		if err := apiv1.Resolve(docs, r); err != nil {
			t.Fatal(err)
		}
		if value(docs, 0) != "generated" {
			t.Errorf("got %q", value(docs, 0))
		}
	}
	if made != 1 {
		t.Errorf("%d secrets were generated, want one", made)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	if err := apiv1.WriteSecretFile(path, []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: got %v, want fs.ErrExist", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// When the file cannot be written there is no secret, and in a dry run neither is made.
func TestSecretsThatCannotBeKeptAreNotMade(t *testing.T) {
	full := errors.New("no space left")
	missing := func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	docs := client(apiv1.SecretRef{WriteTo: "x"})
	err := apiv1.Resolve(docs, apiv1.Resolver{ReadFile: missing, WriteFile: func(string, []byte) error { return full }, Generate: func() string { return "generated" }})
	if err == nil || value(docs, 0) != "" || strings.Contains(err.Error(), "generated") {
		t.Errorf("got %v and %q, want a fault and no secret", err, value(docs, 0))
	}
	docs = client(apiv1.SecretRef{WriteTo: "x"})
	if err := apiv1.Resolve(docs, apiv1.Resolver{ReadFile: missing}); err != nil || value(docs, 0) != "" {
		t.Errorf("dry run: got %v and %q", err, value(docs, 0))
	}
}

// References that lead nowhere are all named; no fault shows a secret.
func TestResolveNamesEveryFault(t *testing.T) {
	docs := client(apiv1.SecretRef{FromEnv: "UNSET"}, apiv1.SecretRef{}, apiv1.SecretRef{FromFile: "gone"}, apiv1.SecretRef{Value: "canary", FromEnv: "SET"}, apiv1.SecretRef{FromEnv: "SET"})
	err := apiv1.Resolve(docs, apiv1.Resolver{
		Env:      func(name string) (string, bool) { return "canary", name == "SET" },
		ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist },
	})
	var faults apiv1.Faults
	if !errors.As(err, &faults) || len(faults) != 4 || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v, want four faults", err)
	}
	if value(docs, 4) != "canary" {
		t.Errorf("got %q", value(docs, 4))
	}
}
