package authserver

import (
	"context"
	"time"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// refreshToken is the grant of RFC 6749 §6. Each use of a refresh token makes the next one the only one that may be used; whoever
// comes with an older one has stolen it or was stolen from, and the family ends (RFC 9700 §4.14.2).
type refreshToken struct{ server *Server }

// CanHandleTokenEndpointRequest is asked after the grant type has chosen this handler.
func (refreshToken) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(string(iam.GrantRefreshToken))
}

// CanSkipClientAuth is never: a confidential client authenticates each time.
func (refreshToken) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

// HandleTokenEndpointRequest finds the grant whose refresh token this is and checks that it may be used.
func (h refreshToken) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	s := h.server
	client := r.GetClient().(fositeClient).Client
	if err := allowed(client, iam.GrantRefreshToken); err != nil {
		return err
	}
	value := r.GetRequestForm().Get("refresh_token")
	if value == "" {
		return iam.Refuse(iam.Invalid, "invalid_request", "the parameter refresh_token is missing")
	}
	id, generation, ok := s.Handles.Refreshed(value)
	if !ok {
		return errGrant
	}
	g, err := s.Grants.Grant(ctx, id)
	if err != nil {
		return err
	}
	if g == nil || g.Client != client.ID {
		return errGrant
	}
	if _, err := s.turn(g.Refresh, generation, s.Policy.Now()); err != nil {
		return s.reused(ctx, id, err)
	}
	r.GetSession().(*session).generation = generation
	return s.onBehalf(ctx, r, g)
}

// PopulateTokenEndpointResponse mints the tokens and turns the family on.
func (h refreshToken) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, w fosite.AccessResponder) error {
	now, generation := h.server.Policy.Now(), r.GetSession().(*session).generation
	return h.server.mintFor(ctx, r, w, func(g *iam.Grant) (bool, error) {
		turned, err := h.server.turn(g.Refresh, generation, now)
		if err != nil {
			return false, err
		}
		if turned == *g.Refresh {
			return false, nil
		}
		*g.Refresh = turned
		return true, nil
	})
}

// turn returns the family as it is once the token of a generation has been used.
//   - The generation that the family is at brings the next one.
//   - The one before it, within the grace, brings the same again and changes nothing: the client has not got the answer, or has asked
//     twice at once.
//   - A later one was issued by us, or it would not have the right MAC, and the store has forgotten that in a failover: the family
//     goes on from it.
//   - Any other was used before.
func (s *Server) turn(f *iam.RefreshFamily, generation uint64, now time.Time) (iam.RefreshFamily, error) {
	if f == nil || !now.Before(f.IdleEndsAt) || !now.Before(f.EndsAt) {
		return iam.RefreshFamily{}, errGrant
	}
	switch {
	case generation >= f.Generation:
		next := *f
		next.Generation, next.TurnedAt = generation+1, now
		next.IdleEndsAt = earlier(now.Add(s.Lives.RefreshIdle), f.EndsAt)
		return next, nil
	case generation+1 == f.Generation && now.Sub(f.TurnedAt) < s.Lives.RefreshGrace:
		return *f, nil
	}
	return iam.RefreshFamily{}, errReused
}
