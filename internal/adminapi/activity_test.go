package adminapi_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/activity"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Failed authentications of an organization's clients are told to those who may read its audit log. Who may not gets 403, and who
// may not know the organization what he would get for one that does not exist; all of them together are for platform roles.
func TestFailedAuthenticationsAreForThoseWhoMayReadTheAuditLog(t *testing.T) {
	b := reviewed(t)
	ctx := t.Context()
	for _, name := range []string{"rita", "gus", "zed"} {
		_, err := b.as("operator").CreateUser(ctx, apiv1.NewUser{Name: name})
		check(t, err)
	}
	_, err := b.as("operator").CreateNode(ctx, apiv1.NewNode{Name: "rival", NodeSpec: apiv1.NodeSpec{Model: "flakiness"}, Assignments: []apiv1.Assignment{{User: "rita", Role: "admin"}, {User: "gus", Role: "member"}}})
	check(t, err)
	acme, err := b.store.Organization(ctx, "acme")
	check(t, err)
	rival, err := b.store.Organization(ctx, "rival")
	check(t, err)
	wks, err := b.store.NodeNamed(ctx, acme.ID, "wks")
	check(t, err)
	r := activity.New(b.store, "r_a", time.Now, slog.New(slog.DiscardHandler))
	r.Failed(&iam.Client{ID: "ci", Organization: acme.ID}, "192.0.2.1")
	r.Failed(&iam.Client{ID: "other", Organization: rival.ID}, "192.0.2.1")
	r.Failed(&iam.Client{ID: "at-wks", Organization: wks.ID}, "192.0.2.1")
	r.Failed(nil, "192.0.2.1")
	check(t, r.Flush(ctx))

	const path = "/api/v1/organizations/acme/activity"
	for _, by := range []string{b.person("boss", "acme"), "operator", "auditor"} {
		if a := b.send("GET", path, by, ""); a.status != 200 || !strings.Contains(a.body, "client:ci") || !strings.Contains(a.body, "client:at-wks") || strings.Contains(a.body, "client:other") || strings.Contains(a.body, "unknown") {
			t.Errorf("%s: got %d %s, want what is of acme and its projects", by, a.status, a.body)
		}
	}
	if a := b.send("GET", strings.Replace(path, "acme", "rival", 1), b.person("gus", "rival"), ""); a.status != 403 || a.code() != "forbidden" {
		t.Errorf("a member without that right: got %d %s, want forbidden", a.status, a.body)
	}
	for _, by := range []string{b.person("rita", "rival"), b.person("zed", ""), "stranger"} {
		there := b.send("GET", path, by, "")
		nowhere := b.send("GET", strings.Replace(path, "acme", "nope", 1), by, "")
		if there.status != 404 || there.status != nowhere.status || there.code() != nowhere.code() {
			t.Errorf("%s: got %d %s, want what an unknown organization gets: %d %s", by, there.status, there.body, nowhere.status, nowhere.body)
		}
	}
	// A page token of one organization's list is none of another's.
	if a := b.send("GET", path+"?page_token=AAAA", b.person("boss", "acme"), ""); a.status != 400 {
		t.Errorf("a made-up page token: got %d %s", a.status, a.body)
	}
	for by, want := range map[string]int{"operator": 200, "auditor": 200, "stranger": 403, b.person("boss", "acme"): 403} {
		a := b.send("GET", "/api/v1/activity", by, "")
		if a.status != want || want == 200 && (!strings.Contains(a.body, "client:ci") || !strings.Contains(a.body, "client:other") || !strings.Contains(a.body, "unknown")) {
			t.Errorf("%s: got %d %s, want %d", by, a.status, a.body, want)
		}
	}
	got, err := b.as("operator").ListFailures(ctx, "", "client:other", apiv1.PageOptions{})
	check(t, err)
	if len(got.Items) != 1 || got.Items[0].Organization != string(rival.ID) || got.Items[0].Count != 1 {
		t.Errorf("of one subject: got %+v", got.Items)
	}
}
