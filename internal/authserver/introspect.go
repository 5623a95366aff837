package authserver

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// introspect is POST /oauth/introspect (RFC 7662). A confidential client asks; what it is told is Inspector's decision.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	caller, err := s.authenticate(r)
	if err != nil {
		return err
	}
	if caller.Public() {
		return iam.Refuse(iam.Unauthenticated, "invalid_client", "introspection needs a client that authenticates (RFC 7662, section 2.1)")
	}
	t := web.FormOf(r.Context()).Get("token")
	if t == "" {
		return errNoToken
	}
	if grant, generation, ok := s.Handles.Refreshed(t); ok {
		return s.introspectRefresh(w, r, grant, generation, caller)
	}
	answer, claims, err := s.Inspector.Introspect(r.Context(), t, caller)
	if err != nil {
		return err
	}
	web.Add(r.Context(), slog.Bool("active", claims != nil))
	return writeJSON(w, answer)
}

var errNoToken = iam.Refuse(iam.Invalid, "invalid_request", "the parameter token is missing: send it in a form-encoded body")

// A refreshAnswer is what is said of a refresh token (RFC 7662 §2.2). It has no token_type: nothing is opened with it.
type refreshAnswer struct {
	Active    bool         `json:"active"`
	Issuer    string       `json:"iss,omitempty"`
	Subject   iam.UserID   `json:"sub,omitempty"`
	ClientID  iam.ClientID `json:"client_id,omitempty"`
	Scope     string       `json:"scope,omitempty"`
	ExpiresAt int64        `json:"exp,omitempty"`
}

// introspectRefresh tells a client about a refresh token of its own: whether it could be used now. To everybody else it is inactive.
func (s *Server) introspectRefresh(w http.ResponseWriter, r *http.Request, id string, generation uint64, caller *iam.Client) error {
	ctx := r.Context()
	answer := refreshAnswer{}
	g, err := s.Grants.Grant(ctx, id)
	if err != nil {
		return err
	}
	if g != nil && g.Client == caller.ID {
		_, err := s.turn(g.Refresh, generation, s.Policy.Now())
		if err == nil {
			_, err = s.allower(ctx, g)
		}
		if err == nil {
			err = s.holds(ctx, g)
		}
		switch {
		case err == nil:
			answer = refreshAnswer{
				Active: true, Issuer: s.Issuer, Subject: g.User, ClientID: g.Client, Scope: strings.Join(g.Scopes, " "),
				ExpiresAt: g.Refresh.IdleEndsAt.Unix(),
			}
		case iam.KindOf(err) != iam.Invalid:
			return err
		}
	}
	web.Add(ctx, slog.Bool("active", answer.Active))
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return writeJSON(w, body)
}
