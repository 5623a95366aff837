package authn

import (
	"context"
	"crypto/subtle"
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// How long links live. That of an invitation lives as long as the invitation.
const (
	ResetLife    = 30 * time.Minute
	VerifyLife   = 24 * time.Hour
	SignInLife   = 24 * time.Hour
	OperatorLife = 24 * time.Hour
)

// linkPaths are our pages on which links open.
var linkPaths = map[iam.LinkPurpose]string{
	iam.LinkSignIn:     "/link",
	iam.LinkReset:      "/password/reset",
	iam.LinkVerify:     "/verify",
	iam.LinkInvitation: "/invitation",
	iam.LinkOperator:   "/invitation",
}

// LinkStore keeps links. Of those who take one at once, one is told that it was there.
type LinkStore interface {
	CreateLink(ctx context.Context, l *iam.Link) error
	Link(ctx context.Context, id string) (*iam.Link, error)
	TakeLink(ctx context.Context, id string) (bool, error)
	Revoked(ctx context.Context, iat time.Time, refs ...iam.RevocationRef) (bool, error)
	IssuedAfter(now time.Time, refs ...iam.RevocationRef) time.Time
}

// Links makes one-time links and takes them up. Whoever looks at one uses nothing: programs that examine mail open every link.
type Links struct {
	Store  LinkStore
	Issuer string // what every link begins with, whatever a request says about its host
	Now    func() time.Time
}

var errLink = iam.Refuse(iam.Forbidden, "invalid_link", "this link was used already, has ended, or is incomplete: ask for a new one")

// ended are what end a link before its time: whatever ends all that is open of its user, a new password among it.
func ended(l *iam.Link) iam.RevocationRef {
	return iam.RevocationRef{Kind: iam.RevokedUser, ID: string(l.User)}
}

// Create makes a link and returns its address. The caller fills in what it is about, and says when it ends.
func (l *Links) Create(ctx context.Context, link iam.Link) (string, error) {
	link.ID, link.CreatedAt = iam.NewID("l"), l.Now()
	if link.User != "" { // as with sessions, one that is made right after a mark is younger than it
		if after := l.Store.IssuedAfter(link.CreatedAt, ended(&link)); after.After(link.CreatedAt) {
			link.CreatedAt = after
		}
	}
	text := secret.NewFor(secret.OneTimeLink, link.ID).Reveal()
	link.Hash = hashOf(text)
	if err := l.Store.CreateLink(ctx, &link); err != nil {
		return "", err
	}
	return l.Issuer + linkPaths[link.Purpose] + "?token=" + url.QueryEscape(text), nil
}

// Open returns what the secret of a link stands for, without using it. Its errors are iam.Forbidden with the code invalid_link, and
// iam.Unavailable.
func (l *Links) Open(ctx context.Context, text string, purposes ...iam.LinkPurpose) (*iam.Link, error) {
	kind, id, ok := secret.Parse(text)
	if !ok || kind != secret.OneTimeLink || id == "" {
		return nil, errLink
	}
	link, err := l.Store.Link(ctx, id)
	if err != nil {
		return nil, err
	}
	if link == nil || subtle.ConstantTimeCompare([]byte(hashOf(text)), []byte(link.Hash)) != 1 || !l.Now().Before(link.ExpiresAt) {
		return nil, errLink
	}
	known := false
	for _, p := range purposes {
		known = known || link.Purpose == p
	}
	if !known {
		return nil, errLink
	}
	if link.User != "" {
		if over, err := l.Store.Revoked(ctx, link.CreatedAt, ended(link)); err != nil || over {
			if err == nil {
				err = errLink
			}
			return nil, err
		}
	}
	return link, nil
}

// Use takes a link up and does what it is for. Of all who try at once, on any replica, one does. When it is refused, as a password is
// that is too weak, the link is good for another try; what a fault has left half-done is not tried again.
func (l *Links) Use(ctx context.Context, link *iam.Link, do func() error) error {
	taken, err := l.Store.TakeLink(ctx, link.ID)
	if err != nil {
		return err
	}
	if !taken {
		return errLink
	}
	err = do()
	if kind := iam.KindOf(err); err != nil && kind != iam.Internal && kind != iam.Unavailable {
		if back := l.Store.CreateLink(ctx, link); back != nil {
			return back
		}
	}
	return err
}
