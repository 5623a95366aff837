package authserver

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// token is POST /oauth/token (RFC 6749 §3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := web.FormOf(ctx)
	// 1. Shape: the router has read the form, each parameter once.
	if err := tokenForm(form); err != nil {
		return err
	}
	web.Add(ctx, slog.String("grant_type", form.Get("grant_type")))

	// 2. Who asks, and is the grant good: clientauth and the grant's handler, through fosite.
	state := &session{}
	request, err := s.fosite.NewAccessRequest(ctx, r, state)
	if err != nil {
		return err
	}

	// 3. What may be issued.
	asked, err := policyRequest(request, form)
	if err != nil {
		return err
	}
	if state.authorization, err = s.Policy.Authorize(ctx, asked); err != nil {
		return err
	}
	if org := state.authorization.Organization; org != nil {
		web.Add(ctx, slog.String("org_id", string(org.ID)))
	}

	// 4. Mint. Nothing was signed for a refused request.
	response, err := s.fosite.NewAccessResponse(ctx, request)
	if err != nil {
		return err
	}

	// 5. Answer.
	return writeToken(w, response)
}

// tokenForm refuses what no grant can answer.
func tokenForm(form web.Form) error {
	if form.Get("grant_type") == "" {
		return iam.Refuse(iam.Invalid, "invalid_request", "the parameter grant_type is missing: send it in a form-encoded body")
	}
	return nil
}

// policyRequest turns fosite's view of a request into the policy's. Only it and mint see both.
func policyRequest(r fosite.AccessRequester, form web.Form) (token.Request, error) {
	audiences, err := audiencesOf(form)
	if err != nil {
		return token.Request{}, err
	}
	details, err := token.ParseDetails(form.Get("authorization_details"))
	if err != nil {
		return token.Request{}, err
	}
	return token.Request{
		Client:       r.GetClient().(fositeClient).Client,
		Grant:        iam.GrantType(r.GetGrantTypes()[0]),
		Audiences:    audiences,
		Scopes:       strings.Fields(form.Get("scope")),
		Organization: form.Get("organization"),
		Details:      details,
	}, nil
}

// audiencesOf merges audience, which is Auth0's name, and resource (RFC 8707 §2). One audience parameter may carry several
// values divided by spaces.
func audiencesOf(form web.Form) ([]string, error) {
	var out []string
	for _, v := range form.Values("audience") {
		out = append(out, strings.Fields(v)...)
	}
	for _, v := range form.Values("resource") {
		if !absoluteURI(v) {
			return nil, iam.Refuse(iam.Invalid, "invalid_target", "resource must be an absolute URI without a fragment")
		}
		out = append(out, v)
	}
	const most = 10
	if len(out) > most {
		return nil, iam.Refuse(iam.Invalid, "invalid_target", "at most %d audiences can be asked for at once", most)
	}
	return out, nil
}
