package adminapi_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// Operations ask for what the model says and make their caller what it says, in one go.
func TestOperations(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	operate := func(node, operation, name string) func(api *apiv1.Client) error {
		return func(api *apiv1.Client) error {
			return errorOf(api.Operate(ctx, node, operation, apiv1.NewOperation{Name: name}))
		}
	}
	done, err := b.user("wu").Operate(ctx, "bank/retail", "create_project", apiv1.NewOperation{Name: "mine", DisplayName: "Mine"})
	check(t, err)
	if done.Node == nil || done.Node.Path != "bank/retail/mine" || done.Node.Kind != "project" || done.Role != "project_owner" || done.Node.DisplayName != "Mine" {
		t.Errorf("got %+v", done)
	}
	owns := func(who, node string) {
		t.Helper()
		page, err := b.as("operator").ListAssignments(ctx, node, apiv1.PageOptions{})
		check(t, err)
		owners := 0
		for _, a := range page.Items {
			if a.Role == "project_owner" {
				owners++
				if a.User != who {
					t.Errorf("%s is owned by %s, want %s", node, a.User, who)
				}
			}
		}
		if owners != 1 {
			t.Errorf("%s has %d owners", node, owners)
		}
	}
	owns("wu", "bank/retail/mine")
	b.try("create", trial{"cu", "not_found", operate("bank/retail", "create_project", "x")}, trial{"xc", "not_found", operate("bank/retail", "import_version_first", "x")},
		trial{"engine", "not_found", operate("bank/retail", "create_project", "x")}, trial{"operator", "holder_not_allowed", operate("bank/retail", "create_project", "x")},
		trial{"wu", "name_taken", operate("bank/retail", "create_project", "mine")}, trial{"wu", "unknown_operation", operate("bank/retail", "destroy", "x")},
		trial{"wu", "unknown_operation", operate("bank/retail/mine", "create_project", "x")})
	b.try("import a version", trial{"wu", "", operate("bank/retail", "import_version_first", "first")}, trial{"pe", "", operate("bank/retail/loans", "import_version_existing", "")},
		trial{"pv", "forbidden", operate("bank/retail/loans", "import_version_existing", "")}, trial{"xc", "forbidden", operate("bank/retail/loans", "import_version_existing", "")},
		trial{"pe", "invalid", operate("bank/retail/loans", "import_version_existing", "x")})
	owns("wu", "bank/retail/first")
	owns("po", "bank/retail/loans")
	b.try("import a build", trial{"wa", "", operate("bank/retail", "import_build_first", "built")}, trial{"wu", "forbidden", operate("bank/retail", "import_build_first", "x")},
		trial{"pe", "", operate("bank/retail/loans", "import_build_existing", "")}, trial{"pv", "forbidden", operate("bank/retail/loans", "import_build_existing", "")})
	owns("wa", "bank/retail/built")

	library, err := b.user("wu").Operate(ctx, "bank/retail", "import_library_version_first", apiv1.NewOperation{Name: "lib"})
	check(t, err)
	if library.Node == nil || library.Node.Kind != "library" || library.Node.Level != "project" {
		t.Errorf("got %+v", library)
	}
	owns("wu", "bank/retail/lib")
	build, err := b.user("wa").Operate(ctx, "bank/retail", "import_library_build", apiv1.NewOperation{})
	check(t, err)
	if build.Artifact != "library_build" || build.Node != nil || build.Role != "" {
		t.Errorf("got %+v", build)
	}
	if a := b.send("POST", "/api/v1/nodes/bank:retail/operations/import_library_build", b.person("wa", ""), `{}`); a.status != http.StatusOK {
		t.Errorf("an artifact: got %d %s, want 200", a.status, a.body)
	}
	if a := b.send("POST", "/api/v1/nodes/bank:retail/operations/create_project", b.person("wa", ""), `{"name":"q"}`); a.status != http.StatusCreated {
		t.Errorf("a node: got %d %s, want 201", a.status, a.body)
	}
}

// The operations of a node are listed, with whether the caller may carry them out.
func TestOperationsAreListed(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	for _, c := range []struct {
		who, node string
		want      map[string]bool
	}{
		{"wu", "bank/retail", map[string]bool{"create_project": true, "import_version_first": true, "import_build_first": false, "import_library_version_first": true, "import_library_build": false}},
		{"wa", "bank/retail", map[string]bool{"create_project": true, "import_version_first": true, "import_build_first": true, "import_library_version_first": true, "import_library_build": true}},
		{"pv", "bank/retail/loans", map[string]bool{"import_version_existing": false, "import_build_existing": false, "import_library_version_existing": false}},
		{"pe", "bank/retail/loans", map[string]bool{"import_version_existing": true, "import_build_existing": true, "import_library_version_existing": true}},
		{"ora", "bank", map[string]bool{}},
	} {
		page, err := b.user(c.who).ListOperations(ctx, c.node)
		check(t, err)
		if len(page.Items) != len(c.want) {
			t.Errorf("%s at %s: got %+v", c.who, c.node, page.Items)
		}
		for _, o := range page.Items {
			if want, ok := c.want[o.Name]; !ok || o.Allowed != want {
				t.Errorf("%s at %s, %s: got %v, want %v", c.who, c.node, o.Name, o.Allowed, want)
			}
		}
	}
}

// However many make a project of one name at once, it has one owner.
func TestAProjectHasOneOwner(t *testing.T) {
	ctx := t.Context()
	b := inBank(t)
	people := []string{"wu", "po", "pe", "pv", "wa"}
	for _, who := range people {
		b.person(who, "")
	}
	made := make([]error, len(people))
	var wait sync.WaitGroup
	for i, who := range people {
		wait.Go(func() {
			_, made[i] = b.user(who).Operate(ctx, "bank/retail", "create_project", apiv1.NewOperation{Name: "race"})
		})
	}
	wait.Wait()
	won := 0
	for i, err := range made {
		switch codeOf(err) {
		case "":
			check(t, err)
			won++
		case "name_taken":
		default:
			t.Errorf("%s: got %v", people[i], err)
		}
	}
	page, err := b.as("operator").ListAssignments(ctx, "bank/retail/race", apiv1.PageOptions{})
	check(t, err)
	if won != 1 || len(page.Items) != 1 {
		t.Errorf("%d made it, and it has %+v", won, page.Items)
	}
	_, err = b.as("operator").Assign(ctx, "bank/retail/race", apiv1.Assignment{User: "zed", Role: "project_owner"})
	wantCode(t, err, "role_is_system_assigned")
}
