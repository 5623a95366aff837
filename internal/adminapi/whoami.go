package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

func (a *api) whoami() {
	add(a, op{http.MethodGet, "/whoami", "whoami", "Who the token speaks for", "whoami", 0, false, false},
		func(ctx context.Context, by *caller, _ *struct{}) (*plain[apiv1.Identity], error) {
			c := by.claims
			return &plain[apiv1.Identity]{Body: apiv1.Identity{
				Issuer: a.Issuer, Subject: c.Subject, ClientID: string(c.ClientID), Name: by.name, PlatformRole: string(by.role),
				Organization: c.OrgName, Scope: c.Scope, ExpiresAt: seconds(c.ExpiresAt),
			}}, nil
		})
}

func seconds(t int64) time.Time { return time.Unix(t, 0).UTC() }
