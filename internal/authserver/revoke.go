package authserver

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// revoke is POST /oauth/revoke (RFC 7009). 200 says that the token is dead on every replica and will be after any crash.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	caller, err := s.authenticate(r)
	if err != nil {
		return err
	}
	allowOrigin(w, r, caller)
	t := web.FormOf(r.Context()).Get("token")
	if t == "" {
		return errNoToken
	}
	if grant, _, ok := s.Handles.Refreshed(t); ok {
		err = s.revokeGrant(r.Context(), grant, caller)
	} else {
		err = s.Revoker.Token(r.Context(), t, caller)
	}
	if err != nil {
		return err
	}
	noStore(w.Header())
	w.WriteHeader(http.StatusOK)
	return nil
}

// revokeGrant ends what a refresh token of any generation belongs to, and its access tokens with it (RFC 7009 §2.1). One that has
// ended needs no ending.
func (s *Server) revokeGrant(ctx context.Context, id string, caller *iam.Client) error {
	g, err := s.Grants.Grant(ctx, id)
	if err != nil || g == nil {
		return err
	}
	if g.Client != caller.ID {
		return iam.Refuse(iam.Invalid, "invalid_request", "the token was not issued to this client")
	}
	return s.endGrant(ctx, id)
}
