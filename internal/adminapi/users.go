package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtUser names a user in a path.
type AtUser struct {
	User string `path:"user" doc:"Name or id."`
}

func (a *api) users() {
	const tag = "users"
	addPlatform(a, op{http.MethodGet, "/users", "list-users", "List users", tag, 0, false, false},
		func(ctx context.Context, _ *caller, in *Paged) (*plain[apiv1.Page[apiv1.User]], error) {
			return page(*in, tag, func(p store.PageOptions) (apiv1.Page[apiv1.User], error) { return a.Directory.Users(ctx, p) })
		})
	addPlatform(a, op{http.MethodPost, "/users", "create-user", "Make a user", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.NewUser }) (*tagged[apiv1.User], error) {
			v, err := a.Directory.CreateUser(ctx, by.by(), in.Body)
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodGet, "/users/{user}", "get-user", "Read a user", tag, 0, false, false},
		func(ctx context.Context, _ *caller, in *AtUser) (*tagged[apiv1.User], error) {
			v, err := a.Directory.User(ctx, in.User)
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodPut, "/users/{user}", "update-user", "Replace the spec of a user", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtUser
			Conditional
			Body apiv1.UserSpec
		}) (*tagged[apiv1.User], error) {
			v, err := a.Directory.UpdateUser(ctx, by.by(), in.User, in.Body, in.expect())
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodPost, "/users/{user}/password-resets", "reset-user-password", "Have a user choose a new password by a one-time link", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtUser
			Body apiv1.NewPasswordReset
		}) (*plain[apiv1.PasswordReset], error) {
			v, err := a.resetPassword(ctx, by, in.User, in.Body)
			return &plain[apiv1.PasswordReset]{Body: v}, err
		})
	addPlatform(a, op{http.MethodDelete, "/users/{user}", "delete-user", "End a user", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtUser
			Conditional
		}) (*none, error) {
			return nil, a.Directory.DeleteUser(ctx, by.by(), in.User, in.expect())
		})
}

// resetPassword mails a user a link, or returns it for the operator to hand over: it is all that anybody learns.
func (a *api) resetPassword(ctx context.Context, by *caller, ref string, n apiv1.NewPasswordReset) (out apiv1.PasswordReset, err error) {
	known, err := a.Directory.User(ctx, ref)
	if err != nil {
		return out, err
	}
	u, err := a.Store.User(ctx, iam.UserID(known.ID))
	if err != nil {
		return out, err
	}
	if u == nil || u.Disabled {
		return out, iam.Refuse(iam.Conflict, "user_disabled", "user %q is disabled: nobody signs in to the account", known.Name)
	}
	how := n.Delivery
	if how == "" {
		how = apiv1.DeliveryLink
		if a.Letters.On() == nil && u.VerifiedAddress() != "" {
			how = apiv1.DeliveryMail
		}
	}
	if how == apiv1.DeliveryMail {
		if u.VerifiedAddress() == "" {
			return out, iam.Refuse(iam.Conflict, "address_not_verified", "it is not known that user %q has the address %q: hand a link over", u.Name, u.Email)
		}
		if err := a.Letters.On(); err != nil {
			return out, err
		}
	}
	if err := a.Directory.Note(ctx, by.by(), "user.reset_password", u.ID.Subject().String(), "", map[string]string{"delivery": how}); err != nil {
		return out, err
	}
	if how == apiv1.DeliveryMail {
		return apiv1.PasswordReset{Mailed: true}, a.Letters.Reset(ctx, u)
	}
	out.Link, out.ExpiresAt, err = a.Letters.ResetLink(ctx, u)
	return out, err
}
