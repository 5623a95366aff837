package web_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

const formType = "application/x-www-form-urlencoded"

var options = web.FormOptions{Repeatable: []string{"audience", "resource"}}

func post(target, contentType, body string) *http.Request {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

func readForm(r *http.Request) (web.Form, error) {
	return web.ReadForm(httptest.NewRecorder(), r, options)
}

// Values come out as they went in, and a library that reads r.PostForm or calls r.ParseForm sees the same.
func TestReadFormDecodes(t *testing.T) {
	r := post("/?client_id=query&extra=1", "application/X-WWW-form-urlencoded; charset=UTF-8", "grant_type=a+b%2Bc&&client_id=body&audience=x&audience=&audience=y&empty=&novalue&%C3%A4=%E2%82%AC")
	form, err := readForm(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ParseMultipartForm(1 << 20); err != nil && err != http.ErrNotMultipart {
		t.Fatal(err)
	}
	want := url.Values{"grant_type": {"a b+c"}, "client_id": {"body"}, "audience": {"x", "y"}, "ä": {"€"}}
	if !reflect.DeepEqual(r.PostForm, want) || !reflect.DeepEqual(r.Form, want) {
		t.Errorf("got PostForm %v, Form %v, want %v", r.PostForm, r.Form, want)
	}
	if form.Get("client_id") != "body" || form.Get("audience") != "x" || len(form.Values("audience")) != 2 || !form.Has("ä") ||
		form.Has("empty") || form.Has("novalue") || form.Has("extra") || form.Get("none") != "" {
		t.Errorf("got %v", form)
	}
}

// TOK-02: what stands in the query is not there (RFC 6749 §2.3.1).
func TestReadFormIgnoresQuery(t *testing.T) {
	r := post("/?grant_type=client_credentials&client_id=a&client_secret=b", formType, "")
	form, err := readForm(r)
	if err != nil || form.Has("client_id") || r.FormValue("client_secret") != "" {
		t.Errorf("got %v %v %v", form, r.Form, err)
	}
}

// TOK-03: every parameter appears at most once, but for audience and resource (RFC 6749 §3.2). The message names it.
func TestReadFormRefusesRepeatedParameters(t *testing.T) {
	for _, name := range []string{"grant_type", "client_id", "scope", "code", "redirect_uri", "code_verifier", "refresh_token", "assertion", "subject_token", "unheard-of"} {
		for _, body := range []string{name + "=a&" + name + "=a", name + "=a&x=1&" + name + "=", name + "=&" + name, "%" + hexOf(name[0]) + name[1:] + "=a&" + name + "=b"} {
			_, err := readForm(post("/", formType, body))
			if iam.KindOf(err) != iam.Invalid || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: got %v", body, err)
			}
		}
	}
	_, err := readForm(post("/", formType, "%22%3Cscript=1&%22%3Cscript=2"))
	if err == nil || strings.ContainsAny(err.Error(), `"\<`) {
		t.Errorf("got %v, want a refusal that does not repeat a stranger's text (RFC 6749 §5.2)", err)
	}
	if _, err := readForm(post("/", formType, "audience=a&resource=b&audience=c&resource=d")); err != nil {
		t.Errorf("audience and resource: got %v", err)
	}
}

func hexOf(c byte) string { return string([]byte{"0123456789abcdef"[c>>4], "0123456789abcdef"[c&15]}) }

// TOK-04, MIS-12, DOS-01, DOS-02: what is no small clean form of one kind is refused, with the status that says why.
func TestReadFormRefuses(t *testing.T) {
	many := strings.Repeat("a", 64<<10+1)
	for name, c := range map[string]struct {
		request *http.Request
		status  int
	}{
		"GET":               {httptest.NewRequest("GET", "/?a=b", nil), 405},
		"JSON":              {post("/", "application/json", `{"grant_type":"client_credentials"}`), 415},
		"text":              {post("/", "text/plain", "a=b"), 415},
		"no type":           {httptest.NewRequest("POST", "/", strings.NewReader("a=b")), 415},
		"broken type":       {post("/", formType+"; charset", "a=b"), 415},
		"multipart":         {post("/", "multipart/form-data; boundary=x", "--x\r\n"), 415},
		"latin1":            {post("/", formType+"; charset=iso-8859-1", "a=b"), 415},
		"percent at end":    {post("/", formType, "a=%"), 400},
		"half a percent":    {post("/", formType, "a=%4"), 400},
		"no hex":            {post("/", formType, "a=%zz"), 400},
		"no hex in name":    {post("/", formType, "%g0=b"), 400},
		"semicolon":         {post("/", formType, "a=b;c=d"), 400},
		"NUL":               {post("/", formType, "a=\x00"), 400},
		"encoded NUL":       {post("/", formType, "a=x%00"), 400},
		"NUL in name":       {post("/", formType, "a%00=x"), 400},
		"not UTF-8":         {post("/", formType, "a=\xff"), 400},
		"encoded not UTF-8": {post("/", formType, "a=%ff"), 400},
		"lone surrogate":    {post("/", formType, "a=%ED%A0%80"), 400},
		"overlong NUL":      {post("/", formType, "a=%C0%80"), 400},
		"101 parameters":    {post("/", formType, strings.TrimSuffix(strings.Repeat("audience=b&", 101), "&")), 400},
		"announced too big": {post("/", formType, many), 413},
		"chunked too big":   {chunked(many), 413},
		"announced 1 GiB":   {announced(1 << 30), 413},
		"cut short":         {broken(io.ErrUnexpectedEOF), 400},
		"too slow":          {broken(timeout{}), 408},
		"compressed":        {compressed(), 415},
	} {
		w := httptest.NewRecorder()
		_, err := web.ReadForm(w, c.request, options)
		if iam.KindOf(err) != iam.Invalid || web.StatusOf(err) != c.status {
			t.Errorf("%s: got %v, want status %d", name, err, c.status)
		}
		if closes := w.Header().Get("Connection") == "close"; closes != (c.status == 413 || c.status == 408 || name == "cut short") {
			t.Errorf("%s: got Connection: close %v", name, closes)
		}
	}
	if _, err := readForm(post("/", formType, "a="+many[:64<<10-2])); err != nil {
		t.Errorf("64 KiB: got %v", err)
	}
	if _, err := readForm(post("/", formType, strings.TrimSuffix(strings.Repeat("audience=b&", 100), "&"))); err != nil {
		t.Errorf("100 parameters: got %v", err)
	}
}

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// announced says how long it is and cannot be read.
func announced(length int64) *http.Request {
	r := broken(errors.New("the body was read"))
	r.ContentLength = length
	return r
}

func chunked(body string) *http.Request {
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(body)))
	r.Header.Set("Content-Type", formType)
	return r
}

