package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func (a *api) revocations() {
	const tag = "revocations"
	addPlatform(a, op{http.MethodGet, "/revocations", "list-revocations", "List the marks in force", tag, 0, false, false},
		func(ctx context.Context, _ *caller, in *Paged) (*plain[apiv1.Page[apiv1.Revocation]], error) {
			return page(*in, tag, func(p store.PageOptions) (out apiv1.Page[apiv1.Revocation], _ error) {
				got, err := a.Store.Revocations(ctx, p)
				out = apiv1.Page[apiv1.Revocation]{Items: make([]apiv1.Revocation, 0, len(got.Items)), NextPageToken: got.Next}
				for _, r := range got.Items {
					out.Items = append(out.Items, apiv1.Revocation{Kind: string(r.Kind), ID: r.ID, NotBefore: r.NotBefore, ExpiresAt: r.ExpiresAt})
				}
				return out, err
			})
		})
	addPlatform(a, op{http.MethodPost, "/revocations", "revoke", "End tokens; the answer comes when that will survive a crash", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.NewRevocation }) (*plain[apiv1.Revoked], error) {
			v, err := a.revoke(ctx, by.by(), in.Body)
			return &plain[apiv1.Revoked]{Body: v}, err
		})
}

func (a *api) revoke(ctx context.Context, by directory.By, r apiv1.NewRevocation) (apiv1.Revoked, error) {
	switch {
	case (r.Token != "") == (r.Kind != "" || r.ID != ""):
		return apiv1.Revoked{}, iam.Errorf(iam.Invalid, "want kind and id, or a token")
	case r.Token != "":
		id, err := a.Revoker.TokenID(ctx, r.Token)
		if err != nil {
			return apiv1.Revoked{}, err
		}
		if err := a.Directory.NoteRevocation(ctx, by, iam.RevocationRef{Kind: iam.RevokedToken, ID: id}); err != nil {
			return apiv1.Revoked{}, err
		}
		id, err = a.Revoker.AnyToken(ctx, r.Token)
		return apiv1.Revoked{Kind: string(iam.RevokedToken), ID: id}, err
	}
	ref, err := a.Directory.Revocable(ctx, iam.RevocationKind(r.Kind), r.ID)
	if err != nil {
		return apiv1.Revoked{}, err
	}
	if err := a.Directory.NoteRevocation(ctx, by, ref); err != nil {
		return apiv1.Revoked{}, err
	}
	return apiv1.Revoked{Kind: string(ref.Kind), ID: ref.ID}, a.Endings.Everything(ctx, ref)
}
