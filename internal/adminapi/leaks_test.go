package adminapi_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// A reported secret ends at once, and it alone, with the client's tokens, whoever found it; the answer tells nothing.
func TestReportedSecretsEnd(t *testing.T) {
	b := startNeighbours(t)
	ctx := t.Context()
	spare, err := b.as(b.person("alice", "")).RotateSecret(ctx, "release", apiv1.SecretRotation{Name: "spare"})
	check(t, err)
	token := b.issue("release", "https://hub.example/api")
	report := func(by, value string) answer { return b.send("POST", "/api/v1/leaks", by, `{"secret":"`+value+`"}`) }
	hit, miss := report(b.person("zed", ""), spare.Value), report(b.person("zed", ""), "gate_cs_0000000000000000000000000000000000000000000000000")
	if hit.status != 202 || hit.status != miss.status || hit.body != miss.body {
		t.Errorf("got %d %s for a secret and %d %s for none, want the same 202", hit.status, hit.body, miss.status, miss.body)
	}
	list, err := b.as("operator").ListSecrets(ctx, "release")
	check(t, err)
	if len(list.Items) != 1 || list.Items[0].Name != "ci" {
		t.Errorf("got secrets %+v, want ci alone", list.Items)
	}
	if _, err := b.inspector.Access(ctx, token, "https://hub.example/api"); err == nil {
		t.Error("a token of the client lives on")
	}
	log := b.send("GET", "/api/v1/organizations/acme/audit?page_size=1000", "operator", "")
	if log.status != 200 || !strings.Contains(log.body, "client_secret.leaked") || !strings.Contains(log.body, spare.ID) || strings.Contains(log.body+b.log.String(), spare.Value) {
		t.Errorf("the audit log has no such line, or the secret: %d %s", log.status, log.body)
	}
	// One that two clients share ends in both; a read-only caller may report, too.
	const shared = "one-secret-that-two-clients-do-share"
	for _, id := range []string{"release", "engine"} {
		check(t, errorOf(b.as("operator").RotateSecret(ctx, id, apiv1.SecretRotation{Name: "shared", Value: shared})))
	}
	if a := report("auditor", shared); a.status != 202 {
		t.Errorf("an auditor: got %d %s", a.status, a.body)
	}
	for _, id := range []string{"release", "engine"} {
		list, err := b.as("operator").ListSecrets(ctx, id)
		check(t, err)
		if len(list.Items) != 1 {
			t.Errorf("%s: got secrets %+v", id, list.Items)
		}
	}
}

// A caller who reports in a stream is refused for a while; others are heard.
func TestLeakReportsAreBounded(t *testing.T) {
	b := startNeighbours(t)
	refused := false
	for range 61 { // a minute may end in between
		a := b.send("POST", "/api/v1/leaks", b.person("zed", ""), `{"secret":"nothing"}`)
		if refused = refused || a.status == 429 && a.header.Get("Retry-After") != ""; refused {
			break
		}
	}
	if !refused {
		t.Error("61 reports of one caller were taken")
	}
	if a := b.send("POST", "/api/v1/leaks", b.person("dan", ""), `{"secret":"nothing"}`); a.status != 202 {
		t.Errorf("another caller: got %d %s", a.status, a.body)
	}
}
