package authzen_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// The examples of docs/authzen.md print what the page says, run one after the other in one shell.
func TestThePageIsTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/authzen.md")
	if err != nil {
		t.Fatal(err)
	}
	b := apptest.Start(t)
	(&pdp{Broker: b}).apply(t, `
kind: User
metadata: {name: alf}
---
kind: User
metadata: {name: bea}
---
kind: User
metadata: {name: cara}
---
kind: Organization
metadata: {name: box}
spec: {model: floxhub, assignments: [{user: alf, role: owner}, {user: bea, role: writer}, {user: cara, role: reader}]}
`)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "operator.secret"), []byte(b.Secret(apptest.Operator)), 0o600); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	var shells, wants []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)\n```(?:\n\n```(?:json)?\n(.*?)\n```)?").FindAllStringSubmatch(string(text), -1) {
		script.WriteString(m[1] + "\necho; echo =====\n")
		shells, wants = append(shells, m[1]), append(wants, m[2])
	}
	cmd := exec.Command("sh", "-eu", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ISSUER="+b.Issuer)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(string(out), "=====\n")
	if len(got) != len(wants)+1 || len(wants) < 9 {
		t.Fatalf("%d examples printed %d answers:\n%s", len(wants), len(got)-1, out)
	}
	for i, want := range wants {
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", `[\w-]+`) + "$"
		if answer := strings.TrimSpace(got[i]); !regexp.MustCompile(pattern).MatchString(answer) {
			t.Errorf("%s\nprints  %s\nthe page %s", shells[i], answer, want)
		}
	}
}
