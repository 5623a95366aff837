package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Form is the decoded body of a POST. A parameter without a value is as if it were not there (RFC 6749 §3.1).
type Form struct{ values url.Values }

// Get returns the value of name, the first one of a repeatable parameter, or "".
func (f Form) Get(name string) string {
	if v := f.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Values returns all values of a repeatable parameter. The caller must not change them.
func (f Form) Values(name string) []string { return f.values[name] }

// Has reports whether name has a value.
func (f Form) Has(name string) bool { return len(f.values[name]) > 0 }

// NewForm returns a form of parameters that were read before. The form and its maker share them.
func NewForm(values url.Values) Form { return Form{values} }

// Only returns a copy of the parameters with these names.
func (f Form) Only(names ...string) url.Values {
	out := make(url.Values, len(names))
	for _, name := range names {
		if v := f.values[name]; len(v) > 0 {
			out[name] = slices.Clone(v)
		}
	}
	return out
}

// Repeated returns a parameter that is there more than once, none of these names, or "".
func (f Form) Repeated(except ...string) string {
	for name, v := range f.values {
		if len(v) > 1 && !slices.Contains(except, name) {
			return name
		}
	}
	return ""
}

// Any, among the repeatable parameters, is all of them: the handler looks at repetitions itself.
const Any = "*"

// FormOptions say what a form may be.
type FormOptions struct {
	Limit      int64    // bytes of the body; DefaultFormLimit when zero
	Repeatable []string // the parameters that may appear more than once; Any for all
}

// DefaultFormLimit is the most bytes that a form has, if its options do not say otherwise.
const DefaultFormLimit = 64 << 10

// maxParams is more than any form of OAuth or of our pages has, and few enough to make floods of parameters cheap to refuse.
const maxParams = 100

var (
	errFormMethod      = iam.Refuse(iam.Invalid, CodeMethodNotAllowed, "the request must be a POST")
	errFormType        = iam.Refuse(iam.Invalid, CodeUnsupportedMediaType, "the body must be application/x-www-form-urlencoded")
	errFormCharset     = iam.Refuse(iam.Invalid, CodeUnsupportedMediaType, "the body must be in UTF-8")
	errContentEncoding = iam.Refuse(iam.Invalid, CodeUnsupportedMediaType, "the body must not be compressed")
	errFormEncoding    = iam.Errorf(iam.Invalid, "the body is not valid application/x-www-form-urlencoded")
	errFormText        = iam.Errorf(iam.Invalid, "the body has a NUL or is not UTF-8")
	errFormParams      = iam.Errorf(iam.Invalid, "the body has more than %d parameters", maxParams)
	errBodyTimeout     = iam.Refuse(iam.Invalid, CodeRequestTimeout, "the body did not arrive in time")
	errBodyIncomplete  = iam.Errorf(iam.Invalid, "the body is incomplete")
)

// scratch holds buffers for bodies on their way to becoming strings. Buffers that grew for a large body are not kept.
var scratch = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 2<<10)) }}

const maxScratch = 8 << 10

// ReadForm reads the body of a POST with Content-Type application/x-www-form-urlencoded. Parameters in the query are not looked
// at (RFC 6749 §2.3.1). It refuses a parameter that appears twice (RFC 6749 §3.2) unless it is repeatable, invalid encoding, NUL,
// text that is not UTF-8, and what is beyond the bounds; its errors are iam.Errors of kind Invalid. Afterwards r.PostForm and
// r.Form hold the same values, for libraries that read those; nobody can read the body again.
func ReadForm(w http.ResponseWriter, r *http.Request, options FormOptions) (Form, error) {
	if r.Method != http.MethodPost {
		return Form{}, errFormMethod
	}
	if err := checkFormType(r.Header["Content-Type"]); err != nil {
		return Form{}, err
	}
	if options.Limit == 0 {
		options.Limit = DefaultFormLimit
	}
	buffer := scratch.Get().(*bytes.Buffer)
	err := readBody(w, r, options.Limit, buffer)
	body := buffer.String()
	if buffer.Cap() <= maxScratch {
		clear(buffer.Bytes()) // it held secrets
		buffer.Reset()
		scratch.Put(buffer)
	}
	if err != nil {
		return Form{}, err
	}
	values, err := parseForm(body, options.Repeatable)
	if err != nil {
		return Form{}, err
	}
	r.PostForm, r.Form = values, values
	return Form{values}, nil
}

