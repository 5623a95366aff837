package authn

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/mail"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Letters are what people are told by mail, each with a one-time link.
type Letters struct {
	Links *Links
	// Outbox sends them; nil: no mail is sent.
	Outbox  *mail.Outbox
	Tallies Tallies
	Now     func() time.Time
}

// The limits on letters. Who is written to is never told by them: that to a network counts whatever is asked for, that to a person is
// kept in silence.
var (
	lettersOfNetwork = iam.Limit{Most: 20, Window: time.Hour}
	lettersToPerson  = iam.Limit{Most: 5, Window: time.Hour}
)

var (
	errMailOff = iam.Refuse(iam.Forbidden, "mail_off", "no mail is sent here: ask whoever runs this server for a link")
	errLetters = iam.Refuse(iam.TooMany, "too_many_mails", "too many mails were asked for: wait, then try again")
	errOutbox  = iam.Refuse(iam.Unavailable, "busy", "too many mails wait to be sent; try again")
)

// On returns nil where mail is sent, and otherwise iam.Forbidden with the code mail_off.
func (l *Letters) On() error {
	if l.Outbox == nil {
		return errMailOff
	}
	return nil
}

func (l *Letters) post(j mail.Job) error {
	if err := l.On(); err != nil {
		return err
	}
	if !l.Outbox.Post(j) {
		return errOutbox
	}
	return nil
}

// Forgot sends whoever find finds a link to choose a new password, if that person signs in by one and is known to have an address. It
// returns before anybody has looked: neither the answer nor its time tells who exists. Its errors say nothing of the person either.
func (l *Letters) Forgot(r *http.Request, find func(ctx context.Context) (*iam.User, error)) error {
	if err := l.On(); err != nil {
		return err
	}
	now := l.Now()
	wait, err := l.Tallies.Take(r.Context(), "letter-network", web.Network(r.Context()), lettersOfNetwork, now)
	if err != nil {
		return err
	}
	if wait > 0 {
		return errLetters.WithCause(web.Wait(wait))
	}
	return l.post(func(ctx context.Context) (*mail.Letter, error) {
		u, err := find(ctx)
		if err != nil || u == nil || u.Disabled || u.PasswordHash == "" || u.VerifiedAddress() == "" {
			return nil, err
		}
		if wait, err := l.Tallies.Take(ctx, "letter-person", string(u.ID), lettersToPerson, now); err != nil || wait > 0 {
			return nil, err
		}
		link, err := l.Links.Create(ctx, resetOf(u, true, now))
		return l.resetLetter(u, link), err
	})
}

func resetOf(u *iam.User, mailed bool, now time.Time) iam.Link {
	return iam.Link{Purpose: iam.LinkReset, User: u.ID, Email: u.Email, Mailed: mailed, ExpiresAt: now.Add(ResetLife)}
}

func (l *Letters) resetLetter(u *iam.User, link string) *mail.Letter {
	return &mail.Letter{
		To: u.Email, Subject: "Choose a new password",
		Lines:  []string{"Somebody, probably you, wants a new password for the account " + u.Name + " at " + l.Links.Issuer + "."},
		Button: "Choose a new password", Link: link,
		After: []string{"The link works once, within 30 minutes. If it was not you, do nothing: your password stays as it is."},
	}
}

// Reset sends a user a link to choose a new password.
func (l *Letters) Reset(ctx context.Context, u *iam.User) error {
	return l.post(func(ctx context.Context) (*mail.Letter, error) {
		link, err := l.Links.Create(ctx, resetOf(u, true, l.Now()))
		return l.resetLetter(u, link), err
	})
}

// ResetLink returns a link to choose a new password, for whoever may hand it over, and when it ends.
func (l *Letters) ResetLink(ctx context.Context, u *iam.User) (string, time.Time, error) {
	link := resetOf(u, false, l.Now())
	url, err := l.Links.Create(ctx, link)
	return url, link.ExpiresAt, err
}

// Verify sends a user a link that says that the address is the user's.
func (l *Letters) Verify(ctx context.Context, u *iam.User) error {
	now := l.Now()
	wait, err := l.Tallies.Take(ctx, "letter-person", string(u.ID), lettersToPerson, now)
	if err != nil {
		return err
	}
	if wait > 0 {
		return errLetters.WithCause(web.Wait(wait))
	}
	return l.post(func(ctx context.Context) (*mail.Letter, error) {
		link, err := l.Links.Create(ctx, iam.Link{
			Purpose: iam.LinkVerify, User: u.ID, Email: u.Email, Mailed: true, ExpiresAt: now.Add(VerifyLife),
		})
		return &mail.Letter{
			To: u.Email, Subject: "Verify your address",
			Lines:  []string{"The account " + u.Name + " at " + l.Links.Issuer + " names this address. If the account is yours, say so."},
			Button: "Verify the address", Link: link,
			After: []string{"The link works once, within a day. If the account is not yours, do nothing."},
		}, err
	})
}

// An Invited is an invitation to a node by address, as its letter tells of it.
type Invited struct {
	Email         string
	Node          iam.NodeID
	Path          string // of the node, by names
	Roles         []string
	By            string // who invites, "" when that is nobody in particular
	At, ExpiresAt time.Time
}

// Offer returns what its link stands for.
func (i *Invited) Offer() *iam.Link {
	l := i.link(false)
	return &l
}

func (i *Invited) link(mailed bool) iam.Link {
	return iam.Link{Purpose: iam.LinkInvitation, Email: i.Email, Mailed: mailed, Node: i.Node, InvitedAt: i.At, ExpiresAt: i.ExpiresAt}
}

// Invite sends an invitation.
func (l *Letters) Invite(i Invited) error {
	return l.post(func(ctx context.Context) (*mail.Letter, error) {
		link, err := l.Links.Create(ctx, i.link(true))
		first := "You are invited to " + i.Path + " at " + l.Links.Issuer + ", as " + strings.Join(i.Roles, ", ") + "."
		if i.By != "" {
			first += " The invitation is from " + i.By + "."
		}
		return &mail.Letter{
			To: i.Email, Subject: "You are invited", Lines: []string{first}, Button: "Look at the invitation", Link: link,
			After: []string{
				"The link works once, until " + i.ExpiresAt.UTC().Format("2 January 2006, 15:04 UTC") + ".",
				"If you do not know what this is about, do nothing.",
			},
		}, err
	})
}

// InviteLink returns a link that takes an invitation up, for whoever may hand it over. It proves no address.
func (l *Letters) InviteLink(ctx context.Context, i Invited) (string, error) {
	return l.Links.Create(ctx, i.link(false))
}
