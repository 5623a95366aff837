package app

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// Issue issues an access token by the rules of the token endpoint, for whomever the caller has authenticated: a program in this
// process that signs people in comes here with who it was. user is the name of a person who has just signed in; "" is the client
// itself. Client and Person of the request are filled in; the rest is the caller's.
func (a *App) Issue(ctx context.Context, client iam.ClientID, user string, r token.Request) (string, error) {
	var err error
	if r.Client, err = a.store.Client(ctx, client); err != nil {
		return "", err
	}
	if r.Client == nil {
		return "", iam.Errorf(iam.NotFound, "there is no client %q", client)
	}
	if user != "" {
		u, err := a.store.UserNamed(ctx, user)
		if err != nil {
			return "", err
		}
		if u == nil {
			return "", iam.Errorf(iam.NotFound, "there is no user %q", user)
		}
		r.Person = &token.Person{User: u, AuthTime: time.Now()}
	}
	authorization, err := a.policy.Authorize(ctx, r)
	if err != nil {
		return "", err
	}
	issued, err := a.tokens.AccessToken(authorization)
	return issued.Value, err
}

// SignIn begins a session of a person in the browser that sent the request, for a program in this process that has authenticated the
// person itself.
func (a *App) SignIn(w http.ResponseWriter, r *http.Request, user string) error {
	u, err := a.store.UserNamed(r.Context(), user)
	if err != nil {
		return err
	}
	if u == nil {
		return iam.Errorf(iam.NotFound, "there is no user %q", user)
	}
	_, err = a.sessions.SignIn(w, r, authn.Authentication{User: u, ACR: "1", AMR: []string{"pwd"}})
	return err
}