// ReadQuery reads the query of a request as ReadForm reads a body.
func ReadQuery(r *http.Request, repeatable ...string) (Form, error) {
	values, err := parseForm(r.URL.RawQuery, repeatable)
	return Form{values}, err
}

func checkFormType(header []string) error {
	if len(header) != 1 {
		return errFormType
	}
	if header[0] == "application/x-www-form-urlencoded" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(header[0])
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return errFormType
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return errFormCharset
	}
	return nil
}

// readBody reads the body into buffer, which grows with what arrives and not with what is announced. When it does not read to
// the end, the connection is closed after the answer: what follows on it is the rest of the body.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, buffer *bytes.Buffer) error {
	if v := r.Header["Content-Encoding"]; len(v) > 0 && !strings.EqualFold(v[0], "identity") {
		return errContentEncoding
	}
	if r.ContentLength > limit {
		return tooLarge(w, limit)
	}
	if r.Body == nil {
		return nil
	}
	for {
		if buffer.Available() == 0 {
			buffer.Grow(bytes.MinRead)
		}
		room := buffer.AvailableBuffer()
		n, err := r.Body.Read(room[:cap(room)])
		buffer.Write(room[:n])
		switch {
		case int64(buffer.Len()) > limit:
			return tooLarge(w, limit)
		case err == io.EOF:
			return nil
		case err != nil:
			w.Header().Set("Connection", "close")
			var netError net.Error
			if errors.As(err, &netError) && netError.Timeout() {
				return errBodyTimeout
			}
			return errBodyIncomplete.WithCause(err)
		}
	}
}

func tooLarge(w http.ResponseWriter, limit int64) error {
	w.Header().Set("Connection", "close")
	return iam.Refuse(iam.Invalid, CodeBodyTooLarge, "the body is longer than %d bytes", limit)
}

// bufferBody reads the body of a request that is no form, so that its handler finds all of it in r.Body.
func bufferBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	if r.Body == nil || r.ContentLength == 0 {
		return nil
	}
	var buffer bytes.Buffer
	if err := readBody(w, r, limit, &buffer); err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(&buffer), int64(buffer.Len())
	return nil
}

// parseForm decodes body as url.ParseQuery does, and refuses where that is lenient. Names and values share the memory of body
// where nothing in them was encoded.
func parseForm(body string, repeatable []string) (url.Values, error) {
	if !utf8.ValidString(body) || strings.IndexByte(body, 0) >= 0 {
		return nil, errFormText
	}
	if strings.IndexByte(body, ';') >= 0 {
		return nil, errFormEncoding // some parsers separate at it
	}
	count := strings.Count(body, "&") + 1
	if count > maxParams {
		return nil, errFormParams
	}
	values := make(url.Values, count)
	cells := make([]string, 0, count)
	empty := false
	for rest := body; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := decode(name)
		if err != nil {
			return nil, err
		}
		if value, err = decode(value); err != nil {
			return nil, err
		}
		known, again := values[name]
		switch {
		case again && !slices.Contains(repeatable, name) && !slices.Contains(repeatable, Any):
			return nil, repeated(name)
		case again:
			values[name] = append(known, value)
		default:
			cells = append(cells, value)
			values[name] = cells[len(cells)-1 : len(cells) : len(cells)]
		}
		empty = empty || value == ""
	}
	if empty {
		omitEmpty(values)
	}
	return values, nil
}

// omitEmpty takes out the parameters without a value, after they have counted as repetitions.
func omitEmpty(values url.Values) {
	for name, v := range values {
		if v = slices.DeleteFunc(v, func(s string) bool { return s == "" }); len(v) == 0 {
			delete(values, name)
		} else {
			values[name] = v
		}
	}
}

func repeated(name string) error {
	if len(name) > 64 || !plain(name) {
		name = "with a name of no known form" // the name comes from a stranger and goes into an error_description
	}
	return iam.Errorf(iam.Invalid, "the parameter %s appears more than once", name)
}

// decode undoes the encoding of a name or a value (WHATWG URL §5.1).
func decode(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '+':
			b.WriteByte(' ')
		case '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", errFormEncoding
			}
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	if d := b.String(); utf8.ValidString(d) && strings.IndexByte(d, 0) < 0 {
		return d, nil
	}
	return "", errFormText
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// unhex returns the value of a hexadecimal digit.
func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	default:
		return c - '0'
	}
}
