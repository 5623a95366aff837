package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// maxDepth is how deep the JSON of a body may be nested. Nothing in the API is half as deep.
const maxDepth = 32

// checkBody refuses bodies that are no JSON, or JSON that programs read differently. A form's type is what curl says of any -d:
// it is taken for JSON.
func checkBody(r *http.Request) error {
	if r.Body == nil || r.ContentLength == 0 {
		return nil
	}
	body, err := io.ReadAll(r.Body) // the router has read it already, within its bound
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return nil
	}
	if err := checkType(r.Header["Content-Type"]); err != nil {
		return err
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	r.Header["Content-Type"] = []string{"application/json"}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func checkType(header []string) error {
	if len(header) == 0 {
		return nil
	}
	kind, params, err := mime.ParseMediaType(header[0])
	charset, ok := params["charset"]
	if len(header) > 1 || err != nil || kind != "application/json" && kind != "application/x-www-form-urlencoded" ||
		ok && !strings.EqualFold(charset, "utf-8") {
		return iam.Refuse(iam.Invalid, web.CodeUnsupportedMediaType, "the body must be application/json in UTF-8")
	}
	return nil
}

// checkJSON wants one JSON value in UTF-8, of bounded depth, with every key once, in whatever case, and without characters that
// stand for broken text. encoding/json forgives all of that.
func checkJSON(body []byte) error {
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
