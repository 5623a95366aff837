package apptest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// knock posts a form to the token endpoint, as if it came from an address.
func knock(b *apptest.Broker, from string, pairs ...string) *httptest.ResponseRecorder {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	b.Handler.ServeHTTP(w, r)
	return w
}

// A hundred thousand wrong secrets, from five thousand networks and for names without end, leave a bounded number of lines, which
// count every one of them; and none of it is in the audit log.
func TestWrongSecretsLeaveABoundedNumberOfLines(t *testing.T) {
	const attempts = 100_000
	b := apptest.Start(t)
	audited, err := b.API().ListAudit(t.Context(), "acme", "", apiv1.AuditQuery{}, apiv1.PageOptions{PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range attempts {
		id := apptest.Client
		if i%2 == 0 {
			id = fmt.Sprintf("nobody-%d", i)
		}
		w := knock(b, fmt.Sprintf("10.%d.%d.1:4000", i%5000/250, i%250), "grant_type", "client_credentials", "client_id", id, "client_secret", "gate_cs_wrong")
		if w.Code != http.StatusUnauthorized && w.Code != http.StatusTooManyRequests {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	minutes := int(time.Since(began)/time.Minute) + 2
	b.Stop()

	b = apptest.Start(t, apptest.Data(b.Data))
	lines, sum, known := 0, int64(0), int64(0)
	for o := (apiv1.PageOptions{PageSize: 100}); ; {
		page, err := b.API().ListFailures(t.Context(), "", "", o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Items {
			lines++
			sum += f.Count
			if f.Subject == "client:"+apptest.Client {
				known += f.Count
			}
			if f.First.After(f.Last) || f.First.Before(f.Minute) || f.Last.After(f.Minute.Add(time.Minute)) {
				t.Errorf("%+v: its times are not of its minute", f)
			}
		}
		if o.Token = page.NextPageToken; o.Token == "" {
			break
		}
	}
	if most := 401 * minutes; lines > most || lines < 2 {
		t.Errorf("got %d lines, want at most %d", lines, most)
	}
	if sum != attempts || known != attempts/2 {
		t.Errorf("counted %d, %d of them for %s, want %d and %d", sum, known, apptest.Client, attempts, attempts/2)
	}
	after, err := b.API().ListAudit(t.Context(), "acme", "", apiv1.AuditQuery{}, apiv1.PageOptions{PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Items) != len(audited.Items) {
		t.Errorf("the audit log has %d lines, want the %d of before", len(after.Items), len(audited.Items))
	}
}

// A refused token request can be explained by its request id, after a restart too; one that failed to authenticate cannot.
func TestRefusedTokenRequestsAreKept(t *testing.T) {
	b := apptest.Start(t)
	secret := b.Secret(apptest.Client)
	refused := knock(b, "10.0.0.1:4000", "grant_type", "client_credentials", "client_id", apptest.Client, "client_secret", secret, "organization", "nowhere")
	unknown := knock(b, "10.0.0.1:4000", "grant_type", "client_credentials", "client_id", apptest.Client, "client_secret", "gate_cs_wrong")
	if refused.Code != http.StatusBadRequest || unknown.Code != http.StatusUnauthorized {
		t.Fatalf("got %d and %d", refused.Code, unknown.Code)
	}
	b.Stop()
	b = apptest.Start(t, apptest.Data(b.Data))
	got, err := b.API().ExplainAccess(t.Context(), apiv1.ExplainQuestion{RequestID: refused.Header().Get("X-Request-Id")})
	if err != nil {
		t.Fatal(err)
	}
	d := got.Denial
	if d == nil || d.Client != apptest.Client || d.Subject != "client:"+apptest.Client || d.Organization != "nowhere" || d.Code != "access_denied" || d.Detail == "" || d.At.IsZero() {
		t.Errorf("got %+v", d)
	}
	if got, err := b.API().ExplainAccess(t.Context(), apiv1.ExplainQuestion{RequestID: unknown.Header().Get("X-Request-Id")}); err == nil {
		t.Errorf("a failed authentication: got %+v, want nothing to explain", got)
	}
}
