package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// malformed refuses a request that cannot be read.
func malformed(format string, args ...any) error {
	return iam.Refuse(iam.Invalid, web.CodeMalformed, format, args...)
}

// unprocessable are the refusals of what is well-formed, by an access model or for what came before: 422, where other invalid
// requests are 400.
var unprocessable = map[string]bool{
	errKeyReused.Code:      true,
	access.CodeRoleNotHere: true, access.CodeHolderNotAllowed: true, access.CodeGroupNotHere: true, access.CodeValueNotAllowed: true,
	access.CodeUnknownPermission: true, access.CodeOwnerRequired: true, access.CodeUnknownOperation: true, access.CodeNotOffered: true,
}

// writeProblem is the ErrorWriter of the API.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := web.ProblemOf(err)
	p.RequestID = web.RequestID(r.Context())
	if unprocessable[p.Code] && p.Status == http.StatusBadRequest {
		p.Status = http.StatusUnprocessableEntity
		p.Title = http.StatusText(p.Status)
	}
	h := w.Header()
	if p.Status == http.StatusUnauthorized {
		challenge := `Bearer realm="gatehouse"` // RFC 6750 §3: without a token, no error
		if p.Code != errNoToken.Code {
			challenge += `, error="invalid_token"`
		}
		h.Set("WWW-Authenticate", challenge)
	}
	web.SetRetryAfter(h, err)
	body, fault := json.Marshal(p)
	if fault != nil {
		panic(fault) // Strings and integers always marshal.
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	// A failed write means that the peer has gone: nobody is left to tell.
	_, _ = w.Write(body)
}

// maxFaults bounds how many faults of a body are listed: one body can have half a million.
const maxFaults = 20

// takeRefusal takes over what huma refuses by itself, before any operation runs. It shows no value that was sent: it may be a
// secret.
func takeRefusal(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	c := callOf(ctx.Context())
	if c.err != nil {
		return v, nil // the operation's own
	}
	e := iam.Errorf(iam.Invalid, "the request is not what the API expects")
	switch m.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		for i, d := range m.Errors {
			if i == maxFaults {
				e.Message = fmt.Sprintf("the request is not what the API expects; the first %d of %d faults", maxFaults, len(m.Errors))
				break
			}
			path, message := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body"), "."), d.Message
			if strings.HasPrefix(message, "json: ") {
				message = "has the wrong type"
			}
			e.Fields = append(e.Fields, iam.Field{Path: path, Message: message})
		}
		if len(m.Errors) == 0 {
			e.Message = m.Detail
		}
	default:
		e = iam.Errorf(iam.Internal, "%s", m.Detail)
	}
	c.err = e
	return nil, nil // huma's own answer repeats the body for each of its faults; ours is written instead
}