// errReader ends in an error.
type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func broken(err error) *http.Request {
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("a=b"), errReader{err}))
	r.Header.Set("Content-Type", formType)
	return r
}

func compressed() *http.Request {
	r := post("/", formType, "a=b")
	r.Header.Set("Content-Encoding", "gzip")
	return r
}

// DOS-01: memory follows what arrives and ends at the limit, whatever is announced.
func TestReadFormTakesNoMoreThanItsLimit(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := httptest.NewRequest("POST", "/", io.LimitReader(zeros{}, 1<<30))
	r.Header.Set("Content-Type", formType)
	if _, err := readForm(r); web.StatusOf(err) != 413 {
		t.Errorf("got %v", err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("took %d bytes to refuse 1 GiB", took)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// What url.Values encodes is what ReadForm decodes.
func TestReadFormIsTheInverseOfEncode(t *testing.T) {
	text := rapid.StringMatching(`[^\x00]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		want := url.Values{}
		for name, value := range rapid.MapOfN(text, text, 0, 12).Draw(t, "single") {
			want.Set(name, value)
		}
		for _, name := range []string{"audience", "resource"} {
			if v := rapid.SliceOfN(text, 0, 4).Draw(t, name); len(v) > 0 {
				want[name] = v
			}
		}
		r := post("/", formType, want.Encode())
		if _, err := readForm(r); err != nil || !reflect.DeepEqual(r.PostForm, want) {
			t.Fatalf("got %v %v, want %v", r.PostForm, err, want)
		}
	})
}

// ReadForm never accepts what the standard parser refuses, sees what that sees, and lets no parameter through twice.
func FuzzReadForm(f *testing.F) {
	for _, s := range []string{"a=b", "a=b&a=c", "a&a", "%61=1&a=2", "audience=1&audience=2", "a=%00", "a=%ff", "=", "&&", "a=b;c", "+=+", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		want, stdErr := url.ParseQuery(body)
		r := post("/", formType, body)
		_, err := readForm(r)
		if err != nil {
			if iam.KindOf(err) != iam.Invalid {
				t.Fatalf("got %v", err)
			}
			return
		}
		if stdErr != nil {
			t.Fatalf("accepted what the standard library refuses: %v", stdErr)
		}
		for name, values := range want {
			if len(values) > 1 && name != "audience" && name != "resource" {
				t.Fatalf("%q came through %d times", name, len(values))
			}
			var full []string
			for _, v := range values {
				if v != "" {
					full = append(full, v)
				}
			}
			if !reflect.DeepEqual(r.PostForm[name], full) {
				t.Fatalf("%q: got %q want %q", name, r.PostForm[name], full)
			}
		}
		if len(r.PostForm) > len(want) {
			t.Fatalf("got %v want %v", r.PostForm, want)
		}
	})
}
