package signin_test

import (
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// A visitor is a browser without a screen: it keeps cookies, follows no redirect by itself, and fills in the forms that it is shown.
type visitor struct {
	Broker *apptest.Broker
	T      testing.TB
	// Header is sent with every request, such as an X-Forwarded-For.
	Header http.Header
	Jar    http.CookieJar

	page string // the body of the last page
}

// newVisitor returns a new browser.
func newVisitor(b *apptest.Broker) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.T.Fatal(err)
	}
	return &visitor{Broker: b, T: b.T, Header: http.Header{}, Jar: jar}
}

// Do sends a request with the cookies, and keeps those of the answer.
func (v *visitor) Do(r *http.Request) apptest.Answer {
	v.T.Helper()
	for name, values := range v.Header {
		r.Header[name] = values
	}
	for _, c := range v.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	a := v.Broker.Do(r)
	v.Jar.SetCookies(r.URL, (&http.Response{Header: a.Header}).Cookies())
	if a.Status < 300 || a.Status >= 400 {
		v.page = a.Body
	}
	return a
}

// Get fetches a path, or an address of the broker.
func (v *visitor) Get(path string) apptest.Answer {
	v.T.Helper()
	if !strings.HasPrefix(path, v.Broker.URL) {
		path = v.Broker.URL + path
	}
	r, err := http.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		v.T.Fatal(err)
	}
	return v.Do(r)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="(form_token|ticket|token)" value="([^"]*)"`)

// Send posts a form to a path, with the hidden fields of the last page: name, value, name, value. What is named replaces a hidden field.
func (v *visitor) Send(path string, pairs ...string) apptest.Answer {
	v.T.Helper()
	form := url.Values{}
	for _, f := range hiddenField.FindAllStringSubmatch(v.page, -1) {
		form.Set(f[1], html.UnescapeString(f[2]))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, v.Broker.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.Do(r)
}

// Login opens the page and signs in by a password.
func (v *visitor) Login(name, password string) apptest.Answer {
	v.T.Helper()
	v.Get("/login")
	return v.Send("/login", "username", name, "password", password)
}
