package archtest_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageIsInTheTable(t *testing.T) {
	level, found := levels(t), packages(t)
	for _, folder := range sortedKeys(found) {
		if _, ok := level[folder]; !ok && !isSample(folder) {
			t.Errorf("%s is not in the table of docs/architecture.md", folder)
		}
	}
	for _, folder := range sortedKeys(level) {
		if _, ok := found[folder]; !ok {
			t.Errorf("the table of docs/architecture.md has %s, which does not exist", folder)
		}
	}
}

func TestImportsGoDown(t *testing.T) {
	level, found := levels(t), packages(t)
	for _, folder := range sortedKeys(found) {
		for _, imported := range found[folder].inModule() {
			if !isSample(folder) && level[imported] >= level[folder] {
				t.Errorf("%s (level %d) imports %s (level %d)", folder, level[folder], imported, level[imported])
			}
		}
	}
}

// A service of level 2 declares what it needs of the store; app hands it over. To directory a transaction of the store is its own trade.
func TestServicesDoNotImportTheStore(t *testing.T) {
	level, found := levels(t), packages(t)
	for _, folder := range sortedKeys(found) {
		if folder != "internal/directory" && level[folder] == 2 && slices.Contains(found[folder].inModule(), "internal/store") {
			t.Errorf("%s (level 2) imports internal/store", folder)
		}
	}
}

// Resource servers import keys; what it pulled in they would pull in, too.
func TestKeysImportsNothingOfGatehouse(t *testing.T) {
	found := packages(t)
	if got := found["keys"].inModule(); len(got) > 0 || len(found["keys"].imports) == 0 {
		t.Errorf("keys imports %q, want nothing of Gatehouse", got)
	}
}

// A sample shows what somebody else would write, so it has only what somebody else has.
func TestSamplesImportNothingInternal(t *testing.T) {
	found := packages(t)
	for _, folder := range sortedKeys(found) {
		for _, imported := range found[folder].inModule() {
			if isSample(folder) && imported != "keys" {
				t.Errorf("%s imports %s", folder, imported)
			}
		}
	}
}

func isSample(folder string) bool {
	return strings.HasPrefix(folder, "docs/") || strings.HasPrefix(folder, "deploy/")
}

// Each of these has one room, so that it can be replaced or watched there. Tests may use any of them directly, and bench, whose
// bare server has to read Redis without our engine.
func TestOutsideLibrariesStayInTheirRoom(t *testing.T) {
	rooms := map[string][]string{
		"github.com/ory/fosite":      {"internal/authserver"},
		"go.etcd.io/bbolt":           {"internal/kv/boltkv"},
		"github.com/redis/go-redis":  {"internal/kv/rediskv", "internal/kv/redistest", "internal/bench"},
		"golang.org/x/crypto/argon2": {"internal/secret"},
	}
	found := packages(t)
	for library, allowed := range rooms {
		used := false
		for _, folder := range sortedKeys(found) {
			for _, imported := range found[folder].imports {
				if imported != library && !strings.HasPrefix(imported, library+"/") {
					continue
				}
				used = true
				if !slices.Contains(allowed, folder) {
					t.Errorf("%s imports %s, which only %s may", folder, imported, strings.Join(allowed, " and "))
				}
			}
		}
		if !used {
			t.Errorf("nothing imports %s any more: take it out of this test", library)
		}
	}
}

func TestNoChainOfImportsIsLongerThanSix(t *testing.T) {
	found := packages(t)
	longest := make(map[string][]string)
	var chain func(folder string) []string
	chain = func(folder string) []string {
		if known, ok := longest[folder]; ok {
			return known
		}
		longest[folder] = []string{folder} // a cycle does not compile, but must not hang the test either
		var below []string
		for _, imported := range found[folder].inModule() {
			if c := chain(imported); len(c) > len(below) {
				below = c
			}
		}
		longest[folder] = append([]string{folder}, below...)
		return longest[folder]
	}
	for _, folder := range sortedKeys(found) {
		if c := chain(folder); len(c) > 6 {
			t.Errorf("a chain of %d: %s", len(c), strings.Join(c, " → "))
		}
	}
}

func TestEveryDependencyHasAReason(t *testing.T) {
	modules := required(t)
	reasons := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1) {
		reasons[row[1]] = strings.TrimSpace(row[2])
	}
	used := make(map[string]bool)
	for _, p := range packages(t) {
		for _, imported := range slices.Concat(p.imports, p.testImports) {
			if module := moduleOf(imported, modules); module != "" {
				used[module] = true
			}
		}
	}
	if len(used) < 5 {
		t.Fatalf("found %d modules in use, want those of go.mod", len(used))
	}
	for _, module := range sortedKeys(used) {
		if reasons[module] == "" {
			t.Errorf("%s is imported and has no line in docs/dependencies.md", module)
		}
	}
	for _, module := range sortedKeys(reasons) {
		if !slices.Contains(modules, module) {
			t.Errorf("docs/dependencies.md has %s, which go.mod does not require", module)
		}
	}
}
