package token

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// An Offer is what a person can be asked to let a client have.
type Offer struct {
	Scopes       []string
	Organization iam.NodeID // "": none was named
}

// Offer settles what a person can be asked to let a client have, as far as the client alone decides it, before it is known who the
// person is: the audiences, the scopes, and whether the client works in the organization that it names. What the person holds is
// Authorize's to look at.
func (p *Policy) Offer(ctx context.Context, r Request) (*Offer, error) {
	r.Person = &Person{User: &iam.User{}} // somebody
	var a Authorization
	audiences, err := p.audiences(ctx, &a, r)
	if err != nil {
		return nil, err
	}
	if err := p.scopes(&a, r, audiences); err != nil {
		return nil, err
	}
	if len(r.Scopes) > 0 && len(a.Scopes) == 0 {
		return nil, iam.Refuse(iam.Invalid, "invalid_scope", "this client may not ask for any of those scopes")
	}
	out := &Offer{Scopes: a.Scopes}
	if r.Organization != "" {
		if out.Organization, err = p.named(ctx, &r); err != nil {
			return nil, err
		}
	}
	return out, nil
}
