package directory

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Failures lists the failed authentications of an organization's clients to those who may read its audit log. With a subject only
// its own are listed.
func (s *Service) Failures(ctx context.Context, by By, node, subject string, p store.PageOptions) (out apiv1.Page[apiv1.FailedAuthentications], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, m, err := w.nodeAndModel(node)
		if err != nil {
			return err
		}
		if err := w.decide(func(r access.Roster) error { return m.Administer(r, w.by.Actor, n.ID, access.Audit) }); err != nil {
			return err
		}
		if n.Level != iam.LevelOrganization {
			return missing("organization", node)
		}
		page, err := s.Store.Failures(ctx, n.ID, subject, p)
		out, err = show(page, err, showFailures)
		return err
	})
	return out, err
}

// AllFailures lists the failed authentications of everyone, organization by organization.
func (s *Service) AllFailures(ctx context.Context, subject string, p store.PageOptions) (apiv1.Page[apiv1.FailedAuthentications], error) {
	page, err := s.Store.AllFailures(ctx, subject, p)
	return show(page, err, showFailures)
}

func showFailures(f iam.FailedAuthentications) (apiv1.FailedAuthentications, error) {
	return apiv1.FailedAuthentications{
		Organization: string(f.Organization), Subject: f.Subject, Network: f.Network,
		Minute: f.Minute, First: f.First, Last: f.Last, Count: f.Count,
	}, nil
}
