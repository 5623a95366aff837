package adminapi_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// reviewed is an organization by the model flowx, run by boss: a workspace wks with admin wanda, and a project loans that pete
// views. The group sales of wks, with gu1 and gu2, edits loans; bob has been invited.
func reviewed(t *testing.T) *broker {
	t.Helper()
	b := start(t)
	ctx := t.Context()
	op := b.as("operator")
	for _, name := range []string{"boss", "wanda", "pete", "gu1", "gu2"} {
		_, err := op.CreateUser(ctx, apiv1.NewUser{Name: name})
		check(t, err)
	}
	create := func(n apiv1.NewNode) {
		t.Helper()
		_, err := op.CreateNode(ctx, n)
		check(t, err)
	}
	create(apiv1.NewNode{Name: "acme", NodeSpec: apiv1.NodeSpec{Model: "flowx"}, Assignments: []apiv1.Assignment{{User: "boss", Role: "org_admin"}}})
	create(apiv1.NewNode{Name: "wks", Parent: "acme", NodeSpec: apiv1.NodeSpec{Level: "workspace"}, Assignments: []apiv1.Assignment{{User: "wanda", Role: "workspace_admin"}}})
	create(apiv1.NewNode{Name: "loans", Parent: "acme/wks", NodeSpec: apiv1.NodeSpec{Level: "project", Kind: "project"}})
	_, err := op.CreateGroup(ctx, "acme/wks", apiv1.NewGroup{Name: "sales", GroupSpec: apiv1.GroupSpec{Members: []string{"gu1", "gu2"}}})
	check(t, err)
	for _, a := range []apiv1.Assignment{
		{User: "pete", Role: "project_viewer"}, {Group: "sales", Role: "project_editor"},
		{Login: &apiv1.Login{Connector: "github", Name: "bob"}, Role: "project_viewer"},
	} {
		_, err := op.Assign(ctx, "acme/wks/loans", a)
		check(t, err)
	}
	return b
}

func (b *broker) openReview(by, node string) apiv1.Review {
	b.t.Helper()
	r, err := b.as(by).OpenReview(context.Background(), node, apiv1.NewReview{Due: time.Now().Add(24 * time.Hour)})
	check(b.t, err)
	return r
}

func (b *broker) items(by, node, review, state string) (out []apiv1.ReviewItem) {
	b.t.Helper()
	list := func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.ReviewItem], error) {
		return b.as(by).ListReviewItems(ctx, node, review, state, o)
	}
	for item, err := range apiv1.All(context.Background(), list) {
		check(b.t, err)
		out = append(out, item)
	}
	return out
}

// itemOf finds the item of a name, through a group or not.
func itemOf(t *testing.T, items []apiv1.ReviewItem, name, group string) apiv1.ReviewItem {
	t.Helper()
	i := slices.IndexFunc(items, func(i apiv1.ReviewItem) bool {
		return (i.Name == name || strings.HasSuffix(i.Subject, "/"+name)) && i.Group == group
	})
	if i < 0 {
		t.Fatalf("there is no item of %q through group %q in %+v", name, group, items)
	}
	return items[i]
}

var confirm, withdraw = apiv1.ReviewDecision{Decision: apiv1.DecisionConfirm}, apiv1.ReviewDecision{Decision: apiv1.DecisionWithdraw}

