package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// maxDepth is how deep the JSON of a body may be nested. Nothing that is asked for is half as deep.
const maxDepth = 32

func malformed(format string, args ...any) error {
	return iam.Refuse(iam.Invalid, CodeMalformed, format, args...)
}

// CheckJSON wants one JSON value in UTF-8, of bounded depth, with every key once, in whatever case, and without characters that
// stand for broken text. encoding/json forgives all of that.
func CheckJSON(body []byte) error {
	if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 {
		return malformed("the body is not UTF-8, or has a NUL")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	type level struct {
		keys map[string]bool // nil: a list
		key  bool            // a key comes next
	}
	var open []level
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) && len(open) == 0 {
			return nil
		}
		if err != nil {
			return malformed("the body is not valid JSON: fault near byte %d", dec.InputOffset())
		}
		text, isText := t.(string)
		if isText && strings.ContainsAny(text, "\x00\ufffd") {
			return malformed("the body has a NUL or a broken character near byte %d", dec.InputOffset())
		}
		if n := len(open); n > 0 && open[n-1].key && isText {
			key := strings.ToLower(text)
			if open[n-1].keys[key] {
				return malformed("the key %.40q stands there twice", text)
			}
			open[n-1].keys[key] = true
			open[n-1].key = false
			continue
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if len(open) == maxDepth {
				return malformed("the body is nested more than %d deep", maxDepth)
			}
			l := level{}
			if t == json.Delim('{') {
				l = level{keys: make(map[string]bool), key: true}
			}
			open = append(open, l)
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
		if n := len(open); n > 0 {
			open[n-1].key = open[n-1].keys != nil
		} else if dec.More() {
			return malformed("the body has something behind its JSON value")
		}
	}
}
