package authserver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// What the grants have in common by which a client comes back for what a person has allowed: code, device code, refresh token. Each
// finds the iam.Grant and calls onBehalf in its Handle phase; the policy decides on what grantRequest makes of it; in its Populate
// phase each calls mintFor, which signs and then spends, so that whoever cannot be given a token has lost nothing.

var (
	// errGrant is the one answer for what is no handle of ours, has ended, or is another client's.
	errGrant = iam.Refuse(iam.Invalid, "invalid_grant", "it is wrong, has expired or was ended, or it was issued to another client")
	// errReused is for what can be used once, and was. Either of the two who have used it has stolen it.
	errReused = iam.Refuse(iam.Invalid, "invalid_grant", "it was used before; since it may have been stolen, everything that came of it has been ended: sign in again")
	errAgain  = iam.Refuse(iam.Invalid, "invalid_grant", "the person has to sign in again: at the provider by which that was done")
	errPerson = iam.Refuse(iam.Invalid, "invalid_grant", "the person that the grant is for may not sign in any more")
)

// onBehalf notes in the request's session whose grant is being used, and who has allowed it.
func (s *Server) onBehalf(ctx context.Context, r fosite.AccessRequester, g *iam.Grant) error {
	user, err := s.allower(ctx, g)
	if err != nil {
		return err
	}
	// Whether somebody still is in the organization of a provider, only a sign-in there can tell.
	if g.Connector != "" && s.People.Counts != nil {
		if counts, err := s.People.Counts(ctx, g.Connector, g.AuthTime); err != nil {
			return err
		} else if !counts {
			return errAgain
		}
	}
	state := r.GetSession().(*session)
	state.grant = g
	state.person = &token.Person{User: user, AuthTime: g.AuthTime, ACR: g.ACR, AMR: g.AMR, SessionID: g.SessionID}
	return nil
}

// allower returns the person who has allowed a grant and may still sign in.
func (s *Server) allower(ctx context.Context, g *iam.Grant) (*iam.User, error) {
	user, err := s.Policy.Directory.User(ctx, g.User)
	if err != nil {
		return nil, err
	}
	if user == nil || user.Disabled {
		return nil, errPerson
	}
	return user, nil
}

// holds refuses a grant that has been ended, by itself or with the person, the client or the session that it rests on. What ends the
// tokens of a member or an organization ends no grant: the policy decides anew by what the person holds now.
func (s *Server) holds(ctx context.Context, g *iam.Grant) error {
	ended, err := s.Inspector.Revocations.Revoked(ctx, g.CreatedAt,
		iam.RevocationRef{Kind: iam.RevokedGrant, ID: g.ID}, iam.RevocationRef{Kind: iam.RevokedUser, ID: string(g.User)},
		iam.RevocationRef{Kind: iam.RevokedClient, ID: string(g.Client)}, iam.RevocationRef{Kind: iam.RevokedSession, ID: g.SessionID})
	if err == nil && ended {
		err = errGrant
	}
	return err
}

// grantRequest narrows what the client asks for to what the grant gives: what is not asked for is what was granted, and whoever asks
// for more is refused.
func (s *Server) grantRequest(ctx context.Context, state *session, out *token.Request) error {
	g := state.grant
	out.GrantID = g.ID
	asked := out.Scopes
	out.Scopes = g.Scopes
	if len(asked) > 0 {
		if i := slices.IndexFunc(asked, func(x string) bool { return !slices.Contains(g.Scopes, x) }); i >= 0 {
			return iam.Refuse(iam.Invalid, "invalid_scope", "the scope %s was not granted (RFC 6749, section 6)", asked[i])
		}
		out.Scopes = asked
	}
	given := g.Audiences
	if len(given) == 0 && len(out.Client.Audiences) > 0 {
		given = out.Client.Audiences[:1] // as the policy has it for whoever names none
	}
	if slices.ContainsFunc(out.Audiences, func(x string) bool { return !slices.Contains(given, x) }) {
		return iam.Refuse(iam.Invalid, "invalid_target", "an audience that is asked for was not granted (RFC 8707, section 2.2)")
	}
	if len(out.Audiences) == 0 {
		out.Audiences = g.Audiences
	}
	var err error
	if state.switched, err = s.switches(ctx, g, out); err != nil {
		return err
	}
	granted, err := token.ParseDetails(g.Details)
	if err != nil {
		return iam.Errorf(iam.Internal, "the details of a grant cannot be read").WithCause(err)
	}
	if state.switched {
		granted = nil // they are of nodes in the other organization
	}
	if len(out.Details) == 0 {
		out.Details = granted
		return nil
	}
	if slices.ContainsFunc(out.Details, func(d token.DetailRequest) bool { return !slices.Contains(granted, d) }) {
		return iam.Refuse(iam.Invalid, "invalid_authorization_details", "authorization_details asks for more than was granted (RFC 9396, section 6)")
	}
	return nil
}

