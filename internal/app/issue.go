package app

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// Issue issues an access token by the rules of the token endpoint, for whomever the caller has authenticated: the programs in this
// process that sign people in come here with who it was. user "" is the client itself. Client and user are named by client_id and
// by name or id; the rest of the request is the caller's.
func (a *App) Issue(ctx context.Context, client iam.ClientID, user string, r token.Request) (string, error) {
	var err error
	if r.Client, err = a.store.Client(ctx, client); err != nil {
		return "", err
	}
	if r.Client == nil {
		return "", iam.Errorf(iam.NotFound, "there is no client %q", client)
	}
	if user != "" {
		if r.User, err = a.store.UserNamed(ctx, user); err != nil {
			return "", err
		}
		if r.User == nil {
			return "", iam.Errorf(iam.NotFound, "there is no user %q", user)
		}
	}
	authorization, err := a.policy.Authorize(ctx, r)
	if err != nil {
		return "", err
	}
	issued, err := a.tokens.AccessToken(authorization)
	return issued.Value, err
}
