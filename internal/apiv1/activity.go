package apiv1

import (
	"context"
	"time"
)

// FailedAuthentications counts what failed for one subject, from one network, in one minute.
type FailedAuthentications struct {
	Organization string    `json:"organization,omitempty" doc:"The id of the organization that the subject belongs to."`
	Subject      string    `json:"subject" doc:"As in client:release; unknown: clients that do not exist; other: of too many to be told apart."`
	Network      string    `json:"network,omitempty" doc:"An IPv4 address or a /64 of IPv6. Absent: one of too many to be told apart."`
	Minute       time.Time `json:"minute"`
	First        time.Time `json:"first"`
	Last         time.Time `json:"last"`
	Count        int64     `json:"count"`
}

// ListFailures lists failed authentications of the last thirty days, those of an organization's clients or, with "", everyone's,
// newest first within each organization. With a subject, as in "client:release", only its own.
func (c *Client) ListFailures(ctx context.Context, org, subject string, o PageOptions) (Page[FailedAuthentications], error) {
	path := "/activity"
	if org != "" {
		path = "/organizations" + segment(org) + "/activity"
	}
	v, _, err := get[Page[FailedAuthentications]](ctx, c, path, o.query("subject", subject))
	return v, err
}
