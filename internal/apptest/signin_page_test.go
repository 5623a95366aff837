package apptest_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the page about signing in shows works as printed, from the first link to signing out.
func TestSignInPage(t *testing.T) {
	t.Parallel()
	tool(t, "openssl", "apt-get install openssl")
	blocks := readPage(t, "docs/sign-in.md").blocks(t, "Try it", 5)
	s := checkout(t)
	p := s.shell("exec " + makeRun(t)).ready()

	// The development link signs in once, and leads to the account.
	owner := p.broker.Visitor()
	var link []string
	await(t, "link to sign in", func() bool {
		link = regexp.MustCompile(`http\S+(/link\?\S+)`).FindStringSubmatch(p.out.String())
		return link != nil
	})
	if a := owner.Follow(owner.Submit(owner.Get(link[1]), "/link")); a.Status != http.StatusOK || !strings.Contains(a.Body, "owner@acme.example") {
		t.Fatalf("the development link: got %s, want the account of owner", a)
	}

	blocks[0].wantPrints(t, s.paste(blocks[0].shell))
	authorize := strings.TrimSpace(s.paste(blocks[1].shell))
	ada := p.broker.Visitor()
	a := ada.Follow(ada.Get(strings.TrimPrefix(authorize, "http://"+s.address)))
	password, err := os.ReadFile(s.path("ada.password"))
	if err != nil {
		t.Fatal(err)
	}
	a = ada.Follow(ada.Submit(a, "/login", "username", "ada", "password", strings.TrimSpace(string(password))))
	if !strings.Contains(a.Body, "shop") {
		t.Fatalf("after signing in: got %s, want the question whether shop may", a)
	}
	a = ada.Submit(a, "/consent", "decision", "accept")
	a = ada.Get(a.Header.Get("Location"))
	address := a.Header.Get("Location")
	if !strings.HasPrefix(address, "http://127.0.0.1:3000/callback?code=") {
		t.Fatalf("after consent: got %s, want the application's address with a code", a)
	}

	blocks[2].wantPrints(t, s.paste("ADDRESS='"+address+"'\n"+blocks[2].shell))
	if out := s.paste(blocks[3].shell); !strings.Contains(out, "shop") {
		t.Errorf("grant list printed %q, want the application", out)
	}
	var renewed map[string]any
	text, err := os.ReadFile(s.path("renewed.json"))
	if err != nil {
		t.Fatal(err)
	}
	decode(t, string(text), &renewed)
	if renewed["access_token"] == nil || renewed["refresh_token"] == nil {
		t.Errorf("refresh: got %v, want new tokens", renewed)
	}

	logout := strings.TrimSpace(s.paste(blocks[4].shell))
	if a := ada.Get(strings.TrimPrefix(logout, "http://"+s.address)); a.Header.Get("Location") != "http://127.0.0.1:3000/?state=bye" {
		t.Errorf("sign out: got %s, want to be sent back to the application", a)
	}
	if a := ada.Follow(ada.Get("/account")); strings.Contains(a.Body, "Ada") || !strings.Contains(a.Body, `name="password"`) {
		t.Errorf("after signing out: got %s, want the page to sign in", a)
	}
	p.stop()
}
