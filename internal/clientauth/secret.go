package clientauth

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// authenticateSecret is client_secret_basic and client_secret_post. A secret matches if any of the client's live ones does; all
// are compared, so that time does not tell which. It returns the one that did. client may be nil.
func (a *Authenticator) authenticateSecret(ctx context.Context, client *iam.Client, cred Credentials, source string) (used iam.SecretID, _ error) {
	if client == nil || len(client.Secrets) == 0 {
		if a.Failures.exhausted(source, a.Now()) {
			return "", errInvalidClient
		}
		for _, presented := range cred.forms() {
			a.Secrets.Dummy(presented)
		}
		return "", errInvalidClient
	}
	matched, refusal := false, errInvalidClient
	now := a.Now()
	for i := range client.Secrets {
		s := &client.Secrets[i]
		// A source that keeps failing gets no slow hash computed any more; a secret that was right before still is.
		verify := a.Secrets.Verify
		if secret.Slow(s.Hash) && a.Failures.exhausted(source, now) {
			verify = a.Secrets.Remembers
		}
		for _, presented := range cred.forms() {
			ok, err := verify(ctx, s.Hash, presented)
			if iam.KindOf(err) == iam.Unavailable {
				return "", err
			}
			if err != nil { // one record that cannot be read must not take the client's other secrets with it
				refusal = refusal.WithCause(err)
			}
			if ok {
				if s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt) {
					matched, used = true, s.ID
				}
				break
			}
		}
	}
	if !matched || !acceptsSecret(client, cred.Method) {
		return "", refusal
	}
	return used, nil
}

// forms are the secrets that may be meant; an empty one matches nothing and costs nothing.
func (c Credentials) forms() [2]string { return [2]string{c.secret, c.raw} }

// acceptsSecret reports whether the client may send its secret in this way. Basic and post are interchangeable unless the
// client says otherwise.
func acceptsSecret(client *iam.Client, method iam.AuthMethod) bool {
	if client.AuthMethod != iam.AuthBasic && client.AuthMethod != iam.AuthPost {
		return false
	}
	return client.AuthMethod == method || !client.StrictAuthMethod
}
