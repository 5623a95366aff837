package adminapi_test

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

const gears = `# Gears: who turns what.
model: gears
revision: 1
levels:
  organization:
    see: see
    join_role: turner
    manage: {assign: lead, change: lead, revoke: lead}
    settings: {oil: {values: [thick, thin], default: thin, change: lead}}
    roles:
      smith: {extends: [turner], permissions: [lead, forge], holders: [user], min: 1}
      turner: {permissions: [see, turn], holders: [user, client]}
  bench:
    parent: organization
    see: see
    manage: {assign: lead, change: lead, revoke: lead}
    admin: {create: lead}
    roles:
      guard: {permissions: [watch], holders: [user, group]}
`

// later is gears with changes, and a revision of its own.
func later(revision string, changes ...string) string {
	return strings.NewReplacer(append([]string{"revision: 1", "revision: " + revision}, changes...)...).Replace(gears)
}

// workshop is an organization on a model of one's own, with a bench, a setting and holders of every role.
func workshop(t *testing.T, b *broker) *apiv1.Client {
	t.Helper()
	api := b.as("operator")
	check(t, errorOf(api.CreateModel(t.Context(), gears)))
	for _, name := range []string{"ann", "bob"} {
		check(t, errorOf(api.CreateUser(t.Context(), apiv1.NewUser{Name: name})))
	}
	check(t, errorOf(api.CreateOrganization(t.Context(), apiv1.NewNode{
		Name: "shop", NodeSpec: apiv1.NodeSpec{Model: "gears", Settings: map[string]string{"oil": "thick"}},
		Assignments: []apiv1.Assignment{{User: "ann", Role: "smith"}},
	})))
	check(t, errorOf(api.CreateNode(t.Context(), apiv1.NewNode{Name: "b1", Parent: "shop", NodeSpec: apiv1.NodeSpec{Level: "bench"}})))
	check(t, errorOf(api.Assign(t.Context(), "shop/b1", apiv1.Assignment{User: "bob", Role: "guard"})))
	return api
}

// An operator's model is made, read, changed and ended; its name is its own, and nobody's who ships with Gatehouse.
func TestModelsAreResources(t *testing.T) {
	b := start(t)
	api := b.as("operator")
	m, err := api.CreateModel(t.Context(), gears)
	check(t, err)
	if m.Name != "gears" || m.Revision != 1 || m.Source != gears || m.Preset || strings.Join(m.Levels, " ") != "organization bench" {
		t.Errorf("got %+v", m)
	}
	_, err = api.CreateModel(t.Context(), gears)
	wantCode(t, err, "name_taken")
	_, err = api.CreateModel(t.Context(), strings.Replace(gears, "model: gears", "model: flux", 1))
	wantCode(t, err, "name_taken")
	_, err = api.UpdateModel(t.Context(), "flux", later("2"), "")
	wantCode(t, err, "name_taken")
	_, err = api.UpdateModel(t.Context(), "cogs", later("2"), "")
	wantCode(t, err, "not_found")
	_, err = api.UpdateModel(t.Context(), "gears", strings.Replace(later("2"), "model: gears", "model: cogs", 1), "")
	wantCode(t, err, "invalid")
	_, err = api.CreateModel(t.Context(), strings.Replace(gears, "revision: 1", "revision: x", 1))
	if e := wantCode(t, err, "invalid_model"); len(e.Errors) == 0 || e.Errors[0].Path != "line 3" {
		t.Errorf("got faults %+v, want line 3", e.Errors)
	}

	_, err = api.UpdateModel(t.Context(), "gears", later("2"), `"old"`)
	wantCode(t, err, "stale")
	_, err = api.UpdateModel(t.Context(), "gears", later("1", "turn]", "turn, spin]"), m.ETag)
	wantCode(t, err, "invalid") // the revision stays behind
	m, err = api.UpdateModel(t.Context(), "gears", later("2", "turn]", "turn, spin]"), m.ETag)
	check(t, err)
	commented, err := api.UpdateModel(t.Context(), "gears", m.Source+"# done\n", m.ETag)
	check(t, err)
	if m.Revision != 2 || commented.Source != m.Source+"# done\n" {
		t.Errorf("got %+v, then %q", m, commented.Source)
	}

	list, err := api.ListModels(t.Context(), apiv1.PageOptions{PageSize: 2})
	check(t, err)
	rest, err := api.ListModels(t.Context(), apiv1.PageOptions{PageSize: 1000, Token: list.NextPageToken})
	check(t, err)
	var names []string
	for _, m := range append(list.Items, rest.Items...) {
		names = append(names, m.Name)
	}
	if got := strings.Join(names, " "); got != "flakiness flowx floxhub flux gears" || rest.NextPageToken != "" {
		t.Errorf("got models %q", got)
	}
	check(t, api.DeleteModel(t.Context(), "gears"))
	_, err = api.GetModel(t.Context(), "gears")
	wantCode(t, err, "not_found")
	wantCode(t, api.DeleteModel(t.Context(), "flux"), "name_taken")
}

