package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtAudience names an audience in a path. (huma sees embedded structs that are exported, and only those.)
type AtAudience struct {
	Audience string `path:"audience" doc:"Its name."`
}

func (a *api) audiences() {
	const tag = "audiences"
	add(a, op{http.MethodGet, "/audiences", "list-audiences", "List audiences; without a platform role, their names, identifiers and scopes", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *Paged) (*plain[apiv1.Page[apiv1.Audience]], error) {
			return page(*in, tag, func(p store.PageOptions) (apiv1.Page[apiv1.Audience], error) {
				return a.Directory.Audiences(ctx, by.by(), p)
			})
		})
	addPlatform(a, op{http.MethodPost, "/audiences", "create-audience", "Make an audience", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.NewAudience }) (*tagged[apiv1.Audience], error) {
			v, err := a.Directory.CreateAudience(ctx, by.by(), in.Body)
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodGet, "/audiences/{audience}", "get-audience", "Read an audience", tag, 0, false, false},
		func(ctx context.Context, _ *caller, in *AtAudience) (*tagged[apiv1.Audience], error) {
			v, err := a.Directory.Audience(ctx, in.Audience)
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodPut, "/audiences/{audience}", "update-audience", "Replace the spec of an audience", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtAudience
			Conditional
			Body apiv1.AudienceSpec
		}) (*tagged[apiv1.Audience], error) {
			v, err := a.Directory.UpdateAudience(ctx, by.by(), in.Audience, in.Body, in.expect())
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodDelete, "/audiences/{audience}", "delete-audience", "End an audience", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtAudience
			Conditional
		}) (*none, error) {
			return nil, a.Directory.DeleteAudience(ctx, by.by(), in.Audience, in.expect())
		})
}
