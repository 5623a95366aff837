package apptest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// The browser of the tests is one: it sends forms with cookies, follows what they lead to, runs scripts only while it may, and can be
// made narrow and dark.
func TestBrowserDoesWhatItIsTold(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			http.SetCookie(w, &http.Cookie{Name: "who", Value: r.PostFormValue("name")})
			http.Redirect(w, r, "/greet", http.StatusSeeOther)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		who, err := r.Cookie("who")
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			who = new(http.Cookie)
		}
		fmt.Fprintf(w, `<!doctype html><meta name=viewport content="width=device-width"><title>Hello</title>
<style>@media (prefers-color-scheme: dark) { #dark::after { content: " at night" } } @media (max-width: 400px) { #dark::before { content: "narrow " } }</style>
<p id=dark>Hello %s</p><form method=post><input name=name value=old><button id=send>Send</button></form><p id=script></p>
<script>document.getElementById("script").textContent = "scripted"</script>`, who.Value)
	}))
	defer server.Close()

	b := apptest.Browser(t)
	b.Go(server.URL)
	if b.Status() != http.StatusUnauthorized || b.Title() != "Hello" || !strings.Contains(b.Text(), "scripted") {
		t.Fatalf("got %d %q %q", b.Status(), b.Title(), b.Text())
	}
	b.Scripts(false)
	b.Fill("name", "Ada")
	b.Click("send")
	if b.Status() != http.StatusOK || b.URL() != server.URL+"/greet" || !strings.Contains(b.Text(), "Hello Ada") || strings.Contains(b.Text(), "scripted") {
		t.Fatalf("got %d at %s: %q", b.Status(), b.URL(), b.Text())
	}
	seen := func() string {
		return b.Eval(`getComputedStyle(document.getElementById("dark"), "::before").content + getComputedStyle(document.getElementById("dark"), "::after").content`)
	}
	if got := seen(); got != "nonenone" {
		t.Errorf("on a desktop by day: got %s", got)
	}
	b.Width(apptest.Phone)
	b.Dark(true)
	if got := seen(); got != `"narrow "" at night"` {
		t.Errorf("on a phone at night: got %s", got)
	}
	b.Screenshot(filepath.Join(t.TempDir(), "page.png"))
}
