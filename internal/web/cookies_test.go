package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// sent is a form as a browser sends it, with the cookies that answers gave it.
func sent(token string, from ...*httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://id.example/login", nil)
	r.PostForm = url.Values{"form_token": {token}}
	for _, w := range from {
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
	}
	return r
}

// A form is good in the browser and the session that it was shown in, and nowhere else (LOG-01, LOG-21).
func TestAFormIsBoundToItsBrowserAndSession(t *testing.T) {
	c := &web.Cookies{Secure: true, Key: []byte("key")}
	show := func(session string) (string, *httptest.ResponseRecorder) {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://id.example/login", nil)
		if session != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-gatehouse-session", Value: session})
			c.SetSession(w, session, time.Now().Add(time.Hour))
		}
		return c.FormToken(w, r), w
	}
	mine, browser := show("")
	if err := c.CheckForm(sent(mine, browser)); err != nil {
		t.Fatalf("in the browser that it was shown in: %v", err)
	}
	other, another := show("")
	inside, signedIn := show("sid.secret")
	elsewhere := sent(mine, browser)
	elsewhere.Header.Set("Sec-Fetch-Site", "cross-site")
	origin := sent(mine, browser)
	origin.Header.Set("Origin", "https://evil.example")
	for what, r := range map[string]*http.Request{
		"without a cookie":               sent(mine),
		"without a token":                sent("", browser),
		"another browser's":              sent(other, browser),
		"in another browser":             sent(mine, another),
		"shown before signing in":        sent(mine, signedIn),
		"shown in another session":       sent(inside, browser),
		"sent by another site":           elsewhere,
		"sent by a page of another site": origin,
		"with a second cookie planted":   sent(mine, browser, another),
	} {
		if err := c.CheckForm(r); iam.CodeOf(err) != "invalid_form" {
			t.Errorf("%s: %v, want invalid_form", what, err)
		}
	}
	if err := c.CheckForm(sent(inside, signedIn)); err != nil {
		t.Errorf("in its session: %v", err)
	}
}

// The cookies are for this host alone, for no script, and over https only under a name that nothing else can set (LOG-03).
func TestCookiesAreForThisHostAlone(t *testing.T) {
	w := httptest.NewRecorder()
	c := &web.Cookies{Secure: true, Key: []byte("key")}
	c.SetSession(w, "value", time.Now().Add(time.Hour))
	c.FormToken(w, httptest.NewRequest(http.MethodGet, "/", nil))
	cookies := w.Result().Cookies()
	if len(cookies) != 2 {
		t.Fatalf("%d cookies, want the session's and the browser's", len(cookies))
	}
	for _, k := range cookies {
		if !strings.HasPrefix(k.Name, "__Host-") || !k.Secure || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || k.Domain != "" {
			t.Errorf("cookie %s", k.Raw)
		}
	}
}
