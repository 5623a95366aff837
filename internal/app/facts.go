package app

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// detailTypes returns the types that authorization_details may have in the access models that come with the program, sorted.
func detailTypes() []string {
	var out []string
	for _, name := range access.Presets() {
		if m, ok := access.Preset(name); ok {
			out = append(out, m.DetailTypes()...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// facts hands the store's view of the facts to those who evaluate access models on them.
func facts(st *store.Store) func(context.Context) token.Facts {
	return func(ctx context.Context) token.Facts { return st.Facts(ctx) }
}

// denied reads a refused token request as those who ask for the reason see it.
func denied(st *store.Store) func(context.Context, string) (*apiv1.TokenDenial, error) {
	return func(ctx context.Context, requestID string) (*apiv1.TokenDenial, error) {
		d, err := st.Denied(ctx, requestID)
		if err != nil || d == nil {
			return nil, err
		}
		return &apiv1.TokenDenial{
			RequestID: d.RequestID, At: d.At, Client: string(d.Client), Subject: d.Subject.String(),
			Organization: d.Asked.Organization, Audiences: d.Asked.Audiences, Code: d.Code, Detail: d.Message,
		}, nil
	}
}
