package adminapi_test

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/keys"
)

// person returns how as and send call a user who has just signed in, with a new token for the API that speaks for an organization
// ("": for none). The user is made if there is none of that name.
func (b *broker) person(name, org string) string {
	b.t.Helper()
	ctx := context.Background()
	u, err := b.store.UserNamed(ctx, name)
	check(b.t, err)
	if u == nil {
		_, err = b.as("operator").CreateUser(ctx, apiv1.NewUser{Name: name})
		check(b.t, err)
		u, err = b.store.UserNamed(ctx, name)
		check(b.t, err)
	}
	web, err := b.store.Client(ctx, "stranger")
	check(b.t, err)
	a := &token.Authorization{
		Grant: token.NewGrantID(), Client: web, Subject: string(u.ID), Audience: []string{token.AdminAudience(issuer)},
		Lifetime: time.Hour, Alg: keys.ES256,
	}
	marks := []iam.RevocationRef{{Kind: iam.RevokedUser, ID: string(u.ID)}}
	if org != "" {
		a.Organization, err = b.store.Organization(ctx, org)
		check(b.t, err)
		marks = append(marks, iam.RevocationRef{Kind: iam.RevokedMember, ID: string(a.Organization.ID) + "/" + string(u.ID)},
			iam.RevocationRef{Kind: iam.RevokedOrganization, ID: string(a.Organization.ID)})
	}
	a.IssuedAt = b.policy.IssuedAfter(time.Now(), marks...)
	t, err := b.issuer.AccessToken(a)
	check(b.t, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	by := name + "@" + org
	b.tokens[by] = t.Value
	return by
}
