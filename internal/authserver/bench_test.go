package authserver_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// BenchmarkToken is the whole of a client_credentials request inside the process, the test harness included.
func BenchmarkToken(b *testing.B) {
	broker := apptest.Start(b)
	router := broker.Handler
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {apptest.Client}, "client_secret": {broker.Secret(apptest.Client)}, "audience": {hub},
	}.Encode()
	b.ReportAllocs()
	for b.Loop() {
		if w := post(router, "/oauth/token", form); w.Code != http.StatusOK {
			b.Fatalf("got %d: %s", w.Code, w.Body)
		}
	}
}

// BenchmarkIntrospect asks about the same token again and again: its signature is remembered, its revocation is not.
func BenchmarkIntrospect(b *testing.B) {
	broker := apptest.Start(b)
	router := broker.Handler
	form := url.Values{"client_id": {apptest.Client}, "client_secret": {broker.Secret(apptest.Client)}, "token": {broker.DevToken()}}.Encode()
	b.ReportAllocs()
	for b.Loop() {
		if w := post(router, "/oauth/introspect", form); !strings.HasPrefix(w.Body.String(), `{"active":true`) {
			b.Fatalf("got %d: %s", w.Code, w.Body)
		}
	}
}

func post(h http.Handler, path, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
