package page

import (
	"html/template"
	"maps"
	"net/url"
	"slices"
)

// A FormPost is the page that carries an answer to an application as a form (OAuth 2.0 Form Post Response Mode). A script sends it;
// where none runs, the person does.
type FormPost struct {
	Head
	To     template.URL // a registered redirect URI, whose scheme was checked there
	Fields []Field
}

// A Field is a hidden field of a form.
type Field struct{ Name, Value string }

// submit is run at the end of the page.
const submit template.JS = `document.forms[0].submit()`

// NewFormPost returns the page that posts values to a registered redirect URI, which lies at an origin, in the words of a policy.
func NewFormPost(to, origin string, values url.Values) *FormPost {
	p := &FormPost{Head: Head{Title: "Back to the application", FormAction: []string{origin}, Script: submit}, To: template.URL(to)}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		p.Fields = append(p.Fields, Field{name, values.Get(name)})
	}
	return p
}

// Template is the name of the page's file.
func (*FormPost) Template() string { return "form_post.html" }
