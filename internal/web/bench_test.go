package web_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

const tokenForm = "grant_type=client_credentials&client_id=release&client_secret=gate_cs_0123456789abcdefghijklmnop&audience=https%3A%2F%2Fhub.example%2Fapi&scope=catalog%3Aread"

// sink is an http.ResponseWriter that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

type rewinder struct{ *bytes.Reader }

func (rewinder) Close() error { return nil }

// The whole chain around a handler of the token endpoint, among as many routes as the product has.
func BenchmarkTokenRoute(b *testing.B) {
	metrics := web.NewMetrics()
	limiter := web.NewLimiter("token")
	answer := []byte(`{"access_token":"x"}`)
	routes := []web.Route{{
		Methods: []string{"POST"}, Path: "/oauth/token", Limit: limiter,
		Form: &web.FormOptions{Repeatable: []string{"audience", "resource"}},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			form := web.FormOf(r.Context())
			web.Add(r.Context(), slog.String("client_id", form.Get("client_id")), slog.String("grant_type", form.Get("grant_type")), slog.String("org_id", "n_abc"))
			_, err := w.Write(answer)
			return err
		},
	}}
	nothing := func(http.ResponseWriter, *http.Request) error { return nil }
	for _, p := range []string{"/a", "/b", "/c/{id}", "/d/{id}/e", "/f/{id}", "/oidc/register/{id}"} {
		routes = append(routes, web.Route{Methods: []string{"GET"}, Path: p, Handler: nothing})
	}
	router, err := web.NewRouter(web.RouterConfig{
		Log: slog.NewJSONHandler(io.Discard, nil), Metrics: metrics, HTTPS: true, Hosts: web.NewHosts("id.example"),
		Proxies: web.Proxies{netip.MustParsePrefix("10.0.0.0/8")},
	}, routes...)
	if err != nil {
		b.Fatal(err)
	}
	body := rewinder{bytes.NewReader([]byte(tokenForm))}
	r := httptest.NewRequest("POST", "http://id.example/oauth/token", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = body.Seek(0, io.SeekStart)
		clear(w.header)
		router.ServeHTTP(w, r)
	}
}

func BenchmarkReadForm(b *testing.B) {
	body := rewinder{bytes.NewReader([]byte(tokenForm))}
	r := httptest.NewRequest("POST", "/", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = body.Seek(0, io.SeekStart)
		if _, err := web.ReadForm(w, r, web.FormOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// What the standard library takes for the same form, for comparison.
func BenchmarkParseQuery(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := url.ParseQuery(strings.Clone(tokenForm)); err != nil {
			b.Fatal(err)
		}
	}
}
