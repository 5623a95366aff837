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
		u, err := a.user(ctx, user)
		if err != nil {
			return "", err
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

// SignIn begins a session in the browser that sent a request, for whomever the caller has authenticated. user is a person's name; how
// says by which means he has proved to be that person.
func (a *App) SignIn(w http.ResponseWriter, r *http.Request, user string, how authn.Authentication) error {
	var err error
	if how.User, err = a.user(r.Context(), user); err != nil {
		return err
	}
	_, err = a.sessions.SignIn(w, r, how)
	return err
}

func (a *App) user(ctx context.Context, name string) (*iam.User, error) {
	u, err := a.store.UserNamed(ctx, name)
	if err == nil && u == nil {
		err = iam.Errorf(iam.NotFound, "there is no user %q", name)
	}
	return u, err
}
