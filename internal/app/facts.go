package app

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
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
