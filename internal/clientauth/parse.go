package clientauth

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Parse reads the credentials of a request from its Authorization header and its form. Two methods at once, or two client ids
// that differ, are invalid_request; no client at all is invalid_client.
func Parse(authorization string, form url.Values) (Credentials, error) {
	body := Credentials{ClientID: iam.ClientID(form.Get("client_id")), Method: iam.AuthNone}
	if form.Has("client_secret") {
		body.Method, body.secret = iam.AuthPost, form.Get("client_secret")
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return Credentials{}, parseAssertion(authorization, form)
	}
	if authorization == "" {
		if body.ClientID == "" {
			return Credentials{}, errInvalidClient
		}
		return body, nil
	}
	basic, err := parseBasic(authorization)
	if err != nil {
		return Credentials{}, err
	}
	if body.Method == iam.AuthPost {
		return Credentials{}, errTwoMethods
	}
	if body.ClientID != "" && body.ClientID != basic.ClientID && string(body.ClientID) != basic.rawID {
		return Credentials{}, iam.Refuse(iam.Invalid, "invalid_request",
			"the Authorization header and the parameter client_id name different clients: send one of them")
	}
	return basic, nil
}

var errTwoMethods = iam.Refuse(iam.Invalid, "invalid_request", "send the client's credentials in one way only: in the Authorization header or in the body")

// parseBasic reads RFC 6749 §2.3.1: both parts form-encoded, then joined. Many programs, curl -u among them, leave the
// encoding out, so the parts as they stand are tried as well where they differ.
func parseBasic(authorization string) (Credentials, error) {
	scheme, encoded, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return Credentials{}, errInvalidClient
	}
	pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return Credentials{}, errInvalidClient
	}
	id, sec, ok := strings.Cut(string(pair), ":")
	if !ok || id == "" {
		return Credentials{}, errInvalidClient
	}
	c := Credentials{Method: iam.AuthBasic, ClientID: iam.ClientID(id), secret: sec}
	if decoded, err := url.QueryUnescape(id); err == nil && decoded != id {
		c.ClientID, c.rawID = iam.ClientID(decoded), id
	}
	if decoded, err := url.QueryUnescape(sec); err == nil && decoded != sec {
		c.secret, c.raw = decoded, sec
	}
	return c, nil
}

// parseAssertion answers a request with a client_assertion (RFC 7521 §4.2). No client of this server authenticates by one yet,
// so what is left is to say what is wrong with the request.
func parseAssertion(authorization string, form url.Values) error {
	switch {
	case authorization != "" || form.Has("client_secret"):
		return errTwoMethods
	case !form.Has("client_assertion") || !form.Has("client_assertion_type"):
		return iam.Refuse(iam.Invalid, "invalid_request", "client_assertion and client_assertion_type belong together")
	}
	return errInvalidClient
}
