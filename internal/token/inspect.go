package token

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/keys"
)

// Revocations answers whether a token has been ended. It asks the store, so that what any replica has acknowledged is seen.
type Revocations interface {
	Revoked(ctx context.Context, iat time.Time, refs ...iam.RevocationRef) (bool, error)
}

// Directory is what policy and inspection read; every record comes from a cache that is at most a lease old. An absent record is
// nil without an error.
type Directory interface {
	Client(ctx context.Context, id iam.ClientID) (*iam.Client, error)
	User(ctx context.Context, id iam.UserID) (*iam.User, error)
	Audience(ctx context.Context, identifier string) (*iam.Audience, error)
	Organization(ctx context.Context, idOrName string) (*iam.Node, error)
	Path(ctx context.Context, id iam.NodeID) ([]*iam.Node, error)
	// NodeNamed returns the node of this name right below parent.
	NodeNamed(ctx context.Context, parent iam.NodeID, name string) (*iam.Node, error)
}

// An Inspector tells whether an access token of ours holds at this moment.
type Inspector struct {
	Issuer      string
	Ring        func() *keys.Ring
	Revocations Revocations
	Directory   Directory
	// Refresh makes sure that Ring is what the store holds, give or take a second.
	Refresh func(ctx context.Context) error
	Now     func() time.Time

	memory memory
}

// errInactive is the answer to every token that does not hold, whatever the reason; the reason is in the cause, for the log.
var errInactive = iam.Refuse(iam.Unauthenticated, "invalid_token", "the access token is malformed, expired, revoked or not for this service")

func inactive(reason string) error { return errInactive.WithCause(inactiveReason(reason)) }

type inactiveReason string

func (r inactiveReason) Error() string { return string(r) }

// An inspected token: its claims, its payload as it was signed, and the key.
type inspected struct {
	claims  *Claims
	payload []byte
	kid     string
}

// Access returns the claims of an access token that holds now and is meant for this audience; they are shared: read only. Its
// error is invalid_token, or iam.Unavailable when it cannot be known.
func (i *Inspector) Access(ctx context.Context, token, audience string) (*Claims, error) {
	c, err := i.Holds(ctx, token)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(c.Audience, audience) {
		return nil, inactive("for another audience")
	}
	return c, nil
}

// Holds is Access for whoever has another answer to a token that holds and is meant for somebody else.
func (i *Inspector) Holds(ctx context.Context, token string) (*Claims, error) {
	t, err := i.inspect(ctx, token)
	if err != nil {
		return nil, err
	}
	return t.claims, nil
}

// Introspect returns the answer of RFC 7662 §2.2 for a caller. A token that does not hold, and one that is none of the caller's
// business, is {"active":false} alike: the caller must be a resource server of one of its audiences, or the client it was
// issued to. The error is iam.Unavailable when it cannot be known; an outage never reads as inactive.
func (i *Inspector) Introspect(ctx context.Context, token string, caller *iam.Client) ([]byte, *Claims, error) {
	t, err := i.inspect(ctx, token)
	if iam.KindOf(err) == iam.Unauthenticated {
		return inactiveAnswer, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	may, err := i.mayInspect(ctx, t.claims, caller)
	if err != nil {
		return nil, nil, err
	}
	if !may {
		return inactiveAnswer, nil, nil
	}
	const head = `{"active":true,"token_type":"Bearer",`
	answer := make([]byte, 0, len(head)+len(t.payload))
	answer = append(answer, head...)
	return append(answer, t.payload[1:]...), t.claims, nil
}

var inactiveAnswer = []byte(`{"active":false}`)

func (i *Inspector) mayInspect(ctx context.Context, c *Claims, caller *iam.Client) (bool, error) {
	if c.ClientID == caller.ID {
		return true, nil
	}
	for _, aud := range c.Audience {
		a, err := i.Directory.Audience(ctx, aud)
		if err != nil {
			return false, err
		}
		if a != nil && slices.Contains(a.ResourceServers, caller.ID) {
			return true, nil
		}
	}
	return false, nil
}

// inspect checks everything about a token but whom it is for.
func (i *Inspector) inspect(ctx context.Context, token string) (*inspected, error) {
	t, err := i.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if !i.Now().Before(unix(t.claims.ExpiresAt)) {
		return nil, inactive("expired")
	}
	revoked, err := i.Revocations.Revoked(ctx, unix(t.claims.IssuedAt), t.claims.marks(t.kid)...)
	if err != nil {
		return nil, err
	}
	if revoked {
		return nil, inactive("revoked")
	}
	if err := i.holds(ctx, t.claims); err != nil {
		return nil, err
	}
	return t, nil
}

// holds checks that whom the token speaks for may still act: a client, user or organization that was disabled or removed ends
// its tokens, whether or not a mark says so.
func (i *Inspector) holds(ctx context.Context, c *Claims) error {
	client, err := i.Directory.Client(ctx, c.ClientID)
	if err != nil {
		return err
	}
	if client == nil || client.Disabled {
		return inactive("client is gone or disabled")
	}
	if c.Person() {
		user, err := i.Directory.User(ctx, iam.UserID(c.Subject))
		if err != nil {
			return err
		}
		if user == nil || user.Disabled {
			return inactive("user is gone or disabled")
		}
	}
	for _, org := range []iam.NodeID{c.OrgID, client.Organization} {
		if org == "" {
			continue
		}
		path, err := i.Directory.Path(ctx, org)
		if err != nil {
			return err
		}
		if len(path) == 0 || disabled(path) {
			return inactive("organization is gone or disabled")
		}
	}
	return nil
}

func disabled(path []*iam.Node) bool {
	return slices.ContainsFunc(path, func(n *iam.Node) bool { return n.Disabled })
}

// verify checks signature, type and issuer. What a signature proved stays proved, so it is remembered by the token's hash for
// as long as the ring that holds the key is in force.
func (i *Inspector) verify(ctx context.Context, token string) (*inspected, error) {
	if len(token) > keys.MaxTokenSize {
		return nil, inactive("too long")
	}
	ring := i.Ring()
	hash := sha256.Sum256([]byte(token))
	if t := i.memory.get(ring, hash); t != nil {
		return t, nil
	}
	payload, key, err := ring.Verify(token, keys.TypeAccessToken)
	if errors.Is(err, keys.ErrUnknownKey) {
		// Another replica may sign with a key that is not known here yet: ask the store before calling the token nobody's.
		if err := i.Refresh(ctx); err != nil {
			return nil, err
		}
		ring = i.Ring()
		payload, key, err = ring.Verify(token, keys.TypeAccessToken)
	}
	if err != nil {
		return nil, errInactive.WithCause(err)
	}
	c := new(Claims)
	if err := json.Unmarshal(payload, c); err != nil {
		return nil, errInactive.WithCause(err)
	}
	if c.Issuer != i.Issuer || c.ID == "" || c.Subject == "" || c.ClientID == "" || len(c.Audience) == 0 {
		return nil, inactive("not an access token of this issuer")
	}
	t := &inspected{claims: c, payload: payload, kid: key.ID}
	i.memory.put(ring, hash, t)
	return t, nil
}
