package app

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/mail"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// newLetters returns what makes one-time links and mails them: through the configured server; in development, where there is none, to
// whoever looks at the console; else not at all.
func (a *App) newLetters() *authn.Letters {
	c := a.options.Config
	l := &authn.Letters{Links: linksOf(a.store, c.Issuer), Tallies: a.store, Now: time.Now}
	switch {
	case !c.Mail.Off():
		server := &mail.SMTP{
			Server: c.Mail.Server, Port: c.Mail.Port, Username: c.Mail.Username, Password: string(c.Mail.Password), From: c.Mail.From, TLS: c.Mail.TLS,
		}
		l.Outbox = mail.NewOutbox(server.Deliver, a.log)
	case c.Dev:
		l.Outbox = mail.NewOutbox(a.printLetter, a.log)
	}
	return l
}

func linksOf(st *store.Store, issuer string) *authn.Links {
	return &authn.Links{Store: st, Issuer: issuer, Now: time.Now}
}

// printLetter shows a developer what would have been mailed.
func (a *App) printLetter(_ context.Context, l *mail.Letter) error {
	text, err := l.Text()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.options.Out, "\nMail to %s (mail.server is not set): %s\n\n%s\n", l.To, l.Subject, text)
	return err
}

// devSignIn returns a link that signs the owner of the seed in, "" when a developer has removed him.
func (a *App) devSignIn(ctx context.Context) (string, error) {
	u, err := a.store.UserNamed(ctx, devOwner)
	if err != nil || u == nil {
		return "", err
	}
	return a.letters.Links.Create(ctx, iam.Link{Purpose: iam.LinkSignIn, User: u.ID, ExpiresAt: time.Now().Add(authn.SignInLife)})
}
