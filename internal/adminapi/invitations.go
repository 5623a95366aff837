package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func (a *api) invitationsAt(home, id, noun string) {
	const tag = "invitations"
	at := home + "/{node}/invitations"
	add(a, op{http.MethodGet, at, "list-invitations-to-" + id, "List the invitations to " + noun + " that are not over", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Paged
		}) (*plain[apiv1.Page[apiv1.Invitation]], error) {
			return page(in.Paged, "invitations to "+in.Node, func(p store.PageOptions) (apiv1.Page[apiv1.Invitation], error) {
				return a.Directory.Invitations(ctx, by.by(), path(in.Node), p)
			})
		})
	add(a, op{http.MethodPost, at, "invite-to-" + id, "Invite somebody to " + noun + ", or renew the invitation", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Body apiv1.NewInvitation
		}) (*plain[apiv1.Invitation], error) {
			v, err := a.invite(ctx, by, path(in.Node), in.Body)
			return &plain[apiv1.Invitation]{Body: v}, err
		})
	add(a, op{http.MethodDelete, at + "/{invitation}", "delete-invitation-to-" + id, "Take an invitation to " + noun + " back", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Invitation string `path:"invitation" doc:"Id."`
		}) (*none, error) {
			return nil, a.Directory.DeleteInvitation(ctx, by.by(), path(in.Node), in.Invitation)
		})
}

// invite invites, and then tells: whoever may invite somebody may hand a link over, which proves no address. An invitation whose mail
// could not be taken holds; to invite again sends it again.
func (a *api) invite(ctx context.Context, by *caller, node string, n apiv1.NewInvitation) (apiv1.Invitation, error) {
	how := n.Delivery
	switch {
	case n.Email == "" && how != "":
		return apiv1.Invitation{}, iam.Errorf(iam.Invalid, "delivery: an account at a provider has no address to send to, and takes its invitation up by signing in")
	case how == apiv1.DeliveryMail:
		if err := a.Letters.On(); err != nil {
			return apiv1.Invitation{}, err
		}
	case n.Email != "" && how == "" && a.Letters.On() == nil:
		how = apiv1.DeliveryMail
	}
	v, err := a.Directory.Invite(ctx, by.by(), node, n)
	if err != nil || how == "" {
		return v, err
	}
	id, err := a.Directory.Place(ctx, node)
	if err != nil {
		return v, err
	}
	i := authn.Invited{Email: v.Login.Name, Node: id, By: v.InvitedBy, At: v.CreatedAt, ExpiresAt: v.ExpiresAt}
	offer, err := a.Directory.Offered(ctx, i.Offer())
	if err != nil {
		return v, err
	}
	i.Path, i.Roles = offer.Path, offer.Roles
	if how == apiv1.DeliveryMail {
		v.Mailed, err = true, a.Letters.Invite(i)
		return v, err
	}
	v.Link, err = a.Letters.InviteLink(ctx, i)
	return v, err
}

func (a *api) logins() {
	const tag = "users"
	const at = "/users/{user}/logins"
	addPlatform(a, op{http.MethodGet, at, "list-user-logins", "List a user's accounts at upstream providers", tag, 0, false, false},
		func(ctx context.Context, _ *caller, in *AtUser) (*plain[apiv1.Page[apiv1.UserLogin]], error) {
			v, err := a.Directory.Logins(ctx, in.User)
			return &plain[apiv1.Page[apiv1.UserLogin]]{Body: v}, err
		})
	addPlatform(a, op{http.MethodPost, at, "link-user-login", "Link an account at a provider to a user, who gets what it was invited to", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtUser
			Body apiv1.NewUserLogin
		}) (*plain[apiv1.UserLinked], error) {
			v, err := a.Directory.LinkLogin(ctx, by.by(), in.User, in.Body)
			return &plain[apiv1.UserLinked]{Body: v}, err
		})
	addPlatform(a, op{http.MethodDelete, at + "/{login}", "unlink-user-login", "Take an account at a provider from a user", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtUser
			Login string `path:"login" doc:"Id."`
		}) (*none, error) {
			return nil, a.Directory.UnlinkLogin(ctx, by.by(), in.User, in.Login)
		})
}
