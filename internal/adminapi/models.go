package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtModel names an access model in a path.
type AtModel struct {
	Model string `path:"model" doc:"Its name."`
}

func (a *api) models() {
	const tag = "models"
	add(a, op{http.MethodGet, "/models", "list-models", "List the access models that the caller may read", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *Paged) (*plain[apiv1.Page[apiv1.ModelHead]], error) {
			return page(*in, tag, func(p store.PageOptions) (apiv1.Page[apiv1.ModelHead], error) {
				return a.Directory.ListModels(ctx, by.by(), p)
			})
		})
	add(a, op{http.MethodGet, "/models/{model}", "get-model", "Read an access model", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtModel) (*tagged[apiv1.Model], error) {
			v, err := a.Directory.Model(ctx, by.by(), in.Model)
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodPost, "/models", "create-model", "Make an access model", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.ModelSpec }) (*tagged[apiv1.Model], error) {
			v, err := a.Directory.CreateModel(ctx, by.by(), in.Body)
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodPut, "/models/{model}", "update-model", "Replace the source of an access model by a later revision", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtModel
			Conditional
			Body apiv1.ModelSpec
		}) (*tagged[apiv1.Model], error) {
			v, err := a.Directory.UpdateModel(ctx, by.by(), in.Model, in.Body, in.expect())
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodDelete, "/models/{model}", "delete-model", "End an access model that nothing follows", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtModel
			Conditional
		}) (*none, error) {
			return nil, a.Directory.DeleteModel(ctx, by.by(), in.Model, in.expect())
		})
	add(a, op{http.MethodPost, "/models/validate", "validate-model", "Say what is wrong with the source of an access model", tag, 0, true, false},
		func(_ context.Context, _ *caller, in *struct{ Body apiv1.ModelSpec }) (*plain[apiv1.ModelCheck], error) {
			return &plain[apiv1.ModelCheck]{Body: a.Directory.ValidateModel(in.Body)}, nil
		})
	add(a, op{http.MethodGet, "/models/{model}/render", "render-model", "Read an access model as a page for people", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtModel) (*plain[apiv1.AccessPage], error) {
			v, err := a.Directory.RenderModel(ctx, by.by(), in.Model)
			return &plain[apiv1.AccessPage]{Body: v}, err
		})
	for _, h := range homes {
		add(a, op{http.MethodGet, h.path + "/{node}/model/render", "render-model-of-" + h.id,
			"Read the access model of " + h.noun + " as a page for people, with its settings and its own roles", tag, 0, false, false},
			func(ctx context.Context, by *caller, in *AtNode) (*plain[apiv1.AccessPage], error) {
				v, err := a.Directory.RenderNode(ctx, by.by(), path(in.Node))
				return &plain[apiv1.AccessPage]{Body: v}, err
			})
	}
}
