package adminapi_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// migrants is an organization on flowx with workspace loans and project car in it: ada administers the organization, wim the workspace.
func migrants(t *testing.T, b *broker) *apiv1.Client {
	t.Helper()
	api := b.as("operator")
	for _, name := range []string{"ada", "wim", "ann", "bob", "cem", "dan", "eve"} {
		check(t, errorOf(api.CreateUser(t.Context(), apiv1.NewUser{Name: name})))
	}
	check(t, errorOf(api.CreateOrganization(t.Context(), apiv1.NewNode{
		Name: "bank", NodeSpec: apiv1.NodeSpec{Model: "flowx"}, Assignments: []apiv1.Assignment{{User: "ada", Role: "org_admin"}},
	})))
	check(t, errorOf(api.CreateNode(t.Context(), apiv1.NewNode{Name: "loans", Parent: "bank", NodeSpec: apiv1.NodeSpec{Level: "workspace"}})))
	check(t, errorOf(api.CreateNode(t.Context(), apiv1.NewNode{Name: "car", Parent: "bank/loans", NodeSpec: apiv1.NodeSpec{Level: "project"}})))
	check(t, errorOf(api.Assign(t.Context(), "bank/loans", apiv1.Assignment{User: "wim", Role: "workspace_admin"})))
	return api
}

var exported = apiv1.NewMigration{Source: "flowx-4", Holders: []apiv1.MigrationHolder{
	{User: "ann", Role: "FLOWX_ADMIN"},
	{User: "bob", Role: "FLOWX_CONFIGURATOR"},
	{User: "cem", Role: "FLOWX_UI_DESIGNER", Where: "bank/loans"},
	{User: "dan", Role: "FLOWX_VIEWER", Where: "bank/loans/car"},
	{User: "eve", Role: "ROLE_LICENSE_READ"},
	{Email: "fay@bank.example", Role: "FLOWX_VIEWER"},
}}

func states(m apiv1.Migration) (out []string) {
	for _, it := range m.Items {
		out = append(out, it.State)
	}
	return out
}

// held counts the assignments at the nodes of bank.
func held(t *testing.T, api *apiv1.Client) (n int) {
	t.Helper()
	for _, node := range []string{"bank", "bank/loans", "bank/loans/car"} {
		page, err := api.ListAssignments(t.Context(), node, apiv1.PageOptions{})
		check(t, err)
		n += len(page.Items)
	}
	return n
}

// Who held a role elsewhere and has not come is invited, as by hand: by whoever applies the plan, and with an end.
func TestMigrationsInviteWhoHasNotCome(t *testing.T) {
	b := start(t)
	migrants(t, b)
	ada := b.as(b.person("ada", "bank"))
	m, err := ada.PlanMigration(t.Context(), "bank", apiv1.NewMigration{Source: "flowx-4", Holders: []apiv1.MigrationHolder{
		{Login: &apiv1.Login{Connector: "github", Name: "gus"}, Role: "FLOWX_UI_DESIGNER", Where: "bank/loans"},
	}})
	check(t, err)
	m, err = ada.ApplyMigration(t.Context(), "bank", m.ID)
	check(t, err)
	if got := states(m); !slices.Equal(got, []string{"applied"}) {
		t.Fatalf("got states %q, want applied", got)
	}
	invited, err := ada.ListInvitations(t.Context(), "bank/loans", apiv1.PageOptions{})
	check(t, err)
	if len(invited.Items) != 1 || invited.Items[0].InvitedBy != "ada" || invited.Items[0].ExpiresAt.IsZero() {
		t.Errorf("got invitations %+v, want one by ada with an end", invited.Items)
	}
}

