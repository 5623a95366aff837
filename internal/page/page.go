// Package page is what people see: the layout, the style and one template for each page, with the type of what it shows beside it.
// A page works without scripts, by keyboard and by screen reader, in light and dark, on a phone.
//
// A handler fills in a page's type and calls Write; what it decides is none of this package's business. It may import web and iam.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

//go:embed *.html
var files embed.FS

//go:embed style.css
var style []byte

//go:embed mark.svg
var mark []byte

// A Page is what one template shows.
type Page interface {
	// Head is what the layout needs: every page embeds it.
	head() *Head
	// Template is the name of the page's file.
	Template() string
}

// Head is what every page has.
type Head struct {
	Title string
	// Person is who is signed in, as the page names him; "": nobody is.
	Person string
	// Wide pages hold tables and lists, and take the width of the window.
	Wide bool
	// FormToken is the value of the field form_token of every form on the page.
	FormToken string
	// Ticket is the sealed ticket of the interaction that the page is part of; "": none.
	Ticket string
	// FormAction are the origins, beside our own, to which a form of the page may lead, redirects included.
	FormAction []string
	// Script is a static script of ours; its hash goes into the policy. No page needs it to work.
	Script template.JS
}

func (h *Head) head() *Head { return h }

var templates = parse()

func parse() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"style": func() string { return StylePath }, "mark": func() string { return markPath },
	}).ParseFS(files, "layout.html"))
	names, err := files.ReadDir(".")
	if err != nil {
		panic(err) // it is embedded
	}
	out := make(map[string]*template.Template, len(names))
	for _, f := range names {
		if f.Name() != "layout.html" {
			out[f.Name()] = template.Must(template.Must(layout.Clone()).ParseFS(files, f.Name()))
		}
	}
	return out
}

// StylePath is where the style is served: its name changes with it, so it may be kept for ever.
var StylePath = "/assets/" + digest(style) + ".css"

var markPath = "/assets/" + digest(mark) + ".svg"

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// Routes are the files that pages refer to.
func Routes() []web.Route {
	return []web.Route{
		asset(StylePath, "/assets/style.css", "text/css; charset=utf-8", style),
		asset(markPath, "/assets/mark.svg", "image/svg+xml", mark),
	}
}

func asset(path, name, contentType string, content []byte) web.Route {
	return web.Route{Methods: []string{http.MethodGet}, Path: path, Name: name, Handler: func(w http.ResponseWriter, _ *http.Request) error {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		_, err := w.Write(content)
		return err
	}}
}

// Write answers with a page.
func Write(w http.ResponseWriter, status int, p Page) error {
	t := templates[p.Template()]
	if t == nil {
		return fmt.Errorf("page: there is no template %q", p.Template())
	}
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, "layout.html", p); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	secure(w.Header(), p.head())
	w.WriteHeader(status)
	_, err := w.Write(leftToRight(body.Bytes()))
	return err
}

// leftToRight takes out of what is seen the characters that turn the direction of what follows them: a name that holds one could
// make the words of ours behind it read as others. What stands in tags, such as a value that goes back to an application, stays as
// it is. In the output of a template a tag ends at the first ">": within values it is written as a reference.
func leftToRight(html []byte) []byte {
	inTag := false
	return bytes.Map(func(r rune) rune {
		switch {
		case r == '<':
			inTag = true
		case r == '>':
			inTag = false
		case !inTag && turns(r):
			return -1
		}
		return r
	}, html)
}

// turns reports whether a character embeds, overrides or isolates a direction (Unicode Standard Annex 9, section 2).
func turns(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// secure sets the policy of a page (RFC 9700 §4.16): nothing runs but what is ours, nobody frames it, nothing is told to others
// about where it was.
func secure(h http.Header, p *Head) {
	policy := "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
	if len(p.FormAction) > 0 {
		policy += " " + strings.Join(p.FormAction, " ")
	}
	if p.Script != "" {
		sum := sha256.Sum256([]byte(p.Script))
		policy += "; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
