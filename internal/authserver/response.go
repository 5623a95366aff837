package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// The response modes (OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode).
const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

// An answer is where and how the answer to an authorization request goes.
type answer struct {
	to    string // a registered redirect URI; "": nowhere but to the person
	state string
	post  bool // as a form that the browser posts
}

// write answers the client. Every answer says who gives it (RFC 9207), and echoes the state.
func (s *Server) write(w http.ResponseWriter, _ *http.Request, a answer, parameters map[string]string) error {
	values := url.Values{"iss": {s.Issuer}}
	if a.state != "" {
		values.Set("state", a.state)
	}
	for name, value := range parameters {
		values.Set(name, value)
	}
	if a.post {
		return page.Write(w, http.StatusOK, page.NewFormPost(a.to, leaves(a.to), values))
	}
	return web.SeeOther(w, withQuery(a.to, values))
}

// withQuery adds parameters to a redirect URI, which keeps those that it has (RFC 6749 §4.1.2).
func withQuery(uri string, values url.Values) string {
	switch {
	case !strings.Contains(uri, "?"):
		uri += "?"
	case !strings.HasSuffix(uri, "?") && !strings.HasSuffix(uri, "&"):
		uri += "&"
	}
	return uri + values.Encode()
}

// authorizeCodes are the error codes of an authorization response: RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6, RFC 8707 §2, RFC 9396 §5
// and OpenID Connect Core Unmet Authentication Requirements.
var authorizeCodes = map[string]bool{
	"invalid_request": true, "unauthorized_client": true, "access_denied": true, "unsupported_response_type": true, "invalid_scope": true,
	"server_error": true, "temporarily_unavailable": true, "interaction_required": true, "login_required": true, "consent_required": true,
	"request_not_supported": true, "request_uri_not_supported": true, "invalid_target": true, "invalid_authorization_details": true,
	"unmet_authentication_requirements": true,
}

// authorizeError is what a client is told of a refusal.
func authorizeError(err error) (code, description string) {
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind == iam.Internal {
		return "server_error", "something is wrong on our side"
	}
	code = e.Code
	switch {
	case e.Kind == iam.Unavailable || e.Kind == iam.TooMany:
		code = "temporarily_unavailable"
	case code == "invalid_grant": // the person may not sign in any more
		code = "access_denied"
	case !authorizeCodes[code]:
		code = "invalid_request"
	}
	return code, string(appendDescription(nil, e.Message))
}
