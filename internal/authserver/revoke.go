package authserver

import (
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

// revoke is POST /oauth/revoke (RFC 7009). 200 says that the token is dead on every replica and will be after any crash.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	caller, err := s.authenticate(r)
	if err != nil {
		return err
	}
	t := web.FormOf(r.Context()).Get("token")
	if t == "" {
		return errNoToken
	}
	if err := s.Revoker.Token(r.Context(), t, caller); err != nil {
		return err
	}
	noStore(w.Header())
	w.WriteHeader(http.StatusOK)
	return nil
}
