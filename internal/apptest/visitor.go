package apptest

import (
	"context"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-id/gatehouse/internal/authn"
)

// A Visitor is a browser without a screen: it keeps cookies, follows no redirect by itself, and sends the forms that it was shown.
type Visitor struct {
	t       testing.TB
	at      *Broker
	cookies http.CookieJar
}

// Visitor returns a browser in which nobody is signed in.
func (b *Broker) Visitor() *Visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.T.Fatal(err)
	}
	return &Visitor{t: b.T, at: b, cookies: jar}
}

// SignedIn returns a browser in which a user has just signed in, by whatever means.
func (b *Broker) SignedIn(user string) *Visitor {
	b.T.Helper()
	v := b.Visitor()
	v.SignIn(user, "1")
	return v
}

// SignIn has a user sign in with so many factors ("1", "2"), by whatever means. A browser in which the user is signed in goes on with
// its session.
func (v *Visitor) SignIn(user, acr string) {
	v.t.Helper()
	r := httptest.NewRequest(http.MethodGet, v.at.URL+"/", nil)
	for _, c := range v.cookies.Cookies(v.url("/")) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	if err := v.at.app.SignIn(w, r, user, authn.Authentication{ACR: acr, AMR: []string{"pwd"}}); err != nil {
		v.t.Fatalf("sign in %s: %v", user, err)
	}
	v.cookies.SetCookies(v.url("/"), w.Result().Cookies())
}

// Lend gives the browser's cookies to a tab, which then is signed in as this one is.
func (v *Visitor) Lend(tab *Tab) {
	v.t.Helper()
	for _, c := range v.cookies.Cookies(v.url("/")) {
		tab.do("take a cookie", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: v.at.URL, HTTPOnly: new(true)})
			return err
		}))
	}
}

// On goes on at another replica.
func (v *Visitor) On(b *Broker) *Visitor { return &Visitor{t: v.t, at: b, cookies: v.cookies} }

func (v *Visitor) url(path string) *url.URL {
	v.t.Helper()
	u, err := url.Parse(v.at.URL + path)
	if err != nil {
		v.t.Fatal(err)
	}
	return u
}

// Do sends a request with the browser's cookies and keeps those of the answer.
func (v *Visitor) Do(r *http.Request) Answer {
	v.t.Helper()
	for _, c := range v.cookies.Cookies(r.URL) {
		r.AddCookie(c)
	}
	a := v.at.Do(r)
	v.cookies.SetCookies(r.URL, (&http.Response{Header: a.Header}).Cookies())
	return a
}

// Get opens a path.
func (v *Visitor) Get(path string) Answer {
	v.t.Helper()
	r, err := http.NewRequest(http.MethodGet, v.url(path).String(), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.Do(r)
}

// Follow goes where an answer sends the browser, within the broker, until it is shown a page.
func (v *Visitor) Follow(a Answer) Answer {
	v.t.Helper()
	for range 10 {
		to := a.Header.Get("Location")
		if a.Status != http.StatusSeeOther || to == "" {
			return a
		}
		if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
			v.t.Fatalf("sent to %s, want a path of the broker's", to)
		}
		a = v.Get(to)
	}
	v.t.Fatal("sent around in circles")
	return a
}

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// Submit sends the form of a page to a path, with what else a person has filled in or pressed: name, value, name, value.
func (v *Visitor) Submit(shown Answer, path string, pairs ...string) Answer {
	v.t.Helper()
	for _, field := range hiddenInput.FindAllStringSubmatch(shown.Body, -1) {
		pairs = append(pairs, html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	return v.Do(v.at.Form(path, pairs...))
}
