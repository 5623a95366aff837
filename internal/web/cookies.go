package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Cookies are the cookies that pages set: the session's, one that tells a browser apart before anybody is signed in, which forms are
// bound to, one that says who has signed in there before, and one that says what a browser was sent to an upstream provider for. All
// are for this host alone, for no script, and go along with a navigation from elsewhere but with no
// form that another site sends.
type Cookies struct {
	Secure bool   // https: the names get the prefix __Host- (RFC 6265bis §4.1.3.2)
	Key    []byte // of form tokens; the same on every replica
}

// FormKeyLabel is the purpose of Cookies.Key, for secret.Hasher.Derive.
const FormKeyLabel = "form token"

const (
	sessionCookie = "gatehouse-session"
	browserCookie = "gatehouse-browser"
	knownCookie   = "gatehouse-known"
	tripCookie    = "gatehouse-upstream"
)

func (c *Cookies) name(base string) string {
	if c.Secure {
		return "__Host-" + base
	}
	return base
}

func (c *Cookies) set(w http.ResponseWriter, name, value string, expires time.Time) {
	cookie := http.Cookie{Name: c.name(name), Value: value, Path: "/", Expires: expires, Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, &cookie)
}

// get returns the value of a cookie, "" when there is none, or several: somebody has put one beside ours.
func (c *Cookies) get(r *http.Request, name string) string {
	found := r.CookiesNamed(c.name(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// Session returns what the session's cookie holds, or "".
func (c *Cookies) Session(r *http.Request) string { return c.get(r, sessionCookie) }

// SetSession sets the session's cookie.
func (c *Cookies) SetSession(w http.ResponseWriter, value string, expires time.Time) {
	c.set(w, sessionCookie, value, expires)
}

// ClearSession removes the session's cookie.
func (c *Cookies) ClearSession(w http.ResponseWriter) { c.set(w, sessionCookie, "", time.Unix(1, 0)) }

// Known returns what the cookie about earlier sign-ins holds, or "".
func (c *Cookies) Known(r *http.Request) string { return c.get(r, knownCookie) }

// SetKnown sets the cookie about earlier sign-ins.
func (c *Cookies) SetKnown(w http.ResponseWriter, value string, expires time.Time) {
	c.set(w, knownCookie, value, expires)
}

// Trip returns what the cookie of a sign-in at an upstream provider holds, or "".
func (c *Cookies) Trip(r *http.Request) string { return c.get(r, tripCookie) }

// SetTrip sets the cookie of a sign-in at an upstream provider.
func (c *Cookies) SetTrip(w http.ResponseWriter, value string, expires time.Time) {
	c.set(w, tripCookie, value, expires)
}

// ClearTrip removes the cookie of a sign-in at an upstream provider.
func (c *Cookies) ClearTrip(w http.ResponseWriter) { c.set(w, tripCookie, "", time.Unix(1, 0)) }

// FormToken returns the value of the field form_token of a form that this browser will be shown. It is bound to the browser, and to
// the session that the browser is in: what is shown before signing in is worth nothing after.
func (c *Cookies) FormToken(w http.ResponseWriter, r *http.Request) string {
	browser := c.get(r, browserCookie)
	if len(browser) != browserChars {
		var b [16]byte
		rand.Read(b[:])
		browser = base64.RawURLEncoding.EncodeToString(b[:])
		c.set(w, browserCookie, browser, time.Time{})
	}
	return c.formToken(browser, c.Session(r))
}

// Browser returns what tells this browser apart, "" when it has no cookie of ours yet.
func (c *Cookies) Browser(r *http.Request) string {
	if browser := c.get(r, browserCookie); len(browser) == browserChars {
		return browser
	}
	return ""
}

const browserChars = 22 // 16 bytes

func (c *Cookies) formToken(browser, session string) string {
	mac := hmac.New(sha256.New, c.Key)
	mac.Write([]byte(browser + "\x00" + session))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// errForm is what a form gets that was not shown to this browser, in this session.
var errForm = iam.Refuse(iam.Forbidden, "invalid_form", "this form was not sent from our page, or the page was opened before you signed in: go back, reload it, and try again")

// CheckForm refuses a form that this browser was not shown in this session (iam.Forbidden), and one that another site has sent.
func (c *Cookies) CheckForm(r *http.Request) error {
	if err := crossOrigin.Check(r); err != nil {
		return errForm.WithCause(err)
	}
	browser, got := c.get(r, browserCookie), r.PostForm.Get("form_token")
	if len(browser) != browserChars || !hmac.Equal([]byte(got), []byte(c.formToken(browser, c.Session(r)))) {
		return errForm
	}
	return nil
}

var crossOrigin = http.NewCrossOriginProtection()
