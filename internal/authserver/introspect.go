package authserver

import (
	"log/slog"
	"net/http"

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
	answer, claims, err := s.Inspector.Introspect(r.Context(), t, caller)
	if err != nil {
		return err
	}
	web.Add(r.Context(), slog.Bool("active", claims != nil))
	return writeJSON(w, answer)
}

var errNoToken = iam.Refuse(iam.Invalid, "invalid_request", "the parameter token is missing: send it in a form-encoded body")
