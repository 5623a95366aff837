package archtest_test

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// Whoever reads which test shows a module of the conformance suite finds that test, for every module.
func TestConformanceNamesWhatExists(t *testing.T) {
	tests := make(map[string]bool)
	eachGoFile(t, func(name string, file *ast.File) {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasSuffix(name, "_test.go") {
				tests[f.Name.Name] = true
			}
		}
	})
	row := regexp.MustCompile(`(?m)^\| .+ \| .+ \| (.+) \|$`)
	named := 0
	for _, match := range row.FindAllStringSubmatch(read(t, "docs/conformance.md"), -1) {
		if first := match[0]; !quoted.MatchString(match[1]) && !strings.HasPrefix(first, "| module ") {
			t.Errorf("docs/conformance.md names no test in %s", first)
		}
		for _, test := range quoted.FindAllStringSubmatch(match[1], -1) {
			named++
			if !tests[test[1]] {
				t.Errorf("docs/conformance.md names the test %s, which does not exist", test[1])
			}
		}
	}
	if named < 10 {
		t.Fatalf("docs/conformance.md names %d tests, want those of the logout plans at least", named)
	}
}