// Whatever is wrong with a source is told at once, by line, to anybody with a token.
func TestModelsAreValidated(t *testing.T) {
	b := start(t)
	got, err := b.as("stranger").ValidateModel(t.Context(), strings.NewReplacer("extends: [turner]", "extends: [nobody]", "parent: organization", "parent: shop").Replace(gears))
	check(t, err)
	if got.Valid || len(got.Faults) != 2 || got.Faults[0].Line != 11 || got.Faults[1].Line != 14 || got.Faults[1].Path != "levels.bench.parent" {
		t.Errorf("got %+v", got)
	}
	got, err = b.as("auditor").ValidateModel(t.Context(), gears)
	check(t, err)
	if !got.Valid || got.Name != "gears" || got.Revision != 1 || len(got.Faults) != 0 {
		t.Errorf("got %+v", got)
	}
}

// A change of a model that is in use keeps every level, role, setting and holder that there is; one that does not is refused with
// what stands in its way, and nothing has changed.
func TestModelsInUseKeepWhatIsHeld(t *testing.T) {
	b := start(t)
	api := workshop(t, b)
	for _, c := range []struct{ name, code, at, from, to string }{
		{"a role that somebody holds", "role_in_use", "shop/b1", "guard: {", "keeper: {"},
		{"a holder of another kind", "role_in_use", "shop/b1", "permissions: [watch], holders: [user, group]", "permissions: [watch], holders: [group]"},
		{"a level", "model_in_use", "shop/b1", "bench:", "desk:"},
		{"a value that is set", "model_in_use", "shop", "[thick, thin]", "[thin]"},
		{"a setting that is set", "model_in_use", "shop", "    settings: {oil: {values: [thick, thin], default: thin, change: lead}}\n", ""},
		{"a minimum that is not met", "last_holder", "shop", "min: 1", "min: 2"},
	} {
		_, err := api.UpdateModel(t.Context(), "gears", later("2", c.from, c.to), "")
		if e := wantCode(t, err, c.code); e.Status != 409 || len(e.Errors) == 0 || e.Errors[0].Path != c.at {
			t.Errorf("%s: got %d with %+v, want it at %s", c.name, e.Status, e.Errors, c.at)
		}
	}
	// Nothing of that stays: what follows the model can be changed, and so can the model.
	check(t, errorOf(api.Assign(t.Context(), "shop", apiv1.Assignment{User: "bob", Role: "turner"})))
	m, err := api.GetModel(t.Context(), "gears")
	check(t, err)
	if m.Source != gears {
		t.Errorf("the source is now %q", m.Source)
	}
	e := wantCode(t, api.DeleteModel(t.Context(), "gears"), "model_in_use")
	if len(e.Errors) != 1 || e.Errors[0].Path != "shop" {
		t.Errorf("got %+v, want the organization", e.Errors)
	}
	check(t, api.Unassign(t.Context(), "shop/b1", apiv1.Assignment{User: "bob", Role: "guard"}))
	check(t, errorOf(api.UpdateModel(t.Context(), "gears", later("2", "guard: {", "keeper: {"), "")))
	check(t, errorOf(api.Assign(t.Context(), "shop/b1", apiv1.Assignment{User: "bob", Role: "keeper"})))
	_, err = api.Assign(t.Context(), "shop/b1", apiv1.Assignment{User: "bob", Role: "guard"})
	wantCode(t, err, "role_not_available_here")
	check(t, api.DeleteNode(t.Context(), "shop/b1"))
	check(t, api.DeleteOrganization(t.Context(), "shop"))
	check(t, api.DeleteModel(t.Context(), "gears"))
}