// S2:63, S3:96, S4:115 (scenario 239): a review lists every source of access at a node and below, with its reason and last use.
func TestReviewListsEverySourceOfAccess(t *testing.T) {
	b := reviewed(t)
	seen := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	org, err := b.store.Organization(t.Context(), "acme")
	check(t, err)
	pete, err := b.store.UserNamed(t.Context(), "pete")
	check(t, err)
	b.directory.SubjectUsed = func(_ context.Context, in iam.NodeID, s iam.Subject) (time.Time, error) {
		if in == org.ID && s == pete.ID.Subject() {
			return seen, nil
		}
		return time.Time{}, nil
	}
	boss := b.person("boss", "acme")
	r := b.openReview(boss, "acme")
	if r.State != "open" || r.Node != "acme" || r.OpenedBy.Name != "boss" || !strings.HasPrefix(r.Name, "acme 20") {
		t.Errorf("got %+v, want an open review of acme by boss", r)
	}
	var got []string
	for i, item := range b.items(boss, "acme", r.ID, "") {
		if item.Number != i || item.State != "open" || item.Pending != (item.Subject == "login:github/bob") || (item.LastUsedAt == seen) != (item.Name == "pete") {
			t.Errorf("item %d: got %+v", i, item)
		}
		who := item.Name
		if who == "" {
			who = item.Subject
		}
		got = append(got, fmt.Sprint(item.Node, " ", who, " ", item.Roles, " ", item.Reason, " ", item.Group))
	}
	slices.Sort(got)
	want := []string{
		"acme boss [org_admin] direct ", "acme/wks gu1 [project_editor] group sales", "acme/wks gu2 [project_editor] group sales",
		"acme/wks wanda [workspace_admin] direct ", "acme/wks/loans login:github/bob [project_viewer] direct ",
		"acme/wks/loans pete [project_viewer] direct ", "acme/wks/loans sales [project_editor] direct ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r.Counts != (apiv1.ReviewCounts{Items: len(want), Open: len(want)}) {
		t.Errorf("got counts %+v", r.Counts)
	}
	if below := b.items(b.person("wanda", "acme"), "acme/wks/loans", b.openReview("wanda@acme", "acme/wks/loans").ID, ""); len(below) != 5 {
		t.Errorf("a review of loans alone: got %d items %+v, want 5", len(below), below)
	}
}

// Scenarios 239 and 240: what is withdrawn is gone at once; what the model does not allow leaves the item open, with the refusal.
func TestWithdrawKeepsTheInvariants(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	boss := b.person("boss", "acme")
	r := b.openReview(boss, "acme")
	api := b.as(boss)
	items := b.items(boss, "acme", r.ID, "")

	item, err := api.DecideReviewItem(ctx, "acme", r.ID, itemOf(t, items, "pete", "").Number, apiv1.ReviewDecision{Decision: "withdraw", Comment: "left"})
	check(t, err)
	if item.State != "withdrawn" || item.Comment != "left" || item.DecidedBy == nil || item.DecidedBy.Name != "boss" || item.DecidedAt.IsZero() {
		t.Errorf("got %+v, want it withdrawn by boss", item)
	}
	_, err = api.DecideReviewItem(ctx, "acme", r.ID, itemOf(t, items, "gu1", "sales").Number, withdraw)
	check(t, err)
	_, err = api.DecideReviewItem(ctx, "acme", r.ID, itemOf(t, items, "bob", "").Number, withdraw)
	check(t, err)
	held, err := b.as("operator").ListAssignments(ctx, "acme/wks/loans", apiv1.PageOptions{})
	check(t, err)
	if len(held.Items) != 1 || held.Items[0].Group != "sales" {
		t.Errorf("at loans: got %+v, want the group alone", held.Items)
	}
	if a := b.send("GET", "/api/v1/nodes/acme:wks/groups/sales/members", "operator", ""); strings.Contains(a.body, `"gu1"`) || !strings.Contains(a.body, `"gu2"`) {
		t.Errorf("in sales: got %s, want gu2 alone", a.body)
	}

	own := itemOf(t, items, "boss", "")
	_, err = api.DecideReviewItem(ctx, "acme", r.ID, own.Number, withdraw)
	wantCode(t, err, "last_holder")
	own = itemOf(t, b.items(boss, "acme", r.ID, "open"), "boss", "")
	if own.Refused == nil || own.Refused.Code != "last_holder" || own.Refused.By.Name != "boss" {
		t.Errorf("got %+v, want it open with the refusal", own)
	}
	if r, err = api.GetReview(ctx, "acme", r.ID); err != nil || r.Counts != (apiv1.ReviewCounts{Items: 7, Open: 4, Withdrawn: 3}) {
		t.Errorf("got %+v, %v", r.Counts, err)
	}
}

