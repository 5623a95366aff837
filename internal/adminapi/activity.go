package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// OfSubject is the part of a request that selects one subject.
type OfSubject struct {
	Subject string `query:"subject" maxLength:"200" doc:"As in client:release, unknown or other. Absent: all."`
}

func (a *api) activity() {
	const tag = "activity"
	add(a, op{http.MethodGet, "/organizations/{node}/activity", "list-failed-authentications-of-organization",
		"List the failed authentications of an organization's clients in the last thirty days", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			OfSubject
			Paged
		}) (*plain[apiv1.Page[apiv1.FailedAuthentications]], error) {
			return page(in.Paged, "activity of "+in.Node+" "+in.Subject, func(p store.PageOptions) (apiv1.Page[apiv1.FailedAuthentications], error) {
				return a.Directory.Failures(ctx, by.by(), path(in.Node), in.Subject, p)
			})
		})
	addPlatform(a, op{http.MethodGet, "/activity", "list-failed-authentications", "List all failed authentications of the last thirty days", tag, 0, false, false},
		func(ctx context.Context, _ *caller, in *struct {
			OfSubject
			Paged
		}) (*plain[apiv1.Page[apiv1.FailedAuthentications]], error) {
			return page(in.Paged, "activity "+in.Subject, func(p store.PageOptions) (apiv1.Page[apiv1.FailedAuthentications], error) {
				return a.Directory.AllFailures(ctx, in.Subject, p)
			})
		})
}
