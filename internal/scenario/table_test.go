package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A table is a file of the decision tables: facts, and rows that each begin from them.
type table struct {
	Model string
	Facts struct {
		Nodes []struct {
			ID, Level, Parent string
			Settings          map[string]string
			Seats             int
		}
		Groups []struct {
			ID, Node string
			Members  []string
		}
		Custom []struct {
			Node, Level, Name string
			Can               []string
		}
		Assignments []struct{ Node, Role, To string }
		Suspended   []struct{ User, Node string }
	}
	Checks []row
}

// An act is a change asked for.
type act struct {
	Actor, Op, Role, To, On, Key, Value, New, L, From string
	Give                                              []string
}

// A row is what was done before (do), and one question.
type row struct {
	act `yaml:",inline"`

	N          string
	Do         []act
	Who, Can   string
	Want       string
	Has, Lacks []string
	Roles      *[]string
	Groups     *[]string
	Ask        []string
	Claims     string
	Access     map[string][]string
	Assignable *[]string
	Seats      *int
}

func readTables(t testing.TB) map[string]*table {
	t.Helper()
	files, err := filepath.Glob("../access/testdata/checks/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no check tables: %v", err)
	}
	out := map[string]*table{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tb := &table{}
		d := yaml.NewDecoder(strings.NewReader(string(src)))
		d.KnownFields(true)
		if err := d.Decode(tb); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".yaml")] = tb
	}
	return out
}

// changes reports whether a row changes anything, so that it needs a broker of its own.
func (r *row) changes() bool { return len(r.Do) > 0 || r.Op != "" }

// Every row of the decision tables holds over HTTP too: what the engine answers is what the product answers.
func TestDecisionTablesOverHTTP(t *testing.T) {
	t.Parallel()
	for name, tb := range readTables(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeded := facts(t, name)
			t.Run("questions", func(t *testing.T) {
				t.Parallel()
				w := seeded.open(t)
				for _, r := range tb.Checks {
					if !r.changes() {
						t.Run(r.N, func(t *testing.T) { w.run(t, r) })
					}
				}
			})
			for _, r := range tb.Checks {
				if r.changes() {
					t.Run(r.N, func(t *testing.T) {
						t.Parallel()
						seeded.open(t).run(t, r)
					})
				}
			}
		})
	}
}
