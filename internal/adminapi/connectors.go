package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtConnector names a connector in a path.
type AtConnector struct {
	Connector string `path:"connector" doc:"Its name."`
}

func (a *api) connectors() {
	const tag = "connectors"
	addPlatform(a, op{http.MethodGet, "/connectors", "list-connectors", "List the upstream providers that people sign in by", tag, 0, false, false},
		func(ctx context.Context, _ *caller, in *Paged) (*plain[apiv1.Page[apiv1.Connector]], error) {
			return page(*in, tag, func(p store.PageOptions) (apiv1.Page[apiv1.Connector], error) {
				return a.Directory.Connectors(ctx, p)
			})
		})
	addPlatform(a, op{http.MethodPost, "/connectors", "create-connector", "Make a connector to an upstream provider", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.NewConnector }) (*tagged[apiv1.Connector], error) {
			v, err := a.Directory.CreateConnector(ctx, by.by(), in.Body)
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodGet, "/connectors/{connector}", "get-connector", "Read a connector", tag, 0, false, false},
		func(ctx context.Context, _ *caller, in *AtConnector) (*tagged[apiv1.Connector], error) {
			v, err := a.Directory.Connector(ctx, in.Connector)
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodPut, "/connectors/{connector}", "update-connector", "Replace the spec of a connector; without a secret, that stays", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtConnector
			Conditional
			Body apiv1.ConnectorSpec
		}) (*tagged[apiv1.Connector], error) {
			v, err := a.Directory.UpdateConnector(ctx, by.by(), in.Connector, in.Body, in.expect())
			return withTag(v, v.ETag, err)
		})
	addPlatform(a, op{http.MethodDelete, "/connectors/{connector}", "delete-connector", "End a connector", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtConnector
			Conditional
		}) (*none, error) {
			return nil, a.Directory.DeleteConnector(ctx, by.by(), in.Connector, in.expect())
		})
}
