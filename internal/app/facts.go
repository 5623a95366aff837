package app

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// model returns an access model by name.
func model(_ context.Context, name string) (*access.Model, error) {
	m, _ := access.Preset(name)
	return m, nil
}

// facts hands the store's view of the facts to those who evaluate access models on them.
func facts(st *store.Store) func(context.Context) token.Facts {
	return func(ctx context.Context) token.Facts { return st.Facts(ctx) }
}
