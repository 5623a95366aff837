package token

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/keys"
)

// A Policy decides what may be issued.
type Policy struct {
	Issuer    string
	Directory Directory
	// Facts returns what access models are evaluated on. Err is asked for after the answer and before anything is done with it.
	Facts func(ctx context.Context) Facts
	// Model returns the access model of this name, nil when there is none.
	Model func(ctx context.Context, name string) (*access.Model, error)
	// Revision returns how recent the facts are, for access_rev.
	Revision func() uint64
	// IssuedAfter returns the earliest iat at or after now that no revocation kills.
	IssuedAfter     func(now time.Time, refs ...iam.RevocationRef) time.Time
	DefaultLifetime time.Duration
	Now             func() time.Time
}

// Facts is an access.Facts that keeps the first fault of its store.
type Facts interface {
	access.Facts
	Err() error
}

// A Request is what a client asks for, by whatever grant.
type Request struct {
	Client       *iam.Client // authenticated, or public
	Grant        iam.GrantType
	Audiences    []string // audience and resource together
	Scopes       []string
	Organization string // id or name; "" when none was named
	Details      []DetailRequest
	Person       *Person // nil: the client asks for itself
	GrantID      string  // of the grant that the token comes of; "": of a new one
}

// A Person is on whose behalf a client asks, and how it has come to know him.
type Person struct {
	User      *iam.User
	AuthTime  time.Time // when he signed in
	ACR       string    // how sure that is (OIDC Core §2)
	AMR       []string  // by which means (RFC 8176)
	SessionID string
}

// Subject is whom the token will speak for.
func (r *Request) Subject() iam.Subject {
	if r.Person != nil {
		return r.Person.User.ID.Subject()
	}
	return r.Client.ID.Subject()
}

// home is the node below an organization that the subject belongs to, "" for none: a client of a project is told what it holds there
// without asking by name.
func (r *Request) home(org iam.NodeID) iam.NodeID {
	if r.Person != nil || r.Client.Organization == org {
		return ""
	}
	return r.Client.Organization
}

// name is what people call the subject.
func (r *Request) name() string {
	if r.Person != nil {
		return r.Person.User.Name
	}
	return r.Client.Name
}

// marks are the revocations that would kill the token, organization "" for one that speaks for none.
func (r *Request) marks(org iam.NodeID) []iam.RevocationRef {
	refs := append(make([]iam.RevocationRef, 0, 5), iam.RevocationRef{Kind: iam.RevokedClient, ID: string(r.Client.ID)})
	if org != "" {
		refs = append(refs, iam.RevocationRef{Kind: iam.RevokedOrganization, ID: string(org)})
	}
	if r.Person == nil {
		return refs
	}
	user := string(r.Person.User.ID)
	refs = append(refs, iam.RevocationRef{Kind: iam.RevokedUser, ID: user})
	if org != "" {
		refs = append(refs, iam.RevocationRef{Kind: iam.RevokedMember, ID: string(org) + "/" + user})
	}
	if r.Person.SessionID != "" {
		refs = append(refs, iam.RevocationRef{Kind: iam.RevokedSession, ID: r.Person.SessionID})
	}
	return refs
}

// An Authorization is what may be issued: everything about an access token but its times and its signature.
type Authorization struct {
	Grant        string // the grant's id
	Client       *iam.Client
	Subject      string
	AuthTime     time.Time // zero: it speaks for the client
	ACR          string
	AMR          []string
	SessionID    string
	Audience     []string
	Scopes       []string
	Organization *iam.Node // nil: the token speaks for none
	Roles        []iam.RoleID
	Groups       []string
	Entitlements []string
	Details      []Detail
	AccessRev    string
	Extra        []Extra
	// IssuedAt is settled before the facts are read: a revocation that comes in between, with the change that called for it,
	// kills the token that was decided on what was true before.
	IssuedAt time.Time
	Lifetime time.Duration
	Alg      keys.Alg
}

// ScopeEntitlements asks for the claim entitlements: what the subject may do in the organization, right by right.
const ScopeEntitlements = "entitlements"

// The scopes of OpenID Connect Core §5.4 and §11.
const (
	ScopeOpenID        = "openid"
	ScopeOfflineAccess = "offline_access"
)

var openIDScopes = []string{ScopeOpenID, "profile", "email", "address", "phone", ScopeOfflineAccess}

// OpenIDScopes returns the scopes that are about a person.
func OpenIDScopes() []string { return slices.Clone(openIDScopes) }

// AdminAudience returns the audience of the admin API, which exists without being registered.
func AdminAudience(issuer string) string { return issuer + "/api/v1" }

// UserinfoAudience returns the audience of a token that was asked for no other.
func UserinfoAudience(issuer string) string { return issuer + "/userinfo" }

