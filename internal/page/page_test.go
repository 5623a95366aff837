package page_test

import (
	"html/template"
	"io/fs"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/gatehouse-id/gatehouse/internal/page"
)

// pages are all pages, each with words that it always says, which tests and the scripts of others look for.
var pages = []struct {
	page page.Page
	says string
}{
	{&page.Error{}, "Request id"},
	{&page.Login{}, "Sign in"},
	{&page.Link{}, "works once"},
	{&page.Forgot{}, "Back to sign in"},
	{&page.Reset{}, "signs you out everywhere else"},
	{&page.Invitation{}, "Your role"},
	{&page.Account{}, "Where you work"},
	{&page.DeviceCode{}, "Code on the device"},
	{&page.Device{}, "Compare the code"},
	{&page.DeviceDone{}, "You may close this window"},
	{&page.Logout{}, "Sign out"},
	{&page.SignedOut{}, "signed out"},
	{&page.Consent{}, "wants access"},
	{&page.Organization{}, "You are going on to"},
	{page.NewFormPost("https://app.example/callback", "https://app.example", nil), "continue by hand"},
	{&page.AddAccount{}, "Go on to"},
	{&page.Onward{}, "Go on to"},
}

// hostile is what somebody may call himself, his application or his organization.
var hostile = "x<script>alert(1)</script>'\"><img src=x onerror=alert(1)>{{.}}<svg/onload=alert(1)>\u202eevil\u2066javascript:alert(1)\x00\xff" + strings.Repeat("A", 10<<10)

// Every template is in the table of this file, so that what is tested here holds for all of them.
func TestEveryPageIsTested(t *testing.T) {
	files, err := filepath.Glob("*.html")
	if err != nil {
		t.Fatal(err)
	}
	tested := []string{"layout.html"}
	for _, p := range pages {
		tested = append(tested, p.page.Template())
	}
	for _, file := range files {
		if !slices.Contains(tested, file) {
			t.Errorf("%s: its page is not in the table of page_test.go", file)
		}
	}
}

// What strangers have named adds no element, no attribute and no script to a page, and turns no direction (security catalogue
// LOG-16, F26).
func TestNamesAreOnlyText(t *testing.T) {
	eachPage(t, func(t *testing.T, p page.Page, set bool) {
		want := skeleton(render(t, filled(p, "x", set)))
		got := render(t, filled(p, hostile, set))
		if diff := firstDifference(skeleton(got), want); diff != "" {
			t.Errorf("a hostile name changes the page: %s", diff)
		}
		for n := range got.Descendants() {
			if n.Type == html.TextNode && strings.ContainsAny(n.Data, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") {
				t.Errorf("the text %.80q turns the direction", n.Data)
			}
			for _, a := range n.Attr {
				if (a.Key == "href" || a.Key == "action" || a.Key == "src") && strings.HasPrefix(strings.TrimSpace(a.Val), "javascript:") {
					t.Errorf("<%s %s> runs what it was given", n.Data, a.Key)
				}
			}
		}
	})
}

// What goes back to an application in a hidden field is what came from it, to the letter.
func TestHiddenValuesStayAsTheyAre(t *testing.T) {
	const state = "\u202e<>&\"'+\u2066 é"
	for n := range render(t, page.NewFormPost("https://app.example/callback", "https://app.example", url.Values{"state": {state}})).Descendants() {
		if attr(n, "name") != "state" {
			continue
		}
		if got := attr(n, "value"); got != state {
			t.Errorf("got %q, want %q", got, state)
		}
		return
	}
	t.Error("the page has no state")
}

// A page can be used by keyboard and with a screen reader: it has a title, a language, one heading, a link to its content; each field
// has a label, each id is unique, what names others is isolated.
func TestPagesAreAccessible(t *testing.T) {
	for _, p := range pages {
		doc := render(t, filled(p.page, "Ada", true))
		if got := text(doc); !strings.Contains(got, p.says) {
			t.Errorf("%s: does not say %q", p.page.Template(), p.says)
		}
	}
	eachPage(t, func(t *testing.T, p page.Page, set bool) {
		doc := render(t, filled(p, "Ada", set))
		ids, labels := map[string]bool{}, map[string]bool{}
		count := map[string]int{}
		for n := range doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			count[n.Data]++
			if id := attr(n, "id"); id != "" {
				if ids[id] {
					t.Errorf("two elements have the id %s", id)
				}
				ids[id] = true
			}
			if n.Data == "label" {
				labels[attr(n, "for")] = true
			}
		}
		for _, one := range []string{"title", "h1", "main", "header"} {
			if count[one] != 1 {
				t.Errorf("got %d <%s>, want 1", count[one], one)
			}
		}
		for n := range doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			switch n.Data {
			case "html":
				if attr(n, "lang") != "en" {
					t.Error("the page says no language")
				}
			case "title", "h1", "button", "a":
				if strings.TrimSpace(text(n)) == "" {
					t.Errorf("a <%s> says nothing", n.Data)
				}
			case "input", "select", "textarea":
				if attr(n, "type") == "hidden" {
					continue
				}
				if attr(n, "name") == "" {
					t.Error("a field has no name")
				}
				if !labels[attr(n, "id")] && !within(n, "label") {
					t.Errorf("the field %s has no label", attr(n, "name"))
				}
			case "form":
				if attr(n, "method") != "post" {
					t.Errorf("the form to %s is not posted", attr(n, "action"))
				}
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
					t.Errorf("<%s> has %s, which the policy forbids", n.Data, a.Key)
				}
				if a.Key == "aria-describedby" || a.Key == "aria-labelledby" {
					for id := range strings.FieldsSeq(a.Val) {
						if !ids[id] {
							t.Errorf("%s names %s, which is not on the page", a.Key, id)
						}
					}
				}
			}
		}
	})
}