// A revision that may take rights away ends the tokens of the organizations that follow it; one that only gives leaves them.
func TestTokensEndWhenTheirModelNarrows(t *testing.T) {
	b := start(t)
	api := workshop(t, b)
	check(t, errorOf(api.CreateAudience(t.Context(), apiv1.NewAudience{Name: "mill", AudienceSpec: apiv1.AudienceSpec{Identifier: "https://mill.example"}})))
	check(t, errorOf(api.CreateClient(t.Context(), apiv1.NewClient{Name: "lathe", Organization: "shop", ClientSpec: apiv1.ClientSpec{
		ClientID: "lathe", GrantTypes: []string{"client_credentials"}, Role: "turner", Audiences: []string{"mill"},
	}})))
	issued := b.issue("lathe")
	lives := func() bool {
		_, err := b.inspector.Access(t.Context(), issued, "https://mill.example")
		return err == nil
	}
	check(t, errorOf(api.UpdateModel(t.Context(), "gears", later("2", "turn]", "turn, spin]"), "")))
	if !lives() {
		t.Fatal("a revision that gives more has ended tokens")
	}
	check(t, errorOf(api.UpdateModel(t.Context(), "gears", later("3", ", turn]", "]"), "")))
	if lives() {
		t.Fatal("a token outlives the right that its model has lost")
	}
}

// A model is a document: applied before what follows it, told by the lines of its file when it is wrong, exported as it was
// written, and pruned after all that followed it.
func TestModelDocuments(t *testing.T) {
	b := start(t)
	api := b.as("operator")
	indented := "    " + strings.ReplaceAll(strings.TrimSpace(gears), "\n", "\n    ") + "\n"
	text := `kind: Organization
metadata: {name: shop}
spec: {model: gears, assignments: [{user: ann, role: smith}]}
---
kind: User
metadata: {name: ann}
---
kind: Model
spec:
` + indented + `metadata: {name: gears}
`
	plan, err := api.Apply(t.Context(), documents(t, text), apiv1.ApplyOptions{})
	check(t, err)
	var kinds []string
	for _, c := range plan.Changes {
		kinds = append(kinds, c.Action+" "+c.Kind)
	}
	if got := strings.Join(kinds, ", "); got != "create User, create Model, create Organization" {
		t.Errorf("got plan %q", got)
	}
	m, err := api.GetModel(t.Context(), "gears")
	check(t, err)
	if m.Source != strings.TrimSpace(gears)+"\n" && m.Source != gears[strings.Index(gears, "model:"):] {
		t.Errorf("got source %q", m.Source)
	}

	docs, err := api.Export(t.Context())
	check(t, err)
	var exported bytes.Buffer
	check(t, apiv1.WriteDocuments(&exported, docs))
	for _, again := range []string{text, exported.String(), strings.Replace(text, "default: thin", "default:   thin", 1)} {
		plan, err := api.Apply(t.Context(), documents(t, again), apiv1.ApplyOptions{})
		check(t, err)
		if len(plan.Changes) != 0 {
			t.Errorf("applied again, it changes %+v:\n%s", plan.Changes, again)
		}
	}

	_, err = api.Apply(t.Context(), documents(t, strings.Replace(text, "extends: [turner]", "extends: [nobody]", 1)), apiv1.ApplyOptions{})
	e := wantCode(t, err, "invalid_model")
	line := 1 + strings.Count(text[:strings.Index(text, "smith: {")], "\n")
	if len(e.Errors) != 1 || !strings.Contains(e.Errors[0].Path, "line "+strconv.Itoa(line)) || !strings.Contains(e.Errors[0].Path, "Model gears") {
		t.Errorf("got %+v, want line %d", e.Errors, line)
	}
	_, err = api.Apply(t.Context(), documents(t, strings.Replace(text, "values: [thick, thin]", "values: [thin]", 1)), apiv1.ApplyOptions{})
	wantCode(t, err, "invalid") // the revision

	keep := documents(t, "kind: User\nmetadata: {name: ann}\n")
	plan, err = api.Apply(t.Context(), keep, apiv1.ApplyOptions{Prune: true})
	check(t, err)
	if got, err := api.ListModels(t.Context(), apiv1.PageOptions{}); err != nil || len(got.Items) != 4 {
		t.Errorf("after %+v: got models %+v, %v", plan.Changes, got.Items, err)
	}
}