// What was changed or ended since is shown as such and not withdrawn; the first decision stands.
func TestItemsAreDecidedOnceAndOnlyAsTheyAre(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	boss, op := b.person("boss", "acme"), b.as("operator")
	r := b.openReview(boss, "acme")
	items := b.items(boss, "acme", r.ID, "")
	pete, wanda := itemOf(t, items, "pete", "").Number, itemOf(t, items, "wanda", "").Number

	check(t, op.Unassign(ctx, "acme/wks/loans", apiv1.Assignment{User: "pete", Role: "project_viewer"}))
	_, err := op.Assign(ctx, "acme/wks/loans", apiv1.Assignment{User: "pete", Role: "project_editor"})
	check(t, err)
	for _, d := range []apiv1.ReviewDecision{withdraw, confirm} {
		_, err = b.as(boss).DecideReviewItem(ctx, "acme", r.ID, pete, d)
		wantCode(t, err, "item_changed")
	}
	if got := b.items(boss, "acme", r.ID, "changed"); len(got) != 1 || got[0].Number != pete || !slices.Equal(got[0].Holds, []string{"project_editor"}) {
		t.Errorf("got changed items %+v, want pete's with what he holds now", got)
	}
	if a := b.send("DELETE", "/api/v1/nodes/acme:wks/groups/sales/members/gu1", "operator", ""); a.status != 204 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if got := b.items(boss, "acme", r.ID, "gone"); len(got) != 1 || got[0].Name != "gu1" {
		t.Errorf("got gone items %+v, want gu1's", got)
	}

	first, err := b.as(boss).DecideReviewItem(ctx, "acme", r.ID, wanda, confirm)
	check(t, err)
	again, err := b.as(boss).DecideReviewItem(ctx, "acme", r.ID, wanda, confirm)
	if check(t, err); again.DecidedAt != first.DecidedAt {
		t.Errorf("the same decision again: got %+v, want the first %+v", again, first)
	}
	_, err = b.as(boss).DecideReviewItem(ctx, "acme", r.ID, wanda, withdraw)
	wantCode(t, err, "item_decided")
	_, err = b.as("operator").DecideReviewItem(ctx, "acme", r.ID, wanda, confirm)
	wantCode(t, err, "item_decided")
	_, err = b.as(boss).DecideReviewItem(ctx, "acme", r.ID, 7, confirm)
	wantCode(t, err, "not_found")
}

// A review with open items is closed by force only; what has lapsed since needs no decision.
func TestCloseRefusesWhileItemsAreOpen(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	boss := b.person("boss", "acme")
	api := b.as(boss)
	r := b.openReview(boss, "acme/wks/loans")
	_, err := api.CloseReview(ctx, "acme/wks/loans", r.ID, apiv1.ReviewClose{})
	wantCode(t, err, "review_has_open")

	check(t, b.as("operator").Unassign(ctx, "acme/wks/loans", apiv1.Assignment{User: "pete", Role: "project_viewer"}))
	for _, item := range b.items(boss, "acme/wks/loans", r.ID, "open") {
		_, err := api.DecideReviewItem(ctx, "acme/wks/loans", r.ID, item.Number, confirm)
		check(t, err)
	}
	closed, err := api.CloseReview(ctx, "acme/wks/loans", r.ID, apiv1.ReviewClose{})
	check(t, err)
	if closed.State != "closed" || closed.ClosedBy == nil || closed.ClosedBy.Name != "boss" || closed.Counts != (apiv1.ReviewCounts{Items: 5, Confirmed: 4, Lapsed: 1}) {
		t.Errorf("got %+v", closed)
	}
	_, err = api.CloseReview(ctx, "acme/wks/loans", r.ID, apiv1.ReviewClose{Force: true})
	wantCode(t, err, "review_closed")

	forced := b.openReview(boss, "acme/wks/loans")
	_, err = api.CloseReview(ctx, "acme/wks/loans", forced.ID, apiv1.ReviewClose{Force: true})
	check(t, err)
	_, err = api.DecideReviewItem(ctx, "acme/wks/loans", forced.ID, 0, confirm)
	wantCode(t, err, "review_closed")
	// A closed review tells what was, whatever happens afterwards.
	before := b.items(boss, "acme/wks/loans", forced.ID, "")
	check(t, b.as("operator").DeleteGroup(ctx, "acme/wks", "sales"))
	if after := b.items(boss, "acme/wks/loans", forced.ID, "open"); len(after) != len(before) {
		t.Errorf("got %d open items of a closed review, want the %d of then", len(after), len(before))
	}
	page, err := api.ListReviews(ctx, "acme/wks/loans", apiv1.PageOptions{PageSize: 1})
	check(t, err)
	if len(page.Items) != 1 || page.Items[0].ID != forced.ID || page.NextPageToken == "" {
		t.Errorf("got %+v, want the newest first", page)
	}
}

