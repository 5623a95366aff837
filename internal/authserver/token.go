package authserver

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
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
	client := clientOf(request)
	if client != nil {
		allowOrigin(w, r, client)
	}
	if err != nil {
		return s.denied(ctx, form, token.Request{Client: client, Person: state.person}, err)
	}

	// 3. What may be issued.
	asked, err := s.policyRequest(ctx, request, form)
	if err != nil {
		return s.denied(ctx, form, asked, err)
	}
	if state.authorization, err = s.Policy.Authorize(ctx, asked); err != nil {
		return s.denied(ctx, form, asked, err)
	}
	org := state.authorization.Organization
	if org != nil {
		web.Add(ctx, slog.String("org_id", string(org.ID)))
	}

	// 4. Mint. Nothing was signed for a refused request.
	response, err := s.fosite.NewAccessResponse(ctx, request)
	if err != nil {
		return s.denied(ctx, form, asked, err)
	}
	if org != nil && s.Issued != nil {
		s.Issued(org.ID, asked.Subject())
	}

	// 5. Answer.
	return writeToken(w, response)
}

// clientOf returns the client that has authenticated, nil when none has.
func clientOf(r fosite.AccessRequester) *iam.Client {
	if r == nil {
		return nil
	}
	c, _ := r.GetClient().(fositeClient)
	return c.Client
}

// denied tells of a refusal, if it is one and of somebody, and returns it. Failed authentications are counted elsewhere, and a fault
// of ours is no refusal.
func (s *Server) denied(ctx context.Context, form web.Form, r token.Request, err error) error {
	var e *iam.Error
	if s.Denied == nil || r.Client == nil || !errors.As(err, &e) || e.Kind != iam.Invalid && e.Kind != iam.Forbidden || waiting(e) {
		return err
	}
	s.Denied(iam.DeniedRequest{
		RequestID: web.RequestID(ctx), Client: r.Client.ID, Home: r.Client.Organization, Subject: r.Subject(),
		Grant: cmp.Or(iam.GrantType(form.Get("grant_type")), r.Grant), Code: e.Code, Message: e.Message,
		Asked: iam.TokenAsked{
			Organization: form.Get("organization"), Audiences: append(slices.Clone(form.Values("audience")), form.Values("resource")...),
			Scope: form.Get("scope"), Details: form.Get("authorization_details"),
		},
	})
	return err
}

// tokenForm refuses what no grant can answer.
func tokenForm(form web.Form) error {
	if form.Get("grant_type") == "" {
		return iam.Refuse(iam.Invalid, "invalid_request", "the parameter grant_type is missing: send it in a form-encoded body")
	}
	return nil
}

// policyRequest turns fosite's view of a request into the policy's. Only it and mint see both. What it refuses has a client already.
func (s *Server) policyRequest(ctx context.Context, r fosite.AccessRequester, form web.Form) (token.Request, error) {
	state := r.GetSession().(*session)
	out := token.Request{
		Client:       r.GetClient().(fositeClient).Client,
		Grant:        iam.GrantType(r.GetGrantTypes()[0]),
		Scopes:       strings.Fields(form.Get("scope")),
		Organization: form.Get("organization"),
		Person:       state.person,
	}
	if out.Grant == iam.GrantDeviceCode {
		out.Scopes = nil // RFC 8628 §3.4 has no scope here: what the person has approved is granted, and whatever else is asked for is not
	}
	var err error
	if out.Audiences, err = audiencesOf(form); err != nil {
		return out, err
	}
	if out.Details, err = token.ParseDetails(form.Get("authorization_details")); err != nil || state.grant == nil {
		return out, err
	}
	return out, s.grantRequest(ctx, state, &out)
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
