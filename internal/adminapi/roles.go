package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// AtRole names a role in a path.
type AtRole struct {
	AtNode
	Role string `path:"role" doc:"The role's id."`
}

func (a *api) rolesAt(home, id, noun string) {
	const tag = "roles"
	list, one := home+"/{node}/roles", home+"/{node}/roles/{role}"
	add(a, op{http.MethodGet, list, "list-roles-of-" + id, "List the roles at " + noun + ", of the model and custom", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Level        string `query:"level" doc:"The level whose roles are listed. Absent: the node's own."`
			AssignableTo string `query:"assignable_to" enum:"user,group,client" doc:"Exactly those that the caller may give to such a subject, which holds nothing there."`
		}) (*plain[apiv1.Page[apiv1.Role]], error) {
			v, err := a.Directory.Roles(ctx, by.by(), path(in.Node), iam.Level(in.Level), iam.SubjectKind(in.AssignableTo))
			return &plain[apiv1.Page[apiv1.Role]]{Body: v}, err
		})
	add(a, op{http.MethodPost, list, "create-role-of-" + id, "Make a custom role of " + noun, tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Body apiv1.NewRole
		}) (*tagged[apiv1.Role], error) {
			v, err := a.Directory.CreateRole(ctx, by.by(), path(in.Node), in.Body)
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodGet, one, "get-role-of-" + id, "Read a role of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtRole) (*tagged[apiv1.Role], error) {
			v, err := a.Directory.Role(ctx, by.by(), path(in.Node), iam.RoleID(in.Role))
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodPut, one, "update-role-of-" + id, "Give a custom role of " + noun + " other permissions", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtRole
			Conditional
			Body apiv1.RoleChange
		}) (*tagged[apiv1.Role], error) {
			v, err := a.Directory.UpdateRole(ctx, by.by(), path(in.Node), iam.RoleID(in.Role), in.Body, in.expect())
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodDelete, one, "delete-role-of-" + id, "End a custom role of " + noun + " that nobody holds", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtRole
			Conditional
		}) (*none, error) {
			return nil, a.Directory.DeleteRole(ctx, by.by(), path(in.Node), iam.RoleID(in.Role), in.expect())
		})
}
