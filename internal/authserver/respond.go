package authserver

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

var (
	contentJSON  = []string{"application/json"}
	cacheNoStore = []string{"no-store"}
	pragma       = []string{"no-cache"}
)

// noStore keeps an answer out of every cache (RFC 6749 §5.1).
func noStore(h http.Header) {
	h["Cache-Control"] = cacheNoStore
	h["Pragma"] = pragma
}

// writeToken writes the answer of RFC 6749 §5.1. The common answer is put together by hand: it is written for every token.
func writeToken(w http.ResponseWriter, response fosite.AccessResponder) error {
	m := response.(*fosite.AccessResponse)
	seconds, _ := m.GetExtra("expires_in").(int64)
	b := make([]byte, 0, len(m.AccessToken)+128)
	b = append(b, `{"access_token":"`...) // base64url and dots need no escaping
	b = append(b, m.AccessToken...)
	b = append(b, `","token_type":"`...)
	b = append(b, m.TokenType...)
	b = append(b, `","expires_in":`...)
	b = strconv.AppendInt(b, seconds, 10)
	for name, value := range m.Extra {
		if name == "expires_in" {
			continue
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			return err
		}
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":`...)
		b = append(b, encoded...)
	}
	return writeJSON(w, append(b, '}'))
}

func writeJSON(w http.ResponseWriter, body []byte) error {
	h := w.Header()
	h["Content-Type"] = contentJSON
	noStore(h)
	_, err := w.Write(body)
	return err
}

// oauthCodes are the error codes that may leave by these endpoints: those registered for them, those of the authorization endpoint
// that a pushed request may meet (RFC 9126 §2.3), and temporarily_unavailable, which RFC 6749 §4.1.2.1 has for what HTTP calls 503.
var oauthCodes = map[string]bool{
	"invalid_request": true, "invalid_client": true, "invalid_grant": true, "unauthorized_client": true,
	"unsupported_grant_type": true, "invalid_scope": true, "invalid_target": true, "access_denied": true,
	"invalid_authorization_details": true, "unsupported_token_type": true, "server_error": true, "temporarily_unavailable": true,
	"authorization_pending": true, "slow_down": true, "expired_token": true, // RFC 8628 §3.5
	"unsupported_response_type": true, "request_not_supported": true, "unmet_authentication_requirements": true,
}

const internalFault = "something is wrong on our side; the request id tells the operator what"

// writeError answers RFC 6749 §5.2 with a code that is registered and a description that shows nothing of an internal fault.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, code, description := http.StatusInternalServerError, "server_error", internalFault
	var e *iam.Error
	var f *fosite.RFC6749Error
	switch {
	case errors.As(err, &e):
		status, code, description = web.StatusOf(err), e.Code, e.Message
		switch {
		case e.Kind == iam.Internal:
			code, description = "server_error", internalFault
		case e.Kind == iam.Unavailable || e.Kind == iam.TooMany:
			code = "temporarily_unavailable"
		case !oauthCodes[code]:
			code = "invalid_request"
		}
	case errors.As(err, &f): // fosite's own refusals are of the request's shape; its texts and codes stay inside
		status, code, description = http.StatusBadRequest, "invalid_request", "the request is malformed"
		if f.CodeField >= 500 {
			status, code = http.StatusInternalServerError, "server_error"
		}
	}
	web.SetRetryAfter(w.Header(), err)
	switch status {
	case http.StatusUnauthorized:
		w.Header()["Www-Authenticate"] = []string{`Basic realm="gatehouse", charset="UTF-8"`}
	case http.StatusForbidden, http.StatusNotFound, http.StatusConflict:
		status = http.StatusBadRequest // RFC 6749 §5.2 knows 400 and 401
	}
	writeErrorBody(w, r, status, code, description)
}

// writeErrorBody writes an error in the form of RFC 6749 §5.2.
func writeErrorBody(w http.ResponseWriter, r *http.Request, status int, code, description string) {
	h := w.Header()
	web.Add(r.Context(), slog.String("oauth_error", code))
	body := append([]byte(`{"error":"`), code...)
	body = append(body, `","error_description":"`...)
	body = appendDescription(body, description)
	body = append(body, `"}`...)
	h["Content-Type"] = contentJSON
	noStore(h)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		web.Add(r.Context(), slog.String("write", err.Error()))
	}
}

// maxDescription bounds what is said about an error.
const maxDescription = 400

// appendDescription keeps to the characters of RFC 6749 §5.2, which excludes the double quote and the backslash, so that what
// a stranger sent can be repeated without harm.
func appendDescription(b []byte, s string) []byte {
	for i := 0; i < len(s) && i < maxDescription; i++ {
		switch c := s[i]; {
		case c == '"':
			b = append(b, '\'')
		case c < 0x20 || c > 0x7e || c == '\\':
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return b
}

func absoluteURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && u.Fragment == "" && u.RawFragment == ""
}
