package adminapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/keys"
)

func (a *api) keys() {
	const tag = "keys"
	list := func(ctx context.Context) (*plain[apiv1.Page[apiv1.Key]], error) {
		all, err := a.Keys.List(ctx)
		out := &plain[apiv1.Page[apiv1.Key]]{Body: apiv1.Page[apiv1.Key]{Items: make([]apiv1.Key, 0, len(all))}}
		for _, k := range all {
			out.Body.Items = append(out.Body.Items, apiv1.Key{
				ID: k.ID, Alg: string(k.Alg), State: string(k.State),
				CreatedAt: k.CreatedAt, ActiveAt: k.ActiveAt, RetiredAt: k.RetiredAt, RemoveAt: k.RemoveAt,
			})
		}
		return out, err
	}
	addPlatform(a, op{http.MethodGet, "/keys", "list-keys", "List the signing keys", tag, 0, false, false},
		func(ctx context.Context, _ *caller, _ *struct{}) (*plain[apiv1.Page[apiv1.Key]], error) {
			return list(ctx)
		})
	addPlatform(a, op{http.MethodPost, "/keys", "rotate-key", "Make a key that takes over once every verifier can know it", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.KeyRotation }) (*plain[apiv1.Page[apiv1.Key]], error) {
			if err := a.Directory.Note(ctx, by.by(), "key.rotate", "alg:"+in.Body.Alg, "", nil); err != nil {
				return nil, err
			}
			if err := a.Keys.Rotate(ctx, keys.Alg(in.Body.Alg)); err != nil {
				return nil, err
			}
			return list(ctx)
		})
	addPlatform(a, op{http.MethodDelete, "/keys/{kid}", "remove-key", "Emergency: take a key out at once and end every token that it signed", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			KID string `path:"kid"`
		}) (*none, error) {
			all, err := a.Keys.List(ctx)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(all, func(k *keys.Key) bool { return k.ID == in.KID }) {
				if err := a.Directory.Note(ctx, by.by(), "key.remove", "key:"+in.KID, "", nil); err != nil {
					return nil, err
				}
			}
			return nil, a.Keys.Remove(ctx, in.KID)
		})
}