// Who holds nothing where a model is followed does not learn that it exists.
func TestModelsOfOthersAreUnknown(t *testing.T) {
	b := start(t)
	api := workshop(t, b)
	check(t, errorOf(api.CreateClient(t.Context(), apiv1.NewClient{Name: "lathe", Organization: "shop", ClientSpec: apiv1.ClientSpec{
		ClientID: "lathe", GrantTypes: []string{"client_credentials"}, Role: "turner", Audiences: []string{token.AdminAudience(issuer)},
	}})))
	if _, err := b.as("lathe").GetModel(t.Context(), "gears"); err != nil {
		t.Errorf("a member: %v", err)
	}
	there := b.send("GET", "/api/v1/models/gears", "stranger", "")
	nowhere := b.send("GET", "/api/v1/models/cogs1", "stranger", "")
	if there.status != 404 || withoutID(there.body, "gears") != withoutID(nowhere.body, "cogs1") {
		t.Errorf("got %s, and of what does not exist %s", there.body, nowhere.body)
	}
	list, err := b.as("stranger").ListModels(t.Context(), apiv1.PageOptions{})
	check(t, err)
	mine, err := b.as("lathe").ListModels(t.Context(), apiv1.PageOptions{})
	check(t, err)
	if len(list.Items) != 4 || len(mine.Items) != 5 {
		t.Errorf("a stranger sees %+v, a member %+v", list.Items, mine.Items)
	}
}

// withoutID is a problem without what differs between two of a kind: its request id, and the name that was asked for.
func withoutID(body, name string) string {
	i := strings.Index(body, `"request_id"`)
	return strings.ReplaceAll(body[:max(i, 0)], name, "")
}

// The page of a node has what its model says, what is set there, and its own roles, and is for those who see the node.
func TestAccessPages(t *testing.T) {
	b := start(t)
	api := workshop(t, b)
	page, err := api.RenderNode(t.Context(), "shop")
	check(t, err)
	if page.Model != "gears" || page.Node != "shop" || len(page.Levels) != 2 || len(page.Levels[0].Roles) != 2 ||
		strings.Join(page.Levels[0].Roles[1].AssignedBy, " ") != "smith" || !strings.Contains(page.Markdown, "is set to `thick`") {
		t.Errorf("got %+v", page)
	}
	again, err := api.RenderModel(t.Context(), "gears")
	check(t, err)
	if strings.Contains(again.Markdown, "is set to") || !strings.HasPrefix(again.Markdown, "# Access model gears\n") {
		t.Errorf("got %s", again.Markdown)
	}
	ann := b.as(b.person("ann", "shop"))
	if got, err := ann.RenderNode(t.Context(), "shop"); err != nil || got.Markdown != page.Markdown {
		t.Errorf("a member: %v", err)
	}
	there, nowhere := b.send("GET", "/api/v1/nodes/shop/model/render", "stranger", ""), b.send("GET", "/api/v1/nodes/none/model/render", "stranger", "")
	if there.status != 404 || withoutID(there.body, "shop") != withoutID(nowhere.body, "none") {
		t.Errorf("a stranger: %s, and of what does not exist %s", there.body, nowhere.body)
	}
}

