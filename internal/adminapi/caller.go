package adminapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// A caller is who a request comes from.
type caller struct {
	claims      *token.Claims
	role        iam.PlatformRole
	name        string
	requestedBy iam.UserID
	requestID   string
}

func (c *caller) subject() iam.Subject {
	if c.claims.Person() {
		return iam.UserID(c.claims.Subject).Subject()
	}
	return c.claims.ClientID.Subject()
}

// by is the caller as the directory sees it: with a platform role, whose reach admit bounds, or by the rights that the access
// models give.
func (c *caller) by() directory.By {
	by := directory.By{
		Actor: access.Actor{Subject: c.subject(), Authority: access.ByModel}, Client: c.claims.ClientID,
		RequestedBy: c.requestedBy, RequestID: c.requestID, Name: c.name, Organization: iam.NodeID(c.claims.OrgID),
	}
	if c.role != "" {
		by.Authority, by.Organization = access.ByOperator, ""
	}
	return by
}

var (
	errNoToken  = iam.Errorf(iam.Unauthenticated, "an access token for this API is required")
	errNoRights = iam.Errorf(iam.Forbidden, "this part of the API is for those with a platform role")
	errReadOnly = iam.Errorf(iam.Forbidden, "an auditor may read, and change nothing")
)

// Authenticate finds out who sends a request to another surface that takes the tokens of this API, and what the directory lets him do
// there. It refuses as the API does: iam.Unauthenticated.
func (s *Server) Authenticate(r *http.Request) (directory.By, error) {
	c, err := s.authenticate(r)
	if err != nil {
		return directory.By{}, err
	}
	return c.by(), nil
}

// authenticate finds out who asks (RFC 6750 §2.1).
func (s *Server) authenticate(r *http.Request) (*caller, error) {
	header := r.Header["Authorization"]
	if len(header) != 1 {
		return nil, errNoToken
	}
	scheme, credentials, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || credentials == "" {
		return nil, errNoToken
	}
	claims, err := s.Inspector.Access(r.Context(), credentials, token.AdminAudience(s.Issuer))
	if err != nil {
		return nil, err
	}
	c := &caller{claims: claims, requestID: web.RequestID(r.Context())}
	web.Add(r.Context(), slog.String("client_id", string(claims.ClientID)), slog.String("sub", claims.Subject))
	return c, s.identify(r.Context(), c)
}

// identify reads the rights of today, whatever they were when the token was issued.
func (s *Server) identify(ctx context.Context, c *caller) error {
	if c.claims.Person() {
		u, err := s.Store.User(ctx, iam.UserID(c.claims.Subject))
		if u != nil {
			c.role, c.name = u.PlatformRole, u.Name
		}
		return err
	}
	client, err := s.Store.Client(ctx, c.claims.ClientID)
	if client != nil {
		c.role, c.name = client.PlatformRole, client.Name
	}
	return err
}

// headerRequestedBy names the owner at whose request an operator acts.
const headerRequestedBy = "Gatehouse-Requested-By"

// onBehalf reads for whom an operator acts.
func (a *api) onBehalf(r *http.Request, c *caller) (err error) {
	header, given := r.Header[headerRequestedBy]
	switch {
	case !given:
		return nil
	case len(header) != 1 || header[0] == "":
		return malformed("%s: want one id or name of a user", headerRequestedBy)
	case c.role != iam.Operator:
		return iam.Errorf(iam.Invalid, "%s: only an operator acts at somebody's request", headerRequestedBy)
	}
	c.requestedBy, err = a.Directory.UserID(r.Context(), header[0])
	if iam.KindOf(err) == iam.NotFound {
		return iam.Refuse(iam.Invalid, "unknown_reference", "%s: there is no such user", headerRequestedBy)
	}
	return err
}