// A page runs no script but that of its type, and its policy says so.
func TestOnlyThePagesOwnScriptRuns(t *testing.T) {
	eachPage(t, func(t *testing.T, p page.Page, set bool) {
		w := httptest.NewRecorder()
		if err := page.Write(w, 200, filled(p, hostile, set)); err != nil {
			t.Fatal(err)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
			t.Errorf("got the policy %q", policy)
		}
		scripts := 0
		for n := range render(t, filled(p, hostile, set)).Descendants() {
			if n.Type == html.ElementNode && (n.Data == "script" || n.Data == "style") {
				scripts++
			}
		}
		if allowed := strings.Contains(policy, "script-src"); scripts > 1 || allowed != (scripts == 1) {
			t.Errorf("the page has %d scripts under the policy %q", scripts, policy)
		}
	})
}

// What a page says of itself in its style is what it uses: there is no class without a rule.
func TestEveryClassHasARule(t *testing.T) {
	style, err := os.ReadFile("style.css")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, _ := strings.Cut(string(style), "*/")
	err = fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".html") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for part := range strings.SplitSeq(string(source), `class="`) {
			class, _, _ := strings.Cut(part, `"`)
			if strings.ContainsAny(class, "<>{}") {
				continue // before the first class, or a class that depends
			}
			for name := range strings.FieldsSeq(class) {
				if !strings.Contains(rules, "."+name) {
					t.Errorf("%s: the class %s has no rule", path, name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzNames: whatever a name is, it adds nothing but text to a page.
func FuzzNames(f *testing.F) {
	f.Add("<script>")
	f.Add("'\" onclick=x")
	f.Add("</title><base href=//evil>")
	want := make([][]string, len(pages))
	for i, p := range pages {
		want[i] = skeleton(render(f, filled(p.page, "x", true)))
	}
	f.Fuzz(func(t *testing.T, name string) {
		for i, p := range pages {
			if diff := firstDifference(skeleton(render(t, filled(p.page, "x"+name, true))), want[i]); diff != "" {
				t.Errorf("%s: %q changes the page: %s", p.page.Template(), name, diff)
			}
		}
	})
}

// eachPage runs a test for every page, once with all that it can show and once with what depends switched off.
func eachPage(t *testing.T, test func(t *testing.T, p page.Page, set bool)) {
	for _, p := range pages {
		t.Run(p.page.Template(), func(t *testing.T) { test(t, p.page, true) })
		t.Run(p.page.Template()+" without", func(t *testing.T) { test(t, p.page, false) })
	}
}

// filled returns a page of the same type all of whose texts are the given one, lists have two elements, and switches are set or not.
func filled(p page.Page, value string, set bool) page.Page {
	out := reflect.New(reflect.TypeOf(p).Elem())
	out.Elem().Set(reflect.ValueOf(p).Elem())
	fill(out.Elem(), value, set)
	return out.Interface().(page.Page)
}

var (
	scriptType = reflect.TypeFor[template.JS]()
	urlType    = reflect.TypeFor[template.URL]()
	timeType   = reflect.TypeFor[time.Time]()
)

func fill(v reflect.Value, value string, set bool) {
	switch {
	case !v.CanSet(), v.Type() == scriptType:
	case v.Type() == urlType:
		v.SetString("https://app.example/callback")
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)))
	case v.Kind() == reflect.String:
		v.SetString(value)
	case v.Kind() == reflect.Bool:
		v.SetBool(set)
	case v.Kind() == reflect.Int:
		v.SetInt(3)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), value, set)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), value, set)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "FormAction" {
				fill(v.Field(i), value, set)
			}
		}
	}
}

func render(t testing.TB, p page.Page) *html.Node {
	t.Helper()
	w := httptest.NewRecorder()
	if err := page.Write(w, 200, p); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// skeleton lists the elements of a page in their order, with the names of their attributes.
func skeleton(doc *html.Node) []string {
	var out []string
	for n := range doc.Descendants() {
		switch n.Type {
		case html.ElementNode:
			names := map[string]bool{}
			for _, a := range n.Attr {
				names[a.Key] = true
			}
			out = append(out, n.Data+" "+strings.Join(slices.Sorted(maps.Keys(names)), " "))
		case html.CommentNode:
			out = append(out, "comment")
		}
	}
	return out
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return "got …" + strings.Join(got[min(i, len(got)):min(i+3, len(got))], ", ") + " want …" + strings.Join(want[min(i, len(want)):min(i+3, len(want))], ", ")
		}
	}
	return ""
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func within(n *html.Node, element string) bool {
	for p := range n.Ancestors() {
		if p.Data == element {
			return true
		}
	}
	return false
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}