// A plan proposes what the model says, asks for the node and the choice, leaves roles of one's own to a person, and changes nobody's
// access (scenarios 226 to 229); what is decided is assigned, and nothing else.
func TestMigrationsArePlannedThenApplied(t *testing.T) {
	b := start(t)
	api := migrants(t, b)
	before := held(t, api)
	ada := b.as(b.person("ada", "bank"))
	m, err := ada.PlanMigration(t.Context(), "bank", exported)
	check(t, err)
	want := []string{"proposed", "choose", "proposed", "proposed", "review", "review"}
	if got := states(m); !slices.Equal(got, want) {
		t.Fatalf("got states %q, want %q", got, want)
	}
	admin, configurator := m.Items[0], m.Items[1]
	if admin.Role != "workspace_admin" || admin.Node != "" || admin.Reason != "say which workspace" {
		t.Errorf("FLOWX_ADMIN: got %+v", admin)
	}
	if !slices.Equal(configurator.Choices, []apiv1.MigrationChoice{{Role: "workspace_user", Level: "workspace"}, {Role: "project_editor", Level: "project"}}) || configurator.Role != "" {
		t.Errorf("FLOWX_CONFIGURATOR: got %+v", configurator)
	}
	if got := held(t, api); got != before {
		t.Errorf("a plan alone has made %d assignments", got-before)
	}

	decide := func(n int, d apiv1.MigrationDecision) error {
		return errorOf(ada.DecideMigration(t.Context(), "bank", m.ID, n, d))
	}
	wantCode(t, decide(2, apiv1.MigrationDecision{Role: "project_editor", Node: "bank/loans"}), "role_not_available_here")
	wantCode(t, decide(2, apiv1.MigrationDecision{Role: "workspace_user", Node: "nowhere"}), "unknown_reference")
	wantCode(t, decide(2, apiv1.MigrationDecision{Role: "workspace_user"}), "invalid")
	wantCode(t, decide(6, apiv1.MigrationDecision{Role: "project_viewer", Node: "bank/loans/car"}), "invalid") // who?
	wantCode(t, decide(7, apiv1.MigrationDecision{Skip: true}), "not_found")
	check(t, decide(2, apiv1.MigrationDecision{Role: "workspace_user", Node: "bank/loans"}))
	check(t, decide(6, apiv1.MigrationDecision{Skip: true}))
	m, err = ada.ApplyMigration(t.Context(), "bank", m.ID)
	check(t, err)
	if got := states(m); !slices.Equal(got, []string{"proposed", "applied", "applied", "applied", "review", "skipped"}) {
		t.Errorf("got states %q", got)
	}
	if got := held(t, api); got != before+3 {
		t.Errorf("%d assignments were made, want 3", got-before)
	}
	wantCode(t, decide(2, apiv1.MigrationDecision{Skip: true}), "conflict")
	check(t, errorOf(ada.ApplyMigration(t.Context(), "bank", m.ID)))
	if got := held(t, api); got != before+3 {
		t.Errorf("applied again, it has made %d assignments", got-before)
	}

	read, err := ada.GetMigration(t.Context(), "bank", m.ID)
	check(t, err)
	if got := states(read); !slices.Equal(got, states(m)) {
		t.Errorf("read back, it has the states %q, want %q", got, states(m))
	}
	list, err := ada.ListMigrations(t.Context(), "bank", apiv1.PageOptions{})
	check(t, err)
	if len(list.Items) != 1 || list.Items[0].Count != 6 || list.Items[0].Items != nil {
		t.Errorf("got list %+v", list.Items)
	}
	check(t, ada.DeleteMigration(t.Context(), "bank", m.ID))
	_, err = ada.GetMigration(t.Context(), "bank", m.ID)
	wantCode(t, err, "not_found")
	if got := held(t, api); got != before+3 {
		t.Error("what a plan has assigned ends with it")
	}
}

// Whoever cannot enter because the old role still waits is told so by explain, with that role (scenario 235).
func TestExplainNamesAPendingMigration(t *testing.T) {
	b := start(t)
	migrants(t, b)
	ada := b.as(b.person("ada", "bank"))
	m, err := ada.PlanMigration(t.Context(), "bank", exported)
	check(t, err)
	ask := func(user string) *apiv1.AccessExplanation {
		got, err := ada.ExplainAccess(t.Context(), apiv1.ExplainQuestion{
			Subject: &apiv1.Subject{Type: "user", ID: user}, Action: "wks_view", Resource: &apiv1.Resource{ID: "bank/loans"},
		})
		check(t, err)
		return got.Access
	}
	got := ask("eve")
	if got.Decision || got.Migration == nil || got.Migration.Old != "ROLE_LICENSE_READ" || got.Migration.State != "review" || got.Migration.Migration != m.ID {
		t.Errorf("got %+v with migration %+v", got, got.Migration)
	}
	check(t, errorOf(ada.DecideMigration(t.Context(), "bank", m.ID, 5, apiv1.MigrationDecision{Role: "workspace_user", Node: "bank/loans"})))
	check(t, errorOf(ada.ApplyMigration(t.Context(), "bank", m.ID)))
	if got := ask("eve"); !got.Decision || got.Migration != nil {
		t.Errorf("brought over: got %+v with migration %+v", got, got.Migration)
	}
}

