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
	addPlatform(a, op{http.MethodDelete, "/users/{user}", "delete-user", "End a user", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtUser
			Conditional
		}) (*none, error) {
			return nil, a.Directory.DeleteUser(ctx, by.by(), in.User, in.expect())
		})
}