// Authorize decides what the client gets, for itself or on behalf of a person. Its refusals are those of RFC 6749 §5.2, RFC 8707 §2
// and RFC 9396 §5 by code, and iam.Unavailable when it cannot be known.
func (p *Policy) Authorize(ctx context.Context, r Request) (*Authorization, error) {
	a := &Authorization{Grant: r.GrantID, Client: r.Client}
	if a.Grant == "" {
		a.Grant = NewGrantID()
	}
	if err := a.speakFor(&r); err != nil {
		return nil, err
	}
	a.IssuedAt = p.IssuedAfter(p.Now(), r.marks("")...)
	audiences, err := p.audiences(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if err := p.scopes(a, r, audiences); err != nil {
		return nil, err
	}
	if userinfo := UserinfoAudience(p.Issuer); slices.Contains(a.Scopes, ScopeOpenID) && !slices.Contains(a.Audience, userinfo) {
		a.Audience = append(a.Audience, userinfo)
	}
	if err := p.organization(ctx, a, &r); err != nil {
		return nil, err
	}
	if a.IssuedAt.Sub(p.Now()) > iam.MaxIssuedAhead {
		return nil, iam.Refuse(iam.Unavailable, "busy", "this client's tokens were revoked several times within a second; try again")
	}
	return a, nil
}

// speakFor settles the subject. A person who is disabled gets nothing, by whatever grant that was given before.
func (a *Authorization) speakFor(r *Request) error {
	if r.Person == nil {
		a.Subject = string(r.Client.ID)
		return nil
	}
	if r.Person.User.Disabled {
		return iam.Refuse(iam.Invalid, "invalid_grant", "the person that the grant is for may not sign in any more")
	}
	a.Subject = string(r.Person.User.ID)
	a.AuthTime, a.ACR, a.AMR, a.SessionID = r.Person.AuthTime, r.Person.ACR, r.Person.AMR, r.Person.SessionID
	return nil
}

// audiences settles aud, the life and the algorithm: the shortest life of all audiences, and one algorithm that all accept.
func (p *Policy) audiences(ctx context.Context, a *Authorization, r Request) ([]*iam.Audience, error) {
	asked := r.Audiences
	if len(asked) == 0 && len(r.Client.Audiences) > 0 {
		asked = r.Client.Audiences[:1]
	}
	a.Lifetime, a.Alg = p.DefaultLifetime, keys.ES256
	if len(asked) == 0 {
		a.Audience = []string{UserinfoAudience(p.Issuer)}
		return nil, nil
	}
	known := make([]*iam.Audience, 0, len(asked))
	a.Audience = make([]string, 0, len(asked))
	for _, id := range asked {
		if slices.Contains(a.Audience, id) {
			continue
		}
		aud, err := p.audience(ctx, r.Client, id)
		if err != nil {
			return nil, err
		}
		lifetime, alg := aud.TokenLifetime, keys.Alg(aud.SigningAlg)
		if lifetime == 0 {
			lifetime = p.DefaultLifetime
		}
		if alg == "" {
			alg = keys.ES256
		}
		if len(known) == 0 {
			a.Lifetime, a.Alg = lifetime, alg
		}
		if alg != a.Alg {
			return nil, iam.Refuse(iam.Invalid, "invalid_target", "the audiences asked for want different signing algorithms, %s and %s: ask for one token each", a.Alg, alg)
		}
		a.Lifetime = min(a.Lifetime, lifetime)
		a.Audience = append(a.Audience, id)
		known = append(known, aud)
	}
	return known, nil
}

// audience returns an audience that the client may ask for. One that does not exist and one that it may not ask for get the
// same answer.
func (p *Policy) audience(ctx context.Context, c *iam.Client, id string) (*iam.Audience, error) {
	if id == AdminAudience(p.Issuer) && (c.PlatformRole != "" || slices.Contains(c.Audiences, id)) {
		return &iam.Audience{Identifier: id}, nil
	}
	if slices.Contains(c.Audiences, id) {
		aud, err := p.Directory.Audience(ctx, id)
		if err != nil {
			return nil, err
		}
		if aud != nil {
			return aud, nil
		}
	}
	return nil, iam.Refuse(iam.Invalid, "invalid_target", "this client may not ask for a token for that audience, or there is no such audience")
}

// scopes settles the scope. A client that lists scopes may ask for those, one that lists none for those of the audiences; and no
// client, whatever it lists, gets a scope for an audience that lists others. Whoever asks for none gets what the client lists, but of
// a grant nobody gets more than was granted. The scopes of OpenID Connect are about a person and no audience: only who speaks for a
// person has them, and a client that lists none may ask for all. On behalf of a person, what the client may not have is left out
// (RFC 6749 §3.3); for itself, it is refused.
func (p *Policy) scopes(a *Authorization, r Request, audiences []*iam.Audience) error {
	may := func(s string) bool {
		if slices.Contains(openIDScopes, s) {
			return r.Person != nil && (len(r.Client.Scopes) == 0 || slices.Contains(r.Client.Scopes, s))
		}
		known, open := false, true
		for _, aud := range audiences {
			open = open && len(aud.Scopes) == 0
			known = known || slices.Contains(aud.Scopes, s)
		}
		if len(r.Client.Scopes) == 0 {
			return known
		}
		return slices.Contains(r.Client.Scopes, s) && (known || open)
	}
	asked, byDefault := r.Scopes, len(r.Scopes) == 0 && r.GrantID == ""
	if byDefault {
		asked = r.Client.Scopes
	}
	for _, s := range asked {
		switch {
		case slices.Contains(a.Scopes, s):
		case may(s) || s == ScopeEntitlements:
			a.Scopes = append(a.Scopes, s)
		case !byDefault && r.Person == nil:
			return iam.Refuse(iam.Invalid, "invalid_scope", "this client may not ask for the scope %s", s)
		}
	}
	return nil
}

// accessRev names the model and its revision that decided, and how recent the facts were.
func accessRev(m *access.Model, facts uint64) string {
	var b strings.Builder
	b.WriteString(m.Name())
	b.WriteByte('.')
	b.WriteString(strconv.Itoa(m.Revision()))
	b.WriteByte('.')
	b.WriteString(strconv.FormatUint(facts, 10))
	return b.String()
}