// Four presets in four organizations of one server: no role, group, permission or model of one is to be seen from another
// (scenario 249).
func TestPresetsSideBySideAreApart(t *testing.T) {
	b := start(t)
	api := b.as("operator")
	roots := map[string]string{"floxhub": "owner", "flakiness": "admin", "flux": "org_owner", "flowx": "org_admin"}
	for model, role := range roots {
		check(t, errorOf(api.CreateUser(t.Context(), apiv1.NewUser{Name: "head-" + model})))
		check(t, errorOf(api.CreateOrganization(t.Context(), apiv1.NewNode{
			Name: "org-" + model, NodeSpec: apiv1.NodeSpec{Model: model}, Assignments: []apiv1.Assignment{{User: "head-" + model, Role: role}},
		})))
		check(t, errorOf(api.CreateGroup(t.Context(), "org-"+model, apiv1.NewGroup{Name: "team-" + model})))
	}
	for model := range roots {
		name := b.person("head-"+model, "org-"+model)
		head := b.as(name)
		page, err := head.RenderNode(t.Context(), "org-"+model)
		check(t, err)
		if page.Model != model {
			t.Errorf("org-%s follows %s", model, page.Model)
		}
		for other, role := range roots {
			if other == model {
				continue
			}
			for _, l := range page.Levels {
				for _, ro := range l.Roles {
					if ro.ID == role {
						t.Errorf("the page of %s has role %s of %s", model, role, other)
					}
				}
			}
			_, err := head.RenderNode(t.Context(), "org-"+other)
			wantCode(t, err, "not_found")
			for _, path := range []string{"", "/assignments", "/groups", "/groups/team-" + other, "/model/render", "/nodes", "/migrations"} {
				a := b.send("GET", "/api/v1/organizations/org-"+other+path, name, "")
				if a.status != 404 && a.status != 403 || strings.Contains(a.body, role) {
					t.Errorf("%s of org-%s by the head of org-%s: got %d %s", path, other, model, a.status, a.body)
				}
			}
			_, err = api.Assign(t.Context(), "org-"+model, apiv1.Assignment{User: "head-" + model, Role: role})
			wantCode(t, err, "role_not_available_here")
			_, err = api.Assign(t.Context(), "org-"+model, apiv1.Assignment{Group: "team-" + other, Role: roots[model]})
			if apiv1.CodeOf(err) == "" {
				t.Errorf("the group of org-%s holds a role in org-%s", other, model)
			}
		}
	}
}

// Organizations that come while their model changes follow the one or the other revision whole: none is left with a role that its
// model does not have.
func TestModelsChangeWhileOrganizationsCome(t *testing.T) {
	b := start(t)
	api := workshop(t, b)
	_, err := api.UpdateModel(t.Context(), "gears", later("2", "turner: {", "miller: {}\n      turner: {"), "")
	wantCode(t, err, "invalid_model")
	check(t, errorOf(api.UpdateModel(t.Context(), "gears", later("2", "      turner: {", "      miller: {permissions: [see], holders: [user]}\n      turner: {"), "")))

	const makers = 6
	var wait sync.WaitGroup
	made := make([]bool, makers)
	for i := range makers {
		wait.Go(func() {
			name := "mill" + strconv.Itoa(i)
			for range 50 { // a model that is being compared is busy for moments
				_, err := api.CreateOrganization(t.Context(), apiv1.NewNode{Name: name, NodeSpec: apiv1.NodeSpec{Model: "gears"},
					Assignments: []apiv1.Assignment{{User: "ann", Role: "smith"}, {User: "bob", Role: "miller"}}})
				if made[i] = err == nil; apiv1.CodeOf(err) != "busy" {
					break
				}
			}
		})
	}
	_, gone := api.UpdateModel(t.Context(), "gears", later("3"), "")
	wait.Wait()
	m, err := api.GetModel(t.Context(), "gears")
	check(t, err)
	for i, there := range made {
		if there && m.Revision == 3 {
			t.Errorf("organization mill%d holds role miller, which revision 3 does not have", i)
		}
	}
	if (gone == nil) != (m.Revision == 3) {
		t.Errorf("the change answered %v, and the model is at revision %d", gone, m.Revision)
	}
	// Whatever came of it, nothing is left frozen.
	check(t, errorOf(api.Assign(t.Context(), "shop", apiv1.Assignment{User: "bob", Role: "turner"})))
}
