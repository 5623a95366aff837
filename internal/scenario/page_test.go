package scenario

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// scenarios is how many the page lists.
const scenarios = 249

// waiting are the scenarios of which a part needs what the product does not have yet. The page says so of them, and of no others.
var waiting = map[string]string{"99": "trusted outside issuers"}

var (
	pageLine = regexp.MustCompile(`(?m)^\| (\d+) \| .* \| (.*) \|$`)
	named    = regexp.MustCompile("`([^`]+)`")
	testName = regexp.MustCompile(`(?m)^func (TestScenario\d{3})`)
)

// The page of the scenarios leaves none out, and every test that it names exists.
func TestScenarioPageNamesTests(t *testing.T) {
	rows := map[string]bool{}
	for _, tb := range readTables(t) {
		for _, r := range tb.Checks {
			rows[r.N] = true
		}
	}
	tests := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testName.FindAllStringSubmatch(string(src), -1) {
			tests[m[1]] = true
		}
	}
	page, err := os.ReadFile("../../docs/access-scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	next := 1
	for _, line := range pageLine.FindAllStringSubmatch(string(page), -1) {
		if line[1] != strconv.Itoa(next) {
			t.Fatalf("the page has scenario %s where %d comes", line[1], next)
		}
		next++
		known := rows
		if !strings.HasPrefix(line[2], "table: ") {
			known = tests
		}
		if _, needs, _ := strings.Cut(line[2], "not yet: needs "); needs != waiting[line[1]] {
			t.Errorf("scenario %s waits for %q on the page, want %q", line[1], needs, waiting[line[1]])
		}
		names := named.FindAllStringSubmatch(line[2], -1)
		if len(names) == 0 {
			t.Errorf("scenario %s names no test", line[1])
		}
		for _, name := range names {
			if !known[name[1]] {
				t.Errorf("scenario %s names %s, which does not exist", line[1], name[1])
			}
		}
	}
	if next-1 != scenarios {
		t.Errorf("the page has %d scenarios, want %d", next-1, scenarios)
	}
}