// switches settles the organization: the one chosen when the grant was made, or another that a client names which may do so.
func (s *Server) switches(ctx context.Context, g *iam.Grant, out *token.Request) (bool, error) {
	asked := out.Organization
	if asked == "" {
		out.Organization = string(g.Organization)
		return false, nil
	}
	if asked == string(g.Organization) {
		return false, nil
	}
	org, err := s.Policy.Directory.Organization(ctx, asked)
	if err != nil {
		return false, err
	}
	if org != nil && org.ID == g.Organization {
		return false, nil
	}
	if w := out.Client.Web; w == nil || !w.OrganizationSwitch {
		return false, iam.Refuse(iam.Invalid, "invalid_request", "this client keeps to the organization that the person has chosen: authorize again to choose another")
	}
	return true, nil // whether there is one, and the person is in it, is the policy's to say
}

// mintFor signs what was authorized on behalf of a person and then has spend use up what the client came with, as one step: spend
// looks at the grant as the store holds it, changes it and says whether to write it, and is called again if somebody was faster. Of
// all who come with the same thing at once, on all replicas, one spends it. Its refusal errReused ends the grant.
func (s *Server) mintFor(ctx context.Context, r fosite.AccessRequester, w fosite.AccessResponder, spend func(g *iam.Grant) (write bool, err error)) error {
	state := r.GetSession().(*session)
	a := state.authorization
	// Only now, when iat is settled: what ends the grant later than this ends the token as well.
	if err := s.holds(ctx, state.grant); err != nil {
		return err
	}
	if err := s.mint(r, w); err != nil {
		return err
	}
	if slices.Contains(a.Scopes, token.ScopeOpenID) {
		id, err := s.Tokens.IDToken(a, token.IDToken{
			Nonce: state.nonce, AccessToken: w.GetAccessToken(), Lifetime: s.Lives.IDToken,
			Claims: askedClaims(state.grant.Claims, "id_token", state.person.User, a.Client),
		})
		if err != nil {
			return err
		}
		w.SetExtra("id_token", id)
	}
	refresh := ""
	err := s.Grants.ChangeGrant(ctx, state.grant.ID, func(g *iam.Grant) (bool, error) {
		refresh = ""
		if g == nil || g.Client != a.Client.ID {
			return false, errGrant
		}
		write, err := spend(g)
		if err != nil {
			return false, err
		}
		if state.switched && g.Organization != a.Organization.ID { // later tokens are for it as well
			g.Organization, g.Details, write = a.Organization.ID, "", true
		}
		if write {
			s.keep(g, a)
		}
		if g.Refresh != nil {
			refresh = s.Handles.Refresh(g.ID, g.Refresh.Generation).Reveal()
		}
		return write, nil
	})
	if err != nil {
		return s.reused(ctx, state.grant.ID, err)
	}
	if refresh != "" {
		w.SetExtra("refresh_token", refresh)
	}
	return nil
}

// keep begins the family of refresh tokens, if there is to be one, and has the record last for as long as what it says can matter: the
// family, and the access token, for which UserInfo reads it and whose code may come a second time.
func (s *Server) keep(g *iam.Grant, a *token.Authorization) {
	now := s.Policy.Now()
	if g.Refresh == nil && slices.Contains(a.Scopes, token.ScopeOfflineAccess) && slices.Contains(a.Client.GrantTypes, iam.GrantRefreshToken) {
		g.Refresh = &iam.RefreshFamily{Generation: 1, TurnedAt: now, EndsAt: now.Add(s.Lives.RefreshWhole)}
		g.Refresh.IdleEndsAt = earlier(now.Add(s.Lives.RefreshIdle), g.Refresh.EndsAt)
	}
	// Within the grace a token is issued without a write, and lives as much longer.
	ends := a.IssuedAt.Add(a.Lifetime + s.Lives.RefreshGrace)
	if g.Refresh != nil && g.Refresh.IdleEndsAt.After(ends) {
		ends = g.Refresh.IdleEndsAt
	}
	if ends.After(g.ExpiresAt) {
		g.ExpiresAt = ends
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// reused ends the grant if err says that what is used once was used again, and returns what to answer.
func (s *Server) reused(ctx context.Context, grant string, err error) error {
	if !errors.Is(err, errReused) {
		return err
	}
	if fault := s.endGrant(ctx, grant); fault != nil {
		return fault
	}
	return err
}

// endGrant ends a grant and every token that came of it, even if the caller has gone. The mark comes first: it is what ends access
// tokens; without the record there is no refresh for as long as the mark would have had to last.
func (s *Server) endGrant(ctx context.Context, id string) error {
	ctx = context.WithoutCancel(ctx)
	if err := s.Revoker.All(ctx, iam.RevocationRef{Kind: iam.RevokedGrant, ID: id}); err != nil {
		return err
	}
	return s.Grants.DeleteGrant(ctx, id)
}
