package clientauth

import "github.com/gatehouse-id/gatehouse/internal/iam"

// authenticateNone accepts a public client by its id alone. A client that has credentials must present them.
func authenticateNone(client *iam.Client) error {
	if client == nil || !client.Public() {
		return errInvalidClient
	}
	return nil
}
