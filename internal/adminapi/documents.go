package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// documentSchema is how a Document is described: its spec depends on its kind.
type documentSchema struct {
	Kind     string         `json:"kind" enum:"Audience,User,Model,Organization,Node,CustomRole,Group,Client,Connector"`
	Metadata apiv1.Metadata `json:"metadata"`
	Spec     map[string]any `json:"spec" doc:"The spec of the kind, as the resource of that name has it; of an Organization and a Node, with assignments."`
}

func (a *api) documents() {
	const tag = "documents"
	addPlatform(a, op{http.MethodPost, "/apply", "apply", "Make documents true, or plan that", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.ApplyRequest }) (*plain[apiv1.Plan], error) {
			v, err := a.Directory.Apply(ctx, by.by(), in.Body)
			return &plain[apiv1.Plan]{Body: v}, err
		})
	addPlatform(a, op{http.MethodGet, "/export", "export", "Documents for everything there is, without secrets", tag, 0, false, false},
		func(ctx context.Context, _ *caller, in *struct {
			PageToken string `query:"page_token" maxLength:"2000" doc:"next_page_token of the part before."`
		}) (*plain[apiv1.Export], error) {
			after, err := place("export", in.PageToken)
			if err != nil {
				return nil, err
			}
			v, err := a.Directory.Export(ctx, after)
			v.NextPageToken = pageToken("export", v.NextPageToken)
			return &plain[apiv1.Export]{Body: v}, err
		})
}
