package directory

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// ReportLeak ends a client secret that somebody has found, and the tokens of the client that has it. Whoever knows a secret could
// act by it, so nobody needs a right to report it. It does not tell whether there was such a secret. A short imported secret
// cannot be looked up by its hash: those who manage the client end it by its name.
func (s *Service) ReportLeak(ctx context.Context, by By, value secret.Secret) error {
	text := value.Reveal()
	if len(text) < secret.MinKeyed || len(text) > secret.MaxLength {
		return nil
	}
	hash, err := s.Secrets.Hash(ctx, text)
	if err != nil {
		return err
	}
	clients, err := s.Store.ClientsWithSecret(ctx, hash)
	if err != nil {
		return err
	}
	by.Authority = access.ByModel // a report is not made by virtue of a platform role
	for _, id := range clients {
		err := s.update(ctx, by, func(w *work) error {
			c, err := w.Client(id)
			if err != nil || c == nil {
				return err
			}
			before := len(c.Secrets)
			c.Secrets = slices.DeleteFunc(c.Secrets, func(x iam.Secret) bool {
				if x.Hash == hash {
					w.leaked = append(w.leaked, x.ID)
				}
				return x.Hash == hash
			})
			if len(c.Secrets) == before {
				return nil
			}
			w.Safe()
			w.end(iam.RevocationRef{Kind: iam.RevokedClient, ID: string(id)})
			return w.PutClient(c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