// A review is overdue once its time is past, and none is opened for a time that is.
func TestReviewsBecomeOverdue(t *testing.T) {
	b := reviewed(t)
	boss := b.person("boss", "acme")
	now := time.Now()
	b.directory.Now = func() time.Time { return now }
	r := b.openReview(boss, "acme")
	now = now.Add(25 * time.Hour)
	if got, err := b.as(boss).GetReview(t.Context(), "acme", r.ID); err != nil || got.State != "overdue" {
		t.Errorf("got %+v, %v, want it overdue", got, err)
	}
	_, err := b.as(boss).OpenReview(t.Context(), "acme", apiv1.NewReview{Due: now.Add(-time.Second)})
	wantCode(t, err, "invalid")
}

// Who may not know of the node, and who is of elsewhere, gets the answer for what does not exist; a member without the right 403.
func TestReviewsAreForThoseWithTheRight(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	_, err := b.as("operator").CreateNode(ctx, apiv1.NewNode{Name: "other", NodeSpec: apiv1.NodeSpec{Model: "flowx"}, Assignments: []apiv1.Assignment{{User: "gu2", Role: "org_admin"}}})
	check(t, err)
	r := b.openReview(b.person("boss", "acme"), "acme")
	theirs := b.openReview(b.person("gu2", "other"), "other")
	for _, c := range []struct {
		by, node string
		status   int
	}{
		{"stranger", "acme", 404}, {b.person("gu2", "other"), "acme", 404}, {b.person("gu2", ""), "acme", 404}, {b.person("boss", "acme"), "other", 404},
		{b.person("boss", "other"), "acme", 404}, {b.person("pete", "acme"), "acme:wks:loans", 403}, {"boss@acme", "nothing", 404},
	} {
		for _, o := range []struct{ method, path, body string }{
			{"GET", "", ""}, {"POST", "", `{"due":"2126-01-01T00:00:00Z"}`}, {"GET", "/" + r.ID, ""}, {"GET", "/" + r.ID + "/items", ""},
			{"GET", "/" + r.ID + "/export", ""}, {"PUT", "/" + r.ID + "/items/0", `{"decision":"withdraw"}`}, {"POST", "/" + r.ID + "/close", `{"force":true}`},
		} {
			a := b.send(o.method, "/api/v1/organizations/"+c.node+"/reviews"+o.path, c.by, o.body)
			if a.status != c.status {
				t.Errorf("%s %s%s by %s: got %d %s, want %d", o.method, c.node, o.path, c.by, a.status, a.body, c.status)
			}
			if nothing := b.send(o.method, "/api/v1/organizations/nothing/reviews"+o.path, c.by, o.body); a.status == 404 && detail(a) != strings.ReplaceAll(detail(nothing), "nothing", c.node) {
				t.Errorf("%s %s%s by %s: got %s, want it as for what does not exist: %s", o.method, c.node, o.path, c.by, a.body, nothing.body)
			}
		}
	}
	// The id of another organization's review is that of none.
	if a := b.send("GET", "/api/v1/organizations/acme/reviews/"+theirs.ID, "boss@acme", ""); a.status != 404 {
		t.Errorf("another organization's review: got %d %s", a.status, a.body)
	}
	if got := b.items("boss@acme", "acme", r.ID, "open"); len(got) != 7 {
		t.Errorf("got %d open items after all this, want 7", len(got))
	}
}

