package apptest

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// A PersonOption says what a person's token is for.
type PersonOption func(*person)

type person struct {
	client  iam.ClientID
	request token.Request
}

// For names the client that the person uses, and the audiences of the token.
func For(client string, audiences ...string) PersonOption {
	return func(p *person) { p.client, p.request.Audiences = iam.ClientID(client), audiences }
}

// In names the organization that the token speaks for.
func In(organization string) PersonOption {
	return func(p *person) { p.request.Organization = organization }
}

// Details asks for authorization_details.
func Details(details []token.DetailRequest) PersonOption {
	return func(p *person) { p.request.Details = details }
}

// Person issues a token to a user who has just signed in, and fails the test when that is refused.
func (b *Broker) Person(name string, options ...PersonOption) string {
	b.T.Helper()
	t, err := b.TryPerson(name, options...)
	if err != nil {
		b.T.Fatalf("token for %s: %v", name, err)
	}
	return t
}

// TryPerson is Person for tests that want a refusal: an *iam.Error.
func (b *Broker) TryPerson(name string, options ...PersonOption) (string, error) {
	p := person{request: token.Request{Grant: iam.GrantAuthorizationCode}}
	for _, o := range options {
		o(&p)
	}
	return b.app.Issue(context.Background(), p.client, name, p.request)
}
