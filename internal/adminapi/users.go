package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtUser names a user in a path.
type AtUser struct {
	User string `path:"user" doc:"Name or id."`
}

func (a *api) users() {
	const tag = "users"
	add(a, op{http.MethodGet, "/users", "list-users", "List users", tag, 0},
		func(ctx context.Context, _ *caller, in *Paged) (*plain[apiv1.Page[apiv1.User]], error) {
			return page(*in, tag, func(p store.PageOptions) (apiv1.Page[apiv1.User], error) { return a.Directory.Users(ctx, p) })
		})
	add(a, op{http.MethodPost, "/users", "create-user", "Make a user", tag, http.StatusCreated},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.NewUser }) (*tagged[apiv1.User], error) {
			v, err := a.Directory.CreateUser(ctx, by.actor(), in.Body)
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodGet, "/users/{user}", "get-user", "Read a user", tag, 0},
		func(ctx context.Context, _ *caller, in *AtUser) (*tagged[apiv1.User], error) {
			v, err := a.Directory.User(ctx, in.User)
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodPut, "/users/{user}", "update-user", "Replace the spec of a user", tag, 0},
		func(ctx context.Context, by *caller, in *struct {
			AtUser
			Conditional
			Body apiv1.UserSpec
		}) (*tagged[apiv1.User], error) {
			v, err := a.Directory.UpdateUser(ctx, by.actor(), in.User, in.Body, in.expect())
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodDelete, "/users/{user}", "delete-user", "End a user", tag, http.StatusNoContent},
		func(ctx context.Context, by *caller, in *struct {
			AtUser
			Conditional
		}) (*none, error) {
			return nil, a.Directory.DeleteUser(ctx, by.actor(), in.User, in.expect())
		})
}
