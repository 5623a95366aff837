package mail

import (
	"bytes"
	_ "embed"
	htmltemplate "html/template"
	"strings"
	"text/template"
	"unicode"
)

// A Letter is what somebody is told: sentences, and a link to go on by. What others have named may stand in the sentences; it stays
// text.
type Letter struct {
	To      string // the address
	Subject string // never holds what others have named
	Lines   []string
	Button  string // what the link does
	Link    string
	After   []string // below the link
}

//go:embed letter.html
var letterHTML string

//go:embed letter.txt
var letterText string

var (
	asHTML = htmltemplate.Must(htmltemplate.New("letter.html").Parse(letterHTML))
	asText = template.Must(template.New("letter.txt").Parse(letterText))
)

// Text returns the letter as plain text.
func (l *Letter) Text() (string, error) {
	text, _, err := l.render()
	return text, err
}

// render writes a letter in both forms.
func (l *Letter) render() (text, html string, err error) {
	clean := *l
	clean.Lines, clean.After = plain(l.Lines), plain(l.After)
	var t, h bytes.Buffer
	if err := asText.Execute(&t, &clean); err != nil {
		return "", "", err
	}
	err = asHTML.Execute(&h, &clean)
	return t.String(), h.String(), err
}

// plain takes out of sentences what would make more lines of them, or turn their direction: a name that says "ignore this mail" must
// not look as if we had written it.
func plain(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.Map(func(r rune) rune {
			if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
				return -1
			}
			return r
		}, line)
	}
	return out
}