func detail(a answer) string {
	var p struct{ Code, Detail, Title string }
	_ = json.Unmarshal([]byte(a.body), &p)
	return p.Code + " " + p.Title + " " + p.Detail
}

// Two who decide at once: each item has one decision, nothing is withdrawn twice, and the counts are right.
func TestReviewersAtOnceLoseNothing(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	op := b.as("operator")
	_, err := op.Assign(ctx, "acme", apiv1.Assignment{User: "wanda", Role: "org_admin"})
	check(t, err)
	boss, wanda := b.person("boss", "acme"), b.person("wanda", "acme")
	r := b.openReview(boss, "acme/wks/loans")
	type said struct {
		by   string
		item apiv1.ReviewItem
	}
	var mu sync.Mutex
	var stood []said
	var wg sync.WaitGroup
	for by, d := range map[string]apiv1.ReviewDecision{boss: confirm, wanda: withdraw} {
		for n := range r.Counts.Items {
			wg.Go(func() {
				item, err := b.as(by).DecideReviewItem(ctx, "acme/wks/loans", r.ID, n, d)
				if err != nil {
					if code := apiv1.CodeOf(err); code != "item_decided" {
						t.Errorf("item %d by %s: got %v", n, by, err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				stood = append(stood, said{by, item})
			})
		}
	}
	wg.Wait()
	items := b.items(boss, "acme/wks/loans", r.ID, "")
	if len(stood) != len(items) {
		t.Fatalf("%d decisions were accepted about %d items", len(stood), len(items))
	}
	counts := map[string]int{}
	for _, item := range items {
		counts[item.State]++
		i := slices.IndexFunc(stood, func(s said) bool { return s.item.Number == item.Number })
		if i < 0 || stood[i].item.State != item.State || item.DecidedBy == nil || item.DecidedBy.Name+"@acme" != stood[i].by {
			t.Errorf("item %d: got %+v, want what was acknowledged", item.Number, item)
		}
	}
	now, err := b.as(boss).GetReview(ctx, "acme/wks/loans", r.ID)
	check(t, err)
	if now.Counts.Confirmed != counts["confirmed"] || now.Counts.Withdrawn != counts["withdrawn"] || now.Counts.Open != 0 {
		t.Errorf("got counts %+v, want those of the items: %v", now.Counts, counts)
	}
}

// An export has every item; a spreadsheet takes nothing in it for a formula.
func TestReviewExport(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	boss := b.person("boss", "acme")
	api := b.as(boss)
	r := b.openReview(boss, "acme")
	for n, comment := range []string{`=cmd|' /C calc'!A0`, "+1", "-1", "@sum", `plain, "quoted"`} {
		_, err := api.DecideReviewItem(ctx, "acme", r.ID, n, apiv1.ReviewDecision{Decision: "confirm", Comment: comment})
		check(t, err)
	}
	var text bytes.Buffer
	check(t, api.ExportReview(ctx, "acme", r.ID, "csv", &text))
	rows, err := csv.NewReader(&text).ReadAll()
	check(t, err)
	if len(rows) != 8 || rows[0][0] != "number" {
		t.Fatalf("got %d rows %q, want a head and 7", len(rows), rows)
	}
	column := slices.Index(rows[0], "comment")
	for n, want := range []string{`'=cmd|' /C calc'!A0`, "'+1", "'-1", "'@sum", `plain, "quoted"`, "", ""} {
		if got := rows[n+1][column]; got != want {
			t.Errorf("comment of item %d: got %q, want %q", n, got, want)
		}
	}
	text.Reset()
	check(t, api.ExportReview(ctx, "acme", r.ID, "json", &text))
	var report apiv1.ReviewReport
	check(t, json.Unmarshal(text.Bytes(), &report))
	if report.Review.ID != r.ID || len(report.Items) != 7 || report.Items[1].Comment != "+1" {
		t.Errorf("got %+v", report)
	}
	a := b.send("GET", "/api/v1/nodes/acme/reviews/"+r.ID+"/export?format=csv", boss, "")
	if a.header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("got %v", a.header)
	}
}

// An opening that is interrupted is not to be seen, and the next one after an hour removes what it left.
func TestInterruptedOpeningIsInvisible(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	boss := b.person("boss", "acme")
	for after := range int64(3) {
		b.engine.left.Store(after)
		_, err := b.as(boss).OpenReview(ctx, "acme", apiv1.NewReview{Due: time.Now().Add(24 * time.Hour)})
		b.engine.left.Store(-1)
		if err == nil && after < 3 {
			t.Fatalf("an opening that was cut after %d writes succeeded", after)
		}
		page, err := b.as(boss).ListReviews(ctx, "acme", apiv1.PageOptions{})
		if check(t, err); len(page.Items) != 0 {
			t.Errorf("cut after %d writes: got %+v, want no review", after, page.Items)
		}
	}
	now := time.Now().Add(2 * time.Hour)
	b.directory.Now = func() time.Time { return now }
	b.openReview(boss, "acme")
	org, err := b.store.Organization(ctx, "acme")
	check(t, err)
	check(t, b.store.View(ctx, func(tx *store.Tx) error {
		all, err := tx.Reviews(org.ID)
		if len(all) != 1 {
			t.Errorf("got %d reviews in the store, want what was left removed", len(all))
		}
		return err
	}))
}

// The end of an organization is that of its reviews, and one that is interrupted can be repeated.
func TestDeletedNodeEndsItsReviews(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	op := b.as("operator")
	r := b.openReview("operator", "acme/wks/loans")
	b.engine.left.Store(4)
	if err := op.DeleteNode(ctx, "acme/wks/loans"); err == nil {
		t.Fatal("a deletion that was cut succeeded")
	}
	b.engine.left.Store(-1)
	check(t, op.DeleteNode(ctx, "acme/wks/loans"))
	_, err := op.CreateNode(ctx, apiv1.NewNode{Name: "loans", Parent: "acme/wks", NodeSpec: apiv1.NodeSpec{Level: "project", Kind: "project"}})
	check(t, err)
	_, err = op.GetReview(ctx, "acme/wks/loans", r.ID)
	wantCode(t, err, "not_found")
	check(t, b.store.View(ctx, func(tx *store.Tx) error {
		blocks, err := tx.ReviewBlocks(r.ID)
		if len(blocks) != 0 {
			t.Errorf("got %d blocks of a review that is gone", len(blocks))
		}
		return err
	}))
}

// A node keeps a hundred reviews: one more takes the place of the oldest closed one, and is refused while all are open.
func TestANodeKeepsABoundedNumberOfReviews(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	boss := b.person("boss", "acme")
	org, err := b.store.Organization(ctx, "acme")
	check(t, err)
	var old []string // the newest first
	for i := range store.MaxReviews {
		old = append(old, fmt.Sprintf("rv_z%03d", i))
		check(t, b.store.Update(ctx, func(tx *store.Tx) error {
			return tx.PutReview(&iam.Review{ID: old[i], Node: org.ID, Listed: true, OpenedAt: b.now(), Due: b.now().Add(time.Hour)})
		}))
	}
	_, err = b.as(boss).OpenReview(ctx, "acme", apiv1.NewReview{Due: time.Now().Add(time.Hour)})
	wantCode(t, err, "too_many_reviews")
	for _, id := range []string{old[40], old[70]} {
		check(t, errorOf(b.as(boss).CloseReview(ctx, "acme", id, apiv1.ReviewClose{})))
	}
	fresh := b.openReview(boss, "acme")
	_, err = b.as(boss).GetReview(ctx, "acme", old[70])
	wantCode(t, err, "not_found")
	for _, id := range []string{fresh.ID, old[40], old[99]} {
		check(t, errorOf(b.as(boss).GetReview(ctx, "acme", id)))
	}
}
