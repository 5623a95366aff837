package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// quoted finds what stands in backquotes on a page.
var quoted = regexp.MustCompile("`([^`\n]+)`")

// A claim about a standard is worth what its test is worth: every file and test named in docs/standards.md exists.
func TestStandardsNameWhatExists(t *testing.T) {
	tests := make(map[string]bool)
	eachGoFile(t, func(name string, file *ast.File) {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasSuffix(name, "_test.go") {
				tests[f.Name.Name] = true
			}
		}
	})
	isFile, isTest := regexp.MustCompile(`^(internal|keys|cmd|docs)/\S+\.\w+$`), regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w*$`)
	rows := 0
	for _, line := range strings.Split(read(t, "docs/standards.md"), "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 4 || strings.HasPrefix(line, "| section") {
			continue
		}
		rows++
		files := quoted.FindAllStringSubmatch(cells[2], -1)
		shows := quoted.FindAllStringSubmatch(cells[3], -1)
		if len(files) == 0 || len(shows) == 0 {
			t.Errorf("docs/standards.md has a row without a file or a test: %s", line)
		}
		for _, match := range files {
			if _, err := os.Stat(filepath.Join(root, match[1])); err != nil || !isFile.MatchString(match[1]) {
				t.Errorf("docs/standards.md names the file %s, which does not exist", match[1])
			}
		}
		for _, match := range shows {
			if !isTest.MatchString(match[1]) || !tests[match[1]] {
				t.Errorf("docs/standards.md names the test %s, which does not exist", match[1])
			}
		}
	}
	if rows < 20 {
		t.Fatalf("docs/standards.md has %d rows that can be read, want one for each section", rows)
	}
}

// Whoever meets a code finds it on docs/errors.md. Codes are the second argument of iam.Refuse, constants named Code…, and those
// of the kinds of error.
func TestEveryErrorCodeIsExplained(t *testing.T) {
	explained := make(map[string]bool)
	for _, match := range quoted.FindAllStringSubmatch(read(t, "docs/errors.md"), -1) {
		explained[match[1]] = true
	}
	found := 0
	check := func(where string, e ast.Expr) {
		literal, ok := e.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return
		}
		code, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if !explained[code] {
			t.Errorf("%s refuses with %s, which is not in docs/errors.md", where, code)
		}
	}
	constant := regexp.MustCompile(`^[cC]ode[A-Z]`)
	eachGoFile(t, func(name string, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if selector, ok := n.Fun.(*ast.SelectorExpr); ok && selector.Sel.Name == "Refuse" && len(n.Args) > 1 {
					check(name, n.Args[1])
				}
			case *ast.ValueSpec:
				for i, ident := range n.Names {
					if list, ok := valueOf(n, i).(*ast.CompositeLit); ok && ident.Name == "kindCodes" {
						for _, e := range list.Elts {
							check(name, e)
						}
					}
					if constant.MatchString(ident.Name) {
						check(name, valueOf(n, i))
					}
				}
			}
			return true
		})
	})
	if found < 40 {
		t.Fatalf("found %d codes, want those of all packages", found)
	}
}

// valueOf returns what the declaration gives its i-th name, nil for nothing.
func valueOf(spec *ast.ValueSpec, i int) ast.Expr {
	if i < len(spec.Values) {
		return spec.Values[i]
	}
	return nil
}

// eachGoFile parses every Go file of the module's own packages.
func eachGoFile(t *testing.T, do func(name string, file *ast.File)) {
	t.Helper()
	for _, folder := range sortedKeys(packages(t)) {
		entries, err := fs.Glob(os.DirFS(root), folder+"/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range entries {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			do(name, parsed)
		}
	}
}
