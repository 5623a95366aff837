// Package clientauth finds out which client sends a request (RFC 6749 §2.3): one file per authentication method, and one
// decision in Authenticate. Exactly one method per request; a wrong secret, an unknown client, a disabled one and one of a
// disabled organization get the same answer.
//
// It imports iam and secret; the records come through the Directory that app hands over.
package clientauth

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// Directory is what authentication reads. An absent record is nil without an error.
type Directory interface {
	Client(ctx context.Context, id iam.ClientID) (*iam.Client, error)
	// Path returns the nodes from the root down to id.
	Path(ctx context.Context, id iam.NodeID) ([]*iam.Node, error)
}

// An Authenticator authenticates clients.
type Authenticator struct {
	Directory Directory
	Secrets   *secret.Hasher
	Failures  *Failures
	// Failed is told of every authentication that failed: the client that was meant, nil when there is none, and the network that
	// it came from. Used is told which secret a client has proved itself with. Both return at once. Nil: nobody wants to know.
	Failed func(client *iam.Client, network string)
	Used   func(client iam.ClientID, secret iam.SecretID)
	Now    func() time.Time
}

// Credentials are what a request presents. Parse reads them.
type Credentials struct {
	ClientID iam.ClientID
	Method   iam.AuthMethod // AuthBasic, AuthPost or AuthNone
	secret   string
	raw      string // Basic only: the secret as sent, where form-decoding changes it
	rawID    string
}

// String never shows the secret.
func (c Credentials) String() string { return string(c.ClientID) + " by " + string(c.Method) }

// Format prints what String returns, whatever the verb.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// errInvalidClient is the one answer to everything that is wrong with a client's credentials (RFC 6749 §5.2).
var errInvalidClient = iam.Refuse(iam.Unauthenticated, "invalid_client",
	"client authentication failed: the client is unknown, its credentials are wrong or expired, or it may not use this method")

// Authenticate returns the client that the credentials prove. Its errors are invalid_client, "slow_down" for a source that has
// failed too often, and iam.Unavailable when the store does not answer: never invalid_client for an outage.
func (a *Authenticator) Authenticate(ctx context.Context, cred Credentials, source string) (*iam.Client, error) {
	client, err := a.find(ctx, cred)
	if err != nil {
		return nil, err
	}
	err = a.prove(ctx, client, cred, source)
	if iam.KindOf(err) == iam.Unauthenticated {
		if a.Failed != nil {
			a.Failed(client, network(source))
		}
		if !a.Failures.allow(source, a.Now()) {
			return nil, errSlowDown
		}
	}
	if err != nil {
		return nil, err
	}
	return client, nil
}

// Known returns the client of this id if it is in service, nil when there is none: for requests that a browser carries, which
// prove nothing about the client.
func (a *Authenticator) Known(ctx context.Context, id iam.ClientID) (*iam.Client, error) {
	client, err := a.Directory.Client(ctx, id)
	if err != nil || client == nil {
		return nil, err
	}
	err = a.enabled(ctx, client)
	if iam.KindOf(err) == iam.Unauthenticated {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return client, nil
}

// find returns the client that the credentials are of, nil when there is none.
func (a *Authenticator) find(ctx context.Context, cred Credentials) (*iam.Client, error) {
	client, err := a.Directory.Client(ctx, cred.ClientID)
	if err == nil && client == nil && cred.rawID != "" {
		client, err = a.Directory.Client(ctx, iam.ClientID(cred.rawID))
	}
	return client, err
}

// prove checks the credentials and that the client, which may be nil, is in service.
func (a *Authenticator) prove(ctx context.Context, client *iam.Client, cred Credentials, source string) error {
	if cred.Method == iam.AuthNone {
		if err := authenticateNone(client); err != nil {
			return err
		}
		return a.enabled(ctx, client)
	}
	used, err := a.authenticateSecret(ctx, client, cred, source)
	if err != nil {
		return err
	}
	if err := a.enabled(ctx, client); err != nil {
		return err
	}
	if a.Used != nil {
		a.Used(client.ID, used)
	}
	return nil
}

// enabled refuses a client that is disabled, or whose organization is, or anything above it.
func (a *Authenticator) enabled(ctx context.Context, client *iam.Client) error {
	if client.Disabled {
		return errInvalidClient
	}
	if client.Organization == "" {
		return nil
	}
	path, err := a.Directory.Path(ctx, client.Organization)
	if err != nil {
		return err
	}
	if len(path) == 0 {
		return errInvalidClient
	}
	for _, n := range path {
		if n.Disabled {
			return errInvalidClient
		}
	}
	return nil
}
