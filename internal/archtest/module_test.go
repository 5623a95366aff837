package archtest_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root       = "../.."
	modulePath = "github.com/gatehouse-id/gatehouse"
)

// A goPackage is a folder of the module with the import paths of its files.
type goPackage struct {
	imports     []string // of the files that are built
	testImports []string // of its tests
}

// inModule returns those imports that are packages of ours, as folders.
func (p goPackage) inModule() []string {
	var folders []string
	for _, imported := range p.imports {
		if folder, ours := strings.CutPrefix(imported, modulePath+"/"); ours {
			folders = append(folders, folder)
		}
	}
	return folders
}

// packages reads the module, by folder. Nested modules are not part of it.
func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	found := make(map[string]goPackage)
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, noModule := os.Stat(filepath.Join(file, "go.mod"))
			name := entry.Name()
			if file != root && (noModule == nil || name == "testdata" || name == "node_modules" || name[0] == '.' || name[0] == '_') {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		folder := path.Dir(filepath.ToSlash(relative))
		p := found[folder]
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if strings.HasSuffix(file, "_test.go") {
				p.testImports = append(p.testImports, imported)
			} else {
				p.imports = append(p.imports, imported)
			}
		}
		found[folder] = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("found %d packages, want the whole module", len(found))
	}
	return found
}

// levels reads the table of docs/architecture.md: | `package` | level | ….
func levels(t *testing.T) map[string]int {
	t.Helper()
	level := make(map[string]int)
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([0-9]) \\|").FindAllStringSubmatch(read(t, "docs/architecture.md"), -1) {
		level[row[1]] = int(row[2][0] - '0')
	}
	if len(level) < 10 {
		t.Fatalf("the table of docs/architecture.md has %d rows, want one for each package", len(level))
	}
	return level
}

// requirement is a line of go.mod that requires a module.
var requirement = regexp.MustCompile(`(?m)^(?:require )?\s*([a-z0-9.-]+\.[a-z]+/\S+) v\S+`)

// required returns the modules that go.mod requires.
func required(t *testing.T) []string {
	t.Helper()
	var modules []string
	for _, match := range requirement.FindAllStringSubmatch(read(t, "go.mod"), -1) {
		modules = append(modules, match[1])
	}
	return modules
}

// moduleOf returns the longest of modules that holds the package, "" when none does.
func moduleOf(imported string, modules []string) string {
	best := ""
	for _, module := range modules {
		if (imported == module || strings.HasPrefix(imported, module+"/")) && len(module) > len(best) {
			best = module
		}
	}
	return best
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sortedKeys keeps the order of failures the same from run to run.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
