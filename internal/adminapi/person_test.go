package adminapi_test

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/keys"
)

// person makes a token of a person for the API, in an organization or, with "", in none, and returns what send and as know its
// bearer by. The person must exist.
func (b *broker) person(name, org string) string {
	b.t.Helper()
	by := name + "@" + org
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens[by] != "" {
		return by
	}
	ctx := context.Background()
	u, err := b.store.UserNamed(ctx, name)
	check(b.t, err)
	if u == nil {
		b.t.Fatalf("there is no user %q", name)
	}
	c, err := b.store.Client(ctx, "stranger")
	check(b.t, err)
	a := &token.Authorization{
		Grant: "g_" + name, Client: c, Subject: string(u.ID), Audience: []string{token.AdminAudience(issuer)},
		IssuedAt: b.store.IssuedAfter(time.Now(), iam.RevocationRef{Kind: iam.RevokedUser, ID: string(u.ID)}), Lifetime: 15 * time.Minute, Alg: keys.ES256,
	}
	if org != "" {
		a.Organization, err = b.store.Organization(ctx, org)
		check(b.t, err)
	}
	t, err := b.issuer.AccessToken(a)
	check(b.t, err)
	b.tokens[by] = t.Value
	return by
}
