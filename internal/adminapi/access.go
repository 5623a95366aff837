package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// access is the questions about access: they change nothing, whatever their method says.
func (a *api) access() {
	const tag = "access"
	add(a, op{http.MethodPost, "/access/check", "check-access", "Ask whether somebody may do something at a node", tag, 0, true, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.AccessQuestion }) (*plain[apiv1.AccessDecision], error) {
			v, err := a.Directory.Check(ctx, by.by(), in.Body)
			return &plain[apiv1.AccessDecision]{Body: v}, err
		})
	add(a, op{http.MethodPost, "/access/explain", "explain-access", "Ask why somebody may or may not, why a role cannot be given, or why a token was denied", tag, 0, true, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.ExplainQuestion }) (*plain[apiv1.Explanation], error) {
			v, err := a.Directory.Explain(ctx, by.by(), in.Body)
			return &plain[apiv1.Explanation]{Body: v}, err
		})
	add(a, op{http.MethodPost, "/access/who", "who-can", "Ask who may do something at a node, or has access to it", tag, 0, true, false},
		func(ctx context.Context, by *caller, in *struct {
			Paged
			Body apiv1.WhoQuestion
		}) (*plain[apiv1.Page[apiv1.AccessEntry]], error) {
			return a.whoHasAccess(ctx, by, in.Body, in.Paged)
		})
	add(a, op{method: http.MethodPost, path: "/access/preview", id: "preview-access", summary: "Ask what changes would come to: refusals, seats, who would hold what", tag: tag, asks: true},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.Preview }) (*plain[apiv1.Effect], error) {
			v, err := a.Directory.Preview(ctx, by.by(), in.Body)
			return &plain[apiv1.Effect]{Body: v}, err
		})
	for _, h := range homes {
		add(a, op{http.MethodGet, h.path + "/{node}/access", "list-access-to-" + h.id, "List who has access to " + h.noun + ", and why", tag, 0, false, false},
			func(ctx context.Context, by *caller, in *struct {
				AtNode
				Paged
			}) (*plain[apiv1.Page[apiv1.AccessEntry]], error) {
				return a.whoHasAccess(ctx, by, apiv1.WhoQuestion{Resource: apiv1.Resource{ID: path(in.Node)}}, in.Paged)
			})
	}
}

func (a *api) whoHasAccess(ctx context.Context, by *caller, q apiv1.WhoQuestion, p Paged) (*plain[apiv1.Page[apiv1.AccessEntry]], error) {
	list := "access to " + q.Resource.Type + " " + q.Resource.ID + " " + q.Action
	return page(p, list, func(p store.PageOptions) (apiv1.Page[apiv1.AccessEntry], error) {
		return a.Directory.Who(ctx, by.by(), q, p)
	})
}
