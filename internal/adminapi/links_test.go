package adminapi_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// ADM-16: the link of an invitation ends with it, to the second, and takes up no invitation that was made after it.
func TestInvitationLinksEndWithTheInvitation(t *testing.T) {
	b := start(t)
	b.hub()
	ctx, alice := t.Context(), b.person("alice", "acme")
	life := apiv1.Duration(time.Hour)
	invite := func() apiv1.Invitation {
		i, err := b.as(alice).Invite(ctx, "acme", apiv1.NewInvitation{Email: "new@acme.test", Role: "writer", ExpiresIn: &life, Delivery: apiv1.DeliveryLink})
		check(t, err)
		if !strings.HasPrefix(i.Link, issuer+"/invitation?token=gate_ot_") || i.Mailed {
			t.Fatalf("got %+v, want a link to hand over", i)
		}
		return i
	}
	links := func(at time.Time) *authn.Links {
		return &authn.Links{Store: b.store, Issuer: issuer, Now: func() time.Time { return at }}
	}
	open := func(i apiv1.Invitation, at time.Time) (*iam.Link, error) {
		u, err := url.Parse(i.Link)
		check(t, err)
		return links(at).Open(ctx, u.Query().Get("token"), iam.LinkInvitation)
	}
	first := invite()
	l, err := open(first, first.ExpiresAt.Add(-time.Second))
	check(t, err)
	if _, err := open(first, first.ExpiresAt); iam.CodeOf(err) != "invalid_link" {
		t.Errorf("at its end: got %v, want invalid_link", err)
	}
	later := b.now().Add(2 * time.Second)
	b.stopped.Store(&later)
	second := invite()
	accept := func(l *iam.Link, name string) error {
		_, err := b.directory.Accept(ctx, directory.Acceptance{Link: l, Name: name, Password: "gravel tumble oat"})
		return err
	}
	if err := accept(l, "eve"); iam.CodeOf(err) != "invitation_over" {
		t.Errorf("the link of the invitation before: got %v, want invitation_over", err)
	}
	l, err = open(second, second.CreatedAt)
	check(t, err)
	check(t, accept(l, "dora"))
	b.wantRoles("acme", "dora", "writer")
	if err := accept(l, "eve"); iam.CodeOf(err) != "invitation_over" {
		t.Errorf("twice: got %v, want invitation_over", err)
	}
}

// A link that was handed over takes its own invitation up and leaves others to the same address to whoever proves to have it.
func TestHandedLinkTakesItsOwnInvitationAlone(t *testing.T) {
	b := start(t)
	b.hub()
	ctx, alice := t.Context(), b.person("alice", "acme")
	i, err := b.as(alice).Invite(ctx, "acme", apiv1.NewInvitation{Email: "new@acme.test", Role: "reader", Delivery: apiv1.DeliveryLink})
	check(t, err)
	_, err = b.as("operator").CreateUser(ctx, apiv1.NewUser{Name: "owner-of-it", UserSpec: apiv1.UserSpec{Email: "new@acme.test", EmailVerified: false}})
	check(t, err)
	at, err := b.directory.Place(ctx, "acme")
	check(t, err)
	link := &iam.Link{Purpose: iam.LinkInvitation, Email: "new@acme.test", Node: at, InvitedAt: i.CreatedAt}
	user, err := b.directory.Accept(ctx, directory.Acceptance{Link: link, Name: "dora", Password: "gravel tumble oat"})
	check(t, err)
	if user.EmailVerified {
		t.Error("the address counts as verified")
	}
	b.wantRoles("acme", "dora", "reader")
}

// Mail is refused where none is sent, and an operator gets a link to hand over; neither shows a password.
func TestPasswordResetLinks(t *testing.T) {
	b := start(t)
	b.hub()
	ctx := t.Context()
	b.person("alice", "acme")
	v, err := b.as("operator").ResetUserPassword(ctx, "alice", apiv1.NewPasswordReset{})
	check(t, err)
	if v.Mailed || !strings.HasPrefix(v.Link, issuer+"/password/reset?token=gate_ot_") || v.ExpiresAt.IsZero() {
		t.Errorf("got %+v, want a link", v)
	}
	b.address("alice", "alice@acme.test", true)
	_, err = b.as("operator").ResetUserPassword(ctx, "alice", apiv1.NewPasswordReset{Delivery: apiv1.DeliveryMail})
	if code := codeOf(err); code != "mail_off" {
		t.Errorf("by mail: got %v, want mail_off", err)
	}
	_, err = b.as("operator").Invite(ctx, "acme", apiv1.NewInvitation{Email: "new@acme.test", Role: "reader", Delivery: apiv1.DeliveryMail})
	if code := codeOf(err); code != "mail_off" {
		t.Errorf("an invitation by mail: got %v, want mail_off", err)
	}
	if got := b.invited("operator", "acme"); len(got) != 0 {
		t.Errorf("invited are %v, want nobody", got)
	}
	_, err = b.as("operator").ResetUserPassword(ctx, "nobody", apiv1.NewPasswordReset{})
	if code := codeOf(err); code != "not_found" {
		t.Errorf("nobody: got %v, want not_found", err)
	}
	if strings.Contains(b.log.String(), "gate_ot_") {
		t.Error("the log has the secret of a link")
	}
}
