package adminapi_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// answered are the operations that some test of the package had a good answer of, and described all that there are. The
// operations of a node below /organizations and /nodes are one, since they are made by one loop.
var answered, described sync.Map

// TestMain runs the tests and then fails if an operation of the API was called well by none of them.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && whole() {
		code = uncalled()
	}
	os.Exit(code)
}

// whole reports whether all tests were asked for.
func whole() bool {
	for _, name := range []string{"run", "skip", "list", "fuzz"} {
		if f := flag.Lookup("test." + name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

func uncalled() (code int) {
	missing := make(map[string]bool)
	for name := range described.Range {
		if _, ok := answered.Load(name); !ok {
			missing[name.(string)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		fmt.Printf("no test has a good answer of %s\n", name)
		code = 1
	}
	return code
}

func nameOf(method, path string) string {
	return method + " " + strings.Replace(path, "/organizations/{node}", "/nodes/{node}", 1)
}

// account reads from the log of a broker which operations answered well, by the line that each request leaves there.
func (b *broker) account() {
	for _, o := range b.operations() {
		described.Store(nameOf(o.method, o.path), true)
	}
	for line := range strings.Lines(b.log.String()) {
		var request struct {
			Msg, Method, Route string
			Status             int
		}
		if json.Unmarshal([]byte(line), &request) == nil && request.Msg == "request" && request.Status/100 == 2 {
			answered.Store(nameOf(request.Method, request.Route), true)
		}
	}
}

// Reads of one thing answer with that thing, and what is done twice is done once.
func TestSingleReadsAndRepeats(t *testing.T) {
	b := reviewed(t)
	ctx, op := t.Context(), b.as("operator")
	_, err := op.CreateAudience(ctx, apiv1.NewAudience{Name: "hub", AudienceSpec: apiv1.AudienceSpec{Identifier: "https://hub.example/api"}})
	check(t, err)
	for path, want := range map[string]string{
		"/audiences/hub":               `"https://hub.example/api"`,
		"/nodes/acme:wks/groups/sales": `"sales"`,
		"/organizations/acme/activity": `"items":[]`,
	} {
		if a := b.send("GET", "/api/v1"+path, "operator", ""); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: got %d %s, want %s in it", path, a.status, a.body, want)
		}
	}
	for range 2 {
		if a := b.send("POST", "/api/v1/clients/stranger/enable", "operator", ""); a.status/100 != 2 {
			t.Errorf("enable: got %d %s", a.status, a.body)
		}
	}
	rotated, err := op.RotateKey(ctx, "ES256")
	check(t, err)
	fresh := rotated.Items[len(rotated.Items)-1].ID
	check(t, op.RemoveKey(ctx, fresh))
	left, err := op.ListKeys(ctx)
	check(t, err)
	if len(left.Items) != len(rotated.Items)-1 || slices.ContainsFunc(left.Items, func(k apiv1.Key) bool { return k.ID == fresh }) {
		t.Errorf("got keys %+v, want all but %s", left.Items, fresh)
	}
}
