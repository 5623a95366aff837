package page_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
)

// The page of an error says what happened in a sentence, never its cause, and leads nowhere; an outage is told from a mistake.
func TestErrorPageSaysWhatAPersonCanDo(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.7:6379")
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{iam.Refuse(iam.Invalid, "invalid_ticket", "this page has been open for too long").WithCause(cause), http.StatusBadRequest, "This page has been open for too long."},
		{iam.Errorf(iam.Invalid, "redirect_uri is not one of the client's"), http.StatusBadRequest, ">redirect_uri is not one of the client&#39;s."},
		{iam.Errorf(iam.Unavailable, "no answer").WithCause(cause), http.StatusServiceUnavailable, "try again in a moment"},
		{cause, http.StatusInternalServerError, "Something is wrong on our side"},
	} {
		w := httptest.NewRecorder()
		page.WriteError(w, httptest.NewRequest(http.MethodGet, "/login", nil), c.err)
		body := w.Body.String()
		if w.Code != c.status || !strings.Contains(body, c.says) || strings.Contains(body, "10.0.0.7") {
			t.Errorf("%v: got %d\n%s\nwant %d and %q", c.err, w.Code, body, c.status, c.says)
		}
		if w.Header().Get("Location") != "" || w.Header().Get("X-Frame-Options") != "DENY" || (c.status == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%v: got %v", c.err, w.Header())
		}
	}
}