// Items are assigned by the rights of whoever applies the plan: what is refused stays with its reason, and comes when somebody
// applies it who may.
func TestMigrationsGiveNoMoreThanTheActorMay(t *testing.T) {
	b := start(t)
	api := migrants(t, b)
	wim := b.as(b.person("wim", "bank"))
	_, err := wim.PlanMigration(t.Context(), "bank", exported)
	wantCode(t, err, "not_found") // the organization is not his to know
	m, err := wim.PlanMigration(t.Context(), "bank/loans", apiv1.NewMigration{Source: "flowx-4", Holders: []apiv1.MigrationHolder{
		{User: "ann", Role: "FLOWX_ADMIN"}, {User: "dan", Role: "FLOWX_VIEWER", Where: "bank/loans/car"},
	}})
	check(t, err)
	if m.Items[0].Node != "bank/loans" {
		t.Errorf("at a workspace, the workspace is the plan's own: got %+v", m.Items[0])
	}
	// A theme editor sees the workspace and reviews nothing; outsiders see nothing at all.
	check(t, errorOf(api.Assign(t.Context(), "bank/loans", apiv1.Assignment{User: "cem", Role: "theme_editor"})))
	cem, eve := b.as(b.person("cem", "bank")), b.as(b.person("eve", ""))
	_, err = cem.ApplyMigration(t.Context(), "bank/loans", m.ID)
	wantCode(t, err, "forbidden")
	_, err = eve.GetMigration(t.Context(), "bank/loans", m.ID)
	wantCode(t, err, "not_found")

	// Between decision and application the user goes, which is a refusal of that item alone.
	check(t, api.DeleteUser(t.Context(), "ann"))
	m, err = wim.ApplyMigration(t.Context(), "bank/loans", m.ID)
	check(t, err)
	if got := states(m); !slices.Equal(got, []string{"refused", "applied"}) || m.Items[0].Code == "" || m.Items[0].Reason == "" {
		t.Errorf("got %+v", m.Items)
	}
	check(t, errorOf(wim.DecideMigration(t.Context(), "bank/loans", m.ID, 1, apiv1.MigrationDecision{User: "bob"})))
	m, err = wim.ApplyMigration(t.Context(), "bank/loans", m.ID)
	check(t, err)
	if got := states(m); !slices.Equal(got, []string{"applied", "applied"}) {
		t.Errorf("got %+v", m.Items)
	}
	// Nodes of other organizations do not exist for it.
	check(t, errorOf(api.CreateOrganization(t.Context(), apiv1.NewNode{
		Name: "other", NodeSpec: apiv1.NodeSpec{Model: "flowx"}, Assignments: []apiv1.Assignment{{User: "ada", Role: "org_admin"}},
	})))
	_, err = api.PlanMigration(t.Context(), "bank", apiv1.NewMigration{Source: "flowx-4", Holders: []apiv1.MigrationHolder{{User: "bob", Role: "X", Where: "other"}}})
	wantCode(t, err, "unknown_reference")
	_, err = api.PlanMigration(t.Context(), "bank", apiv1.NewMigration{Source: "flowx-3", Holders: []apiv1.MigrationHolder{{User: "bob", Role: "X"}}})
	wantCode(t, err, "invalid")
}

// An apply that ends in the middle is finished by the next; nothing is given twice.
func TestInterruptedMigrationIsFinished(t *testing.T) {
	b := start(t)
	api := migrants(t, b)
	before := held(t, api)
	var plan apiv1.NewMigration
	plan.Source = "flowx-4"
	for _, name := range []string{"ann", "bob", "cem", "dan", "eve"} {
		plan.Holders = append(plan.Holders, apiv1.MigrationHolder{User: name, Role: "FLOWX_VIEWER", Where: "bank/loans/car"})
	}
	m, err := api.PlanMigration(t.Context(), "bank", plan)
	check(t, err)
	b.engine.left.Store(2)
	if _, err := api.ApplyMigration(t.Context(), "bank", m.ID); err == nil {
		t.Fatal("the crash went unnoticed")
	}
	b.engine.left.Store(-1)
	if got := held(t, api); got != before+2 {
		t.Errorf("after the crash, %d assignments were made, want 2", got-before)
	}
	m, err = api.ApplyMigration(t.Context(), "bank", m.ID)
	check(t, err)
	if got := held(t, api); got != before+5 || slices.Contains(states(m), "proposed") {
		t.Errorf("%d assignments were made, want 5; states %q", got-before, states(m))
	}
}

// A node keeps thirty plans, which explanations of access look through.
func TestANodeKeepsABoundedNumberOfMigrations(t *testing.T) {
	b := start(t)
	migrants(t, b)
	ada := b.as(b.person("ada", "bank"))
	var last apiv1.Migration
	for range store.MaxMigrations {
		var err error
		last, err = ada.PlanMigration(t.Context(), "bank", exported)
		check(t, err)
	}
	wantCode(t, errorOf(ada.PlanMigration(t.Context(), "bank", exported)), "too_many_migrations")
	check(t, ada.DeleteMigration(t.Context(), "bank", last.ID))
	check(t, errorOf(ada.PlanMigration(t.Context(), "bank", exported)))
}

// A plan has room for everybody, also where each holder is a user of his own with a place of his own.
func TestAPlanOfManyUsersIsOneChange(t *testing.T) {
	b := start(t)
	api := migrants(t, b)
	n := apiv1.NewMigration{Source: "flowx-4"}
	for i := range 80 {
		name := fmt.Sprintf("user%d", i)
		check(t, errorOf(api.CreateUser(t.Context(), apiv1.NewUser{Name: name})))
		n.Holders = append(n.Holders, apiv1.MigrationHolder{User: name, Role: "FLOWX_VIEWER", Where: "bank/loans/car"})
	}
	m, err := b.as(b.person("ada", "bank")).PlanMigration(t.Context(), "bank", n)
	check(t, err)
	if len(m.Items) != 80 || m.Items[79].State != "proposed" {
		t.Errorf("got %d items, want 80 that are proposed", len(m.Items))
	}
}
