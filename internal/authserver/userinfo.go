package authserver

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// errScope is for a token that holds, but is not for here: of no person, without openid, or for other services only.
var errScope = iam.Refuse(iam.Forbidden, "insufficient_scope", "userinfo needs an access token for a person with the scope openid")

// userinfo is GET and POST /userinfo (OIDC Core §5.3): what the client may know of the person that the access token speaks for.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	bearer, err := bearerOf(w, r)
	if err != nil {
		return err
	}
	c, err := s.Inspector.Holds(ctx, bearer)
	if err != nil {
		return err
	}
	client, err := s.Policy.Directory.Client(ctx, c.ClientID)
	if err != nil {
		return err
	}
	if client != nil {
		allowOrigin(w, r, client)
	}
	web.Add(ctx, slog.String("client_id", string(c.ClientID)))
	if client == nil || !c.Person() || !slices.Contains(c.Audience, token.UserinfoAudience(s.Issuer)) || !c.HasScope(token.ScopeOpenID) {
		return errScope
	}
	user, err := s.Policy.Directory.User(ctx, iam.UserID(c.Subject))
	if err != nil {
		return err
	}
	if user == nil {
		return errScope // removed since the token was looked at
	}
	claims := make(map[string]any)
	// Only the authorization endpoint takes the parameter claims, so only what came of it can have asked for some.
	if slices.Contains(client.GrantTypes, iam.GrantAuthorizationCode) {
		g, err := s.Grants.Grant(ctx, c.Grant())
		if err != nil {
			return err
		}
		if g != nil {
			maps.Copy(claims, askedClaims(g.Claims, "userinfo", user, client))
		}
	}
	for scope, names := range scopeClaims {
		if c.HasScope(scope) {
			for _, name := range names {
				putClaim(claims, user, name)
			}
		}
	}
	claims["sub"] = c.Subject
	body, err := json.Marshal(claims)
	if err != nil {
		return err
	}
	return writeJSON(w, body)
}

var (
	errNoBearer  = iam.Errorf(iam.Unauthenticated, "send the access token in the header Authorization: Bearer (RFC 6750, section 2.1)")
	errTwoTokens = iam.Refuse(iam.Invalid, "invalid_request", "the access token must be sent once and in one way (RFC 6750, section 2)")
)

// bearerOf returns the access token of a request, from the header or from the form of a POST (RFC 6750 §2). In the address it is
// refused: addresses are written into logs (RFC 9700 §4.3.2).
func bearerOf(w http.ResponseWriter, r *http.Request) (string, error) {
	if strings.Contains(r.URL.RawQuery, "access_token") {
		return "", iam.Refuse(iam.Invalid, "invalid_request", "an access token may not be sent in the address (RFC 9700, section 4.3.2)")
	}
	headers, inForm := r.Header["Authorization"], ""
	if r.Method == http.MethodPost && len(r.Header["Content-Type"]) > 0 { // with the header, a POST needs no body
		form, err := web.ReadForm(w, r, *formOptions)
		if err != nil {
			return "", err
		}
		inForm = form.Get("access_token")
	}
	switch {
	case len(headers)+min(len(inForm), 1) > 1:
		return "", errTwoTokens
	case inForm != "":
		return inForm, nil
	case len(headers) == 0:
		return "", errNoBearer
	}
	scheme, value, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || value == "" {
		return "", errNoBearer
	}
	return value, nil
}

// writeBearerError answers RFC 6750 §3: what is wrong stands in WWW-Authenticate, and in the body as at the other endpoints. A
// request without any token is told no error code in the header.
func writeBearerError(w http.ResponseWriter, r *http.Request, err error) {
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind == iam.Internal || e.Kind == iam.Unavailable || e.Kind == iam.TooMany {
		writeError(w, r, err)
		return
	}
	code := e.Code
	switch code {
	case "invalid_token", errScope.Code:
	case errNoBearer.Code:
		code = "invalid_token"
	default:
		code = "invalid_request"
	}
	challenge := []byte(`Bearer realm="gatehouse"`)
	if e.Code != errNoBearer.Code {
		challenge = append(challenge, `, error="`+code+`", error_description="`...)
		challenge = append(appendDescription(challenge, e.Message), '"')
	}
	if code == errScope.Code {
		challenge = append(challenge, `, scope="openid"`...)
	}
	w.Header()["Www-Authenticate"] = []string{string(challenge)}
	writeErrorBody(w, r, web.StatusOf(err), code, e.Message)
}
